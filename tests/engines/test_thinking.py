# SPDX-License-Identifier: Apache-2.0
"""Thinking about moves on a clock, pondering and analysing, on a time that passes only while a network evaluates."""

import itertools
import time

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.anytime import Analysis
from minigo.config import SearchConfig
from minigo.engines.clock import Budget
from minigo.engines.game_tree import Limits, is_clear
from minigo.engines.options import PlayOptions
from minigo.engines.raw_network import evaluate_alone
from minigo.engines.thinking import Decision, Report, Thinking
from minigo.go.coords import move_from_vertex, vertex_from_move
from minigo.go.position import Position
from minigo.inference.evaluator import HashEvaluator
from tests.support.thinking import FakeTime, LibertyEvaluator, PatientEvaluator, SlowEvaluator, analysis_of
from tests.support.thinking_bench import CAPTURE, STEP, Bench, clock_of, empty, shown


def test_without_a_clock_a_move_takes_the_configured_visits():
    decision = Bench(HashEvaluator(), visits=40).decide(empty())

    assert decision.analysis is not None
    assert 40 <= decision.analysis.visits <= 48  # a batch is not cut


def test_seconds_per_move_ends_the_search_in_time():
    bench = Bench(HashEvaluator(), visits=40, seconds_per_move=1.0)

    assert bench.seconds_of(lambda: bench.decide(empty(9))) == pytest.approx(1.0, abs=3 * STEP)  # one step's calls


def test_a_clock_is_never_overstepped_in_a_whole_game():
    for control in ("absolute 6", "canadian 2 2 5", "byoyomi 2 0.5 3", "fischer 2 0.2"):
        bench = Bench(HashEvaluator(), lag_seconds=0.05)
        clock, position = clock_of(control), empty(5)
        for _ in range(60):
            if position.is_over:
                break
            color = position.to_play
            hard = clock.budget(position, lag_seconds=0.05).hard
            before = bench.time.seconds
            decision = bench.decide(position, clock)
            used = bench.time.seconds - before
            assert used <= max(hard, 2 * STEP) + STEP + 1e-9  # the last step: how the game would be counted
            clock = clock.spent(color, used + 0.01, unseen_seconds=0.0)
            assert not clock.has_run_out(color)
            position = position.play(decision.move)


def test_a_step_that_would_end_too_late_is_not_begun():
    bench = Bench(HashEvaluator(), seconds_per_move=1.0)
    bench.evaluator._seconds = 0.4

    assert bench.seconds_of(lambda: bench.decide(empty(9))) == pytest.approx(0.8)


def test_time_that_was_waited_counts():
    bench = Bench(HashEvaluator(), seconds_per_move=1.0)

    assert bench.seconds_of(lambda: bench.decide(empty(9), waited_seconds=0.7)) <= 0.3


def test_without_any_time_a_move_is_still_found():
    bench = Bench(HashEvaluator())
    clock = clock_of("absolute 10").updated(BLACK, 0, 0)

    decision = bench.decide(empty(), clock)
    assert empty().legal_moves()[decision.move]
    assert bench.evaluator.calls <= 3


def test_an_interruption_ends_the_search_within_a_step():
    bench = Bench(HashEvaluator(), visits=10_000)
    calls = itertools.count()

    bench.decide(empty(9), interrupted=lambda: next(calls) >= 5)
    assert bench.evaluator.calls <= 10


def test_where_nothing_is_left_to_play_no_time_is_taken():
    full = shown(
        """
        . O O
        O O O
        O O .
    """
    )
    assert np.flatnonzero(full.legal_moves()).tolist() == [9]
    bench = Bench(HashEvaluator())

    assert bench.decide(full, clock_of("absolute 600")).move == 9
    assert bench.evaluator.calls == 0


def test_a_single_sensible_move_takes_little_time():
    bench = Bench(LibertyEvaluator(keenness=0.99))
    clock = clock_of("absolute 300")
    decision: list[Decision] = []

    seconds = bench.seconds_of(lambda: decision.append(bench.decide(shown(CAPTURE), clock)))
    assert vertex_from_move(decision[0].move, 5) == "C2"
    assert seconds < 0.2 * clock.budget(shown(CAPTURE)).soft


def limits(soft: float, before: float | None = None) -> Limits:
    return Limits(1000, Budget(soft, 3 * soft), 0.0, saves_time=True, value_before=before)


@pytest.mark.parametrize(
    ("moves", "elapsed", "before", "clear"),
    [
        ((("A1", 60, 0.2), ("B1", 50, 0.1)), 0.5, None, False),  # the second may catch up: 100 visits are to come
        ((("A1", 200, 0.2), ("B1", 50, 0.1)), 0.5, None, True),  # it can not
        ((("A1", 60, 0.2), ("B1", 50, 0.1)), 1.0, None, True),  # time is up, and the best move is the most visited
        ((("A1", 50, 0.2), ("B1", 60, 0.1)), 1.0, None, False),  # the best one is not
        ((("A1", 50, 0.2), ("B1", 500, 0.1)), 1.0, None, False),
        ((("A1", 60, 0.2), ("B1", 50, 0.1)), 1.0, 0.25, True),
        ((("A1", 60, 0.2), ("B1", 50, 0.1)), 1.0, 0.35, False),  # it is worth less than the last move was
        ((("A1", 200, 0.2), ("B1", 50, 0.1)), 0.5, 0.35, False),
    ],
)
def test_a_move_is_clear_when_more_time_would_change_nothing(
    moves: tuple[tuple[str, int, float], ...], elapsed: float, before: float | None, clear: bool
):
    analysis = analysis_of(empty(), [(name, visits, value, 0.0) for name, visits, value in moves])

    assert is_clear(analysis, elapsed, limits(1.0, before), rate=200.0) == clear


def test_a_move_is_clear_when_policy_and_visits_agree_on_it():
    moves = [("A1", 95, 0.2, 0.0), ("B1", 5, 0.1, 0.0)]

    assert is_clear(analysis_of(empty(), moves, policy=0.95), 0.1, limits(1.0), rate=1000.0)
    assert not is_clear(analysis_of(empty(), moves, policy=0.5), 0.1, limits(1.0), rate=1000.0)
    assert not is_clear(analysis_of(empty(), [("A1", 9, 0.2, 0.0)], policy=0.95), 0.1, limits(1.0), rate=1000.0)


def test_a_kept_tree_is_searched_on_before_its_lead_counts_as_too_large():
    evaluator = PatientEvaluator(HashEvaluator(), 0.002)
    thinking = Thinking(evaluator, SearchConfig(), PlayOptions(lag_seconds=0.0), batch_rows=8)  # on the real time
    clock, position = clock_of("byoyomi 0 0.2 1"), empty(9)
    for _ in range(5):
        began = time.monotonic()
        decision = thinking.decide(position, clock, interrupted=lambda: False)
        assert time.monotonic() - began > 0.2 / 25
        assert decision.analysis is not None
        averaged = evaluate_alone(HashEvaluator(), position, None).policy
        np.testing.assert_allclose(decision.analysis.policy, averaged, atol=1e-5)
        position = position.play(decision.move)


def test_an_unsettled_move_takes_more_than_its_share():
    quiet, worried = Bench(HashEvaluator()), Bench(HashEvaluator())
    worried.thinking._values[BLACK] = 1.0  # the last own move promised a certain win
    clock = clock_of("absolute 30")
    budget = clock.budget(empty(9))

    usual = quiet.seconds_of(lambda: quiet.decide(empty(9), clock))
    longer = worried.seconds_of(lambda: worried.decide(empty(9), clock))
    assert longer > 1.5 * budget.soft
    assert usual <= longer <= budget.hard


def test_the_tree_is_kept_from_move_to_move():
    bench = Bench(HashEvaluator(), visits=200)
    position = empty()
    decision = bench.decide(position)
    assert decision.analysis is not None
    line = decision.analysis.moves[0].pv
    calls = bench.evaluator.calls
    fresh = Bench(HashEvaluator(), visits=200)

    following = position.play(decision.move).play(line[1])
    bench.decide(following)
    fresh.decide(following)
    assert bench.evaluator.calls - calls < fresh.evaluator.calls


def test_pondering_makes_the_next_move_faster():
    bench = Bench(HashEvaluator(), visits=60)
    position = empty()
    decision = bench.decide(position)
    answered = position.play(decision.move)
    steps = itertools.count()
    bench.thinking.ponder(answered, interrupted=lambda: next(steps) >= 100)
    pondered = bench.thinking.analyze(answered, interrupted=lambda: True, show=lambda _: None, interval=1.0)
    assert pondered.visits > 200

    calls = bench.evaluator.calls
    bench.decide(answered.play(pondered.moves[0].move))
    assert bench.evaluator.calls - calls <= 2


@pytest.mark.parametrize(
    "other",
    [
        shown(CAPTURE),  # other stones, as few moves
        shown(CAPTURE, WHITE),
        empty(komi=0.5),
        empty(rules="chinese"),
        empty(6),
    ],
)
def test_a_position_that_does_not_follow_is_searched_anew(other: Position):
    bench, fresh = Bench(HashEvaluator(), visits=100), Bench(HashEvaluator(), visits=100)
    bench.decide(shown(CAPTURE.replace("O", ".")))

    assert bench.decide(other).move == fresh.decide(other).move


def test_a_colour_that_moves_twice_in_a_row_is_understood():
    bench = Bench(LibertyEvaluator(), visits=60)
    position = shown(CAPTURE, WHITE)
    bench.decide(position)
    twice = position.play(move_from_vertex("A1", 5), WHITE).play(move_from_vertex("A2", 5), WHITE)

    decision = bench.decide(twice)
    assert decision.analysis is not None
    assert decision.analysis.position.to_play == BLACK
    assert vertex_from_move(decision.move, 5) == "C2"


def test_every_board_size_is_played():
    bench = Bench(HashEvaluator(), visits=4)
    for board_size in (2, 3, 19, 9, 2):
        position = empty(board_size)
        assert position.legal_moves()[bench.decide(position).move]


def test_analyses_are_shown_at_the_interval_and_at_the_end_of_a_decision():
    bench = Bench(HashEvaluator(), seconds_per_move=1.0)
    seen: list[Analysis] = []
    bench.decide(empty(9), show=seen.append, interval=0.2)

    assert 4 <= len(seen) <= 6
    assert [analysis.visits for analysis in seen] == sorted(analysis.visits for analysis in seen)

    seen.clear()
    bench.decide(empty(9).play(0), show=seen.append)
    assert len(seen) == 1


def test_nothing_is_shown_before_the_position_itself_has_been_evaluated():
    time = FakeTime()
    slow = SlowEvaluator(HashEvaluator(), time, 1.0)  # one batch takes longer than the interval …
    thinking = Thinking(slow, SearchConfig(num_simulations=20), PlayOptions(), batch_rows=4, now=time)
    seen: list[Analysis] = []  # … and the root takes two of them

    thinking.decide(empty(), None, interrupted=lambda: False, show=seen.append, interval=0.1)

    assert len(seen) > 1
    assert seen[0].visits >= 1


def test_an_analysis_goes_on_until_interrupted_and_always_shows_something():
    bench = Bench(HashEvaluator())
    seen: list[Analysis] = []

    found = bench.thinking.analyze(empty(9), interrupted=lambda: True, show=seen.append, interval=5.0)
    assert seen == [found]

    seen.clear()
    enough = bench.thinking.analyze(
        empty(9), interrupted=lambda: len(seen) >= 3, show=seen.append, interval=0.1, report=Report(pv_moves=1)
    )
    assert len(seen) == 3
    assert enough.visits >= seen[-1].visits > found.visits


def test_reports_that_take_long_do_not_take_the_time_of_the_search():
    bench = Bench(HashEvaluator())
    seen = []

    def show(analysis: Analysis) -> None:
        seen.append(analysis)
        bench.time.seconds += 0.1

    bench.thinking.analyze(empty(9), interrupted=lambda: False, show=show, interval=0.01, seconds=4.0)
    assert 8 <= len(seen) <= 11  # a quarter of the time


def test_an_analysis_ends_by_visits_and_by_seconds():
    bench = Bench(HashEvaluator())
    by_visits = bench.thinking.analyze(
        empty(9), interrupted=lambda: False, show=lambda _: None, interval=1.0, visits=50
    )
    assert 50 <= by_visits.visits <= 60

    def by_seconds() -> None:
        bench.thinking.analyze(empty(9), interrupted=lambda: False, show=lambda _: None, interval=1.0, seconds=0.5)

    assert bench.seconds_of(by_seconds) == pytest.approx(0.5, abs=0.03)
