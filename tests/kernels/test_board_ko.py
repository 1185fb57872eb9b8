# SPDX-License-Identifier: Apache-2.0
"""Ko and superko, one test for each rule, on positions given as diagrams."""

import numpy as np
import pytest

from cc_kernels.board import BLACK, KO_POSITIONAL, KO_SIMPLE, KO_SITUATIONAL, WHITE, Board, IllegalMoveError
from tests.support.diagrams import assert_shows, board_from_diagram, is_legal, play, point
from tests.support.positions import KO, SEND_TWO_RETURN_ONE

# Ko


@pytest.mark.parametrize(
    ("ko_rule", "reason"), [(KO_SIMPLE, "ko"), (KO_POSITIONAL, "superko"), (KO_SITUATIONAL, "superko")]
)
def test_recapture_in_ko_is_illegal(ko_rule: int, reason: str) -> None:
    board = board_from_diagram(KO, to_play=WHITE, ko_rule=ko_rule)
    play(board, "B3")
    before = board.copy()

    with pytest.raises(IllegalMoveError, match=rf"^C3 is illegal for black: .*{reason}"):
        play(board, "C3")
    assert board == before
    assert not is_legal(board, "C3", BLACK)
    assert not board.legal_moves()[point("C3", 4)]


@pytest.mark.parametrize("ko_rule", [KO_SIMPLE, KO_POSITIONAL, KO_SITUATIONAL])
def test_recapture_in_ko_is_legal_after_a_threat_and_its_answer(ko_rule: int) -> None:
    board = board_from_diagram(KO, to_play=WHITE, ko_rule=ko_rule)
    play(board, "B3 A1 D1")

    play(board, "C3")
    assert board.captured(WHITE) == 1


@pytest.mark.parametrize("ko_rule", [KO_SIMPLE, KO_POSITIONAL, KO_SITUATIONAL])
def test_the_color_that_took_a_ko_may_connect_it(ko_rule: int) -> None:
    board = board_from_diagram(KO, to_play=WHITE, ko_rule=ko_rule)
    play(board, "B3")

    assert is_legal(board, "C3", WHITE)


def test_the_ko_point_is_where_a_single_stone_cannot_be_retaken_at_once() -> None:
    board = board_from_diagram(KO, to_play=WHITE, ko_rule=KO_SIMPLE)
    assert board.ko_point is None

    play(board, "B3")
    assert board.ko_point == point("C3", 4)

    play(board, "D1")
    assert board.ko_point is None


@pytest.mark.parametrize(("ko_rule", "legal"), [(KO_SIMPLE, True), (KO_POSITIONAL, False), (KO_SITUATIONAL, False)])
def test_two_passes_lift_a_simple_ko_but_no_superko(ko_rule: int, legal: bool) -> None:
    board = board_from_diagram(KO, to_play=WHITE, ko_rule=ko_rule)
    play(board, "B3 pass pass")

    assert is_legal(board, "C3", BLACK) == legal


@pytest.mark.parametrize("ko_rule", [KO_SIMPLE, KO_POSITIONAL, KO_SITUATIONAL])
def test_one_stone_that_took_one_may_be_retaken_with_another(ko_rule: int) -> None:
    board = board_from_diagram(
        """
        . . . . .
        X X O . .
        O . X O .
        X X O . .
        . . . . .
        """,
        to_play=WHITE,
        ko_rule=ko_rule,
    )
    play(board, "B3")
    assert board.captured(BLACK) == 1

    play(board, "C3")
    assert board.captured(WHITE) == 2


# Superko


def test_positional_superko_forbids_returning_one_stone_for_two() -> None:
    board = board_from_diagram(SEND_TWO_RETURN_ONE, to_play=WHITE, ko_rule=KO_POSITIONAL)
    play(board, "A1 C1")

    with pytest.raises(IllegalMoveError, match=r"^B1 is illegal for white: .*superko"):
        play(board, "B1")


def test_situational_superko_forbids_sending_the_same_two_stones_again() -> None:
    board = board_from_diagram(SEND_TWO_RETURN_ONE, to_play=WHITE, ko_rule=KO_SITUATIONAL)
    play(board, "A1 C1 B1 pass")

    assert_shows(board, SEND_TWO_RETURN_ONE)
    with pytest.raises(IllegalMoveError, match=r"^A1 is illegal for white: .*superko"):
        play(board, "A1")


def test_simple_ko_lets_two_stones_be_sent_for_ever() -> None:
    board = board_from_diagram(SEND_TWO_RETURN_ONE, to_play=WHITE, ko_rule=KO_SIMPLE)
    for _ in range(5):
        play(board, "A1 C1 B1 pass")

    assert board.captured(WHITE) == 10
    assert board.captured(BLACK) == 5


TRIPLE_KO = [
    ". X O . . . X O .",
    "X O . O . X . X O",
    ". X O . . . X O .",
    ". . . . . . . . .",
    ". X O . . . . . .",
    "X O . O . . . . .",
    ". X O . . . . . .",
    ". . . . . . . . .",
    ". . . . . . . . .",
]


def triple_ko(board_size: int, ko_rule: int) -> Board:
    """Three kos in the lower left 9 by 9 points of a board; Black to take the first."""
    space = board_size - 9
    rows = [". " * board_size] * space + [row + " ." * space for row in TRIPLE_KO]
    return board_from_diagram("\n".join(rows), ko_rule=ko_rule)


@pytest.mark.parametrize("board_size", [9, 10, 13, 19])
@pytest.mark.parametrize("ko_rule", [KO_POSITIONAL, KO_SITUATIONAL])
def test_superko_forbids_the_sixth_move_of_a_triple_ko(board_size: int, ko_rule: int) -> None:
    board = triple_ko(board_size, ko_rule)
    play(board, "C8 G8 C4 B8 H8")

    with pytest.raises(IllegalMoveError, match=r"^B4 is illegal for white: .*superko"):
        play(board, "B4")


@pytest.mark.parametrize("board_size", [9, 10, 13, 19])
def test_simple_ko_lets_a_triple_ko_go_on(board_size: int) -> None:
    board = triple_ko(board_size, KO_SIMPLE)
    before = board.stones
    for _ in range(3):
        play(board, "C8 G8 C4 B8 H8 B4")

    np.testing.assert_array_equal(board.stones, before)


@pytest.mark.parametrize(("ko_rule", "legal"), [(KO_POSITIONAL, False), (KO_SITUATIONAL, True)])
def test_situational_superko_tells_positions_apart_by_who_is_to_move(ko_rule: int, legal: bool) -> None:
    board = board_from_diagram(KO, to_play=BLACK, ko_rule=ko_rule)
    play(board, "B3", WHITE)

    assert is_legal(board, "C3", BLACK) == legal


@pytest.mark.parametrize("ko_rule", [KO_POSITIONAL, KO_SITUATIONAL])
def test_the_situation_after_a_pass_must_not_be_repeated_either(ko_rule: int) -> None:
    board = board_from_diagram(KO, to_play=BLACK, ko_rule=ko_rule)
    play(board, "pass B3")

    assert not is_legal(board, "C3", BLACK)


@pytest.mark.parametrize("ko_rule", [KO_POSITIONAL, KO_SITUATIONAL])
def test_superko_reaches_back_over_hundreds_of_moves(ko_rule: int) -> None:
    board = board_from_diagram(KO, to_play=WHITE, ko_rule=ko_rule)
    play(board, "B3")
    play(board, "pass pass " * 400)

    assert board.move_count == 801
    assert not is_legal(board, "C3", BLACK)


def test_a_position_from_before_the_set_up_may_be_repeated() -> None:
    board = board_from_diagram(KO, to_play=WHITE)
    play(board, "B3")
    board.setup(board.stones, BLACK)

    play(board, "C3")
    assert_shows(board, KO)
