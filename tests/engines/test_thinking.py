# SPDX-License-Identifier: Apache-2.0
"""Thinking about whole games and single moves, on a time that passes only while a network evaluates."""

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.anytime import Analysis, Avoid, RootOptions
from minigo.config import SearchConfig
from minigo.engines.clock import Budget, Clock, TimeControl
from minigo.engines.game_tree import Limits, is_clear
from minigo.engines.options import PlayOptions
from minigo.engines.raw_network import evaluate_alone
from minigo.engines.thinking import _USUAL, Decision, Report, Thinking
from minigo.go.coords import move_from_vertex, vertex_from_move
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluator, HashEvaluator
from tests.support.area_evaluator import AreaEvaluator
from tests.support.diagrams import stones_from_diagram
from tests.support.thinking import FakeTime, LibertyEvaluator, PatientEvaluator, SlowEvaluator, analysis_of

STEP = 0.01  # seconds of a batch

CAPTURE = """
    . . . . .
    . . X . .
    . X O X .
    . . . . .
    . . . . .
"""


class Bench:
    """An engine whose every batch takes STEP seconds of a fake time."""

    def __init__(self, inner: Evaluator, *, visits: int = 40, **options: Any) -> None:
        self.time = FakeTime()
        self.evaluator = SlowEvaluator(inner, self.time, STEP)
        config = SearchConfig(num_simulations=visits)
        self.thinking = Thinking(
            self.evaluator, config, PlayOptions(**options), batch_rows=8, cached_positions=1000, now=self.time
        )

    def decide(self, position: Position, clock: Clock | None = None, **wishes: Any) -> Decision:
        wishes.setdefault("interrupted", lambda: False)
        return self.thinking.decide(position, clock, **wishes)

    def seconds_of(self, act: Callable[[], object]) -> float:
        before = self.time.seconds
        act()
        return self.time.seconds - before


def empty(board_size: int = 5, komi: float = 7.5, rules: str = "cgos") -> Position:
    return Position.empty(board_size, komi, rules)


def shown(diagram: str, to_play: int = BLACK, komi: float = 0.0, rules: str = "cgos") -> Position:
    return Position.from_stones(stones_from_diagram(diagram), to_play, komi, rules)


def clock_of(text: str) -> Clock:
    return Clock.started(TimeControl.from_kata(text.split()))


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


def test_a_decided_game_is_passed_and_cleaned_up_only_when_asked():
    decided = shown("""
        . X . X .
        X X X X X
        O . X . .
        O X X X X
        X X . X .
    """)
    bench = Bench(LibertyEvaluator())

    assert bench.decide(decided).move == decided.board.pass_move
    assert vertex_from_move(bench.decide(decided, cleanup=True).move, 5) == "B3"
    captured = decided.play(move_from_vertex("B3", 5)).play(decided.board.pass_move)
    assert bench.decide(captured, cleanup=True).move == decided.board.pass_move


@pytest.mark.parametrize(
    ("rules", "komi", "friendly", "expected"),
    [
        ("cgos", 22.5, True, "B3"),  # the dead stones and the point between them decide the game
        ("tromp-taylor", 22.5, True, "B3"),
        ("chinese", 22.5, True, "pass"),  # the other player agrees on what is dead
        ("chinese", 22.5, False, "B3"),
        ("cgos", 19.5, True, "pass"),  # wins as the board stands
        ("cgos", 30.5, True, "B3"),  # loses in any case
    ],
)
def test_a_decided_game_is_not_lost_by_the_dead_stones_on_the_board(
    rules: str, komi: float, friendly: bool, expected: str
):
    decided = shown(
        """
        . X . X .
        X X X X X
        O . X . .
        O X X X X
        X X . X .
    """,
        komi=komi,
        rules=rules,
    )
    bench = Bench(LibertyEvaluator(), friendly_pass=friendly)

    assert vertex_from_move(bench.decide(decided).move, 5) == expected
    passed = decided.play(decided.board.pass_move, WHITE)
    assert vertex_from_move(bench.decide(passed).move, 5) == expected


def test_a_game_goes_on_after_two_passes_when_asked_to_clean_up():
    agreed = shown(
        """
        . X X O .
        . O X O .
        . X X O O
        X X X O .
        . . X O .
    """,
        komi=-9.5,
        rules="chinese",
    )
    agreed = agreed.play(agreed.board.pass_move).play(agreed.board.pass_move)
    bench = Bench(LibertyEvaluator(), visits=100)

    assert bench.decide(agreed).move == agreed.board.pass_move
    decision = bench.decide(agreed, cleanup=True)
    assert vertex_from_move(decision.move, 5) == "A4"


def test_cleaning_up_ends_with_no_dead_stone_on_the_board():
    position = shown(
        """
        . . X O . . .
        . O X O O O O
        . X X O . . .
        X X . X O O O
        . . X X O X .
        . X X X O O O
        X . X O O . .
    """,
        komi=0.5,
    )
    bench = Bench(LibertyEvaluator(), visits=100)
    for _ in range(40):
        decision = bench.decide(position, cleanup=True)
        position = position.play(decision.move)
        if position.board.passes >= 2:
            break
    assert position.board.passes >= 2
    assert bench.thinking.finished(position).dead == ()
    assert position.score_for_black() == bench.thinking.finished(position).score_for_black


def test_a_hopeless_game_is_resigned_but_not_while_cleaning_up():
    lost = """
        . O O O O O O
        O O O O O O O
        O O O O O O .
        O O O O O O O
        O O . O O O O
        X . O O . . .
        . . O . . . .
    """
    bench = Bench(AreaEvaluator(), visits=16, resign_threshold=0.5, resign_moves=2)
    base = shown(lost, BLACK, komi=20)
    moves = tuple((BLACK if ply % 2 == 0 else WHITE, 49) for ply in range(20))
    late = Position(base.board, base.rules, moves)
    later = Position(base.board, base.rules, moves + moves[:2])

    assert not bench.decide(late).resign
    assert not bench.decide(later, cleanup=True).resign
    # What other options a client sets meanwhile makes no difference.
    bench.thinking.set_options(PlayOptions(resign_threshold=0.5, resign_moves=2, lag_seconds=1.0))
    assert bench.decide(later).resign
    bench.thinking.new_game()
    assert not bench.decide(later).resign


def test_a_restricted_choice_never_passes_instead():
    passed = shown(CAPTURE, WHITE, komi=-20).play(25)
    decided = shown("""
        . X .
        X X X
        . X .
    """)
    bench = Bench(HashEvaluator(), visits=30)

    def all_but(vertex: str, board_size: int) -> RootOptions:
        allowed = move_from_vertex(vertex, board_size)
        return RootOptions(avoid=tuple(Avoid(BLACK, move) for move in range(board_size**2 + 1) if move != allowed))

    assert vertex_from_move(bench.decide(passed).move, 5) == "pass"
    assert vertex_from_move(bench.decide(passed, root=all_but("E5", 5)).move, 5) == "E5"
    assert vertex_from_move(bench.decide(decided, root=all_but("A3", 3)).move, 3) == "A3"


def test_the_network_alone_says_the_same_in_every_symmetry_on_average():
    position = shown(CAPTURE, WHITE)
    evaluator = LibertyEvaluator()
    averaged = evaluate_alone(evaluator, position, None)
    single = [evaluate_alone(evaluator, position, symmetry) for symmetry in range(8)]

    for one in single:  # this network has no preference for any direction
        np.testing.assert_allclose(one.policy, averaged.policy, atol=1e-6)
        np.testing.assert_allclose(one.ownership, averaged.ownership, atol=1e-6)
    assert averaged.policy.sum() == pytest.approx(1.0)
    assert averaged.policy[move_from_vertex("C3", 5)] == 0.0
    with pytest.raises(ValueError, match=r"symmetry must be in 0\.\.7, got 8"):
        evaluate_alone(evaluator, position, 8)


def test_a_finished_game_is_counted_without_its_dead_stones():
    position = shown(
        """
        . . X O .
        . O X O .
        . X X O O
        X X X O .
        . X X O .
    """
    )
    position = position.play(25).play(25)

    stones_count = Thinking.by_chance(SearchConfig(), PlayOptions()).finished(position)
    assert stones_count.score_for_black == position.score_for_black()
    assert stones_count.dead == ()

    atari = position.play(move_from_vertex("A4", 5)).play(25)
    counted = Bench(LibertyEvaluator()).thinking.finished(atari)
    assert counted.dead_points == (move_from_vertex("B4", 5),)
    assert counted.score_for_black == 15 - 10


def test_chance_plays_legal_moves_to_the_end_and_counts_what_is_certain():
    thinking = Thinking.by_chance(SearchConfig(num_simulations=8), PlayOptions(resign_threshold=0.1), seed=3)
    position, seen = empty(4), []
    while not position.is_over:
        decision = thinking.decide(position, None, interrupted=lambda: False, show=seen.append)
        assert not decision.resign
        position = position.play(decision.move)

    assert len(seen) == len(position.moves)
    assert thinking.finished(position).score_for_black == position.score_for_black()
    assert thinking.decide(position, None, interrupted=lambda: False).move == position.board.pass_move
    assert thinking.analyze(empty(4), interrupted=lambda: True, show=seen.append, interval=1.0).visits > 0
    thinking.ponder(empty(4), interrupted=lambda: False)  # ends at once


def test_a_move_that_is_not_played_leaves_chance_as_it_was():
    def moves(*asked: bool) -> list[int]:
        thinking = Thinking.by_chance(SearchConfig(), PlayOptions(), seed=7)
        avoid = RootOptions(avoid=tuple(Avoid(BLACK, move) for move in range(20)))
        return [
            thinking.decide(empty(), None, interrupted=lambda: False, plays=plays, root=root).move
            for plays in asked
            for root in (_USUAL, avoid)
        ]

    assert moves(True, True)[2:] == moves(False, False, True, True)[6:]
    assert moves(True)[:2] == moves(False, True)[2:]


def test_warming_up_evaluates_before_the_first_move_and_leaves_nothing_behind():
    bench, cold = Bench(HashEvaluator(), visits=50), Bench(HashEvaluator(), visits=50)
    bench.thinking.warm_up(5)
    assert bench.evaluator.calls > 0

    assert bench.decide(shown(CAPTURE)).move == cold.decide(shown(CAPTURE)).move


def test_another_board_is_prepared_in_the_background_once():
    bench = Bench(HashEvaluator())
    for _ in range(2):
        bench.thinking.prepare(7)
        for thread in threading.enumerate():
            if thread.name == "compiler":
                thread.join(30.0)
        calls = bench.evaluator.calls
        assert calls > 0

    bench.thinking.warm_up(7)
    fresh = Bench(HashEvaluator())
    fresh.thinking.warm_up(7)
    assert bench.evaluator.calls == fresh.evaluator.calls


def test_options_can_be_changed_during_a_game():
    bench = Bench(HashEvaluator(), visits=20)
    bench.decide(empty())
    bench.thinking.set_options(PlayOptions(seconds_per_move=0.5), SearchConfig(num_simulations=10))
    assert bench.seconds_of(lambda: bench.decide(empty(9))) == pytest.approx(0.5, abs=0.03)

    bench.thinking.set_options(PlayOptions())
    decision = bench.decide(empty(7))
    assert decision.analysis is not None
    assert decision.analysis.visits <= 18


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("resign_threshold", 1.5, r"resign_threshold must be in 0\.\.1"),
        ("seconds_per_move", -1.0, "seconds_per_move must be 0 or more"),
        ("lag_seconds", float("nan"), "lag_seconds must be 0 or more"),
        ("resign_moves", 0, "resign_moves must be 1 or more"),
        ("timed_visits", 0, "timed_visits must be 1 or more"),
    ],
)
def test_options_out_of_range_are_errors(field: str, value: float, message: str):
    with pytest.raises(ValueError, match=message):
        PlayOptions(**{field: value})
