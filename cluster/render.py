# SPDX-License-Identifier: Apache-2.0
"""Overlays as the objects that are applied: `kubectl kustomize`, with the values that a person gives filled in.

The files of an overlay stay as they are; a kustomization on top of it is written to a temporary folder. Start at
`render`.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.api import Object
from minigo.flags import UsageError, preset_text

ROOT: Final = Path(__file__).parent
PLACEHOLDER: Final = "CHANGE-ME"
WORKLOADS: Final = ("Deployment", "StatefulSet", "CronJob")
_IDENTITY: Final = "iam.gke.io/gcp-service-account"


class RenderError(Exception):
    """An overlay can not be rendered, or a value is missing or wrong. The message says which and where it is given."""


@dataclass(frozen=True)
class Values:
    """What differs from one deployment to the next. None or nothing leaves what the overlay says."""

    run: str | None = None  # URL of the run
    image: str | None = None  # with its tag or digest
    replicas: int | None = None  # self-play pods
    namespace: str | None = None
    preset: str | None = None  # what the trainer starts the run with
    parallelism: int | None = None  # pairs of a gate match at a time
    identity: str | None = None  # Google service account, where accounts are not bound directly
    environment: dict[str, str] = field(default_factory=dict)  # for every pod


def overlays() -> list[str]:
    """Names of the overlays in the package."""
    return sorted(path.parent.name for path in ROOT.glob("overlays/*/kustomization.yaml"))


def overlay_folder(name: str) -> Path:
    """The folder of an overlay: one of the package, or a path.

    Raises:
        RenderError: there is neither.
    """
    for folder in (ROOT / "overlays" / name, Path(name)):
        if (folder / "kustomization.yaml").is_file():
            return folder.resolve()
    raise RenderError(f"no overlay {name!r} (missing kustomization.yaml); there are {', '.join(overlays())}")


def render(overlay: str, values: Values, *, is_complete: bool = True) -> list[Object]:
    """The objects of an overlay with these values in them, in the order in which they can be applied.

    Args:
        overlay: its name, or its folder.
        values: what is filled in.
        is_complete: whether the objects are to run, and values must be there and right; names need none.

    Raises:
        RenderError: kubectl is missing, the overlay is broken, or a value is missing or wrong.
    """
    folder = overlay_folder(overlay)
    plain = kustomize(folder)
    with tempfile.TemporaryDirectory(prefix="minigo-overlay-") as temporary:
        place = Path(temporary).resolve()
        on_top = _kustomization(os.path.relpath(folder, place), plain, values)
        (place / "kustomization.yaml").write_text(yaml.safe_dump(on_top), encoding="utf-8")
        objects = kustomize(place)
    if is_complete:
        _check_filled_in(objects, overlay)
        _check_settings(settings(objects))
    return objects


def kustomize(folder: Path) -> list[Object]:
    """What `kubectl kustomize` makes of a folder. Raises RenderError."""
    program = shutil.which("kubectl")
    if program is None:
        raise RenderError("kubectl is missing, which renders the overlays: install version 1.27 or newer")
    done = subprocess.run([program, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = " ".join(done.stderr.split()).removeprefix("error: ")
        raise RenderError(f"{folder} is no overlay that kubectl can render: {reason}")
    return [item for item in yaml.safe_load_all(done.stdout) if item is not None]


def pod_spec(item: Object) -> dict[str, Any] | None:
    """The pod that an object makes; None if it makes none."""
    if item["kind"] not in WORKLOADS:
        return None
    spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"]
    found: dict[str, Any] = spec["template"]["spec"]
    return found


def images(objects: list[Object]) -> set[str]:
    """Every image that the objects' containers run."""
    pods = [pod for pod in map(pod_spec, objects) if pod is not None]
    return {container["image"] for pod in pods for container in pod["containers"] + pod.get("initContainers", [])}


def settings(objects: list[Object]) -> dict[str, str]:
    """What the ConfigMap `run` tells all roles."""
    maps = [item["data"] for item in objects if item["kind"] == "ConfigMap"]
    return {name: value for data in maps for name, value in data.items()}


def _kustomization(base: str, plain: list[Object], values: Values) -> Object:
    """The kustomization on top of an overlay. A changed setting changes the ConfigMap's name, which restarts pods."""
    given = {
        "MINIGO_RUN": values.run,
        "MINIGO_PRESET": values.preset,
        "MINIGO_PARALLELISM": values.parallelism,
        **values.environment,
    }
    literals = [f"{name}={value}" for name, value in given.items() if value is not None]
    made: Object = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [base]}
    if values.namespace is not None:
        made["namespace"] = values.namespace
    if literals:
        made["configMapGenerator"] = [{"name": "run", "behavior": "merge", "literals": literals}]
    if values.image is not None:
        made["images"] = [_image(_name_of(image), values.image) for image in sorted(images(plain))]
    if values.replicas is not None:
        made["replicas"] = [{"name": "selfplay", "count": values.replicas}]
    if values.identity is not None:
        account = {"kind": "ServiceAccount", "metadata": {"name": "any", "annotations": {_IDENTITY: values.identity}}}
        made["patches"] = [{"target": {"kind": "ServiceAccount"}, "patch": yaml.safe_dump(account)}]
    return made


def _image(name: str, wanted: str) -> dict[str, str]:
    repository, _, digest = wanted.partition("@")
    if digest:
        return {"name": name, "newName": repository, "digest": digest}
    head, _, last = wanted.rpartition("/")
    last, _, tag = last.partition(":")
    return {"name": name, "newName": f"{head}/{last}" if head else last, "newTag": tag if tag else "latest"}


def _name_of(image: str) -> str:
    head, slash, last = image.partition("@")[0].rpartition("/")
    return head + slash + last.partition(":")[0]


def _check_filled_in(objects: list[Object], overlay: str) -> None:
    run, named = settings(objects).get("MINIGO_RUN", ""), images(objects)
    place = f"set it in {overlay_folder(overlay)}/kustomization.yaml"
    if not run or PLACEHOLDER in run:
        raise RenderError(f"overlay {overlay} has no run: give --run=gs://BUCKET/PREFIX, or {place} (MINIGO_RUN)")
    if any(PLACEHOLDER in image for image in named):
        raise RenderError(f"overlay {overlay} has no image: give --image=REGISTRY/minigo:TAG, or {place} (images)")
    if left := [item["metadata"]["name"] for item in objects if PLACEHOLDER in yaml.safe_dump(item)]:
        raise RenderError(f"overlay {overlay} still says {PLACEHOLDER} in {', '.join(left)}: {place}")


def _check_settings(told: dict[str, str]) -> None:
    """Refuses what a role would refuse once it starts, again and again."""
    if "MINIGO_PRESET" in told:
        try:
            preset_text(told["MINIGO_PRESET"])
        except UsageError as error:
            raise RenderError(f"{error}; give another --preset (MINIGO_PRESET)") from None
    parallelism = told.get("MINIGO_PARALLELISM", "1")
    if not parallelism.isdecimal() or int(parallelism) < 1:
        raise RenderError(f"MINIGO_PARALLELISM must be 1 or more, got {parallelism}: give --parallelism")
