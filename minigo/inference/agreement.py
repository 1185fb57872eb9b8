# SPDX-License-Identifier: Apache-2.0
"""Whether rounded arithmetic still says what float32 says: `agreement` measures, `Agreement.holds` judges."""

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from minigo.inference.evaluator import Evaluation, Evaluator, Leaves

Scalar = TypeVar("Scalar", bound=np.generic)


class Error(NamedTuple):
    """How far an evaluator is off, over some positions."""

    percentile_99: float
    maximum: float


class Agreement(NamedTuple):
    """How far an evaluator is off from a more exact one, in each of the three things a search depends on."""

    win_rate: Error
    """Of the probability to win, (value + 1) / 2."""
    top_policy: Error
    """Of the probability of the move that the more exact one finds likeliest."""
    policy_kl: Error
    """Kullback-Leibler divergence of its policy from the more exact one, in nats."""

    @property
    def holds(self) -> bool:
        """Whether every error is within `LIMITS`."""
        return not self.broken_limits()

    def broken_limits(self) -> list[str]:
        """What is off by more than `LIMITS`, in words."""
        return [
            f"{name} is off by {error.percentile_99:.2g} / {error.maximum:.2g}, "
            f"more than {limit.percentile_99:g} / {limit.maximum:g} (99th percentile / maximum)"
            for name, error, limit in zip(self._fields, self, LIMITS, strict=True)
            if not (error.percentile_99 <= limit.percentile_99 and error.maximum <= limit.maximum)
        ]

    def __str__(self) -> str:
        return ", ".join(
            f"{name} {error.percentile_99:.2g} / {error.maximum:.2g}"
            for name, error in zip(self._fields, self, strict=True)
        )


LIMITS: Final = Agreement(win_rate=Error(0.02, 0.05), top_policy=Error(0.025, 0.06), policy_kl=Error(0.002, 0.004))
"""Within these, a search hardly notices the difference."""


def agreement(evaluator: Evaluator, reference: Evaluator, leaves: Leaves, batch_rows: int) -> Agreement:
    """Compares two evaluators on positions.

    Args:
        evaluator: the one in question.
        reference: the more exact one.
        leaves: the positions.
        batch_rows: both evaluate so many positions in a call.
    """
    errors = []
    for batch in in_batches(leaves, batch_rows):
        ours, exact = evaluator.evaluate(batch), reference.evaluate(batch)
        errors.append(_errors(ours, exact)[:, : batch.count])
    return Agreement(*(_summary(row) for row in np.hstack(errors)))


def _summary(errors: NDArray[np.float64]) -> Error:
    return Error(float(np.quantile(errors, 0.99, method="higher")), float(errors.max()))


def in_batches(leaves: Leaves, batch_rows: int) -> Iterator[Leaves]:
    """The positions in batches of one size; the last may be padded with zeros."""
    for start in range(0, leaves.count, batch_rows):
        part = slice(start, min(start + batch_rows, leaves.count))
        planes, scalars, keys = leaves.planes[part], leaves.scalars[part], leaves.keys[part]
        yield Leaves(_padded(planes, batch_rows), _padded(scalars, batch_rows), _padded(keys, batch_rows), len(keys))


def _padded(rows: NDArray[Scalar], count: int) -> NDArray[Scalar]:
    return np.concatenate([rows, np.zeros((count - len(rows), *rows.shape[1:]), rows.dtype)])


def _errors(ours: Evaluation, exact: Evaluation) -> NDArray[np.float64]:
    """[3, B]: the errors of `Agreement`'s fields in each row; infinite where ours is not a number."""
    policy, target = (evaluation.policy.astype(np.float64) for evaluation in (ours, exact))
    rows, top = np.arange(len(target)), target.argmax(axis=1)
    win_rate = np.abs(ours.value - exact.value) / 2
    ratio = np.log(np.maximum(target, 1e-30)) - np.log(np.maximum(policy, 1e-30))
    errors = np.stack([win_rate, np.abs(policy - target)[rows, top], (target * ratio).sum(axis=1)])
    return np.where(np.isnan(errors), np.inf, errors)
