# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from minigo.config import TrainConfig
from minigo.network.losses import (
    HEADS,
    head_losses,
    outcome_loss,
    ownership_loss,
    policy_loss,
    score_loss,
    total_loss,
)

UNIFORM = np.zeros((2, 4), np.float32)
SURE = np.array([[9.0, 0, 0, 0], [0, 9.0, 0, 0]], np.float32)


def test_policy_loss_is_the_cross_entropy_of_the_rows_that_have_a_target() -> None:
    target = np.eye(4, dtype=np.float32)[[0, 1]]

    assert float(policy_loss(UNIFORM, target, np.ones(2, np.float32))) == pytest.approx(np.log(4))
    assert float(policy_loss(SURE, target, np.ones(2, np.float32))) < 0.001
    wrong_second_row = np.eye(4, dtype=np.float32)[[0, 2]]
    assert float(policy_loss(SURE, wrong_second_row, np.array([1, 0], np.float32))) < 0.001
    assert float(policy_loss(UNIFORM, target, np.array([1, 0], np.float32))) == pytest.approx(np.log(4))
    assert float(policy_loss(SURE, target, np.zeros(2, np.float32))) == 0


def test_outcome_loss_is_least_where_the_prediction_is_the_target() -> None:
    target = np.array([[0.7, 0.1, 0.2]], np.float32)
    entropy = -float((target * np.log(target)).sum())

    assert float(outcome_loss(np.log(target), target)) == pytest.approx(entropy, rel=1e-5)
    assert float(outcome_loss(np.zeros((1, 3), np.float32), target)) > entropy


@pytest.mark.parametrize(("error", "expected"), [(0, 0), (3, 0.9), (5, 2.5), (25, 22.5), (-25, 22.5)])
def test_score_loss_is_a_parabola_up_to_the_board_size_and_a_line_beyond(error: float, expected: float) -> None:
    target = np.array([4.0], np.float32)

    assert float(score_loss(target + error, target, 5.0)) == pytest.approx(expected)


def test_ownership_loss_is_the_mean_squared_error_over_the_board() -> None:
    logits = np.full((2, 3, 3), 20.0, np.float32)
    target = np.ones((2, 3, 3), np.float32)

    assert float(ownership_loss(logits, target)) == pytest.approx(0, abs=1e-6)
    target[0, 0, 0] = -1
    assert float(ownership_loss(logits, target)) == pytest.approx(4 / 18)


def test_the_total_is_the_weighted_sum_and_the_policy_counts_by_its_share_of_the_rows() -> None:
    config = TrainConfig(policy_weight=1.0, value_weight=10.0, score_weight=100.0, ownership_weight=1000.0)
    weights = np.array([1, 0, 0, 1], np.float32)
    losses = dict.fromkeys(HEADS, 1.0)

    assert float(total_loss(losses, {"policy_weight": weights}, config)) == pytest.approx(1110.5)


def test_each_loss_reads_its_own_head_and_target() -> None:
    targets = {
        "policy": np.eye(10, dtype=np.float32)[:1],
        "policy_weight": np.ones(1, np.float32),
        "outcome": np.eye(3, dtype=np.float32)[:1],
        "score_lead": np.array([2.0], np.float32),
        "ownership": np.ones((1, 3, 3), np.float32),
    }
    right = {
        "policy": 30 * targets["policy"],
        "outcome": 30 * targets["outcome"],
        "score_lead": targets["score_lead"],
        "ownership": 30 * targets["ownership"],
    }
    assert all(float(loss) < 1e-6 for loss in head_losses(targets, right).values())
    for head, name in zip(right, HEADS, strict=True):
        losses = head_losses(targets, {**right, head: -right[head]})

        assert [other for other, loss in losses.items() if float(loss) > 1e-3] == [name]
