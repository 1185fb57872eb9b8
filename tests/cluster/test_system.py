# SPDX-License-Identifier: Apache-2.0
"""The whole system as processes that meet in an emulated bucket, while faults are injected: nothing lost or twice.

A controller has the pairs of its matches played by processes of their own, as it does by pods on a cluster.
"""

import contextlib
import functools
import itertools
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minigo.data.shards import read_shard
from minigo.patience import patiently
from minigo.run import Run, RunError
from tests.support.gcs_emulator import GcsEmulator
from tests.support.loops import check_run
from tests.support.waiting import slack

GRACE_SECONDS = 10.0
SETTINGS = (
    "--game.board_size=4",
    "--game.komi=1.5",
    "--network.blocks=1",
    "--network.channels=8",
    "--selfplay.num_simulations=4",
    "--selfplay.fast_simulations=2",
    "--selfplay.games_per_shard=8",
    "--selfplay.random_games=16",
    "--train.batch_size=64",
    "--train.window_min=300",
    "--train.holdout_share=0.0",
    "--evaluate.games=2",
    "--evaluate.num_simulations=2",
    "--evaluate.threshold=0.0",
    "--loop.games_per_generation=48",
    "--machine.games_per_thread=8",
    "--machine.threads=1",
)


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsEmulator]:
    with GcsEmulator().running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


class Fleet:
    """The processes of one run; what they say goes to files."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, role: str, *flags: str) -> subprocess.Popen[bytes]:
        """Starts a role under a name, or starts it again."""
        command = [sys.executable, "-m", "minigo", role, f"--run={self.url}", "--log_format=json", *flags]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)
        return self.processes[name]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def end(self, name: str) -> tuple[int, float]:
        """Ends a process as Kubernetes does: its exit code, and how many seconds it took."""
        process, began = self.processes.pop(name), time.monotonic()
        process.send_signal(signal.SIGTERM)
        return process.wait(60), time.monotonic() - began

    def check(self) -> None:
        """Asserts that all processes run."""
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended with {process.returncode}:\n{self.log(name)[-3000:]}"


@contextlib.contextmanager
def fleet(url: str, folder: Path) -> Iterator[Fleet]:
    made = Fleet(url, folder)
    try:
        yield made
    finally:
        for process in made.processes.values():
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], system: Fleet, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        system.check()
        assert time.monotonic() < deadline, {name: system.log(name)[-1000:] for name in system.processes}
        time.sleep(0.2)


def opened(url: str) -> Run | None:
    """The run, patiently: the faults are for whoever asks."""
    with contextlib.suppress(RunError):
        run = patiently(lambda: Run.open(url), threading.Event())
        run.be_patient(threading.Event())
        return run
    return None


def promotions(url: str) -> int:
    run = opened(url)
    return len(run.history()) if run is not None else 0


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        lines = re.findall(r"^(\w+)\{.*\} (\S+)$", reply.read().decode(), re.MULTILINE)
    return {name: float(value) for name, value in lines}


@pytest.mark.timeout(600)
def test_roles_meet_in_a_bucket_promote_and_end_in_time(emulator, tmp_path):
    """Workers and controller come before there is a run; requests fail all the while; the controller is killed."""
    url, port = "gs://bucket/system", free_port()
    with fleet(url, tmp_path) as system, emulator.storm(0.2, seed=1):
        system.start("selfplay", "selfplay", "--wait", f"--health_port={port}")
        system.start("controller", "evaluate", "--wait", "--launcher=local", "--parallelism=1")
        system.start("trainer", "train", *SETTINGS)
        wait_for(lambda: promotions(url) >= 1, system)
        run = opened(url)
        assert run is not None
        wait_for(lambda: run.matches.names() != [] or promotions(url) >= 2, system)
        system.kill("controller")  # most likely in the middle of the match
        system.start("controller", "evaluate", "--launcher=local", "--parallelism=1")
        wait_for(lambda: promotions(url) >= 2, system)
        wait_for(lambda: any("/random-" not in path for path in run.shards()), system)
        seen = metrics(port)
        ends = {name: system.end(name) for name in ("selfplay", "controller", "trainer")}

    assert emulator.num_faults > 50
    assert seen["minigo_ready"] == 1
    assert seen["minigo_selfplay_games_total"] > 0
    assert {name: code for name, (code, _) in ends.items()} == dict.fromkeys(ends, 0)
    assert all(seconds < GRACE_SECONDS * slack() for _, seconds in ends.values()), ends
    shards = check_run(run)
    (acknowledged,) = re.findall(r"played (\d+) games", system.log("selfplay"))
    played = [read_shard(data) for data in shards.values()]
    assert sum(len(records) for _, records in played) == int(acknowledged), "a game is missing that was acknowledged"
    champion = run.champion()
    assert champion is not None
    assert champion.number_of_promotions >= 2
    assert [entry["number"] for entry in run.history()] == list(range(1, champion.number_of_promotions + 1))


ROLES = {
    "selfplay": ("selfplay", "--wait"),
    "controller": ("evaluate", "--wait", "--launcher=local", "--parallelism=1"),
    "trainer": ("train", *SETTINGS),
}


def kill_and_start_again(system: Fleet, name: str) -> None:
    system.kill(name)
    system.start(name, *ROLES[name])


def start_a_twin(system: Fleet, name: str) -> None:
    """A second one of a role for a while, as when a node comes back that was thought dead; either may end for it."""
    twin = system.start("twin", *ROLES[name])
    first, deadline = system.processes.pop(name), time.monotonic() + 60
    while first.poll() is None and twin.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    for process in (first, twin):
        process.kill()
        process.wait()
    del system.processes["twin"]
    system.start(name, *ROLES[name])


FAILURES = (
    (kill_and_start_again, "trainer"),
    (kill_and_start_again, "controller"),
    (kill_and_start_again, "selfplay"),
    (start_a_twin, "trainer"),
    (start_a_twin, "controller"),
)


@pytest.mark.cluster
@pytest.mark.timeout(4000)
def test_nothing_is_lost_or_counted_twice_whatever_is_killed(emulator, tmp_path):
    """Requests fail all the while; after each failure of a role the system promotes again without a hand."""
    url = "gs://bucket/chaos"
    with fleet(url, tmp_path) as system, emulator.storm(0.2, seed=2):
        for name, command in ROLES.items():
            system.start(name, *command)
        wait_for(lambda: promotions(url) >= 2, system, 600)
        for fail, name in FAILURES:
            before, began = promotions(url), time.monotonic()
            fail(system, name)
            wait_for(functools.partial(lambda before: promotions(url) > before, before), system, 600)
            seconds = time.monotonic() - began
            print(f"{fail.__name__} {name}: promoted again after {seconds:.0f} s")  # noqa: T201 (a measurement)
    run = Run.open(url)

    check_run(run)
    history = run.history()
    assert [entry["number"] for entry in history] == list(range(1, len(history) + 1))
    for earlier, later in itertools.pairwise(history):
        assert later["previous"] == earlier["network"]
        assert later["verdict"]["champion"] == earlier["network"], "a verdict against a former champion promoted"


def test_a_process_that_is_told_to_stop_in_an_outage_does_not_hang(emulator, tmp_path):
    emulator.fail("GET", "503", times=100_000)
    with fleet("gs://bucket/outage", tmp_path) as system:
        worker = system.start("selfplay", "selfplay", "--wait")
        deadline = time.monotonic() + 60
        while "again in" not in system.log("selfplay"):
            assert worker.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        code, seconds = system.end("selfplay")

    assert code == 75
    assert seconds < GRACE_SECONDS * slack()
