# SPDX-License-Identifier: Apache-2.0
"""`Watch`: looks at a run from time to time and keeps what it saw as a `Snapshot`. It never writes to the run.

What is quick to read (heartbeats, metrics, the champion) is looked at every few seconds; what takes longer the more
games there are (listings, the rating book, the fit), as often as a small share of the time allows. Whatever is damaged
is a problem that the snapshot names, and hides nothing else. Start at `Watch.look`.
"""

import contextlib
import dataclasses
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from minigo.alarms import active_alarms
from minigo.config import Config, ConfigError, EvaluateConfig
from minigo.run import Run, RunError
from minigo.storage import NotFound, StorageError, storage_at
from ratings.book import Book, open_book
from ratings.ladder import fit_ladder
from ratings.snapshot import Match, Snapshot, Worker, quantity, text

LOOK_SECONDS: Final = 2.0
SURVEY_SHARE: Final = 0.05  # of the time, at most, goes to surveys
READ_SECONDS: Final = 5.0  # of new match games, before what is known so far is shown

_log = logging.getLogger(__name__)


class Watch:
    """Watches a run, which may not be there yet. Make it, `look` or `start`, and `close` it.

    Args:
        url: the run.
        book: file of the rating book; by default in the user's cache.
        look_seconds: how often to look.
    """

    def __init__(self, url: str, *, book: str | None = None, look_seconds: float = LOOK_SECONDS) -> None:
        self.url = url
        self._book_path = book
        self._look_seconds = look_seconds
        self._snapshot = Snapshot(url, url.rstrip("/").rpartition("/")[2] or url)
        self._run: Run | None = None
        self._identity: str | None = None  # of the run, once it is open
        self._book: Book | None = None
        self._faults: dict[str, str] = {}  # of the last look, and of the last survey, by what they are about
        self._survey_faults: dict[str, str] = {}
        self._surveyed = _Survey()
        self._next_survey = -float("inf")
        self._rated: Any = None  # the state of the book that the matches and ratings were made from
        self._seen: Any = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def snapshot(self) -> Snapshot:
        """What was seen last."""
        return self._snapshot

    @property
    def run(self) -> Run | None:
        """The run, to read games from; None while there is none."""
        return self._run

    @property
    def is_closed(self) -> bool:
        """Whether nobody looks any more."""
        return self._ended.is_set()

    def start(self) -> None:
        """Looks, and goes on looking in a thread of its own until `close`."""
        self._thread = threading.Thread(target=self._go_on, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops looking, after a survey that may be under way."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        elif self._book is not None:
            self._book.close()

    def _go_on(self) -> None:
        while not self._ended.is_set():
            try:
                self.look()
            except Exception:  # noqa: BLE001 (the pages go on with what was seen before)
                _log.exception("%s could not be looked at", self.url)
            self._ended.wait(self._look_seconds)
        if self._book is not None:
            self._book.close()

    def look(self, *, survey: bool = False) -> Snapshot:
        """Looks at the run once, in the thread that will always do so.

        Args:
            survey: also at what takes longer, though it may not be time for it.
        """
        self._faults = {}
        is_survey = survey or time.monotonic() >= self._next_survey
        with self._guarded("the run"):
            if is_survey:
                self._forget_if_replaced()
            self._open()
        if self._run is not None:
            if is_survey:
                began = time.monotonic()
                self._survey(self._run)
                took = time.monotonic() - began
                rest = 0.0 if self._surveyed.notices else max(self._look_seconds, took / SURVEY_SHARE)
                self._next_survey = time.monotonic() + rest
            self._publish(self._quick_look(self._run))
        else:
            self._publish({})
        return self._snapshot

    def _forget_if_replaced(self) -> None:
        """Starts afresh where another run has taken the place of the one that was opened, or it is gone."""
        if self._run is None or self._identity is None:
            return
        try:
            if self._run.identity() == self._identity:
                return
        except NotFound:
            pass
        _log.warning("%s is not the run that it was: looking at it afresh", self.url)
        if self._book is not None:
            self._book.close()
        self._run = self._book = self._identity = self._rated = None
        self._surveyed, self._survey_faults = _Survey(), {}
        before = self._snapshot
        self._snapshot = Snapshot(before.url, before.name, before.version)

    def _open(self) -> None:
        """Opens the run; one whose settings can not be read is shown as far as that goes without them."""
        if self._run is not None and self._surveyed.about:
            return
        try:
            self._run = Run.open(self.url, self._note)
        except RunError as error:
            self._note("settings", str(error))
            storage = storage_at(self.url)
            if self._run is None and next(storage.list(""), None) is not None:
                self._run = Run(storage, Config(), self._note)
            return
        self._identity = self._run.identity()
        self._surveyed = dataclasses.replace(self._surveyed, config=self._run.config, about=self._run.about())

    def _quick_look(self, run: Run) -> dict[str, Any]:
        """What is always looked at, by the snapshot's fields."""
        found: dict[str, Any] = {}
        with self._guarded("the champion"):
            champion = run.champion()
            found["champion"] = str(champion.network) if champion is not None else None
        with self._guarded("the history"):
            found["history"] = run.history()
        for role in ("loop", "train"):
            with self._guarded(f"the metrics of {role}"):
                found[role] = run.telemetry.metrics(role)
        with self._guarded("the alarms"):
            found["alarms"] = active_alarms(run)
        with self._guarded("the workers"):
            found["workers"] = {name: _worker(name, document) for name, document in run.telemetry.heartbeats().items()}
        return found

    def _survey(self, run: Run) -> None:
        quick, self._faults = self._faults, {}
        survey = self._surveyed
        with self._guarded("the networks"):
            networks = tuple(run.networks())
            infos = {name: survey.infos[name] for name in networks if survey.infos.get(name)}
            for name in set(networks) - infos.keys():
                infos[name] = self._info(run, name)
            survey = dataclasses.replace(survey, networks=networks, infos=infos)
        with self._guarded("the games"):
            shards, holdout = tuple(run.shards()), tuple(run.shards(holdout=True))
            survey = dataclasses.replace(survey, shards=shards, holdout=holdout)
        with self._guarded("the quarantine"):
            survey = dataclasses.replace(survey, quarantined=run.quarantined())
        with self._guarded("the verdicts"):
            verdicts = {name: verdict for name, verdict in run.matches.verdicts().items() if isinstance(name, str)}
            survey = dataclasses.replace(survey, verdicts=verdicts)
        self._surveyed = survey
        with self._guarded("the matches and ratings"):
            self._rate(run)
        self._survey_faults, self._faults = self._faults, quick

    def _info(self, run: Run, name: str) -> dict[str, Any]:
        try:
            return run.network_info(name)
        except (RunError, StorageError) as error:
            self._note(f"network {name}", str(error))
            return {}

    def _rate(self, run: Run) -> None:
        """Brings the book up to date, as far as a few seconds allow, and what follows from it."""
        if self._book is None:
            self._book = open_book(run, self._book_path)
        late, deadline, progress = threading.Event(), time.monotonic() + READ_SECONDS, (0, 0)

        def tell(done: int, total: int) -> None:
            nonlocal progress
            progress = (done, total)
            if time.monotonic() > deadline or self._ended.is_set():
                late.set()

        self._book.update(progress=tell, stop=late)
        survey, left, state = self._surveyed, progress[1] - progress[0], self._book.state
        if state != self._rated:  # another process may have read what is new
            self._rated = state
            ladder = fit_ladder(self._book, run.config.game.board_size)
            survey = dataclasses.replace(survey, matches=_matches(self._book), ladder=ladder)
        notices = (f"{left:,} match games have yet to be read; ratings are without them",) if left else ()
        self._surveyed = dataclasses.replace(survey, notices=notices)
        faults = sum(len(match.faults) for match in survey.matches.values())
        if faults:
            self._note("match games", f"{faults:,} match games do not count; the pages of their matches say why")

    def _publish(self, quick: dict[str, Any]) -> None:
        faults = {**self._faults, **(self._survey_faults if self._run is not None else {})}
        survey = {spec.name: getattr(self._surveyed, spec.name) for spec in dataclasses.fields(self._surveyed)}
        problems = tuple(_shortened(list(faults.values())))
        before = self._snapshot
        after = dataclasses.replace(before, **survey, **quick, problems=problems)
        if self._key(after) != self._seen:
            self._seen = self._key(after)
            self._snapshot = dataclasses.replace(after, version=before.version + 1)

    @staticmethod
    def _key(snapshot: Snapshot) -> Any:
        """What a change of makes another version; that a worker falls silent is a change, too."""
        now = time.time()
        return (
            snapshot.networks,
            snapshot.champion,
            snapshot.alarms,
            len(snapshot.history),
            len(snapshot.verdicts),
            len(snapshot.loop),
            len(snapshot.train),
            sorted((worker.name, worker.time, worker.is_active(now)) for worker in snapshot.workers.values()),
            len(snapshot.shards),
            len(snapshot.holdout),
            len(snapshot.quarantined),
            id(snapshot.ladder),
            id(snapshot.matches),
            snapshot.problems,
            snapshot.notices,
            snapshot.config is None,
        )

    def _note(self, what: str, reason: str) -> None:
        self._faults[what] = reason

    @contextlib.contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        """Whatever is wrong with one part of a run becomes a problem, and does not hide the others."""
        try:
            yield
        except (RunError, StorageError, sqlite3.Error, OSError) as error:
            self._note(what, f"{what}: {error}")
        except Exception as error:  # noqa: BLE001 (documents of a damaged run may hold anything)
            _log.debug("%s can not be shown", what, exc_info=True)
            self._note(what, f"{what}: {type(error).__name__}: {error}")


@dataclasses.dataclass(frozen=True)
class _Survey:
    """What was seen in the last survey; the fields are those of a snapshot."""

    config: Config | None = None
    about: dict[str, Any] = dataclasses.field(default_factory=dict)
    networks: tuple[str, ...] = ()
    infos: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    shards: tuple[str, ...] = ()
    holdout: tuple[str, ...] = ()
    quarantined: dict[str, str] = dataclasses.field(default_factory=dict)
    verdicts: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    matches: dict[str, Match] = dataclasses.field(default_factory=dict)
    ladder: Any = None
    notices: tuple[str, ...] = ()


def _worker(name: str, document: dict[str, Any]) -> Worker:
    status = text(document, "status") or text(document, "doing") or text(document, "role") or ""
    game, counts = document.get("game"), document.get("selfplay")
    return Worker(
        name,
        status,
        quantity(document, "time") or 0.0,
        game if isinstance(game, dict) else None,
        counts if isinstance(counts, dict) else {},
        quantity(document, "selfplay_seconds") or 0.0,
    )


def _matches(book: Book) -> dict[str, Match]:
    """All matches of a book with their games."""
    points: dict[str, dict[int, float | None]] = {}
    faults: dict[str, dict[int, str]] = {}
    for match, number, of_black, fault in book.games():
        of_player = None if of_black is None else of_black if number % 2 == 0 else 1.0 - of_black
        points.setdefault(match, {})[number] = of_player
        if fault:
            faults.setdefault(match, {})[number] = fault
    known = {name: row for name, *row in book.matches()}
    found = {}
    for name in sorted(known.keys() | points.keys()):
        kind, player, opponent, outside, evaluate = known.get(name, (None,) * 5)
        numbers, wrong = points.get(name, {}), faults.get(name, {})
        found[name] = Match(name, kind or "", player, opponent, outside, numbers, wrong, _evaluate(evaluate))
    return found


def _evaluate(stored: str | None) -> EvaluateConfig | None:
    """The settings that a match was begun with; None where they are not known or not of this version."""
    try:
        return EvaluateConfig(**json.loads(stored)) if stored is not None else None
    except (ConfigError, TypeError, ValueError):
        return None


def _shortened(problems: list[str], most: int = 8) -> list[str]:
    """The first few, and how many more there are."""
    if len(problems) <= most:
        return problems
    return [*problems[:most], f"and {len(problems) - most} more"]
