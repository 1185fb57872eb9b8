# SPDX-License-Identifier: Apache-2.0
"""The failures: each is made to happen, and waited for until the system works again by itself.

A drill returns when the failure began, or for one that lasts when it ended, and when the system worked again. What
"works again" means is the drill's own; other things that came after it are read from the bucket's log later.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.cluster.control_plane.api import MERGE, ApiError, Object
from tests.cluster.control_plane.nodes import Node
from tests.cluster.control_plane.pods import Pod
from tests.cluster.control_plane.system import NAMESPACE, System
from tests.support.gcs_emulator import Acknowledged

LIMIT_SECONDS: Final = 600.0
STORM_SECONDS: Final = 10.0
API_DOWN_SECONDS: Final = 5.0
MATCHES: Final = 20
SUCCESSOR_SECONDS: Final = 20.0  # a pod that is replaced at all is replaced at once
REPLACED: Final = 75  # exit code of a trainer that finds another one in its place


@dataclass
class Outcome:
    """What one failure did."""

    began: float  # or ended, if it lasted; monotonic seconds
    recovered: float
    notes: dict[str, float] = field(default_factory=dict)  # further times, in seconds


def crash_worker_node(system: System) -> Outcome:
    """A node with self-play dies at once. Until a new pod has published a shard."""
    with system.spot_nodes:
        node, _ = _worker(system)
        before = _workers(system)
        began = time.monotonic()
        node.crash()
    system.cloud.add(is_spot=True)
    return Outcome(began, _new_worker_publishes(system, began, before))


def reclaim_spot_node(system: System) -> Outcome:
    """A spot node's pods get SIGTERM and 15 s, then it is gone. Until a new pod has published a shard."""
    with system.spot_nodes:
        node, pod = _worker(system)
        before = _workers(system)
        began = time.monotonic()
        thread = threading.Thread(target=node.reclaim)
        thread.start()
        system.wait(lambda: pod.is_ended, 60, "the worker ends")
        notes = {"worker ended after": time.monotonic() - began}
        thread.join()
    assert pod.code == 0, f"a reclaimed worker must end well, got exit code {pod.code}"
    system.cloud.add(is_spot=True)
    return Outcome(began, _new_worker_publishes(system, began, before), notes)


def drain_node(system: System) -> Outcome:
    """A person drains a node with self-play, and takes it back into use. Until a new pod has published a shard."""
    with system.spot_nodes:
        node, pod = _worker(system)
        before = _workers(system)
        began = time.monotonic()
        system.kubectl("drain", node.name, "--delete-emptydir-data", "--force", "--timeout=90s")
        notes = {"drained after": time.monotonic() - began}
        assert pod.code == 0, f"a drained worker must end well, got exit code {pod.code}"
        system.kubectl("uncordon", node.name)
    return Outcome(began, _new_worker_publishes(system, began, before), notes)


def kill_worker(system: System) -> Outcome:
    """By kill -9, as the kernel does where memory is short. Until the pod, started again, has published a shard."""
    with system.spot_nodes:
        _, pod = _worker(system)
        ends, began = pod.restarts, time.monotonic()
        pod.kill()
        system.wait(lambda: pod.restarts > ends, LIMIT_SECONDS, "the worker is started again")
        again, uid = time.monotonic(), pod.uid.partition("-")[0]

        def published(since: float) -> list[Acknowledged]:
            return [write for write in system.writes(since, "games/") if _worker_uid(write.name) == uid]

        return Outcome(began, _next(system, again, published, "a shard of the worker that was killed"))


def kill_trainer(system: System) -> Outcome:
    """By kill -9. Until the next commit."""
    _, pod = system.pod("trainer")
    began = time.monotonic()
    pod.kill()
    return Outcome(began, _next(system, began, system.commits, "a commit"))


def crash_trainer_node(system: System) -> Outcome:
    """The trainer's node dies at once, and its cloud finds that its machine is gone. Until the next commit."""
    with system.lasting_nodes:
        node, _ = system.pod("trainer")
        began = time.monotonic()
        node.crash()
    system.cloud.add(is_spot=False)
    return Outcome(began, _next(system, began, system.commits, "a commit"))


def two_trainers(system: System) -> Outcome:
    """A node loses the API server, and the trainer on it is deleted by force: it goes on beside its successor.

    Until the next commit, whoever's; it is noted when the older one has found out and ended.
    """
    with system.lasting_nodes:
        node, old = system.pod("trainer")
        ends = old.restarts  # it may have been killed before
        with _cut_off(system, node, old) as began:
            system.wait(lambda: old.restarts > ends, LIMIT_SECONDS, "the older trainer ends")
            notes = {"older one ended after": time.monotonic() - began}
    assert old.code == REPLACED, f"a trainer that was replaced must end with {REPLACED}, got {old.code}"
    return Outcome(began, _next(system, began, system.commits, "a commit"), notes)


def kill_controller(system: System) -> Outcome:
    """By kill -9, in a match. Until the next verdict."""
    _in_a_match(system)
    _, pod = system.pod("controller")
    began = time.monotonic()
    pod.kill()
    return Outcome(began, _next_verdict(system, began))


def late_controller(system: System) -> Outcome:
    """A controller stands still in a match, is replaced, and wakes up when another verdict is there.

    Until its successor's verdict; then both work until there is one more.
    """
    _in_a_match(system)
    with system.lasting_nodes:
        node, old = system.pod("controller")
        old.send(signal.SIGSTOP)
        with _cut_off(system, node, old) as began:
            recovered = _next_verdict(system, began)
            old.send(signal.SIGCONT)
            woken = time.monotonic()
            notes = {"a verdict after it woke up": _next_verdict(system, woken) - woken}
        notes["its verdict came too late"] = float("came too late" in old.log.read_text(encoding="utf-8"))
    return Outcome(began, recovered, notes)


def same_index(system: System) -> Outcome:
    """Two pods play one pair: a node loses the API server, and its match pod is deleted by force. Until the verdict.

    A match that is just over gives no successor to its pods: then it is done to the next match.
    """
    with system.spot_nodes:
        for _ in range(MATCHES):
            _in_a_match(system)
            at_work = _match_pods(system)
            if not at_work:
                continue
            node, pod = at_work[-1]
            outcome = _two_of_one_index(system, node, pod)
            if outcome is not None:
                return outcome
    raise AssertionError(f"no pod of {MATCHES} matches got a successor")


def _two_of_one_index(system: System, node: Node, pod: Pod) -> Outcome | None:
    """The pod stands still until its successor has started, or it might be done before. None: there is none."""

    def has_twin() -> bool:
        return any(_is_twin(system, other, pod) for _, other in system.pods("match") if other is not pod)

    pod.send(signal.SIGSTOP)
    with _cut_off(system, node, pod) as began:
        while not has_twin():
            if time.monotonic() - began > SUCCESSOR_SECONDS:
                return None
            time.sleep(0.1)
        notes = {"second pod after": time.monotonic() - began}
        pod.send(signal.SIGCONT)
        return Outcome(began, _next_verdict(system, began), notes)


def lose_replies(system: System) -> Outcome:
    """Half of all requests are done and their replies lost, for 10 s. Until the next shard."""
    with system.bucket.storm(0.5, seed=len(system.bucket.acknowledged), faults=("commit-drop",)):
        time.sleep(STORM_SECONDS)
    return _after_the_storm(system)


def refuse_everything(system: System) -> Outcome:
    """The bucket answers 503 to everything, for 10 s. Until the next shard."""
    with system.bucket.storm(1.0, seed=0, faults=("503",)):
        time.sleep(STORM_SECONDS)
    return _after_the_storm(system)


def slow_down_everything(system: System) -> Outcome:
    """The bucket answers 429 to everything, for 10 s. Until the next shard."""
    with system.bucket.storm(1.0, seed=0, faults=("429",)):
        time.sleep(STORM_SECONDS)
    return _after_the_storm(system)


def restart_api_server(system: System) -> Outcome:
    """The API server is killed in a match and stays away for 5 s. Until the next verdict."""
    _in_a_match(system)
    began = time.monotonic()
    system.plane.kill_api_server()
    time.sleep(API_DOWN_SECONDS)
    system.plane.start_api_server()
    return Outcome(began, _next_verdict(system, began))


LANES: Final[dict[str, dict[str, Callable[[System], Outcome]]]] = {
    "selfplay": {
        "worker's node crashes": crash_worker_node,
        "replies lost, 10 s": lose_replies,
        "spot node is reclaimed": reclaim_spot_node,
        "503 to everything, 10 s": refuse_everything,
        "worker killed -9": kill_worker,
        "429 to everything, 10 s": slow_down_everything,
        "a node is drained": drain_node,
        "trainer's node crashes": crash_trainer_node,
    },
    "trainer": {
        "trainer killed -9": kill_trainer,
        "two trainers": two_trainers,
    },
    "controller": {
        "controller killed -9 in a match": kill_controller,
        "two pods with one index": same_index,
        "API server killed, 5 s": restart_api_server,
        "controller wakes up late": late_controller,
    },
}
"""All failures, by the role that must be whole before, and by what a table calls them. Those of different roles happen
at the same time."""


@contextlib.contextmanager
def _cut_off(system: System, node: Node, pod: Pod) -> Iterator[float]:
    """A pod's node loses the API server, and the pod is deleted by force; yields when. Afterwards the node is back.

    The node is cordoned, or the pod's successor might be sent to it.
    """
    _insist(system, "PATCH", f"/api/v1/nodes/{node.name}", {"spec": {"unschedulable": True}}, MERGE)
    began = time.monotonic()
    node.cut()
    try:
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod.name}"
        _insist(
            system,
            "DELETE",
            path,
            {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid}},
        )
        yield began
    finally:
        pod.send(signal.SIGCONT)
        node.heal()
        _insist(system, "PATCH", f"/api/v1/nodes/{node.name}", {"spec": {"unschedulable": False}}, MERGE)


def _insist(system: System, method: str, path: str, body: Object, content: str = "application/json") -> None:
    """Makes a request, again and again while the API server is away; what is gone is fine."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            system.plane.api.send(method, path, body, content=content)
        except ApiError as error:
            if error.status in (404, 409):
                return
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _worker(system: System) -> tuple[Node, Pod]:
    """A self-play pod that has published, while nobody is about to replace one for an earlier failure."""
    found: list[
        tuple[Node, Pod]
    ] = []  # kept from the look that succeeded: the next may meet an API server that is down

    def look() -> bool:
        if system.is_whole("selfplay"):
            published = {_worker_uid(write.name) for write in system.writes(0.0, "games/")}
            pods = [(node, pod) for node, pod in system.pods("selfplay") if node.is_reachable and not pod.is_stopping]
            found[:] = [(node, pod) for node, pod in pods if pod.uid.partition("-")[0] in published]
        return bool(found)

    system.wait(look, LIMIT_SECONDS, "a self-play pod that has published")
    return found[0]


def _workers(system: System) -> set[str]:
    return {pod.uid.partition("-")[0] for _, pod in system.pods("selfplay")}


def _worker_uid(shard: str) -> str:
    """The first part of the pod's uid in the name of a shard that it published."""
    return shard.rsplit("-", 3)[1]


def _new_worker_publishes(system: System, began: float, before: set[str]) -> float:
    def new() -> list[float]:
        shards = system.writes(began, "games/")
        return [write.time for write in shards if _worker_uid(write.name) not in before]

    system.wait(new, LIMIT_SECONDS, "a new worker's shard")
    return new()[0]


def _next(system: System, began: float, look: Callable[[float], list], what: str) -> float:  # type: ignore[type-arg]
    system.wait(lambda: look(began), LIMIT_SECONDS, what)
    return float(look(began)[0].time)


def _next_verdict(system: System, began: float) -> float:
    return _next(system, began, lambda since: system.writes(since, "matches/", "/verdict.json"), "a verdict")


def _after_the_storm(system: System) -> Outcome:
    ended = time.monotonic()
    return Outcome(ended, _next(system, ended, lambda since: system.writes(since, "games/"), "a shard"))


def _in_a_match(system: System) -> None:
    """Waits until a pair of a match is being played."""
    system.wait(lambda: _match_pods(system), LIMIT_SECONDS, "a match")


def _match_pods(system: System) -> list[tuple[Node, Pod]]:
    """Match pods at work that the API server knows of, the one last that has begun last."""
    found = [(node, pod) for node, pod in system.pods("match") if node.is_reachable and not pod.is_stopping]
    return sorted(found, key=lambda place: str(place[1].manifest["metadata"]["creationTimestamp"]))


def _is_twin(system: System, other: Pod, pod: Pod) -> bool:
    def key(item: Pod) -> tuple[str, int | None]:
        return item.manifest["metadata"]["labels"]["minigo/match"], system.indexes.of(item.manifest)

    return key(other) == key(pod)
