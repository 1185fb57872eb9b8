# SPDX-License-Identifier: Apache-2.0
"""What the network is trained towards: one loss for each head, and their weighted sum.

All targets are for the player to move. Shapes are those of `GoNetwork`'s heads. Start at `head_losses`.
"""

from typing import Any, Final

from keras import ops

from minigo.config import TrainConfig

Tensor = Any
HEADS: Final = ("policy", "value", "score", "ownership")
"""The losses by name; "value" is that of the outcome, "score" that of the score lead."""


def policy_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy in nats, over the rows that have a target.

    Args:
        logits: [B, A].
        target: [B, A] probabilities; rows of weight 0 may hold anything finite.
        weight: [B] 1 where the row has a target, else 0.

    Returns:
        The mean over the rows with a target; 0 if there is none.
    """
    cross_entropy = -ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1)
    return ops.sum(weight * cross_entropy) / ops.maximum(ops.sum(weight), 1.0)


def outcome_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy in nats of win, draw and loss: logits and probabilities [B, 3]."""
    return -ops.mean(ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1))


def score_loss(lead: Tensor, target: Tensor, board_size: Tensor) -> Tensor:
    """Huber loss in points, [B] each: |error| - N/2 beyond an error of N points, a parabola below.

    The knee grows with the board because scores do; a lost group is an outlier on every board.
    """
    error = ops.abs(lead - target)
    bounded = ops.minimum(error, board_size)
    return ops.mean(bounded * (error - 0.5 * bounded) / board_size)


def ownership_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Squared error of ownership in [-1, 1], [B, N, N] each: the mean over boards and points."""
    return ops.mean(ops.square(ops.tanh(logits) - target))


def head_losses(targets: dict[str, Tensor], outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The loss of each head.

    Args:
        targets: "policy" [B, A], "policy_weight" [B], "outcome" [B, 3], "score_lead" [B] points,
            "ownership" [B, N, N].
        outputs: what `GoNetwork` returns.
    """
    board_size = ops.cast(ops.shape(outputs["ownership"])[1], "float32")
    return {
        "policy": policy_loss(outputs["policy"], targets["policy"], targets["policy_weight"]),
        "value": outcome_loss(outputs["outcome"], targets["outcome"]),
        "score": score_loss(outputs["score_lead"], targets["score_lead"], board_size),
        "ownership": ownership_loss(outputs["ownership"], targets["ownership"]),
    }


def total_loss(losses: dict[str, Tensor], targets: dict[str, Tensor], config: TrainConfig) -> Tensor:
    """The weighted sum that training lowers.

    The policy counts by the share of rows that have a target, so that a few such rows among many do not outweigh
    all others.
    """
    return (
        config.policy_weight * losses["policy"] * ops.mean(targets["policy_weight"])
        + config.value_weight * losses["value"]
        + config.score_weight * losses["score"]
        + config.ownership_weight * losses["ownership"]
    )
