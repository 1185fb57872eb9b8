# SPDX-License-Identifier: Apache-2.0
"""The rating book: a SQLite index over the match records of a run, so that a refit need not read every game again.

The records are the truth, the book is a cache: it lies outside the run, can be deleted at any time, and is made anew
when it belongs to another run or to another version of this program. Start at `open_book`.
"""

import hashlib
import json
import logging
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from minigo.data.shards import ShardError, read_shard
from minigo.match import points_from_record
from minigo.run import Run, RunError
from ratings.elo import Result, Setting

BOOK_VERSION: Final = 3
READ_TOGETHER: Final = 200  # games that are read before they are written down
AGAIN_SECONDS: Final = 60.0  # between two readings of games that did not count: damage may have been repaired
BUSY_SECONDS: Final = 30.0  # how long to wait for another process that writes

NO_PLAYERS: Final = "its match has no two players"

_TABLES: Final = """
CREATE TABLE about (run TEXT NOT NULL, version INTEGER NOT NULL);
CREATE TABLE networks (name TEXT PRIMARY KEY, parent TEXT);
CREATE TABLE matches (
    name TEXT PRIMARY KEY, kind TEXT, player TEXT, opponent TEXT, outside TEXT, evaluate TEXT
);
CREATE TABLE games (
    path TEXT PRIMARY KEY, match TEXT NOT NULL, number INTEGER NOT NULL, black TEXT, white TEXT,
    board_size INTEGER, komi REAL, points REAL, fault TEXT NOT NULL
);
"""

_log = logging.getLogger(__name__)


class Book:
    """The index of one run. Use it from one thread, and close it.

    Args:
        path: the file; ":memory:" keeps it in this process.
        run: the run that it is about.

    Raises:
        sqlite3.Error: the file can neither be used nor be made anew.
    """

    def __init__(self, path: str, run: Run) -> None:
        self.path = path
        self._run = run
        self._identity = run.identity()
        self._database = self._opened()
        self._next_reading = -math.inf  # of what did not count
        self._unmatched: dict[str, tuple[str, int]] = {}  # games whose match has no two players yet, by path
        self._warned: set[str] = set()

    def _opened(self) -> sqlite3.Connection:
        """The database with its tables; what is no book, or another's, is thrown away."""
        database = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
        try:
            if database.execute("SELECT run, version FROM about").fetchall() == [(self._identity, BOOK_VERSION)]:
                return database
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise
        database.close()
        if self.path != ":memory:":
            for leftover in ("", "-journal", "-wal", "-shm"):
                Path(self.path + leftover).unlink(missing_ok=True)
        database = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
        with database:
            database.executescript(_TABLES)
            database.execute("INSERT INTO about VALUES (?, ?)", (self._identity, BOOK_VERSION))
        return database

    def update(self, *, progress: Callable[[int, int], None] | None = None, stop: threading.Event | None = None) -> int:
        """Reads what is new in the run; the number of games that were new.

        Args:
            progress: told how many of how many new games have been read.
            stop: once set, the rest is left for the next time.
        """
        self._add_networks()
        self._add_matches()
        listed = {path: (match, number) for match, number, path in self._run.matches.all_games()}
        known = self._known(listed)
        players = {name: pair for name, *pair in self._database.execute("SELECT name, player, opponent FROM matches")}
        missing = {path: place for path, place in listed.items() if path not in known}
        self._unmatched = {path: place for path, place in missing.items() if not _are_two(players.get(place[0]))}
        new = [path for path in missing if path not in self._unmatched]
        done = 0
        for start in range(0, len(new), READ_TOGETHER):
            if stop is not None and stop.is_set():
                break
            part = new[start : start + READ_TOGETHER]
            self._write(self._row(path, *listed[path], players[listed[path][0]]) for path in part)
            done += len(part)
            if progress is not None:
                progress(done, len(new))
        return done

    def _known(self, listed: Collection[str]) -> set[str]:
        """The paths that need not be read; now and then, those that did not count are none of them."""
        known = {path for (path,) in self._database.execute("SELECT path FROM games")}
        if time.monotonic() < self._next_reading:
            return known
        self._next_reading = time.monotonic() + AGAIN_SECONDS
        faulted = self.faults().keys() - self._unmatched.keys()
        gone = [(path,) for path in faulted if path not in listed]
        with self._database:
            self._database.executemany("DELETE FROM games WHERE path = ?", gone)
        return known - faulted

    def _write(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Writes down games that are new, or are not what they were."""
        before = "SELECT * FROM games WHERE path = ?"
        changed = [row for row in rows if self._database.execute(before, row[:1]).fetchone() != row]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO games VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", changed)

    def _add_networks(self) -> None:
        known = {name for (name,) in self._database.execute("SELECT name FROM networks")}
        new = [name for name in self._run.networks() if name not in known]
        rows = []
        for name in new:
            try:
                rows.append((name, _text(self._run.network_info(name), "parent")))
            except RunError as error:
                _log.warning("a network is left out: %s", error)
        with self._database:
            self._database.executemany("INSERT OR IGNORE INTO networks VALUES (?, ?)", rows)

    def _add_matches(self) -> None:
        """Reads the specs that are new, and again those that name no two players."""
        known = {name: row for name, *row in self.matches()}
        rows = []
        for name in self._run.matches.names():
            if name in known and _are_two(known[name][1:3]):
                continue
            try:
                spec = self._run.matches.spec(name)
            except (RunError, KeyError) as error:
                if name not in self._warned:
                    _log.warning("match %s is left out: %s", name, error)
                    self._warned.add(name)
                continue
            if isinstance(spec, dict):
                row = [_text(spec, key) for key in ("kind", "player", "opponent", "opponent_player")]
                evaluate = spec.get("evaluate")
                row.append(json.dumps(evaluate) if isinstance(evaluate, dict) else None)
                rows += [(name, *row)] if row != known.get(name) else []
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO matches VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _row(self, path: str, match: str, number: int, players: Sequence[str]) -> tuple[Any, ...]:
        """One game as it is written down; `fault` says why one does not count."""
        try:
            _, records = read_shard(self._run.read(path))
        except ShardError as error:
            _log.warning("%s does not count: %s", path, error)
            return (path, match, number, None, None, None, None, None, str(error))
        points, record = points_from_record(number, records[0]), records[0]
        black, white = players if number % 2 == 0 else reversed(players)
        of_black = points if number % 2 == 0 else 1 - points
        return (path, match, number, black, white, record.board_size, record.komi, of_black, "")

    @property
    def state(self) -> tuple[Any, ...]:
        """What changes whenever anything in the book does, whoever writes: this process or another one."""
        version = self._database.execute("PRAGMA data_version").fetchone()  # of what others have written
        return version, self._database.total_changes, tuple(self._unmatched)

    def results(self) -> list[Result]:
        """All games that count, added up; always in the same order."""
        rows = self._database.execute(
            "SELECT black, white, board_size, komi, SUM(points = 1), SUM(points = 0.5), SUM(points = 0) FROM games "
            "WHERE fault = '' GROUP BY black, white, board_size, komi ORDER BY black, white, board_size, komi"
        )
        return [
            Result(b, w, wins, draws, losses, Setting(size, komi)) for b, w, size, komi, wins, draws, losses in rows
        ]

    def parents(self) -> dict[str, str | None]:
        """Every network of the run, oldest first, with the one that it grew out of."""
        return dict(self._database.execute("SELECT name, parent FROM networks ORDER BY name"))

    def outside_players(self) -> dict[str, str]:
        """The outside players that have met a network, by name, as a PLAYER of the command line."""
        rows = self._database.execute("SELECT opponent, outside FROM matches WHERE outside IS NOT NULL ORDER BY name")
        return dict(rows)

    def rating_pairs(self) -> int:
        """Pairs of games that were played for the ratings alone."""
        query = "SELECT COUNT(*) FROM games JOIN matches ON games.match = matches.name WHERE matches.kind = 'rating'"
        games: int = self._database.execute(query).fetchone()[0]
        return games // 2

    def matches(self) -> list[tuple[str, str | None, str | None, str | None, str | None, str | None]]:
        """(name, kind, player, opponent, opponent as a PLAYER, JSON of how it is judged) of every match, sorted."""
        query = "SELECT name, kind, player, opponent, outside, evaluate FROM matches ORDER BY name"
        return self._database.execute(query).fetchall()

    def games(self) -> list[tuple[str, int, float | None, str]]:
        """(match, number, points of Black, fault) of every game, sorted; without a fault there are points."""
        rows = self._database.execute("SELECT match, number, points, fault FROM games").fetchall()
        return sorted([*rows, *((match, number, None, NO_PLAYERS) for match, number in self._unmatched.values())])

    def faults(self) -> dict[str, str]:
        """Games that do not count, by path, and why."""
        found = dict(self._database.execute("SELECT path, fault FROM games WHERE fault != ''"))
        return dict(sorted({**found, **dict.fromkeys(self._unmatched, NO_PLAYERS)}.items()))

    def clear(self) -> None:
        """Forgets everything; the next `update` reads every record again."""
        with self._database:
            for table in ("games", "matches", "networks"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 (the names are ours)

    def close(self) -> None:
        """Releases the file."""
        self._database.close()

    def __enter__(self) -> "Book":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_book(run: Run, path: str | None = None) -> Book:
    """The book of a run, in a file of the user's cache unless a path is given; in memory where that can not be."""
    if path is not None:
        return Book(path, run)
    try:
        place = _default_path(run.url)
        place.parent.mkdir(parents=True, exist_ok=True)
        return Book(str(place), run)
    except (OSError, sqlite3.Error, RuntimeError) as error:  # RuntimeError: there is no home
        _log.warning("the rating book is kept in memory: %s", error)
        return Book(":memory:", run)


def _default_path(url: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(cache) if cache else Path.home() / ".cache"
    absolute = url if "://" in url else str(Path(url).resolve())
    return folder / "minigo" / "ratings" / f"{hashlib.sha256(absolute.encode()).hexdigest()[:24]}.sqlite"


def _are_two(players: Sequence[str | None] | None) -> bool:
    return players is not None and None not in players and players[0] != players[1]


def _text(spec: dict[str, Any], key: str) -> str | None:
    value = spec.get(key)
    return value if isinstance(value, str) else None
