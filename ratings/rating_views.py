# SPDX-License-Identifier: Apache-2.0
"""What the pages about strength show: Elo curves, the gate's matches, and who beat whom. Values only, no HTML."""

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from minigo.gates import PAIR_SCORES, Score, SprtGate, gate_from_config, log_likelihood_ratio, share_from_elo
from ratings.charts import Chart, Level, Series
from ratings.snapshot import Match, Snapshot, generation_of, quantity, text

AXES: Final = ("generation", "games", "evaluations", "time")
AXIS_TITLES: Final = {
    "generation": "network",
    "games": "self-play games it was trained on",
    "evaluations": "evaluations in self-play before it",
    "time": "hours since the run began",
}
SURPRISE: Final = 2.0  # standard deviations from what the ratings expect
TABLE_PLAYERS: Final = 16  # of one page of the cross-table


def elo_chart(snapshot: Snapshot, axis: str, identity: str = "elo") -> Chart:
    """The ratings of all networks with 95 % intervals; outside players are horizontal lines.

    Args:
        snapshot: of the run.
        axis: one of AXES: what is to the right.
        identity: of the chart in its page.
    """
    places = _places(snapshot, axis)
    rated = [name for name in snapshot.networks if name in snapshot.ratings and name in places]
    groups = [
        ("promoted", [name for name in rated if name in snapshot.promoted], False),
        ("not promoted", [name for name in rated if name not in snapshot.promoted], True),
    ]
    series = []
    for label, names, hollow in groups:
        ratings = [snapshot.ratings[name] for name in names]
        series.append(
            Series(
                label,
                [places[name] for name in names],
                [rating.elo for rating in ratings],
                [rating.low for rating in ratings],
                [rating.high for rating in ratings],
                names,
                is_line=not hollow,
                hollow=hollow,
                tone=2 if hollow else 1,
            )
        )
    outside = [name for name in snapshot.ratings if name not in snapshot.infos]
    levels = [Level(name, snapshot.ratings[name].elo) for name in outside]
    scale = f"Elo ({snapshot.scale})"
    return Chart(identity, f"Elo against {AXIS_TITLES[axis]}", AXIS_TITLES[axis], scale, series, levels)


def _places(snapshot: Snapshot, axis: str) -> dict[str, float]:
    """Where each network stands on an axis; those of which that is not known are left out."""
    if axis == "generation":
        return _known({name: generation_of(name) for name in snapshot.networks})
    if axis == "games":
        return _known({name: quantity(info, "games_seen") for name, info in snapshot.infos.items()})
    created = _known({name: quantity(info, "created") for name, info in snapshot.infos.items()})
    if axis == "time":
        begun = quantity(snapshot.about, "created")
        start = begun if begun is not None else min(created.values(), default=0.0)
        return {name: max(0.0, moment - start) / 3600 for name, moment in created.items()}
    rows = snapshot.of_kind("selfplay")
    times = [quantity(row, "time") or 0.0 for row in rows]
    sums = list(itertools.accumulate((quantity(row, "evaluations") or 0.0 for row in rows), initial=0.0))
    return {name: sums[bisect.bisect_right(times, moment)] for name, moment in created.items()} if rows else {}


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class GateView:
    """A match that a gate judges, as far as it has been played.

    Attributes:
        match: the match.
        gate: what judges, in words.
        score: of the games that count.
        pairs: (points of the pair, how many) for each category.
        progress: what the gate looks at, after each pair.
        is_decided: whether there is a verdict.
        promotes: what it says.
    """

    match: Match
    gate: str
    score: Score
    pairs: Sequence[tuple[str, float]]
    progress: Chart
    is_decided: bool
    promotes: bool


def gate_view(snapshot: Snapshot) -> GateView | None:
    """The newest match of the gate; None before there is one."""
    gates = [match for match in snapshot.matches.values() if match.kind == "gate" and match.player and match.points]
    if not gates:
        return None
    match = max(gates, key=lambda found: (found.player or "", found.opponent or ""))
    return gate_match(snapshot, match)


def gate_match(snapshot: Snapshot, match: Match) -> GateView:
    """One match as its gate sees it: that of the settings it began with, or else that of the run."""
    config = match.evaluate
    if config is None and snapshot.config is not None:
        config = snapshot.config.evaluate
    gate = gate_from_config(config) if config is not None else None
    points = dict(match.points)
    score = gate.counted(points) if gate is not None else Score.of(points.items())
    if isinstance(gate, SprtGate):
        words = f"sequential test of {gate.elo1:+g} against {gate.elo0:+g} Elo, at most {gate.max_pairs} pairs"
        progress = _ratio_chart(gate, points)
    elif gate is not None and config is not None and gate.name == "winrate":
        words = f"{config.threshold:.0%} of the points in {config.games} games"
        progress = _share_chart(points, config.threshold)
    else:
        words = "every candidate is promoted" if gate is not None else "unknown"
        progress = _share_chart(points, None)
    names = ("0", "½", "1", "1½", "2")
    pairs = [(name, weight) for name, weight in zip(names, score.pairs, strict=True)]
    verdict = snapshot.verdicts.get(match.player or "")
    promotes = verdict is not None and verdict.get("promotes") is True
    return GateView(match, words, score, pairs, progress, verdict is not None, promotes)


def _ratio_chart(gate: SprtGate, points: Mapping[int, float | None]) -> Chart:
    """The ratio after each pair that counts: whole ones, in their order, up to the one that ends the test."""
    weights = [0.0] * len(PAIR_SCORES)
    ratios = [0.0]
    for pair in range(gate.counted(points).games // 2):
        valid = [value for index in (2 * pair, 2 * pair + 1) if (value := points[index]) is not None]
        if valid:
            weights[round(4 * sum(valid) / len(valid))] += len(valid) / 2
        ratios.append(log_likelihood_ratio(tuple(weights), gate.elo0, gate.elo1))
    low, high = gate.bounds
    levels = [Level(f"refused at {low:.2f}", low, 2), Level(f"promoted at {high:.2f}", high, 4)]
    series = [Series("log-likelihood ratio", range(len(ratios)), ratios)]
    return Chart("ratio", "Log-likelihood ratio between its bounds", "pairs", "log-likelihood ratio", series, levels)


def _share_chart(points: Mapping[int, float | None], threshold: float | None) -> Chart:
    xs, shares, total, games = [], [], 0.0, 0
    for number in sorted(points):
        value = points[number]
        if value is None:
            continue
        total, games = total + value, games + 1
        if number % 2:
            xs.append((number + 1) / 2)
            shares.append(total / games)
    levels = [Level(f"promoted from {threshold:.0%}", threshold, 4)] if threshold is not None else []
    series = [Series("share of the points", xs, shares)]
    title = "Share of the points so far"
    return Chart("ratio", title, "pairs", "share of the points", series, levels, (0.0, 1.0))


@dataclass(frozen=True)
class VerdictRow:
    """A verdict in the history.

    Attributes:
        candidate: the network that was judged.
        champion: the network that it met, or None.
        match: the name of their match, or None where the run has none.
        promotes: what was decided.
        reason: why.
        counts: wins, draws and losses of the candidate; None where they are not known.
        elo: (difference, low, high), each None where it is not known.
        ratio: the log-likelihood ratio, or None.
    """

    candidate: str
    champion: str | None
    match: str | None
    promotes: bool
    reason: str
    counts: tuple[float | None, ...]
    elo: tuple[float | None, ...]
    ratio: float | None


def verdict_rows(snapshot: Snapshot) -> list[VerdictRow]:
    """All verdicts, the newest candidate first."""
    rows = []
    for candidate, verdict in sorted(snapshot.verdicts.items(), reverse=True):
        champion = text(verdict, "champion")
        match = f"{candidate}-against-{champion}"
        played = bool(quantity(verdict, "games"))
        rows.append(
            VerdictRow(
                candidate,
                champion,
                match if match in snapshot.matches else None,
                verdict.get("promotes") is True,
                text(verdict, "reason") or "",
                tuple(quantity(verdict, name) if played else None for name in ("wins", "draws", "losses")),
                tuple(quantity(verdict, name) if played else None for name in ("elo", "elo_low", "elo_high")),
                quantity(verdict, "llr"),
            )
        )
    return rows


@dataclass(frozen=True)
class Cell:
    """What a player achieved against another.

    Attributes:
        points: of the player.
        games: that count.
        expected: points that the ratings expect, or None where they can not be compared.
        surprise: how many standard deviations better than expected, or None.
    """

    points: float
    games: int
    expected: float | None
    surprise: float | None

    @property
    def mark(self) -> str:
        """One of "better" and "worse"; "" where it is no surprise."""
        if self.surprise is None or abs(self.surprise) < SURPRISE:
            return ""
        return "better" if self.surprise > 0 else "worse"


@dataclass(frozen=True)
class CrossTable:
    """Who beat whom, of some players.

    Attributes:
        players: in rows and columns, the strongest first.
        cells: by (player, opponent).
    """

    players: Sequence[str]
    cells: Mapping[tuple[str, str], Cell]


def cross_players(snapshot: Snapshot) -> list[str]:
    """Everybody who has played, the strongest first, then those that can not be compared."""
    played = {name for match in snapshot.matches.values() if match.points for name in (match.player, match.opponent)}
    known = [name for name in snapshot.ratings if name in played]
    return known + sorted(name for name in played if name is not None and name not in snapshot.ratings)


def cross_table(snapshot: Snapshot, players: Sequence[str]) -> CrossTable:
    """The games between some players."""
    points: dict[tuple[str, str], float] = {}
    games: dict[tuple[str, str], int] = {}
    chosen = set(players)
    for match in snapshot.matches.values():
        a, b = match.player, match.opponent
        if a is None or b is None or a not in chosen or b not in chosen:
            continue
        wins, draws, losses = match.counts
        count, scored = wins + draws + losses, wins + draws / 2
        for pair, value in (((a, b), scored), ((b, a), count - scored)):
            points[pair] = points.get(pair, 0.0) + value
            games[pair] = games.get(pair, 0) + count
    cells = {pair: _cell(snapshot, pair, points[pair], games[pair]) for pair in points if games[pair]}
    return CrossTable(players, cells)


def _cell(snapshot: Snapshot, pair: tuple[str, str], points: float, games: int) -> Cell:
    first, second = (snapshot.ratings.get(name) for name in pair)
    if first is None or second is None:
        return Cell(points, games, None, None)
    share = share_from_elo(min(3000.0, max(-3000.0, first.elo - second.elo)))
    deviation = math.sqrt(games * share * (1 - share))
    surprise = (points - games * share) / deviation if deviation > 0 else None
    return Cell(points, games, games * share, surprise)


@dataclass(frozen=True)
class MatchRow:
    """A match in a list.

    Attributes:
        match: the match.
        games: that count.
        share: of the points, for the player; None without a game.
        elo: (difference, low, high), or None without a game.
    """

    match: Match
    games: int
    share: float | None
    elo: tuple[float, float, float] | None


def match_row(match: Match) -> MatchRow:
    """A match with the Elo difference that its games speak for."""
    score = Score.of(match.points.items())
    games = score.games - score.failed
    if games == 0:
        return MatchRow(match, 0, None, None)
    low, high = score.elo_interval
    return MatchRow(match, games, score.share, (score.elo, low, high))


def match_order(snapshot: Snapshot) -> list[Match]:
    """All matches, those of the newest networks first."""

    def newest(match: Match) -> tuple[Any, ...]:
        names = [name for name in (match.player, match.opponent) if name is not None and name.isdigit()]
        return (max(names, default=""), match.kind == "gate", match.name)

    return sorted(snapshot.matches.values(), key=newest, reverse=True)
