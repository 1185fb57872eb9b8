# SPDX-License-Identifier: Apache-2.0
"""A pod as a process of this machine: its environment, probes, restarts, grace period, and what it says of itself.

As much of a kubelet as MiniGo's manifests use: one container, no init containers, an image that is a command line.
Users, read-only file systems and limits are not enforced; the image's own test does that. Start at `Pod`.
"""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from tests.cluster.control_plane.api import Object
from tests.cluster.control_plane.network import PodNetwork

FIRST_BACK_OFF_SECONDS: Final = 10.0  # the first restart is at once, then this, doubled each time
MAX_BACK_OFF_SECONDS: Final = 300.0
FORGET_SECONDS: Final = 600.0  # a container that ran for so long starts from the beginning


@dataclass(frozen=True)
class Image:
    """What a container runs."""

    entrypoint: tuple[str, ...]
    environment: dict[str, str]


def now() -> str:
    """The time as objects have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def environment_of(pod: Object, address: str, config_maps: dict[str, dict[str, str]]) -> dict[str, str]:
    """What a pod's manifest puts into the environment.

    Args:
        pod: the pod, with one container.
        address: its own.
        config_maps: their data, by name.
    """
    (container,) = pod["spec"]["containers"]
    made: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        made |= config_maps[source["configMapRef"]["name"]]
    for entry in container.get("env", ()):
        made[entry["name"]] = _value(pod, container, entry, address)
    return made


def expanded(text: str, environment: dict[str, str]) -> str:
    """An argument with each $(NAME) that the environment has filled in."""
    return re.sub(r"\$\((\w+)\)", lambda found: environment.get(found[1], found[0]), text)


def _value(pod: Object, container: Object, entry: Object, address: str) -> str:
    if "valueFrom" not in entry:
        return str(entry.get("value", ""))
    source = entry["valueFrom"]
    if "resourceFieldRef" in source:
        kind, name = source["resourceFieldRef"]["resource"].split(".")
        amount = str(container["resources"][kind][name])
        number = Fraction(amount.removesuffix("m")) / (1000 if amount.endswith("m") else 1)
        return str(-(-number.numerator // number.denominator))
    fields = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"]["nodeName"],
        "status.podIP": address,
    }
    return str(fields[source["fieldRef"]["fieldPath"]])


class Probe:
    """An HTTP probe of one container: asked when it is due, from a thread of its own."""

    def __init__(self, spec: Object, address: str, ports: dict[str, int]) -> None:
        get = spec["httpGet"]
        port = ports.get(get["port"], get["port"])
        self.url = f"http://{address}:{port}{get.get('path', '/')}"
        self.period = float(spec.get("periodSeconds", 10))
        self.timeout = float(spec.get("timeoutSeconds", 1))
        self.threshold = int(spec.get("failureThreshold", 3))
        self.failures = 0  # in a row
        self.has_succeeded = False
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def step(self, time_now: float) -> None:
        """Asks, if it is time to."""
        if time_now >= self._due and (self._thread is None or not self._thread.is_alive()):
            self._due = time_now + self.period
            self._thread = threading.Thread(target=self._ask, daemon=True)
            self._thread.start()

    def _ask(self) -> None:
        try:
            with urllib.request.urlopen(self.url, timeout=self.timeout) as reply:  # noqa: S310 (its own pod)
                reply.read()
            self.failures, self.has_succeeded = 0, True
        except OSError:
            self.failures += 1
            if self.failures >= self.threshold:
                self.has_succeeded = False


class Pod:
    """One pod on a node. Only its node's thread calls it, but for `kill`.

    Args:
        manifest: the pod as the API server has it.
        network: gives it an address.
        folder: for its log, and its home.
        image: what its container runs.
        config_maps: their data, by name.
        account: the files of its service account, by name; empty if it has none.
        extra: what else is in its environment.
    """

    def __init__(
        self,
        manifest: Object,
        network: PodNetwork,
        folder: Path,
        image: Image,
        config_maps: dict[str, dict[str, str]],
        account: dict[str, bytes],
        extra: dict[str, str],
    ) -> None:
        (self._container,) = manifest["spec"]["containers"]
        self.manifest = manifest
        self.name = str(manifest["metadata"]["name"])
        self.uid = str(manifest["metadata"]["uid"])
        self.is_ended = False  # for good
        self.code: int | None = None  # of the container that ended last
        self.restarts = 0
        self._network = network
        self._short = self.uid.partition("-")[0]
        self._address = network.add(self._short)
        self._folder = folder / f"{self.name}-{self._short}"
        self._account = self._write_account(account)
        self._image = image
        environment = environment_of(manifest, self._address, config_maps)
        place = {"HOME": str(self._folder), "TMPDIR": str(self._folder), "HOSTNAME": self.name}
        self._environment = {**image.environment, **environment, **extra, **place}
        self._process: subprocess.Popen[bytes] | None = None
        self._probes: dict[str, Probe] = {}
        self._back_off = 0.0
        self._start_at = 0.0
        self._began = 0.0
        self._kill_at: float | None = None
        self._is_stopping = False
        self._times = {"pod": now(), "started": "", "finished": ""}

    @property
    def log(self) -> Path:
        """What the container says."""
        return self._folder / "log"

    @property
    def pid(self) -> int | None:
        """Of the container's process, if it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def has_account(self) -> bool:
        """Whether it has the files of a service account."""
        return bool(self._account)

    @property
    def is_stopping(self) -> bool:
        """Whether it has been told to end for good."""
        return self._is_stopping

    def step(self) -> None:
        """Looks after the container: starts it, probes it, ends it when its time is up, starts it again."""
        clock = time.monotonic()
        if self.is_ended:
            return
        if self._process is None:
            if self._is_stopping:
                self._end()
            elif clock >= self._start_at:
                self._start(clock)
            return
        code = self._process.poll()
        if code is not None:
            self._note_end(code, clock)
            return
        if self._kill_at is not None and clock >= self._kill_at:
            self.kill()
        elif not self._is_stopping:
            for probe in self._probes.values():
                probe.step(clock)
            liveness = self._probes.get("livenessProbe")
            if liveness is not None and liveness.failures >= liveness.threshold:
                self._terminate(self._grace)

    def stop(self, grace: float | None = None) -> None:
        """Ends it for good: SIGTERM, and SIGKILL after so many seconds, by default its own grace period."""
        if not self._is_stopping:
            self._is_stopping = True
            self._kill_at = None
            self._terminate(self._grace if grace is None else grace)

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """A signal to all of its processes."""
        if self.pid is not None:
            os.killpg(self.pid, number)

    def close(self) -> None:
        """Kills what is left and takes its network away."""
        self.kill()
        if self._process is not None:
            self._process.wait()
        self._network.remove(self._short)

    def status(self) -> Object:
        """What the API server is told, without the times at which it is told."""
        phase, is_ready = self._phase(), self._is_ready()
        conditions = {"Initialized": True, "PodScheduled": True, "ContainersReady": is_ready, "Ready": is_ready}
        container = {
            "name": self._container["name"],
            "image": self._container["image"],
            "imageID": "local",
            "ready": is_ready,
            "started": self.pid is not None,
            "restartCount": self.restarts,
            "state": self._state(),
        }
        if self.code is not None and self.restarts:
            container["lastState"] = {"terminated": self._terminated()}
        return {
            "phase": phase,
            "podIP": self._address,
            "startTime": self._times["pod"],
            "conditions": [{"type": name, "status": str(holds)} for name, holds in conditions.items()],
            "containerStatuses": [container],
        }

    @property
    def _grace(self) -> float:
        return float(self.manifest["spec"].get("terminationGracePeriodSeconds", 30))

    def _write_account(self, account: dict[str, bytes]) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not account:
            return ""
        place = self._folder / "account"
        place.mkdir(exist_ok=True)
        for name, data in account.items():
            (place / name).write_bytes(data)
        return str(place)

    def _start(self, clock: float) -> None:
        arguments = [expanded(text, self._environment) for text in self._container.get("args", ())]
        program = [*self._container.get("command", self._image.entrypoint), *arguments]
        command = self._network.command(self._short, self.name, self._account, program)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        ports = {port["name"]: port["containerPort"] for port in self._container.get("ports", ()) if "name" in port}
        kinds = [kind for kind in ("livenessProbe", "readinessProbe") if kind in self._container]
        self._probes = {kind: Probe(self._container[kind], self._address, ports) for kind in kinds}
        self._began, self._kill_at = clock, None
        self._times["started"] = now()

    def _terminate(self, grace: float) -> None:
        if self._process is not None and self._kill_at is None:
            self._kill_at = time.monotonic() + grace
            self._process.terminate()

    def _note_end(self, code: int, clock: float) -> None:
        self.kill()  # children, if there are any
        self.code = code if code >= 0 else 128 - code
        self._times["finished"] = now()
        policy = self.manifest["spec"].get("restartPolicy", "Always")
        if self._is_stopping or policy == "Never" or (policy == "OnFailure" and code == 0):
            self._end()
            return
        if clock - self._began >= FORGET_SECONDS:
            self._back_off = 0.0
        self._start_at = clock + self._back_off
        self._back_off = min(max(FIRST_BACK_OFF_SECONDS, 2 * self._back_off), MAX_BACK_OFF_SECONDS)
        self._process = None
        self.restarts += 1

    def _end(self) -> None:
        self.is_ended = True
        self._network.remove(self._short)

    def _phase(self) -> str:
        if self.is_ended:
            return "Succeeded" if self.code == 0 else "Failed"
        return "Running" if self._times["started"] else "Pending"

    def _is_ready(self) -> bool:
        probe = self._probes.get("readinessProbe")
        return self.pid is not None and not self._is_stopping and (probe is None or probe.has_succeeded)

    def _state(self) -> dict[str, Any]:
        if self._process is None and not self.is_ended:
            reason = "CrashLoopBackOff" if self.restarts else "ContainerCreating"
            return {"waiting": {"reason": reason}}
        if self.code is not None and (self.is_ended or self.pid is None):
            return {"terminated": self._terminated()}
        return {"running": {"startedAt": self._times["started"]}}

    def _terminated(self) -> dict[str, Any]:
        return {
            "exitCode": self.code,
            "reason": "Completed" if self.code == 0 else "Error",
            "startedAt": self._times["started"],
            "finishedAt": self._times["finished"],
        }
