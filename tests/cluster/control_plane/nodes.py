# SPDX-License-Identifier: Apache-2.0
"""Nodes: each registers itself, says that it is there, runs the pods that the scheduler gives it, and fails on request.

A node compares what the API server wants with what it runs, again and again; it remembers nothing else, as a kubelet.
`Cloud` makes nodes, and takes their objects away when their machines are gone, as a cloud's own controller does.
"""

import base64
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.cluster.control_plane.api import MERGE, Api, ApiError, Object
from tests.cluster.control_plane.indexes import Indexes
from tests.cluster.control_plane.network import HOST, PodNetwork
from tests.cluster.control_plane.pods import Image, Pod, now

STEP_SECONDS: Final = 0.1
SYNC_SECONDS: Final = 0.5
LEASE_SECONDS: Final = 4.0
RECLAIM_SECONDS: Final = 15.0  # what a pod gets of a spot node's 30 s notice
REMOVE_SECONDS: Final = 30.0  # until a cloud takes away the object of a machine that is gone
ACCOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
SPOT: Final = "cloud.google.com/gke-spot"
_ALLOCATABLE: Final = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "50Gi", "pods": "30"}
_LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

_log = logging.getLogger(__name__)


class Node(threading.Thread):
    """One node and its kubelet. Start it; it ends when it is crashed or reclaimed.

    Args:
        name: its own.
        api: the API server.
        network: of its pods.
        indexes: of Indexed Jobs.
        image: what every container runs.
        api_address: (host, port) where pods find the API server.
        folder: for pods.
        is_spot: whether it is labelled and tainted as a spot node.
        log_port: where the API server asks for logs.
    """

    def __init__(
        self,
        name: str,
        api: Api,
        network: PodNetwork,
        indexes: Indexes,
        image: Image,
        api_address: tuple[str, int],
        folder: Path,
        is_spot: bool,
        log_port: int,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.is_spot = is_spot
        self.pods: dict[str, Pod] = {}  # by uid
        self.lock = threading.RLock()  # of `pods`
        self._api, self._network, self._indexes, self._image = api, network, indexes, image
        self._extra = {"KUBERNETES_SERVICE_HOST": api_address[0], "KUBERNETES_SERVICE_PORT": str(api_address[1])}
        self._folder = folder
        self._log_port = log_port
        self._is_cut = threading.Event()
        self._talk = threading.Lock()  # held while it talks to the API server
        self._is_down = threading.Event()
        self._is_shutting_down = False
        self._told: dict[str, str] = {}  # by uid, the status that the API server has
        self._since = now()

    @property
    def is_down(self) -> bool:
        """Whether its machine is gone."""
        return self._is_down.is_set()

    @property
    def is_reachable(self) -> bool:
        """Whether it talks to the API server."""
        return not self._is_down.is_set() and not self._is_cut.is_set()

    def run(self) -> None:
        """The kubelet."""
        self._until_it_works(self._register)
        leased = synced = 0.0
        while not self._is_down.wait(STEP_SECONDS):
            clock = time.monotonic()
            try:
                with self._talk:
                    if not self._is_cut.is_set() and clock - leased >= LEASE_SECONDS:
                        self._renew()
                        leased = clock
                    if not self._is_cut.is_set() and clock - synced >= SYNC_SECONDS:
                        self._sync()
                        synced = clock
            except ApiError as error:
                _log.info("%s: %s", self.name, error)
                synced = clock
            with self.lock:
                if not self._is_down.is_set():
                    for pod in self.pods.values():
                        pod.step()

    def crash(self) -> None:
        """The power fails: everything dies at once, and nobody is told."""
        with self.lock:
            self._is_down.set()
            for pod in self.pods.values():
                pod.close()

    def cut(self) -> None:
        """The API server is out of reach; pods go on."""
        with self._talk:
            self._is_cut.set()

    def heal(self) -> None:
        """The API server can be reached again."""
        self._is_cut.clear()

    def reclaim(self) -> None:
        """The cloud wants the machine back: pods get SIGTERM, and some seconds later all is gone. Waits for it."""
        with self.lock:
            self._is_shutting_down = True
            for pod in self.pods.values():
                pod.stop(RECLAIM_SECONDS)
        self._until_it_works(lambda: self._tell_conditions(is_ready=False))
        deadline = time.monotonic() + RECLAIM_SECONDS + 1
        while time.monotonic() < deadline and not all(pod.is_ended for pod in self._own()):
            time.sleep(STEP_SECONDS)
        time.sleep(2 * SYNC_SECONDS)  # the last word of the pods
        self.crash()

    def _own(self) -> list[Pod]:
        with self.lock:
            return list(self.pods.values())

    def _until_it_works(self, action: Callable[[], None]) -> None:
        while not self._is_down.is_set():
            try:
                action()
            except ApiError as error:
                _log.info("%s: %s", self.name, error)
                time.sleep(SYNC_SECONDS)
            else:
                return

    def _register(self) -> None:
        labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux"}
        taints = [{"key": SPOT, "value": "true", "effect": "NoSchedule"}] if self.is_spot else []
        body = {"metadata": {"name": self.name, "labels": labels}, "spec": {"taints": taints}}
        if self.is_spot:
            labels[SPOT] = "true"
        try:
            self._api.send("POST", "/api/v1/nodes", body)
        except ApiError as error:
            if error.status != 409:
                raise
        self._tell_conditions(is_ready=True)

    def _tell_conditions(self, is_ready: bool) -> None:
        condition = {"type": "Ready", "status": str(is_ready), "reason": "KubeletReady" if is_ready else "Shutdown"}
        status = {
            "capacity": _ALLOCATABLE,
            "allocatable": _ALLOCATABLE,
            "addresses": [{"type": "InternalIP", "address": HOST}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._log_port}},
            "conditions": [{**condition, "lastHeartbeatTime": now(), "lastTransitionTime": self._since}],
        }
        self._api.send("PATCH", f"/api/v1/nodes/{self.name}/status", {"status": status}, content=MERGE)

    def _renew(self) -> None:
        clock = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec = {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": clock}
        body = {"metadata": {"name": self.name}, "spec": spec}
        try:
            self._api.send("PATCH", f"{_LEASES}/{self.name}", body, content=MERGE)
        except ApiError as error:
            if error.status != 404:
                raise
            self._api.send("POST", _LEASES, body)
        if not self._is_shutting_down:
            self._tell_conditions(is_ready=True)

    def _sync(self) -> None:
        wanted = {
            item["metadata"]["uid"]: item
            for item in self._api.items("/api/v1/pods", fieldSelector=f"spec.nodeName={self.name}")
        }
        for uid, item in wanted.items():
            if "deletionTimestamp" in item["metadata"]:
                self._end(uid, item)
            elif uid not in self.pods and not self._is_shutting_down and item["status"]["phase"] == "Pending":
                self._begin(uid, item)
        for uid, pod in list(self.pods.items()):
            if uid not in wanted:
                pod.stop()
                if pod.is_ended:
                    self._forget(uid)
            else:
                self._tell(pod, wanted[uid])

    def _begin(self, uid: str, item: Object) -> None:
        metadata, spec = item["metadata"], item["spec"]
        place = f"/api/v1/namespaces/{metadata['namespace']}"
        maps = {
            source["configMapRef"]["name"]: self._require(f"{place}/configmaps/{source['configMapRef']['name']}")[
                "data"
            ]
            for container in spec["containers"]
            for source in container.get("envFrom", ())
        }
        account: dict[str, bytes] = {}
        mounted = {
            mount["name"]
            for container in spec["containers"]
            for mount in container.get("volumeMounts", ())
            if mount["mountPath"] == ACCOUNT_PATH
        }
        for volume in spec.get("volumes", ()):
            if volume["name"] in mounted:
                secret = self._require(f"{place}/secrets/{volume['secret']['secretName']}")
                account = {name: base64.b64decode(data) for name, data in secret["data"].items()}
        index = self._indexes.take(item)
        extra = {**self._extra, **({"JOB_COMPLETION_INDEX": str(index)} if index is not None else {})}
        pod = Pod(item, self._network, self._folder, self._image, maps, account, extra)
        with self.lock:
            if self._is_down.is_set():
                pod.close()
            else:
                self.pods[uid] = pod

    def _require(self, path: str) -> Object:
        found = self._api.get(path)
        if found is None:
            raise ApiError(404, path)
        return found

    def _end(self, uid: str, item: Object) -> None:
        pod = self.pods.get(uid)
        if pod is not None:
            pod.stop(float(item["metadata"].get("deletionGracePeriodSeconds", 30)))
            if not pod.is_ended:
                return
            self._tell(pod, item)
            self._forget(uid)
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        path = f"/api/v1/namespaces/{item['metadata']['namespace']}/pods/{item['metadata']['name']}"
        try:
            self._api.send("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def _forget(self, uid: str) -> None:
        with self.lock:
            self.pods.pop(uid).close()
            self._told.pop(uid, None)

    def _tell(self, pod: Pod, item: Object) -> None:
        """Says what has changed about a pod; names it by its uid, since another may have its name by now.

        While a node says nothing, the server calls its pods not ready, which is to be put right afterwards.
        """
        status = pod.status()
        if pod.is_ended and pod.code == 0:
            self._indexes.end(pod.manifest)
        text = json.dumps(status)
        if self._told.get(pod.uid) == text and _is_ready({"status": status}) == _is_ready(item):
            return
        metadata = pod.manifest["metadata"]
        for condition in status["conditions"]:
            condition["lastTransitionTime"] = now()
        body = {"metadata": {"uid": pod.uid}, "status": {**status, "hostIP": HOST}}
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        try:
            self._api.send("PATCH", path, body, content=MERGE)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
        self._told[pod.uid] = text


class Cloud:
    """The machines of a cluster.

    Args:
        api: the API server.
        make: makes a node of a name, a spot node or not.
    """

    def __init__(self, api: Api, make: Callable[[str, bool], Node]) -> None:
        self.nodes: dict[str, Node] = {}
        self._api = api
        self._make = make
        self._numbers = itertools.count()
        self._gone: dict[str, float] = {}  # since when nodes without a machine are known to be not ready
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def add(self, *, is_spot: bool) -> Node:
        """A new machine, which registers itself."""
        name = f"{'spot' if is_spot else 'lasting'}-{next(self._numbers)}"
        node = self._make(name, is_spot)
        self.nodes[name] = node
        node.start()
        return node

    def running(self) -> list[Node]:
        """The machines that are there."""
        return [node for node in self.nodes.values() if not node.is_down]

    def close(self) -> None:
        """Ends all machines."""
        self._is_over.set()
        for node in self.running():
            node.crash()

    def _watch(self) -> None:
        while not self._is_over.wait(2.0):
            try:
                for item in self._api.items("/api/v1/nodes"):
                    node = self.nodes.get(item["metadata"]["name"])
                    if node is not None and node.is_down and not _is_ready(item):
                        since = self._gone.setdefault(node.name, time.monotonic())
                        if time.monotonic() - since >= REMOVE_SECONDS:
                            self._api.send("DELETE", f"/api/v1/nodes/{node.name}")
            except ApiError as error:
                _log.info("cloud: %s", error)


def _is_ready(item: Object) -> bool:
    conditions = item.get("status", {}).get("conditions", ())
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)
