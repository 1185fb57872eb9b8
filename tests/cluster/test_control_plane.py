# SPDX-License-Identifier: Apache-2.0
"""MiniGo's manifests under a real control plane: scheduled, with their own accounts, and under failures.

As root on Debian 12, `pytest -m cluster -s tests/cluster/test_control_plane.py`: the first time builds Kubernetes in
some minutes, then five rounds of failures take some forty minutes on two cores. $MINIGO_DRILL_ROUNDS and $MINIGO_DRILLS
choose fewer; $MINIGO_DRILL_REPORT is where the figures go.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster.control_plane.api import ApiError
from tests.cluster.control_plane.audit import check_nothing_lost
from tests.cluster.control_plane.build import BuildError, programs
from tests.cluster.control_plane.drills import LANES
from tests.cluster.control_plane.report import Report
from tests.cluster.control_plane.system import NAMESPACE, URL, System, running_system

pytestmark = pytest.mark.cluster

ROUNDS = int(os.environ.get("MINIGO_DRILL_ROUNDS", "5"))
CHOSEN = os.environ.get("MINIGO_DRILLS", "")  # words of the failures to make happen, by default all
MINUTES = float(os.environ.get("MINIGO_DRILL_MINUTES", "10"))  # of learning, at least
LIMIT_MINUTES = float(os.environ.get("MINIGO_DRILL_LIMIT", "90"))  # after which no failure is begun
PROMOTIONS = 4  # the network that knows nothing is the first
FINAL_GAMES, FINAL_WINS = 100, 90
WHOLE_SECONDS = 300.0

CONTROLLER_MAY = (
    "create jobs.batch",
    "get jobs.batch",
    "list jobs.batch",
    "watch jobs.batch",
    "delete jobs.batch",
    "get cronjobs.batch/match",
    "get deployments.apps/selfplay --subresource=scale",
    "patch deployments.apps/selfplay --subresource=scale",
    "update deployments.apps/selfplay --subresource=scale",
)
CONTROLLER_MAY_NOT = (
    "patch jobs.batch",
    "deletecollection jobs.batch",
    "get cronjobs.batch/ratings",
    "list cronjobs.batch",
    "patch cronjobs.batch/match",
    "patch deployments.apps/selfplay",
    "patch statefulsets.apps/trainer --subresource=scale",
    "delete deployments.apps/selfplay",
    "create pods",
    "list pods",
    "create pods --subresource=exec",
    "get secrets",
    "get configmaps",
    "create rolebindings.rbac.authorization.k8s.io",
    "impersonate serviceaccounts",
    "list nodes",
)
NOBODY_ELSE_MAY = ("create jobs.batch", "list jobs.batch", "get cronjobs.batch/match", "list pods", "get secrets")
OTHERS = ("selfplay", "trainer", "match", "ratings", "dashboard", "default")


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201 (a long test tells how far it is)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    try:
        say(f"the control plane is in {programs()}")
    except BuildError as error:
        pytest.fail(str(error))
    with pytest.MonkeyPatch.context() as patch, running_system(tmp_path_factory.mktemp("cluster")) as made:
        patch.setenv("STORAGE_EMULATOR_HOST", made.bucket.url)
        yield made


@pytest.mark.timeout(3600)
def test_manifests_are_applied_and_applying_again_changes_nothing(system):
    assert "applied Deployment selfplay" in system.launch("apply")
    assert "nothing to change" in system.launch("diff")
    system.wait(lambda: system.writes(0.0, "games/"), 300, "the first shard")
    system.wait(lambda: system.is_whole(*LANES), WHOLE_SECONDS, "all pods are ready")
    say(system.launch("status"))
    assert '"severity"' in system.launch("logs", "trainer")


@pytest.mark.timeout(600)
def test_accounts_may_do_what_they_need_and_nothing_else(system):
    def may(account: str, request: str, namespace: str = NAMESPACE) -> bool:
        who = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
        answer = system.kubectl("auth", "can-i", *request.split(), who, "-n", namespace, check=False).strip()
        assert answer in ("yes", "no"), answer
        return answer == "yes"

    assert [request for request in CONTROLLER_MAY if not may("controller", request)] == []
    assert [request for request in CONTROLLER_MAY_NOT if may("controller", request)] == []
    assert not may("controller", "create jobs.batch", "default")
    assert [(who, request) for who in OTHERS for request in NOBODY_ELSE_MAY if may(who, request)] == []


@pytest.mark.timeout(60)
def test_only_the_controller_has_a_token(system):
    with_token = {
        role: pod.has_account for role in ("selfplay", "trainer", "controller") for _, pod in system.pods(role)
    }

    assert with_token == {"selfplay": False, "trainer": False, "controller": True}


@pytest.mark.timeout(4 * 3600)
def test_nothing_is_lost_whatever_fails_and_the_champion_gets_strong(system, tmp_path):
    report, began = Report(), time.monotonic()
    path = Path(os.environ.get("MINIGO_DRILL_REPORT", str(tmp_path / "report.json")))
    system.wait(lambda: len(system.run().history()) >= 2, 900, "the first trained champion")
    last = time.monotonic() + 60 * LIMIT_MINUTES
    with ThreadPoolExecutor(len(LANES)) as lanes:
        for lane in [lanes.submit(make_fail, system, role, report, path, last) for role in LANES]:
            lane.result()
    system.wait(lambda: len(system.run().history()) >= PROMOTIONS, 1800, f"{PROMOTIONS} promotions")
    system.wait(lambda: time.monotonic() - began > 60 * MINUTES, 60 * MINUTES + 1, "the time for learning")
    report.facts["minutes"] = round((time.monotonic() - began) / 60, 1)

    assert "deleted Namespace minigo" in system.launch("down", "--yes")
    system.wait(lambda: not any(node.pods for node in system.cloud.running()), 180, "all pods end")
    made = {
        "shard": system.writes(0.0, "games/"),
        "commit": system.commits(0.0),
        "verdict": system.writes(0.0, "matches/", "/verdict.json"),
        "promotion": system.writes(0.0, "state/champion.json"),
    }
    report.add_progress({name: [write.time for write in writes] for name, writes in made.items()})
    report.facts |= check_nothing_lost(system.run(), system.bucket)
    report.facts["match against generation 0"] = score = final_match()
    report.write(path)
    say(f"{report.table()}\n{json.dumps(report.facts, indent=1)}\nreport: {path}")
    assert score["wins"] >= FINAL_WINS
    assert report.faults == []


def make_fail(system: System, role: str, report: Report, path: Path, last: float) -> None:
    """All failures of a role's lane, one after another, in as many rounds as asked for; none after `last`."""
    for number in range(1, ROUNDS + 1):
        for name, drill in LANES[role].items():
            if any(word in name for word in CHOSEN.split(",")) and time.monotonic() < last:
                try:
                    system.wait(lambda: system.is_whole(role), WHOLE_SECONDS, f"{role} is ready")
                    say(f"{number}. {name}")
                    outcome = drill(system)
                except (AssertionError, ApiError) as error:  # the others are worth knowing, too
                    report.faults.append(f"{number}. {name}: {error}")
                    say(f"{number}. {name}: FAILED: {error}")
                    continue
                report.outcomes[name].append(outcome)
                seconds = outcome.recovered - outcome.began
                say(f"{number}. {name}: works again after {seconds:.1f} s {outcome.notes if outcome.notes else ''}")
                report.write(path)


def final_match() -> dict[str, float]:
    """The champion against the network that knew nothing."""
    command = [sys.executable, "-m", "minigo", "match", f"--player={URL}", f"--opponent={URL}/networks/000000"]
    done = subprocess.run(
        [*command, f"--games={FINAL_GAMES}", "--json"], capture_output=True, text=True, check=True, env=os.environ
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
