# SPDX-License-Identifier: Apache-2.0
"""`minigo gtp` as a process: how fast it starts, answers and leaves, with and without a network, and what it holds."""

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from minigo.config import Config, GameConfig, NetworkConfig
from tests.support.gtp import ask, reply_of, running, tell
from tests.support.waiting import slack

START, LEAVE, ANSWER = 0.3, 0.5, 0.05  # seconds: the bounds of issue C


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run with a small champion."""
    from minigo.network.network import Network
    from minigo.run import Run

    url = tmp_path_factory.mktemp("gtp") / "run"
    config = Config(game=GameConfig(board_size=5, komi=0.5), network=NetworkConfig(blocks=1, channels=8))
    made = Run.create(str(url), config)
    network = Network.create(config.network, seed=1)
    made.promote(made.publish_network(network.to_bytes(), network.description()), {}, expected=None)
    return url


def seconds_to_answer(*arguments: str) -> float:
    """From the start of the process until its first questions are answered; the best of ten."""
    times = []
    for _ in range(10):
        began = time.monotonic()
        with running(*arguments) as process:
            for question in ("name", "version", "protocol_version", "list_commands", "known_command x", "boardsize 9"):
                assert ask(process, question).startswith("=")
            times.append(time.monotonic() - began)
        if times[-1] < START:
            break
    return min(times)


def test_first_replies_come_at_once():
    assert seconds_to_answer() < START * slack()


def test_first_replies_come_at_once_while_a_network_is_loaded(run):
    assert seconds_to_answer(f"--run={run}") < START * slack()


def test_it_plays_and_analyses_with_the_champion_of_a_run(run):
    with running(f"--run={run}", "--search.num_simulations=20") as process:
        assert re.fullmatch(r"= ([A-E][1-5]|pass)", ask(process, "genmove b"))
        info, play = ask(process, "kata-genmove_analyze w ownership true").split("\n")[-2:]
        assert len(info.split(" ownership ")[1].split()) == 25
        assert play.startswith("play ")
        assert ask(process, "kata-raw-nn 0").startswith("= symmetry 0")
        assert ask(process, "final_score")[:3] in ("= B", "= W", "= 0")
        assert float(ask(process, "cputime").removeprefix("= ")) > 1  # with the network's process, which loaded it
        assert ask(process, "kata-set-param maxVisits 5000000") == "="
        tell(process, "genmove b")
        time.sleep(0.3)
        began = time.monotonic()
        tell(process, "quit")
        assert re.fullmatch(r"= ([A-E][1-5]|pass)", reply_of(process))
        assert reply_of(process) == "="
        assert process.wait(10) == 0
        assert time.monotonic() - began < LEAVE * slack()
        assert process.stderr is not None
        assert b"GTP ready" in process.stderr.read()


def ticks_while_loading(process: "subprocess.Popen[bytes]") -> list[float]:
    """How long each reply took, until the network is loaded."""
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    taken, said = [], b""
    while b"GTP ready" not in said:
        began = time.monotonic()
        assert ask(process, "name") == "= MiniGo"
        taken.append(time.monotonic() - began)
        time.sleep(0.01)
        said += process.stderr.read() or b""
        assert process.poll() is None
    return taken


@pytest.mark.slow
def test_replies_do_not_wait_for_the_network(run):
    with running(f"--run={run}") as process:
        taken = sorted(ticks_while_loading(process))
    assert len(taken) > 10
    assert taken[len(taken) * 99 // 100] < ANSWER * slack()


@pytest.mark.parametrize("delay", [0.0, 0.6, 2.0])
def test_quit_ends_the_process_at_any_moment_while_it_loads(run, delay):
    with running(f"--run={run}") as process:
        assert ask(process, "name") == "= MiniGo"
        tell(process, "genmove b")
        time.sleep(max(delay, 0.01))
        began = time.monotonic()
        tell(process, "quit")
        assert reply_of(process)[0] in "?="
        assert reply_of(process) == "="
        assert process.wait(10) == 0
        assert time.monotonic() - began < LEAVE * slack()


def test_quit_ends_the_process_at_any_moment_while_it_thinks():
    rng = random.Random(3)  # noqa: S311 (nothing here is secret)
    for command in ("lz-genmove_analyze b 1", "kata-analyze 1"):
        with running("--search.num_simulations=1000000") as process:
            assert ask(process, "showboard").startswith("=")
            tell(process, command)
            time.sleep(rng.uniform(0.3, 0.6))
            began = time.monotonic()
            tell(process, "5 quit")
            reply_of(process)
            assert reply_of(process) == "=5"
            assert process.wait(10) == 0
            assert time.monotonic() - began < LEAVE * slack()


@pytest.mark.slow
def test_a_network_that_dies_is_loaded_again_once(run):
    with running(f"--run={run}", "--ponder", "--search.num_simulations=20") as process:
        assert re.fullmatch(r"= ([A-E][1-5]|pass)", ask(process, "genmove b"))
        for color, expected in (("w", "= "), ("b", "? internal error: BrokenProcessError")):
            tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
            for child in {int(child) for task in tasks for child in task.read_text().split()}:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.2)
            assert ask(process, "clear_board") == "="
            assert ask(process, f"genmove {color}").startswith(expected)
        assert ask(process, "name") == "= MiniGo"
        tell(process, "quit")
        assert process.wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("line", ["name", "kata-analyze 1"])
def test_signals_end_the_process_at_once(number, line):
    with running() as process:
        assert ask(process, "name") == "= MiniGo"
        tell(process, line)
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(10) == -number
        assert time.monotonic() - began < LEAVE * slack()


def test_sigterm_leaves_no_process_behind(run):
    with running(f"--run={run}") as process:
        assert ask(process, "name") == "= MiniGo"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip("no /proc")
        started: list[str] = []
        while not started:
            tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
            started = [child for task in tasks for child in task.read_text().split()]
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        deadline = time.monotonic() + 5
        while Path(f"/proc/{started[0]}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_end_of_input_ends_the_process():
    with running() as process:
        output, _ = process.communicate(b"name\ngenmove b", timeout=20)
    assert re.fullmatch(rb"= MiniGo\n\n= \w+\n\n", output)
    assert process.returncode == 0


def test_a_network_that_can_not_be_loaded_is_an_error_of_the_process(tmp_path):
    with running(f"--run={tmp_path}") as process:
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.count(b"\n")) == (1, 1)
    assert b"is not a run (missing run.json)" in errors


@pytest.mark.slow
def test_a_broken_network_is_refused_with_its_reason(run, tmp_path):
    (tmp_path / "network.json").write_bytes(next(run.glob("networks/*/network.json")).read_bytes())
    (tmp_path / "weights.safetensors").write_bytes(b"nonsense")
    with running(f"--network={tmp_path}") as process:
        assert ask(process, "name") == "= MiniGo"
        assert process.wait(60) == 3
        assert process.stderr is not None
        assert b"minigo: " in process.stderr.read()


def memory_of(process: "subprocess.Popen[bytes]") -> int:
    """Resident bytes."""
    (pages,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    return int(pages) << 10


SOAK = (
    "play b C3",
    "play w D4",
    "showboard",
    "undo",
    "final_score",
    "kata-get-rules",
    "time_left b 10 0",
    "play w pass",
    "list_commands",
    "kata-raw-nn 0",
    "undo",
    "undo",
    "play b Z99",
    "komi 6.5",
    "set_position b A1 w B2",
    "unconditional_status A1",
    "printsgf",
    "clear_board",
    "boardsize 9",
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell a process's memory")
@pytest.mark.parametrize("with_network", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_soak_of_10_000_commands_grows_memory_by_less_than_50_mb_and_answers_in_time(run, with_network):
    """Some commands come while an analysis goes on, and end it."""
    rng = random.Random(5)  # noqa: S311 (nothing here is secret)
    taken = []
    with running(*([f"--run={run}"] if with_network else [])) as process:
        for line in (*SOAK, "genmove b", "kata-genmove_analyze w"):
            ask(process, line)
        before = memory_of(process)
        for number in range(10_000):
            if number % 500 == 0:
                ask(process, "kata-genmove_analyze b ownership true")
            line = rng.choice(SOAK)
            analyses = number % 40 == 0
            if analyses:
                tell(process, "kata-analyze 1 ownership true movesOwnership true")
                assert process.stdout is not None
                assert process.stdout.readline() == b"=\n"
                time.sleep(0.01)
            began = time.monotonic()
            tell(process, line)
            while analyses and process.stdout.readline() != b"\n":
                pass
            assert reply_of(process)[0] in "=?"
            if line != "final_score":  # which searches
                taken.append(time.monotonic() - began)
        assert memory_of(process) - before < 50 << 20
    assert sorted(taken)[len(taken) * 99 // 100] < ANSWER * slack()
