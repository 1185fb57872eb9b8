# SPDX-License-Identifier: Apache-2.0
"""Games in the browser, and networks for them that do as a test wants: answer, hang, break down, or do not load."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from minigo.config import SearchConfig
from minigo.go.coords import move_from_vertex
from minigo.inference.evaluator import Evaluation, Evaluator, HashEvaluator, Leaves
from minigo.inference.process import ProcessEvaluator
from ratings.play.game import Setting
from ratings.play.limits import PlayLimits
from ratings.play.session import SessionView
from ratings.play.sessions import PlaySessions
from tests.support.waiting import wait_until

PROGRAM = """
import os, sys
sys.path[:0] = {path!r}
from minigo.inference.evaluator import HashEvaluator
from minigo.inference.process import serve
serve(lambda: HashEvaluator({seed}), [int(number) for number in sys.argv[1:]], print)
"""


class FakeNetwork:
    """A network's process that is none."""

    backend = "none"
    precision = "float32"

    def __init__(self, name: str, inner: Evaluator | None = None) -> None:
        self.name = name
        self.loads = threading.Event()
        self.loads.set()
        self.answers = threading.Event()
        self.answers.set()
        self.closed = threading.Event()
        self.error: Exception | None = None
        self.calls = 0
        self._inner = HashEvaluator() if inner is None else inner

    def wait_until_loaded(self) -> None:
        self._wait(self.loads)

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.calls += 1
        self._wait(self.answers)
        if self.error is not None:
            raise self.error
        return self._inner.evaluate(leaves)

    def close(self) -> None:
        self.closed.set()

    def _wait(self, event: threading.Event) -> None:
        while not event.wait(0.005):
            if self.closed.is_set():
                raise OSError("the network's process was ended")


class Networks:
    """Starts fake networks, and remembers all of them."""

    def __init__(self, inner: Callable[[], Evaluator] = HashEvaluator) -> None:
        self.made: list[FakeNetwork] = []
        self.prepare: Callable[[FakeNetwork], None] = lambda _: None
        self._inner = inner

    def start(self, name: str) -> FakeNetwork:
        network = FakeNetwork(name, self._inner())
        self.prepare(network)
        self.made.append(network)
        return network

    @property
    def live(self) -> list[FakeNetwork]:
        return [network for network in self.made if not network.closed.is_set()]


def start_process(name: str) -> ProcessEvaluator:
    """A network in a real process of its own, though it knows nothing."""
    return ProcessEvaluator([sys.executable, "-c", PROGRAM.format(path=sys.path, seed=int(name))], 2)


@contextmanager
def playing(fakes: Networks, **limits: Any) -> Iterator[PlaySessions]:
    """Games against fake networks."""
    sessions = PlaySessions(fakes.start, SearchConfig(), PlayLimits(**limits))
    try:
        yield sessions
    finally:
        sessions.close()


def setting(**more: Any) -> Setting:
    """A small game against network 000001."""
    return Setting(**{"opponent": "000001", "board_size": 5, "komi": 0.5, "visits": 8, **more})


def point(vertex: str) -> int:
    """A vertex of such a game's board."""
    return move_from_vertex(vertex, 5)


def settled(sessions: PlaySessions, game_id: str) -> SessionView:
    """The game once nothing is being done for it."""
    wait_until(lambda: not sessions.view(game_id).is_busy)
    return sessions.view(game_id)


def playing_threads() -> list[str]:
    """Names of the threads that games have now."""
    names = ("playing", "loading", "sweeper", "evaluator")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]
