# SPDX-License-Identifier: Apache-2.0
"""What a study has found: ratings of all its networks together, a table with intervals over seeds, learning curves.

All games of a study are rated at once, as `ratings.elo` does. The interval of a variant's difference from the base is
over seeds, because two seeds differ by more than the games that measured them. Start at `write_report`.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import scipy.stats

from benchmarks.learning.ladder import RANDOM, all_points, match_config, name_of, read_games
from benchmarks.learning.runs import Point
from benchmarks.learning.study import BASE, StudyError, Workplace
from ratings.anchors import GNUGO, GNUGO_RATINGS
from ratings.elo import Rating, Result, Setting, fit_ratings

AXES: Final = {"seconds": "seconds of work", "evaluations": "evaluations in self-play", "games": "games of self-play"}


class Measured(NamedTuple):
    """A network that has been rated at a point of its run."""

    point: Point
    rating: Rating  # with the interval of its difference from the scale's zero


class Summary(NamedTuple):
    """A variant at one budget.

    Attributes:
        elos: of each seed.
        difference: mean Elo less that of the base.
        margin: half of the 95 % interval of the difference, over seeds; NaN with fewer than two seeds of each.
    """

    elos: tuple[float, ...]
    difference: float
    margin: float


def write_report(place: Workplace) -> str:
    """Writes `results.parquet`, `report.md` and the curves into the study's folder; returns the table as text.

    Raises:
        StudyError: nothing has been measured.
    """
    measured = rate(place)
    _store(place, measured)
    text = "\n".join([f"# {place.name}", "", *_about(place, len(read_games(place))), *_tables(place, measured)])
    (place.folder / "report.md").write_text(text + "\n", encoding="utf-8")
    draw_curves(place, measured)
    return text


def rate(place: Workplace) -> list[Measured]:
    """Every measured network with its Elo, where GNU Go has its conventional rating, or chance 0 if it did not play."""
    games = read_games(place)
    if not games:
        raise StudyError(f"nothing has been measured in {place.folder}: use the verb measure")
    game = match_config(place).game
    setting = Setting(game.board_size, game.komi)
    results = [_result(row, setting) for row in games if row["points"] is not None]
    names = {name for result in results for name in (result.black, result.white)}
    reference = GNUGO if GNUGO in names and game.board_size in GNUGO_RATINGS else RANDOM
    scale = GNUGO_RATINGS.get(game.board_size, 0.0) if reference == GNUGO else 0.0
    parents = {name: reference if name != reference else None for name in names}  # two drawn games: all stay finite
    ratings = fit_ratings(results, parents, {reference: scale})
    above = ratings.above(reference)
    return [
        Measured(point, Rating(r.elo + scale, r.low + scale, r.high + scale, r.games))
        for point in all_points(place)
        if (r := above.get(name_of(point))) is not None
    ]


def summaries(place: Workplace, measured: Sequence[Measured]) -> dict[tuple[str, float], dict[str, Summary]]:
    """(unit, budget) -> variant -> what it reached, as far as it has been measured."""
    elos: dict[tuple[str, float], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for point, rating in measured:
        elos[point.unit, point.budget][point.variant].append(rating.elo)
    return {
        budget: {
            name: _summary(by_variant[name], by_variant[BASE]) for name in place.study.variants if by_variant[name]
        }
        for budget, by_variant in elos.items()
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


def _summary(elos: Sequence[float], base: Sequence[float]) -> Summary:
    difference = statistics.fmean(elos) - statistics.fmean(base) if base else math.nan
    if min(len(elos), len(base)) < 2:
        return Summary(tuple(elos), difference, math.nan)
    variance = statistics.variance(elos) / len(elos) + statistics.variance(base) / len(base)
    quantile = float(scipy.stats.t.ppf(0.975, len(elos) + len(base) - 2))
    return Summary(tuple(elos), difference, quantile * math.sqrt(variance))


def _about(place: Workplace, games: int) -> list[str]:
    study, game = place.study, match_config(place).game
    return [
        f"`{' '.join(study.flags)}`, {study.minutes:g} minutes a run, seeds {', '.join(map(str, study.seeds))}.",
        f"{games} games on {game.board_size}x{game.board_size}, komi {game.komi:g}, {game.rules} rules played out, "
        f"{study.simulations} simulations a move, {study.opening_plies} random plies, both colors.",
        "",
    ]


def _tables(place: Workplace, measured: Sequence[Measured]) -> list[str]:
    lines = []
    for (unit, budget), found in sorted(summaries(place, measured).items()):
        lines += [
            f"## After {budget:,.0f} {unit}",
            "",
            "| variant | Elo of each seed | mean | difference from base, 95 % interval over seeds |",
            "|---|---|---|---|",
        ]
        for name, summary in found.items():
            seeds = ", ".join(f"{elo:+.0f}" for elo in summary.elos)
            meaning = f"{name}: {place.study.variants[name].meaning}"
            lines.append(
                f"| {meaning} | {seeds} | {statistics.fmean(summary.elos):+.0f} | {_interval(name, summary)} |"
            )
        lines.append("")
    return lines


def _interval(name: str, summary: Summary) -> str:
    if name == BASE:
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
