# SPDX-License-Identifier: Apache-2.0
"""`Insight`: what an engine thinks of a position, as far as a page shows it. Every number is for Black."""

from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import WHITE
from minigo.analysis import Analysis

MAX_CANDIDATES: Final = 8


class Candidate(NamedTuple):
    """A move that was searched."""

    move: int
    """A point, or pass."""
    visits: int
    """Of the search, through this move; 0: only the network's policy speaks for it."""
    winrate: float
    """In 0..1: that of the player to move."""
    score_lead: float
    """Points by which the player to move is ahead."""
    prior: float
    """The network's policy, in 0..1."""
    line: tuple[int, ...]
    """The moves that the search expects, this one first."""


class Insight(NamedTuple):
    """What an engine thinks of a position."""

    to_play: int
    """BLACK or WHITE."""
    visits: int
    """Of the position."""
    winrate_for_black: float
    """In 0..1."""
    score_for_black: float
    """Points by which Black is ahead, komi included."""
    candidates: tuple[Candidate, ...]
    """Best first; the only numbers for the player to move."""
    policy: NDArray[np.float32]
    """[A] the network's, over legal moves."""
    ownership_for_black: NDArray[np.float32] | None
    """[N, N] in [-1, 1]; None: not known."""
    is_complete: bool = False
    """Whether no more is to be expected."""

    @classmethod
    def of(cls, analysis: Analysis, *, is_complete: bool = False) -> Self:
        """What is shown of an analysis."""
        to_play = analysis.position.to_play
        owner = analysis.ownership
        return cls(
            to_play,
            analysis.visits,
            _winrate(analysis.value * to_play),
            analysis.score_lead * to_play,
            tuple(
                Candidate(m.move, m.visits, _winrate(m.value), m.score_lead, m.prior, m.pv)
                for m in analysis.moves[:MAX_CANDIDATES]
            ),
            analysis.policy,
            None if owner is None else -owner if to_play == WHITE else owner,
            is_complete,
        )


def _winrate(value: float) -> float:
    return (1.0 + value) / 2.0
