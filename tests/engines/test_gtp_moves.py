# SPDX-License-Identifier: Apache-2.0
"""Moves of our own over GTP: whose, when they are played, on whose time, by what parameters."""

import io
import os
import shlex
import sys
import threading
import time

import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.config import MatchConfig
from minigo.engines.gtp import GtpEngine
from minigo.engines.gtp_session import Reply
from minigo.match import play_match
from minigo.players import GtpPlayer, RandomPlayer
from tests.support.gtp import (
    GAME,
    ListedThinking,
    conversation,
    engine_with,
    replies_to,
    talk,
    wait_until,
)


def test_genmove_plays_and_the_others_do_not():
    replies = replies_to(
        "reg_genmove b", "kata-search b", "kata-search_analyze b", "genmove b", "play w C3", moves=("C3",) * 4
    )
    assert replies[:2] == ["= C3", "= C3"]
    assert replies[2].endswith("\nplay C3")
    assert replies[3] == "= C3"
    assert replies[4].startswith("? illegal move")


def test_genmove_is_for_the_color_that_is_named():
    engine, thinking = engine_with("A1", "B1")
    talk(engine, "genmove w", "genmove w")
    assert [position.to_play for position in thinking.seen] == [WHITE, WHITE]
    assert engine.board.position.to_play == BLACK
    assert (engine.board.position.board.stones < 0).sum() == 2


def test_a_move_with_analysis_is_by_default_for_the_side_to_move():
    engine, thinking = engine_with("A1", "B1", "C1")
    text = talk(engine, "lz-genmove_analyze", "kata-genmove_analyze 100", "kata-genmove_analyze b interval 50")
    assert [position.to_play for position in thinking.seen] == [BLACK, WHITE, BLACK]
    assert [asked["interval"] for asked in thinking.asked] == [None, 1.0, 0.5]
    assert [line for line in text.split("\n") if line.startswith("play")] == ["play A1", "play B1", "play C1"]


def test_resigning_plays_nothing():
    engine, _ = engine_with("resign", "resign", "C3")
    text = talk(engine, "genmove b", "lz-genmove_analyze b", "genmove b")
    assert text.startswith("= resign\n\n=\ninfo move pass")
    assert text.endswith("play resign\n\n= C3\n\n")


def test_a_broken_thinker_fails_the_command_and_not_the_conversation():
    replies = replies_to("genmove b", "lz-genmove_analyze b", "genmove b", moves=("break", "break", "C3"))
    assert replies == ["? internal error: OSError: out of ideas\n(none left)"] * 2 + ["= C3"]


def test_cleanup_is_told():
    engine, thinking = engine_with("A1", "B1")
    talk(engine, "kgs-genmove_cleanup b", "genmove b")
    assert [asked["cleanup"] for asked in thinking.asked] == [True, False]


def test_a_restricted_move_is_one_of_those():
    restricted, thinking = engine_with("A1")
    talk(restricted, "play b C3", "restricted_genmove w A1 A2 C3")
    assert {avoid.move for avoid in thinking.asked[0]["root"].avoid} == set(range(26)) - {20, 15, 12}
    assert {(avoid.color, avoid.until_depth) for avoid in thinking.asked[0]["root"].avoid} == {(WHITE, 1)}
    nothing, thinking = engine_with("pass")
    assert talk(nothing, "play b C3", "restricted_genmove w C3").endswith("= pass\n\n")
    assert 25 not in {avoid.move for avoid in thinking.asked[0]["root"].avoid}


def test_avoid_and_allow_reach_the_search():
    engine, thinking = engine_with("A1")
    talk(engine, "lz-genmove_analyze b avoid b C3,D4 3 avoid w pass 1")
    assert [(a.color, a.move, a.until_depth) for a in thinking.asked[0]["root"].avoid] == [
        (BLACK, 8, 3),
        (BLACK, 12, 3),
        (WHITE, 25, 1),
    ]
    engine, thinking = engine_with("A1")
    talk(engine, "kata-genmove_analyze b allow b C3,pass 2")
    assert {a.move for a in thinking.asked[0]["root"].avoid} == set(range(25)) - {12}
    points = ",".join(f"{column}{row}" for column in "ABCDE" for row in range(1, 6))
    assert replies_to(f"kata-genmove_analyze b avoid b {points},pass 1")[0] == "? no legal move is allowed"


# Time.


def test_the_clock_is_told_to_whoever_thinks_and_counts_down():
    engine, thinking = engine_with("A1", "B1", "C1", "D1", "E1")
    talk(engine, "genmove b", "time_settings 60 0 0", "time_left b 30 0", "genmove b", "reg_genmove b")
    talk(engine, "time_left b 29 0", "genmove b", "clear_board", "genmove w")
    clocks = [asked["clock"] for asked in thinking.asked]
    assert clocks[0] is None
    assert clocks[1].left(BLACK).seconds == 30
    assert clocks[2] is None  # a question costs no time
    assert clocks[3].left(BLACK).seconds == 29
    assert clocks[4].left(BLACK).seconds == 60


def test_a_clock_of_which_nobody_speaks_counts_down_by_itself():
    engine, thinking = engine_with("A1", "B1", "C1")
    talk(engine, "time_settings 60 0 0", "genmove b", "genmove w", "genmove b")
    left = [asked["clock"].left(BLACK).seconds for asked in thinking.asked]
    assert left[0] == 60
    assert 59 < left[2] == left[1] < 60


def test_a_new_size_is_prepared_for_and_a_new_game_begun():
    engine, thinking = engine_with("A1", "B1")
    talk(engine, "genmove b", "boardsize 13", "clear_board", "genmove b")
    assert (thinking.prepared[-1], thinking.games) == (13, 2)


def test_the_board_that_was_asked_for_while_the_network_was_loaded_is_warmed_up(tmp_path):
    ready, thinking = threading.Event(), ListedThinking(["A1"])

    def load() -> ListedThinking:
        ready.wait(30)
        return thinking

    (tmp_path / "game.sgf").write_text("(;SZ[7];B[aa])")
    with conversation(GtpEngine(load, GAME, version="1.0", files=tmp_path)) as talking:
        assert talking.ask("boardsize 9") == "="
        ready.set()
        assert talking.ask("genmove b") == "= A1"
        assert thinking.warmed_up == [9]
        assert talking.ask("loadsgf game.sgf") == "="
        assert thinking.prepared[-1] == 7
        assert talking.ask("boardsize 11") == "="
        assert thinking.prepared[-1] == 11


def test_a_board_that_is_asked_for_while_another_is_warmed_up_is_prepared():
    warm, thinking = threading.Event(), ListedThinking(["A1"])
    thinking.warm_up = lambda _: warm.wait(30)  # type: ignore[method-assign, assignment]
    with conversation(GtpEngine(lambda: thinking, GAME, version="1.0")) as talking:
        time.sleep(0.4)
        assert talking.ask("boardsize 9") == "="
        warm.set()
        assert talking.ask("genmove b") == "= A1"
        wait_until(lambda: bool(thinking.prepared))
    assert thinking.prepared == [9]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("time_settings 0 1 0", None),
        ("time_settings 300 0 0", "absolute"),
        ("time_settings 300 30 5", "canadian"),
        ("kgs-time_settings none", None),
        ("kgs-time_settings absolute 60", "absolute"),
        ("kgs-time_settings canadian 60 30 5", "canadian"),
        ("kgs-time_settings byoyomi 60 10 3", "byoyomi"),
        ("kata-time_settings fischer 60.5 2.5", "fischer"),
        ("kata-time_settings fischer-capped 60 2 90 -1", "fischer-capped"),
    ],
)
def test_every_time_control_is_understood(line, kind):
    engine, thinking = engine_with("A1")
    assert talk(engine, line, "genmove b") == "=\n\n= A1\n\n"
    clock = thinking.asked[0]["clock"]
    assert (None if clock is None else clock.control.kind) == kind


@pytest.mark.parametrize(
    "line",
    [
        "time_settings 0 5",
        "time_settings -1 5 1",
        "time_settings a b c",
        "time_settings",
        "kgs-time_settings fischer 60 1",
        "kgs-time_settings byoyomi 60 10",
        "kata-time_settings",
        "kata-time_settings sand 3",
        "time_left b 10",
        "time_left b 10 -1",
        "time_left x 10 0",
        "time_left b nan 0",
    ],
)
def test_time_that_makes_no_sense_is_refused(line):
    assert replies_to(line)[0].startswith("? syntax error")


def test_list_of_time_controls():
    assert replies_to("kata-list_time_settings") == ["= none absolute canadian byoyomi fischer fischer-capped"]


# Parameters.


def test_parameters_reach_whoever_thinks():
    engine, thinking = engine_with("A1", "B1")
    text = talk(
        engine,
        "kata-set-param maxVisits 77",
        "kata-set-param maxTime 2.5",
        "kata-set-param resignThreshold -0.9",
        "kata-set-param resignConsecTurns 5",
        "kata-set-param lagBuffer 1",
        "kata-set-param analysisWideRootNoise 0.04",
        *(f"kata-get-param {name}" for name in ("maxVisits", "maxTime", "resignThreshold", "ponderingEnabled")),
        "genmove b",
        "genmove w",
    )
    assert text.split("\n\n")[6:-1] == ["= 77", "= 2.5", "= -0.9", "= false", "= A1", "= B1"]
    assert thinking.search is not None
    assert thinking.search.num_simulations == 77
    options = thinking.options
    assert (options.seconds_per_move, options.resign_threshold, options.resign_moves) == (2.5, 0.9, 5)
    assert (options.lag_seconds, thinking.asked[0]["root"].wide_root_noise) == (1.0, 0.0)


def test_wide_root_noise_is_for_analyses():
    engine, thinking = engine_with()
    with conversation(engine) as talking:
        assert talking.ask("kata-set-param analysisWideRootNoise 0.04") == "="
        talking.send("kata-analyze 10")
        assert (talking.line(), talking.line()[:5]) == ("=", "info ")
        talking.send("")
        assert talking.line() == ""
    assert thinking.asked[0]["root"].wide_root_noise == 0.04


@pytest.mark.parametrize("setting", ["maxVisits 0", "maxVisits x", "maxTime -1", "ponderingEnabled yes", "maxVisits"])
def test_parameters_are_checked(setting):
    assert replies_to(f"kata-set-param {setting}")[0].startswith("? ")


# Against ourselves.


def test_match_between_two_of_our_processes():
    """`minigo match` can play another process of ours, on its own rules and to the end."""
    command = ["env", "PYTHONPATH=" + os.pathsep.join(sys.path), sys.executable, "-m", "minigo", "gtp"]
    engine = GtpPlayer(shlex.join(command), GAME)
    try:
        result = play_match(engine, RandomPlayer(), 6, GAME, MatchConfig(), 1)
    finally:
        engine.close()
    assert result.player == "MiniGo 0.1.0"
    assert [game.failure for game in result.games] == [""] * 6
    for game in result.games:
        game.record.check()


def test_what_stays_when_both_have_passed_in_the_clean_up_is_alive():
    stones = [f"play b {column}{row}" for row in (2, 4) for column in "ABCDE"] + ["play w C1"]
    engine, _ = engine_with("pass", "pass", "pass")
    before = ["final_score", "final_status_list dead"]
    assert talk(engine, *stones, *before).endswith("= B+24.5\n\n= C1\n\n")
    assert talk(engine, "genmove b", "play w pass", *before).endswith("= B+24.5\n\n= C1\n\n")
    assert talk(engine, "kgs-genmove_cleanup b", *before).endswith("= B+24.5\n\n= C1\n\n")
    assert talk(engine, "play w pass", *before, "final_status_list alive").startswith("=\n\n= B+18.5\n\n=\n\n= ")
    assert talk(engine, "undo", "undo", "undo", "kgs-genmove_cleanup b", *before).endswith("= B+24.5\n\n= C1\n\n")


def test_the_clean_up_may_begin_with_the_others_pass():
    stones = [f"play b {column}{row}" for row in (2, 4) for column in "ABCDE"] + ["play w C1"]
    engine, _ = engine_with("pass")
    passes = ("play b pass", "play w pass", "play b pass", "kgs-genmove_cleanup w")
    assert talk(engine, *stones, *passes, "final_score").endswith("= pass\n\n= B+18.5\n\n")


def test_the_clock_runs_from_when_a_line_arrives_or_the_reply_before_it_is_written():
    class SlowThinking(ListedThinking):
        def decide(self, position, clock, **options):
            decision = super().decide(position, clock, **options)
            time.sleep(0.2)
            return decision

    thinking = SlowThinking(["C3", "D4", "B2"])
    engine = GtpEngine(lambda: thinking, GAME, version="0.1.0")
    talk(engine, "kata-time_settings absolute 100", "genmove b\ngenmove w\ngenmove b")
    assert [asked["waited_seconds"] < 0.15 for asked in thinking.asked[1:]] == [True] * 2
    assert 98 < engine._session.clock.left(BLACK).seconds < 99.6
    assert 99 < engine._session.clock.left(WHITE).seconds < 99.8

    session = engine._session
    session.inbox.taken_arrival = time.monotonic() + 5  # as if the thread that takes lines had been kept from it
    session.begin(Reply(io.BytesIO(), ""))
    assert session.asked == session.inbox.taken_arrival
