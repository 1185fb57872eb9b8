# SPDX-License-Identifier: Apache-2.0
import contextlib
import dataclasses
import json
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigo.config import Config, LoopConfig, TrainConfig
from minigo.data.shards import RANDOM_PLAYOUTS, read_shard
from minigo.gamepool import new_shard, play_random_shard, play_shard
from minigo.gates import Score, Verdict
from minigo.inference.evaluator import UniformEvaluator
from minigo.loop import Loop, Services
from minigo.run import Run
from tests.support.loops import check_run, start_loop
from tests.support.waiting import slack, wait_until


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str, str]:
    """(run, stdout, stderr) of a small loop of two generations that ended by itself."""
    folder = tmp_path_factory.mktemp("loop") / "run"
    process = start_loop(folder, "--generations=2")
    output, log = process.communicate(timeout=240)
    assert process.returncode == 0, log
    return Run.open(str(folder)), output, log


def test_a_loop_plays_trains_evaluates_and_ends_by_itself(finished: tuple[Run, str, str]) -> None:
    run, _, _ = finished
    check_run(run)

    assert run.networks() == ["000000", "000001", "000002"]
    assert set(run.matches.verdicts()) == set(run.networks())
    assert len(run.telemetry.metrics("train")) == 2
    played = [row["network"] for row in run.telemetry.metrics("loop") if row["kind"] == "selfplay"]
    assert played[0] == RANDOM_PLAYOUTS
    assert set(played[1:]) <= set(run.networks())


def test_a_healthy_loop_rings_no_alarm(finished: tuple[Run, str, str]) -> None:
    run, _, log = finished

    assert run.telemetry.metrics("alarms") == []
    assert "alarm" not in log


def test_a_loop_says_at_its_end_what_it_learned(finished: tuple[Run, str, str]) -> None:
    _, output, _ = finished

    assert re.search(r"2 generations, \d+ games", output)
    assert re.search(r"as Black it opens at (?:[A-D][1-4]|pass) ", output)
    assert re.search(r"against random: won \d+ of 4 games", output)


def test_a_loop_leaves_a_report_with_pictures(finished: tuple[Run, str, str]) -> None:
    run, output, _ = finished
    page = (Path(run.url) / "report.html").read_text()

    assert f"report: {run.url}/report.html" in output
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert (Path(run.url) / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_loop_reports_each_phase_as_it_ends(finished: tuple[Run, str, str]) -> None:
    _, _, log = finished

    for line in ("self-play: 16 games", "training: step", "evaluation: network 000001", "evaluations/s"):
        assert line in log
    assert "Traceback" not in log


def test_a_finished_loop_says_the_same_again_and_plays_no_more(finished: tuple[Run, str, str]) -> None:
    run, output, _ = finished
    before = check_run(run)
    again, _ = start_loop(Path(run.url), "--generations=2").communicate(timeout=120)

    assert check_run(Run.open(run.url)) == before
    last = [line for line in output.splitlines() if line.startswith(("against", "as Black", "champion"))]
    assert [line for line in again.splitlines() if line.startswith(("against", "as Black", "champion"))] == last


def test_a_loop_ends_in_time_though_games_come_faster_than_it_trains(
    finished: tuple[Run, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.open(finished[0].url)
    run.config = dataclasses.replace(run.config, loop=dataclasses.replace(run.config.loop, minutes=0.01, generations=0))
    nothing: Any = None
    services = Services(nothing, nothing, lambda run: {}, lambda run: "", nothing, nothing)  # noqa: ARG005
    monkeypatch.setattr(Loop, "_missing_shards", lambda self: 0)  # noqa: ARG005

    assert Loop(run, services, threading.Event()).is_finished()


@pytest.mark.parametrize(
    ("games", "share", "there", "missing"),
    [(640, 0.02, 9, 1), (640, 0.02, 10, 0), (6400, 0.02, 97, 3), (6400, 0.02, 98, 0), (64, 0.5, 0, 1), (64, 0.5, 1, 0)],
)
def test_training_waits_for_what_a_generation_leaves_it_on_average(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, games: int, share: float, there: int, missing: int
) -> None:
    config = Config(loop=LoopConfig(games_per_generation=games), train=TrainConfig(holdout_share=share))
    run = Run.create(str(tmp_path / "run"), config)
    nothing: Any = None
    loop = Loop(run, Services(nothing, nothing, lambda _: {}, lambda _: "", nothing, nothing), threading.Event())
    monkeypatch.setattr(Loop, "_random_games", lambda self: 0)  # noqa: ARG005
    monkeypatch.setattr(Run, "shards", lambda self: [str(number) for number in range(there)])  # noqa: ARG005

    assert loop._missing_shards() == missing


def test_the_last_elo_counts_the_last_rating_games(
    finished: tuple[Run, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.open(finished[0].url)
    run.config = dataclasses.replace(run.config, loop=dataclasses.replace(run.config.loop, rating_games=2))
    champion = run.champion()
    assert champion is not None
    ratings = {champion.network: 10.0}

    def play_rating_games(*_: object) -> int:
        ratings[champion.network] = 20.0
        return 2

    nothing: Any = None
    services = Services(lambda _: nothing, nothing, lambda _: ratings, lambda _: "", play_rating_games, lambda _: None)
    refused = Verdict("000003", champion.network, False, "winrate", "it lost", Score())
    monkeypatch.setattr("minigo.loop.RATING_SECONDS", 0.0)
    monkeypatch.setattr("minigo.loop.evaluate_candidate", lambda *_, **__: refused)
    loop = Loop(run, services, threading.Event())
    assert loop.summary().count("Elo +10") == 1
    loop._evaluate(refused.candidate)

    assert loop.summary().count("Elo +20") == 1


def test_rating_games_wait_for_the_time_that_all_of_them_need(
    finished: tuple[Run, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.open(finished[0].url)
    run.config = dataclasses.replace(run.config, loop=dataclasses.replace(run.config.loop, rating_games=2))
    played = []

    def play_one_in_time(_run: Run, _games: int, stop: threading.Event) -> int:
        wait_until(stop.is_set)
        played.append(1)
        return 1

    nothing: Any = None
    services = Services(nothing, nothing, lambda _: {}, lambda _: "", play_one_in_time, lambda _: None)
    monkeypatch.setattr("minigo.loop.RATING_SECONDS", 0.02)
    loop = Loop(run, services, threading.Event())
    wait_until(lambda: (loop._play_rating_games(), played)[1])
    loop._play_rating_games()  # there is time for as much again only later

    assert loop._rating_needs > 0.03
    assert played == [1]


def test_a_run_that_is_resumed_plays_while_it_trains_first(finished: tuple[Run, str, str], tmp_path: Path) -> None:
    shutil.copytree(finished[0].url, tmp_path / "run")
    games_while_training = []

    class SlowTrainer:
        def publish_first_network(self) -> str:
            raise AssertionError

        def train(self, *_: object) -> str | None:
            wait_until(lambda: loop._selfplay.progress.searches > 0)
            games_while_training.append(loop._selfplay.progress.searches)
            return None

    services = Services(
        lambda _: UniformEvaluator(), SlowTrainer(), lambda _: {}, lambda _: "", lambda *_: 0, lambda _: None
    )
    loop = Loop(Run.open(str(tmp_path / "run")), services, threading.Event())
    with contextlib.closing(loop):
        loop._train()

    assert games_while_training[0] > 0


def test_published_shards_are_reproduced_bit_for_bit(finished: tuple[Run, str, str]) -> None:
    from minigo.inference.tensorflow import TensorFlowEvaluator
    from minigo.network.network import Network

    run, _, _ = finished
    paths = run.shards() + run.shards(holdout=True)
    for path in paths:
        header, records = read_shard(run.read(path))
        if header.network == RANDOM_PLAYOUTS:
            shard = new_shard(run.config, RANDOM_PLAYOUTS, "", None, header.worker, header.sequence)
            assert play_random_shard(run.config, shard) == records
            continue
        network = Network.from_bytes(*run.network_files(header.network))
        evaluator = TensorFlowEvaluator(network, precision=header.precision)
        shard = new_shard(run.config, header.network, header.network_sha256, evaluator, header.worker, header.sequence)
        assert play_shard(run.config, shard) == records
    assert len(paths) >= 10


def test_learning_settings_are_fixed_when_a_run_starts(finished: tuple[Run, str, str]) -> None:
    run, _, _ = finished
    process = start_loop(Path(run.url), "--train.batch_size=128")
    _, log = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "train.batch_size" in log
    assert len(log.strip().splitlines()) == 1


def test_ctrl_c_ends_a_loop_within_ten_seconds_and_the_same_command_goes_on(tmp_path: Path) -> None:
    process = start_loop(tmp_path / "run", "--generations=2")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (tmp_path / "run/networks/000001/network.json").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stopped = time.monotonic()
    output, log = process.communicate(timeout=60)

    assert time.monotonic() - stopped < 10 * slack()
    assert process.returncode == 0, log
    assert "the same command goes on" in output
    before = check_run(Run.open(str(tmp_path / "run")))
    process = start_loop(tmp_path / "run", "--generations=2")
    assert process.wait(timeout=240) == 0
    after = check_run(Run.open(str(tmp_path / "run")))
    assert before.items() <= after.items()
    assert len(Run.open(str(tmp_path / "run")).networks()) == 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_loop_killed_at_random_moments_loses_and_repeats_nothing(tmp_path: Path) -> None:
    folder, rng = tmp_path / "run", np.random.default_rng(7)
    before: dict[str, bytes] = {}
    kills = 0
    while kills < 20:
        generations = 2 + kills // 4
        process = start_loop(folder, f"--generations={generations}")
        try:
            process.communicate(timeout=rng.uniform(1.0, 25.0))
            assert process.returncode == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        kills += 1
        if (folder / "run.json").exists():
            run = Run.open(str(folder))
            after = check_run(run)
            assert before.items() <= after.items(), "a published shard was lost or changed"
            before = after

    process = start_loop(folder, "--generations=8")
    output, log = process.communicate(timeout=600)
    assert process.returncode == 0, log
    run = Run.open(str(folder))
    check_run(run)
    assert len(run.networks()) >= 9
    assert re.search(r"against random: won \d+ of 4 games", output)
    document = json.loads((folder / "state/trainer.json").read_text())
    assert document["step"] > 0
