# SPDX-License-Identifier: Apache-2.0
"""What a study has found: its matches, ratings of all its networks together, differences from the base, curves.

All games of a study are rated at once, as `ratings.elo` does. A variant is held against the base of the same seed, and
the interval of its mean difference is over seeds, which differ by more than the games that measured them. Start at
`write_report`.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import scipy.stats

from benchmarks.learning.ladder import all_points, match_config, name_of, read_games
from benchmarks.learning.runs import Point
from benchmarks.learning.study import BASE, GNUGO, RANDOM, StudyError, Workplace
from minigo.gates import Score
from ratings.anchors import GNUGO_RATINGS
from ratings.elo import Rating, Result, Setting, fit_ratings

AXES: Final = {"seconds": "seconds of work", "evaluations": "evaluations in self-play", "games": "games of self-play"}


class Measured(NamedTuple):
    """A network that has been rated at a point of its run."""

    point: Point
    rating: Rating  # with the interval of its difference from the scale's zero


class Summary(NamedTuple):
    """A variant at one budget.

    Attributes:
        ratings: of each seed.
        difference: mean of the differences from the base, over the seeds that both have; NaN without any.
        margin: half of the 95 % interval of that mean, over seeds; NaN with fewer than two.
    """

    ratings: dict[int, Rating]
    difference: float
    margin: float


def write_report(place: Workplace) -> str:
    """Writes `results.parquet`, `report.md` and the curves into the study's folder; returns the table as text.

    Raises:
        StudyError: nothing has been measured.
    """
    measured = rate(place)
    _store(place, measured)
    games = read_games(place)
    text = "\n".join([f"# {place.name}", "", *_about(place, len(games)), *_matches(games), *_tables(place, measured)])
    (place.folder / "report.md").write_text(text + "\n", encoding="utf-8")
    draw_curves(place, measured)
    return text


def rate(place: Workplace) -> list[Measured]:
    """Every measured network with its Elo, by the games without handicap.

    GNU Go has its conventional rating, or chance 0 if GNU Go did not play; where neither did, each seed's last base
    network has 0.

    Raises:
        StudyError: nothing has been measured.
    """
    games = [row for row in read_games(place) if not row["handicap"] and row["points"] is not None]
    if not games:
        raise StudyError(f"nothing has been measured in {place.folder}: use the verb measure")
    game = match_config(place).game
    setting = Setting(game.board_size, game.komi)
    results = [_result(row, setting) for row in games]
    measured, names = all_points(place), {name for row in games for name in (row["player"], row["opponent"])}
    last = {point.seed: name_of(point) for point in measured if point.variant == BASE and point.unit == "seconds"}
    anchors = {name: 0.0 for name in last.values() if name in names}
    for reference, elo in ((RANDOM, 0.0), (GNUGO, GNUGO_RATINGS.get(game.board_size, 0.0))):
        anchors = {reference: elo} if reference in names else anchors
    zero, nearest = next(iter(anchors)), {name_of(point): last.get(point.seed) for point in measured}
    # Two drawn games against a fixed player: all stay finite.
    parents = {name: base if (base := nearest.get(name)) in anchors else zero for name in names - anchors.keys()}
    above = fit_ratings(results, parents, anchors).above(zero)
    return [
        Measured(point, Rating(r.elo + anchors[zero], r.low + anchors[zero], r.high + anchors[zero], r.games))
        for point in measured
        if (r := above.get(name_of(point))) is not None
    ]


def summaries(place: Workplace, measured: Sequence[Measured]) -> dict[tuple[str, float], dict[str, Summary]]:
    """(unit, budget) -> variant -> what it reached, as far as it has been measured."""
    found: dict[tuple[str, float], dict[str, dict[int, Rating]]] = defaultdict(lambda: defaultdict(dict))
    for point, rating in measured:
        found[point.unit, point.budget][point.variant][point.seed] = rating
    return {
        budget: {
            name: _summary(by_variant[name], by_variant[BASE]) for name in place.study.variants if by_variant[name]
        }
        for budget, by_variant in found.items()
    }


def draw_curves(place: Workplace, measured: Sequence[Measured]) -> None:
    """Draws Elo against seconds, evaluations and games; a line for each run, a color for each variant."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    for axis, label in AXES.items():
        figure, axes = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
        for number, variant in enumerate(place.study.variants):
            for seed in place.study.seeds:
                run = [m for m in measured if (m.point.variant, m.point.seed) == (variant, seed)]
                run = sorted({m.point.cost.network: m for m in run}.values(), key=lambda m: m.point.cost.seconds)
                places = [float(getattr(m.point.cost, axis)) for m in run]
                elos = [m.rating.elo for m in run]
                errors = [[m.rating.elo - m.rating.low for m in run], [m.rating.high - m.rating.elo for m in run]]
                named = variant if seed == place.study.seeds[0] else None
                axes.errorbar(places, elos, errors, color=f"C{number}", marker="o", ms=3, lw=1, alpha=0.8, label=named)
        axes.set(xlabel=label, ylabel="Elo", title=f"{place.name}: {place.study.simulations} simulations a move")
        axes.legend(fontsize=8)
        figure.savefig(place.folder / f"curve_{axis}.png", dpi=150)
        plt.close(figure)


def _result(row: dict[str, Any], setting: Setting) -> Result:
    black, white = row["player"], row["opponent"]
    points = row["points"]
    if row["index"] % 2:
        black, white, points = white, black, 1 - points
    return Result(black, white, int(points == 1), int(points == 0.5), int(points == 0), setting)


def _summary(ratings: dict[int, Rating], base: Mapping[int, Rating]) -> Summary:
    differences = [ratings[seed].elo - base[seed].elo for seed in ratings.keys() & base.keys()]
    if not differences:
        return Summary(ratings, math.nan, math.nan)
    mean, seeds = statistics.fmean(differences), len(differences)
    if seeds < 2:
        return Summary(ratings, mean, math.nan)
    quantile = float(scipy.stats.t.ppf(0.975, seeds - 1))
    return Summary(ratings, mean, quantile * statistics.stdev(differences) / math.sqrt(seeds))


def _about(place: Workplace, games: int) -> list[str]:
    study, game = place.study, match_config(place).game
    return [
        f"`{' '.join(study.flags)}`, {study.minutes:g} minutes a run, seeds {', '.join(map(str, study.seeds))}.",
        f"{games} games on {game.board_size}x{game.board_size}, komi {game.komi:g}, {game.rules} rules played out, "
        f"{study.simulations} simulations a move where a network searches, {study.opening_plies} random plies, both "
        "colors where no stones are given.",
        "",
    ]


def _matches(games: Sequence[dict[str, Any]]) -> list[str]:
    """Who won how many games; with intervals of the games alone."""
    matches: dict[tuple[str, str, int], list[tuple[int, float | None]]] = defaultdict(list)
    for row in games:
        matches[row["player"], row["opponent"], row["handicap"]].append((row["index"], row["points"]))
    lines = ["## Matches", "", "| network | opponent | result, with its 95 % interval |", "|---|---|---|"]
    for (player, other, handicap), outcomes in sorted(matches.items()):
        given = f", given {handicap} stones" if handicap else ""
        lines.append(f"| {player} | {other}{given} | {Score.of(outcomes)} |")
    return [*lines, ""]


def _tables(place: Workplace, measured: Sequence[Measured]) -> list[str]:
    lines = []
    for (unit, budget), found in sorted(summaries(place, measured).items()):
        lines += [
            f"## After {budget:,.0f} {unit}",
            "",
            "| variant | Elo of each seed, 95 % interval of the games | difference from base, 95 % over seeds |",
            "|---|---|---|",
        ]
        for name, summary in found.items():
            seeds = "; ".join(f"{r.elo:+.0f} ({r.low:+.0f} to {r.high:+.0f})" for r in summary.ratings.values())
            lines.append(f"| {name}: {place.study.variants[name].meaning} | {seeds} | {_interval(name, summary)} |")
        lines.append("")
    return lines


def _interval(name: str, summary: Summary) -> str:
    if name == BASE or math.isnan(summary.difference):
        return "-"
    if math.isnan(summary.margin):
        return f"{summary.difference:+.0f} (too few seeds for an interval)"
    low, high = summary.difference - summary.margin, summary.difference + summary.margin
    return f"{summary.difference:+.0f} ({low:+.0f} to {high:+.0f})"


def _store(place: Workplace, measured: Sequence[Measured]) -> None:
    rows = [
        {
            "study": place.name,
            "variant": point.variant,
            "seed": point.seed,
            "unit": point.unit,
            "budget": point.budget,
            **point.cost._asdict(),
            "elo": rating.elo,
            "elo_low": rating.low,
            "elo_high": rating.high,
            "rated_games": rating.games,
        }
        for point, rating in measured
    ]
    pq.write_table(pa.Table.from_pylist(rows), place.folder / "results.parquet")
