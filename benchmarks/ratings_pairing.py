# SPDX-License-Identifier: Apache-2.0
"""Claim: chosen by `ratings.pairing`, rating games take at least 25 % fewer to the same median error than random games
between near neighbours.

Ladders are made up: each network grows out of the one before, and has a gate match against the champion of its time.
Then rating games are added in batches, either as planned, or between a random network and a random one of the ten that
are rated nearest to it. The error is that of a network's Elo, "inside" above the average of all networks, "anchored" on
the scale of an outside anchor that stands in the middle of the ladder. What counts is the median over networks and
ladders. The ratio compares the games that each way needed for the error that the random way reached at its end.

In the anchored ladders the anchor is one of the neighbours. There is no claim against "halved" games, which are random,
too, but half of them are against the anchor.
"""

from typing import Final, NamedTuple

import numpy as np
from measure import Options, Ratio, Result, main
from numpy.typing import NDArray

from ratings.elo import Ratings, fit_ratings
from ratings.elo import Result as Games
from ratings.pairing import Matchup, plan_pairs

GAINS: Final = (20.0, 40.0)  # mean and deviation of a generation's gain in Elo
GATE_GAMES: Final = 16
NEIGHBOURS: Final = 10
BATCH_PAIRS: Final = 20  # between two refits
ANCHOR: Final = "anchor"


class Ladder(NamedTuple):
    """A made-up run: true Elo by name, and who grew out of whom."""

    elo: dict[str, float]
    parents: dict[str, str | None]

    @property
    def networks(self) -> list[str]:
        """Oldest first."""
        return list(self.parents)


def run(options: Options) -> Result:
    """Plays the ladders in each way and compares."""
    figures, ratios = {}, {}
    for label, ways in (("inside", ("planned", "random")), ("anchored", ("planned", "random", "halved"))):
        errors = {way: _errors(options, way, anchored=label == "anchored") for way in ways}
        games = np.arange(1, len(errors["random"]) + 1) * 2 * BATCH_PAIRS
        for way in ways:
            figures[f"{label}: median error after {games[-1]} games, {way}, Elo"] = float(errors[way][-1])
        for way in ways[1:]:
            needed = float(np.interp(-errors[way][-1], -np.minimum.accumulate(errors["planned"]), games))
            bound = 0.75 if way == "random" else None
            ratios[f"{label}: planned games / {way} games"] = Ratio(needed / games[-1], bound, 0.25, True)
    return Result(figures, ratios)


def _errors(options: Options, way: str, *, anchored: bool) -> NDArray[np.float64]:
    """[B] the median error after each batch of games."""
    errors = []
    for seed in range(options.ladders):
        rng = np.random.default_rng([seed, anchored])
        ladder = made_up(rng, options.networks, anchored=anchored)
        results = gate_games(rng, ladder)
        ratings = _fitted(results, ladder)
        rows = []
        for batch in range(options.games // (2 * BATCH_PAIRS)):
            if way == "planned":
                outside = [ANCHOR] if anchored else []
                plan = plan_pairs(ratings, ladder.networks, outside, BATCH_PAIRS, turn=batch * BATCH_PAIRS)
            else:
                plan = _random_plan(rng, ratings, ladder, halved=way == "halved")
            for player, opponent in plan:
                results += played(rng, ladder, player, opponent, 2)
            ratings = _fitted(results, ladder)
            rows.append(_error(ratings, ladder, anchored=anchored))
        errors.append(rows)
    return np.asarray(np.median(np.array(errors), axis=(0, 2)))


def made_up(rng: np.random.Generator, count: int, *, anchored: bool) -> Ladder:
    """A run of so many networks; the anchor stands in the middle of them."""
    names = [f"{number:06d}" for number in range(count)]
    elo = dict(zip(names, np.cumsum(rng.normal(*GAINS, count)).tolist(), strict=True))
    if anchored:
        elo[ANCHOR] = float(np.median(list(elo.values())))
    return Ladder(elo, dict(zip(names, [None, *names], strict=False)))


def gate_games(rng: np.random.Generator, ladder: Ladder) -> list[Games]:
    """Each network's match against the champion of its time, which it replaces at half of the points."""
    champion, results = ladder.networks[0], []
    for name in ladder.networks[1:]:
        match = played(rng, ladder, name, champion, GATE_GAMES)
        results += match
        if 2 * (match[0].wins + match[1].losses) >= GATE_GAMES:
            champion = name
    return results


def played(rng: np.random.Generator, ladder: Ladder, player: str, opponent: str, games: int) -> list[Games]:
    """Games of two players, half of them with each colour."""
    chance = 1 / (1 + 10 ** ((ladder.elo[opponent] - ladder.elo[player]) / 400))
    wins = rng.binomial(games // 2, chance, 2).tolist()
    return [
        Games(player, opponent, wins[0], 0, games // 2 - wins[0]),
        Games(opponent, player, games // 2 - wins[1], 0, wins[1]),
    ]


def _random_plan(rng: np.random.Generator, ratings: Ratings, ladder: Ladder, *, halved: bool) -> list[Matchup]:
    players = list(ladder.elo)
    elo = ratings.elo[[ratings.index(name) for name in players]]
    plan = []
    for number in range(BATCH_PAIRS):
        player = int(rng.integers(len(ladder.networks)))
        nearest = np.argsort(np.abs(elo - elo[player]))[1 : NEIGHBOURS + 1]
        opponent = ANCHOR if halved and number % 2 else players[int(rng.choice(nearest))]
        plan.append(Matchup(players[player], opponent))
    return plan


def _fitted(results: list[Games], ladder: Ladder) -> Ratings:
    anchors = {ANCHOR: ladder.elo[ANCHOR]} if ANCHOR in ladder.elo else {}
    return fit_ratings(results, ladder.parents, anchors)


def _error(ratings: Ratings, ladder: Ladder, *, anchored: bool) -> list[float]:
    estimates = dict(zip(ratings.names, ratings.elo.tolist(), strict=True))
    errors = np.array([estimates[name] - ladder.elo[name] for name in ladder.networks])
    return np.abs(errors if anchored else errors - errors.mean()).tolist()


if __name__ == "__main__":
    main(__doc__, run, ladders=30, networks=60, games=2400)
