# SPDX-License-Identifier: Apache-2.0
"""What the network alone says of a position, without any search, on the board as it lies."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cc_kernels.features import NUM_PLANES, NUM_SCALARS, NUM_SYMMETRIES, position_key, write_features
from minigo.go.position import Position
from minigo.go.symmetry import inverse_symmetry, move_images, transform_planes
from minigo.inference.evaluator import Evaluator, Leaves


class RawEvaluation(NamedTuple):
    """One position's evaluation, for the player to move."""

    policy: NDArray[np.float32]
    """[A] probabilities over the legal moves; 0 where illegal."""
    value: float
    """In [-1, 1]: probability of winning minus that of losing."""
    score_lead: float
    """Points by which the player to move is expected to win, komi included."""
    ownership: NDArray[np.float32] | None
    """[N, N] in [-1, 1], 1: the player to move; None if the network gives none."""


_ALL: Final = tuple(range(NUM_SYMMETRIES))


def evaluate_alone(evaluator: Evaluator, position: Position, symmetry: int | None) -> RawEvaluation:
    """The network's evaluation.

    Args:
        evaluator: the network.
        position: what to evaluate.
        symmetry: how the network is shown the board, 0..7; None: in all eight ways, of which the mean is returned.

    Raises:
        ValueError: there is no such symmetry.
    """
    if symmetry is not None and symmetry not in _ALL:
        raise ValueError(f"symmetry must be in 0..{NUM_SYMMETRIES - 1}, got {symmetry}")
    shown = _ALL if symmetry is None else (symmetry,)
    board, size = position.board, position.board_size
    leaves = empty_leaves(size, len(shown))
    for row, way in enumerate(shown):
        write_features(board, leaves.planes[row], leaves.scalars[row], way)
        leaves.keys[row] = position_key(board)
    found = evaluator.evaluate(leaves)
    policy = np.mean([found.policy[row, move_images(size)[way]] for row, way in enumerate(shown)], axis=0)
    policy = np.where(position.legal_moves(), policy, 0.0)
    total = float(policy.sum())
    ownership = None
    if found.ownership is not None:
        back = [transform_planes(found.ownership[row], inverse_symmetry(way)) for row, way in enumerate(shown)]
        ownership = np.mean(back, axis=0).astype(np.float32)
    count = len(shown)
    return RawEvaluation(
        (policy / total if total else policy).astype(np.float32),
        float(found.value[:count].mean()),
        float(found.score_lead[:count].mean()),
        ownership,
    )


def empty_leaves(board_size: int, rows: int) -> Leaves:
    """A batch of rows to be written."""
    return Leaves(
        np.zeros((rows, board_size, board_size, NUM_PLANES), np.uint8),
        np.zeros((rows, NUM_SCALARS), np.float32),
        np.zeros(rows, np.uint64),
        rows,
    )
