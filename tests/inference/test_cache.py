# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from minigo.inference.cache import CachedEvaluator
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves, UniformEvaluator
from tests.support.learning import random_leaves


class Recorder:
    """Evaluates as `HashEvaluator` does and keeps what it was asked."""

    name = "recorder"

    def __init__(self) -> None:
        self.asked: list[Leaves] = []

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.asked.append(leaves)
        return HashEvaluator().evaluate(leaves)


def with_keys(keys: list[int], batch: int = 4, board_size: int = 3) -> Leaves:
    leaves = random_leaves(batch, board_size)
    padded = np.array(keys + [0] * (batch - len(keys)), np.uint64)
    return leaves._replace(keys=padded, count=len(keys))


def assert_same(mine: Evaluation, theirs: Evaluation, count: int) -> None:
    for left, right in zip(mine, theirs, strict=True):
        assert left is not None
        assert right is not None
        np.testing.assert_array_equal(left[:count], right[:count])


def test_every_evaluation_is_the_one_the_evaluator_would_give() -> None:
    cached, rng = CachedEvaluator(Recorder(), capacity=16), np.random.default_rng(0)
    for _ in range(50):
        leaves = with_keys(rng.integers(30, size=rng.integers(1, 5)).tolist())

        assert_same(cached.evaluate(leaves), HashEvaluator().evaluate(leaves), leaves.count)
    assert cached.hits > 10
    assert cached.misses > 10


def test_only_misses_are_asked_for_in_a_batch_of_the_same_shape() -> None:
    recorder = Recorder()
    cached = CachedEvaluator(recorder, capacity=100)
    cached.evaluate(with_keys([7, 8]))
    cached.evaluate(with_keys([8, 9, 7, 10]))

    assert [leaves.count for leaves in recorder.asked] == [2, 2]
    assert recorder.asked[1].keys.tolist() == [9, 10, 0, 0]
    assert recorder.asked[1].planes.shape == (4, 3, 3, recorder.asked[0].planes.shape[3])
    np.testing.assert_array_equal(recorder.asked[1].planes[1], with_keys([]).planes[3])


def test_a_batch_without_misses_is_not_evaluated() -> None:
    recorder = Recorder()
    cached = CachedEvaluator(recorder, capacity=100)
    cached.evaluate(with_keys([1, 2, 3]))
    cached.evaluate(with_keys([3, 1]))

    assert len(recorder.asked) == 1


def test_a_key_that_was_never_evaluated_is_no_hit_even_if_it_is_zero() -> None:
    recorder = Recorder()
    cached = CachedEvaluator(recorder, capacity=100)
    cached.evaluate(with_keys([5]))
    cached.evaluate(with_keys([0]))

    assert len(recorder.asked) == 2


def test_boards_of_two_sizes_do_not_answer_for_each_other() -> None:
    cached = CachedEvaluator(Recorder(), capacity=100)
    for board_size in (3, 4, 3, 4):
        leaves = with_keys([1, 2], board_size=board_size)

        assert_same(cached.evaluate(leaves), HashEvaluator().evaluate(leaves), 2)


def test_an_evaluator_without_ownership_is_cached_too() -> None:
    class NoOwnership(UniformEvaluator):
        def evaluate(self, leaves: Leaves) -> Evaluation:
            return super().evaluate(leaves)._replace(ownership=None)

    cached = CachedEvaluator(NoOwnership(), capacity=10)
    for _ in range(2):
        assert cached.evaluate(with_keys([1])).ownership is None


def test_capacity_must_be_positive() -> None:
    with pytest.raises(ValueError, match="capacity must be 1 or more, got 0"):
        CachedEvaluator(UniformEvaluator(), capacity=0)
