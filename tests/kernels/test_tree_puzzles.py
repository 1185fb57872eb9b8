# SPDX-License-Identifier: Apache-2.0
"""The search solves small problems of life and death and capture, whose right moves a Go player can check."""

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE, Board
from tests.support.diagrams import board_from_diagram, vertex
from tests.support.evaluators import Judge, playout_judge, searched, uniform_judge

THREE_IN_A_ROW = """
    . X . X .
    X X X X X
    O O O O X
    . . . O X
    O O O O X
"""
BENT_THREE = """
    . X . X .
    X X X X X
    O O O X .
    . . O X X
    . O O X .
"""
CAPTURE_OR_DIE = """
    . O . O .
    O O O O O
    X X X X O
    O O . X O
    X X . X O
"""
FOUR_IN_A_ROW = """
    . X . X .
    X X X X X
    O O O O O
    . . . . O
    O O O O O
"""
PUZZLES = [
    pytest.param(THREE_IN_A_ROW, BLACK, 7.5, "B2", id="the middle of three points kills"),
    pytest.param(THREE_IN_A_ROW, WHITE, 7.5, "B2", id="the middle of three points lives"),
    pytest.param(BENT_THREE, BLACK, 10.0, "A2", id="the bend of three points kills"),
    pytest.param(BENT_THREE, WHITE, 10.0, "A2", id="the bend of three points lives"),
    pytest.param(CAPTURE_OR_DIE, BLACK, -10.0, "C2", id="capturing two stones lives"),
    pytest.param(CAPTURE_OR_DIE, WHITE, -10.0, "C1", id="capturing two stones kills"),
]


@pytest.mark.parametrize(("diagram", "to_play", "komi", "solution"), PUZZLES)
@pytest.mark.parametrize("gumbel", [False, True], ids=["puct", "gumbel"])
@pytest.mark.parametrize("judge", [uniform_judge, playout_judge])
def test_search_finds_the_move_that_wins(
    diagram: str, to_play: int, komi: float, solution: str, gumbel: bool, judge: Judge
) -> None:
    board = board_from_diagram(diagram, to_play=to_play, komi=komi)
    result = searched(board, 400, judge, gumbel=gumbel)

    assert vertex(result.move, 5) == solution
    assert result.move_values[result.move] == np.nanmax(result.move_values)
    assert result.principal_variation[0] == result.move


@pytest.mark.parametrize("to_play", [BLACK, WHITE])
@pytest.mark.parametrize("gumbel", [False, True], ids=["puct", "gumbel"])
def test_four_points_in_a_row_live_whoever_moves(to_play: int, gumbel: bool) -> None:
    board = board_from_diagram(FOUR_IN_A_ROW, to_play=to_play, komi=5.0)
    result = searched(board, 400, uniform_judge, gumbel=gumbel)

    assert result.value * to_play < -0.8
    assert result.score_lead * to_play < -8


def test_the_first_move_on_3x3_is_the_center_and_wins_by_nine() -> None:
    result = searched(Board(3, 8.5), 4000, playout_judge)

    assert vertex(result.move, 3) == "B2"
    assert result.value > 0.2
