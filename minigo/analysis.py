# SPDX-License-Identifier: Apache-2.0
"""What a search thinks of a position, as people and programs want to see it: `Analysis`, read out of a kernel's tree.

How moves are ordered, and how far a move's value can be trusted, is decided here. Searching is done in
`minigo.anytime`.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels.readout import MovesReport, RootReport
from cc_kernels.scoring import final_area
from minigo.go.position import Position

UNSEARCHED_MOVES: Final = 10
"""As many of the network's moves are told of where none has been searched."""

LCB_DEVIATIONS: Final = 5.0
"""Standard errors from the mean down to the bound. Evaluations in a tree are alike, so that errors come out too small;
KataGo takes as many."""
LCB_PRIOR_VISITS: Final = 2.0
"""Visits whose spread is assumed beside what was seen, so that few visits that agree are not believed."""
LCB_PRIOR_VARIANCE: Final = 0.25
"""Their variance: a quarter of the largest that a value in [-1, 1] can have."""
LCB_LEAST_SHARE: Final = 0.15
"""Of the most visited move's visits that a move needs to be chosen for its bound; KataGo's share, too."""


@dataclass(frozen=True)
class MoveAnalysis:
    """What a search thinks of one move at the root. Every number is for the player to move at the root.

    Attributes:
        move: a point, or pass.
        visits: simulations through it; 0: only the network's policy speaks for it.
        value: in [-1, 1]: mean probability of winning minus that of losing.
        score_lead: mean points ahead, komi included.
        utility: what the search maximises: value with a little of the score.
        prior: the network's policy.
        lcb: lower confidence bound of `value`; may be below -1.
        pv: the line that the search expects, beginning with the move.
        pv_visits: visits of each of its moves.
        ownership: [N, N] in [-1, 1] after this move, 1: the player to move at the root; None if not asked for.
    """

    move: int
    visits: int
    value: float
    score_lead: float
    utility: float
    prior: float
    lcb: float
    pv: tuple[int, ...]
    pv_visits: tuple[int, ...]
    ownership: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Analysis:
    """What a search thinks of a position. Every number is for the player to move.

    Attributes:
        position: the root.
        visits: of the root: simulations, and its own evaluation.
        value: in [-1, 1]: mean probability of winning minus that of losing.
        score_lead: mean points ahead, komi included.
        utility: what the search maximises.
        raw_value: the network's own value of the root, before any search.
        raw_score_lead: the network's own score lead.
        policy: [A] the network's policy over the legal moves; 0 where illegal.
        moves: best first: by the choice that a player would make, then by visits and prior.
        ownership: [N, N] in [-1, 1], 1: the player to move; None if not asked for.
        is_over: the game is over here; then the numbers are its exact result, and pass is the only move.
    """

    position: Position
    visits: int
    value: float
    score_lead: float
    utility: float
    raw_value: float
    raw_score_lead: float
    policy: NDArray[np.float32]
    moves: tuple[MoveAnalysis, ...]
    ownership: NDArray[np.float32] | None = None
    is_over: bool = False

    def unsearched(self, may: NDArray[np.bool_]) -> list[MoveAnalysis]:
        """Those of some moves that `moves` says nothing of, by the network's policy; [A], whether a move is wanted."""
        others = may.copy()
        others[[move.move for move in self.moves]] = False
        bound = self.value if self.is_over else -1.0
        return _unsearched(others, self.policy, (self.value, self.score_lead, self.utility), bound)


def analyzed_moves(
    found: RootReport, policy: NDArray[np.float32], by_move: NDArray[np.float32] | None
) -> tuple[MoveAnalysis, ...]:
    """The moves of a root, best first.

    Args:
        found: what the search has found.
        policy: [A] the network's.
        by_move: [K, N, N] ownership after each visited move; None if it is not asked for.
    """
    searched = found.moves
    value_errors = _errors(searched.value_deviations, searched.visits)
    bounds = searched.utilities - _errors(searched.utility_deviations, searched.visits)
    moves = [
        MoveAnalysis(
            move=int(searched.moves[i]),
            visits=int(searched.visits[i]),
            value=float(searched.values[i]),
            score_lead=float(searched.scores[i]),
            utility=float(searched.utilities[i]),
            prior=float(policy[searched.moves[i]]),
            lcb=float(searched.values[i] - value_errors[i]),
            pv=tuple(searched.lines[i]),
            pv_visits=tuple(searched.line_visits[i]),
            ownership=None if by_move is None else by_move[i],
        )
        for i in _order(searched, bounds, policy)
    ]
    others = found.priors > 0
    others[searched.moves] = False
    passing = len(policy) - 1
    wanted = UNSEARCHED_MOVES if not moves else 1 if [move.move for move in moves] == [passing] else 0
    return (*moves, *_unsearched(others, policy, (found.value, found.score, found.utility), -1.0)[:wanted])


def _errors(deviations: NDArray[np.float64], visits: NDArray[np.int32]) -> NDArray[np.float64]:
    """[K] how far below the mean of each move the lower bound is."""
    assumed = LCB_PRIOR_VISITS * LCB_PRIOR_VARIANCE
    variances = (deviations + assumed) / (visits + LCB_PRIOR_VISITS)
    return LCB_DEVIATIONS * np.sqrt(variances / visits)


def _order(searched: MovesReport, bounds: NDArray[np.float64], policy: NDArray[np.float32]) -> list[int]:
    """The best bound of the moves with enough visits first, then by visits, and by the network's policy."""
    order: list[int] = np.lexsort((-policy[searched.moves], -searched.visits)).tolist()
    if order:
        enough = LCB_LEAST_SHARE * searched.visits.max()
        best = max((i for i in order if searched.visits[i] >= enough), key=lambda i: float(bounds[i]))
        order.remove(best)
        order.insert(0, best)
    return order


def _unsearched(
    may: NDArray[np.bool_], policy: NDArray[np.float32], numbers: tuple[float, float, float], bound: float
) -> list[MoveAnalysis]:
    """Moves that only the network's policy speaks for: each with the position's own value, score and utility."""
    moves: list[int] = np.flatnonzero(may)[np.argsort(-policy[may], kind="stable")].tolist()
    return [MoveAnalysis(move, 0, *numbers, float(policy[move]), bound, (move,), (0,)) for move in moves]


def analysis_of_finished(
    position: Position, score_weight: float, *, ownership: bool, moves_ownership: bool
) -> Analysis:
    """The exact result of a game that is over.

    Args:
        position: the last one.
        score_weight: of the search's utility.
        ownership: with the final area.
        moves_ownership: the same for the pass.
    """
    score = position.score_for_black() * position.to_play
    value = float(np.sign(score))
    utility = value + score_weight * math.tanh(score / position.board_size)
    policy = np.zeros(position.board.num_moves, np.float32)
    policy[-1] = 1.0
    owners = (final_area(position.board) * position.to_play).astype(np.float32)
    move = position.board.pass_move
    whole, after = owners if ownership else None, owners if moves_ownership else None
    passing = MoveAnalysis(move, 0, value, score, utility, 1.0, value, (move,), (0,), after)
    return Analysis(position, 1, value, score, utility, value, score, policy, (passing,), whole, is_over=True)
