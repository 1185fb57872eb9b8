# SPDX-License-Identifier: Apache-2.0
"""The plane of chains that ladders take: what a player would say of some, and the slow reference of many."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cc_kernels.board import BLACK, WHITE, Board
from cc_kernels.features import NUM_PLANES, NUM_SCALARS, PLANE_NAMES, symmetry_images, write_features
from tests.support.diagrams import board_from_diagram, stones_from_position, vertex
from tests.support.random_positions import random_position
from tests.support.reference_ladders import laddered_points, lost_points

LADDERED = PLANE_NAMES.index("chain that a ladder takes")

CHASED = """
    . . . . . . .
    . . X . . . .
    . X O . . . .
    . X . . . . .
    . . . . . . .
    . . . . . . .
    . . . . . . .
"""
BROKEN = """
    . . . . . . .
    . . X . . . .
    . X O . . . .
    . X . . . . .
    . . . . . . .
    . . . . . O .
    . . . . . . .
"""
IN_ATARI = """
    . . . . . . .
    . . X X . . .
    . X O . . . .
    . X X . . . .
    . . . X . . .
    . . . . . . .
    . . . . . . .
"""
TAKES = """
    . . . . . . .
    . O X X . . .
    . X O . . . .
    . O X . . . .
    . . . X . . .
    . . . . . . .
    . . . . . . .
"""


def laddered(board: Board) -> NDArray[np.int64]:
    """The points of the plane, in order."""
    planes = np.full((board.board_size, board.board_size, NUM_PLANES), 77, dtype=np.uint8)
    write_features(board, planes, np.zeros(NUM_SCALARS, np.float32))
    return np.flatnonzero(planes[..., LADDERED])


def board_of(stones: NDArray[np.int8], *, suicide: bool = False) -> Board:
    """A board of any size that shows stones."""
    board = Board(len(stones), suicide=suicide)
    board.setup(stones)
    return board


@pytest.mark.parametrize("to_play", [BLACK, WHITE])
@pytest.mark.parametrize(
    ("diagram", "taken"),
    [
        pytest.param(CHASED, ["C5"], id="chased to the edge"),
        pytest.param(BROKEN, [], id="runs to a friend"),
        pytest.param(IN_ATARI, ["C5"], id="in atari, with nowhere to run"),
        pytest.param(TAKES, [], id="in atari, and takes what chases it"),
    ],
)
def test_a_ladder_is_seen_whoever_moves(diagram: str, taken: list[str], to_play: int) -> None:
    board = board_from_diagram(diagram, to_play=to_play)

    assert [vertex(move, 7) for move in laddered(board).tolist()] == taken


def test_ladders_across_a_large_board_end_at_the_edge_or_a_friend() -> None:
    stones = np.zeros((19, 19), np.int8)
    stones[2, 2] = WHITE
    stones[1, 2] = stones[2, 1] = stones[3, 1] = BLACK
    assert laddered(board_of(stones)).tolist() == [2 * 19 + 2]

    stones[15, 15] = WHITE
    assert laddered(board_of(stones)).size == 0


def test_random_positions_and_their_images_agree_with_the_reference() -> None:
    rng = np.random.default_rng(5)
    seen = 0
    for board_size in [*range(2, 14)] * 20 + [19] * 10:
        position = random_position(rng, board_size)
        stones, expected = stones_from_position(position, board_size), sorted(laddered_points(position, board_size))
        for image in symmetry_images(board_size):
            moved = np.empty(board_size**2, np.int8)
            moved[image] = stones.ravel()
            board = board_of(moved.reshape(stones.shape), suicide=bool(rng.integers(2)))
            assert laddered(board).tolist() == sorted(image[expected].tolist())
        seen += len(expected)

    assert seen > 1000


def test_what_a_ladder_is_said_to_take_is_lost() -> None:
    rng = np.random.default_rng(6)
    seen = 0
    for board_size in [*range(3, 8)] * 100:
        position = random_position(rng, board_size)
        marked = set(laddered(board_of(stones_from_position(position, board_size))).tolist())
        assert marked <= lost_points(position, board_size)
        seen += len(marked)

    assert seen > 500


def test_a_ko_on_the_board_changes_nothing() -> None:
    rng = np.random.default_rng(7)
    seen = 0
    for _ in range(200):
        board = Board(5)
        for _ in range(60):
            board.play(int(rng.choice(np.flatnonzero(board.legal_moves()))))
            if board.ko_point is not None:
                assert laddered(board).tolist() == laddered(board_of(board.stones)).tolist()
                seen += 1

    assert seen > 50
