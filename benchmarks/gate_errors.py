# SPDX-License-Identifier: Apache-2.0
"""Claim: the SPRT gate promotes a candidate of elo0 by mistake, and refuses one of elo1, in 5 +- 1 % of matches each.

Matches are made up, 10,000 for each true strength (2,000 of the kinds without a claim), and judged by the gate's own
rule after every pair: generalised likelihood ratio of five categories, bounds, and a limit of pairs. Openings favour
one colour: in a pair of games the advantage has one sign, then the other. True strengths are those that give the
share of points that belongs to the Elo difference. "Split" matches have openings that decide most games, "drawn" ones
a third of draws; the claim is made for the plain ones, where openings favour a colour by about 100 Elo. The ratios
are computed for all matches at once and compared with `minigo.gates` on the way. Lengths are games, on average;
beside them what a match of fixed length would promote.
"""

import math
from typing import Final

import numpy as np
from measure import Options, Ratio, Result, main
from numpy.typing import NDArray

from minigo.config import EvaluateConfig
from minigo.gates import EMPTY_CATEGORY, PAIR_SCORES, SprtGate, gate_from_config, log_likelihood_ratio, share_from_elo

ELO_PER_UNIT: Final = 400 / math.log(10)
KINDS: Final = {"plain": (100.0, 0.0), "split": (400.0, 0.0), "drawn": (100.0, 1.0)}
"""Deviation of an opening's advantage in Elo, and the odds of a draw, exp of it being Davidson's parameter; 0: none."""
STEPS: Final = 40  # of Newton's method at most
CHECKED: Final = 50  # matches in every hundredth pair whose ratio is computed by the gate, too


def run(options: Options) -> Result:
    """Plays the matches of every kind and strength."""
    gate = gate_from_config(EvaluateConfig(gate="sprt"))
    if not isinstance(gate, SprtGate):
        raise TypeError(f"the gate must be the sequential one, got {gate.name}")
    figures, ratios = {}, {}
    for kind in KINDS:
        for elo in (gate.elo0, (gate.elo0 + gate.elo1) / 2, gate.elo1, 150.0):
            rng = np.random.default_rng([int(2 * elo) + 10_000, list(KINDS).index(kind)])
            matches = options.matches if kind == "plain" else -(-options.matches // 5)
            promoted, pairs, undecided = _matches(rng, gate, kind, elo, matches)
            figures[f"{kind}, {elo:g} Elo: promoted, %"] = 100 * promoted
            figures[f"{kind}, {elo:g} Elo: games"] = 2 * pairs
            figures[f"{kind}, {elo:g} Elo: undecided after {gate.max_pairs} pairs, %"] = 100 * undecided
            if kind == "plain" and elo in (gate.elo0, gate.elo1):
                error, name = (promoted, "I") if elo == gate.elo0 else (1 - promoted, "II")
                ratios[f"type {name} errors, distance from 5 %"] = Ratio(abs(error - 0.05), 0.01, 0.5, True)
    rng = np.random.default_rng(1)
    for games, threshold in ((400, 0.55), (200, 0.5)):
        wins = rng.binomial(games, 0.5, options.matches)
        figures[f"{threshold:.0%} of {games} games, 0 Elo: promoted, %"] = 100 * float(
            np.mean(wins / games >= threshold)
        )
    return Result(figures, ratios)


def _matches(rng: np.random.Generator, gate: SprtGate, kind: str, elo: float, count: int) -> tuple[float, float, float]:
    """The share that is promoted, the pairs in a match, and the share that reaches the limit undecided."""
    spread, draw = KINDS[kind][0] / ELO_PER_UNIT, KINDS[kind][1]
    strength = _strength(share_from_elo(elo), spread, draw)
    low, high = gate.bounds
    weights = np.zeros((count, len(PAIR_SCORES)))
    tilts = np.zeros((2, count, 1))
    going = np.arange(count)
    promoted = pairs = 0
    for played in range(1, gate.max_pairs + 1):
        bias = rng.normal(0, spread, len(going))
        points = sum(_points(rng, strength + sign * bias, draw) for sign in (1, -1))
        weights[going, np.rint(2 * points).astype(int)] += 1
        tilt = tilts[:, going]
        ratio = _ratios(weights[going], (gate.elo0, gate.elo1), tilt)
        tilts[:, going] = tilt
        if played % 100 == 1:
            for row in range(min(CHECKED, len(going))):
                theirs = log_likelihood_ratio(tuple(weights[going[row]].tolist()), gate.elo0, gate.elo1)
                if not math.isclose(ratio[row], theirs, abs_tol=1e-6):
                    raise ArithmeticError(f"the gate says {theirs} of {weights[going[row]]}, got {ratio[row]}")
        pairs += len(going)
        promoted += int(np.sum(ratio >= high))
        going = going[(ratio > low) & (ratio < high)]
        if not len(going):
            break
    return promoted / count, pairs / count, len(going) / count


def _points(rng: np.random.Generator, difference: NDArray[np.float64], draw: float) -> NDArray[np.float64]:
    """Of a game of each of these differences, in units."""
    odds = np.stack([np.exp(-difference / 2), np.full(len(difference), draw), np.exp(difference / 2)])
    odds = np.cumsum(odds, 0) / odds.sum(0)
    return np.sum(rng.random(len(difference)) > odds[:2], 0) / 2


def _strength(share: float, spread: float, draw: float) -> float:
    """The strength in units that is worth this share of the points over all openings."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        difference = middle + spread * nodes
        win, loss = np.exp(difference / 2), np.exp(-difference / 2)
        mean = float(np.sum(weights * (win + draw / 2) / (win + draw + loss)) / np.sum(weights))
        low, high = (middle, high) if mean < share else (low, middle)
    return (low + high) / 2


def _ratios(weights: NDArray[np.float64], elos: tuple[float, float], tilts: NDArray[np.float64]) -> NDArray[np.float64]:
    """[matches] the log-likelihood ratio of each; `minigo.gates.log_likelihood_ratio` has the meaning.

    Args:
        weights: [matches, 5] of the pairs.
        elos: the two hypotheses.
        tilts: [2, matches, 1] where to start from; changed to where it ended.
    """
    weights = np.where(weights > 0, weights, EMPTY_CATEGORY)
    logs = []
    for elo, start in zip(elos, tilts, strict=True):
        offsets = np.array(PAIR_SCORES) - share_from_elo(elo)
        low, high = np.full_like(start, -1 / offsets[-1]), np.full_like(start, -1 / offsets[0])
        tilt = start.copy()
        for _ in range(STEPS):
            terms = offsets / (1 + tilt * offsets)
            value = (weights * terms).sum(1, keepdims=True)
            low, high = np.where(value > 0, tilt, low), np.where(value > 0, high, tilt)
            moved = tilt + value / (weights * terms**2).sum(1, keepdims=True)
            moved = np.where((moved > low) & (moved < high), moved, (low + high) / 2)
            change = float(np.abs(moved - tilt).max())
            tilt = moved
            if change < 1e-7:
                break
        start[:] = tilt
        logs.append((weights * np.log1p(tilt * offsets)).sum(1))
    return np.asarray(logs[0] - logs[1])


if __name__ == "__main__":
    main(__doc__, run, matches=10_000)
