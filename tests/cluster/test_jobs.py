# SPDX-License-Identifier: Apache-2.0
"""Gate matches as Indexed Jobs, against an API server without controllers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.api import Cluster, connect
from cluster.jobs import KubernetesLauncher, job_name, match_job, work_of
from cluster.render import Values, render
from minigo.launcher import LauncherError, Work
from tests.support.fake_api_server import FakeApiServer, write_kubeconfig

kubernetes_validate = pytest.importorskip("kubernetes_validate")
NAMESPACE, RUN, MATCH = "minigo", "gs://bucket/run", "000012-against-000009"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
TEMPLATE = f"/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs/match"


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    """A server with the manifests' template of a match."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    with FakeApiServer().running() as fake:
        fake.add_namespace(NAMESPACE)
        objects = render("gke-gpu", Values(run=RUN, image="registry.example/minigo:1"))
        (template,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == ("CronJob", "match")]
        fake.objects[TEMPLATE] = template
        yield fake


@pytest.fixture
def cluster(server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    write_kubeconfig(tmp_path / "kubeconfig", server.url)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    return connect("fake")


@pytest.fixture
def launcher(cluster: Cluster) -> KubernetesLauncher:
    return KubernetesLauncher(cluster, NAMESPACE, RUN, parallelism=8)


def test_a_match_is_one_index_for_each_pair(launcher, server):
    launcher.start(MATCH, 32)

    (job,) = [item for path, item in server.objects.items() if path.startswith(JOBS)]
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert (job["spec"]["completionMode"], job["spec"]["completions"], job["spec"]["parallelism"]) == ("Indexed", 32, 8)
    assert container["args"][0] == "match-pair"
    assert container["args"][-1] == f"--match={MATCH}"
    assert container["image"] == "registry.example/minigo:1"
    assert job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [42]


@pytest.mark.parametrize("version", ["1.33.0", "1.37.0"])
def test_the_job_is_valid(server, version):
    job = match_job(server.objects[TEMPLATE], "0123abcd", MATCH, 500, 16)

    kubernetes_validate.validate(job, version, strict=True)
    assert len(job["metadata"]["name"]) <= 57  # a pod's name adds its index and five letters


def test_few_pairs_are_not_played_by_more_pods(server):
    assert match_job(server.objects[TEMPLATE], "0123abcd", MATCH, 3, 16)["spec"]["parallelism"] == 3


def test_starting_a_match_again_finds_its_job(cluster, server):
    """As a controller does that was killed after it had started one."""
    for _ in range(2):
        KubernetesLauncher(cluster, NAMESPACE, RUN, parallelism=8).start(MATCH, 32)

    assert len(server.writes) == 1


def test_two_runs_in_one_namespace_have_jobs_of_their_own(cluster, server):
    for run in ("gs://bucket/a", "gs://bucket/b"):
        KubernetesLauncher(cluster, NAMESPACE, run, parallelism=8).start(MATCH, 32)
    KubernetesLauncher(cluster, NAMESPACE, "gs://bucket/a", parallelism=8).keep_only(None)

    assert len([path for path in server.objects if path.startswith(JOBS)]) == 1


def test_other_matches_end_and_this_one_goes_on(launcher, server):
    for match in (MATCH, "000013-against-000009"):
        launcher.start(match, 4)
    launcher.keep_only(MATCH)

    (path,) = [path for path in server.objects if path.startswith(JOBS)]
    assert path.endswith(MATCH)


@pytest.mark.parametrize(
    ("status", "work"),
    [
        ({}, Work(0, 0, False)),
        ({"active": 3, "succeeded": 2, "failedIndexes": "1,3-5"}, Work(3, 4, False)),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, Work(0, 0, True)),
        ({"failedIndexes": "0", "conditions": [{"type": "Failed", "status": "True"}]}, Work(0, 1, True)),
        (
            {"conditions": [{"type": "FailureTarget", "status": "True"}, {"type": "Failed", "status": "False"}]},
            Work(0, 0, False),
        ),
    ],
)
def test_a_jobs_status_says_how_far_its_pairs_are(status, work):
    assert work_of({"status": status}) == work


def test_polling_reads_the_status(launcher, server):
    launcher.start(MATCH, 4)
    server.objects[f"{JOBS}/{job_name(launcher._run, MATCH)}"]["status"] = {"active": 2}

    assert launcher.poll(MATCH) == Work(2, 0, False)


def test_a_job_that_was_deleted_is_an_error_that_starts_it_again(launcher):
    with pytest.raises(LauncherError, match=f"the Job of {MATCH} is gone from namespace minigo"):
        launcher.poll(MATCH)


def test_a_role_that_is_too_narrow_is_one_clear_error(launcher, server):
    server.refuse("POST", "/jobs$", 403, 'jobs.batch is forbidden: User "controller" cannot create')

    with pytest.raises(LauncherError, match=r"matches of namespace minigo: .* answers 403: jobs\.batch is forbidden"):
        launcher.start(MATCH, 4)


def test_a_server_that_is_out_of_reach_is_a_launchers_error(tmp_path, monkeypatch):
    write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:9")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))

    with pytest.raises(LauncherError, match=r"cannot reach the API server http://127\.0\.0\.1:9"):
        KubernetesLauncher(connect("fake"), NAMESPACE, RUN, parallelism=8).poll(MATCH)


def test_manifests_that_are_not_applied_are_named(launcher, server):
    del server.objects[TEMPLATE]

    with pytest.raises(LauncherError, match="namespace minigo has no CronJob match: apply the manifests again"):
        launcher.start(MATCH, 4)
