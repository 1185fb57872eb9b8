# SPDX-License-Identifier: Apache-2.0
"""The arrays that a search kernel writes a batch of leaves into, for tests that call it themselves."""

import numpy as np

from cc_kernels.features import NUM_PLANES, NUM_SCALARS
from cc_kernels.tree import SearchTrees


class Batch:
    """Arrays for one batch, full of old contents, and an evaluation that knows nothing."""

    def __init__(self, trees: SearchTrees) -> None:
        self.trees, rows, size = trees, trees.batch_size, trees.board_size
        self.planes = np.full((rows, size, size, NUM_PLANES), 77, dtype=np.uint8)
        self.scalars = np.full((rows, NUM_SCALARS), 77, dtype=np.float32)
        self.keys, self.games = np.full(rows, 77, dtype=np.uint64), np.full(rows, 77, dtype=np.int32)
        self.policy = np.full((rows, size**2 + 1), 1.0, dtype=np.float32)
        self.value, self.score = np.zeros(rows, dtype=np.float32), np.zeros(rows, dtype=np.float32)

    def select(self, group: int = 0) -> int:
        """Fills the batch."""
        return self.trees.select(self.planes, self.scalars, self.keys, self.games, group=group)

    def back_up_nothing(self) -> None:
        """Tells the kernel that all moves are alike."""
        self.trees.backup(self.policy, self.value, self.score)
