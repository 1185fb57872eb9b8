# SPDX-License-Identifier: Apache-2.0
"""Gate matches as Indexed Jobs: one index for each colour-swapped pair.

A Job's name follows from the run and the match, so that whoever starts it again finds it. What its pods are is in the
CronJob `match` of the manifests, which never runs itself; this adds the match. Start at `KubernetesLauncher`.
"""

import contextlib
import copy
import hashlib
from collections.abc import Iterator
from typing import Any, Final

from cluster.api import Cluster, ClusterError, Object, connect, own_namespace
from minigo.launcher import LauncherError, Work

TEMPLATE: Final = "match"
RUN_LABEL: Final = "minigo/run"
MATCH_LABEL: Final = "minigo/match"
CONTAINER: Final = "minigo"


def launcher_of_this_pod(run: str, parallelism: int) -> "KubernetesLauncher":
    """The launcher of the namespace that this process runs in. Raises LauncherError where there is no cluster."""
    try:
        return KubernetesLauncher(connect(), own_namespace(), run, parallelism)
    except ClusterError as error:
        raise LauncherError(str(error)) from None


class KubernetesLauncher:
    """Plays the pairs of matches in pods: see `minigo.launcher.Launcher`.

    Args:
        cluster: where.
        namespace: the one with the template.
        run: URL of the run; Jobs of other runs are left alone.
        parallelism: pairs played at a time.
    """

    def __init__(self, cluster: Cluster, namespace: str, run: str, parallelism: int) -> None:
        self.namespace = namespace
        self._cluster = cluster
        self._run = hashlib.sha256(run.encode()).hexdigest()[:8]
        self._parallelism = parallelism

    def start(self, match: str, pairs: int) -> None:
        """See `Launcher.start`."""
        with self._errors():
            template = self._cluster.get("CronJob", self.namespace, TEMPLATE)
            if template is None:
                raise LauncherError(f"namespace {self.namespace} has no CronJob {TEMPLATE}: apply the manifests again")
            self._cluster.create(match_job(template, self._run, match, pairs, self._parallelism))

    def poll(self, match: str) -> Work:
        """See `Launcher.poll`."""
        with self._errors():
            job = self._cluster.get("Job", self.namespace, job_name(self._run, match))
        if job is None:
            raise LauncherError(f"the Job of {match} is gone from namespace {self.namespace}")
        return work_of(job)

    def keep_only(self, match: str | None) -> None:
        """See `Launcher.keep_only`."""
        with self._errors():
            for job in self._cluster.list("Job", self.namespace, f"{RUN_LABEL}={self._run}"):
                metadata = job["metadata"]
                if metadata["labels"].get(MATCH_LABEL) != match and "deletionTimestamp" not in metadata:
                    self._cluster.delete("Job", self.namespace, metadata["name"])

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns what the API server has against it into a launcher's error."""
        try:
            yield
        except ClusterError as error:
            raise LauncherError(f"matches of namespace {self.namespace}: {error}") from None


def job_name(run: str, match: str) -> str:
    """The one name of a match's Job, from the hash of its run."""
    return f"match-{run}-{match}"


def match_job(template: Object, run: str, match: str, pairs: int, parallelism: int) -> Object:
    """The Job of a match.

    Args:
        template: the CronJob with the pod and what happens when one fails.
        run: the run's hash.
        match: the match.
        pairs: how many.
        parallelism: pairs played at a time.
    """
    metadata = template["metadata"]
    labels = {**metadata.get("labels", {}), RUN_LABEL: run, MATCH_LABEL: match}
    spec: dict[str, Any] = copy.deepcopy(template["spec"]["jobTemplate"]["spec"])
    spec |= {"completions": pairs, "parallelism": min(pairs, parallelism)}
    pod = spec["template"]
    pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), MATCH_LABEL: match}
    (container,) = [container for container in pod["spec"]["containers"] if container["name"] == CONTAINER]
    container["args"] = [*container["args"], f"--match={match}"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job_name(run, match), "namespace": metadata["namespace"], "labels": labels},
        "spec": spec,
    }


def work_of(job: Object) -> Work:
    """What a Job's status says of its pairs."""
    status = job.get("status", {})
    over = {"Complete", "Failed"}
    conditions = [c["type"] for c in status.get("conditions", ()) if c["status"] == "True"]
    return Work(
        running=int(status.get("active", 0)),
        failed=sum(last - first + 1 for first, last in _intervals(status.get("failedIndexes", ""))),
        is_over=bool(over & set(conditions)),
    )


def _intervals(indexes: str) -> list[tuple[int, int]]:
    """The intervals of a status's list of indexes, such as "1,3-5"."""
    parts = [part.partition("-") for part in indexes.split(",") if part]
    return [(int(first), int(last if last else first)) for first, _, last in parts]
