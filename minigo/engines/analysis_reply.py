# SPDX-License-Identifier: Apache-2.0
"""Replies of our JSON analysis engine, as KataGo's protocol has them: what a search found, for the side asked for."""

import json
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import BLACK
from minigo.analysis import Analysis, MoveAnalysis
from minigo.engines.analysis_request import Query, RequestError, Turn, Warned
from minigo.go.coords import vertex_from_move

_SIDES: Final = {"BLACK": 1, "WHITE": -1}
_DIGITS: Final = 6  # of winrates, scores and priors behind the point
_OWNERSHIP_DIGITS: Final = 4


def line_of(reply: dict[str, Any]) -> bytes:
    """A reply as the line that is sent."""
    return json.dumps(reply, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def analysis_reply(query: Query, turn: Turn, analysis: Analysis, *, during: bool) -> dict[str, Any]:
    """What was found about a position.

    Winrates are in [0, 1], scores in points, ownership in [-1, 1]; all for Black, White or the side to move, as the
    query's settings say. `policy` is the network's, and -1 where a move is illegal.
    """
    position, to_play, size = analysis.position, analysis.position.to_play, analysis.position.board_size
    sign = _SIDES.get(query.settings.perspective, to_play) * to_play  # 1: as the search sees it
    moves = [move for move in analysis.moves if move.visits] or _first_choice(query, analysis)
    reply = {
        "id": query.id,
        "turnNumber": turn.number,
        "isDuringSearch": during,
        "moveInfos": [_move_info(query, size, move, order, sign) for order, move in enumerate(moves)],
        "rootInfo": {
            "currentPlayer": "B" if to_play == BLACK else "W",
            "rawLead": _round(sign * analysis.raw_score_lead),
            "rawWinrate": _winrate(analysis.raw_value, sign),
            "scoreLead": _round(sign * analysis.score_lead),
            "utility": _round(sign * analysis.utility),
            "visits": analysis.visits,
            "winrate": _winrate(analysis.value, sign),
        },
    }
    if query.ownership and analysis.ownership is not None:
        reply["ownership"] = _ownership(analysis.ownership, sign)
    if query.policy:
        policy = np.where(position.legal_moves(), analysis.policy.astype(np.float64), -1.0)
        reply["policy"] = policy.round(2 * _DIGITS).tolist()
    return reply


def no_results_reply(query: Query, turn: Turn) -> dict[str, Any]:
    """A position was given up before anything was known about it."""
    return {"id": query.id, "turnNumber": turn.number, "isDuringSearch": False, "noResults": True}


def error_reply(error: RequestError, query_id: str | None) -> dict[str, Any]:
    """A request is refused; without an id where it had none."""
    reply: dict[str, Any] = {"error": str(error)}
    if error.field:
        reply["field"] = error.field
    if query_id is not None:
        reply["id"] = query_id
    return reply


def warning_reply(warned: Warned, query_id: str) -> dict[str, Any]:
    """A request is obeyed but for something."""
    return {"warning": warned.message, "field": warned.field, "id": query_id}


def _first_choice(query: Query, analysis: Analysis) -> list[MoveAnalysis]:
    """The network's, where no move has been searched yet, of those that are not to be left out."""
    allowed = query.options.allowed(analysis.position)
    return [move for move in (*analysis.moves, *analysis.unsearched(allowed)) if allowed[move.move]][:1]


def _move_info(query: Query, size: int, move: MoveAnalysis, order: int, sign: int) -> dict[str, Any]:
    info = {
        "move": vertex_from_move(move.move, size),
        "order": order,
        "visits": move.visits,
        "winrate": _winrate(move.value, sign),
        "scoreLead": _round(sign * move.score_lead),
        "scoreMean": _round(sign * move.score_lead),
        "lcb": _winrate(move.lcb, sign),
        "prior": _round(move.prior),
        "utility": _round(sign * move.utility),
        "pv": [vertex_from_move(step, size) for step in move.pv],
    }
    if query.pv_visits:
        info["pvVisits"] = list(move.pv_visits)
    if query.moves_ownership and move.ownership is not None:
        info["ownership"] = _ownership(move.ownership, sign)
    return info


def _winrate(value: float, sign: int) -> float:
    return _round((1.0 + sign * value) / 2.0)


def _round(number: float) -> float:
    return round(float(number), _DIGITS) + 0.0  # no "-0.0"


def _ownership(ownership: NDArray[np.float32], sign: int) -> list[float]:
    rounded: list[float] = ((sign * ownership.astype(np.float64)).round(_OWNERSHIP_DIGITS) + 0.0).ravel().tolist()
    return rounded
