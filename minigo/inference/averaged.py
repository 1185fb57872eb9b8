# SPDX-License-Identifier: Apache-2.0
"""`AveragedEvaluator`: a network that looks at every position in all eight symmetries, and plays by the mean.

It costs eight evaluations for each, and errs less: what is worth its price where simulations are counted, as in
matches, and not where seconds are.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels.features import NUM_SYMMETRIES
from minigo.go.symmetry import move_images
from minigo.inference.evaluator import Evaluation, Evaluator, Leaves

_STEP: Final = 0x9E3779B97F4A7C15  # between the keys of a position's images


class AveragedEvaluator:
    """Evaluates every row in its eight images and returns the mean, as the row itself lies.

    Args:
        evaluator: what evaluates the images, in eight batches of the shape that it is given.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.name, self.backend, self.precision = evaluator.name, evaluator.backend, evaluator.precision
        self._evaluator = evaluator

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates every row; equal rows give equal numbers, and so do a position's eight images, but for rounding."""
        found = [self._seen_under(leaves, symmetry) for symmetry in range(NUM_SYMMETRIES)]
        owned = [each.ownership for each in found if each.ownership is not None]
        return Evaluation(
            policy=_mean([each.policy for each in found]),
            value=_mean([each.value for each in found]),
            score_lead=_mean([each.score_lead for each in found]),
            ownership=_mean(owned) if owned else None,
        )

    def _seen_under(self, leaves: Leaves, symmetry: int) -> Evaluation:
        """The evaluation of the rows' images, turned back."""
        rows, size, _, channels = leaves.planes.shape
        image = move_images(size)[symmetry]
        planes = np.empty((rows, size * size, channels), leaves.planes.dtype)
        planes[:, image[:-1]] = leaves.planes.reshape(rows, size * size, channels)
        step = np.uint64(symmetry * _STEP % 2**64)
        turned = Leaves(planes.reshape(leaves.planes.shape), leaves.scalars, leaves.keys + step, leaves.count)
        seen = self._evaluator.evaluate(turned)
        ownership = seen.ownership
        if ownership is not None:
            ownership = ownership.reshape(rows, -1)[:, image[:-1]].reshape(rows, size, size)
        return seen._replace(policy=seen.policy[:, image], ownership=ownership)


def _mean(arrays: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.stack(arrays).mean(axis=0), np.float32)  # what was turned back lies across
