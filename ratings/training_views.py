# SPDX-License-Identifier: Apache-2.0
"""What the pages about learning show: losses, how much is trained on how many games, and the probed openings."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from minigo.config import Config
from ratings.charts import Chart, Level, Series
from ratings.snapshot import Snapshot, generation_of, quantity, text

HEADS: Final = {"policy": "nats", "value": "nats", "score": "points, Huber", "ownership": "squared error"}
SHOWN_PROBES: Final = 12
LEAST_LOSS: Final = 1e-9  # that a gap can be a share of


def training_charts(snapshot: Snapshot) -> list[Chart]:
    """All curves of training that the run has numbers for."""
    rows = snapshot.train
    charts = [_head_chart(rows, head, unit) for head, unit in HEADS.items()]
    charts += [
        _gap_chart(rows),
        _chart(rows, "total", "Total loss", "loss", {"total loss": "total_loss"}),
        _chart(rows, "entropy", "Policy: entropy and accuracy", "share or nats", _recorded(rows)),
        _replay_chart(rows, snapshot.config),
        _chart(rows, "rate", "Learning rate", "learning rate", {"learning rate": "learning_rate"}),
        _chart(rows, "speed", "Speed of training", "examples/s", {"examples/s": "examples_per_s"}),
        _chart(rows, "window", "Window of games", "positions", {"positions": "window_positions"}),
        _balance_chart(snapshot),
        _length_chart(snapshot),
    ]
    return [chart for chart in charts if not chart.is_empty]


def _recorded(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Names of the metrics about entropy and accuracy, if any are recorded."""
    names = sorted({name for row in rows[-1:] for name in row if "entropy" in name or "accuracy" in name})
    return {name.replace("_", " "): name for name in names}


def _points(rows: Sequence[Mapping[str, Any]], key: str, x: str = "step") -> tuple[list[float], list[float]]:
    pairs = [(quantity(row, x), quantity(row, key)) for row in rows]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    return [a for a, _ in known], [b for _, b in known]


def _chart(
    rows: Sequence[Mapping[str, Any]], identity: str, title: str, unit: str, metrics: Mapping[str, str]
) -> Chart:
    series = [
        Series(name, *_points(rows, key), tone=1 + place % 4) for place, (name, key) in enumerate(metrics.items())
    ]
    return Chart(identity, title, "step", unit, series)


def _head_chart(rows: Sequence[Mapping[str, Any]], head: str, unit: str) -> Chart:
    series = [
        Series("training", *_points(rows, f"{head}_loss")),
        Series("held out", *_points(rows, f"holdout_{head}_loss"), dashed=True, tone=2),
    ]
    return Chart(head, f"{head.capitalize()} loss", "step", unit, series)


def _gap_chart(rows: Sequence[Mapping[str, Any]]) -> Chart:
    series = []
    for tone, head in enumerate(HEADS, 1):
        triples = [
            (quantity(row, "step"), quantity(row, f"{head}_loss"), quantity(row, f"holdout_{head}_loss"))
            for row in rows
        ]
        known = [
            (x, a, b) for x, a, b in triples if x is not None and a is not None and b is not None and a > LEAST_LOSS
        ]
        series.append(Series(head, [x for x, _, _ in known], [100 * (b - a) / a for _, a, b in known], tone=tone))
    title = "Held-out gap: how much larger the loss is on games never trained on"
    return Chart("gap", title, "step", "% of the training loss", series, [Level("", 0.0)])


def _replay_chart(rows: Sequence[Mapping[str, Any]], config: Config | None) -> Chart:
    known = [(quantity(row, "step"), quantity(row, "steps"), quantity(row, "new_positions")) for row in rows]
    batch = config.train.batch_size if config is not None else 0
    points = [
        (x, steps * batch / new) for x, steps, new in known if x is not None and steps and new is not None and new >= 1
    ]
    series = [Series("replay ratio", [x for x, _ in points], [y for _, y in points])]
    levels = [Level("configured", config.train.replay_ratio)] if config is not None else []
    title = "Replay ratio: examples trained on for each new position"
    return Chart("replay", title, "step", "examples per position", series, levels)


def _selfplay_series(snapshot: Snapshot, key: str, factor: float, name: str, tone: int) -> Series:
    xs, ys, games = [], [], 0.0
    for row in snapshot.of_kind("selfplay"):
        games += quantity(row, "games") or 0.0
        value = quantity(row, key)
        if value is not None:
            xs.append(games)
            ys.append(factor * value)
    return Series(name, xs, ys, tone=tone)


def _balance_chart(snapshot: Snapshot) -> Chart:
    series = [_selfplay_series(snapshot, "black_win_share", 100.0, "won by Black", 1)]
    title = "Colour balance of self-play"
    return Chart("balance", title, "self-play games", "won by Black, %", series, [Level("", 50.0)], (0.0, 100.0))


def _length_chart(snapshot: Snapshot) -> Chart:
    series = [_selfplay_series(snapshot, "moves_per_game", 1.0, "moves", 2)]
    return Chart("length", "Length of self-play games", "self-play games", "moves in a game", series)


@dataclass(frozen=True)
class Probe:
    """How a network sees a fixed position: the empty board.

    Attributes:
        network: its name.
        move: what it would play.
        policy: [A] of its search.
        value: for Black, or None.
        score_lead: for Black in points after komi, or None.
        board_size: N.
    """

    network: str
    move: str
    policy: NDArray[np.float64]
    value: float | None
    score_lead: float | None
    board_size: int

    @property
    def certainty(self) -> float:
        """The share of the move that it looks at most."""
        return float(self.policy.max())


def probes(snapshot: Snapshot) -> list[Probe]:
    """All openings that were probed, oldest first; those that make no sense are left out."""
    found = (_probe(row) for row in snapshot.of_kind("opening"))
    return [probe for probe in found if probe is not None]


def _probe(row: Mapping[str, Any]) -> Probe | None:
    policy = row.get("policy")
    if not isinstance(policy, list) or not all(isinstance(p, int | float) and 0 <= p <= 1 for p in policy):
        return None
    size = math.isqrt(max(0, len(policy) - 1))
    if size**2 + 1 != len(policy) or not 2 <= size <= 19:
        return None
    network, move = text(row, "network") or "", text(row, "move") or ""
    return Probe(network, move, np.array(policy, np.float64), quantity(row, "value"), quantity(row, "score_lead"), size)


def spread(found: Sequence[Probe], most: int = SHOWN_PROBES) -> list[Probe]:
    """So many of them, evenly, the first and the last among them."""
    if len(found) <= most:
        return list(found)
    return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]


def probe_charts(found: Sequence[Probe]) -> list[Chart]:
    """What the openings say over the generations."""
    numbers = [(probe, generation_of(probe.network)) for probe in found]
    numbered = {number: probe for probe, number in numbers if number is not None}

    def series(name: str, what: Callable[[Probe], float | None], tone: int) -> Series:
        pairs = [(number, probe, what(probe)) for number, probe in sorted(numbered.items())]
        known = [(number, probe.network, value) for number, probe, value in pairs if value is not None]
        xs, ys = [x for x, _, _ in known], [y for _, _, y in known]
        return Series(name, xs, ys, labels=[label for _, label, _ in known], tone=tone)

    values = series("value", lambda probe: probe.value, 1)
    leads = series("lead", lambda probe: probe.score_lead, 2)
    shares = series("share", lambda probe: 100 * probe.certainty, 4)
    return [
        Chart(
            "value", "Value of the empty board for Black", "network", "value", [values], [Level("", 0.0)], (-1.0, 1.0)
        ),
        Chart("lead", "Expected lead of Black after komi", "network", "points", [leads], [Level("", 0.0)]),
        Chart("certainty", "Share of the likeliest first move", "network", "%", [shares], (), (0.0, 100.0)),
    ]
