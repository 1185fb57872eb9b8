# SPDX-License-Identifier: Apache-2.0
"""Every overlay: rendered by kubectl, valid for the oldest and the newest server, and free of what a schema misses."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import render
from minigo import commands, flags

if shutil.which("kubectl") is None:
    pytest.skip("kubectl is not installed", allow_module_level=True)

kubernetes_validate = pytest.importorskip("kubernetes_validate")

OVERLAYS = render.overlays()
SERVERS = ("1.33.0", "1.37.0")
RUN, IMAGE = "gs://bucket/run", "registry.example/minigo:1"
ROLES = {"selfplay", "trainer", "controller", "match", "ratings", "dashboard"}
Object = dict[str, Any]


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    """The objects of an overlay with a run and an image."""
    return render.render(request.param, render.Values(run=RUN, image=IMAGE))


def named(objects: list[Object], kind: str) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}


def pods(objects: list[Object]) -> dict[str, Object]:
    """The pod template of every workload, by its name."""
    found = {}
    for item in objects:
        if item["kind"] in render.WORKLOADS:
            spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"]
            found[item["metadata"]["name"]] = spec["template"]
    return found


def containers(objects: list[Object]) -> dict[str, Object]:
    return {name: pod["spec"]["containers"][0] for name, pod in pods(objects).items()}


def test_the_overlays_are_those_of_the_documentation():
    assert OVERLAYS == ["gke-gpu", "gke-tpu", "local"]


@pytest.mark.parametrize("version", SERVERS)
def test_every_object_is_valid_and_has_no_unknown_field(objects, version):
    for item in objects:
        kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_renders_with_kubectl_alone(overlay):
    assert len(render.kustomize(render.overlay_folder(overlay))) > 15


def test_each_role_has_one_workload_and_its_own_account(objects):
    assert pods(objects).keys() == ROLES
    assert named(objects, "ServiceAccount").keys() == ROLES
    assert {name: pod["spec"]["serviceAccountName"] for name, pod in pods(objects).items()} == {r: r for r in ROLES}


def test_selectors_match_their_pods_and_nobody_elses(objects):
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects).items()}
    for kind in ("Deployment", "StatefulSet"):
        for name, item in named(objects, kind).items():
            wanted = item["spec"]["selector"]["matchLabels"].items()
            assert [role for role in labels if wanted <= labels[role].items()] == [name]
    for name, service in named(objects, "Service").items():
        wanted = service["spec"]["selector"].items()
        assert [role for role in labels if wanted <= labels[role].items()] == [name]


def test_network_policies_are_for_our_own_pods_alone(objects):
    policies = [item for item in objects if item["kind"] == "NetworkPolicy"]

    assert policies
    for policy in policies:
        labels = policy["spec"]["podSelector"]["matchLabels"]
        assert labels.keys() & {"app.kubernetes.io/part-of", "minigo/role"}


def test_services_lead_to_ports_that_their_pods_have(objects):
    for name, service in named(objects, "Service").items():
        ports = {port["name"] for port in containers(objects)[name]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    trainer = named(objects, "StatefulSet")["trainer"]
    assert trainer["spec"]["serviceName"] in named(objects, "Service")


def test_nothing_refers_to_a_map_secret_or_account_that_is_not_there(objects):
    maps = named(objects, "ConfigMap").keys()
    for container in containers(objects).values():
        sources = [source["configMapRef"]["name"] for source in container.get("envFrom", ())]
        assert set(sources) <= maps
        assert not [e for e in container["env"] if "secretKeyRef" in e.get("valueFrom", {})]
    for binding in named(objects, "RoleBinding").values():
        assert binding["roleRef"]["name"] in named(objects, "Role")
        assert {s["name"] for s in binding["subjects"]} <= named(objects, "ServiceAccount").keys()
        assert {s["namespace"] for s in binding["subjects"]} == named(objects, "Namespace").keys()
    priorities = named(objects, "PriorityClass").keys()
    assert {p["spec"]["priorityClassName"] for p in pods(objects).values() if "priorityClassName" in p["spec"]} <= (
        priorities
    )


def test_variables_in_arguments_are_settings(objects):
    for container in containers(objects).values():
        known = {*render.settings(objects), *(entry["name"] for entry in container["env"])}
        for argument in container["args"]:
            assert set(render_variables(argument)) <= known


def render_variables(argument: str) -> list[str]:
    return [part.partition(")")[0] for part in argument.split("$(")[1:]]


def test_every_role_is_a_command_line_that_parses(objects):
    known = {command.name: command for command in commands.COMMANDS}
    for name, container in containers(objects).items():
        told = {**render.settings(objects), "MINIGO_THREADS": "4"}
        words = [expanded(argument, told) for argument in container["args"]]
        added = ["--match=000001-against-000000", "--pair=0"] if name == "match" else []
        values = flags.parse(known[words[0]], [*words[1:], *added])
        assert values.run == RUN


def expanded(argument: str, settings: dict[str, str]) -> str:
    for name, value in settings.items():
        argument = argument.replace(f"$({name})", value)
    return argument


def test_the_trainer_goes_on_with_the_settings_of_a_run_that_is_there(objects):
    assert {"--preset=$(MINIGO_PRESET)", "--keep_settings"} <= set(containers(objects)["trainer"]["args"])


def test_there_is_one_image(objects):
    assert render.images(objects) == {IMAGE}


def test_restart_policies_suit_their_owners(objects):
    for name, pod in pods(objects).items():
        expected = "Never" if name in ("match", "ratings") else "Always"
        assert pod["spec"].get("restartPolicy", "Always") == expected, name


def test_everything_has_requests_and_limits_and_accelerators_the_same_in_both(objects):
    for name, container in containers(objects).items():
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        for resource in ("cpu", "memory", "ephemeral-storage"):
            assert resource in requests, (name, resource)
            assert resource in limits, (name, resource)
        devices = [resource for resource in {*requests, *limits} if "/" in resource]
        assert all(requests[device] == limits[device] for device in devices), name


def test_every_pod_is_confined(objects):
    for name, pod in pods(objects).items():
        spec, context = pod["spec"], pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            inner = container["securityContext"]
            assert inner["allowPrivilegeEscalation"] is False, name
            assert inner["readOnlyRootFilesystem"] is True, name
            assert inner["capabilities"] == {"drop": ["ALL"]}, name
            assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]], name  # noqa: S108
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        assert all(volume.keys() <= {"name", "emptyDir"} for volume in spec["volumes"]), name


def test_only_the_controller_talks_to_the_api_server_and_may_do_what_it_must(objects):
    for name, pod in pods(objects).items():
        assert pod["spec"]["automountServiceAccountToken"] is (name == "controller")
    (binding,) = named(objects, "RoleBinding").values()
    assert [subject["name"] for subject in binding["subjects"]] == ["controller"]
    granted = {
        (resource, verb)
        for rule in named(objects, "Role")["controller"]["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    jobs = {("jobs", verb) for verb in ("create", "get", "list", "watch", "delete")}
    scale = {("deployments/scale", verb) for verb in ("get", "patch", "update")}
    assert granted == jobs | scale | {("cronjobs", "get")}


def test_what_blocks_a_drain_or_fights_over_the_scale_is_not_there(objects):
    kinds = {item["kind"] for item in objects}
    assert not kinds & {"PodDisruptionBudget", "HorizontalPodAutoscaler", "Secret", "ClusterRole", "ClusterRoleBinding"}


def test_there_is_at_most_one_trainer_and_one_controller(objects):
    assert named(objects, "StatefulSet")["trainer"]["spec"]["replicas"] == 1
    controller = named(objects, "Deployment")["controller"]["spec"]
    assert (controller["replicas"], controller["strategy"]["type"]) == (1, "Recreate")


def test_a_match_gives_up_a_pair_that_would_fail_again_and_forgives_lost_nodes(objects):
    template = named(objects, "CronJob")["match"]["spec"]
    job = template["jobTemplate"]["spec"]
    fail, ignore = job["podFailurePolicy"]["rules"]
    assert template["suspend"] is True
    assert (job["completionMode"], job["backoffLimitPerIndex"]) == ("Indexed", 3)
    assert (fail["action"], fail["onExitCodes"]["values"]) == ("FailIndex", [42])
    assert ignore == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def test_workers_say_who_they_are_and_how_they_are(objects):
    for name, container in containers(objects).items():
        (uid,) = [entry for entry in container["env"] if entry["name"] == "POD_UID"]
        assert uid["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.uid"
        paths = {probe: container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")}
        if name == "dashboard":
            assert paths == {"livenessProbe": "/api/status", "readinessProbe": "/"}
        else:
            assert paths == {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}
            assert "--health_port=9090" in container["args"]
            assert {"name": "health", "containerPort": 9090} in container["ports"]


def test_what_may_vanish_ends_soon(objects):
    for name in ("selfplay", "match", "ratings"):
        assert pods(objects)[name]["spec"]["terminationGracePeriodSeconds"] <= 15


def test_a_reclaimed_node_is_no_failure_of_a_job(objects):
    jobs = named(objects, "CronJob")
    assert jobs.keys() == {"match", "ratings"}
    for job in jobs.values():
        rule = job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][-1]
        assert rule == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def test_the_pods_of_a_lost_node_are_replaced_soon(objects):
    for pod in pods(objects).values():
        lost = {t["key"]: t["tolerationSeconds"] for t in pod["spec"]["tolerations"] if t["effect"] == "NoExecute"}
        assert lost.keys() == {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
        assert all(10 <= seconds <= 30 for seconds in lost.values())


@pytest.mark.parametrize(
    ("overlay", "device", "label"),
    [
        ("gke-gpu", "nvidia.com/gpu", "cloud.google.com/gke-accelerator"),
        ("gke-tpu", "google.com/tpu", "cloud.google.com/gke-tpu-accelerator"),
    ],
)
def test_what_computes_has_an_accelerator_and_what_may_vanish_alone_is_on_spot_nodes(overlay, device, label):
    objects = render.render(overlay, render.Values(run=RUN, image=IMAGE))
    spot = "cloud.google.com/gke-spot"
    elsewhere = {"nodeSelectorTerms": [{"matchExpressions": [{"key": spot, "operator": "DoesNotExist"}]}]}
    for name, pod in pods(objects).items():
        vanishes = name in ("selfplay", "match", "ratings")
        computes = vanishes or name == "trainer"
        tolerated = {toleration["key"] for toleration in pod["spec"].get("tolerations", ())}
        selected = pod["spec"].get("nodeSelector", {})
        assert (device in containers(objects)[name]["resources"]["limits"]) is computes
        assert (label in selected) is (device in tolerated) is computes
        variables = {variable["name"] for variable in containers(objects)[name].get("env", ())}
        assert ("JAX_PLATFORMS" in variables) is computes  # without its accelerator such a pod fails
        assert (spot in selected) is (spot in tolerated) is vanishes
        affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
        assert required == (None if vanishes else elsewhere), name
    assert render.settings(objects)["MINIGO_BACKEND"] == "jax"


def test_a_small_cluster_takes_an_image_that_was_loaded_into_it():
    objects = render.render("local", render.Values(run=RUN))

    assert render.images(objects) == {"minigo:latest"}
    assert {c["imagePullPolicy"] for c in containers(objects).values()} == {"IfNotPresent"}


def test_everything_namespaced_is_in_one_namespace(objects):
    (namespace,) = named(objects, "Namespace")
    cluster_wide = {"Namespace", "PriorityClass"}
    assert {item["metadata"].get("namespace") for item in objects if item["kind"] not in cluster_wide} == {namespace}


def test_manifests_name_no_project_and_hold_no_key():
    for path in Path(render.ROOT).rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n"), path
        assert "iam.gserviceaccount.com" not in text, path
        assert "GOOGLE_APPLICATION_CREDENTIALS" not in text, path


# Values.


def test_values_reach_every_place(tmp_path):
    values = render.Values(
        run="gs://b/other",
        image="registry.example:5000/minigo@sha256:" + "a" * 64,
        replicas=7,
        namespace="go",
        preset="demo",
        parallelism=3,
        identity="minigo@project.iam.gserviceaccount.com",
        environment={"STORAGE_EMULATOR_HOST": "http://127.0.0.1:9"},
    )
    objects = render.render("gke-gpu", values)

    told = render.settings(objects)
    assert (told["MINIGO_RUN"], told["MINIGO_PRESET"], told["MINIGO_PARALLELISM"]) == ("gs://b/other", "demo", "3")
    assert told["STORAGE_EMULATOR_HOST"] == "http://127.0.0.1:9"
    assert render.images(objects) == {values.image}
    assert named(objects, "Deployment")["selfplay"]["spec"]["replicas"] == 7
    assert named(objects, "Namespace").keys() == {"go"}
    assert named(objects, "RoleBinding")["controller"]["subjects"][0]["namespace"] == "go"
    for account in named(objects, "ServiceAccount").values():
        assert account["metadata"]["annotations"] == {"iam.gke.io/gcp-service-account": values.identity}
    assert list(tmp_path.iterdir()) == []


def test_another_run_restarts_the_pods():
    one, other = (render.render("local", render.Values(run=run, image=IMAGE)) for run in ("gs://b/1", "gs://b/2"))
    first, second = (containers(objects)["trainer"]["envFrom"] for objects in (one, other))
    assert first != second


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        (render.Values(image=IMAGE), r"has no run: give --run=gs://BUCKET/PREFIX, or set it in .*kustomization.yaml"),
        (render.Values(run=RUN), "has no image: give --image=REGISTRY/minigo:TAG"),
    ],
)
def test_a_missing_value_is_named_with_the_place_to_give_it(values, missing):
    with pytest.raises(render.RenderError, match=missing):
        render.render("gke-gpu", values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (render.Values(preset="19x19-clutser"), r"no preset '19x19-clutser'; did you mean 19x19-cluster .*--preset"),
        (render.Values(parallelism=0), "MINIGO_PARALLELISM must be 1 or more, got 0: give --parallelism"),
    ],
)
def test_a_value_that_a_role_would_refuse_is_refused_here(values, reason):
    with pytest.raises(render.RenderError, match=reason):
        render.render("local", dataclasses.replace(values, run=RUN, image=IMAGE))


def test_what_is_to_be_deleted_needs_no_values():
    with pytest.raises(render.RenderError, match="has no run"):
        render.render("gke-gpu", render.Values())

    assert pods(render.render("gke-gpu", render.Values(), is_complete=False)).keys() == ROLES


def test_another_placeholder_is_found_in_an_overlay_of_ones_own(tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    patch = [{"op": "add", "path": "/metadata/annotations", "value": {"owner": "CHANGE-ME"}}]
    content = {
        "resources": [os.path.relpath(render.ROOT / "overlays" / "local", place.resolve())],
        "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps(patch)}],
    }
    (place / "kustomization.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    with pytest.raises(render.RenderError, match="still says CHANGE-ME in controller, dashboard, selfplay"):
        render.render(str(place), render.Values(run=RUN, image=IMAGE))


def test_an_overlay_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(render.RenderError, match=r"no overlay 'gke'.*; there are gke-gpu, gke-tpu, local"):
        render.render("gke", render.Values())


def test_a_broken_overlay_says_what_kubectl_says(tmp_path):
    (tmp_path / "kustomization.yaml").write_text("resources: [nothing.yaml]", encoding="utf-8")

    with pytest.raises(render.RenderError, match=r"is no overlay that kubectl can render: .*nothing\.yaml"):
        render.render(str(tmp_path), render.Values())


def test_without_kubectl_one_is_told_to_install_it(monkeypatch):
    monkeypatch.setenv("PATH", "")

    with pytest.raises(render.RenderError, match="kubectl is missing, which renders the overlays: install version"):
        render.render("local", render.Values())
