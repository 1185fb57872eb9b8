# SPDX-License-Identifier: Apache-2.0
"""`Workers`: a few threads that do one job after another, one at a time for each key; no thread waits for work."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

Cancelled = Callable[[], bool]
"""Whether a job's result is wanted no more."""
Job = Callable[[Cancelled], None]
"""What is done in a thread; it returns soon after it is cancelled, and raises nothing."""


class FullError(Exception):
    """More jobs are waiting than may wait."""


class _Ticket(NamedTuple):
    job: Job
    cancelled: threading.Event


class Workers:
    """Does jobs in the order in which they came. A key's newer job cancels its older one, and begins after its end.

    Args:
        threads: that work at the same time; each ends as soon as there is nothing to do.
        max_waiting: keys that may wait for a thread.
        name: of the threads.
    """

    def __init__(self, threads: int, max_waiting: int, name: str) -> None:
        self._most: Final = threads
        self._max_waiting: Final = max_waiting
        self._name = name
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._waiting: deque[str] = deque()
        self._wanted: dict[str, _Ticket] = {}
        self._running: dict[str, _Ticket] = {}
        self._threads = 0

    def submit(self, key: str, job: Job) -> None:
        """Has a job done in place of whatever else the key had.

        Raises:
            FullError: too many keys are waiting; what the key had is cancelled all the same.
        """
        with self._lock:
            self._drop(key)
            if len(self._waiting) >= self._max_waiting and self._threads >= self._most:
                raise FullError(f"{len(self._waiting)} jobs are waiting already")
            self._wanted[key] = _Ticket(job, threading.Event())
            if key not in self._running:
                self._waiting.append(key)
            if self._threads < self._most and self._waiting:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name=self._name).start()

    def cancel(self, key: str) -> None:
        """Has the key's job not begun, or ended soon."""
        with self._lock:
            self._drop(key)

    def cancel_all(self) -> None:
        """Cancels every key's job."""
        with self._lock:
            for key in {*self._wanted, *self._running}:
                self._drop(key)

    def wait_until_idle(self, seconds: float) -> bool:
        """Waits until no job is running or waiting; whether that is so now."""
        with self._lock:
            return self._idle.wait_for(lambda: not self._threads, seconds)

    @property
    def waiting(self) -> int:
        """Keys that wait for a thread."""
        with self._lock:
            return len(self._waiting)

    def _drop(self, key: str) -> None:
        for tickets in (self._wanted, self._running):
            if key in tickets:
                tickets[key].cancelled.set()
        if self._wanted.pop(key, None) is not None and key in self._waiting:
            self._waiting.remove(key)

    def _work(self) -> None:
        while (found := self._next()) is not None:
            key, ticket = found
            try:
                ticket.job(ticket.cancelled.is_set)
            finally:
                with self._lock:
                    del self._running[key]
                    if key in self._wanted:
                        self._waiting.append(key)

    def _next(self) -> tuple[str, _Ticket] | None:
        with self._lock:
            if not self._waiting:
                self._threads -= 1
                self._idle.notify_all()
                return None
            key = self._waiting.popleft()
            ticket = self._running[key] = self._wanted.pop(key)
            return key, ticket
