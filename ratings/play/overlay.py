# SPDX-License-Identifier: Apache-2.0
"""What lies over the board: what the engine thinks of moves and points, dead stones, and where one can play.

Each kind is a group of its own, which a style sheet shows or hides. The board itself is `ratings.board_svg`'s.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from markupsafe import Markup

from cc_kernels.board import BLACK, WHITE
from ratings.board_svg import CELL, MARGIN, place
from ratings.play.game import PlayedGame
from ratings.play.insight import Candidate, Insight

FAINT: Final = 0.08  # what is less certain, of -1..1, is not drawn
LEAST_POLICY: Final = 0.005


def overlay_svg(game: PlayedGame, insight: Insight | None) -> Markup:
    """The drawing over the board.

    Args:
        game: shows its dead stones and who owns what, once it is over.
        insight: shows ownership, policy and candidates; None: none of these.
    """
    size = game.setting.board_size
    side = 2 * MARGIN + (size - 1) * CELL
    groups = []
    if insight is not None:
        groups.append(_policy(insight, size))
        if insight.ownership_for_black is not None:
            groups.append(_owners(insight.ownership_for_black.ravel().tolist(), game, "ownership"))
        groups.append(_candidates(insight, size))
    if game.outcome is not None and game.outcome.owner:
        groups.append(_owners(game.outcome.owner, game, "area"))
        groups.append(_dead(game.outcome.dead, size))
    drawing = "".join(groups)
    return Markup(  # noqa: S704 (made of numbers alone)
        f'<svg class="play-overlay" viewBox="0 0 {side} {side}" aria-hidden="true">{drawing}<g class="line"></g></svg>'
    )


def _owners(owners: Iterable[float], game: PlayedGame, name: str) -> str:
    """A square for each point, larger the surer its owner is; none on stones whose owner is whose they are."""
    size, stones = game.setting.board_size, game.position.board.stones.ravel().tolist()
    drawn = []
    for point, owner in enumerate(owners):
        if abs(owner) < FAINT or owner * stones[point] > 0:
            continue
        x, y = place(point, size)
        side = CELL * 0.5 * float(np.sqrt(min(1.0, abs(owner))))
        color = "black" if owner * BLACK > 0 else "white"
        corner = f'x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}"'
        drawn.append(f'<rect class="{color}" {corner}/>')
    return f'<g class="layer-{name}">{"".join(drawn)}</g>'


def _policy(insight: Insight, size: int) -> str:
    """A disc for each move that the network thinks of, with its share in percent."""
    points = insight.policy[: size * size]
    drawn = []
    for move in np.flatnonzero(points >= LEAST_POLICY).tolist():
        x, y = place(move, size)
        share = float(points[move])
        drawn.append(f'<circle cx="{x}" cy="{y}" r="10" fill-opacity="{0.1 + 0.8 * share**0.5:.2f}"/>')
        if share >= 0.01:
            drawn.append(f'<text x="{x}" y="{y}">{100 * share:.0f}</text>')
    return f'<g class="layer-policy">{"".join(drawn)}</g>'


def _candidates(insight: Insight, size: int) -> str:
    """A disc for each move that was searched, with its win rate and visits; the best one is ringed."""
    shown = [candidate for candidate in insight.candidates if candidate.move < size * size]
    most = max((candidate.visits for candidate in shown), default=0)
    return f'<g class="layer-moves">{"".join(_candidate(c, most, c is shown[0], size) for c in shown)}</g>'


def _candidate(candidate: Candidate, most: int, is_best: bool, size: int) -> str:
    x, y = place(candidate.move, size)
    share = candidate.visits / most if most else candidate.prior
    ring = " best" if is_best else ""
    return (
        f'<circle class="candidate{ring}" cx="{x}" cy="{y}" r="11" fill-opacity="{0.35 + 0.6 * share:.2f}"/>'
        f'<text class="winrate" x="{x}" y="{y - 3}">{100 * candidate.winrate:.0f}</text>'
        f'<text class="visits" x="{x}" y="{y + 6}">{short_count(candidate.visits)}</text>'
    )


def _dead(points: Iterable[int], size: int) -> str:
    crosses = []
    for point in points:
        x, y = place(point, size)
        crosses.append(f"M{x - 6} {y - 6}L{x + 6} {y + 6}M{x + 6} {y - 6}L{x - 6} {y + 6}")
    return f'<path class="dead" d="{"".join(crosses)}"/>' if crosses else ""


def short_count(count: int) -> str:
    """A number in four characters at most: "950", "1.2k", "34k"."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 9950 else f"{count / 1000:.0f}k"


def playable_points(game: PlayedGame) -> list[bool]:
    """[N²] where the person may play now; nowhere if it is not the person's turn."""
    size = game.setting.board_size
    if not game.is_humans_turn:
        return [False] * (size * size)
    return [bool(legal) for legal in game.position.legal_moves()[: size * size]]


def captures(game: PlayedGame) -> dict[int, int]:
    """Stones that each colour has captured."""
    board = game.position.board
    return {color: board.captured(-color) for color in (BLACK, WHITE)}
