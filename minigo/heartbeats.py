# SPDX-License-Identifier: Apache-2.0
"""`Heartbeats`: what a worker says of itself in its run, often enough to be seen alive and no oftener.

What is said there is for people who watch the run; `minigo.health` is for whoever keeps the process running.
"""

import math
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from minigo.run import Run

BUCKET_SECONDS: Final = 60.0  # between the words of a worker in a bucket, where each write has its price
FOLDER_SECONDS: Final = 10.0  # in a folder, as long as there is nothing new to say


class Heartbeats:
    """Says what a worker does whenever it is called, but not too often. The block's end is said, too.

    Args:
        run: where it is said.
        worker: who says it.
        role: what the worker is.
        details: what is said besides.
        on_beat: told of every call.
    """

    def __init__(
        self,
        run: Run,
        worker: str,
        role: str,
        details: Callable[[], Mapping[str, Any]] = dict,
        on_beat: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._run = run
        self._worker = worker
        self._role = role
        self._details = details
        self._on_beat = on_beat
        self._is_bucket = "://" in run.url
        self._last = -math.inf
        self._said = ""

    def __call__(self, doing: str) -> None:
        """The worker has got on with this."""
        self._on_beat(doing)
        silence = time.monotonic() - self._last
        if silence >= BUCKET_SECONDS or (not self._is_bucket and (doing != self._said or silence >= FOLDER_SECONDS)):
            self._say(doing)

    def _say(self, doing: str) -> None:
        self._last, self._said = time.monotonic(), doing
        self._run.telemetry.heartbeat(self._worker, {"role": self._role, "doing": doing, **self._details()})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._said:
            self._say("stopped")
