# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from cc_kernels.features import NUM_PLANES, NUM_SCALARS
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves
from minigo.inference.narrowing import Narrowing


class Counting(HashEvaluator):
    """Notes how many rows it is given; `rounds` says in how many its last row is a little off."""

    backend = "openvino"

    def __init__(self, rounds: int = 0) -> None:
        super().__init__()
        self.rounds = rounds
        self.widths: list[int] = []

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.widths.append(len(leaves.planes))
        evaluation = super().evaluate(leaves)
        if len(leaves.planes) == self.rounds:
            evaluation.value[-1] = np.nextafter(evaluation.value[-1], np.float32(2))
        return evaluation


def leaves_of(count: int, rows: int = 64) -> Leaves:
    keys = np.arange(rows, dtype=np.uint64) * np.uint64(7919)
    return Leaves(np.zeros((rows, 5, 5, NUM_PLANES), np.uint8), np.zeros((rows, NUM_SCALARS), np.float32), keys, count)


@pytest.mark.parametrize(
    ("count", "width"), [(64, 64), (33, 64), (32, 32), (17, 32), (16, 16), (9, 16), (8, 16), (1, 16)]
)
def test_a_batch_is_evaluated_in_as_few_rows_as_hold_its_positions(count: int, width: int) -> None:
    counting = Counting()
    narrowing, leaves = Narrowing(counting), leaves_of(count)
    narrowing.evaluate(leaves)  # compares
    counting.widths.clear()
    evaluation, whole = narrowing.evaluate(leaves), HashEvaluator().evaluate(leaves)

    assert counting.widths == [width]
    for mine, theirs in zip(evaluation, whole, strict=True):
        assert mine is not None
        assert theirs is not None
        assert mine.shape == theirs.shape
        np.testing.assert_array_equal(mine[:count], theirs[:count])


def test_a_width_that_rounds_otherwise_is_not_used() -> None:
    counting = Counting(rounds=32)
    narrowing = Narrowing(counting)
    for _ in range(2):
        np.testing.assert_array_equal(
            narrowing.evaluate(leaves_of(20)).value, HashEvaluator().evaluate(leaves_of(20)).value
        )
    narrowing.evaluate(leaves_of(5))
    narrowing.evaluate(leaves_of(5))

    assert counting.widths == [32, 64, 64, 16, 64, 16]


@pytest.mark.parametrize(("rows", "width"), [(48, 48), (8, 8), (96, 48), (128, 16)])
def test_only_whole_sixteens_are_halved(rows: int, width: int) -> None:
    counting = Counting()
    Narrowing(counting).evaluate(leaves_of(1, rows))

    assert counting.widths[0] == width


def test_a_back_end_that_compiles_slowly_keeps_one_shape() -> None:
    counting = Counting()
    counting.backend = "jax"
    Narrowing(counting).evaluate(leaves_of(1))

    assert counting.widths == [64]
