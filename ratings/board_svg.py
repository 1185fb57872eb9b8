# SPDX-License-Identifier: Apache-2.0
"""A Go board as SVG: stones, the last move, coordinates, heat maps and ownership.

The drawing has no colours of its own: `static/style.css` gives each class its own, for light and for dark. It needs no
script. Start at `board_svg`.
"""

import html
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from cc_kernels.board import BLACK
from minigo.go.coords import COLUMNS, vertex_from_move

CELL: Final = 24  # units from a line to the next
MARGIN: Final = 30  # units from the border to the first line; coordinates stand in it
STONE_RADIUS: Final = 11.2
FAINT: Final = 0.005  # of the largest: what is less likely is not drawn
STAR_LINES: Final = {7: (2, 4), 9: (2, 4, 6), 13: (3, 6, 9), 19: (3, 9, 15)}


def board_svg(
    stones: ArrayLike,
    *,
    last_move: int | None = None,
    heat: ArrayLike | None = None,
    ownership: ArrayLike | None = None,
    marks: Mapping[int, str] | None = None,
    links: Callable[[int], str] | None = None,
    label: str = "Go board",
    identity: str = "",
) -> Markup:
    """Draws a position.

    Args:
        stones: [N, N] BLACK, WHITE or EMPTY; row 0 is the top.
        last_move: the move to mark: a point; a pass or None marks nothing.
        heat: [N²] or [A], not negative: how much each point is looked at; the largest is drawn full.
        ownership: [N, N] in [-1, 1], 1 for Black.
        marks: text to write on points.
        links: where each empty point leads to when it is clicked; "" makes it no link.
        label: what the picture shows, for those who do not see it.
        identity: the SVG element's id, for scripts.

    Returns:
        An SVG element, safe to put into a page.
    """
    position: NDArray[np.int8] = np.asarray(stones, np.int8)
    size = len(position)
    side = 2 * MARGIN + (size - 1) * CELL
    parts = [
        f'<svg class="board"{_attribute("id", identity)} viewBox="0 0 {side} {side}" data-size="{size}" '
        f'role="img"{_attribute("aria-label", label)}>',
        f'<rect class="wood" width="{side}" height="{side}" rx="6"/>',
        _lines(size),
        _coordinates(size),
    ]
    if ownership is not None:
        parts.append(_ownership(np.asarray(ownership, np.float64)))
    parts.append(_stones(position))
    if heat is not None:
        parts.append(_heat(np.asarray(heat, np.float64), size))
    if last_move is not None and 0 <= last_move < size**2:
        x, y = place(last_move, size)
        shade = "on-black" if position.flat[last_move] == BLACK else "on-white"
        parts.append(f'<circle class="last {shade}" cx="{x}" cy="{y}" r="5"/>')
    for move, text in (marks or {}).items():
        x, y = place(move, size)
        parts.append(f'<text class="mark {_shade(position, move)}" x="{x}" y="{y}">{html.escape(text)}</text>')
    if links is not None:
        parts += [_link(move, size, links(move)) for move in np.flatnonzero(position.ravel() == 0).tolist()]
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 (made of numbers; what is text was escaped)


def place(move: int, board_size: int) -> tuple[int, int]:
    """Where a point lies in the drawing, as (x, y)."""
    row, column = divmod(move, board_size)
    return MARGIN + column * CELL, MARGIN + row * CELL


def _attribute(name: str, text: str) -> str:
    return f' {name}="{html.escape(text)}"' if text else ""


def _lines(size: int) -> str:
    far = MARGIN + (size - 1) * CELL
    ways = (MARGIN + line * CELL for line in range(size))
    path = "".join(f"M{MARGIN} {way}H{far}M{way} {MARGIN}V{far}" for way in ways)
    lines = STAR_LINES.get(size, ())
    stars = "".join(
        f'<circle class="star" cx="{MARGIN + x * CELL}" cy="{MARGIN + y * CELL}" r="2.4"/>'
        for x in lines
        for y in lines
    )
    return f'<path class="lines" d="{path}"/>{stars}'


def _coordinates(size: int) -> str:
    far = MARGIN + (size - 1) * CELL
    texts = []
    for line in range(size):
        way = MARGIN + line * CELL
        texts += [f'<text x="{way}" y="{y}">{COLUMNS[line]}</text>' for y in (11, far + MARGIN - 11)]
        texts += [f'<text x="{x}" y="{way}">{size - line}</text>' for x in (11, far + MARGIN - 11)]
    return f'<g class="coordinates" aria-hidden="true">{"".join(texts)}</g>'


def _stones(position: NDArray[np.int8]) -> str:
    circles = []
    for move in np.flatnonzero(position).tolist():
        x, y = place(move, len(position))
        color = "black" if position.flat[move] == BLACK else "white"
        circles.append(f'<circle class="stone {color}" cx="{x}" cy="{y}" r="{STONE_RADIUS}"/>')
    return f'<g class="stones">{"".join(circles)}</g>'


def _heat(heat: NDArray[np.float64], size: int) -> str:
    points = np.nan_to_num(heat.ravel()[: size**2])
    largest = float(points.max(initial=0.0))
    drawn = []
    for move in np.flatnonzero(points > FAINT * largest).tolist() if largest > 0 else ():
        x, y = place(move, size)
        strength = points[move] / largest
        drawn.append(f'<circle class="heat" cx="{x}" cy="{y}" r="10" fill-opacity="{0.1 + 0.75 * strength:.2f}"/>')
        if points[move] >= 0.01:
            drawn.append(f'<text class="share" x="{x}" y="{y}">{100 * points[move]:.0f}</text>')
    return f'<g class="heatmap">{"".join(drawn)}</g>'


def _ownership(ownership: NDArray[np.float64]) -> str:
    size = len(ownership)
    drawn = []
    for move, owner in enumerate(np.nan_to_num(ownership.ravel()).tolist()):
        if abs(owner) < 0.05:
            continue
        x, y = place(move, size)
        side = CELL * 0.55 * min(1.0, abs(owner)) ** 0.5
        color = "black" if owner > 0 else "white"
        corner = f'x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}"'
        drawn.append(f'<rect class="owner {color}" {corner}/>')
    return f'<g class="ownership">{"".join(drawn)}</g>'


def _shade(position: NDArray[np.int8], move: int) -> str:
    stone: Any = position.flat[move]
    return "on-empty" if stone == 0 else "on-black" if stone == BLACK else "on-white"


def _link(move: int, size: int, target: str) -> str:
    if not target:
        return ""
    x, y = place(move, size)
    name = vertex_from_move(move, size)
    half = CELL // 2
    area = f'<rect class="target" x="{x - half}" y="{y - half}" width="{CELL}" height="{CELL}"/>'
    return f'<a href="{html.escape(target)}" aria-label="{name}"><title>{name}</title>{area}</a>'
