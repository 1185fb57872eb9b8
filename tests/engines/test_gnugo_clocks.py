# SPDX-License-Identifier: Apache-2.0
"""The referee of benchmarks/gnugo_clocks.py: what it counts, and a game on each clock against GNU Go itself."""

import importlib
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from sgfmill import sgf

from minigo.config import Config
from minigo.engines.external import GtpClient
from minigo.run import Run
from tests.support.fake_engine import command_line
from tests.support.learning import busy_network

FOLDER = Path(__file__).parents[2] / "benchmarks"
GNUGO = shutil.which("gnugo", path=os.pathsep.join([*os.get_exec_path(), "/usr/games"]))


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("gnugo_clocks")


@pytest.mark.parametrize(
    ("text", "expected"), [("B+7.5", 7.5), ("W+0.5", -0.5), ("0", 0.0), ("w+3", -3.0), ("B+R", None), ("", None)]
)
def test_scores_are_read_for_black(clocks: ModuleType, text: str, expected: float | None):
    assert clocks.score_from_text(text) == expected


def test_games_of_a_pair_share_clock_and_opening_and_swap_colours(clocks: ModuleType):
    games = [clocks.Referee(index, None, None).game for index in range(8)]

    assert [game.color for game in games] == [1, -1] * 4
    assert [game.control for game in games[::2]] == [game.control for game in games[1::2]] == list(clocks.CONTROLS)
    told = [clocks.Referee(index, None, None).game.told for index in range(0, 32, 8)]
    assert told == [True, True, True, False]


def test_faults_and_agreement_are_counted_by_clock(clocks: ModuleType):
    agreed = clocks.Game(0, "absolute 30", 1, True, scores=[1.5, 2.5, 2.5, 2.5, 2.5], score=2.5, times=[0.5, 1.5])
    differ = clocks.Game(1, "absolute 30", -1, True, scores=[1.5, 1.5, 1.5, 2.5, 2.5], score=2.5)
    late = clocks.Game(2, "fischer 10 0.5", 1, True, end="time")

    summary = clocks.summary_of([agreed, differ, late])
    assert summary["absolute 30"]["agree_share"] == 0.5
    assert summary["absolute 30"]["agree_before_playing_out"] == 1
    assert summary["absolute 30"]["won"] == 1
    assert summary["absolute 30"]["seconds_per_move_max"] == 1.5
    assert summary["fischer 10 0.5"]["time"] == 1
    assert not clocks.is_good(summary)
    assert clocks.is_good(clocks.summary_of([agreed]))
    assert not clocks.is_good(clocks.summary_of([differ]))


@pytest.mark.parametrize(
    ("answers", "end", "score"),
    [
        (("A9", "A9"), "illegal", None),
        (("Z9",), "illegal", None),
        (("!die",), "failed", None),
        (("resign",), "resign", 1),
    ],
)
def test_our_engine_is_judged_by_our_rules(
    clocks: ModuleType, tmp_path: Path, answers: tuple[str, ...], end: str, score: float | None
):
    ours = GtpClient(command_line(tmp_path / "ours", *answers))
    theirs = GtpClient(command_line(tmp_path / "theirs", "pass"))
    with ours, theirs:
        game = clocks.Referee(1, ours, theirs).play()

    assert (game.end, game.score) == (end, score), game.reason
    assert sgf.Sgf_game.from_bytes(clocks.sgf_of(game)).get_size() == 9


def test_a_move_that_takes_longer_than_the_clock_has_loses(clocks: ModuleType, tmp_path: Path):
    ours = GtpClient(command_line(tmp_path / "ours", "A9"))
    theirs = GtpClient(command_line(tmp_path / "theirs", "J1"))
    with ours, theirs:
        game = clocks.Referee(0, ours, theirs, ("absolute 0.000001",)).play()

    assert game.end == "time"
    assert not clocks.is_good(clocks.summary_of([game]))


@pytest.mark.slow
@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
def test_no_clock_is_overrun_and_no_move_illegal_against_gnugo(clocks: ModuleType, tmp_path: Path):
    network = busy_network()
    run = Run.create(str(tmp_path / "run"), Config())
    name = run.publish_network(network.to_bytes(), network.description())
    ours = f"{sys.executable} -m minigo gtp --network={run.network_path(name)} --machine.precision=float32"
    short = ("absolute 10", "canadian 4 4 10", "byoyomi 2 0.8 3", "fischer 4 0.25")

    games = clocks.play_games((0, 3, 4, 7), ours, tmp_path / "games", controls=short)
    again = clocks.play_games((0, 3, 4, 7), "not needed", tmp_path / "games", controls=short)

    assert [game.control for game in games] == list(short)
    assert {game.end for game in games} <= {"passes", "moves"}, [game.reason for game in games]
    over = [game for game in games if game.end == "passes"]
    assert over
    assert all(game.agrees and game.scores[2] == game.score for game in over), [game.scores for game in over]
    assert all(seconds > 0 for game in games for seconds, _ in game.left)
    assert [game.moves for game in again] == [game.moves for game in games]
