# SPDX-License-Identifier: Apache-2.0
"""A network that looks at each position in eight symmetries sees its images alike."""

import numpy as np
import pytest

from cc_kernels.features import NUM_PLANES, NUM_SCALARS, NUM_SYMMETRIES, write_features
from cc_kernels.playouts import random_game
from minigo.go.position import Position
from minigo.go.symmetry import transform_planes, transform_policy
from minigo.inference.averaged import AveragedEvaluator
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves

SIZE = 5


class Linear(HashEvaluator):
    """Sees what lies where, and so a position and its images differently."""

    def evaluate(self, leaves: Leaves) -> Evaluation:
        rows = len(leaves.planes)
        weights = np.random.default_rng(1).normal(size=(SIZE * SIZE * NUM_PLANES, 2 * SIZE * SIZE + 3))
        out = (leaves.planes.reshape(rows, -1) @ weights).astype(np.float32)
        policy = np.exp(0.1 * out[:, : SIZE * SIZE + 1])
        return Evaluation(
            policy / policy.sum(axis=1, keepdims=True),
            np.tanh(out[:, -1]),
            out[:, -2],
            np.tanh(out[:, SIZE * SIZE + 1 : -2].reshape(rows, SIZE, SIZE)),
        )


def leaves_of_all_symmetries() -> Leaves:
    board = Position.empty(SIZE, 0.5, "cgos").board
    random_game(board, 7, 9)
    planes = np.zeros((NUM_SYMMETRIES + 2, SIZE, SIZE, NUM_PLANES), np.uint8)  # two rows of padding
    scalars = np.zeros((NUM_SYMMETRIES + 2, NUM_SCALARS), np.float32)
    for symmetry in range(NUM_SYMMETRIES):
        write_features(board, planes[symmetry], scalars[symmetry], symmetry)
    return Leaves(planes, scalars, np.arange(NUM_SYMMETRIES + 2, dtype=np.uint64), NUM_SYMMETRIES)


def test_the_images_of_a_position_are_evaluated_alike() -> None:
    leaves, plain = leaves_of_all_symmetries(), Linear()
    single, mean = plain.evaluate(leaves), AveragedEvaluator(plain).evaluate(leaves)

    assert mean.ownership is not None
    assert np.ptp(single.value[:NUM_SYMMETRIES]) > 0.1
    assert np.ptp(mean.value[:NUM_SYMMETRIES]) < 1e-5
    assert mean.value[0] == pytest.approx(np.mean(single.value[:NUM_SYMMETRIES]), abs=1e-5)
    assert mean.score_lead[0] == pytest.approx(np.mean(single.score_lead[:NUM_SYMMETRIES]), abs=1e-4)
    for symmetry in range(NUM_SYMMETRIES):
        np.testing.assert_allclose(
            mean.policy[symmetry], transform_policy(mean.policy[0], SIZE, symmetry), rtol=0, atol=1e-6
        )
        np.testing.assert_allclose(
            mean.ownership[symmetry], transform_planes(mean.ownership[0], symmetry), rtol=0, atol=1e-6
        )


def test_it_passes_for_the_network_that_it_asks() -> None:
    averaged = AveragedEvaluator(HashEvaluator(3))

    assert (averaged.name, averaged.backend, averaged.precision) == ("hash-3", "none", "float32")
    evaluation = averaged.evaluate(leaves_of_all_symmetries())
    assert [array.dtype for array in evaluation if array is not None] == [np.float32] * 4
    assert all(array.flags.c_contiguous for array in evaluation if array is not None)  # as a search wants them


def test_the_images_have_keys_of_their_own() -> None:
    seen: list[int] = []

    class Keyed(HashEvaluator):
        def evaluate(self, leaves: Leaves) -> Evaluation:
            seen.extend(leaves.keys.tolist())
            return super().evaluate(leaves)

    AveragedEvaluator(Keyed(3)).evaluate(leaves_of_all_symmetries())

    assert len(set(seen)) == len(seen) == NUM_SYMMETRIES * (NUM_SYMMETRIES + 2)
