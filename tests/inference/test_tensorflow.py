# SPDX-License-Identifier: Apache-2.0
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minigo.config import NetworkConfig
from minigo.inference.evaluator import Evaluation, Leaves
from minigo.inference.tensorflow import TensorFlowEvaluator
from tests.support.learning import busy_network, random_leaves

PRECISIONS = ("float32", "bfloat16")
ODD_SHAPE = NetworkConfig(blocks=2, channels=24, pooling_blocks=1, head_channels=8, value_hidden=20)


def columns(evaluation: Evaluation) -> list[np.ndarray]:
    assert evaluation.ownership is not None
    return [evaluation.policy, evaluation.value, evaluation.score_lead, evaluation.ownership]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_evaluation_has_its_shapes_and_ranges(precision: str) -> None:
    evaluation = TensorFlowEvaluator(busy_network(), precision=precision).evaluate(random_leaves(7, 5))

    policy, value, score_lead, ownership = columns(evaluation)
    assert (policy.shape, value.shape, score_lead.shape, ownership.shape) == ((7, 26), (7,), (7,), (7, 5, 5))
    assert {column.dtype for column in columns(evaluation)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(policy.sum(axis=1), 1.0, rtol=1e-5)
    assert max(np.abs(value).max(), np.abs(ownership).max()) <= 1
    assert value.std() > 0


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("board_size", "batch"), [(5, 64), (9, 37), (19, 16)])
def test_a_row_has_the_same_bits_wherever_it_stands_and_whatever_else_is_there(
    precision: str, board_size: int, batch: int
) -> None:
    leaves, rng = random_leaves(batch, board_size), np.random.default_rng(1)
    for network in (busy_network(), busy_network(ODD_SHAPE)):
        evaluator = TensorFlowEvaluator(network, precision=precision)
        alone = evaluator.evaluate(leaves)
        for _ in range(3):
            order, stays = rng.permutation(batch), rng.random(batch) < 0.5
            mixed = random_leaves(batch, board_size, seed=int(rng.integers(1 << 30)))
            mixed.planes[stays] = leaves.planes[order][stays]
            mixed.scalars[stays] = leaves.scalars[order][stays]
            for ours, theirs in zip(columns(evaluator.evaluate(mixed)), columns(alone), strict=True):
                np.testing.assert_array_equal(ours[stays], theirs[order][stays])


def test_several_threads_get_the_bits_that_one_gets() -> None:
    evaluator = TensorFlowEvaluator(busy_network())
    batches = [random_leaves(16, 5, seed) for seed in range(40)]
    alone = [evaluator.evaluate(leaves) for leaves in batches]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(evaluator.evaluate, batches))

    for ours, theirs in zip(together, alone, strict=True):
        for mine, other in zip(columns(ours), columns(theirs), strict=True):
            np.testing.assert_array_equal(mine, other)


def test_bfloat16_is_close_to_float32() -> None:
    leaves = random_leaves(64, 9)
    exact = TensorFlowEvaluator(busy_network(), precision="float32").evaluate(leaves)
    rough = TensorFlowEvaluator(busy_network(), precision="bfloat16").evaluate(leaves)

    np.testing.assert_allclose(rough.policy, exact.policy, atol=0.02)
    np.testing.assert_allclose(rough.value, exact.value, atol=0.05)
    assert not np.array_equal(rough.value, exact.value)


def test_networks_of_one_shape_keep_their_weights_apart() -> None:
    networks = [busy_network(seed=seed) for seed in range(3)]
    evaluators = [TensorFlowEvaluator(network, precision="float32") for network in networks]
    for network in networks[:2]:
        network.weights["score_lead/bias"] += 100.0  # comes too late
    for board_size in (5, 7):
        leaves = random_leaves(4, board_size)
        inputs = {"planes": leaves.planes, "scalars": leaves.scalars}
        for evaluator, network, late in zip(evaluators, networks, (100, 100, 0), strict=True):
            expected = np.asarray(network.model()(inputs)["score_lead"]) - late * board_size
            np.testing.assert_allclose(evaluator.evaluate(leaves).score_lead, expected, atol=1e-3)


def test_one_evaluator_plays_boards_of_several_sizes() -> None:
    evaluator = TensorFlowEvaluator(busy_network())

    for board_size in (5, 9, 5, 13):
        policy = evaluator.evaluate(random_leaves(2, board_size)).policy
        assert policy.shape == (2, board_size**2 + 1)


def test_the_arrays_of_a_search_may_change_after_the_call() -> None:
    evaluator, leaves = TensorFlowEvaluator(busy_network()), random_leaves(4, 5)
    first = evaluator.evaluate(leaves)
    kept = [column.copy() for column in columns(first)]
    other = Leaves(*(column for column in random_leaves(4, 5, seed=9)[:3]), 4)
    leaves.planes[:] = other.planes
    evaluator.evaluate(leaves)

    for now, before in zip(columns(first), kept, strict=True):
        np.testing.assert_array_equal(now, before)
