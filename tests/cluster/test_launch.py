# SPDX-License-Identifier: Apache-2.0
"""`python -m cluster.launch` against an API server without controllers: what it does, and what bad input gets."""

import copy
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import launch
from minigo.config import Config
from minigo.run import Run
from tests.support.fake_api_server import FakeApiServer, write_kubeconfig
from tests.support.gcs_emulator import GcsEmulator

if shutil.which("kubectl") is None:
    pytest.skip("kubectl is not installed", allow_module_level=True)

RUN = "gs://bucket/launch"
GIVEN = (f"--run={RUN}", "--image=registry.example/minigo:1", "--overlay=gke-gpu")
SELFPLAY = "/apis/apps/v1/namespaces/minigo/deployments/selfplay"
PRIORITY = "/apis/scheduling.k8s.io/v1/priorityclasses/minigo-selfplay"
JOBS = {
    "template": "/apis/batch/v1/namespaces/minigo/cronjobs/match",
    "match": "/apis/batch/v1/namespaces/minigo/jobs/m",
}


@pytest.fixture(autouse=True)
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsEmulator]:
    with GcsEmulator().running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApiServer]:
    with FakeApiServer().running() as fake:
        use_kubeconfig(fake.url, tmp_path, monkeypatch)
        yield fake


def use_kubeconfig(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_kubeconfig(folder / "kubeconfig", url)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(folder / "kubeconfig"))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = launch.main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_plan_names_every_workload_and_asks_no_cluster(capsys):
    code, out, _ = answer(capsys, "plan", *GIVEN)

    assert code == 0
    assert f"run       {RUN} (is new)" in out
    assert "Deployment selfplay: 8 x " in out
    assert "1 nvidia.com/gpu" in out


def test_a_run_that_is_there_goes_on(capsys):
    Run.create(RUN, Config())

    assert f"{RUN} (goes on)" in answer(capsys, "plan", *GIVEN)[1]


def test_diff_changes_nothing_and_apply_does_what_it_said(capsys, server):
    code, shown, _ = answer(capsys, "diff", *GIVEN)
    assert (code, server.writes) == (0, [])
    assert "new: Deployment selfplay" in shown

    code, out, _ = answer(capsys, "apply", *GIVEN)
    assert code == 0
    assert "applied CronJob match" in out
    assert server.writes[0] == "PUT /api/v1/namespaces/minigo"
    assert SELFPLAY in server.objects

    before = len(server.writes)
    assert "nothing to change in namespace minigo" in answer(capsys, "apply", *GIVEN)[1]
    assert len(server.writes) == before


def test_an_upgrade_shows_the_image_and_keeps_the_scale(capsys, server):
    answer(capsys, "apply", *GIVEN)
    assert answer(capsys, "scale", "3")[:2] == (0, "Deployment selfplay in namespace minigo: 3 pods\n")
    code, out, _ = answer(capsys, "apply", *GIVEN[::2], "--image=registry.example/minigo:2")

    assert code == 0
    assert "-        image: registry.example/minigo:1\n+        image: registry.example/minigo:2" in out
    assert server.objects[SELFPLAY]["spec"]["replicas"] == 3
    answer(capsys, "apply", *GIVEN, "--replicas=9")
    assert server.objects[SELFPLAY]["spec"]["replicas"] == 9


def test_status_tells_workloads_matches_troubles_and_the_run(capsys, server):
    run = Run.create(RUN, Config())
    run.publish_network(b"weights", {})
    run.promote("000000", {}, None)
    answer(capsys, "apply", *GIVEN)
    server.objects[SELFPLAY]["status"] = {"readyReplicas": 5}
    jobs, pods = "/apis/batch/v1/namespaces/minigo/jobs", "/api/v1/namespaces/minigo/pods"
    server.objects[f"{jobs}/m"] = {
        "metadata": {"name": "m", "labels": {"minigo/run": "x", "minigo/match": "000001-against-000000"}},
        "spec": {"completions": 32},
        "status": {"active": 4, "succeeded": 7, "failedIndexes": "2"},
    }
    labels = {"app.kubernetes.io/part-of": "minigo", "minigo/role": "selfplay"}
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}
    server.objects[f"{pods}/p"] = {
        "metadata": {"name": "p", "labels": labels},
        "status": {"phase": "Pending", "containerStatuses": [waiting]},
    }
    code, out, _ = answer(capsys, "status", *GIVEN)

    assert code == 0
    assert "Deployment selfplay: 5 of 8 ready" in out
    assert "CronJob match: a template" in out
    assert "match 000001-against-000000: 7 of 32 pairs, 4 at work, 1 failed" in out
    assert "pod p: ImagePullBackOff: not found" in out
    assert f"run {RUN}: champion 000000, 1 networks" in out


def test_logs_name_the_pod_of_each_line(capsys, server):
    pods = "/api/v1/namespaces/minigo/pods"
    for name in ("a", "b"):
        server.objects[f"{pods}/{name}"] = {"metadata": {"name": name, "labels": {"minigo/role": "selfplay"}}}
        server.logs[name] = f"hello from {name}\n"

    assert answer(capsys, "logs", "selfplay")[:2] == (0, "a hello from a\nb hello from b\n")
    code, _, err = answer(capsys, "logs", "trainer")
    assert (code, err) == (1, "cluster.launch: namespace minigo has no pod of role trainer\n")


def test_a_pod_without_a_log_hides_none_behind_it(capsys, server):
    for name in ("a", "b"):
        pod = {"metadata": {"name": name, "labels": {"minigo/role": "selfplay"}}}
        server.objects[f"/api/v1/namespaces/minigo/pods/{name}"] = pod
    server.refuse("GET", "/a/log", 400, "container minigo in pod a is waiting to start")
    server.logs["b"] = "hello from b\n"
    code, out, _ = answer(capsys, "logs", "selfplay")

    assert code == 0
    assert "a has no log" in out
    assert out.endswith("b hello from b\n")


def test_an_object_of_a_kind_that_is_not_known_is_refused_before_any_is_applied(capsys, server, tmp_path):
    overlay = Path(launch.__file__).parent / "overlays/local"
    (tmp_path / "secret.yaml").write_text(
        "{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: minigo}}", encoding="utf-8"
    )
    resources = [os.path.relpath(overlay, tmp_path), "secret.yaml"]
    (tmp_path / "kustomization.yaml").write_text(json.dumps({"resources": resources}), encoding="utf-8")
    code, _, err = answer(capsys, "apply", *GIVEN[:2], f"--overlay={tmp_path}")

    assert code == 1
    assert "Secret key: not one of Namespace" in err
    assert "kubectl apply -k" in err
    assert server.writes == []


def test_down_deletes_nothing_unless_told_and_never_the_run(capsys, server):
    run = Run.create(RUN, Config())
    answer(capsys, "apply", *GIVEN)
    objects = len(server.objects)
    out = answer(capsys, "down", *GIVEN)[1]
    assert "would delete Deployment selfplay" in out
    assert len(server.objects) == objects

    out = answer(capsys, "down", "--yes")[1]
    assert "deleted Namespace minigo" in out
    assert server.objects.keys() == {PRIORITY}
    assert Run.open(RUN).identity() == run.identity()
    assert "nothing of MiniGo is in namespace minigo" in answer(capsys, "down", "--yes")[1]


def test_down_says_that_it_leaves_what_other_namespaces_may_use(capsys, server):
    answer(capsys, "apply", *GIVEN)
    answer(capsys, "apply", *GIVEN, "--namespace=other")
    out = answer(capsys, "down", "--yes", "--namespace=other")[1]

    assert "PriorityClass minigo-selfplay stays, since other namespaces may use it" in out
    assert PRIORITY in server.objects
    assert SELFPLAY in server.objects
    assert not [path for path in server.objects if "/namespaces/other" in path]


def test_a_namespace_that_others_made_stays_as_it_was(capsys, server):
    server.add_namespace("existing")
    theirs = "/api/v1/namespaces/existing/configmaps/theirs"
    server.objects[theirs] = {"metadata": {"name": "theirs", "namespace": "existing"}}
    before = copy.deepcopy(server.objects)

    answer(capsys, "apply", *GIVEN, "--namespace=existing")
    assert {path: server.objects[path] for path in before} == before
    out = answer(capsys, "down", "--yes", "--namespace=existing")[1]
    assert "Namespace existing stays, since cluster.launch did not make it" in out
    assert {path: item for path, item in server.objects.items() if path != PRIORITY} == before


def test_down_deletes_settings_from_before_and_matches_that_are_played(capsys, server):
    server.add_namespace("minigo")
    answer(capsys, "apply", *GIVEN)
    answer(capsys, "apply", *GIVEN, "--parallelism=3")
    labels = {"minigo/run": "x", "minigo/match": "000001-against-000000"}
    server.objects[JOBS["match"]] = {"metadata": {"name": "m", "labels": labels}}
    assert len([path for path in server.objects if "/configmaps/run-" in path]) == 2
    out = answer(capsys, "down", "--yes")[1]

    assert "deleted Job m" in out
    assert server.objects.keys() == {"/api/v1/namespaces/minigo", PRIORITY}
    templates, matches = (server.writes.index(f"DELETE {JOBS[kind]}") for kind in ("template", "match"))
    assert templates < matches  # or the controller might begin it again


# What bad input gets: one clear line that says what to do, and nothing half applied.


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code, _, err = answer(capsys, *arguments)
    assert code == 1
    assert err.count("\n") == 1
    return err


def test_a_bucket_that_is_not_there(capsys, server):
    err = refusal(capsys, "apply", "--run=gs://missing/run", *GIVEN[1:])

    assert "cannot list gs://missing/run/run.json: 404" in err
    assert "gcloud storage buckets create gs://missing" in err
    assert server.writes == []


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("403", "ask for the role roles/storage.objectUser on gs://bucket"),
        ("401", "gcloud auth application-default login"),
    ],
)
def test_a_bucket_that_may_not_be_used(capsys, server, emulator, status, advice):
    emulator.fail("GET", status)

    assert advice in refusal(capsys, "apply", *GIVEN)
    assert server.writes == []


def test_a_run_that_no_pod_could_reach(capsys, server, tmp_path):
    err = refusal(capsys, "apply", f"--run={tmp_path}", *GIVEN[1:])

    assert "a run on a cluster must be at gs://bucket/prefix" in err
    assert server.writes == []


def test_an_overlay_without_its_values(capsys, server):
    assert "overlay gke-tpu has no run: give --run=gs://BUCKET/PREFIX" in refusal(capsys, "apply", "--overlay=gke-tpu")
    err = refusal(capsys, "apply", "--overlay=gke-tpu", f"--run={RUN}")
    assert "overlay gke-tpu has no image: give --image=REGISTRY/minigo:TAG" in err
    assert server.writes == []


def test_an_api_server_that_is_out_of_reach(capsys, tmp_path, monkeypatch):
    use_kubeconfig("http://127.0.0.1:9", tmp_path, monkeypatch)
    err = refusal(capsys, "apply", *GIVEN)

    assert "cannot reach the API server http://127.0.0.1:9" in err
    assert "kubectl config current-context" in err


def test_no_kubeconfig_and_no_such_context(capsys, server, tmp_path, monkeypatch):
    del server
    assert "Expected object with name other" in refusal(capsys, "apply", *GIVEN, "--context=other")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    assert "gcloud container clusters get-credentials NAME, or set KUBECONFIG" in refusal(capsys, "apply", *GIVEN)


@pytest.mark.parametrize("text", ["clusters: [", "hello", "[]", "clusters: 3\ncurrent-context: fake\n"])
def test_a_kubeconfig_that_is_none(capsys, tmp_path, monkeypatch, text):
    (tmp_path / "kubeconfig").write_text(text, encoding="utf-8")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    err = refusal(capsys, "apply", *GIVEN)

    assert "cannot read the kubeconfig" in err
    assert "gcloud container clusters get-credentials NAME" in err


@pytest.mark.parametrize("reply", ["<html>Sign in</html>", "[]"])
def test_a_server_that_is_no_api_server(capsys, server, reply):
    server.refuse("GET", "", 200, reply)
    err = refusal(capsys, "apply", *GIVEN)

    assert "with something that is no object of Kubernetes" in err
    assert "is this the right context? kubectl config current-context" in err


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("--parallelism=0", "MINIGO_PARALLELISM must be 1 or more, got 0"),
        ("--preset=19x19-clutser", "no preset '19x19-clutser'; did you mean 19x19-cluster "),
    ],
)
def test_a_value_that_a_role_would_refuse(capsys, server, given, reason):
    assert reason in refusal(capsys, "apply", *GIVEN, given)
    assert server.writes == []


def test_expired_credentials_of_the_cluster(capsys, server):
    server.refuse("GET", "", 401, "Unauthorized")

    assert "answers 401: Unauthorized; credentials have expired: gcloud auth login" in refusal(capsys, "apply", *GIVEN)


def test_a_new_namespace_is_not_made_for_someone_who_may_not_fill_it(capsys, server):
    server.forbidden_resources = {"rolebindings"}
    err = refusal(capsys, "apply", *GIVEN)

    assert "RoleBinding controller: you may not create rolebindings in namespace minigo" in err
    assert server.writes == []


def test_an_object_that_the_server_refuses_stops_all_of_them(capsys, server):
    answer(capsys, "apply", *GIVEN)
    before = len(server.writes)
    server.refuse("PATCH", "/cronjobs/ratings", 422, "CronJob is invalid: spec.schedule")
    err = refusal(capsys, "apply", *GIVEN, "--replicas=100")

    assert "CronJob ratings: " in err
    assert "answers 422: CronJob is invalid: spec.schedule" in err
    assert len(server.writes) == before
