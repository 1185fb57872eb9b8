# SPDX-License-Identifier: Apache-2.0
"""Thinking about the end of a game, counting, and what an engine can be asked beside moves."""

import threading

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.config import SearchConfig
from minigo.engines.options import PlayOptions
from minigo.engines.raw_network import evaluate_alone
from minigo.engines.thinking import Thinking
from minigo.go.coords import move_from_vertex, vertex_from_move
from minigo.go.position import Position
from minigo.inference.evaluator import HashEvaluator
from minigo.roots import AS_IT_IS, Avoid, RootOptions
from tests.support.area_evaluator import AreaEvaluator
from tests.support.thinking import LibertyEvaluator
from tests.support.thinking_bench import CAPTURE, Bench, empty, shown


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
            for root in (AS_IT_IS, avoid)
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
