# SPDX-License-Identifier: Apache-2.0
"""Area, pass-alive chains and regions, and the end of the game."""

import numpy as np
import pytest

from cc_kernels import scoring
from cc_kernels.board import KO_POSITIONAL, KO_SIMPLE, Board
from cc_kernels.playouts import random_game
from tests.support.diagrams import (
    board_from_diagram,
    diagram_from_stones,
    grid,
    play,
    position_from_stones,
    stones_from_diagram,
    stones_from_position,
)
from tests.support.random_positions import random_position
from tests.support.reference_board import BLACK, WHITE, area
from tests.support.reference_scoring import final_area, pass_alive
from tests.support.scale import seeds

DECIDED = """
    O O X . X
    O . X X X
    X X X X X
    O O O O O
    . . O . .
"""


def assert_owners(owners: np.ndarray[tuple[int, ...], np.dtype[np.int8]], diagram: str) -> None:
    """Fails unless the points' owners are those that a diagram shows as stones."""
    assert diagram_from_stones(owners) == diagram_from_stones(stones_from_diagram(diagram))


# Area


def test_an_empty_board_belongs_to_nobody() -> None:
    board = Board(9, 7.5)

    assert not scoring.area(board).any()
    assert scoring.score_for_black(board) == -7.5


def test_a_single_stone_owns_the_board() -> None:
    board = Board(5, 0.0)
    play(board, "A1")

    assert (scoring.area(board) == BLACK).all()
    assert scoring.score_for_black(board) == 25


def test_area_counts_stones_and_the_empty_points_that_one_color_alone_reaches() -> None:
    board = board_from_diagram(
        """
        . X . O .
        . X . O .
        . X . O .
        . X . O O
        . X . O .
        """,
        komi=2.5,
    )

    owners = scoring.area(board)
    assert_owners(
        owners,
        """
        X X . O O
        X X . O O
        X X . O O
        X X . O O
        X X . O O
        """,
    )
    assert owners.dtype == np.int8
    assert scoring.score_for_black(board) == -2.5


def test_dead_stones_count_as_they_stand() -> None:
    board = board_from_diagram("""
        . . X
        . O X
        X X X
    """)

    assert_owners(scoring.area(board), ". . X\n. O X\nX X X")
    assert scoring.score_for_black(board) == 4


@pytest.mark.parametrize("komi", [-400.0, -0.5, 0.0, 6.0, 7.5, 400.0])
def test_komi_is_white_s(komi: float) -> None:
    board = Board(3, komi)
    play(board, "B2")

    assert scoring.score_for_black(board) == 9 - komi


# Pass-alive


def test_a_chain_with_two_eyes_is_pass_alive_with_its_eyes() -> None:
    board = board_from_diagram("""
        . X . X O
        X X X X O
        O O O O O
        . . . . .
        . . . . .
    """)

    assert_owners(
        scoring.pass_alive(board),
        """
        X X X X .
        X X X X .
        . . . . .
        . . . . .
        . . . . .
        """,
    )


def test_a_chain_with_one_eye_is_not_pass_alive() -> None:
    board = board_from_diagram("""
        . X O . .
        X X O . .
        O O O . .
        . . . . .
        . . . . .
    """)

    assert not scoring.pass_alive(board).any()


def test_chains_that_share_two_eyes_are_pass_alive_together() -> None:
    board = board_from_diagram("""
        . X X O .
        X . X O .
        X X O O .
        O O O . .
        . . . . .
    """)
    broken = board_from_diagram("""
        . X X O .
        X . X O .
        O X O O .
        O O O . .
        . . . . .
    """)

    assert_owners(
        scoring.pass_alive(board),
        """
        X X X . .
        X X X . .
        X X . . .
        . . . . .
        . . . . .
        """,
    )
    assert not scoring.pass_alive(broken).any()


def test_a_large_region_keeps_a_chain_alive_only_if_all_its_empty_points_are_liberties() -> None:
    board = board_from_diagram("""
        X . X . .
        X X X . .
        . . . . .
        . . . . .
        . . . . .
    """)

    assert not scoring.pass_alive(board).any()


def test_a_region_with_room_for_two_enemy_eyes_is_not_decided() -> None:
    board = board_from_diagram("""
        . X . X .
        X X X X .
        . . . . .
        . . . . .
        . . . . .
    """)

    assert_owners(
        scoring.pass_alive(board),
        """
        X X X X .
        X X X X .
        . . . . .
        . . . . .
        . . . . .
        """,
    )


def test_a_region_with_one_inner_point_is_decided() -> None:
    board = board_from_diagram("""
        . X . X .
        X X X X .
        X X X X .
        . X X X .
        . X X . .
    """)

    assert_owners(
        scoring.pass_alive(board),
        """
        X X X X X
        X X X X X
        X X X X X
        X X X X X
        X X X X X
        """,
    )


def test_enemy_stones_in_a_decided_region_count_for_its_owner() -> None:
    board = board_from_diagram(DECIDED)

    assert_owners(
        scoring.pass_alive(board),
        """
        X X X X X
        X X X X X
        X X X X X
        O O O O O
        O O O O O
        """,
    )


def test_where_suicide_is_legal_enemy_stones_out_of_reach_spoil_an_eye() -> None:
    board = board_from_diagram(DECIDED, suicide=True)

    assert_owners(
        scoring.pass_alive(board),
        """
        . . . . .
        . . . . .
        . . . . .
        O O O O O
        O O O O O
        """,
    )


def test_a_chain_may_have_more_eyes_than_a_byte_can_count() -> None:
    rows, columns = np.indices((19, 19)) + 1
    stones = ((rows + columns) % 2 == 1) | (rows % 5 == 3)
    for row, column in ((5, 1), (7, 1), (10, 2), (12, 2), (15, 1), (17, 1)):
        stones[row - 1, column - 1] = True  # so that most of them are one chain
    board = Board(19, 0.0, KO_POSITIONAL)
    board.setup(stones.astype(np.int8) * BLACK)

    assert np.count_nonzero(~stones) == 137
    assert (scoring.pass_alive(board) == BLACK).all()
    assert scoring.is_over(board)


@pytest.mark.parametrize("board_size", [2, 5, 19])
def test_nothing_is_pass_alive_on_an_empty_board(board_size: int) -> None:
    assert not scoring.pass_alive(Board(board_size)).any()


# The end of the game


def test_two_passes_in_a_row_end_the_game() -> None:
    board = Board(5)
    ended = []
    for name in ("pass", "C3", "pass", "pass", "pass", "C2"):
        play(board, name)
        ended.append(scoring.is_over(board))

    assert ended == [False, False, False, True, True, False]


@pytest.mark.parametrize(("suicide", "over"), [(False, True), (True, False)])
def test_the_game_ends_when_every_point_is_pass_alive(suicide: bool, over: bool) -> None:
    board = board_from_diagram(DECIDED, suicide=suicide)

    assert scoring.is_over(board) == over


def test_dead_stones_belong_to_the_owner_of_their_region_once_everything_is_decided() -> None:
    board = board_from_diagram(DECIDED, komi=2.0)

    assert_owners(
        scoring.final_area(board),
        """
        X X X X X
        X X X X X
        X X X X X
        O O O O O
        O O O O O
        """,
    )
    assert scoring.final_score_for_black(board) == 15 - 10 - 2
    assert scoring.score_for_black(board) == 11 - 13 - 2


def test_dead_stones_stay_what_they_are_while_anything_is_open() -> None:
    board = board_from_diagram(DECIDED, suicide=True)

    assert np.array_equal(scoring.final_area(board), scoring.area(board))
    assert scoring.final_score_for_black(board) == scoring.score_for_black(board)


# Agreement with the reference


@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize("seed", seeds())
def test_random_fillings_agree_with_the_reference(suicide: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    decided = 0
    for _ in range(1000):
        board_size = int(rng.integers(2, 10))
        board = Board(board_size, 7.5, KO_POSITIONAL, suicide)
        board.setup(stones_from_position(random_position(rng, board_size), board_size))
        decided += assert_agrees(board)

    assert decided > 200


@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize("seed", seeds())
def test_late_positions_of_playouts_agree_with_the_reference(suicide: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    decided = 0
    for _ in range(100):
        board = Board(int(rng.choice([4, 5, 6, 7, 9, 9, 9, 13, 19])), 7.5, KO_SIMPLE, suicide)
        moves = random_game(board.copy(), int(rng.integers(2**60)), 3 * board.num_points)
        for ply, move in enumerate(moves.tolist()):
            board.play(move)
            if ply > len(moves) // 2 and rng.random() < 0.1:
                decided += assert_agrees(board)
        decided += assert_agrees(board)

    assert decided > 400


@pytest.mark.parametrize("suicide", [False, True])
def test_no_moves_of_one_color_capture_what_is_pass_alive_for_the_other(suicide: bool) -> None:
    rng = np.random.default_rng(1)
    checked = 0
    for seed in range(100):
        board = Board(int(rng.integers(4, 8)), 7.5, KO_SIMPLE, suicide)
        random_game(board, seed, int(rng.integers(1, 2 * board.num_points)))
        for color in (BLACK, WHITE):
            safe = (scoring.pass_alive(board) == color) & (board.stones == color)
            attacked = board.copy()
            attack(rng, attacked, -color, 4 * board.num_points)
            assert (attacked.stones[safe] == color).all()
            checked += bool(safe.any())

    assert checked > 30


def attack(rng: np.random.Generator, board: Board, color: int, num_moves: int) -> None:
    """Plays random legal moves of one color only."""
    for _ in range(num_moves):
        moves = np.flatnonzero(board.legal_moves(color))
        board.play(int(rng.choice(moves)), color)


def assert_agrees(board: Board) -> bool:
    """Fails unless area, pass-alive points and end are the reference's. Returns whether any is decided."""
    position, size = position_from_stones(board.stones), board.board_size
    owner, alive = area(position, size), pass_alive(position, size, board.suicide)
    diagram = diagram_from_stones(board.stones)
    assert np.array_equal(scoring.area(board), grid(owner, size)), diagram
    assert np.array_equal(scoring.pass_alive(board), grid(alive, size)), diagram
    final = final_area(position, size, board.suicide)
    assert scoring.score_for_black(board) == sum(owner.values()) - board.komi
    assert np.array_equal(scoring.final_area(board), grid(final, size)), diagram
    assert scoring.final_score_for_black(board) == sum(final.values()) - board.komi
    assert scoring.is_over(board) == (board.passes >= 2 or len(alive) == size**2), diagram
    return bool(alive)
