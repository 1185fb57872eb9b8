# SPDX-License-Identifier: Apache-2.0
"""Which pair of a match a pod plays: the part of today's Job controller that the built one lacks.

The built one keeps as many pods at work as a Job asks for, until as many have succeeded. Here each gets the lowest
index that no other has which is at work or has succeeded, as an Indexed Job's controller gives it.
"""

import json
import threading
from collections import defaultdict

from tests.cluster.control_plane.adapter import ANNOTATION
from tests.cluster.control_plane.api import Api, Object


class Indexes:
    """The indexes of all Indexed Jobs; nodes share it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._given: dict[str, int] = {}  # by uid of the pod
        self._done: dict[str, set[int]] = defaultdict(set)  # by uid of the Job

    def take(self, pod: Object) -> int | None:
        """The index of a new pod; None if it belongs to no Indexed Job. Raises ApiError."""
        metadata = pod["metadata"]
        (owner,) = [found for found in metadata.get("ownerReferences", ()) if found["kind"] == "Job"] or [None]
        if owner is None:
            return None
        place = metadata["namespace"]
        job = self._api.get(f"/apis/batch/v1/namespaces/{place}/jobs/{owner['name']}")
        newer = json.loads(job["metadata"].get("annotations", {}).get(ANNOTATION, "{}")) if job is not None else {}
        if job is None or newer.get("completionMode") != "Indexed":
            return None
        selector = f"controller-uid={owner['uid']}"
        with self._lock:
            pods = self._api.items(f"/api/v1/namespaces/{place}/pods", labelSelector=selector)
            held = {self._given.get(found["metadata"]["uid"]) for found in pods if _counts(found)}
            free = set(range(job["spec"]["completions"])) - held - self._done[owner["uid"]]
            index = min(free) if free else job["spec"]["completions"] - 1
            self._given[metadata["uid"]] = index
        return index

    def end(self, pod: Object) -> None:
        """Says that a pod has succeeded."""
        for owner in pod["metadata"].get("ownerReferences", ()):
            if pod["metadata"]["uid"] in self._given:
                with self._lock:
                    self._done[owner["uid"]].add(self._given[pod["metadata"]["uid"]])

    def of(self, pod: Object) -> int | None:
        """The index that a pod was given."""
        return self._given.get(pod["metadata"]["uid"])


def _counts(pod: Object) -> bool:
    """Whether a pod holds its index: it is neither being deleted nor has it failed."""
    return "deletionTimestamp" not in pod["metadata"] and pod.get("status", {}).get("phase") != "Failed"
