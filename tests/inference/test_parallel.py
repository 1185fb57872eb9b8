# SPDX-License-Identifier: Apache-2.0
import threading

import numpy as np
import pytest

from cc_kernels.features import NUM_PLANES, NUM_SCALARS
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves
from minigo.inference.parallel import ParallelEvaluator
from tests.support.area_evaluator import AreaEvaluator


class Recorder(HashEvaluator):
    """Remembers the sizes of its batches and the threads they came from; waits, if told, until all threads are in."""

    def __init__(self, together: int = 1) -> None:
        super().__init__(1)
        self.calls: list[tuple[int, int]] = []
        self.threads: set[int] = set()
        self._together = threading.Barrier(together, timeout=20)

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self._together.wait()
        self.calls.append((leaves.count, len(leaves.planes)))
        self.threads.add(threading.get_ident())
        return super().evaluate(leaves)


def leaves_of(count: int, rows: int, size: int = 5) -> Leaves:
    rng = np.random.default_rng(rows)
    return Leaves(
        rng.integers(0, 2, (rows, size, size, NUM_PLANES)).astype(np.uint8),
        rng.random((rows, NUM_SCALARS)).astype(np.float32),
        rng.integers(0, 1 << 60, rows).astype(np.uint64),
        count,
    )


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("count", "rows"), [(1, 1), (1, 9), (2, 2), (7, 32), (31, 32), (32, 32), (50, 50), (200, 256)])
def test_every_row_gets_the_evaluation_that_it_would_get_alone(threads: int, count: int, rows: int) -> None:
    leaves = leaves_of(count, rows)
    for evaluator in (HashEvaluator(1), AreaEvaluator()):
        plain = evaluator.evaluate(leaves)
        found = ParallelEvaluator(evaluator, threads).evaluate(leaves)
        for name, mine, theirs in zip(Evaluation._fields, found, plain, strict=True):
            if mine is None or theirs is None:
                assert mine is theirs
            else:
                assert mine.shape == theirs.shape
                np.testing.assert_array_equal(mine[:count], theirs[:count], err_msg=name)


def test_parts_have_few_sizes_and_little_padding() -> None:
    sizes, padded, held = set(), 0, 0
    for count in range(1, 129):
        recorder = Recorder()
        ParallelEvaluator(recorder, 2, (1, 4, 16)).evaluate(leaves_of(count, 128))
        assert sum(count for count, _ in recorder.calls) == count
        sizes |= {rows for _, rows in recorder.calls}
        padded += sum(rows for _, rows in recorder.calls)
        held += count

    assert sizes == {1, 4, 16}
    assert padded < 1.1 * held


def test_threads_evaluate_at_the_same_time() -> None:
    recorder = Recorder(together=3)
    ParallelEvaluator(recorder, 3).evaluate(leaves_of(48, 48))

    assert recorder.calls == [(16, 16)] * 3
    assert len(recorder.threads) == 3


def test_a_batch_smaller_than_the_threads_is_evaluated_by_as_many_as_it_has_rows() -> None:
    recorder = Recorder()
    ParallelEvaluator(recorder, 4).evaluate(leaves_of(2, 8))

    assert recorder.calls == [(1, 1), (1, 1)]


def test_every_thread_compiles_every_size() -> None:
    recorder = Recorder(together=2)
    parallel = ParallelEvaluator(recorder, 2, (1, 4, 16))
    parallel.compile(leaves_of(1, 1))

    assert sorted(recorder.calls) == sorted([(1, 1), (1, 4), (1, 16)] * 2)


def test_an_error_of_any_thread_is_raised() -> None:
    class Broken(HashEvaluator):
        def evaluate(self, leaves: Leaves) -> Evaluation:
            if threading.current_thread() is not threading.main_thread():
                raise RuntimeError("broken")
            return super().evaluate(leaves)

    parallel = ParallelEvaluator(Broken(), 2)
    with pytest.raises(RuntimeError, match="broken"):
        parallel.evaluate(leaves_of(32, 32))
    assert parallel.evaluate(leaves_of(1, 32)).policy[0].any()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_error_while_compiling_is_raised_and_nobody_waits_for_ever(threads: int) -> None:
    class FailsOnce(HashEvaluator):
        calls = 0

        def evaluate(self, leaves: Leaves) -> Evaluation:
            self.calls += 1
            if self.calls == threads + 1:  # one thread fails at the second size
                raise MemoryError("too big")
            return super().evaluate(leaves)

    with pytest.raises(MemoryError, match="too big"):
        ParallelEvaluator(FailsOnce(), threads).compile(leaves_of(1, 1))


def test_it_is_named_as_what_it_uses() -> None:
    parallel = ParallelEvaluator(HashEvaluator(7), 2)
    assert (parallel.name, parallel.backend, parallel.precision, parallel.threads) == ("hash-7", "none", "float32", 2)
    parallel.close()
    parallel.close()


@pytest.mark.parametrize(
    ("threads", "part_rows", "message"),
    [(0, (1, 4), "threads must be"), (1, (), "part_rows"), (1, (2, 4), "part_rows"), (1, (1, 4, 4), "part_rows")],
)
def test_wrong_arguments_are_refused(threads: int, part_rows: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParallelEvaluator(HashEvaluator(), threads, part_rows)
