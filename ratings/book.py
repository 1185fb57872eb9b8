# SPDX-License-Identifier: Apache-2.0
"""The rating book: a SQLite index over the match records of a run, so that a refit need not read every game again.

The records are the truth, the book is a cache: it lies outside the run, can be deleted at any time, and is made anew
when it belongs to another run or to another version of this program. Start at `open_book`.
"""

import hashlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from minigo.data.shards import ShardError, read_shard
from minigo.match import points_from_record
from minigo.run import Run, RunError
from ratings.elo import Result, Setting

BOOK_VERSION: Final = 1
READ_TOGETHER: Final = 200  # games that are read before they are written down
BUSY_SECONDS: Final = 30.0  # how long to wait for another process that writes

_TABLES: Final = """
CREATE TABLE about (run TEXT NOT NULL, version INTEGER NOT NULL);
CREATE TABLE networks (name TEXT PRIMARY KEY, parent TEXT);
CREATE TABLE matches (name TEXT PRIMARY KEY, kind TEXT, player TEXT, opponent TEXT, outside TEXT);
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
        known = {path for (path,) in self._database.execute("SELECT path FROM games")}
        new = [entry for entry in self._run.all_match_games() if entry[2] not in known]
        players = {name: pair for name, *pair in self._database.execute("SELECT name, player, opponent FROM matches")}
        done = 0
        for start in range(0, len(new), READ_TOGETHER):
            if stop is not None and stop.is_set():
                break
            part = new[start : start + READ_TOGETHER]
            rows = [self._row(match, number, path, players.get(match)) for match, number, path in part]
            with self._database:
                self._database.executemany("INSERT OR IGNORE INTO games VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            done += len(part)
            if progress is not None:
                progress(done, len(new))
        return done

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
        known = {name for (name,) in self._database.execute("SELECT name FROM matches")}
        rows = []
        for name in self._run.matches():
            try:
                spec = self._run.match_spec(name) if name not in known else None
            except (RunError, KeyError) as error:
                _log.warning("match %s is left out: %s", name, error)
                continue
            if isinstance(spec, dict):
                rows.append((name, *(_text(spec, key) for key in ("kind", "player", "opponent", "opponent_player"))))
        with self._database:
            self._database.executemany("INSERT OR IGNORE INTO matches VALUES (?, ?, ?, ?, ?)", rows)

    def _row(self, match: str, number: int, path: str, players: list[str | None] | None) -> tuple[Any, ...]:
        """One game as it is written down; `fault` says why one does not count."""
        if players is None or None in players or players[0] == players[1]:
            return (path, match, number, None, None, None, None, None, "its match has no two players")
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
    def state(self) -> tuple[int, int]:
        """What changes whenever anything in the book does, whoever writes: this process or another one."""
        version: int = self._database.execute("PRAGMA data_version").fetchone()[0]  # of what others have written
        return version, self._database.total_changes

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

    def matches(self) -> list[tuple[str, str | None, str | None, str | None, str | None]]:
        """(name, kind, player, opponent, opponent as a PLAYER) of every match, sorted."""
        query = "SELECT name, kind, player, opponent, outside FROM matches ORDER BY name"
        return self._database.execute(query).fetchall()

    def games(self) -> list[tuple[str, int, float | None, str]]:
        """(match, number, points of Black, fault) of every game, sorted; without a fault there are points."""
        query = "SELECT match, number, points, fault FROM games ORDER BY match, number"
        return self._database.execute(query).fetchall()

    def faults(self) -> dict[str, str]:
        """Games that do not count, by path, and why."""
        return dict(self._database.execute("SELECT path, fault FROM games WHERE fault != '' ORDER BY path"))

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


def _text(spec: dict[str, Any], key: str) -> str | None:
    value = spec.get(key)
    return value if isinstance(value, str) else None
