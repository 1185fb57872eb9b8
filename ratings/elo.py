# SPDX-License-Identifier: Apache-2.0
"""Elo ratings: maximum a posteriori Bradley-Terry over all games, with the covariance of the estimate.

The prior ties each player to its parent with virtual draws, so that a player with few games, or one that lost or won
them all, still has a finite rating. An interval belongs to a difference; the ones given here are to the anchor.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

ELO_PER_UNIT: Final = 400.0 / math.log(10.0)
VIRTUAL_DRAWS: Final = 2.0  # against the parent
RIDGE: Final = 1e-4  # pulls every player to 0, so that groups that never met have finite ratings too
_QUANTILE: Final = 1.959964  # 95 % of a normal distribution lie within this many standard deviations


class Result(NamedTuple):
    """Games between two players; a draw is half a point for each."""

    player: str
    opponent: str
    points: float  # of `player`
    games: int


class Rating(NamedTuple):
    """A player's Elo above the anchor, with the 95 % interval of that difference."""

    elo: float
    low: float
    high: float
    games: int


def fit_ratings(results: Sequence[Result], parents: Mapping[str, str | None], anchor: str) -> dict[str, Rating]:
    """Rates every player that appears, in elo relative to the anchor.

    Args:
        results: all games, in any order.
        parents: the player that each one is tied to by the prior, or None.
        anchor: the player whose rating is 0.

    Raises:
        ValueError: the anchor is not among the players, or a result has more points than games.
    """
    names = sorted({name for result in results for name in result[:2]} | parents.keys())
    if anchor not in names:
        raise ValueError(f"the anchor must be one of the {len(names)} players, got {anchor!r}")
    for result in results:
        if not 0 <= result.points <= result.games:
            raise ValueError(f"points must be in 0..{result.games}, got {result.points}")
    index = {name: i for i, name in enumerate(names)}
    virtual = [
        Result(name, parent, VIRTUAL_DRAWS / 2, 0)
        for name, parent in parents.items()
        if parent in index and parent != name
    ]
    rows = [(index[r.player], index[r.opponent], r.points, float(r.games)) for r in results]
    rows += [(index[r.player], index[r.opponent], r.points, VIRTUAL_DRAWS) for r in virtual]
    strength, covariance = _maximise(np.array(rows, np.float64).reshape(-1, 4), len(names))
    played = np.zeros(len(names), np.int64)
    for r in results:
        played[[index[r.player], index[r.opponent]]] += r.games
    zero = index[anchor]
    elo = ELO_PER_UNIT * (strength - strength[zero])
    variance = np.diag(covariance) + covariance[zero, zero] - 2 * covariance[:, zero]
    half = ELO_PER_UNIT * _QUANTILE * np.sqrt(np.maximum(variance, 0.0))
    return {
        name: Rating(float(elo[i]), float(elo[i] - half[i]), float(elo[i] + half[i]), int(played[i]))
        for name, i in index.items()
    }


def _maximise(rows: NDArray[np.float64], num_players: int) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    """[P] strengths at the maximum of the posterior, and their [P, P] covariance, by Newton's method.

    Args:
        rows: [R, 4] first player, second player, points of the first, games.
        num_players: P.
    """
    first, second = rows[:, 0].astype(int), rows[:, 1].astype(int)
    points, games = rows[:, 2], rows[:, 3]
    strength = np.zeros(num_players)
    for _ in range(100):
        expected = 1.0 / (1.0 + np.exp(strength[second] - strength[first]))
        slope = points - games * expected
        gradient = -RIDGE * strength
        np.add.at(gradient, first, slope)
        np.add.at(gradient, second, -slope)
        weight = games * expected * (1.0 - expected)
        information = RIDGE * np.eye(num_players)
        np.add.at(information, (first, first), weight)
        np.add.at(information, (second, second), weight)
        np.add.at(information, (first, second), -weight)
        np.add.at(information, (second, first), -weight)
        step = np.linalg.solve(information, gradient)
        strength = strength + step * min(1.0, 2.0 / max(1e-12, float(np.abs(step).max())))
        if np.abs(step).max() < 1e-9:
            break
    return strength, np.linalg.inv(information)
