# SPDX-License-Identifier: Apache-2.0
"""`CachedEvaluator`: remembers evaluations by the key of their position. A hit gives the bits that a miss would."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigo.inference.evaluator import Evaluation, Evaluator, Leaves


class CachedEvaluator:
    """Asks another evaluator only for positions it does not remember. Safe to call from several threads.

    Misses move to the first rows of a batch of the same shape, since an evaluation may depend on that shape; a batch
    without misses is not evaluated at all. Each key has one slot: a newer position with the same slot takes it over.

    Args:
        evaluator: evaluates the misses.
        capacity: slots for each board size.
    """

    def __init__(self, evaluator: Evaluator, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be 1 or more, got {capacity}")
        self.name = evaluator.name
        self.backend = evaluator.backend
        self.precision = evaluator.precision
        self.hits = 0
        self.misses = 0
        self._evaluator = evaluator
        self._capacity = capacity
        self._tables: dict[Any, _Table] = {}
        self._lock = threading.Lock()

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates the rows that hold positions; padding rows come back as zeros."""
        keys, board = leaves.keys[: leaves.count], leaves.planes.shape[1:]
        with self._lock:
            table = self._tables.get(board)
            found = table.read(keys) if table is not None else None
            missing = np.flatnonzero(~table.holds(keys)) if table is not None else np.arange(len(keys))
            self.hits += len(keys) - len(missing)
            self.misses += len(missing)
        if len(missing) == 0 and found is not None:
            return _padded(found, leaves)
        evaluation = self._evaluator.evaluate(_compacted(leaves, missing))
        fresh = _mapped(lambda column: column[: len(missing)], evaluation)
        with self._lock:
            if board not in self._tables:
                self._tables[board] = _Table(self._capacity, fresh)
            self._tables[board].write(keys[missing], fresh)
        return _padded(_merged(found, fresh, missing) if found is not None else fresh, leaves)


class _Table:
    """Evaluations of one board size, each in the slot that its key points to."""

    def __init__(self, capacity: int, like: Evaluation) -> None:
        self._keys = np.zeros(capacity, np.uint64)
        self._is_filled = np.zeros(capacity, np.bool_)
        self._columns = _mapped(lambda column: np.zeros((capacity, *column.shape[1:]), np.float32), like)

    def holds(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        slots = self._slots(keys)
        found: NDArray[np.bool_] = self._is_filled[slots] & (self._keys[slots] == keys)
        return found

    def read(self, keys: NDArray[np.uint64]) -> Evaluation:
        slots = self._slots(keys)
        return _mapped(lambda column: column[slots], self._columns)

    def write(self, keys: NDArray[np.uint64], evaluation: Evaluation) -> None:
        slots = self._slots(keys)
        self._keys[slots] = keys
        self._is_filled[slots] = True
        for column, values in zip(self._columns, evaluation, strict=True):
            if column is not None:
                column[slots] = values

    def _slots(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        return (keys % np.uint64(len(self._keys))).astype(np.int64)


def _compacted(leaves: Leaves, rows: NDArray[np.int64]) -> Leaves:
    """The chosen rows first, padding after them, in arrays of the same shapes."""

    def compacted(column: NDArray[Any]) -> NDArray[Any]:
        out = np.zeros_like(column)
        out[: len(rows)] = column[rows]
        return out

    return Leaves(compacted(leaves.planes), compacted(leaves.scalars), compacted(leaves.keys), len(rows))


def _merged(found: Evaluation, fresh: Evaluation, missing: NDArray[np.int64]) -> Evaluation:
    """What was found, with the missing rows filled in."""
    for column, values in zip(found, fresh, strict=True):
        if column is not None:
            column[missing] = values
    return found


def _padded(evaluation: Evaluation, leaves: Leaves) -> Evaluation:
    def padded(column: NDArray[np.float32]) -> NDArray[np.float32]:
        out = np.zeros((len(leaves.keys), *column.shape[1:]), np.float32)
        out[: leaves.count] = column
        return out

    return _mapped(padded, evaluation)


def _mapped(function: Callable[[NDArray[np.float32]], NDArray[np.float32]], evaluation: Evaluation) -> Evaluation:
    """The evaluation with each column that it has replaced by a function of it."""
    ownership = function(evaluation.ownership) if evaluation.ownership is not None else None
    policy, value, score_lead = evaluation[:3]
    return Evaluation(function(policy), function(value), function(score_lead), ownership)
