# SPDX-License-Identifier: Apache-2.0
"""Charts: lines, points with intervals and horizontal levels, in three forms that show the same numbers.

`Chart.svg` is drawn here and is in every page, `Chart.figure` is for plotly, which takes the drawing's place where
scripts run, and `Chart.rows` are for those who want the numbers. Colours are CSS classes, for light and for dark.
"""

import dataclasses
import html
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from markupsafe import Markup

WIDTH: Final = 520
HEIGHT: Final = 270
LEFT, RIGHT, TOP, BOTTOM = 66, 24, 12, 44  # of the drawing, around the plot
MAX_POINTS: Final = 400  # of a series; longer ones are thinned evenly
MAX_ROWS: Final = 100  # of a table


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        name: for the legend.
        x: [n].
        y: [n].
        low: [n] lower ends of intervals; () where there are none.
        high: [n] upper ends.
        labels: [n] what each point is; () where there is nothing to say.
        is_line: whether the points are joined.
        dashed: whether that line is dashed.
        hollow: whether points are drawn as rings.
        tone: which of the colours, 1 to 4.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    labels: Sequence[str] = ()
    is_line: bool = True
    dashed: bool = False
    hollow: bool = False
    tone: int = 1

    def thinned(self) -> "Series":
        """At most MAX_POINTS of them, the last among them."""
        size = len(self.x)
        if size <= MAX_POINTS:
            return self
        chosen = sorted({round(i * (size - 1) / (MAX_POINTS - 1)) for i in range(MAX_POINTS)})
        return dataclasses.replace(
            self,
            x=_at(self.x, chosen),
            y=_at(self.y, chosen),
            low=_at(self.low, chosen),
            high=_at(self.high, chosen),
            labels=_at(self.labels, chosen),
        )


@dataclass(frozen=True)
class Level:
    """A horizontal line with a name."""

    name: str
    y: float
    tone: int = 3


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        identity: unique in its page; letters, digits and dashes.
        title: what it shows.
        x_title: what the horizontal axis is, with its unit.
        y_title: the same for the vertical one.
        series: what is shown; those without a point are left out.
        levels: horizontal lines.
        y_range: fixed ends of the vertical axis, or None to fit.
        cursor: where on the horizontal axis to draw a mark, or None.
    """

    identity: str
    title: str
    x_title: str
    y_title: str
    series: Sequence[Series]
    levels: Sequence[Level] = ()
    y_range: tuple[float, float] | None = None
    cursor: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not any(len(series.x) for series in self.series)

    @cached_property
    def shown(self) -> list[Series]:
        """The series that have points, thinned."""
        return [series.thinned() for series in self.series if len(series.x)]

    @property
    def figure(self) -> str:
        """JSON of what plotly draws, safe inside a script element; `static/charts.js` adds the colours."""
        traces = [_trace(series) for series in self.shown]
        levels = [{"name": level.name, "y": _rounded(level.y), "tone": level.tone} for level in self.levels]
        document = {
            "traces": traces,
            "levels": levels,
            "x_title": self.x_title,
            "y_title": self.y_title,
            "y_range": self.y_range,
        }
        return Markup(json_for_page(document))  # noqa: S704 (json_for_page escapes what HTML could mistake)

    @property
    def svg(self) -> Markup:
        """The drawing."""
        return Markup(_Drawing(self).svg())  # noqa: S704 (numbers; what is text is escaped there)

    @cached_property
    def header(self) -> list[str]:
        """The names of the table's columns."""
        intervals = any(len(series.low) for series in self.series)
        labels = any(len(series.labels) for series in self.series)
        return [
            *(["what"] if labels else []),
            *(["series"] if len(self.shown) > 1 else []),
            self.x_title,
            self.y_title,
            *(["95 % from", "to"] if intervals else []),
        ]

    @property
    def rows(self) -> list[list[str]]:
        """The table's rows, at most MAX_ROWS: the last ones."""
        has_labels, has_names, has_intervals = ("what" in self.header, "series" in self.header, "to" in self.header)
        rows = []
        for series in self.shown:
            for i in range(max(0, len(series.x) - MAX_ROWS), len(series.x)):
                row = [series.labels[i] if series.labels else ""] if has_labels else []
                row += [series.name] if has_names else []
                row += [_plain(series.x[i]), _plain(series.y[i])]
                if has_intervals:
                    row += [_plain(series.low[i]), _plain(series.high[i])] if series.low else ["", ""]
                rows.append(row)
        return rows[-MAX_ROWS:]


def json_for_page(document: Any) -> str:
    """JSON that no parser of HTML takes for markup."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _at(values: Sequence[Any], chosen: Iterable[int]) -> list[Any]:
    return [values[i] for i in chosen] if values else []


def _trace(series: Series) -> dict[str, Any]:
    trace: dict[str, Any] = {
        "name": series.name,
        "x": [_rounded(x) for x in series.x],
        "y": [_rounded(y) for y in series.y],
        "tone": series.tone,
        "line": series.is_line,
        "dashed": series.dashed,
        "hollow": series.hollow,
    }
    if series.low:
        trace["above"] = [_rounded(h - y) for h, y in zip(series.high, series.y, strict=True)]
        trace["below"] = [_rounded(y - w) for w, y in zip(series.low, series.y, strict=True)]
    if series.labels:
        trace["text"] = list(series.labels)
    return trace


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two ends: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * power for unit in (1, 2, 5, 10) if unit * power >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


class _Drawing:
    """A chart's SVG."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        xs = [x for series in chart.shown for x in series.x]
        ys = [y for series in chart.shown for y in (*series.y, *series.low, *series.high)]
        ys += [level.y for level in chart.levels]
        self._x_low, self._x_high = _ends(xs, 0.02)
        self._y_low, self._y_high = chart.y_range if chart.y_range is not None else _ends(ys, 0.06)

    def svg(self) -> str:
        """All of it."""
        chart = self._chart
        parts = [
            f'<svg class="chart-drawing" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{html.escape(chart.title)}" data-low="{self._x_low:.6g}" data-high="{self._x_high:.6g}" '
            f'data-left="{LEFT}" data-right="{WIDTH - RIGHT}">',
            self._axes(),
            *(self._level(level) for level in chart.levels),
            *(self._series(series) for series in chart.shown),
        ]
        if chart.cursor is not None:
            parts.append(f'<path class="cursor" d="M{self._x(chart.cursor):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        return "".join([*parts, "</svg>"])

    def _x(self, x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (x - self._x_low) / (self._x_high - self._x_low)

    def _y(self, y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - self._y_low) / (self._y_high - self._y_low)

    def _axes(self) -> str:
        chart, bottom = self._chart, HEIGHT - BOTTOM
        lines, texts = [], []
        for tick in ticks(self._y_low, self._y_high, 5):
            y = self._y(tick)
            lines.append(f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}")
            texts.append(f'<text class="y" x="{LEFT - 8}" y="{y:.1f}">{_tick(tick)}</text>')
        for tick in ticks(self._x_low, self._x_high, 8):
            texts.append(f'<text class="x" x="{self._x(tick):.1f}" y="{bottom + 16}">{_tick(tick)}</text>')
        across, up = (LEFT + WIDTH - RIGHT) / 2, (TOP + bottom) / 2
        texts += [
            f'<text class="x title" x="{across}" y="{HEIGHT - 8}">{html.escape(chart.x_title)}</text>',
            f'<text class="x title" transform="translate(12 {up}) rotate(-90)">{html.escape(chart.y_title)}</text>',
        ]
        return f'<path class="grid" d="{"".join(lines)}"/><g aria-hidden="true">{"".join(texts)}</g>'

    def _level(self, level: Level) -> str:
        y = self._y(level.y)
        return (
            f'<path class="level tone{level.tone}" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            f'<text class="level-name tone{level.tone}" x="{WIDTH - RIGHT - 4}" y="{y - 5:.1f}">'
            f"{html.escape(level.name)}</text>"
        )

    def _series(self, series: Series) -> str:
        points = [(self._x(x), self._y(y)) for x, y in zip(series.x, series.y, strict=True)]
        parts = []
        if series.low:
            bars = "".join(
                f"M{x:.1f} {self._y(low):.1f}V{self._y(high):.1f}"
                for (x, _), low, high in zip(points, series.low, series.high, strict=True)
            )
            parts.append(f'<path class="bars tone{series.tone}" d="{bars}"/>')
        if series.is_line and len(points) > 1:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            parts.append(f'<path class="curve tone{series.tone}{" dashed" if series.dashed else ""}" d="{path}"/>')
        if not series.is_line or len(points) <= 60:
            kind = "ring" if series.hollow else "dot"
            parts += [f'<circle class="{kind} tone{series.tone}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
        return "".join(parts)


def _ends(values: Sequence[float], margin: float) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    return low - margin * (high - low), high + margin * (high - low)


def _tick(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
