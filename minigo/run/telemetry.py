# SPDX-License-Identifier: Apache-2.0
"""`Telemetry`: metrics, heartbeats and reports of a run, for people. Nothing else in a run depends on them."""

import contextlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from minigo.documents import finite, first_free, to_json
from minigo.run.files import RunFiles, checked_name
from minigo.storage import LocalStorage, StorageError, Unavailable


class Telemetry:
    """What the roles of a run say of themselves."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._metrics: dict[str, list[dict[str, Any]]] = {}
        self._next_chunk: dict[str, int] = {}

    def append_metrics(self, role: str, worker: str, rows: Iterable[dict[str, Any]]) -> None:
        """Stores rows of numbers, each with its time in seconds since 1970 (now, if it has none)."""
        now = time.time()
        lines = [json.dumps(finite({"time": now, **row}), sort_keys=True) for row in rows]
        if not lines:
            return
        base = f"metrics/{checked_name(role)}/{checked_name(worker)}-"
        data = ("\n".join(lines) + "\n").encode()

        def attempt(number: int) -> int:
            self._files.storage.create(f"{base}{number:06d}.jsonl", data)
            return number

        start = self._next_chunk[base] if base in self._next_chunk else len(list(self._files.storage.list(base)))
        self._next_chunk[base] = first_free(attempt, start) + 1

    def metrics(self, role: str) -> list[dict[str, Any]]:
        """All rows of a role in the order of their times."""
        rows: list[dict[str, Any]] = []
        for path in self._files.storage.list(f"metrics/{checked_name(role)}/"):
            if path not in self._metrics:
                try:
                    self._metrics[path] = _metric_rows(self._files.read(path))
                except (ValueError, TypeError, LookupError, StorageError) as error:
                    reason = f"{self._files.url}/{path} holds no rows of numbers: {error!r}"
                    self._files.damaged(path, error, reason)
                    continue
            rows += self._metrics[path]
        return sorted(rows, key=lambda row: float(row["time"]))

    def heartbeat(self, worker: str, status: dict[str, Any]) -> None:
        """Says that a worker lives and what it does; the last writer wins. Not said while storage is out of reach."""
        document = finite({**status, "time": time.time()})
        with contextlib.suppress(Unavailable):
            self._files.hasty_documents.put_latest(f"heartbeats/{checked_name(worker)}.json", to_json(document))

    def heartbeats(self) -> dict[str, dict[str, Any]]:
        """The last word of each worker."""
        documents = self._files.read_all(self._files.storage.list("heartbeats/"), may_change=True)
        return {Path(path).stem: document for path, document in documents.items()}

    def write_report(self, name: str, data: bytes) -> str:
        """Stores a page or picture about the run over the one before it, and returns its URL."""
        self._files.documents.put_latest(checked_name(name), data)
        return f"{self._files.url}/{name}"

    def tensorboard_folder(self, role: str) -> Path | None:
        """Where a local run keeps a role's TensorBoard events; None where the run is not local."""
        storage = self._files.storage
        return storage.root / "tensorboard" / checked_name(role) if isinstance(storage, LocalStorage) else None


def _metric_rows(data: bytes) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in data.splitlines()]
    return [{**row, "time": float(row["time"])} for row in rows]
