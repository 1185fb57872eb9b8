# SPDX-License-Identifier: Apache-2.0
"""The whole: control plane, nodes, an emulated bucket, and MiniGo deployed on them; what a drill can see and do.

Start at `running_system`.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from minigo.run import Run
from tests.cluster.control_plane.api import ApiError, Object
from tests.cluster.control_plane.build import programs
from tests.cluster.control_plane.indexes import Indexes
from tests.cluster.control_plane.logs import LogServer
from tests.cluster.control_plane.network import HOST, PodNetwork
from tests.cluster.control_plane.nodes import Cloud, Node
from tests.cluster.control_plane.overlay import write_overlay
from tests.cluster.control_plane.plane import ControlPlane
from tests.cluster.control_plane.pods import Image, Pod
from tests.support.gcs_emulator import Acknowledged, GcsEmulator

NAMESPACE: Final = "minigo"
URL: Final = "gs://bucket/run"
SPOT_NODES: Final = 3
LASTING_NODES: Final = 3
WAIT_SECONDS: Final = 300.0
_OWN: Final = ("HOME", "KUBECONFIG", "STORAGE_EMULATOR_HOST", "TMPDIR", "POD_UID")  # of this machine, not of an image


class System:
    """A cluster with MiniGo on it.

    Attributes:
        plane: the control plane.
        cloud: the machines.
        bucket: where the run is.
    """

    def __init__(self, plane: ControlPlane, bucket: GcsEmulator, network: PodNetwork, folder: Path) -> None:
        self.plane = plane
        self.bucket = bucket
        self.spot_nodes, self.lasting_nodes = threading.Lock(), threading.Lock()  # who makes them fail holds it
        self.folder = folder
        self._overlay = write_overlay(folder / "overlay")
        self.indexes = Indexes(plane.api)
        environment = {name: value for name, value in os.environ.items() if name not in _OWN}
        image = Image((sys.executable, "-m", "minigo"), environment)

        def make(name: str, is_spot: bool) -> Node:
            place, port = folder / "nodes" / name, self.logs.port
            return Node(name, plane.api, network, self.indexes, image, plane.address, place, is_spot, port)

        self.cloud = Cloud(plane.api, make)
        self.logs = LogServer(plane.certificate, plane.key, self._log)

    # What a person does.

    def launch(self, *arguments: str) -> str:
        """Runs `python -m cluster.launch` as an administrator; returns what it prints."""
        values = [f"--overlay={self._overlay}", f"--run={URL}", "--image=minigo:test", f"--emulator={self.bucket.url}"]
        return self._run([sys.executable, "-m", "cluster.launch", *arguments, *values])

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """Runs kubectl as an administrator; returns what it prints."""
        return self._run(["kubectl", *arguments], check=check)

    def _run(self, command: list[str], check: bool = True) -> str:
        environment = {**os.environ, "KUBECONFIG": str(self.plane.kubeconfig)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert not check or done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    # What can be seen.

    def run(self) -> Run:
        """The run, read from the bucket."""
        return Run.open(URL)

    def writes(self, after: float, *parts: str) -> list[Acknowledged]:
        """What has been written since a moment, with all of these parts in its name."""
        return [
            write for write in self.bucket.acknowledged if write.time > after and all(p in write.name for p in parts)
        ]

    def commits(self, after: float) -> list[Acknowledged]:
        """Commits of trainers since a moment: states with another step than the one before."""
        found, step = [], -1
        for write in self.writes(0.0, "state/trainer.json"):
            told = json.loads(write.data)["step"]
            if told != step and write.time > after and told > 0:
                found.append(write)
            step = told
        return found

    def pods(self, role: str) -> list[tuple[Node, Pod]]:
        """The pods of a role that run, and where; also those that the API server does not know any more."""
        return [
            (node, pod)
            for node in self.cloud.running()
            for pod in list(node.pods.values())
            if pod.manifest["metadata"]["labels"].get("minigo/role") == role and pod.pid is not None
        ]

    def pod(self, role: str) -> tuple[Node, Pod]:
        """The one pod of a role that counts, and its node, as soon as there is one."""

        def found() -> list[tuple[Node, Pod]]:
            return [(node, pod) for node, pod in self.pods(role) if node.is_reachable and not pod.is_stopping]

        self.wait(lambda: len(found()) == 1, WAIT_SECONDS, f"one pod of {role}")
        return found()[0]

    def _log(self, name: str) -> Path | None:
        found = [pod.log for node in self.cloud.running() for pod in list(node.pods.values()) if pod.name == name]
        return found[-1] if found else None

    def get(self, kind: str, name: str) -> Object:
        """A workload."""
        found = self.plane.api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind}/{name}")
        assert found is not None, f"there is no {kind} {name}"
        return found

    def is_whole(self, *roles: str) -> bool:
        """Whether workloads have all of their pods ready, and nobody else runs under their names."""
        kinds = {"selfplay": "deployments", "controller": "deployments", "trainer": "statefulsets"}
        try:
            for name in roles:
                found = self.get(kinds[name], name)
                wanted = found["spec"]["replicas"]
                if found.get("status", {}).get("readyReplicas", 0) != wanted or len(self.pods(name)) != wanted:
                    return False
        except ApiError:
            return False
        return all(node.is_reachable for role in roles for node, _ in self.pods(role))

    def wait(self, condition: Callable[[], object], seconds: float, what: str) -> float:
        """Waits; returns how many seconds it took."""
        began = time.monotonic()
        while not condition():
            self.plane.check()
            assert time.monotonic() - began < seconds, f"{what}: not within {seconds:.0f} s\n{self.describe()}"
            time.sleep(0.1)
        return time.monotonic() - began

    def describe(self) -> str:
        """What there is, and the last words of every pod that runs."""
        lines = [self.kubectl("get", "nodes,pods,jobs", "-n", NAMESPACE, check=False)]
        for node in self.cloud.running():
            for pod in list(node.pods.values()):
                text = pod.log.read_text(encoding="utf-8", errors="replace") if pod.log.exists() else ""
                lines.append(f"--- {pod.name} on {node.name}, pid {pod.pid}\n{text[-600:]}")
        return "\n".join(lines)


@contextlib.contextmanager
def running_system(folder: Path) -> Iterator[System]:
    """Builds the control plane if need be, and starts everything but MiniGo itself."""
    made = programs()
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(PodNetwork().running())
        bucket = stack.enter_context(GcsEmulator(HOST).running())
        plane = stack.enter_context(ControlPlane(made, folder / "plane").running())
        system = System(plane, bucket, network, folder)
        stack.callback(system.cloud.close)
        stack.enter_context(system.logs.running())
        for is_spot, count in ((True, SPOT_NODES), (False, LASTING_NODES)):
            for _ in range(count):
                system.cloud.add(is_spot=is_spot)
        yield system
