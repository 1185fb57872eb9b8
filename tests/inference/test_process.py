# SPDX-License-Identifier: Apache-2.0
"""A network in a process of its own evaluates as it would here, tells of its troubles, and does not outlive us."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from minigo.go.position import Position
from minigo.inference.evaluator import HashEvaluator, UniformEvaluator
from minigo.inference.process import LastingEvaluator, ProcessEvaluator, RemoteError
from minigo.players import leaves_of

PROGRAM = """
import os, sys, time
sys.path[:0] = {path!r}
from minigo.inference.evaluator import HashEvaluator, UniformEvaluator
from minigo.inference.process import serve
{more}
serve(load, [int(number) for number in sys.argv[1:]], print)
"""
HASH = "load = lambda: HashEvaluator(5)"


@contextmanager
def remote(more: str = HASH, channels: int = 1) -> Iterator[ProcessEvaluator]:
    evaluator = ProcessEvaluator([sys.executable, "-c", PROGRAM.format(path=sys.path, more=more)], channels)
    try:
        yield evaluator
    finally:
        evaluator.close()


def some_leaves(board_size: int, rows: int):
    position = Position.empty(board_size, 0.5, "cgos")
    positions = [position.play(number % position.board.num_moves) for number in range(rows - 1)]
    return leaves_of(positions, rows)


def same(ours, theirs) -> bool:
    return all((a is None and b is None) or np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_numbers_are_those_of_an_evaluator_in_this_process():
    with remote() as evaluator:
        evaluator.wait_until_loaded()
        assert (evaluator.name, evaluator.backend, evaluator.precision) == ("hash-5", "none", "float32")
        for board_size, rows in ((5, 3), (19, 8), (2, 2), (5, 32)):
            leaves = some_leaves(board_size, rows)
            assert same(HashEvaluator(5).evaluate(leaves), evaluator.evaluate(leaves))


def test_ownership_may_be_missing():
    more = """
class Without(UniformEvaluator):
    def evaluate(self, leaves):
        return super().evaluate(leaves)._replace(ownership=None)
load = Without
"""
    with remote(more) as evaluator:
        evaluator.wait_until_loaded()
        leaves = some_leaves(5, 2)
        found = evaluator.evaluate(leaves)
    assert found.ownership is None
    assert (found.policy == UniformEvaluator().evaluate(leaves).policy).all()


def test_several_callers_are_evaluated_for_at_once():
    more = """
class Slow(HashEvaluator):
    def evaluate(self, leaves):
        time.sleep(0.5)
        return super().evaluate(leaves)
load = lambda: Slow(5)
"""
    leaves = [some_leaves(5, rows) for rows in (2, 3, 4, 5)]
    found = [None] * 4
    with remote(more, channels=4) as evaluator:
        evaluator.wait_until_loaded()

        def ask(number: int) -> None:
            found[number] = evaluator.evaluate(leaves[number])

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert time.monotonic() - began < 1.5
    assert all(same(HashEvaluator(5).evaluate(part), there) for part, there in zip(leaves, found, strict=True))


def test_what_loading_raises_is_told_with_its_class():
    with (
        remote("def load(): raise FileNotFoundError('no network here')") as evaluator,
        pytest.raises(RemoteError, match="no network here") as caught,
    ):
        evaluator.wait_until_loaded()
    assert caught.value.class_names[:2] == ["builtins.FileNotFoundError", "builtins.OSError"]


def test_an_evaluation_that_fails_is_told_and_the_next_one_works():
    more = """
class Moody(HashEvaluator):
    def evaluate(self, leaves):
        if leaves.count == 1:
            raise MemoryError("too much")
        return super().evaluate(leaves)
load = lambda: Moody(5)
"""
    with remote(more) as evaluator:
        evaluator.wait_until_loaded()
        with pytest.raises(RemoteError, match="MemoryError: too much"):
            evaluator.evaluate(some_leaves(5, 2))
        assert same(HashEvaluator(5).evaluate(some_leaves(5, 4)), evaluator.evaluate(some_leaves(5, 4)))


@pytest.mark.parametrize("more", ["os._exit(7)", "def load(): os._exit(7)"])
def test_a_process_that_dies_is_an_error_at_once(more):
    with remote(more) as evaluator, pytest.raises(RemoteError, match="ended with status 7"):
        evaluator.wait_until_loaded()


def test_closing_frees_whoever_waits():
    errors = []
    with remote("def load(): time.sleep(60)") as evaluator:

        def wait() -> None:
            try:
                evaluator.wait_until_loaded()
            except RemoteError as error:
                errors.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.3)
        evaluator.close()
        thread.join(5)
    assert len(errors) == 1


def test_the_process_ends_with_ours_even_while_it_loads():
    """Ours is killed, and has no chance to say good-bye."""
    program = PROGRAM.format(path=sys.path, more="def load(): time.sleep(60)")
    starter = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from minigo.inference.process import ProcessEvaluator
evaluator = ProcessEvaluator([sys.executable, "-c", {program!r}])
print(evaluator._process.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE) as ours:
        assert ours.stdout is not None
        child = int(ours.stdout.readline())
        time.sleep(0.3)
        ours.kill()
    deadline = time.monotonic() + 10
    while is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
    except OSError:
        os.kill(pid, 0)
        return True


@contextmanager
def lasting(more: str = HASH, channels: int = 1) -> Iterator[LastingEvaluator]:
    evaluator = LastingEvaluator([sys.executable, "-c", PROGRAM.format(path=sys.path, more=more)], channels)
    try:
        yield evaluator
    finally:
        evaluator.close()


def test_a_process_that_has_broken_down_is_started_again_once_for_all_callers(caplog):
    leaves = some_leaves(5, 3)
    with lasting(channels=2) as evaluator:
        evaluator.wait_until_loaded()
        assert (evaluator.name, evaluator.backend, evaluator.precision) == ("hash-5", "none", "float32")
        evaluator._current._process.kill()
        with ThreadPoolExecutor(2) as pool:
            for found in pool.map(evaluator.evaluate, [leaves] * 4):
                assert same(HashEvaluator(5).evaluate(leaves), found)
        assert caplog.text.count("started again") == 1
        evaluator._current._process.kill()
        with pytest.raises(RemoteError, match="ended with status -9"):
            evaluator.evaluate(leaves)


def test_what_an_evaluation_raises_or_a_close_ends_is_not_tried_again(caplog):
    more = """
class Failing(HashEvaluator):
    def evaluate(self, leaves):
        raise ValueError("no")
load = Failing
"""
    with lasting(more) as evaluator:
        evaluator.wait_until_loaded()
        with pytest.raises(RemoteError, match="ValueError: no"):
            evaluator.evaluate(some_leaves(5, 3))
        evaluator.close()
        with pytest.raises(RemoteError, match="was ended"):
            evaluator.evaluate(some_leaves(5, 3))
    assert "started again" not in caplog.text


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell a process's time")
def test_the_process_tells_its_processor_time():
    with remote("while time.process_time() < 0.5: pass\n" + HASH) as evaluator:
        evaluator.wait_until_loaded()
        assert 0.4 <= evaluator.cpu_seconds() < 30
