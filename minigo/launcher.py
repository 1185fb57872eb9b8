# SPDX-License-Identifier: Apache-2.0
"""Where the pairs of a gate match are played, if not by the process that judges: `Launcher`, and one for this machine.

A launcher starts `minigo match-pair` for each pair and knows which of them are at work; what was played is read from
the run, never from a launcher, so that nothing is lost with either. Kubernetes' launcher is in `cluster.jobs`.
Start at `play_elsewhere`.
"""

import collections
import logging
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from minigo.stored_match import StoredMatch

POLL_SECONDS: Final = 2.0  # how often the run is looked at
STOP_SECONDS: Final = 0.1  # how often it is asked whether to stop
MAX_RETRIES: Final = 3  # of a pair whose process was killed or failed
FAIL_PAIR: Final = 42  # exit code of a pair that would fail again
_GRACE_SECONDS: Final = 3.0  # a pair that is cut off is played again

_log = logging.getLogger(__name__)


class LauncherError(Exception):
    """The launcher can not do its work now. The message says what stands in the way."""


@dataclass(frozen=True)
class Work:
    """How far the pairs of one match are, as far as the launcher knows."""

    running: int
    failed: int
    is_over: bool  # nothing runs, and nothing will be started again


class Launcher(Protocol):
    """Has pairs of matches played somewhere. A match is known by its name, and starting it twice starts it once."""

    def start(self, match: str, pairs: int) -> None:
        """Begins with the pairs 0 to `pairs` - 1 of a match, unless that has begun. Raises LauncherError."""
        ...

    def poll(self, match: str) -> Work:
        """How far a match that was started is. Raises LauncherError."""
        ...

    def keep_only(self, match: str | None) -> None:
        """Ends the work on every other match, whoever started it. Raises LauncherError."""
        ...


def play_elsewhere(
    match: StoredMatch,
    games: range,
    launcher: Launcher,
    *,
    stop: threading.Event,
    on_game: Callable[[], None],
    on_look: Callable[[], object] = lambda: None,
) -> None:
    """Has games of a match played by a launcher, and reads them from the run until they are there.

    A game that nobody will play any more, because its pair failed too often, counts as failed.

    Args:
        match: the match.
        games: the first so many of its games, in whole pairs.
        launcher: plays them.
        stop: looked at all the time; once set, this returns, and the launcher plays on.
        on_game: called after each game; `match.points` has it then.
        on_look: called whenever it has looked for games.
    """
    launcher.keep_only(match.name)
    launcher.start(match.name, len(games) // 2)
    pause = threading.Event()
    while not stop.is_set():
        work = launcher.poll(match.name)  # first: what ended before this has its games in the run
        for _ in range(match.refresh()):
            on_game()
        on_look()
        missing = [index for index in games if index not in match.points]
        if missing and work.is_over:
            _log.warning("%d games of %s have failed", len(missing), match.name)
            match.points |= dict.fromkeys(missing)
            missing = []
            on_game()
        if not missing:
            return
        again = time.monotonic() + POLL_SECONDS
        while time.monotonic() < again and not stop.is_set():
            pause.wait(STOP_SECONDS)


@dataclass
class _LocalWork:
    waiting: collections.deque[int]
    running: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    retries: collections.Counter[int] = field(default_factory=collections.Counter)
    failed: int = 0


class LocalLauncher:
    """Plays pairs in processes of this machine, a few at a time. Close it.

    Args:
        command: the command line that plays one pair: of a match, by its number.
        parallelism: how many processes at a time.
        max_retries: how often a pair is tried again that ended with another exit code than 0 and `FAIL_PAIR`.
    """

    def __init__(
        self, command: Callable[[str, int], list[str]], parallelism: int = 1, max_retries: int = MAX_RETRIES
    ) -> None:
        self._command = command
        self._parallelism = parallelism
        self._max_retries = max_retries
        self._works: dict[str, _LocalWork] = {}

    def start(self, match: str, pairs: int) -> None:
        """See `Launcher.start`."""
        if match not in self._works:
            self._works[match] = _LocalWork(collections.deque(range(pairs)))
            self._fill(match)

    def poll(self, match: str) -> Work:
        """See `Launcher.poll`."""
        work = self._works[match]
        for pair, process in list(work.running.items()):
            code = process.poll()
            if code is not None:
                del work.running[pair]
                self._note(match, pair, code)
        self._fill(match)
        return Work(len(work.running), work.failed, is_over=not work.running and not work.waiting)

    def keep_only(self, match: str | None) -> None:
        """See `Launcher.keep_only`."""
        ended = [self._works.pop(name) for name in list(self._works) if name != match]
        processes = [process for work in ended for process in work.running.values()]
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """Ends all processes."""
        self.keep_only(None)

    def _note(self, match: str, pair: int, code: int) -> None:
        work = self._works[match]
        if code == 0:
            return
        if code != FAIL_PAIR and work.retries[pair] < self._max_retries:
            work.retries[pair] += 1
            work.waiting.append(pair)
            _log.warning("pair %d of %s ended with exit code %d: again", pair, match, code)
        else:
            work.failed += 1
            _log.warning("pair %d of %s has failed with exit code %d", pair, match, code)

    def _fill(self, match: str) -> None:
        work = self._works[match]
        while work.waiting and len(work.running) < self._parallelism:
            pair = work.waiting.popleft()
            try:
                work.running[pair] = subprocess.Popen(self._command(match, pair))
            except OSError as error:
                work.waiting.appendleft(pair)
                raise LauncherError(f"cannot start pair {pair} of {match}: {error}") from error
