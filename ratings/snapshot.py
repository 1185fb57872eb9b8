# SPDX-License-Identifier: Apache-2.0
"""`Snapshot`: a run as it was seen at one moment, as plain values that any thread may read.

What it holds is what the run says; a run may be damaged or foreign, so nothing here trusts a document's fields: ask
`text` and `quantity`. How a snapshot is made is the business of `ratings.watch`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from minigo.config import Config, EvaluateConfig
from ratings.elo import Rating
from ratings.ladder import Ladder

FRESH_SECONDS: Final = 150.0  # a worker that has said nothing for so long is late; in a bucket they speak once a minute
ENDS: Final = ("stopped", "finished")  # the last words of a worker that has ended as it should
NETWORK_NAME: Final = re.compile(r"[0-9]{1,9}")
LARGEST: Final = 1e15  # of a number that is believed
RATE_SECONDS: Final = 900.0  # speeds are means over the last so many seconds of work
SHORTEST_SECONDS: Final = 0.01  # of work that a speed is taken from


@dataclass(frozen=True)
class Match:
    """A match of the run, as far as it has been played.

    Attributes:
        name: its name in the run.
        kind: "gate", "rating", or what else its spec says; "" where it has none.
        player: whose points count; None where that is not known.
        opponent: the other.
        outside: the opponent as a PLAYER of the command line, or None if it is a network.
        points: the player's points of each game by number: 1, 0.5 or 0; None where it does not count.
        faults: why a game does not count, by number.
        evaluate: what the gate that judges it was told when it began; None where that is not known.
    """

    name: str
    kind: str
    player: str | None
    opponent: str | None
    outside: str | None
    points: Mapping[int, float | None]
    faults: Mapping[int, str]
    evaluate: EvaluateConfig | None = None

    @cached_property
    def counts(self) -> tuple[int, int, int]:
        """The player's wins, draws and losses."""
        values = list(self.points.values())
        return values.count(1.0), values.count(0.5), values.count(0.0)


@dataclass(frozen=True)
class Speed:
    """How much self-play there is.

    Attributes:
        games_per_hour: finished games.
        positions_per_hour: of those games, the positions that were searched.
        evaluations_per_s: of the network.
    """

    games_per_hour: float
    positions_per_hour: float
    evaluations_per_s: float


@dataclass(frozen=True)
class Worker:
    """What a worker said last.

    Attributes:
        name: its name.
        status: one line for people.
        time: of its last word, in seconds since 1970.
        game: the game that it plays, as `minigo.gamepool` tells it, or None.
        counts: what it has played of late, by name.
        seconds: how long that took.
    """

    name: str
    status: str
    time: float
    game: Mapping[str, Any] | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def tells_speed(self) -> bool:
        """Whether it has played long enough for its speed to mean something."""
        return self.seconds > 5 and bool(quantity(self.counts, "games"))

    @property
    def has_ended(self) -> bool:
        """Whether it has said that it works no more."""
        return self.status in ENDS

    def is_late(self, now: float) -> bool:
        """Whether it has been silent for longer than a living worker is."""
        return not self.has_ended and now - self.time > FRESH_SECONDS

    def is_active(self, now: float) -> bool:
        """Whether it works, as far as it says."""
        return not self.has_ended and not self.is_late(now)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A run as it was seen.

    Attributes:
        url: where the run is.
        name: the last part of that, for titles.
        version: grows whenever something has changed.
        config: what the run was made with; None where that is not known.
        about: what was stored when the run was made.
        networks: names of all networks, oldest first.
        infos: what is known of each network; {} where its document is damaged.
        champion: the network that plays, or None.
        history: every promotion, oldest first.
        verdicts: the verdict on each candidate that was judged.
        loop: rows of the loop's metrics, oldest first.
        train: rows of the trainer's metrics, oldest first.
        alarms: the row with which each alarm began that rings now, by its kind.
        workers: the last word of each worker, by name.
        shards: paths of all shards of self-play games, sorted.
        holdout: paths of those that are never trained on.
        quarantined: paths of what failed its checks, each with the reason.
        matches: all matches by name.
        ladder: everybody's ratings; None before there are any.
        problems: what can not be shown, and why.
        notices: what takes a while yet.
    """

    url: str
    name: str
    version: int = 0
    config: Config | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    infos: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    champion: str | None = None
    history: Sequence[Mapping[str, Any]] = ()
    verdicts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    loop: Sequence[Mapping[str, Any]] = ()
    train: Sequence[Mapping[str, Any]] = ()
    alarms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    workers: Mapping[str, Worker] = field(default_factory=dict)
    shards: tuple[str, ...] = ()
    holdout: tuple[str, ...] = ()
    quarantined: Mapping[str, str] = field(default_factory=dict)
    matches: Mapping[str, Match] = field(default_factory=dict)
    ladder: Ladder | None = None
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def generation(self) -> int:
        """Networks trained so far."""
        return max(0, len(self.networks) - 1)

    @property
    def last_promotion(self) -> float | None:
        """When the champion was promoted, in seconds since 1970; None where that is not known."""
        return quantity(self.history[-1], "time") if self.history else None

    @cached_property
    def games(self) -> int:
        """Self-play games, those of shards in quarantine left out; an estimate, as shards are not opened for it."""
        per_shard = self.config.selfplay.games_per_shard if self.config is not None else 1
        refused = sum(path.startswith(("games/", "holdout/")) for path in self.quarantined)
        return (len(self.shards) + len(self.holdout) - refused) * per_shard

    @cached_property
    def match_games(self) -> int:
        """Games of all matches that count."""
        return sum(sum(match.counts) for match in self.matches.values())

    @cached_property
    def reference(self) -> str | None:
        """Whom ratings are measured from: an anchor, or else the first network; None: nobody has played."""
        if self.ladder is None or self.ladder.reference is None:
            return None
        chosen = self.ladder.reference
        if chosen in self.ladder.ratings.anchors or not self.networks:
            return chosen
        first = self.networks[0]
        return first if self.ladder.ratings.difference(first, chosen) is not None else chosen

    @cached_property
    def ratings(self) -> Mapping[str, Rating]:
        """Everybody who can be compared with `reference`, the strongest first; intervals are of the difference."""
        if self.ladder is None or self.reference is None:
            return {}
        base = self.ladder.ratings.anchors.get(self.reference, 0.0)
        above = self.ladder.ratings.above(self.reference)
        rows = {n: Rating(base + r.elo, base + r.low, base + r.high, r.games) for n, r in above.items()}
        return dict(sorted(rows.items(), key=lambda row: (-row[1].elo, row[0])))

    @property
    def scale(self) -> str:
        """What a rating's number means."""
        if self.ladder is None or self.reference is None:
            return "no games yet"
        if self.reference in self.ladder.ratings.anchors:
            return f"{self.reference} is fixed at {self.ladder.ratings.anchors[self.reference]:g}"
        return f"network {self.reference} is zero"

    @cached_property
    def promoted(self) -> frozenset[str]:
        """The networks that have been champion."""
        return frozenset(name for entry in self.history if (name := text(entry, "network")))

    def of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        """The loop's rows of one kind: "selfplay", "opening" or "final"."""
        return [row for row in self.loop if row.get("kind") == kind]

    def active_workers(self, now: float) -> list[Worker]:
        """The workers that work now, the one that spoke last first.

        Args:
            now: seconds since 1970.
        """
        active = [worker for worker in self.workers.values() if worker.is_active(now)]
        return sorted(active, key=lambda worker: -worker.time)

    def speed(self, now: float) -> Speed | None:
        """The speed of self-play; None where nobody who works now tells it.

        Args:
            now: seconds since 1970.
        """
        active = self.active_workers(now)
        rates = [_speed(worker.counts, worker.seconds) for worker in active if worker.tells_speed]
        if rates:
            return Speed(
                sum(rate.games_per_hour for rate in rates),
                sum(rate.positions_per_hour for rate in rates),
                sum(rate.evaluations_per_s for rate in rates),
            )
        rows = self.of_kind("selfplay")
        is_recent = bool(rows) and now - (quantity(rows[-1], "time") or 0.0) < RATE_SECONDS
        plays = any(worker.counts or worker.game is not None for worker in active)
        return self.measured_speed if is_recent and plays else None

    @cached_property
    def measured_speed(self) -> Speed | None:
        """The speed in the last rows of the loop's metrics, however old they are; None where there are none."""
        totals, seconds = {"games": 0.0, "positions": 0.0, "evaluations": 0.0}, 0.0
        for row in reversed(self.of_kind("selfplay")):
            if seconds > RATE_SECONDS or row.get("network") == "random":
                break
            for name in totals:
                totals[name] += quantity(row, name) or 0.0
            seconds += quantity(row, "seconds") or 0.0
        return _speed(totals, seconds) if seconds >= SHORTEST_SECONDS else None


def _speed(counts: Mapping[str, Any], seconds: float) -> Speed:
    games, positions, evaluations = (quantity(counts, name) or 0.0 for name in ("games", "positions", "evaluations"))
    return Speed(3600 * games / seconds, 3600 * positions / seconds, evaluations / seconds)


def generation_of(name: str) -> int | None:
    """The number that a network is named by; None where the text is no such name."""
    return int(name) if NETWORK_NAME.fullmatch(name) else None


def text(document: Mapping[str, Any], key: str) -> str | None:
    """A field that must be text; None where it is not."""
    value = document.get(key)
    return value if isinstance(value, str) else None


def quantity(document: Mapping[str, Any], key: str) -> float | None:
    """A field that must be a number of a size that one can reckon with; None where it is not."""
    value = document.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not -LARGEST <= value <= LARGEST:
        return None
    return float(value)
