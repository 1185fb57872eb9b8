# SPDX-License-Identifier: Apache-2.0
"""`ParallelEvaluator`: one batch evaluated by several threads, in parts of few fixed sizes.

For whoever has one batch at a time and wants all cores for it, and whose batches differ in length. Self-play has a
batch for each of its threads and needs none of this.
"""

import functools
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np

from minigo.inference.evaluator import Evaluation, Evaluator, Leaves

PART_ROWS: Final = (1, 4, 16, 64)
"""Sizes of parts. A network is compiled for each, once for each thread."""
CALL_COST: Final = 1.0
"""What a call costs beside its rows, in rows."""


class Part(NamedTuple):
    """Rows of a batch that are evaluated in one call."""

    start: int
    held: int
    rows: int
    """Of the call: those held, and padding."""


class ParallelEvaluator:
    """Evaluates the rows of a batch on several threads. Only rows that hold positions are computed; others are 0.

    A row's evaluation has the bits that the evaluator gives in a batch of a part's size.

    Args:
        evaluator: what evaluates the parts; safe to call from several threads at once, and faster if so called.
        threads: how many calls are made at once.
        part_rows: the sizes of parts, ascending, from 1 on.

    Raises:
        ValueError: no thread, or sizes that are not ascending from 1 on.
    """

    def __init__(self, evaluator: Evaluator, threads: int, part_rows: tuple[int, ...] = PART_ROWS) -> None:
        if threads < 1:
            raise ValueError(f"threads must be 1 or more, got {threads}")
        if part_rows[:1] != (1,) or list(part_rows) != sorted(set(part_rows)):
            raise ValueError(f"part_rows must ascend from 1 on, got {part_rows}")
        self.name, self.backend, self.precision = evaluator.name, evaluator.backend, evaluator.precision
        self.evaluator = evaluator
        self.threads = threads
        self._part_rows = part_rows
        # The caller evaluates, too, instead of waiting.
        self._pool = ThreadPoolExecutor(threads - 1, "evaluator") if threads > 1 else None

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates the rows up to `leaves.count`."""
        found = _Found(len(leaves.planes))
        shares = _shares(leaves.count, self.threads, self._part_rows)
        self._all_at_once([functools.partial(_evaluate, self.evaluator, leaves, share, found) for share in shares])
        return found.evaluation(leaves.planes.shape[1])

    def compile(self, leaves: Leaves) -> None:
        """Evaluates a first row in parts of every size on every thread, so that no later call has to compile.

        Args:
            leaves: at least one position.
        """
        together = threading.Barrier(self.threads)

        def evaluate_all_sizes() -> None:
            try:
                for rows in self._part_rows:
                    together.wait()  # or one thread would find what another one has compiled and is done with
                    self.evaluator.evaluate(_rows_of(leaves, Part(0, 1, rows)))
            except threading.BrokenBarrierError:
                return  # what another thread raised is raised
            except BaseException:
                together.abort()  # or the others would wait for ever
                raise

        self._all_at_once([evaluate_all_sizes] * self.threads)

    def close(self) -> None:
        """Ends the threads. May be called again; nothing can be evaluated afterwards."""
        if self._pool is not None:
            self._pool.shutdown()

    def _all_at_once(self, jobs: list[Callable[[], None]]) -> None:
        """Runs the last job here and the others in threads; raises what one of them raises, when all have ended."""
        futures = [self._pool.submit(job) for job in jobs[:-1]] if self._pool is not None else []
        try:
            for job in jobs[-1:]:
                job()
        finally:
            errors = [future.exception() for future in futures]
        for error in errors:
            if error is not None:
                raise error


class _Found:
    """The parts' evaluations, put together."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._parts: list[tuple[Part, Evaluation]] = []

    def add(self, part: Part, evaluation: Evaluation) -> None:
        self._parts.append((part, evaluation))  # which is atomic

    def evaluation(self, board_size: int) -> Evaluation:
        rows = self._rows
        policy = np.zeros((rows, board_size**2 + 1), np.float32)
        value, score_lead = np.zeros(rows, np.float32), np.zeros(rows, np.float32)
        ownership = np.zeros((rows, board_size, board_size), np.float32)
        is_owned = bool(self._parts)
        for part, found in self._parts:
            to = slice(part.start, part.start + part.held)
            policy[to], value[to] = found.policy[: part.held], found.value[: part.held]
            score_lead[to] = found.score_lead[: part.held]
            if found.ownership is None:
                is_owned = False
            else:
                ownership[to] = found.ownership[: part.held]
        return Evaluation(policy, value, score_lead, ownership if is_owned else None)


def _evaluate(evaluator: Evaluator, leaves: Leaves, share: tuple[Part, ...], found: _Found) -> None:
    for part in share:
        found.add(part, evaluator.evaluate(_rows_of(leaves, part)))


def _rows_of(leaves: Leaves, part: Part) -> Leaves:
    """A part as a batch of its own; of copied rows where the batch ends before its padding does."""
    end = part.start + part.rows
    if end <= len(leaves.planes):
        rows = slice(part.start, end)
        return Leaves(leaves.planes[rows], leaves.scalars[rows], leaves.keys[rows], part.held)
    last = slice(part.start, part.start + part.held)
    planes = np.zeros((part.rows, *leaves.planes.shape[1:]), np.uint8)
    scalars = np.zeros((part.rows, *leaves.scalars.shape[1:]), np.float32)
    keys = np.zeros(part.rows, np.uint64)
    planes[: part.held], scalars[: part.held], keys[: part.held] = (
        leaves.planes[last],
        leaves.scalars[last],
        leaves.keys[last],
    )
    return Leaves(planes, scalars, keys, part.held)


@functools.lru_cache(maxsize=4096)
def _shares(count: int, threads: int, part_rows: tuple[int, ...]) -> tuple[tuple[Part, ...], ...]:
    """What each thread evaluates: rows as evenly as can be, in the cheapest parts. Threads may be left without any."""
    shares, start = [], 0
    for thread in range(min(threads, count)):
        rows = count // threads + (thread < count % threads)
        parts = []
        for size in _sizes(rows, part_rows):
            held = min(size, rows)
            parts.append(Part(start, held, size))
            start, rows = start + held, rows - held
        shares.append(tuple(parts))
    return tuple(shares)


@functools.lru_cache(maxsize=4096)
def _sizes(rows: int, part_rows: tuple[int, ...]) -> tuple[int, ...]:
    """The parts, largest first, that hold so many rows at the least cost."""
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for wanted in range(1, rows + 1):
        found: tuple[float, tuple[int, ...]] = (math.inf, ())
        for size in part_rows:
            cost, sizes = best[max(0, wanted - size)]
            if cost + size + CALL_COST < found[0]:
                found = (cost + size + CALL_COST, (*sizes, size))
        best.append(found)
    return tuple(sorted(best[rows][1], reverse=True))
