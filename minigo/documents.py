# SPDX-License-Identifier: Apache-2.0
"""JSON documents in a `Storage`: read with their format version, created once, moved by compare-and-swap.

What the documents are and where they lie is `minigo.run`'s business.
"""

import contextlib
import json
import math
import time
import uuid
from collections.abc import Callable
from typing import Any, Final, TypeVar

from minigo.storage import AlreadyExists, Conflict, NotFound, Storage, Version

FORMAT_VERSION: Final = 1
_MAX_ATTEMPTS: Final = 1000  # attempts after which something is wrong
_T = TypeVar("_T")


class RunError(Exception):
    """The run can not be used as asked. The message names the run and what was expected."""


class NoRunError(RunError):
    """There is no run, at least not yet."""


class CorruptError(RunError):
    """Stored bytes are not those that were published. Refuse them."""


class StaleError(RunError):
    """Another process moved the state on since it was read: decide again, or stop."""


class Documents:
    """The JSON documents of one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def read(self, path: str) -> tuple[dict[str, Any] | None, Version]:
        """A document and its version, or None where there is none.

        Raises:
            CorruptError: it is no document.
            RunError: it is of another format version.
        """
        try:
            data, version = self._storage.read(path)
        except NotFound:
            return None, ""
        try:
            document = json.loads(data)
            found = document["format_version"]
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptError(f"{self._storage.url}/{path} is not a run's document: {error!r}") from None
        if found != FORMAT_VERSION:
            raise RunError(f"{self._storage.url}/{path} has format {found}, expected {FORMAT_VERSION}")
        return document, version

    def require(self, path: str) -> dict[str, Any]:
        """A document that must be there. Raises RunError where it is not."""
        document, _ = self.read(path)
        if document is None:
            raise RunError(f"{self._storage.url} has no {path}")
        return document

    def create_first(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        """Stores a document unless there is one; returns the one in force."""
        with contextlib.suppress(AlreadyExists):
            self._storage.create(path, to_json(document))
        return self.require(path)

    def move(self, path: str, document: dict[str, Any], expected: Version | None) -> Version:
        """Replaces the expected version of a state, or creates it where None is expected.

        Raises:
            StaleError: another process has moved it on.
        """
        data = to_json({**document, "time": time.time(), "nonce": uuid.uuid4().hex})
        try:
            if expected is None:
                return self._storage.create(path, data)
            return self._storage.swap(path, data, expected=expected)
        except (AlreadyExists, Conflict) as error:
            raise StaleError(f"another process changed the state: {error}") from None

    def put_latest(self, path: str, data: bytes) -> None:
        """Writes over what is there; the last writer wins."""
        for _ in range(_MAX_ATTEMPTS):
            with contextlib.suppress(AlreadyExists, Conflict):
                try:
                    version = self._storage.read(path)[1]
                except NotFound:
                    self._storage.create(path, data)
                else:
                    self._storage.swap(path, data, expected=version)
                return


def to_json(document: dict[str, Any]) -> bytes:
    """A document as it is stored: sorted, so that equal documents are equal bytes."""
    return json.dumps({**document, "format_version": FORMAT_VERSION}, sort_keys=True, indent=1).encode()


def finite(row: dict[str, Any]) -> dict[str, Any]:
    """The row with None for infinity and NaN, which JSON does not have."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


def first_free(attempt: Callable[[int], _T], number: int) -> _T:
    """The result of the first attempt, counting from `number`, that is not answered with AlreadyExists."""
    for candidate in range(number, number + _MAX_ATTEMPTS):
        with contextlib.suppress(AlreadyExists):
            return attempt(candidate)
    raise RunError(f"no free number in {number}..{number + _MAX_ATTEMPTS - 1}")
