# SPDX-License-Identifier: Apache-2.0
"""The parts of the control plane tier that can be tested without it: the adapter, indexes, and what pods are told."""

from typing import Any

from tests.cluster.control_plane.adapter import from_server, path_at_server, to_server
from tests.cluster.control_plane.indexes import Indexes
from tests.cluster.control_plane.pods import environment_of, expanded

INDEXED: dict[str, Any] = {"completionMode": "Indexed", "backoffLimitPerIndex": 3, "podFailurePolicy": {"rules": []}}


def cron_job() -> dict[str, Any]:
    spec = {"schedule": "0 0 31 2 *", "jobTemplate": {"spec": {**INDEXED, "completions": 1, "template": {}}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "match"}, "spec": spec}


def test_a_cron_job_goes_to_the_older_version_without_newer_fields_and_comes_back_whole():
    there = to_server(cron_job())

    assert there["apiVersion"] == "batch/v1beta1"
    assert there["spec"]["jobTemplate"]["spec"].keys() == {"completions", "template", "backoffLimit"}
    back = from_server({"kind": "CronJobList", "apiVersion": "batch/v1beta1", "items": [there]})["items"][0]
    assert back["spec"]["jobTemplate"]["spec"].items() >= INDEXED.items()
    assert back["metadata"]["annotations"] == {}


def test_other_objects_pass_unchanged():
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": []}}

    assert to_server(pod) == pod


def test_only_cron_jobs_are_elsewhere():
    assert path_at_server("/apis/batch/v1/namespaces/minigo/cronjobs/match?a=b") == (
        "/apis/batch/v1beta1/namespaces/minigo/cronjobs/match?a=b"
    )
    assert path_at_server("/apis/batch/v1/cronjobs") == "/apis/batch/v1beta1/cronjobs"
    for path in ("/apis/batch/v1/namespaces/minigo/jobs/cronjobs", "/apis/apps/v1/namespaces/cronjobs/deployments"):
        assert path_at_server(path) == path


class FakeApi:
    """One Indexed Job of three pairs, and its pods."""

    def __init__(self) -> None:
        self.pods: list[dict[str, Any]] = []

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/apis/batch/v1/namespaces/minigo/jobs/match-1"
        job = {"kind": "Job", "metadata": {"name": "match-1"}, "spec": {**INDEXED, "completions": 3, "template": {}}}
        return to_server(job)

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        assert (path, query) == ("/api/v1/namespaces/minigo/pods", {"labelSelector": "controller-uid=job"})
        return self.pods

    def add(self, uid: str) -> dict[str, Any]:
        owner = {"kind": "Job", "name": "match-1", "uid": "job"}
        pod: dict[str, Any] = {
            "metadata": {"namespace": "minigo", "uid": uid, "ownerReferences": [owner]},
            "status": {},
        }
        self.pods.append(pod)
        return pod


def test_a_pod_gets_the_lowest_index_that_nobody_plays_or_has_played():
    api = FakeApi()
    indexes = Indexes(api)  # type: ignore[arg-type]
    first, second = api.add("a"), api.add("b")

    assert [indexes.take(first), indexes.take(second)] == [0, 1]
    indexes.end(first)
    second["status"]["phase"] = "Failed"
    assert indexes.take(api.add("c")) == 1
    third = api.add("d")
    assert indexes.take(third) == 2
    third["metadata"]["deletionTimestamp"] = "now"  # its process may well go on
    assert indexes.take(api.add("e")) == 2


def test_a_pod_is_told_what_its_manifest_says():
    container = {
        "resources": {"limits": {"cpu": "1500m"}},
        "envFrom": [{"configMapRef": {"name": "run"}}],
        "env": [
            {"name": "UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "THREADS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        ],
    }
    metadata = {"name": "a", "namespace": "minigo", "uid": "u"}
    pod = {"metadata": metadata, "spec": {"nodeName": "n", "containers": [container]}}

    environment = environment_of(pod, "10.0.0.1", {"run": {"RUN": "gs://bucket/run"}})

    assert environment == {"RUN": "gs://bucket/run", "UID": "u", "THREADS": "2"}
    assert expanded("--run=$(RUN) $(OTHER)", environment) == "--run=gs://bucket/run $(OTHER)"
