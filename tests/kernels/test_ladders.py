# SPDX-License-Identifier: Apache-2.0
"""The plane of chains that ladders take: what a player would say of some, and the slow reference of many."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cc_kernels.board import BLACK, WHITE, Board
from cc_kernels.features import NUM_PLANES, NUM_SCALARS, NUM_SYMMETRIES, PLANE_NAMES, symmetry_images, write_features
from tests.support.diagrams import board_from_diagram, stones_from_position, vertex
from tests.support.random_positions import random_position
from tests.support.reference_board import Position
from tests.support.reference_ladders import laddered_points

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


def laddered(board: Board, symmetry: int = 0) -> NDArray[np.int64]:
    """The points of the plane, in order."""
    planes = np.full((board.board_size, board.board_size, NUM_PLANES), 77, dtype=np.uint8)
    write_features(board, planes, np.zeros(NUM_SCALARS, np.float32), symmetry)
    return np.flatnonzero(planes[..., LADDERED])


def on_board(position: Position, board_size: int, to_play: int = BLACK) -> Board:
    """A board of any size with a position."""
    board = Board(board_size)
    board.setup(stones_from_position(position, board_size), to_play)
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
    board = Board(19)
    board.setup(stones)
    assert laddered(board).tolist() == [2 * 19 + 2]

    stones[15, 15] = WHITE
    board.setup(stones)
    assert laddered(board).size == 0


def test_random_positions_agree_with_the_reference_in_all_symmetries() -> None:
    rng = np.random.default_rng(5)
    seen = 0
    for board_size in [*range(2, 14)] * 20 + [19] * 10:
        position = random_position(rng, board_size)
        board, expected = on_board(position, board_size), sorted(laddered_points(position, board_size))
        for symmetry in range(NUM_SYMMETRIES):
            image = symmetry_images(board_size)[symmetry]
            assert laddered(board, symmetry).tolist() == sorted(image[expected].tolist())
        seen += len(expected)

    assert seen > 1000
