# SPDX-License-Identifier: Apache-2.0
"""`Narrowing`: an evaluator that computes a batch of which little is filled in fewer rows.

A batch has one shape, so that a network is compiled once, and what does not fill it is computed for nothing. Where a
new network takes over, the last games of the old one have batches of their own, and a seventh of all rows
were computed for nothing (docs/results/speed.md).
"""

import logging
from typing import Final

import numpy as np
from numpy.typing import NDArray

from minigo.inference.evaluator import Evaluation, Evaluator, Leaves

BACKENDS: Final = ("openvino",)
"""Those that compile a shape in a fraction of a second, and for which it was measured that this pays."""
LEAST_ROWS: Final = 16
"""No batch is made narrower: in one of eight rows, each costs nearly twice what it costs in one of 64."""

_log = logging.getLogger(__name__)


class Narrowing:
    """Evaluates batches in a half, a quarter, … of their rows where that is enough.

    A row's evaluation must not depend on its batch, in any bit: games could not be replayed. So a width is compared
    with the whole batch when it is first needed, and never used if a bit differs. For one thread.

    Args:
        evaluator: what evaluates.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.name = evaluator.name
        self.backend = evaluator.backend
        self.precision = evaluator.precision
        self.evaluator = evaluator
        self._is_exact: dict[int, bool] = {}  # by width

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates the rows that hold positions; of a narrowed batch, the others are zeros."""
        rows = len(leaves.planes)
        width = self._width(leaves.count, rows)
        if width == rows or not self._is_exact.get(width, True):
            return self.evaluator.evaluate(leaves)
        part = Leaves(leaves.planes[:width], leaves.scalars[:width], leaves.keys[:width], leaves.count)
        narrow = self.evaluator.evaluate(part)
        if width not in self._is_exact:
            whole = self.evaluator.evaluate(leaves)
            self._is_exact[width] = _are_equal(narrow, whole)
            if not self._is_exact[width]:
                _log.debug("%s %s rounds otherwise in %d rows than in %d", self.backend, self.precision, width, rows)
            return whole
        owners = None if narrow.ownership is None else _padded(narrow.ownership, rows)
        policy, value, score_lead = (_padded(array, rows) for array in narrow[:3])
        return Evaluation(policy, value, score_lead, owners)

    def _width(self, count: int, rows: int) -> int:
        if self.backend not in BACKENDS:
            return rows
        while rows % (2 * LEAST_ROWS) == 0 and count <= rows // 2:
            rows //= 2
        return rows


def _are_equal(narrow: Evaluation, whole: Evaluation) -> bool:
    """Whether all rows of the narrow batch are those of the whole one, also those without a position."""
    pairs = zip(narrow, whole, strict=True)
    return all(a is b or (a is not None and b is not None and np.array_equal(a, b[: len(a)])) for a, b in pairs)


def _padded(array: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    result = np.zeros((rows, *array.shape[1:]), array.dtype)
    result[: len(array)] = array
    return result
