# SPDX-License-Identifier: Apache-2.0
import numpy as np

from minigo.inference.evaluator import Evaluator, HashEvaluator, Leaves, UniformEvaluator
from tests.support.learning import random_leaves


def rows(leaves: Leaves, order: list[int]) -> Leaves:
    return Leaves(leaves.planes[order], leaves.scalars[order], leaves.keys[order], len(order))


def test_uniform_evaluator_finds_all_moves_equal_and_all_positions_even() -> None:
    evaluation = UniformEvaluator().evaluate(random_leaves(3, 4))

    assert evaluation.policy.shape == (3, 17)
    np.testing.assert_array_equal(evaluation.policy, np.float32(1 / 17))
    assert not evaluation.value.any()
    assert not evaluation.score_lead.any()


def test_hash_evaluator_gives_probabilities_and_values_in_range() -> None:
    evaluator: Evaluator = HashEvaluator(seed=5)
    evaluation = evaluator.evaluate(random_leaves(200, 3))

    np.testing.assert_allclose(evaluation.policy.sum(axis=1), 1.0, rtol=1e-5)
    assert evaluation.policy.min() > 0
    assert np.abs(evaluation.value).max() <= 1
    assert evaluation.value.std() > 0.3
    assert evaluation.ownership is not None
    assert evaluation.ownership.shape == (200, 3, 3)


def test_hash_evaluation_follows_the_key_wherever_its_row_stands() -> None:
    leaves, order = random_leaves(6, 3), [4, 0, 0, 5, 2, 1]
    whole = HashEvaluator(1).evaluate(leaves)
    moved = HashEvaluator(1).evaluate(rows(leaves, order))

    np.testing.assert_array_equal(moved.policy, whole.policy[order])
    np.testing.assert_array_equal(moved.value, whole.value[order])


def test_hash_evaluators_of_other_seeds_disagree() -> None:
    leaves = random_leaves(4, 3)

    assert not np.array_equal(HashEvaluator(1).evaluate(leaves).value, HashEvaluator(2).evaluate(leaves).value)
