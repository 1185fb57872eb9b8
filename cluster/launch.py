# SPDX-License-Identifier: Apache-2.0
"""`python -m cluster.launch`: a run on Kubernetes, planned, compared, applied, watched and taken down.

It fills a run, an image and a scale into an overlay. `kubectl apply -k` does the same with values written into the
overlay. Only `apply`, `scale` and `down` change anything.
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence

from cluster.api import Cluster, ClusterError, Object, connect
from cluster.deploy import apply, changes, live_replicas, logs, namespace_of, ours, status, take_down, title
from cluster.render import RenderError, Values, images, overlays, pod_spec, render, settings
from minigo.run import Run, RunError, is_run
from minigo.storage import StorageError

DONE, FAILED = 0, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line, without the program's name, and returns its exit code."""
    options = parser().parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], None] = options.command
        command(options)
    except (RenderError, ClusterError, RunError, StorageError, OSError) as error:
        print(f"cluster.launch: {' '.join(str(error).split())}", file=sys.stderr)
        return FAILED
    return DONE


def parser() -> argparse.ArgumentParser:
    """What command lines are made of."""
    whole = argparse.ArgumentParser(prog="python -m cluster.launch", description=__doc__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for name, command, help_text in (
        ("plan", _plan, "what would be deployed; asks the bucket, not the cluster"),
        ("diff", _show_diff, "what apply would change; the server checks it and changes nothing"),
        ("apply", _apply, "shows the diff, and applies it"),
        ("status", _status, "what runs, and how far the run is"),
        ("scale", _scale, "sets the number of self-play pods"),
        ("logs", _logs, "the last lines of a role's pods"),
        ("down", _down, "deletes what apply made; the run stays"),
    ):
        made = commands.add_parser(name, help=help_text, description=help_text)
        made.set_defaults(command=command)
        _add_values(made)
        if name != "plan":
            made.add_argument("--context", help="of the kubeconfig; default: its current one")
        if name == "scale":
            made.add_argument("pods", type=_whole_number, help="how many self-play pods")
        if name == "logs":
            made.add_argument("role", help="selfplay, trainer, controller, match, ratings or dashboard")
            made.add_argument("--lines", type=_whole_number, default=20, help="of each pod")
        if name == "down":
            made.add_argument("--yes", action="store_true", help="delete; without it, only say what would be")
    return whole


def _add_values(command: argparse.ArgumentParser) -> None:
    command.add_argument("--overlay", default="local", help=f"{', '.join(overlays())}, or a folder (default: local)")
    command.add_argument("--run", help="the run: gs://bucket/prefix")
    command.add_argument("--image", help="REGISTRY/minigo:TAG")
    command.add_argument("--replicas", type=_whole_number, help="self-play pods; default: as many as there are")
    command.add_argument("--namespace", help="default: minigo")
    command.add_argument("--preset", help="what the trainer starts the run with, if there is none")
    command.add_argument("--parallelism", type=_whole_number, help="pairs of a gate match at a time")
    command.add_argument("--identity", metavar="NAME@PROJECT.iam.gserviceaccount.com", help="for Workload Identity")
    command.add_argument("--emulator", metavar="URL", help="a storage emulator that all pods use instead")


def _whole_number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {number}")
    return number


def _values(options: argparse.Namespace) -> Values:
    environment = {"STORAGE_EMULATOR_HOST": options.emulator} if options.emulator else {}
    names = ("run", "image", "replicas", "namespace", "preset", "parallelism", "identity")
    return Values(**{name: getattr(options, name) for name in names}, environment=environment)


def _rendered(options: argparse.Namespace, cluster: Cluster | None = None) -> list[Object]:
    """The overlay's objects; with a cluster, as they are applied there.

    Self-play keeps the scale that it has there unless another is given, and the namespace stays that of who made it.
    """
    values = _values(options)
    objects = render(options.overlay, values)
    if cluster is None:
        return objects
    if values.replicas is None:
        replicas = live_replicas(cluster, namespace_of(objects))
        if replicas is not None:
            objects = render(options.overlay, dataclasses.replace(values, replicas=replicas))
    return ours(cluster, objects)


def _check_run(objects: list[Object]) -> str:
    """What the run is now, in words. Raises StorageError where its bucket can not be used from here."""
    url, emulator = settings(objects)["MINIGO_RUN"], settings(objects).get("STORAGE_EMULATOR_HOST")
    if emulator:
        return "in an emulator, which is not asked from here"
    if not url.startswith("gs://"):
        raise RenderError(f"a run on a cluster must be at gs://bucket/prefix, which every pod reaches, got {url}")
    return "goes on" if is_run(url) else "is new"


def _plan(options: argparse.Namespace) -> None:
    objects = _rendered(options)
    told = settings(objects)
    print(f"run       {told['MINIGO_RUN']} ({_check_run(objects)})")
    print(f"image     {', '.join(sorted(images(objects)))}")
    print(f"namespace {namespace_of(objects)}")
    for item in objects:
        pod = pod_spec(item)
        if pod is None:
            print(f"  {title(item)}")
            continue
        (container,) = pod["containers"]
        limits = ", ".join(f"{value} {name}" for name, value in sorted(container["resources"]["limits"].items()))
        count = f"{item['spec']['replicas']} x " if "replicas" in item["spec"] else ""
        where = ", ".join(f"{name}={value}" for name, value in sorted(pod.get("nodeSelector", {}).items()))
        print(f"  {title(item)}: {count}{limits}{' on ' + where if where else ''}")


def _show_diff(options: argparse.Namespace) -> None:
    cluster = connect(options.context)
    _print_changes(cluster, _rendered(options, cluster))


def _print_changes(cluster: Cluster, objects: list[Object]) -> bool:
    """Prints what applying would change; whether that is anything."""
    found = [change for change in changes(cluster, objects) if change.diff]
    for change in found:
        print(f"new: {title(change.item)}" if change.is_new else change.diff.rstrip())
    if not found:
        print(f"nothing to change in namespace {namespace_of(objects)} of {cluster.url}")
    return bool(found)


def _apply(options: argparse.Namespace) -> None:
    cluster = connect(options.context)
    objects = _rendered(options, cluster)
    _check_run(objects)
    if _print_changes(cluster, objects):
        for item in apply(cluster, objects):
            print(f"applied {title(item)}")


def _status(options: argparse.Namespace) -> None:
    cluster = connect(options.context)
    objects = _rendered(options)
    print("\n".join(status(cluster, namespace_of(objects), objects)))
    url = settings(objects)["MINIGO_RUN"]
    if "STORAGE_EMULATOR_HOST" not in settings(objects) and is_run(url):
        run = Run.open(url)
        champion = run.champion()
        plays = f"champion {champion.network}" if champion is not None else "no champion yet"
        print(f"run {url}: {plays}, {len(run.networks())} networks")


def _scale(options: argparse.Namespace) -> None:
    namespace = options.namespace if options.namespace else "minigo"
    connect(options.context).scale(namespace, "selfplay", options.pods)
    print(f"Deployment selfplay in namespace {namespace}: {options.pods} pods")


def _logs(options: argparse.Namespace) -> None:
    namespace = options.namespace if options.namespace else "minigo"
    for line in logs(connect(options.context), namespace, options.role, options.lines):
        print(line)


def _down(options: argparse.Namespace) -> None:
    cluster, objects = connect(options.context), render(options.overlay, _values(options), is_complete=False)
    for line in take_down(cluster, objects, is_meant=options.yes):
        print(line)
    if not options.yes:
        print("nothing is deleted without --yes; the run stays in any case")


if __name__ == "__main__":
    sys.exit(main())
