# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import time
from pathlib import Path

import pytest

from minigo.config import Config, ConfigError, GameConfig, LoopConfig
from minigo.curriculum import FOLDER, begin_with_champion, smaller_config, smaller_run
from minigo.data.shards import RANDOM_PLAYOUTS, read_shard
from minigo.run import Run, RunError
from tests.support.loops import check_run, start_loop
from tests.support.waiting import slack

CURRICULUM = ("--loop.curriculum_size=3", "--loop.curriculum_komi=8.5", "--loop.curriculum_generations=1")
CONFIG = Config(game=GameConfig(board_size=4), loop=LoopConfig(curriculum_size=3, curriculum_komi=8.5, minutes=5.0))


def end_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a loop that must end well said, to people and in its log."""
    output, log = process.communicate(timeout=240)
    assert process.returncode == 0, log
    return output, log


def test_a_loop_begins_with_what_it_learned_on_a_smaller_board(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    output, log = end_of(start_loop(folder, *CURRICULUM, "--generations=1"))
    run, smaller = Run.open(str(folder)), Run.open(str(folder / FOLDER))
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
    assert run.seconds_used("loop") > smaller.seconds_used("loop") > 0

    again, _ = end_of(start_loop(folder, *CURRICULUM, "--generations=1"))
    assert "1 generations" in again
    assert smaller.networks() == ["000000", "000001"]


def test_a_loop_that_is_stopped_on_the_smaller_board_goes_on_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start_loop(folder, *CURRICULUM, "--generations=1")
    deadline = time.monotonic() + 120 * slack()
    while not list((folder / FOLDER / "games").glob("*/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    end_of(process)
    run, smaller = Run.open(str(folder)), Run.open(str(folder / FOLDER))
    before = check_run(smaller)
    assert run.networks() == []

    end_of(start_loop(folder, *CURRICULUM, "--generations=1"))
    assert before.items() <= check_run(smaller).items()
    assert run.networks() == ["000000", "000001"]


def test_the_smaller_run_differs_in_the_board_and_keeps_its_rate() -> None:
    config = smaller_config(CONFIG)

    assert (config.game.board_size, config.game.komi) == (3, 8.5)
    assert (config.loop.generations, config.loop.minutes) == (4, 5.0)
    assert config.train.decay_share == 0.0
    assert config.selfplay == CONFIG.selfplay
    assert config.network == CONFIG.network


def test_a_run_that_has_a_network_needs_no_smaller_board(tmp_path: Path) -> None:
    run = Run.create(str(tmp_path / "run"), CONFIG)
    run.publish_network(b"weights", {})

    assert smaller_run(run) is None
    assert not (tmp_path / "run" / FOLDER).exists()


def test_nothing_begins_without_a_champion(tmp_path: Path) -> None:
    run = Run.create(str(tmp_path / "run"), CONFIG)
    smaller = smaller_run(run)
    assert smaller is not None

    with pytest.raises(RunError, match=f"{FOLDER} must have a champion"):
        begin_with_champion(run, smaller)


@pytest.mark.parametrize("size", [1, 4, 9])
def test_a_curriculum_is_on_a_smaller_board(size: int) -> None:
    with pytest.raises(ConfigError, match=r"loop.curriculum_size must be 2\.\.3, .* got " + str(size)):
        Config(game=GameConfig(board_size=4), loop=LoopConfig(curriculum_size=size))
