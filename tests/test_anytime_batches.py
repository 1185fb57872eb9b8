# SPDX-License-Identifier: Apache-2.0
"""How an analysis fills the network's batches, from one tree and from many."""

import numpy as np
import pytest

from cc_kernels.cache import EvaluationCache
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves
from minigo.inference.parallel import ParallelEvaluator
from tests.support.anytime import ONE, after, assert_same, run, search_of, searched


class Recorder(ParallelEvaluator):
    """Remembers how many positions each batch held."""

    def __init__(self) -> None:
        super().__init__(HashEvaluator(1), 1)
        self.counts: list[int] = []

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.counts.append(leaves.count)
        return super().evaluate(leaves)


def test_one_position_fills_batches_when_its_tree_is_large() -> None:
    recorder = Recorder()
    searched(Position.empty(9, 0.5, "cgos"), 2000, evaluator=recorder, batch_rows=32)

    assert recorder.counts[0] == 8  # the root, in all symmetries
    assert recorder.counts[1:8] == [1] * 7
    assert max(recorder.counts) == 32
    assert sum(recorder.counts[-30:]) > 0.85 * 30 * 32


def test_many_positions_fill_batches_from_the_start() -> None:
    recorder = Recorder()
    search = search_of(9, recorder, slots=40, batch_rows=32)
    for slot in range(40):
        search.begin(slot, Position.empty(9, 0.5 * slot, "cgos"), ONE)
        search.limit(slot, 20)
    run(search)

    assert all(search.visits(slot) == 20 for slot in range(40))
    assert sum(recorder.counts) >= 0.9 * 32 * len(recorder.counts)


def test_a_slow_network_gets_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes by the rows: 4 ms each; several positions have more time together."""

    class Slow(Recorder):
        now = 0.0

        def evaluate(self, leaves: Leaves) -> Evaluation:
            Slow.now += 0.004 * leaves.count
            return super().evaluate(leaves)

    recorder = Slow()
    monkeypatch.setattr("minigo.anytime.time.perf_counter", lambda: Slow.now)
    searched(Position.empty(9, 0.5, "cgos"), 400, ONE, recorder, batch_rows=32)

    assert max(recorder.counts) == 5

    recorder = Slow()
    search = search_of(9, recorder, slots=40, batch_rows=32)
    for slot in range(40):
        search.begin(slot, Position.empty(9, 0.5 * slot, "cgos"), ONE)
        search.limit(slot, 20)
    run(search)
    assert recorder.counts[0] == 32  # before anything is known
    assert max(recorder.counts[1:]) == 12


def test_a_step_without_anything_to_evaluate_is_short() -> None:
    """All is in the cache; nevertheless somebody may interrupt."""
    cache = EvaluationCache(5, 1_000_000, ownership=True)
    searched(after(), 3000, ONE, cache=cache)
    search = search_of(cache=cache)
    search.begin(0, after(), ONE)
    search.limit(0, 3000)
    visits = [0]
    while search.step():
        visits.append(search.visits(0))

    assert 100 < max(np.diff(visits)) < 600


def test_threads_change_nothing() -> None:
    plain = searched(after("C3"), 300).analysis(0, ownership=True)
    assert_same(searched(after("C3"), 300, threads=3).analysis(0, ownership=True), plain)
