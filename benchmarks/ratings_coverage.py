# SPDX-License-Identifier: Apache-2.0
"""Claim: nominal 95 % intervals of differences that were fixed in advance cover the truth in 93-97 % of cases, over 600
ladders of 100 networks; 1,000 networks and 100,000 games are fitted within a second; the order of games changes
nothing; and a network without games moves nobody by more than 0.1 Elo.

Ladders are made up, with games from the fitted model's own family: one strength for each player, an advantage for
moving first, draws. Each network plays one of the three before it, and neighbours, whatever the results; in every
second ladder an outside anchor of known strength plays, too. Intervals are of the differences from the first
network, from the parent, and, where there is one, from the anchor. The network that is rated best is chosen by the
same games that rate it, so its figure is given without a claim.

Apart, without a claim, the same where the model leaves something out: in "gated" ladders each network plays the
champion of its time, whom it replaces at half of the points, so that luck is promoted; "intransitive" players have
for each pair a difference of its own beside that of their strengths (50 Elo of deviation); a "drifting" outside
opponent grows by 200 Elo while the run lasts and is rated as one player.
"""

import itertools
import time
from typing import Final

import numpy as np
from measure import Options, Ratio, Result, main
from numpy.typing import NDArray

from ratings.elo import ELO_PER_UNIT, QUANTILE, Ratings, Setting, fit_ratings
from ratings.elo import Result as Games

GAINS: Final = (20.0, 40.0)  # mean and deviation of a generation's gain in Elo
ADVANTAGE: Final = 60.0  # Elo of moving first
DRAW: Final = 0.1  # Davidson's parameter
GATE_GAMES: Final = 64  # of each network with an earlier one
NEAR_GAMES: Final = 10  # games of each network with networks up to NEAR away
NEAR: Final = 20
OUTSIDE_GAMES: Final = 4  # games of each network with the outside player
TWIST: Final = 50.0
DRIFT: Final = 200.0
SETTING: Final = Setting(9, 7.0)
OUTSIDE: Final = "outside"
BEST: Final = "network rated best"


def run(options: Options) -> Result:
    """Simulates, fits and counts."""
    figures, ratios = {}, {}
    for kind in ("plain", "gated", "intransitive", "drifting"):
        covered: dict[str, list[bool]] = {}
        for seed in range(options.ladders if kind == "plain" else -(-options.ladders // 4)):
            for name, hits in _coverage(np.random.default_rng(seed), kind, options.networks, anchored=seed % 2 == 1):
                covered.setdefault(name, []).extend(hits)
        for name, hits in covered.items():
            figures[f"{kind}: from the {name} covered, %"] = 100 * float(np.mean(hits))
            if kind == "plain" and name != BEST:
                distance = abs(float(np.mean(hits)) - 0.95)
                ratios[f"from the {name}: distance of the coverage from 95 %"] = Ratio(distance, 0.02, 0.5, True)
    for label, near in (("neighbours", NEAR), ("anybody", options.large)):
        seconds = _refit(near, options.large, options.large_games, options.rounds)
        figures[f"refit of {options.large:,} networks, {options.large_games:,} games between {label}, s"] = seconds
        ratios[f"refit, games between {label}, s"] = Ratio(seconds, 1.0, 0.5, True)
    shuffled, idle = _invariance(options.networks)
    figures["largest change by another order of games, Elo"] = shuffled
    ratios["change by networks without games, Elo"] = Ratio(idle, 0.1, 0.5, True)
    figures["order of games matters"] = float(shuffled != 0)
    return Result(figures, ratios)


def _coverage(rng: np.random.Generator, kind: str, count: int, *, anchored: bool) -> list[tuple[str, list[bool]]]:
    """For each reference, whether each interval holds the truth."""
    elo, parents, results = _ladder(rng, kind, count)
    fixed = {OUTSIDE: float(elo[-1])} if anchored and kind != "drifting" else {}
    ratings = fit_ratings(results, parents, fixed)
    truth = dict(zip([*parents, OUTSIDE], elo.tolist(), strict=True))
    names = list(parents)
    best = max(names, key=lambda name: ratings.elo[ratings.index(name)])
    references = {"first": names[0], BEST: best} | ({"anchor": OUTSIDE} if fixed else {})
    found = []
    for label, reference in references.items():
        above = ratings.above(reference)
        others = [name for name in names if name != reference]
        found.append((label, [_holds(above[name], truth[name] - truth[reference]) for name in others]))
    place = np.array([ratings.index(name) for name in names])
    differences = np.diff(ratings.elo[place])
    variance = np.array([ratings.variance_from(i)[j] for i, j in itertools.pairwise(place)])
    true = np.diff(elo[:-1])
    found.append(("parent", (np.abs(differences - true) <= QUANTILE * np.sqrt(variance)).tolist()))
    return found


def _holds(rating: tuple[float, float, float, int], truth: float) -> bool:
    return rating[1] <= truth <= rating[2]


def _ladder(
    rng: np.random.Generator, kind: str, count: int
) -> tuple[NDArray[np.float64], dict[str, str | None], list[Games]]:
    """[count + 1] true Elo, the outside player's last; parents; and all games."""
    networks = np.cumsum(rng.normal(*GAINS, count))
    elo = np.append(networks, np.median(networks))
    names = [*(f"{number:06d}" for number in range(count)), OUTSIDE]
    spread = TWIST / np.sqrt(2) if kind == "intransitive" else 0.0
    raw = rng.normal(0, spread, (count + 1, count + 1)) if spread else np.zeros((count + 1, count + 1))
    twist = raw - raw.T
    results: list[Games] = []

    def play(player: int, opponent: int, games: int) -> float:
        drift = DRIFT * (player / count - 0.5) if kind == "drifting" and opponent == count else 0.0
        difference = elo[player] - elo[opponent] - drift + twist[player, opponent]
        points = 0.0
        for sign in (1, -1):
            wins, draws, losses = rng.multinomial(games // 2, _chances(sign * difference + ADVANTAGE)).tolist()
            pair = (names[player], names[opponent]) if sign == 1 else (names[opponent], names[player])
            results.append(Games(*pair, wins, draws, losses, SETTING))
            points += draws / 2 + (wins if sign == 1 else losses)
        return points

    champion = 0
    for number in range(1, count):
        opponent = champion if kind == "gated" else max(0, number - int(rng.integers(1, 4)))
        if play(number, opponent, GATE_GAMES) >= GATE_GAMES / 2:
            champion = number
    for number in range(count):
        for _ in range(NEAR_GAMES // 2):
            other = int(np.clip(number + rng.integers(1, NEAR + 1) * rng.choice([-1, 1]), 0, count - 1))
            if other != number:
                play(number, other, 2)
        play(number, count, OUTSIDE_GAMES)
    parents: dict[str, str | None] = dict(zip(names[:-1], [None, *names[:-2]], strict=True))
    return elo, parents, results


def _chances(difference: float) -> NDArray[np.float64]:
    """Of winning, drawing and losing at this difference in Elo, the first move counted in."""
    half = difference / ELO_PER_UNIT / 2
    odds = np.array([np.exp(half), DRAW, np.exp(-half)])
    return np.asarray(odds / odds.sum())


def _refit(near: int, count: int, games: int, rounds: int) -> float:
    """Seconds of the fastest fit: of as many results as games, none of them added up."""
    rng = np.random.default_rng(3)
    elo = np.cumsum(rng.normal(2.5, 5.0, count))
    first = rng.integers(0, count, games)
    second = (first + rng.integers(1, near, games) * rng.choice([-1, 1], games)) % count
    wins = rng.random(games) < 1 / (1 + 10 ** ((elo[second] - elo[first] - ADVANTAGE) / 400))
    names = [f"{number:06d}" for number in range(count)]
    results = [
        Games(names[b], names[w], int(won), 0, int(not won))
        for b, w, won in zip(first.tolist(), second.tolist(), wins.tolist(), strict=True)
    ]
    parents: dict[str, str | None] = dict(zip(names, [None, *names], strict=False))
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        fit_ratings(results, parents)
        times.append(time.perf_counter() - began)
    return min(times)


def _invariance(count: int) -> tuple[float, float]:
    """The largest change in Elo by shuffling the games, and by one network without games beside each."""
    rng = np.random.default_rng(4)
    _, parents, results = _ladder(rng, "plain", count)
    before = fit_ratings(results, parents)
    after = fit_ratings([results[i] for i in rng.permutation(len(results))], parents)
    idle = fit_ratings(results, {**parents, **{f"idle-{name}": name for name in parents}})
    return _largest_change(before, after), _largest_change(before, idle)


def _largest_change(before: Ratings, after: Ratings) -> float:
    zero = before.elo[0] - after.elo[after.index(before.names[0])]
    return max(abs(before.elo[i] - after.elo[after.index(name)] - zero) for i, name in enumerate(before.names))


if __name__ == "__main__":
    main(__doc__, run, ladders=600, networks=100, large=1000, large_games=100_000)
