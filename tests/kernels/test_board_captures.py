# SPDX-License-Identifier: Apache-2.0
"""Captures, liberties and suicide, one test for each rule, on positions given as diagrams."""

import pytest

from cc_kernels.board import (
    BLACK,
    KO_POSITIONAL,
    KO_SIMPLE,
    KO_SITUATIONAL,
    WHITE,
    IllegalMoveError,
)
from tests.support.diagrams import (
    assert_shows,
    board_from_diagram,
    is_legal,
    play,
)

# Captures


def test_a_stone_without_liberties_is_captured() -> None:
    board = board_from_diagram("""
        . X .
        X O .
        . X .
    """)
    play(board, "C2")

    assert_shows(board, ". X .\nX . X\n. X .")
    assert board.captured(WHITE) == 1
    assert board.captured(BLACK) == 0


def test_two_stones_capture_one_in_the_corner() -> None:
    board = board_from_diagram("""
        O X .
        . . .
        . . .
    """)
    play(board, "A2")

    assert_shows(board, ". X .\nX . .\n. . .")


def test_one_move_captures_several_chains() -> None:
    board = board_from_diagram("""
        . X X X .
        X O . O X
        . X O X .
        . X O X .
        . . X . .
    """)
    play(board, "C4")

    assert_shows(
        board,
        """
        . X X X .
        X . X . X
        . X . X .
        . X . X .
        . . X . .
        """,
    )
    assert board.captured(WHITE) == 4


def test_the_edge_does_not_connect_one_side_with_the_other() -> None:
    board = board_from_diagram("""
        . . . . O
        O . . . X
        X . . . .
        . . . . .
        . . . . .
    """)

    assert board.liberties.tolist()[0][4] == 1
    assert board.liberties.tolist()[1][0] == 2
    assert board.liberties.tolist()[1][4] == 2
    assert board.liberties.tolist()[2][0] == 2


def test_a_liberty_shared_by_several_stones_of_a_chain_counts_once() -> None:
    board = board_from_diagram("""
        X X X
        X . X
        . O .
    """)

    assert board.liberties.tolist() == [[3, 3, 3], [3, 0, 3], [0, 3, 0]]


def test_a_move_that_captures_is_no_suicide() -> None:
    board = board_from_diagram("""
        . O X .
        O X . X
        . O X .
        . . . .
    """)
    play(board, "C3", WHITE)

    assert_shows(board, ". O X .\nO . O X\n. O X .\n. . . .")


def test_a_snapback_captures_the_capturers() -> None:
    board = board_from_diagram("""
        . . . . .
        . . . . .
        X X X X X
        X O O O X
        X O . . X
    """)
    play(board, "C1 D1 C1")

    assert_shows(
        board,
        """
        . . . . .
        . . . . .
        X X X X X
        X . . . X
        X . X . X
        """,
    )
    assert board.captured(BLACK) == 1
    assert board.captured(WHITE) == 5


def test_captured_stones_are_counted_for_each_color() -> None:
    board = board_from_diagram("""
        O X . . .
        . . . . .
        . . . . .
        . . . O .
        . . O X X
    """)
    play(board, "A4")
    assert (board.captured(BLACK), board.captured(WHITE)) == (0, 1)

    play(board, "E2")
    assert (board.captured(BLACK), board.captured(WHITE)) == (2, 1)


# Suicide


SINGLE_EYE = """
    . X .
    X . X
    . X .
"""
TWO_STONES_EYE = """
    . X X .
    X O . X
    . X X .
    . . . .
"""


@pytest.mark.parametrize("diagram", [SINGLE_EYE, TWO_STONES_EYE])
def test_suicide_is_illegal_where_the_rules_forbid_it(diagram: str) -> None:
    board = board_from_diagram(diagram, to_play=WHITE)
    before = board.copy()
    name = "B2" if board.board_size == 3 else "C3"

    assert not is_legal(board, name)
    with pytest.raises(IllegalMoveError, match=rf"^{name} is illegal for white: .*suicide"):
        play(board, name)
    assert board == before
    assert board.move_count == before.move_count == 0
    assert board.to_play == WHITE


@pytest.mark.parametrize("ko_rule", [KO_SIMPLE, KO_POSITIONAL, KO_SITUATIONAL])
def test_suicide_of_several_stones_removes_them_where_the_rules_allow_it(ko_rule: int) -> None:
    board = board_from_diagram(TWO_STONES_EYE, to_play=WHITE, ko_rule=ko_rule, suicide=True)
    play(board, "C3")

    assert_shows(board, ". X X .\nX . . X\n. X X .\n. . . .")
    assert board.captured(WHITE) == 2
    assert board.captured(BLACK) == 0
    assert board.to_play == BLACK


def test_suicide_of_one_stone_repeats_the_position_so_positional_superko_forbids_it() -> None:
    board = board_from_diagram(SINGLE_EYE, to_play=WHITE, ko_rule=KO_POSITIONAL, suicide=True)

    with pytest.raises(IllegalMoveError, match=r"^B2 is illegal for white: .*superko"):
        play(board, "B2")


@pytest.mark.parametrize("ko_rule", [KO_SIMPLE, KO_SITUATIONAL])
def test_suicide_of_one_stone_is_like_a_pass_under_the_other_ko_rules(ko_rule: int) -> None:
    board = board_from_diagram(SINGLE_EYE, to_play=WHITE, ko_rule=ko_rule, suicide=True)
    play(board, "B2")

    assert_shows(board, SINGLE_EYE)
    assert board.captured(WHITE) == 1
    assert board.passes == 0
    assert board.to_play == BLACK
