# SPDX-License-Identifier: Apache-2.0
"""What a search asks of a network: `Leaves` go in, an `Evaluation` comes out. No framework is imported here.

Every row stands for itself: its evaluation depends on nothing else in its batch. Start at `Evaluator`;
`UniformEvaluator` and `HashEvaluator` are the two that need no network.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Leaves(NamedTuple):
    """Positions to evaluate, one a row, under the symmetry chosen for it; from `count` on, padding."""

    planes: NDArray[np.uint8]
    """[B, N, N, C] binary feature planes."""
    scalars: NDArray[np.float32]
    """[B, S] what is not a plane: komi for the player to move, …"""
    keys: NDArray[np.uint64]
    """[B] equal for two rows only if their planes and scalars are."""
    count: int  # type: ignore[assignment]  # tuple.count is of no use here
    """How many rows, from the first, hold positions."""


class Evaluation(NamedTuple):
    """A network's view of each row of `Leaves`, for the player to move and in the row's own symmetry."""

    policy: NDArray[np.float32]
    """[B, A] probabilities over all moves, illegal ones included."""
    value: NDArray[np.float32]
    """[B] in [-1, 1]: probability of winning minus that of losing."""
    score_lead: NDArray[np.float32]
    """[B] points by which the player to move is expected to win, komi included."""
    ownership: NDArray[np.float32] | None
    """[B, N, N] in [-1, 1]: expected owner of each point, 1: the player to move; None if not computed."""


class Evaluator(Protocol):
    """The seam between search and framework. Safe to call from several threads at once."""

    name: str
    """Says which network this is, in records and logs."""
    backend: str
    """What computes, like "tensorflow"; with the precision and the batch's shape it decides the last bits."""
    precision: str
    """Its arithmetic: "float32", "bfloat16" or "int8"."""

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates every row. The same row gives the same numbers in every batch of this shape."""
        ...


class UniformEvaluator:
    """Finds every move as likely and every position even: a network that knows only the rules."""

    name = "uniform"
    backend = "none"
    precision = "float32"

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates every row alike."""
        batch, board_size = leaves.planes.shape[:2]
        num_moves = board_size * board_size + 1
        return Evaluation(
            policy=np.full((batch, num_moves), 1.0 / num_moves, np.float32),
            value=np.zeros(batch, np.float32),
            score_lead=np.zeros(batch, np.float32),
            ownership=np.zeros((batch, board_size, board_size), np.float32),
        )


class HashEvaluator:
    """Pseudo-random evaluations that depend on a row's key and the seed alone: a network for tests.

    Args:
        seed: two evaluators of the same seed agree in every bit.
        sharpness: scale of the policy's logits, which lie in [-sharpness, sharpness].
    """

    backend = "none"
    precision = "float32"

    def __init__(self, seed: int = 0, sharpness: float = 2.0) -> None:
        self.name = f"hash-{seed}"
        self._seed = np.uint64(seed)
        self._sharpness = sharpness

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates every row by its key."""
        batch, board_size = leaves.planes.shape[:2]
        num_points = board_size * board_size
        noise = self._noise(leaves.keys, 2 * num_points + 3)
        weights = np.exp(self._sharpness * noise[:, : num_points + 1])
        policy = weights / weights.sum(axis=1, keepdims=True)
        return Evaluation(
            policy=policy.astype(np.float32),
            value=noise[:, num_points + 1].astype(np.float32),
            score_lead=(noise[:, num_points + 2] * num_points).astype(np.float32),
            ownership=noise[:, num_points + 3 :].reshape(batch, board_size, board_size).astype(np.float32),
        )

    def _noise(self, keys: NDArray[np.uint64], columns: int) -> NDArray[np.float64]:
        counters = np.arange(1, columns + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = _mix(_mix(keys + self._seed)[:, None] + counters)
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014): every input bit reaches every output bit."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
