# SPDX-License-Identifier: Apache-2.0
"""An evaluator that knows a little Go, for tests that need one player to be better than another."""

import numpy as np
from numpy.typing import NDArray

from cc_kernels.features import PLANE_NAMES
from minigo.inference.evaluator import Evaluation, Leaves


class AreaEvaluator:
    """Counts stones, points next to one colour only, and stones in atari: soundly beats chance."""

    name = "area"
    backend = "none"
    precision = "float32"

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Judges by the difference in area; every move but a pass is as likely."""
        batch, board_size = leaves.planes.shape[:2]
        own, other, atari = (
            leaves.planes[..., PLANE_NAMES.index(name)].astype(np.float32)
            for name in ("own stone", "opponent's stone", "chain with 1 liberty")
        )
        empty = 1 - own - other
        beside_own, beside_other = _neighbours(own), _neighbours(other)
        surrounded = empty * ((beside_own > 0) & (beside_other == 0))
        invaded = empty * ((beside_other > 0) & (beside_own == 0))
        area = own + surrounded - other - invaded + 0.7 * other * atari - 0.3 * own * atari
        lead = area.sum((1, 2))
        policy = np.ones((batch, board_size**2 + 1), np.float32)
        policy[:, -1] = 0.1
        policy /= policy.sum(1, keepdims=True)
        return Evaluation(policy, np.tanh(lead / board_size), lead, None)


def _neighbours(stones: NDArray[np.float32]) -> NDArray[np.float32]:
    """[B, N, N] how many of the four points around each hold a stone."""
    padded = np.pad(stones, ((0, 0), (1, 1), (1, 1)))
    return padded[:, 2:, 1:-1] + padded[:, :-2, 1:-1] + padded[:, 1:-1, 2:] + padded[:, 1:-1, :-2]
