# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from minigo.inference.agreement import LIMITS, Agreement, Error, agreement, in_batches
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves
from tests.support.learning import random_leaves


class Fixed:
    """Answers with one policy and one value, but for the last row of each batch."""

    name, backend, precision = "fixed", "none", "float32"

    def __init__(self, policy: list[float], value: float, last_value: float | None = None) -> None:
        self.policy, self.value = policy, value
        self.last_value = value if last_value is None else last_value

    def evaluate(self, leaves: Leaves) -> Evaluation:
        rows = len(leaves.planes)
        value = np.full(rows, self.value, np.float32)
        value[-1] = self.last_value
        policy = np.tile(np.array(self.policy, np.float32), (rows, 1))
        return Evaluation(policy, value, np.zeros(rows, np.float32), None)


EXACT = Fixed([0.5, 0.25, 0.125, 0.125, 0.0], 0.0)


def test_an_evaluator_agrees_with_itself() -> None:
    errors = agreement(HashEvaluator(), HashEvaluator(), random_leaves(20, 3), 8)

    assert errors == Agreement(Error(0, 0), Error(0, 0), Error(0, 0))
    assert errors.holds


def test_other_networks_do_not_agree() -> None:
    errors = agreement(HashEvaluator(1), HashEvaluator(2), random_leaves(20, 3), 8)

    assert len(errors.broken_limits()) == 3
    assert not errors.holds


def test_errors_are_of_the_win_rate_the_top_move_and_the_policy() -> None:
    errors = agreement(Fixed([0.25, 0.5, 0.125, 0.125, 0.0], 0.06), EXACT, random_leaves(8, 2), 8)

    assert errors.win_rate.maximum == pytest.approx(0.03)
    assert errors.top_policy.maximum == pytest.approx(0.25)
    assert errors.policy_kl.maximum == pytest.approx(0.25 * np.log(2))


def test_one_bad_position_among_many_shows_in_the_maximum_alone() -> None:
    errors = agreement(Fixed(EXACT.policy, 0.0, last_value=0.2), EXACT, random_leaves(400, 2), 400)

    assert errors.win_rate.percentile_99 == 0
    assert errors.win_rate.maximum == pytest.approx(0.1)
    assert errors.broken_limits() == ["win_rate is off by 0 / 0.1, more than 0.02 / 0.05 (99th percentile / maximum)"]


def test_padding_is_not_compared() -> None:
    assert agreement(Fixed(EXACT.policy, 0.0, last_value=1.0), EXACT, random_leaves(7, 2), 8).win_rate.maximum == 0


def test_what_is_not_a_number_does_not_agree() -> None:
    assert not agreement(Fixed(EXACT.policy, float("nan")), EXACT, random_leaves(8, 2), 8).holds


def test_the_limits_themselves_hold() -> None:
    assert LIMITS.holds
    assert not LIMITS._replace(policy_kl=Error(0.0021, 0.004)).holds
    assert not LIMITS._replace(policy_kl=Error(0.002, 0.0041)).holds


def test_batches_have_one_size_and_all_positions_in_order() -> None:
    leaves = random_leaves(10, 3)
    batches = list(in_batches(leaves, 4))

    assert [batch.count for batch in batches] == [4, 4, 2]
    assert {len(batch.planes) for batch in batches} == {4}
    np.testing.assert_array_equal(np.concatenate([batch.keys[: batch.count] for batch in batches]), leaves.keys)
