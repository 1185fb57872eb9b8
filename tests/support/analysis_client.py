# SPDX-License-Identifier: Apache-2.0
"""A client of the JSON analysis engine, with the engine in a thread of the same process or in one of its own."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from cc_kernels.features import PLANE_NAMES
from minigo.config import SearchConfig
from minigo.engines.analysis import AnalysisEngine, Capacity
from minigo.engines.analysis_request import Settings
from minigo.inference.evaluator import Evaluation, Evaluator, Leaves
from tests.support.area_evaluator import AreaEvaluator

Reply = dict[str, Any]
SECONDS = 60.0  # no reply takes longer than this, however busy the machine is
DEFAULTS = Settings(visits=20, wide_root_noise=0.0)
CAPACITY = Capacity()
ENDLESS = 10_000_000


class OwningEvaluator(AreaEvaluator):
    """Counts area, and says that each stone's point belongs to its owner."""

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Judges by the difference in area."""
        own, other = (
            leaves.planes[..., PLANE_NAMES.index(name)].astype(np.float32) for name in ("own stone", "opponent's stone")
        )
        return super().evaluate(leaves)._replace(ownership=own - other)


class CountingEvaluator(OwningEvaluator):
    """Remembers how many positions each batch held, and waits before each for a while."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.counts: list[int] = []
        self.seconds = seconds

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Waits, and judges by the difference in area."""
        time.sleep(self.seconds)
        self.counts.append(leaves.count)
        return super().evaluate(leaves)


class Client:
    """Sends requests and takes replies, which are read as they come."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._inbox: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self._unclaimed: list[Reply] = []
        threading.Thread(target=self._read, args=(replies,), daemon=True).start()

    def _read(self, replies: BinaryIO) -> None:
        for line in replies:
            assert line.endswith(b"\n")
            self._inbox.put(json.loads(line, parse_constant=lambda name: pytest_fail(name)))
        self._inbox.put(None)

    def send(self, *requests: Reply | bytes) -> None:
        """Sends objects, and bytes as they are."""
        for request in requests:
            line = request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n"
            self._requests.write(line)
        self._requests.flush()

    def take(self, wanted: Callable[[Reply], bool] = lambda _: True) -> Reply:
        """The first reply, of those not taken yet, that is wanted."""
        for reply in self._unclaimed:
            if wanted(reply):
                self._unclaimed.remove(reply)
                return reply
        while True:
            reply = self._inbox.get(timeout=SECONDS)
            assert reply is not None, "the engine has ended"
            if wanted(reply):
                return reply
            self._unclaimed.append(reply)

    def result(self, query_id: str, turn: int | None = None) -> Reply:
        """The last reply to a request, or about one of its turns."""
        return self.take(
            lambda reply: (
                reply.get("id") == query_id
                and reply.get("isDuringSearch") is False
                and turn in (None, reply["turnNumber"])
            )
        )

    def close(self) -> list[Reply]:
        """Ends the input; the replies that nobody has taken, to the end of the output."""
        self._requests.close()
        while (reply := self._inbox.get(timeout=SECONDS)) is not None:
            self._unclaimed.append(reply)
        return self._unclaimed


def pytest_fail(name: str) -> None:
    """JSON has no NaN and no Infinity."""
    raise AssertionError(f"{name} in a reply")


@contextmanager
def conversation(
    evaluator: Evaluator | None = None,
    settings: Settings = DEFAULTS,
    capacity: Capacity = CAPACITY,
    *,
    load: Callable[[], Evaluator] | None = None,
) -> Iterator[Client]:
    """A client, and the engine in a thread beside it."""
    loaded = OwningEvaluator() if evaluator is None else evaluator
    engine = AnalysisEngine(
        (lambda: loaded) if load is None else load, SearchConfig(), settings, capacity, version="1.2.3"
    )
    engine_end, client_end = os.pipe(), os.pipe()
    lines, requests = os.fdopen(engine_end[0], "rb", buffering=0), os.fdopen(engine_end[1], "wb")
    replies, written = os.fdopen(client_end[0], "rb"), os.fdopen(client_end[1], "wb")
    failures: list[BaseException] = []

    def run() -> None:
        try:
            engine.run(lines, written)
        except BaseException as error:  # noqa: BLE001 (raised again in the test's own thread)
            failures.append(error)
        finally:
            written.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    client = Client(requests, replies)
    try:
        yield client
    finally:
        if not requests.closed:
            client.send({"id": "the end", "action": "terminate_all"})
            client.close()
        thread.join(SECONDS)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


PROGRAM = """
from minigo.config import SearchConfig
from minigo.engines.analysis import AnalysisEngine, Capacity, serve
from minigo.engines.analysis_request import Settings
def load():
    {load}
    print("a framework greets stdout", flush=True)
    from tests.support.analysis_client import OwningEvaluator
    return OwningEvaluator()
serve(AnalysisEngine(load, SearchConfig(), Settings(), Capacity(), version="1.2.3"))
"""


@contextmanager
def process(load: str = "pass", command: Sequence[str] = ()) -> "Iterator[subprocess.Popen[bytes]]":
    """A command, or the engine as a process that loads our evaluator; killed in the end if it still runs."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    started = command if command else [sys.executable, "-c", PROGRAM.format(load=load)]
    with subprocess.Popen(started, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as running:
        try:
            yield running
        finally:
            running.kill()


def query(query_id: str = "q", size: int = 5, **fields: Any) -> Reply:
    """A request for analysis of an empty board, with other fields as given."""
    return {
        "id": query_id,
        "moves": [],
        "rules": "tromp-taylor",
        "komi": 0.5,
        "boardXSize": size,
        "boardYSize": size,
    } | fields


def moves(text: str) -> list[list[str]]:
    """What a request has for "B D4 W pass"."""
    words = text.split()
    return [list(pair) for pair in zip(words[::2], words[1::2], strict=True)]
