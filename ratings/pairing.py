# SPDX-License-Identifier: Apache-2.0
"""Which rating game says most: the player whose turn it is meets the opponent with the largest p(1-p) x variance.

p(1-p) is how open the game is, the variance is that of the difference between the two; their product is what a game is
expected to add to the information of the whole ladder. Turns go in thirds to the network that may be the strongest,
to the one that is least known, and to the one with the fewest games; every other round of three is played against
outside players, if there are any, because games inside the family cannot show that all of it drifts. Start at
`plan_pairs`.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ratings.elo import ELO_PER_UNIT, QUANTILE, Ratings

SHORTLIST: Final = 3  # of the networks, one in so many takes part in a turn
TURNS: Final = 3  # strongest by upper bound, least known, fewest games


class Matchup(NamedTuple):
    """Two players who shall meet; the first is one of the run's networks."""

    player: str
    opponent: str


def plan_pairs(
    ratings: Ratings,
    networks: Sequence[str],
    outside: Sequence[str],
    pairs: int,
    *,
    turn: int = 0,
    games_for_each: int = 2,
) -> list[Matchup]:
    """The next matchups, best first. Each counts as played when the one after it is chosen.

    Args:
        ratings: of all games so far; has all the players.
        networks: the run's networks that may play.
        outside: players from outside that may play.
        pairs: how many matchups.
        turn: how many were planned before, so that turns go on where they were.
        games_for_each: games that a matchup will be played for.

    Returns:
        As many as asked for; none where nobody can meet anybody.
    """
    place = {name: i for i, name in enumerate(ratings.names)}
    inside = np.array([place[name] for name in networks], np.int64)
    abroad = np.array([place[name] for name in outside], np.int64)
    if len(inside) + len(abroad) < 2 or not len(inside):
        return []
    covariance = ratings.covariance / ELO_PER_UNIT**2
    games = ratings.games.copy()
    planned = []
    for number in range(turn, turn + pairs):
        is_abroad = len(abroad) > 0 and (number // TURNS % 2 == 0 or len(inside) < 2)
        players = _players_in_turn(number % TURNS, ratings, covariance, games, inside)
        opponents = abroad if is_abroad else inside
        openness = _openness(ratings.elo, players, opponents)
        worth = openness * _variances(covariance, players, opponents)
        worth[players[:, None] == opponents] = -np.inf
        row, column = np.unravel_index(np.argmax(worth), worth.shape)
        player, opponent = int(players[row]), int(opponents[column])
        planned.append(Matchup(ratings.names[player], ratings.names[opponent]))
        weight = games_for_each * float(openness[row, column])
        covariance = _after_games(covariance, player, opponent, weight)
        games[[player, opponent]] += games_for_each
    return planned


def _players_in_turn(
    kind: int,
    ratings: Ratings,
    covariance: NDArray[np.float64],
    games: NDArray[np.int64],
    inside: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The third of the networks whose turn it is; what is unknown is measured from their average, or the anchors."""
    if ratings.anchors:
        variance = np.diag(covariance)[inside]
    else:
        own = covariance[np.ix_(inside, inside)]
        variance = np.diag(own) - 2 * own.mean(1) + own.mean()
    if kind == 0:
        worth = ratings.elo[inside] / ELO_PER_UNIT + QUANTILE * np.sqrt(np.maximum(variance, 0.0))
    elif kind == 1:
        worth = variance
    else:
        worth = -games[inside].astype(np.float64)
    return inside[np.argsort(-worth, kind="stable")[: -(-len(inside) // SHORTLIST)]]


def _openness(
    elo: NDArray[np.float64], players: NDArray[np.int64], opponents: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[players, opponents] p(1-p) of a game."""
    difference = (elo[players][:, None] - elo[opponents]) / ELO_PER_UNIT
    return np.asarray(0.25 / np.cosh(np.clip(difference / 2, -300, 300)) ** 2)


def _variances(
    covariance: NDArray[np.float64], players: NDArray[np.int64], opponents: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[players, opponents] of the difference in strength."""
    own = np.diag(covariance)
    return np.asarray(own[players][:, None] + own[opponents] - 2 * covariance[np.ix_(players, opponents)])


def _after_games(covariance: NDArray[np.float64], player: int, opponent: int, weight: float) -> NDArray[np.float64]:
    """The covariance once games of this information have been played (Sherman and Morrison's formula)."""
    along = covariance[:, player] - covariance[:, opponent]
    share = weight / (1.0 + weight * (along[player] - along[opponent]))
    return np.asarray(covariance - np.outer(along, along) * share)
