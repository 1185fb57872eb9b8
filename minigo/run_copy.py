# SPDX-License-Identifier: Apache-2.0
"""A run moved to another place: from a folder to a bucket, back, or from bucket to bucket.

What never changes is copied first, then the state that names it, and last what makes the copy a run. So an interrupted
copy is none yet; one into a run that is there has a mark, with which nobody opens it. The same copy again goes on. A
copy that is continued can be copied back, as long as only one of the two went on. Start at `copy_run`.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from minigo.run import (
    CHAMPION_STATE,
    CHECKPOINTS,
    COPYING,
    CURRICULUM,
    HISTORY,
    NETWORK_MARKER,
    RUN_DOCUMENT,
    TRAINER_STATE,
    NoRunError,
    RunError,
    is_passing,
    is_run,
)
from minigo.storage import AlreadyExists, Conflict, NotFound, Storage, storage_at

_STATES: Final = (TRAINER_STATE, CHAMPION_STATE)  # in the order in which they are moved


@dataclass(frozen=True)
class CopyCount:
    """What a copy did, in files."""

    copied: int
    there_already: int


def copy_run(
    source: str,
    target: str,
    *,
    stop: threading.Event | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> CopyCount | None:
    """Copies a run, or what has come to it since it was copied; first the run on a smaller board inside it, if any.

    The source may go on meanwhile: the copy is the run of the moment when this began, with some games more.

    Args:
        source: URL of the run.
        target: URL of an empty place, or of an earlier copy, or of what this run was copied from.
        stop: once set, the rest is left for the next time.
        progress: told how many of how many new files are there.

    Returns:
        What was copied; None if it was stopped before the end.

    Raises:
        RunError: the source is no run, the target is another one, or both went on since they were one.
    """
    here, there = storage_at(source), storage_at(target)
    document, states = _read(here, RUN_DOCUMENT), {path: _read(here, path) for path in _STATES}
    if document is None:
        raise NoRunError(f"{here.url} is not a run (missing {RUN_DOCUMENT})")
    if COPYING in here.list(COPYING):
        raise RunError(f"{here.url} has been copied to, not to the end: that copy first")
    found = _read(there, RUN_DOCUMENT)
    if found not in (None, document):
        raise RunError(f"{there.url} is another run than {here.url}: choose an empty place")
    _check_that_target_is_older(here, there, states)

    inner, inside = f"{CURRICULUM}/", CopyCount(0, 0)
    if is_run(f"{here.url}/{CURRICULUM}"):
        copied = copy_run(f"{here.url}/{CURRICULUM}", f"{there.url}/{CURRICULUM}", stop=stop, progress=progress)
        if copied is None:
            return None
        inside = copied
    if found is not None:
        there.create(COPYING, b"{}")
    existing = set(there.list(""))
    last = {*_STATES, RUN_DOCUMENT}
    paths = [path for path in here.list("") if path not in last and not path.startswith(inner) and not is_passing(path)]
    new = sorted(
        (path for path in paths if path not in existing), key=lambda path: (path.endswith(NETWORK_MARKER), path)
    )
    for done, path in enumerate(new):
        if stop is not None and stop.is_set():
            return None
        _copy(here, there, path)
        progress(done + 1, len(new))
    for path in _STATES:
        data = states[path]
        if data is not None:
            _move_state(there, path, data)
    there.create(RUN_DOCUMENT, document)
    if found is not None:
        there.delete(COPYING)
    return CopyCount(inside.copied + len(new), inside.there_already + len(paths) - len(new))


def _check_that_target_is_older(here: Storage, there: Storage, states: dict[str, bytes | None]) -> None:
    """Raises RunError unless the target's state is one that the source once had."""
    trainer, champion = (_document(_read(there, path)) for path in _STATES)
    ours = [_document(states[path]) for path in _STATES]
    apart = f"{there.url} and {here.url} both went on since they were one run"
    if trainer is not None:
        nothing: dict[str, Any] = {"epoch": -1, "step": -1, "manifests": []}
        ahead = ours[0] if ours[0] is not None else nothing
        manifests = trainer["manifests"]
        is_older = (trainer["epoch"], trainer["step"]) <= (ahead["epoch"], ahead["step"])
        if not is_older or ahead["manifests"][: len(manifests)] != manifests:
            raise RunError(f"{apart}: the trainer is at step {trainer['step']} there and {ahead['step']} here")
    if champion is not None:
        filed = _document(_read(here, f"{HISTORY}{champion['number']:06d}.json"))
        if champion not in (filed, ours[1]):
            raise RunError(f"{apart}: promotion {champion['number']} made {champion['network']} champion there only")


def _copy(here: Storage, there: Storage, path: str) -> None:
    try:
        there.create(path, here.read(path)[0])
    except NotFound:
        if not path.startswith(CHECKPOINTS):  # an old checkpoint may be pruned meanwhile
            raise
    except AlreadyExists as error:
        raise RunError(f"{error}: both went on since they were one run") from None


def _move_state(there: Storage, path: str, data: bytes) -> None:
    try:
        try:
            current, version = there.read(path)
        except NotFound:
            there.create(path, data)
        else:
            if current != data:
                there.swap(path, data, expected=version)
    except (AlreadyExists, Conflict) as error:
        raise RunError(f"{error}: somebody works on {there.url}; stop them, and copy again") from None


def _read(storage: Storage, path: str) -> bytes | None:
    try:
        return storage.read(path)[0]
    except NotFound:
        return None


def _document(data: bytes | None) -> dict[str, Any] | None:
    """A state or history entry as it is compared: formatted alike, whoever wrote it."""
    found: dict[str, Any] | None = json.loads(data) if data is not None else None
    return found
