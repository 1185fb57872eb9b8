# SPDX-License-Identifier: Apache-2.0
"""Passing, cleaning up and resigning, told by hand what a search has found."""

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.engines.choice import Resignation, chosen_move, cleanup_move, wants_ending
from minigo.engines.ending import ending_of
from minigo.engines.options import PlayOptions
from minigo.go.coords import move_from_vertex, vertex_from_move
from minigo.go.position import Position
from tests.support.diagrams import stones_from_diagram
from tests.support.thinking import analysis_of

# Black owns the left side, White the right one; neither is pass-alive.
CLEAN = """
    . . X O .
    . . X O .
    . . X O O
    X X X O .
    . . X O .
"""
DEAD_STONE = """
    . . X O .
    . O X O .
    . . X O O
    X X X O .
    . . X O .
"""
OWNED = """
    X X X O O
    X X X O O
    X X X O O
    X X X O O
    X X X O O
"""


def position_of(
    diagram: str, *, passed: bool, to_play: int = BLACK, komi: float = 0.0, rules: str = "cgos"
) -> Position:
    mover = -to_play if passed else to_play
    position = Position.from_stones(stones_from_diagram(diagram), mover, komi, rules)
    return position.play(position.board.pass_move) if passed else position


def choice(
    position: Position,
    *moves: tuple[str, int, float, float],
    owned: str | None = None,
    sureness: float = 1.0,
    friendly: bool = True,
) -> str:
    """What is played after a search that found these moves, best first."""
    ownership = None if owned is None else sureness * stones_from_diagram(owned).astype(np.float32)
    seen = analysis_of(position, moves, ownership=None if ownership is None else ownership * position.to_play)
    found = None if ownership is None else ending_of(position, ownership)
    move = chosen_move(position, seen, found, PlayOptions(friendly_pass=friendly))
    return vertex_from_move(move, position.board_size)


BETTER = (("A1", 50, 0.9, 12.0), ("pass", 10, 0.2, 1.0))


def test_the_search_s_move_is_played_while_the_game_goes_on():
    assert choice(position_of(DEAD_STONE, passed=False), *BETTER, owned=OWNED) == "A1"


@pytest.mark.parametrize(
    ("rules", "komi", "friendly", "expected"),
    [
        ("cgos", -4.5, True, "pass"),  # wins as the board stands and with the dead stone taken off
        ("chinese", -4.5, True, "pass"),
        ("chinese", -4.5, False, "pass"),
        ("cgos", 0.5, True, "A1"),  # wins only with the dead stone taken off
        ("tromp-taylor", 0.5, True, "A1"),
        ("chinese", 0.5, True, "pass"),
        ("aga", 0.5, True, "pass"),
        ("chinese", 0.5, False, "A1"),
        ("chinese", 7.5, True, "A1"),  # loses in any case
    ],
)
def test_a_pass_is_answered_by_a_pass_that_wins(rules: str, komi: float, friendly: bool, expected: str):
    position = position_of(DEAD_STONE, passed=True, komi=komi, rules=rules)
    assert position.score_for_black() == -2 - komi  # the white stone makes the points around it nobody's

    assert choice(position, *BETTER, owned=OWNED, friendly=friendly) == expected


def test_a_friendly_pass_must_win_whoever_gets_the_points_in_doubt():
    position = position_of(DEAD_STONE, passed=True, komi=0.5, rules="chinese")

    assert choice(position, *BETTER, owned=OWNED, sureness=0.9) == "pass"
    assert choice(position, *BETTER, owned=OWNED, sureness=0.6) == "A1"


def test_a_win_as_the_board_stands_is_not_taken_with_dead_stones_of_one_s_own():
    position = position_of(DEAD_STONE, passed=True, to_play=WHITE)
    assert position.score_for_black() < 0

    assert choice(position, *BETTER, owned=OWNED) == "A1"
    assert choice(position, *BETTER) == "pass"  # nothing is known of dead stones


def test_a_lost_game_ends_where_a_pass_costs_nothing():
    position = position_of(CLEAN, passed=True, komi=30.0)

    assert choice(position, ("A1", 50, -0.99, -25.2), ("B1", 10, -1.0, -25.0), owned=OWNED) == "pass"
    assert choice(position, ("A1", 50, -0.5, -3.0), owned=OWNED) == "A1"


def test_no_pass_loses_a_won_game_as_it_stands():
    position = position_of(DEAD_STONE, passed=False, komi=0.5)

    assert choice(position, ("pass", 50, 0.9, 5.0), ("A1", 10, 0.8, 4.0), owned=OWNED) == "A1"
    assert choice(position, ("pass", 50, -0.9, 5.0), ("A1", 10, -0.95, 4.0), owned=OWNED) == "pass"
    assert choice(position, ("pass", 50, 0.9, 5.0), owned=OWNED) == "pass"


def test_a_winning_pass_is_preferred_to_moves_that_gain_nothing():
    position = position_of(CLEAN, passed=False, komi=-0.5)

    assert choice(position, ("A1", 50, 0.95, 6.0), ("pass", 8, 0.94, 5.7)) == "pass"
    assert choice(position, ("A1", 50, 0.95, 8.0), ("pass", 8, 0.94, 5.7)) == "A1"
    assert choice(position, ("A1", 50, 0.95, 6.0), ("pass", 2, 0.94, 5.7)) == "A1"


def test_the_ending_is_asked_for_only_where_a_pass_is_near():
    quiet = position_of(DEAD_STONE, passed=False)

    assert not wants_ending(quiet, analysis_of(quiet, BETTER))
    assert wants_ending(quiet, analysis_of(quiet, BETTER[::-1]))
    assert wants_ending(position_of(DEAD_STONE, passed=True), analysis_of(quiet, BETTER))


def test_a_move_that_the_game_s_history_forbids_is_not_chosen():
    ko = position_of(
        """
        . X O .
        X . X O
        . X O .
        . . . .
    """,
        passed=False,
        to_play=WHITE,
    ).play(move_from_vertex("B3", 4))
    assert not ko.legal_moves()[move_from_vertex("C3", 4)]

    assert choice(ko, ("C3", 50, 0.5, 1.0), ("D1", 10, 0.4, 1.0)) == "D1"


def cleanup(diagram: str, owned: str | None, *moves: tuple[str, int, float, float], passed: bool = True) -> str:
    position = position_of(diagram, passed=passed)
    ownership = None if owned is None else stones_from_diagram(owned).astype(np.float32)
    seen = analysis_of(position, moves, ownership=ownership) if moves else None
    return vertex_from_move(cleanup_move(position, ending_of(position, ownership), seen), position.board_size)


def test_dead_stones_are_taken_off_when_asked():
    assert cleanup(DEAD_STONE, OWNED, ("pass", 50, 0.9, 5.0)) in {"A4", "B5", "B3"}


def test_the_board_is_left_alone_once_it_is_clean():
    assert cleanup(CLEAN, OWNED, ("pass", 50, 0.9, 5.0)) == "pass"


def test_cleaning_up_inside_pass_alive_regions_fills_no_eye_that_is_needed():
    decided = """
        . X . X .
        X X X X X
        O . X . .
        O X X X X
        X X . X .
    """
    assert cleanup(decided, None) == "B3"
    assert cleanup(decided.replace("O .", ". .").replace("O X", "X X"), None) == "pass"


def test_a_stone_is_thrown_in_where_nothing_else_takes_the_dead_off():
    two_points_inside = """
        . . O X .
        O O O X .
        X X X X .
        . . . . .
        . . . . .
    """
    all_black = "\n".join(["X X X X X"] * 5)

    assert cleanup(two_points_inside, all_black, ("pass", 50, 0.9, 5.0)) in {"A5", "B5"}
    refuted = (("pass", 50, 0.9, 5.0), ("A5", 10, 0.2, 5.0))
    assert cleanup(two_points_inside, all_black, *refuted) == "B5"


def test_a_stone_is_not_thrown_in_where_something_else_does():
    one_outside = """
        . . O . X
        O O O X .
        X X X X .
        . . . . .
        . . . . .
    """
    all_black = "\n".join(["X X X X X"] * 5)

    assert cleanup(one_outside, all_black, ("pass", 50, 0.9, 5.0)) == "D5"
    assert cleanup(one_outside, all_black, ("pass", 50, 0.9, 5.0), ("A5", 40, 0.9, 5.0)) == "D5"


def test_cleaning_up_does_not_overlook_a_threat():
    threat = (("E5", 50, 0.9, 5.0), ("A4", 10, -0.5, 5.0))

    assert cleanup(DEAD_STONE, OWNED, *threat, passed=False) == "E5"
    assert cleanup(DEAD_STONE, OWNED, ("E5", 50, 0.9, 5.0), ("A4", 10, 0.88, 5.0), passed=False) == "A4"


# Resigning


def at_ply(ply: int, to_play: int = BLACK, *, stones: str | None = None, board_size: int = 5) -> Position:
    empty = "\n".join([" ".join("." * board_size)] * board_size)
    base = Position.from_stones(stones_from_diagram(stones or empty), to_play, 7.5, "cgos")
    color = -to_play if ply % 2 else to_play
    moves = tuple((color if number % 2 == 0 else -color, base.board.pass_move) for number in range(ply))
    return Position(base.board, base.rules, moves)


def resigns(values: list[float], *, first_ply: int = 20, threshold: float = 0.9, moves: int = 3) -> list[bool]:
    resignation = Resignation(PlayOptions(resign_threshold=threshold, resign_moves=moves))
    return [resignation.decides(at_ply(first_ply + 2 * k), value, -20.0) for k, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-0.95, -0.95, -0.95], [False, False, True]),
        ([-0.95, -0.85, -0.95, -0.95], [False] * 4),
        ([-0.95, -0.95, -0.90], [False] * 3),
        ([0.95, 0.95, 0.95], [False] * 3),
    ],
)
def test_a_game_is_resigned_after_three_hopeless_decisions_in_a_row(values: list[float], expected: list[bool]):
    assert resigns(values) == expected


def test_no_game_is_resigned_with_threshold_zero():
    assert resigns([-1.0] * 5, threshold=0.0) == [False] * 5


def test_no_game_is_resigned_before_both_have_made_as_many_moves_as_the_board_is_wide():
    assert resigns([-1.0] * 5, first_ply=2) == [False, False, False, False, True]


def test_asking_again_in_the_same_position_counts_once():
    resignation = Resignation(PlayOptions(resign_threshold=0.9, resign_moves=2))

    assert not any(resignation.decides(at_ply(20), -1.0, -20.0) for _ in range(5))
    assert resignation.decides(at_ply(22), -1.0, -20.0)


def test_each_colour_and_each_game_is_counted_for_itself():
    resignation = Resignation(PlayOptions(resign_threshold=0.9, resign_moves=2))
    resignation.decides(at_ply(20, BLACK), -1.0, -20.0)

    assert not resignation.decides(at_ply(21, WHITE), -1.0, -20.0)
    resignation.forget()
    assert not resignation.decides(at_ply(22, BLACK), -1.0, -20.0)


TWO_STONES = """
    . . . . .
    . X . . .
    . . . . .
    . . . X .
    . . . . .
"""


@pytest.mark.parametrize(
    ("color", "value", "lead", "expected"),
    [
        (WHITE, -0.99, -20.0, [False] * 5 + [True]),  # twice as many decisions
        (WHITE, -0.94, -20.0, [False] * 6),  # not certain enough
        (WHITE, -0.99, -4.0, [False] * 6),  # a few points can be caught up with
        (BLACK, -0.91, -1.0, [False, False, True, True, True, True]),
    ],
)
def test_white_has_hope_for_longer_in_a_handicap_game(color: int, value: float, lead: float, expected: list[bool]):
    resignation = Resignation(PlayOptions(resign_threshold=0.9, resign_moves=3))
    positions = [at_ply(20 + 2 * k, color, stones=TWO_STONES) for k in range(6)]

    assert [resignation.decides(position, value, lead) for position in positions] == expected
