# SPDX-License-Identifier: Apache-2.0
"""Waiting for a storage that is out of reach: a worker goes on when it is back, rather than ending.

Only what passes by itself is waited for (`Unavailable`); a wrong bucket or a missing permission ends the worker at
once. Start at `PatientStorage`.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, TypeVar

from minigo.storage import Storage, Unavailable, Version

FIRST_DELAY_SECONDS: Final = 0.5
MAX_DELAY_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


def patiently(action: Callable[[], _T], stop: threading.Event, *, on_retry: Callable[[], None] = lambda: None) -> _T:
    """The result of an action, which is tried again until storage is there.

    The delay doubles from try to try, and a random share of it passes, so that many workers do not come back together.

    Args:
        action: may be done twice.
        stop: ends the waiting.
        on_retry: called before each new try.

    Raises:
        Unavailable: storage was out of reach when `stop` was set.
        Whatever else the action raises, at once.
    """
    delay = FIRST_DELAY_SECONDS
    while True:
        try:
            return action()
        except Unavailable as error:
            wait = random.uniform(0.0, delay)  # noqa: S311 (spreads load, keeps no secret)
            _log.warning("%s; again in %.1f s", error, wait)
            if stop.wait(wait):
                raise
            on_retry()
            delay = min(2 * delay, MAX_DELAY_SECONDS)


class PatientStorage:
    """A storage that is waited for whenever it is out of reach.

    Its writes say what they expect to find, so that one may be repeated whose reply was lost.

    Args:
        storage: what is behind it.
        stop: ends the waiting; see `patiently`.
        on_retry: called whenever something is tried again.
    """

    def __init__(self, storage: Storage, stop: threading.Event, on_retry: Callable[[], None] = lambda: None) -> None:
        self.url = storage.url
        self._storage = storage
        self._stop = stop
        self._on_retry = on_retry

    def read(self, path: str) -> tuple[bytes, Version]:
        """See `Storage.read`."""
        return self._patiently(lambda: self._storage.read(path))

    def open(self, path: str) -> BinaryIO:
        """See `Storage.open`."""
        return self._patiently(lambda: self._storage.open(path))

    def create(self, path: str, data: bytes) -> Version:
        """See `Storage.create`."""
        return self._patiently(lambda: self._storage.create(path, data))

    def swap(self, path: str, data: bytes, *, expected: Version) -> Version:
        """See `Storage.swap`."""
        return self._patiently(lambda: self._storage.swap(path, data, expected=expected))

    def list(self, prefix: str) -> Iterator[str]:
        """See `Storage.list`. A listing that breaks off begins anew, so none is seen before all are there."""
        yield from self._patiently(lambda: [*self._storage.list(prefix)])

    def delete(self, path: str) -> None:
        """See `Storage.delete`."""
        self._patiently(lambda: self._storage.delete(path))

    def _patiently(self, action: Callable[[], _T]) -> _T:
        return patiently(action, self._stop, on_retry=self._on_retry)
