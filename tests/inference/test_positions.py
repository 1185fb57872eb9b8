# SPDX-License-Identifier: Apache-2.0
import numpy as np

from cc_kernels.features import PLANE_NAMES, SCALAR_NAMES
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves, UniformEvaluator
from minigo.inference.positions import reached_positions

OWN, OPPONENT = PLANE_NAMES.index("own stone"), PLANE_NAMES.index("opponent's stone")
LAST, BEFORE = PLANE_NAMES.index("last move"), PLANE_NAMES.index("move before it")


class Passer(UniformEvaluator):
    """Wants to pass at once."""

    def evaluate(self, leaves: Leaves) -> Evaluation:
        evaluation = super().evaluate(leaves)
        evaluation.policy[:] = 0.0
        evaluation.policy[:, -1] = 1.0
        return evaluation


class Neighbour(UniformEvaluator):
    """Wants to play beside the last move."""

    def evaluate(self, leaves: Leaves) -> Evaluation:
        evaluation = super().evaluate(leaves)
        last = np.pad(leaves.planes[..., LAST], ((0, 0), (1, 1), (1, 1)))
        beside = last[:, :-2, 1:-1] + last[:, 2:, 1:-1] + last[:, 1:-1, :-2] + last[:, 1:-1, 2:]
        evaluation.policy[:, :-1] = beside.reshape(len(beside), -1)
        evaluation.policy[:, -1] = 1e-6
        return evaluation


def test_the_same_evaluator_reaches_the_same_positions() -> None:
    mine, theirs = (reached_positions(HashEvaluator(3), 5, 7.5, 100) for _ in range(2))

    assert mine.count == 100
    for left, right in zip(mine[:3], theirs[:3], strict=True):
        np.testing.assert_array_equal(left, right)


def test_other_evaluators_reach_other_positions() -> None:
    mine, theirs = (reached_positions(HashEvaluator(seed), 5, 7.5, 100) for seed in (1, 2))

    assert len(np.intersect1d(mine.keys, theirs.keys)) < 60


def test_positions_are_of_whole_games_and_nearly_all_different() -> None:
    leaves = reached_positions(UniformEvaluator(), 9, 7.5, 256)
    stones = leaves.planes[..., [OWN, OPPONENT]].sum(axis=(1, 2, 3))

    assert len(leaves.keys) == leaves.count == 256
    assert len(np.unique(leaves.keys)) > 240
    assert stones.min() < 5
    assert stones.max() > 45
    assert np.bincount(stones // 10, minlength=5)[:5].min() > 10


def test_komi_is_the_one_asked_for() -> None:
    scalars = reached_positions(UniformEvaluator(), 5, 7.5, 64).scalars
    komi = scalars[:, SCALAR_NAMES.index("komi for the player to move / 15")]

    assert set(np.round(komi * 15, 3)) == {-7.5, 7.5}


def test_moves_are_those_that_the_policy_means_under_each_rows_symmetry() -> None:
    leaves = reached_positions(Neighbour(), 5, 7.5, 400)
    both = leaves.planes[..., LAST].any(axis=(1, 2)) & leaves.planes[..., BEFORE].any(axis=(1, 2))
    steps = np.abs(
        np.argwhere(leaves.planes[both][..., LAST])[:, 1:] - np.argwhere(leaves.planes[both][..., BEFORE])[:, 1:]
    ).sum(axis=1)

    assert len(steps) > 50
    assert (steps == 1).mean() > 0.9  # the others were made by the random opening


def test_short_games_give_fewer_positions() -> None:
    assert 1 <= reached_positions(Passer(), 5, 7.5, 500).count < 60
