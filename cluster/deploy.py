# SPDX-License-Identifier: Apache-2.0
"""What is done with rendered objects: compared with the cluster, applied, watched, and taken away again.

Everything is checked before anything is changed. The command line is `cluster.launch`.
"""

import copy
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from cluster.api import Cluster, ClusterError, Object, check_kind
from cluster.jobs import MATCH_LABEL, RUN_LABEL, work_of
from cluster.render import WORKLOADS

PART_OF: Final = "app.kubernetes.io/part-of=minigo"
MADE_BY: Final = {"app.kubernetes.io/managed-by": "cluster.launch"}  # on a namespace: `take_down` may delete it
_SERVERS_OWN = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")
_GROUPS = {
    "Deployment": "apps",
    "StatefulSet": "apps",
    "CronJob": "batch",
    "Role": "rbac.authorization.k8s.io",
    "RoleBinding": "rbac.authorization.k8s.io",
    "NetworkPolicy": "networking.k8s.io",
    "PriorityClass": "scheduling.k8s.io",
}


@dataclass(frozen=True)
class Change:
    """What applying an object would do."""

    item: Object
    diff: str  # unified; empty: nothing
    is_new: bool


def title(item: Object) -> str:
    """An object as people name it: "Deployment selfplay"."""
    return f"{item['kind']} {item['metadata']['name']}"


def namespace_of(objects: list[Object]) -> str:
    """The namespace that the objects are in."""
    return next(str(item["metadata"]["namespace"]) for item in objects if "namespace" in item["metadata"])


def ours(cluster: Cluster, objects: list[Object]) -> list[Object]:
    """The objects without a namespace that others have made, which stays as it is; one that is made gets a mark."""
    found = []
    for item in objects:
        if item["kind"] != "Namespace":
            found.append(item)
        elif (there := cluster.get("Namespace", "", item["metadata"]["name"])) is None or _is_marked(there):
            marked = copy.deepcopy(item)
            marked["metadata"]["labels"] = {**marked["metadata"].get("labels", {}), **MADE_BY}
            found.append(marked)
    return found


def changes(cluster: Cluster, objects: list[Object]) -> list[Change]:
    """What applying the objects would change; the server checks each of them, and changes nothing.

    Where the namespace is not there yet the server can not check what goes into it; then it is asked whether that
    may be made.

    Raises:
        ClusterError: the server would refuse one of them.
    """
    namespace = namespace_of(objects)
    is_there = cluster.get("Namespace", "", namespace) is not None
    found = []
    for item in objects:
        place = item["metadata"].get("namespace", "")
        check_kind(item)
        if place and not is_there:
            _ask(cluster, item)
            found.append(Change(item, _diff({}, item), is_new=True))
            continue
        before = cluster.get(item["kind"], place, item["metadata"]["name"])
        try:
            after = cluster.apply(item, dry_run=True)
        except ClusterError as error:
            raise ClusterError(f"{title(item)}: {error}", error.status) from None
        found.append(Change(item, _diff(before if before is not None else {}, after), before is None))
    return found


def apply(cluster: Cluster, objects: list[Object]) -> Iterator[Object]:
    """Applies the objects one after another, and yields each that is.

    Raises:
        ClusterError: one was refused; applying all of them again goes on from there.
    """
    for done, item in enumerate(objects):
        try:
            cluster.apply(item)
        except ClusterError as error:
            raise ClusterError(
                f"{title(item)}: {error}; {done} of {len(objects)} objects are applied: the same command goes on",
                error.status,
            ) from None
        yield item


def live_replicas(cluster: Cluster, namespace: str) -> int | None:
    """How many self-play pods the cluster is asked for now; None where there is no Deployment."""
    found = cluster.get("Deployment", namespace, "selfplay")
    return int(found["spec"]["replicas"]) if found is not None else None


def status(cluster: Cluster, namespace: str, objects: list[Object]) -> list[str]:
    """Lines about every workload, the gate matches, and pods that do not run."""
    lines = [_workload(cluster, namespace, item) for item in objects if item["kind"] in WORKLOADS]
    for job in cluster.list("Job", namespace, RUN_LABEL):
        work, state = work_of(job), job.get("status", {})
        name, pairs = job["metadata"]["labels"].get(MATCH_LABEL, "?"), job["spec"].get("completions", 0)
        done = int(state.get("succeeded", 0))
        lines.append(f"match {name}: {done} of {pairs} pairs, {work.running} at work, {work.failed} failed")
    for pod in cluster.list("Pod", namespace, PART_OF):
        reason = _trouble(pod)
        if reason:
            lines.append(f"pod {pod['metadata']['name']}: {reason}")
    return lines


def logs(cluster: Cluster, namespace: str, role: str, lines: int) -> Iterator[str]:
    """The last log lines of each pod of a role, each with its pod's name.

    Raises:
        ClusterError: there is no such pod.
    """
    pods = cluster.list("Pod", namespace, f"minigo/role={role}")
    if not pods:
        raise ClusterError(f"namespace {namespace} has no pod of role {role}")
    for pod in pods:
        name = pod["metadata"]["name"]
        try:
            yield from (f"{name} {line}" for line in cluster.logs(namespace, name, lines).splitlines())
        except ClusterError as error:
            if error.status not in (400, 404) and error.status < 500:  # it has not begun, is gone, or its node is
                raise
            yield f"{name} has no log: {error}"


def take_down(cluster: Cluster, objects: list[Object], *, is_meant: bool) -> Iterator[str]:
    """Deletes the objects, the last first, with the matches that they began, and yields a line about each.

    What others may use stays, and a line says so: the priority class, and a namespace that `ours` did not mark.

    Args:
        cluster: where.
        objects: an overlay's; their values do not matter.
        is_meant: whether anything is deleted; if not, the lines say what would be.
    """
    done, is_there = "deleted" if is_meant else "would delete", False
    for kind, namespace, name in _deployed(cluster, objects):
        is_there = True
        if not is_meant or cluster.delete(kind, namespace, name):
            yield f"{done} {kind} {name}"
    if not is_there:
        yield f"nothing of MiniGo is in namespace {namespace_of(objects)} of {cluster.url}"
    for item in objects:
        kind, name = item["kind"], item["metadata"]["name"]
        there = cluster.get(kind, "", name) if "namespace" not in item["metadata"] else None
        if there is not None and kind == "PriorityClass":
            yield f"{title(item)} stays, since other namespaces may use it: kubectl delete priorityclass {name}"
        elif there is not None and kind == "Namespace" and not _is_marked(there):
            yield f"{title(item)} stays, since cluster.launch did not make it: kubectl delete namespace {name}"


def _deployed(cluster: Cluster, objects: list[Object]) -> Iterator[tuple[str, str, str]]:
    """Kind, namespace and name of what a deployment has in the cluster, in the order in which it is deleted.

    Matches come after the controller and their template, so that none is begun again. Each change of the settings has
    left a ConfigMap.
    """
    namespace = namespace_of(objects)
    for item in reversed(objects):
        kind, name = item["kind"], item["metadata"]["name"]
        if "namespace" in item["metadata"] and kind != "ConfigMap" and cluster.get(kind, namespace, name) is not None:
            yield kind, namespace, name
    for kind, labels in (("ConfigMap", PART_OF), ("Job", RUN_LABEL)):
        for found in cluster.list(kind, namespace, labels):
            yield kind, namespace, found["metadata"]["name"]
    there = cluster.get("Namespace", "", namespace)
    if there is not None and _is_marked(there):
        yield "Namespace", "", namespace


def _is_marked(namespace: Object) -> bool:
    labels: dict[str, str] = namespace["metadata"].get("labels", {})
    return MADE_BY.items() <= labels.items()


def _ask(cluster: Cluster, item: Object) -> None:
    kind, namespace = item["kind"], item["metadata"]["namespace"]
    resource = "networkpolicies" if kind == "NetworkPolicy" else f"{kind.lower()}s"
    if not cluster.may(namespace, "create", _GROUPS.get(kind, ""), resource):
        raise ClusterError(
            f"{title(item)}: you may not create {resource} in namespace {namespace} of {cluster.url}; "
            "ask for the role container.admin, or admin of the namespace",
            403,
        )


def _diff(before: Object, after: Object) -> str:
    old, new = (_lines(item) for item in (before, after))
    name = title(after)
    return "".join(difflib.unified_diff(old, new, f"{name} (now)", f"{name} (then)", n=2))


def _lines(item: Object) -> list[str]:
    if not item:
        return []
    plain = copy.deepcopy(item)
    plain.pop("status", None)
    for name in _SERVERS_OWN:
        plain["metadata"].pop(name, None)
    return yaml.safe_dump(plain).splitlines(keepends=True)


def _workload(cluster: Cluster, namespace: str, item: Object) -> str:
    found = cluster.get(item["kind"], namespace, item["metadata"]["name"])
    if found is None:
        return f"{title(item)}: not there"
    state = found.get("status", {})
    if item["kind"] == "CronJob":
        suspended = (
            "a template" if found["spec"].get("suspend") else f"last at {state.get('lastScheduleTime', 'never')}"
        )
        return f"{title(item)}: {suspended}"
    return f"{title(item)}: {state.get('readyReplicas', 0)} of {found['spec']['replicas']} ready"


def _trouble(pod: Object) -> str:
    """Why a pod does not run; nothing if it runs, or has ended well."""
    state = pod.get("status", {})
    for container in state.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting")
        if waiting is not None:
            ended = container.get("lastState", {}).get("terminated", {})
            code = f", after exit code {ended['exitCode']}" if "exitCode" in ended else ""
            return f"{waiting.get('reason', 'waiting')}{code}: {waiting.get('message', '')}".rstrip(": ")
    if state.get("phase") == "Pending":
        reasons = [c.get("message", "") for c in state.get("conditions", ()) if c["status"] == "False"]
        return f"pending: {'; '.join(filter(None, reasons))}".rstrip(": ")
    return f"failed: {state.get('reason', '')}".rstrip(": ") if state.get("phase") == "Failed" else ""
