# SPDX-License-Identifier: Apache-2.0
"""A page about a run that a person can look at: what it reached, its learning curves, and how it opens.

The page is one HTML file with its pictures inside; it needs no network and no script. Start at `write_report`.
"""

import html
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minigo.go.coords import COLUMNS
from minigo.run import Run
from ratings.elo import Rating
from ratings.ladder import rate_networks

_INK: Final = "#33505e"
_ACCENT: Final = "#c0562f"
_HEADS: Final = {"policy": "nats", "value": "nats", "score": "points, Huber", "ownership": "squared"}
_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .25rem .8rem; text-align: right }
th { border-bottom: 1px solid #8888; font-weight: 600 } td:first-child, th:first-child { text-align: left }
figure { margin: 1.5rem 0; background: #fff; border-radius: 6px } figure svg { width: 100%; height: auto }
figcaption { color: #444; padding: 0 1rem 1rem } small { color: #888 }
"""


def write_report(run: Run) -> str:
    """Writes `report.html` and `learning_curve.png` into the run and returns the page's URL."""
    ratings = rate_networks(run)
    loop = run.telemetry.metrics("loop")
    run.telemetry.write_report("learning_curve.png", _picture(lambda axes: _draw_elo(axes, ratings, run), "png"))
    figures = [
        (
            "Elo of each network against generation 0, from the matches that judged it, with 95 % intervals of the "
            "difference; filled: promoted.",
            _picture(lambda axes: _draw_elo(axes, ratings, run)),
        ),
        (
            "Losses in training, and on held-out games (dashed), of each head.",
            _draw_losses(run.telemetry.metrics("train")),
        ),
        (
            "Self-play: share of games that Black wins, and moves in a game.",
            _picture(lambda axes: _draw_games(axes, _rows(loop, "selfplay"))),
        ),
    ]
    openings = _rows(loop, "opening")
    if openings:
        size = run.config.game.board_size
        figures.append(("Black's first move as the search of some champions sees it.", _draw_openings(openings, size)))
    page = _page(run, ratings, loop, [(caption, picture.decode()) for caption, picture in figures])
    return run.telemetry.write_report("report.html", page.encode())


def _rows(metrics: Sequence[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [row for row in metrics if row.get("kind") == kind]


def _picture(draw: Callable[[Axes], None], kind: str = "svg") -> bytes:
    figure = Figure(figsize=(8.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    draw(axes)
    return _saved(figure, kind)


def _saved(figure: Figure, kind: str) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format=kind, dpi=120)
    data = sink.getvalue()
    return data if kind != "svg" else data[data.index(b"<svg") :]


def _draw_elo(axes: Axes, ratings: Mapping[str, Rating], run: Run) -> None:
    axes.set(xlabel="network", ylabel="Elo above generation 0")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    promoted = {entry["network"] for entry in run.history()}
    for name, rating in sorted(ratings.items()):
        below, above = rating.elo - rating.low, rating.high - rating.elo
        axes.errorbar(
            int(name),
            rating.elo,
            yerr=[[below], [above]],
            fmt="o",
            color=_INK,
            ecolor="#9fb2bb",
            markerfacecolor=_INK if name in promoted else "white",
        )
    chain = [(int(name), ratings[name].elo) for name in sorted(ratings) if name in promoted]
    if chain:
        axes.plot(*zip(*chain, strict=True), color=_INK, alpha=0.5)


def _draw_losses(rows: Sequence[Mapping[str, Any]]) -> bytes:
    figure = Figure(figsize=(8.6, 2.6), layout="constrained")
    for place, (head, unit) in enumerate(_HEADS.items()):
        axes = figure.add_subplot(1, len(_HEADS), place + 1, title=f"{head} ({unit})")
        axes.title.set_fontsize(10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.set_xlabel("step")
        for key, style in ((f"{head}_loss", "-"), (f"holdout_{head}_loss", "--")):
            points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), style, color=_INK if style == "-" else _ACCENT)
    return _saved(figure, "svg")


def _draw_games(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    games = np.cumsum([row["games"] for row in rows])
    axes.set(xlabel="self-play games", ylabel="share won by Black", ylim=(0, 1))
    axes.plot(games, [row["black_win_share"] for row in rows], "o-", color=_INK, markersize=3)
    lengths = axes.twinx()
    lengths.spines[["top"]].set_visible(False)
    lengths.plot(games, [row["moves_per_game"] for row in rows], "o-", color=_ACCENT, markersize=3)
    lengths.set_ylabel("moves in a game", color=_ACCENT)
    lengths.set_ylim(bottom=0)


def _draw_openings(rows: Sequence[Mapping[str, Any]], board_size: int) -> bytes:
    chosen = [rows[round(i)] for i in np.linspace(0, len(rows) - 1, min(5, len(rows)))]
    figure = Figure(figsize=(8.6, 2.5), layout="constrained")
    for place, row in enumerate(chosen):
        axes = figure.add_subplot(1, 5, place + 1)
        policy = np.array(row["policy"][:-1]).reshape(board_size, board_size)
        axes.imshow(policy, cmap="YlGnBu", vmin=0, vmax=max(1e-9, float(policy.max())))
        axes.set_xticks(range(board_size), COLUMNS[:board_size], fontsize=7)
        axes.set_yticks(range(board_size), [str(board_size - y) for y in range(board_size)], fontsize=7)
        axes.set_title(f"network {int(row['network'])}: {row['move']}\nvalue {row['value']:+.2f}", fontsize=8)
    return _saved(figure, "svg")


def _page(
    run: Run, ratings: Mapping[str, Rating], loop: Sequence[Mapping[str, Any]], figures: Sequence[tuple[str, str]]
) -> str:
    config = run.config
    champion = run.champion()
    games = sum(row["games"] for row in _rows(loop, "selfplay"))
    facts = {
        "board, komi, rules": f"{config.game.board_size}x{config.game.board_size}, {config.game.komi:g}, "
        f"{config.game.rules}",
        "network": f"{config.network.blocks} blocks x {config.network.channels} channels",
        "champion": champion.network if champion is not None else "none yet",
        "networks trained": str(max(0, len(run.networks()) - 1)),
        "self-play games": f"{games:,}",
        "evaluations": f"{sum(row['evaluations'] for row in _rows(loop, 'selfplay')):,}",
    }
    if champion is not None and champion.network in ratings:
        rating = ratings[champion.network]
        facts["Elo above generation 0"] = f"{rating.elo:+.0f} ({rating.low:+.0f} to {rating.high:+.0f})"
    finals = "".join(
        f"<tr><td>{html.escape(row['opponent'])}</td><td>{row['wins']} of {row['games']}</td>"
        f"<td>{row['elo']:+.0f} ({row['elo_low']:+.0f} to {row['elo_high']:+.0f})</td></tr>"
        for row in _latest_finals(loop)
    )
    table = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in facts.items())
    pictures = "".join(
        f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>" for caption, picture in figures
    )
    matches = f"<h2>What it learned</h2><table><tr><th>against<th>won<th>Elo</tr>{finals}</table>" if finals else ""
    title = html.escape(run.url.rstrip("/").rpartition("/")[2] or run.url)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}: MiniGo run</title><style>{_STYLE}</style><h1>{title}</h1>"
        f"<table>{table}</table>{matches}{pictures}</html>"
    )


def _latest_finals(loop: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The last closing match against each opponent whose numbers are finite."""
    latest = {row["opponent"]: row for row in _rows(loop, "final") if math.isfinite(row["elo"])}
    return list(latest.values())
