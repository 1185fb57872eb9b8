# SPDX-License-Identifier: Apache-2.0
"""Time that passes only while a network evaluates, and networks that know one thing, for tests of thinking."""

import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cc_kernels.features import PLANE_NAMES
from minigo.anytime import Analysis, MoveAnalysis
from minigo.go.coords import move_from_vertex
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluation, Evaluator, Leaves


class FakeTime:
    """Stands still until somebody lets it pass; what it says can be given as `now`."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class SlowEvaluator:
    """Another evaluator, each of whose batches takes some seconds of a fake time; it counts them."""

    backend = "none"
    precision = "float32"

    def __init__(self, inner: Evaluator, fake_time: FakeTime, seconds: float) -> None:
        self.name = f"slow {inner.name}"
        self.calls = 0
        self._inner, self._time, self._seconds = inner, fake_time, seconds

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates, and lets time pass."""
        self.calls += 1
        self._time.seconds += self._seconds
        return self._inner.evaluate(leaves)


class PatientEvaluator:
    """Another evaluator, each of whose batches takes so many seconds of the real time."""

    backend = "none"
    precision = "float32"

    def __init__(self, inner: Evaluator, seconds: float) -> None:
        self.name = f"patient {inner.name}"
        self._inner, self._seconds = inner, seconds

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates, and takes its time."""
        time.sleep(self._seconds)
        return self._inner.evaluate(leaves)


class LibertyEvaluator:
    """Knows that stones in atari are lost: the other colour owns them, and their capture is the move to play.

    Every point belongs to whoever has more living stones around it.

    Args:
        keenness: share of the policy for moves beside stones in atari, where there are any.
    """

    name = "liberty"
    backend = "none"
    precision = "float32"

    def __init__(self, keenness: float = 0.97) -> None:
        self._keenness = keenness

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Judges every row by its stones and their liberties."""
        batch, size = leaves.planes.shape[:2]
        own, other, atari = (
            leaves.planes[..., PLANE_NAMES.index(name)].astype(np.float32)
            for name in ("own stone", "opponent's stone", "chain with 1 liberty")
        )
        living = (own - other) * (1 - atari)
        ownership = living.copy()
        for _ in range(size):  # colours spread over what holds no living stone
            ownership = np.where(living != 0, living, np.sign(_around(ownership)))
        captures = (1 - own - other) * (_around(other * atari) > 0)
        policy = np.ones((batch, size**2 + 1), np.float32)
        beside = captures.reshape(batch, -1)
        any_capture = beside.any(axis=1)
        policy /= policy.sum(1, keepdims=True)
        policy[any_capture] *= 1 - self._keenness
        policy[:, :-1] += self._keenness * beside / np.maximum(beside.sum(1, keepdims=True), 1)
        lead = ownership.sum((1, 2)) + leaves.scalars[:, 0] * 15
        return Evaluation(
            policy, np.tanh(lead / size).astype(np.float32), lead.astype(np.float32), ownership.astype(np.float32)
        )


def _around(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """[B, N, N] sum over the four points around each."""
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    return padded[:, 2:, 1:-1] + padded[:, :-2, 1:-1] + padded[:, 1:-1, 2:] + padded[:, 1:-1, :-2]


def analysis_of(
    position: Position,
    moves: Iterable[tuple[str, int, float, float]],
    *,
    ownership: NDArray[np.float32] | None = None,
    policy: float = 0.5,
) -> Analysis:
    """An analysis that found these moves, best first: (vertex, visits, value, score lead) of each.

    Args:
        position: the root.
        moves: what was found.
        ownership: [N, N], 1: the player to move.
        policy: of the best move.
    """
    found = tuple(
        MoveAnalysis(move, visits, value, lead, value, policy, value - 0.1, (move,), (visits,))
        for move, visits, value, lead in ((move_from_vertex(name, position.board_size), *rest) for name, *rest in moves)
    )
    best = found[0]
    probabilities = np.full(position.board.num_moves, (1 - policy) / (position.board.num_moves - 1), np.float32)
    probabilities[best.move] = policy
    visits = 1 + sum(move.visits for move in found)
    return Analysis(
        position,
        visits,
        best.value,
        best.score_lead,
        best.value,
        best.value,
        best.score_lead,
        probabilities,
        found,
        ownership,
    )
