# SPDX-License-Identifier: Apache-2.0
"""What our GTP engine says about positions, as Leela Zero (`lz-`) and KataGo (`kata-`) write it.

Analyses are for the side to move, the raw network's numbers for White. Leela Zero's numbers are integers; KataGo's
always carry a decimal point and never an exponent.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from minigo.anytime import Analysis, MoveAnalysis
from minigo.engines.raw_network import RawEvaluation
from minigo.go.coords import vertex_from_move
from minigo.go.position import Position

_WHOLE: Final = 10_000  # Leela Zero's 100 %


@dataclass(frozen=True)
class Shape:
    """What an analysis shall show.

    Attributes:
        dialect: "lz" or "kata".
        least: moves that are shown though they were not searched.
        most: no more moves than these are shown.
        pv_visits: with the visits of each move of a line.
        root_info: with what is thought of the position itself.
        lone_pass: a pass is shown alone where nothing else is legal.
    """

    dialect: str
    least: int = 0
    most: int = 1 << 30
    pv_visits: bool = False
    root_info: bool = False
    lone_pass: bool = False


def info_line(analysis: Analysis, shape: Shape) -> str:
    """The analysis in one line, an `info` for each move, best first; "" where there is nothing to show but a pass."""
    moves = _shown(analysis, shape)
    if not moves:
        return ""
    size = analysis.position.board_size
    parts = [f"info {_move_text(move, order, size, shape)}" for order, move in enumerate(moves)]
    if shape.root_info:
        parts.append(_root_text(analysis))
    if analysis.ownership is not None:
        parts.append(f"ownership {_numbers(analysis.ownership)}")
    return " ".join(parts)


def raw_network_text(position: Position, raw: RawEvaluation, symmetry: int) -> str:
    """The answer to `kata-raw-nn` in one symmetry. Illegal moves have the policy NAN."""
    size, white = position.board_size, -position.to_play
    value, lead = raw.value * white, raw.score_lead * white
    legal = position.legal_moves()
    policy = [_number(float(share)) if may else "NAN" for share, may in zip(raw.policy, legal, strict=True)]
    ownership = np.zeros((size, size), np.float32) if raw.ownership is None else raw.ownership * white
    owned = [_number(float(owner)) for owner in ownership.ravel()]
    return "\n".join(
        [
            f"symmetry {symmetry}",
            f"whiteWin {_number((1 + value) / 2)}",
            f"whiteLoss {_number((1 - value) / 2)}",
            f"noResult {_number(0.0)}",
            f"whiteLead {_number(lead)}",
            "policy",
            *(" ".join(policy[row * size : (row + 1) * size]) for row in range(size)),
            f"policyPass {policy[-1]}",
            "whiteOwnership",
            *(" ".join(owned[row * size : (row + 1) * size]) for row in range(size)),
        ]
    )


def _shown(analysis: Analysis, shape: Shape) -> list[MoveAnalysis]:
    """The moves to show: those that were searched, more if they are wanted, and never a pass alone."""
    passing = analysis.position.board.pass_move
    searched = [move for move in analysis.moves if move.visits]
    others = [move for move in analysis.moves if not move.visits]
    shown = list(searched) if searched else [others.pop(0)]
    if len(shown) < shape.least or all(move.move == passing for move in shown[: shape.most]):
        others += analysis.unsearched(analysis.position.legal_moves())
    shown = [*shown, *others[: max(0, shape.least - len(shown))]][: shape.most]
    if [move.move for move in shown] == [passing]:
        point = next((move for move in (*searched, *others) if move.move != passing), None)
        if point is not None:
            return [*shown, point]
        return shown if shape.lone_pass else []
    return shown


def _move_text(move: MoveAnalysis, order: int, size: int, shape: Shape) -> str:
    vertices = [vertex_from_move(step, size) for step in (move.pv if move.pv else (move.move,))]
    winrate, lcb = _share(move.value), (1 + move.lcb) / 2
    texts = [f"move {vertices[0]} visits {move.visits}"]
    if shape.dialect == "lz":
        texts.append(f"winrate {_whole(winrate)} prior {_whole(move.prior)} lcb {_whole(lcb)}")
    else:
        lead, utility_lcb = _number(move.score_lead), move.utility - (move.value - move.lcb)
        texts += [
            f"utility {_number(move.utility)} winrate {_number(winrate)}",
            f"scoreMean {lead} scoreLead {lead}",
            f"prior {_number(move.prior)} lcb {_number(lcb)} utilityLcb {_number(utility_lcb)}",
        ]
    texts.append(f"order {order} pv {' '.join(vertices)}")
    if shape.pv_visits:
        texts.append("pvVisits " + " ".join(map(str, move.pv_visits)))
    if move.ownership is not None:
        texts.append(f"movesOwnership {_numbers(move.ownership)}")
    return " ".join(texts)


def _root_text(analysis: Analysis) -> str:
    lead = _number(analysis.score_lead)
    return (
        f"rootInfo visits {analysis.visits} utility {_number(analysis.utility)}"
        f" winrate {_number(_share(analysis.value))} scoreMean {lead} scoreLead {lead}"
        f" rawWinrate {_number(_share(analysis.raw_value))} rawLead {_number(analysis.raw_score_lead)}"
    )


def _share(value: float) -> float:
    """A value in [-1, 1] as a probability of winning."""
    return min(1.0, max(0.0, (1 + value) / 2))


def _whole(share: float) -> int:
    return round(_WHOLE * min(1.0, max(0.0, share)))


def _number(number: float) -> str:
    text = f"{number:.6f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _numbers(array: NDArray[np.floating]) -> str:
    """Many numbers as `_number` writes each, in one go: an analysis may hold a hundred thousand."""
    return ("%.6f " * array.size % tuple(array.ravel().tolist())).replace("-0.000000", "0.000000").rstrip(" ")
