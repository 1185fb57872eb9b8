# SPDX-License-Identifier: Apache-2.0
import dataclasses
import logging
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from minigo.commands.learning import LOOP
from minigo.config import Config, ConfigError, GameConfig, LoopConfig
from minigo.curriculum import begin, check_may_train, smaller_config, smaller_run
from minigo.data.shards import RANDOM_PLAYOUTS, read_shard
from minigo.flags import parse
from minigo.run import CURRICULUM, Run, RunError
from minigo.run_copy import copy_run
from tests.support.loops import check_run, start_loop
from tests.support.waiting import slack, wait_until

FLAGS = ("--loop.curriculum_size=3", "--loop.curriculum_komi=8.5", "--loop.curriculum_generations=1")
CONFIG = Config(game=GameConfig(board_size=4), loop=LoopConfig(curriculum_size=3, curriculum_komi=8.5, minutes=5.0))


def end_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a loop that must end well said, to people and in its log."""
    output, log = process.communicate(timeout=240)
    assert process.returncode == 0, log
    return output, log


def run_before_its_first_network(folder: Path) -> tuple[Run, Run]:
    """A run and its smaller run, where nothing has been done."""
    run = Run.create(str(folder), CONFIG)
    smaller = smaller_run(run)
    assert smaller is not None
    return run, smaller


def learn(smaller: Run, networks: int, champion: str) -> None:
    """So many networks, one of them champion, after 100 seconds."""
    for number in range(networks):
        smaller.publish_network(b"weights %d" % number, {"network": dataclasses.asdict(CONFIG.network)})
    smaller.promote(champion, {}, None)
    smaller.telemetry.heartbeat("loop", {"elapsed_seconds": 100.0})


def test_a_loop_begins_with_what_it_learned_on_a_smaller_board(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    output, log = end_of(start_loop(folder, *FLAGS, "--generations=1"))
    run, smaller = Run.open(str(folder)), Run.open(str(folder / CURRICULUM))
    check_run(run)
    check_run(smaller)

    assert "first on 3x3" in log
    assert output.count("1 generations") == 1
    assert smaller.networks() == ["000000", "000001"]
    champion = smaller.champion()
    assert champion is not None
    assert run.network_files("000000")[0] == smaller.network_files(champion.network)[0]
    assert run.network_info("000000")["copy_of"]["name"] == champion.network
    sizes = {header.board_size for header in (read_shard(smaller.read(path))[0] for path in smaller.shards())}
    assert sizes == {3}
    played = [row["network"] for row in run.telemetry.metrics("loop") if row["kind"] == "selfplay"]
    assert RANDOM_PLAYOUTS not in played

    again, _ = end_of(start_loop(folder, *FLAGS, "--generations=1"))
    assert "1 generations" in again
    assert smaller.networks() == ["000000", "000001"]


def test_a_loop_that_is_stopped_on_the_smaller_board_goes_on_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start_loop(folder, *FLAGS, "--generations=1")
    wait_until(lambda: list((folder / CURRICULUM / "games").glob("*/*")), 120 * slack())
    process.send_signal(signal.SIGINT)
    end_of(process)
    run, smaller = Run.open(str(folder)), Run.open(str(folder / CURRICULUM))
    before = check_run(smaller)
    assert run.networks() == []

    end_of(start_loop(folder, *FLAGS, "--generations=1"))
    assert before.items() <= check_run(smaller).items()
    assert run.networks() == ["000000", "000001"]


def test_minutes_that_end_on_the_smaller_board_begin_nothing_and_more_go_on_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    output, _ = end_of(start_loop(folder, *FLAGS, "--loop.curriculum_generations=2", "--minutes=0.001"))
    run, smaller = Run.open(str(folder)), Run.open(str(folder / CURRICULUM))

    assert f"{smaller.url}: 0 generations" in output
    assert run.networks() == []
    end_of(start_loop(folder, *FLAGS, "--loop.curriculum_generations=2", "--generations=1"))
    assert smaller.networks() == ["000000", "000001", "000002"]
    assert run.networks() == ["000000", "000001"]


def test_the_smaller_run_differs_in_the_board_and_keeps_its_rate() -> None:
    config = smaller_config(CONFIG)

    assert (config.game.board_size, config.game.komi) == (3, 8.5)
    assert (config.loop.generations, config.loop.minutes) == (4, 5.0)
    assert config.train.decay_share == 0.0
    assert config.selfplay == CONFIG.selfplay
    assert config.network == CONFIG.network


def test_a_run_begins_with_the_champion_and_has_used_its_time(tmp_path: Path) -> None:
    run, smaller = run_before_its_first_network(tmp_path / "run")
    learn(smaller, 5, "000003")

    assert begin(run, smaller, "loop")
    assert run.network_files("000000")[0] == b"weights 3"
    assert run.seconds_used("loop") == 100.0
    assert run.random_games() == 0
    assert smaller_run(run) is None


def test_a_run_does_not_begin_before_the_last_generation_of_the_smaller_board(tmp_path: Path) -> None:
    run, smaller = run_before_its_first_network(tmp_path / "run")
    learn(smaller, 4, "000003")

    assert not begin(run, smaller, "loop")
    assert run.networks() == []


def test_a_loop_that_is_stopped_at_its_end_does_not_begin_with_an_older_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, smaller = run_before_its_first_network(tmp_path / "run")
    stop = threading.Event()

    def stopped_in_the_last_match(worked_on: Run, *_: object) -> str:
        assert worked_on.url == smaller.url
        learn(smaller, CONFIG.loop.curriculum_generations + 1, "000000")
        stop.set()
        return "stopped"

    monkeypatch.setattr("minigo.loop.run_loop", stopped_in_the_last_match)
    assert LOOP.run(parse(LOOP, [f"--run={run.url}", "--dashboard_port=0"]), stop) == 0

    assert run.networks() == []


def test_a_run_begins_at_random_if_nothing_was_learned(tmp_path: Path) -> None:
    run, smaller = run_before_its_first_network(tmp_path / "run")
    learn(smaller, 5, "000000")

    assert begin(run, smaller, "loop")
    assert run.networks() == []
    assert run.random_games() == CONFIG.selfplay.random_games
    assert run.seconds_used("loop") == 100.0


def test_a_run_that_has_a_network_needs_no_smaller_board(tmp_path: Path) -> None:
    run = Run.create(str(tmp_path / "run"), CONFIG)
    run.publish_network(b"weights", {})

    assert smaller_run(run) is None
    assert not (tmp_path / "run" / CURRICULUM).exists()


@pytest.mark.parametrize("size", [2, 3])
def test_a_board_that_is_not_larger_has_no_smaller_one(tmp_path: Path, size: int) -> None:
    run = Run.create(str(tmp_path / "run"), dataclasses.replace(CONFIG, game=GameConfig(board_size=size)))

    assert smaller_run(run) is None


def test_no_board_has_one_point() -> None:
    with pytest.raises(ConfigError, match=r"loop.curriculum_size must be 0 or 2\.\.18, got 1"):
        LoopConfig(curriculum_size=1)


def test_a_trainer_says_that_it_skips_the_smaller_board_and_leaves_one_that_has_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run.create(str(tmp_path / "run"), CONFIG)
    with caplog.at_level(logging.WARNING):
        check_may_train(run)
    assert "skips the smaller board" in caplog.text

    smaller_run(run)
    with pytest.raises(RunError, match="minigo loop goes on"):
        check_may_train(run)
    run.publish_network(b"weights", {})
    check_may_train(run)


def test_a_copy_of_a_run_goes_on_with_the_smaller_board(tmp_path: Path) -> None:
    run, smaller = run_before_its_first_network(tmp_path / "run")
    learn(smaller, 2, "000000")
    target = str(tmp_path / "copy")
    copy_run(run.url, target)
    smaller.promote("000001", {}, smaller.champion())
    copied = copy_run(run.url, target)

    there = Run.open(f"{target}/{CURRICULUM}")
    champion = there.champion()
    assert champion is not None
    assert champion.network == "000001"
    assert there.networks() == smaller.networks()
    assert copied is not None
    assert copied.copied == 1
    assert not (tmp_path / "copy" / CURRICULUM / "heartbeats").exists()
    assert Run.open(target).networks() == []
