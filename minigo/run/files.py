# SPDX-License-Identifier: Apache-2.0
"""What all parts of a run share: its storage, the documents in it, and who is told of damage. Start at `RunFiles`."""

import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from minigo.documents import Documents, RunError
from minigo.patience import PatientStorage
from minigo.storage import LocalStorage, Storage, StorageError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class RunFiles:
    """The files of a run.

    Args:
        storage: where they are.
        on_damage: told of what is damaged, as (path, reason), which is then left out of what lists it; None: damage is
            an error.
    """

    def __init__(self, storage: Storage, on_damage: Callable[[str, str], object] | None) -> None:
        self.url = storage.url
        self.storage = storage
        self.documents = Documents(storage)
        self.hasty_documents = self.documents
        """Never waits, however patient the others are."""
        self._on_damage = on_damage
        self._read_once: dict[str, dict[str, Any]] = {}  # documents that never change

    @property
    def is_local(self) -> bool:
        """Whether this is a folder."""
        return isinstance(self.storage, LocalStorage)

    def be_patient(self, stop: threading.Event, on_retry: Callable[[], None]) -> None:
        """As `Run.be_patient`."""
        if not self.is_local:
            self.storage = PatientStorage(self.storage, stop, on_retry)
            self.documents = Documents(self.storage)

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self.storage.list(path)

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        return self.storage.read(path)[0]

    def damaged(self, path: str, error: Exception, reason: str | None = None) -> None:
        """Tells of damage, and why; by default by the error's message. Raises the error if nobody wants to be told."""
        if self._on_damage is None:
            raise error
        self._on_damage(path, str(error) if reason is None else reason)

    def read_all(self, paths: Iterable[str], *, may_change: bool = False) -> dict[str, dict[str, Any]]:
        """The documents at these paths, each read once unless it may change; some are left out if somebody is told.

        Raises:
            RunError: one is damaged or gone, and nobody wants to be told of it instead.
        """
        found = {}
        for path in paths:
            document = self._read_once.get(path)
            try:
                if document is None:
                    document, _ = self.documents.read(path)
            except (RunError, StorageError) as error:
                self.damaged(path, error)
            if document is not None:
                found[path] = document
                if not may_change:
                    self._read_once[path] = document
        return found


def checked_name(name: str) -> str:
    """The name. Raises RunError for one that could not be a part of a path."""
    if not _NAME.fullmatch(name):
        raise RunError(f"a name must be letters, digits and ._- and begin with one of the former, got {name!r}")
    return name


def hour_name(ago: int = 0) -> str:
    """The hour, now or so many hours ago, as it stands in paths: like "2024123123", in UTC."""
    return time.strftime("%Y%m%d%H", time.gmtime(time.time() - 3600 * ago))
