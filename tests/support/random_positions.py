# SPDX-License-Identifier: Apache-2.0
"""Positions drawn at random, for tests that compare the kernels with the references."""

import numpy as np

from tests.support.diagrams import position_from_stones
from tests.support.reference_board import BLACK, WHITE, Position, ReferenceBoard, chains, neighbors


def random_position(rng: np.random.Generator, board_size: int) -> Position:
    """Stones strewn in random shares, without the chains that would have no liberty."""
    shares = rng.random(3) + 0.05
    stones = rng.choice([BLACK, WHITE, 0], (board_size, board_size), p=shares / shares.sum())
    position = position_from_stones(stones.astype(np.int8))
    dead = {point for point, chain in chains(position, board_size).items() if not chain.liberties}
    return Position(position.black - dead, position.white - dead)


def fills_eye(reference: ReferenceBoard, move: int, color: int) -> bool:
    """Whether all points next to a move hold stones of the color that makes it."""
    own = reference.position.of(color)
    return move != reference.pass_move and own.issuperset(neighbors(reference.board_size)[move])
