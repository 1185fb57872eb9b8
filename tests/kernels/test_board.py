# SPDX-License-Identifier: Apache-2.0
"""Moves, turns, passes, set-up positions, and boards as values."""

import numpy as np
import pytest

from cc_kernels.board import (
    BLACK,
    KO_POSITIONAL,
    KO_SIMPLE,
    KO_SITUATIONAL,
    MAX_BOARD_SIZE,
    WHITE,
    Board,
    IllegalMoveError,
)
from tests.support.diagrams import (
    assert_shows,
    board_from_diagram,
    is_legal,
    play,
    point,
    stones_from_diagram,
    vertex,
)
from tests.support.positions import KO, SEND_TWO_RETURN_ONE

# Moves and turns


@pytest.mark.parametrize("board_size", range(2, MAX_BOARD_SIZE + 1))
def test_every_point_of_an_empty_board_is_legal_for_both_colors(board_size: int) -> None:
    board = Board(board_size)

    assert board.num_moves == board_size**2 + 1
    assert board.pass_move == board.num_points == board_size**2
    assert board.legal_moves(BLACK).all()
    assert board.legal_moves(WHITE).all()
    assert board.legal_moves().shape == (board.num_moves,)
    assert not board.stones.any()
    assert not board.liberties.any()


def test_colors_alternate_beginning_with_black() -> None:
    board = Board(5)
    play(board, "C3 D3 pass B2")

    assert_shows(
        board,
        """
        . . . . .
        . . . . .
        . . X O .
        . O . . .
        . . . . .
        """,
    )
    assert board.to_play == BLACK
    assert board.move_count == 4


def test_one_color_may_play_several_moves_in_a_row() -> None:
    board = Board(3)
    play(board, "A1 A2 A3", WHITE)

    assert board.to_play == BLACK
    assert_shows(board, "O . .\nO . .\nO . .")


def test_the_player_to_move_can_be_set() -> None:
    board = Board(3)
    board.to_play = WHITE
    play(board, "B2")

    assert board.stones[1, 1] == WHITE
    assert board.to_play == BLACK


def test_points_are_numbered_by_rows_from_the_top_left() -> None:
    board = Board(19)
    play(board, "A19 T19 K10 A1")

    assert [board.stones.flat[p] for p in (0, 18, 180, 342)] == [BLACK, WHITE, BLACK, WHITE]


def test_an_occupied_point_is_illegal_for_both_colors() -> None:
    board = Board(9)
    play(board, "E5")

    with pytest.raises(IllegalMoveError, match=r"^E5 is illegal for white: .*occupied"):
        play(board, "E5", WHITE)
    with pytest.raises(IllegalMoveError, match=r"^E5 is illegal for black: .*occupied"):
        play(board, "E5", BLACK)


@pytest.mark.parametrize("move", [-1, 26, 10**6])
def test_a_move_off_the_board_is_an_error_that_names_the_range(move: int) -> None:
    board = Board(5)

    with pytest.raises(ValueError, match=f"must be in 0..25, got {move}"):
        board.play(move)
    with pytest.raises(ValueError, match=f"must be in 0..25, got {move}"):
        board.is_legal(move)


@pytest.mark.parametrize("color", [2, -2, 3])
def test_a_color_must_be_black_or_white(color: int) -> None:
    board = Board(5)

    with pytest.raises(ValueError, match=f"got {color}"):
        board.play(0, color)
    with pytest.raises(ValueError, match=f"got {color}"):
        board.legal_moves(color)
    with pytest.raises(ValueError, match=f"got {color}"):
        board.captured(color)


@pytest.mark.parametrize("board_size", [-3, 0, 1, 20, 1000])
def test_a_board_has_2_to_19_points_a_side(board_size: int) -> None:
    with pytest.raises(ValueError, match=rf"board_size must be in 2\.\.19, got {board_size}"):
        Board(board_size)


def test_an_unknown_ko_rule_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ko_rule .* got 3"):
        Board(9, 7.5, 3)


# Passes


def test_passes_in_a_row_are_counted_until_the_next_stone() -> None:
    board = Board(5)
    counts = []
    for name in ("pass", "pass", "pass", "C3", "pass"):
        play(board, name)
        counts.append(board.passes)

    assert counts == [1, 2, 3, 0, 1]
    assert board.move_count == 5


def test_a_pass_is_legal_even_when_it_repeats_the_situation() -> None:
    board = Board(2, 0.0, KO_SITUATIONAL)
    play(board, "pass pass pass pass")

    assert board.is_legal(board.pass_move, BLACK)
    assert board.is_legal(board.pass_move, WHITE)


# Set-up positions


def test_setup_replaces_the_position_and_forgets_the_game() -> None:
    board = Board(4, 5.5, KO_SIMPLE, True)
    play(board, "C3 pass pass")
    board.setup(stones_from_diagram(KO), WHITE)

    assert_shows(board, KO)
    assert board.to_play == WHITE
    assert board.passes == 0
    assert board.ko_point is None
    assert (board.komi, board.ko_rule, board.suicide) == (5.5, KO_SIMPLE, True)
    assert board == board_from_diagram(KO, to_play=WHITE, komi=5.5, ko_rule=KO_SIMPLE, suicide=True)


def test_setup_of_a_chain_without_liberties_is_refused_and_changes_nothing() -> None:
    board = Board(3)
    play(board, "B2")
    before = board.copy()

    with pytest.raises(ValueError, match="chain at C3 has no liberty"):
        board.setup(stones_from_diagram(". X O\n. . X\n. . ."))
    assert board == before


@pytest.mark.parametrize("shape", [(4, 4), (3, 4), (9,), (3, 3, 1)])
def test_setup_names_the_expected_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\[3, 3\]"):
        Board(3).setup(np.zeros(shape, dtype=np.int8))


def test_setup_refuses_values_that_are_no_color() -> None:
    with pytest.raises(ValueError, match="-1, 0 and 1"):
        Board(3).setup(np.full((3, 3), 2, dtype=np.int8))


# Values: copies, equality, hashes


def test_a_copy_plays_on_by_itself() -> None:
    board = board_from_diagram(KO, to_play=WHITE)
    copy = board.copy()
    assert copy == board

    play(copy, "B3")
    assert copy != board
    assert_shows(board, KO)
    assert (board.move_count, copy.move_count) == (0, 1)
    assert (board.captured(BLACK), copy.captured(BLACK)) == (0, 1)


def test_a_copy_keeps_the_history() -> None:
    board = board_from_diagram(KO, to_play=WHITE)
    play(board, "B3")

    assert not is_legal(board.copy(), "C3")


def test_boards_with_different_stones_players_or_rules_are_not_equal() -> None:
    board = Board(5, 7.5, KO_POSITIONAL, False)
    one_stone = board.copy()
    play(one_stone, "C3")
    others = [
        Board(6, 7.5),
        Board(5, 6.5),
        Board(5, 7.5, KO_SIMPLE),
        Board(5, 7.5, KO_POSITIONAL, True),
        one_stone,
    ]
    white_to_play = board.copy()
    white_to_play.to_play = WHITE

    assert board == Board(5, 7.5)
    assert all(board != other for other in [*others, white_to_play])
    assert board != "a board"


def test_stones_are_a_copy() -> None:
    board = Board(3)
    board.stones[:] = BLACK

    assert not board.stones.any()


def test_the_hash_depends_on_the_stones_and_not_on_the_way_to_them() -> None:
    one, other = Board(9), Board(9)
    play(one, "C3 D4 E5 F6")
    play(other, "E5 F6 C3 pass pass D4")

    assert one.stone_hash == other.stone_hash


def test_the_hash_returns_when_a_capture_restores_the_stones() -> None:
    board = board_from_diagram(SEND_TWO_RETURN_ONE, to_play=WHITE, ko_rule=KO_SIMPLE)
    hashes = [board.stone_hash]
    for name in ("A1", "C1", "B1"):
        play(board, name)
        hashes.append(board.stone_hash)

    assert hashes[3] == hashes[0]
    assert len(set(hashes)) == 3


def test_single_stones_and_board_sizes_have_different_hashes() -> None:
    hashes = []
    for board_size in range(2, MAX_BOARD_SIZE + 1):
        hashes.append(Board(board_size).stone_hash)
        for move in range(board_size**2):
            for color in (BLACK, WHITE):
                board = Board(board_size)
                board.play(move, color)
                hashes.append(board.stone_hash)

    assert len(set(hashes)) == len(hashes)


def test_vertices_and_points_agree() -> None:
    assert [vertex(point(name, 19), 19) for name in ("A1", "J10", "T19", "pass")] == [
        "A1",
        "J10",
        "T19",
        "pass",
    ]


@pytest.mark.parametrize("komi", [np.nan, np.inf])
def test_komi_must_be_finite(komi: float) -> None:
    with pytest.raises(ValueError, match="komi must be finite"):
        Board(5, komi)
    board = Board(5)
    with pytest.raises(ValueError, match="komi must be finite"):
        board.komi = komi


def test_stones_that_would_wrap_around_are_refused() -> None:
    with pytest.raises(ValueError, match="of -1, 0 and 1"):
        Board(5).setup(np.full((5, 5), 257, np.int64))
