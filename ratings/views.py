# SPDX-License-Identifier: Apache-2.0
"""What the pages about a run as a whole show: the overview, lists of networks, and how long lists are cut into pages.

Values only, no HTML: the templates say how it looks. The other pages' views are in `ratings.rating_views`,
`ratings.training_views` and `ratings.game_views`.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from minigo.alarms import words
from minigo.status import duration
from ratings.charts import Chart
from ratings.elo import Rating
from ratings.rating_views import elo_chart
from ratings.snapshot import FRESH_SECONDS, Match, Snapshot, Speed, Worker, quantity, text

FORGOTTEN_SECONDS: Final = 3600.0  # a worker that fell silent before that is gone, and no news
PAGE_ROWS: Final = 50
SORTS: Final = ("number", "elo", "games")
MAX_FINALS: Final = 10

_T = TypeVar("_T")


@dataclass(frozen=True)
class Part(Generic[_T]):
    """One page of a long list.

    Attributes:
        rows: what is on it.
        page: its number, from 1.
        pages: how many there are, at least 1.
        total: rows of the whole list.
    """

    rows: Sequence[_T]
    page: int
    pages: int
    total: int


def part_of(rows: Sequence[_T], page: int, size: int = PAGE_ROWS) -> Part[_T]:
    """A page of a list; the last one where there are not so many."""
    pages = max(1, -(-len(rows) // size))
    page = min(max(1, page), pages)
    return Part(rows[(page - 1) * size : page * size], page, pages, len(rows))


@dataclass(frozen=True)
class NetworkRow:
    """A network in a list.

    Attributes:
        name: its name.
        parent: what it grew out of, or None.
        created: seconds since 1970, or None.
        step: training steps it has behind it, or None.
        games_seen: games that it was trained on, or None.
        rating: or None where it can not be compared.
        verdict: whether its gate promoted it; None before that.
        reason: why.
        promoted: whether it has been champion.
        is_champion: whether it plays now.
        is_damaged: whether its document can not be read.
    """

    name: str
    parent: str | None
    created: float | None
    step: float | None
    games_seen: float | None
    rating: Rating | None
    verdict: bool | None
    reason: str
    promoted: bool
    is_champion: bool
    is_damaged: bool


def network_row(snapshot: Snapshot, name: str) -> NetworkRow:
    """What a list says about a network."""
    info, verdict = snapshot.infos.get(name, {}), snapshot.verdicts.get(name)
    return NetworkRow(
        name,
        text(info, "parent"),
        quantity(info, "created"),
        quantity(info, "step"),
        quantity(info, "games_seen"),
        snapshot.ratings.get(name),
        verdict.get("promotes") is True if verdict is not None else None,
        text(verdict, "reason") or "" if verdict is not None else "",
        name in snapshot.promoted,
        name == snapshot.champion,
        not info,
    )


def network_rows(snapshot: Snapshot, sort: str) -> list[NetworkRow]:
    """All networks, by one of SORTS; the newest, strongest or most played first."""
    rows = [network_row(snapshot, name) for name in reversed(snapshot.networks)]
    if sort == "elo":
        rows.sort(key=lambda row: row.rating.elo if row.rating is not None else -float("inf"), reverse=True)
    if sort == "games":
        rows.sort(key=lambda row: row.rating.games if row.rating is not None else -1, reverse=True)
    return rows


@dataclass(frozen=True)
class NetworkView:
    """The page of one network.

    Attributes:
        row: as in the list.
        info: its document.
        sha256: of its weights, or None.
        shape: of the network, by name.
        settings: what it was trained with: (section, name, value).
        selfplay_games: games that it played against itself, or None where nobody counted.
        black_win_share: of those, or None.
        moves_per_game: of those, or None.
        matches: that it has played, the newest first.
        colors: (games, points) with Black and with White in all its matches.
        children: networks that grew out of it.
    """

    row: NetworkRow
    info: Mapping[str, Any]
    sha256: str | None
    shape: Mapping[str, Any]
    settings: Sequence[tuple[str, str, Any]]
    selfplay_games: float | None
    black_win_share: float | None
    moves_per_game: float | None
    matches: Sequence[Match]
    colors: tuple[tuple[int, float], tuple[int, float]]
    children: Sequence[str]


def network_view(snapshot: Snapshot, name: str) -> NetworkView:
    """What there is to know about a network of the snapshot."""
    info = snapshot.infos.get(name, {})
    shape = info.get("network")
    rows = [row for row in snapshot.of_kind("selfplay") if row.get("network") == name]
    games = sum(quantity(row, "games") or 0.0 for row in rows)
    matches = [match for match in snapshot.matches.values() if name in (match.player, match.opponent)]
    return NetworkView(
        network_row(snapshot, name),
        info,
        text(info, "weights_sha256"),
        shape if isinstance(shape, dict) else {},
        _settings(snapshot),
        games if rows else None,
        _weighted(rows, "black_win_share", games),
        _weighted(rows, "moves_per_game", games),
        matches[::-1],
        _colors(matches, name),
        [other for other in snapshot.networks if text(snapshot.infos.get(other, {}), "parent") == name],
    )


def _settings(snapshot: Snapshot) -> list[tuple[str, str, Any]]:
    if snapshot.config is None:
        return []
    sections = ("game", "search", "selfplay", "train")
    tables = ((section, dataclasses.asdict(getattr(snapshot.config, section))) for section in sections)
    return [(section, name, value) for section, table in tables for name, value in table.items()]


def _weighted(rows: Sequence[Mapping[str, Any]], key: str, games: float) -> float | None:
    if games <= 0:
        return None
    return sum((quantity(row, key) or 0.0) * (quantity(row, "games") or 0.0) for row in rows) / games


def _colors(matches: Sequence[Match], name: str) -> tuple[tuple[int, float], tuple[int, float]]:
    """(games, points) of a network with Black and with White; it has Black in the even games of its own matches."""
    games, points = [0, 0], [0.0, 0.0]
    for match in matches:
        is_player = match.player == name
        for number, of_player in match.points.items():
            if of_player is None:
                continue
            color = number % 2 if is_player else 1 - number % 2
            games[color] += 1
            points[color] += of_player if is_player else 1.0 - of_player
    return (games[0], points[0]), (games[1], points[1])


@dataclass(frozen=True)
class FinalRow:
    """A closing match of the champion.

    Attributes:
        opponent: whom it met.
        wins: games that it won, or None where that is not known.
        games: that were played.
        elo: (difference, low, high).
    """

    opponent: str
    wins: float | None
    games: float | None
    elo: tuple[float | None, ...]


@dataclass(frozen=True)
class Rest:
    """A run that nobody works on.

    Attributes:
        how: "stopped", "finished", or "silent" where nobody said that it ended.
        since: of the last word, in seconds since 1970.
    """

    how: str
    since: float


def rest_of(snapshot: Snapshot, now: float) -> Rest | None:
    """Since when nobody works on a run; None while somebody does, or before anybody has.

    Args:
        snapshot: of the run.
        now: seconds since 1970.
    """
    if not snapshot.workers or snapshot.active_workers(now):
        return None
    last = max(snapshot.workers.values(), key=lambda worker: worker.time)
    ended = [worker for worker in snapshot.workers.values() if worker.has_ended]
    return Rest(max(ended, key=lambda worker: worker.time).status if ended else "silent", last.time)


@dataclass(frozen=True)
class Overview:
    """The first page.

    Attributes:
        speed: of self-play now, or None.
        measured: the speed that was measured last, or None.
        rest: since when nobody works, or None while somebody does.
        workers: the last word of each, the freshest first.
        now: seconds since 1970, for how fresh they are.
        last_promotion: when the champion was promoted, in seconds since 1970, or None.
        rating: of the champion, or None.
        finals: the last closing match against each opponent.
        alarms: what is probably wrong.
        chart: Elo of the networks.
    """

    speed: Speed | None
    measured: Speed | None
    rest: Rest | None
    workers: Sequence[Worker]
    now: float
    last_promotion: float | None
    rating: Rating | None
    finals: Sequence[FinalRow]
    alarms: Sequence[str]
    chart: Chart

    @property
    def game(self) -> Mapping[str, Any] | None:
        """A game that is being played, as a heartbeat tells it."""
        active = (worker for worker in self.workers if worker.is_active(self.now))
        return next((worker.game for worker in active if worker.game is not None), None)


def overview(snapshot: Snapshot) -> Overview:
    """What the first page shows now."""
    now = time.time()
    finals = {text(row, "opponent") or "": _final_row(row) for row in snapshot.of_kind("final")}
    return Overview(
        snapshot.speed(now),
        snapshot.measured_speed,
        rest_of(snapshot, now),
        sorted(snapshot.workers.values(), key=lambda worker: -worker.time),
        now,
        snapshot.last_promotion,
        snapshot.ratings.get(snapshot.champion) if snapshot.champion is not None else None,
        list(finals.values())[-MAX_FINALS:],
        list(_alarms(snapshot, now)),
        elo_chart(snapshot, "generation"),
    )


def _final_row(row: Mapping[str, Any]) -> FinalRow:
    elo = tuple(quantity(row, name) for name in ("elo", "elo_low", "elo_high"))
    return FinalRow(text(row, "opponent") or "", quantity(row, "wins"), quantity(row, "games"), elo)


def _alarms(snapshot: Snapshot, now: float) -> list[str]:
    alarms = [
        f"{words(kind)}: {text(row, 'evidence')}; {text(row, 'advice')}"
        for kind, row in sorted(snapshot.alarms.items(), key=str)
        if isinstance(kind, str)
    ]
    late = [w for w in snapshot.workers.values() if w.is_late(now) and now - w.time < FORGOTTEN_SECONDS]
    rest = rest_of(snapshot, now)
    if rest is not None and rest.how == "silent":
        silence = duration(max(0.0, now - rest.since))
        alarms.append(f"nobody works on this run: the last word came {silence} ago, and none says that it ended")
    elif late:
        alarms.append(
            f"{len(late)} of {len(snapshot.workers)} workers have been silent for {FRESH_SECONDS:g} s or more"
        )
    if snapshot.quarantined:
        alarms.append(f"{len(snapshot.quarantined)} files failed their checks and are in quarantine")
    return alarms
