# SPDX-License-Identifier: Apache-2.0
"""What the games of a match say: `Score` counts them and estimates Elo, a `Gate` decides on promotion.

Games come in pairs, games 2k and 2k + 1: the same opening with colours swapped. Games of a pair are not
independent, so the pair is the unit of every variance here. Nothing in this module plays or stores.
"""

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from minigo.config import EvaluateConfig

PAIR_SCORES: Final = (
    0.0,
    0.25,
    0.5,
    0.75,
    1.0,
)  # mean points of a pair's two games: the pentanomial categories
VIRTUAL_PAIRS: Final = 1.0  # weight of the prior, spread evenly over PAIR_SCORES
EMPTY_CATEGORY: Final = 1e-3  # what a category without a pair weighs in the likelihood ratio, as on fishtest
_QUANTILE: Final = 1.959964  # 95 % of a normal distribution lie within this many standard deviations


def elo_from_share(share: float) -> float:
    """The Elo difference at which a player expects this share of the points, in (0, 1)."""
    return 400.0 * math.log10(share / (1.0 - share))


def share_from_elo(elo: float) -> float:
    """The share of the points that a player expects who is this much stronger; inverse of `elo_from_share`."""
    return 1.0 / (1.0 + math.pow(10.0, -elo / 400.0))


@dataclass(frozen=True)
class Score:
    """Results of a match, for its first player.

    Attributes:
        wins: games won.
        losses: games lost.
        draws: games with equal scores.
        failed: games without a result, because a player broke down or the rules.
        pairs: weight of the pairs in each category of PAIR_SCORES; a game whose twin has no result is half
            a pair.
    """

    wins: int = 0
    losses: int = 0
    draws: int = 0
    failed: int = 0
    pairs: tuple[float, ...] = (0.0,) * len(PAIR_SCORES)

    @classmethod
    def of(cls, outcomes: Iterable[tuple[int, float | None]]) -> "Score":
        """Counts games.

        Args:
            outcomes: (index, points) of each game: 1 for a win, 0.5, 0, or None where it failed.
        """
        points = dict(outcomes)
        valid = [value for value in points.values() if value is not None]
        wins, losses, draws = (valid.count(value) for value in (1.0, 0.0, 0.5))
        return cls(wins, losses, draws, len(points) - len(valid), _pair_weights(points))

    @property
    def games(self) -> int:
        """All games, the failed ones too."""
        return self.wins + self.losses + self.draws + self.failed

    @property
    def share(self) -> float:
        """Share of the points in the games with a result; 0.5 without any."""
        valid = self.games - self.failed
        return (self.wins + self.draws / 2) / valid if valid else 0.5

    @property
    def elo(self) -> float:
        """Elo difference that explains the share of points.

        No difference explains 0 % or 100 %: these count as a quarter of a point less extreme, half as far as
        a single draw would move them.
        """
        valid = max(1, self.games - self.failed)
        return elo_from_share(min(max(self.share, 0.25 / valid), 1 - 0.25 / valid))

    @property
    def elo_interval(self) -> tuple[float, float]:
        """The 95 % interval of the Elo difference, always finite and always around `elo`.

        The five categories of pairs get a Dirichlet prior worth one pair, spread evenly. The posterior's mean
        and standard deviation of the share of points carry over to Elo by the slope of the curve at the mean.
        For 32 or more pairs and shares up to 90 %, such intervals cover the truth in 93-95 % of simulated
        matches; for fewer pairs or more extreme shares, in 84-99 %.
        """
        prior = VIRTUAL_PAIRS / len(PAIR_SCORES)
        weights = [weight + prior for weight in self.pairs]
        total = sum(weights)
        mean = sum(w * s for w, s in zip(weights, PAIR_SCORES, strict=True)) / total
        square = sum(w * s * s for w, s in zip(weights, PAIR_SCORES, strict=True)) / total
        deviation = math.sqrt((square - mean * mean) / (total + 1))
        slope = 400.0 / math.log(10.0) / (mean * (1.0 - mean))
        margin = _QUANTILE * slope * deviation
        return elo_from_share(mean) - margin, elo_from_share(mean) + margin

    def to_dict(self) -> dict[str, Any]:
        """The numbers that `minigo match --json` prints."""
        low, high = self.elo_interval
        counts = {name: getattr(self, name) for name in ("games", "wins", "losses", "draws", "failed")}
        return {**counts, "elo": round(self.elo, 1), "elo_low": round(low, 1), "elo_high": round(high, 1)}

    def __str__(self) -> str:
        low, high = self.elo_interval
        draws = f", {self.draws} drawn" if self.draws else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return (
            f"{self.wins} won, {self.losses} lost{draws}{failed} of {self.games}: "
            f"Elo {self.elo:+.0f} ({low:+.0f} to {high:+.0f})"
        )


def _pair_weights(points: Mapping[int, float | None]) -> tuple[float, ...]:
    weights = [0.0] * len(PAIR_SCORES)
    for pair in {index // 2 for index in points}:
        twins = (points.get(2 * pair), points.get(2 * pair + 1))
        valid = [value for value in twins if value is not None]
        if valid:
            weights[round(4 * sum(valid) / len(valid))] += len(valid) / 2
    return tuple(weights)


@dataclass(frozen=True)
class Verdict:
    """What a gate decided about a candidate."""

    candidate: str
    champion: str | None  # the champion it was measured against; None where there was none yet
    promotes: bool
    gate: str
    reason: str
    score: Score  # for the candidate
    evidence: Mapping[str, float] = field(default_factory=dict)  # what else the gate looked at, by name

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain data, ready for JSON."""
        names = ("candidate", "champion", "promotes", "gate", "reason")
        score = {**self.score.to_dict(), "pairs": list(self.score.pairs)}
        return {**{name: getattr(self, name) for name in names}, **score, **self.evidence}


class Gate(Protocol):
    """Decides from the games played so far whether a candidate is promoted, or asks for more."""

    @property
    def name(self) -> str:
        """What the config calls it."""
        ...

    def counted(self, points: Mapping[int, float | None]) -> Score:
        """The score that the decision rests on; points by index as in `Score.of`, None where a game failed."""
        ...

    def games_wanted(self, score: Score) -> int:
        """How many more games it asks for after the counted ones, an even number; 0 when it can decide."""
        ...

    def decide(self, score: Score) -> tuple[bool, str]:
        """Whether to promote, and why, once no more games are wanted."""
        ...

    def evidence(self, score: Score) -> Mapping[str, float]:
        """What it looks at beside the score, by name, for the record."""
        ...


@dataclass(frozen=True)
class NoGate:
    """Promotes every candidate without a game."""

    name: str = "none"

    def counted(self, points: Mapping[int, float | None]) -> Score:
        """All games."""
        return Score.of(points.items())

    def games_wanted(self, score: Score) -> int:  # noqa: ARG002 (the protocol's name)
        """None."""
        return 0

    def decide(self, score: Score) -> tuple[bool, str]:  # noqa: ARG002 (the protocol's name)
        """Promotes."""
        return True, "the gate is open: every candidate is promoted"

    def evidence(self, score: Score) -> Mapping[str, float]:  # noqa: ARG002 (the protocol's name)
        """Nothing."""
        return {}


@dataclass(frozen=True)
class WinRateGate:
    """Promotes at a share of the points of a fixed number of games."""

    games: int
    threshold: float
    name: str = "winrate"

    def counted(self, points: Mapping[int, float | None]) -> Score:
        """All games."""
        return Score.of(points.items())

    def games_wanted(self, score: Score) -> int:
        """What is missing from `games`, rounded up to whole pairs."""
        return max(0, 2 * ((self.games + 1) // 2) - score.games)

    def decide(self, score: Score) -> tuple[bool, str]:
        """Promotes if the share reaches the threshold; never without a single result."""
        if score.games == score.failed:
            return False, f"none of {score.games} games has a result"
        share = f"{score.share:.1%} of the points in {score.games - score.failed} games"
        verb, promotes = ("reaches", True) if score.share >= self.threshold else ("is below", False)
        return promotes, f"{share} {verb} {self.threshold:.1%}"

    def evidence(self, score: Score) -> Mapping[str, float]:  # noqa: ARG002 (the protocol's name)
        """Nothing."""
        return {}


@dataclass(frozen=True)
class SprtGate:
    """Plays on until the pairs say clearly enough which of two Elo differences is the likelier one.

    A generalised sequential probability ratio test on the five categories of pairs, as fishtest runs it. Pairs count
    in the order of their indices, not of their ends, because short games end first and are won more often by one side.

    Attributes:
        elo0: the difference at which a candidate is promoted by mistake with probability `alpha`.
        elo1: the difference at which it is refused by mistake with probability `beta`.
        alpha: see `elo0`.
        beta: see `elo1`.
        max_pairs: a candidate that is undecided after so many pairs is refused.
    """

    elo0: float
    elo1: float
    alpha: float
    beta: float
    max_pairs: int
    name: str = "sprt"

    @property
    def bounds(self) -> tuple[float, float]:
        """The log-likelihood ratios at which it refuses and at which it promotes (Wald 1945)."""
        return math.log(self.beta / (1.0 - self.alpha)), math.log((1.0 - self.beta) / self.alpha)

    def ratio(self, score: Score) -> float:
        """The log-likelihood ratio of `elo1` to `elo0`."""
        return log_likelihood_ratio(score.pairs, self.elo0, self.elo1)

    def counted(self, points: Mapping[int, float | None]) -> Score:
        """The pairs from the first to the one that ends the test; none after one that is not whole yet."""
        weights = (0.0,) * len(PAIR_SCORES)
        pairs = 0
        while pairs < self.max_pairs and not self._has_crossed(weights):
            twins = {index: points[index] for index in (2 * pairs, 2 * pairs + 1) if index in points}
            if len(twins) < 2:
                break
            weights = tuple(a + b for a, b in zip(weights, _pair_weights(twins), strict=True))
            pairs += 1
        return Score.of((index, points[index]) for index in range(2 * pairs))

    def games_wanted(self, score: Score) -> int:
        """All up to `max_pairs` until a bound is crossed; whoever plays them stops as soon as it is."""
        return 0 if self._has_crossed(score.pairs) else max(0, 2 * self.max_pairs - score.games)

    def decide(self, score: Score) -> tuple[bool, str]:
        """Promotes at the upper bound."""
        ratio, (low, high) = self.ratio(score), self.bounds
        facts = f"log-likelihood ratio {ratio:+.2f} after {score.games // 2} pairs, bounds {low:+.2f} and {high:+.2f}"
        if ratio >= high:
            return True, f"{self.elo1:+g} Elo rather than {self.elo0:+g}: {facts}"
        if ratio <= low:
            return False, f"{self.elo0:+g} Elo rather than {self.elo1:+g}: {facts}"
        return False, f"undecided: {facts}"

    def evidence(self, score: Score) -> Mapping[str, float]:
        """The log-likelihood ratio and its bounds."""
        low, high = self.bounds
        return {"llr": round(self.ratio(score), 4), "llr_low": round(low, 4), "llr_high": round(high, 4)}

    def _has_crossed(self, pairs: tuple[float, ...]) -> bool:
        low, high = self.bounds
        return not low < log_likelihood_ratio(pairs, self.elo0, self.elo1) < high


def gate_from_config(config: EvaluateConfig) -> Gate:
    """The gate that the config names."""
    if config.gate == "none":
        return NoGate()
    if config.gate == "winrate":
        return WinRateGate(config.games, config.threshold)
    return SprtGate(
        config.sprt_elo0, config.sprt_elo1, config.sprt_alpha, config.sprt_beta, max_pairs=config.sprt_max_pairs
    )


@functools.lru_cache(maxsize=8192)
def log_likelihood_ratio(pairs: tuple[float, ...], elo0: float, elo1: float) -> float:
    """How much likelier `elo1` makes these pairs than `elo0` does, as a logarithm; positive for `elo1`.

    Each likelihood is that of the likeliest distribution over the five categories whose mean is the share of points
    that belongs to the Elo difference (logistic Elo, as in fishtest's worked example).

    Args:
        pairs: weight of the pairs in each category of PAIR_SCORES.
        elo0: one difference.
        elo1: the other.
    """
    if not any(pairs):
        return 0.0
    weights = [weight if weight > 0 else EMPTY_CATEGORY for weight in pairs]
    logs = []
    for share in (share_from_elo(elo0), share_from_elo(elo1)):
        offsets = [score - share for score in PAIR_SCORES]
        tilt = _tilt(weights, offsets)
        logs.append(sum(w * math.log1p(tilt * offset) for w, offset in zip(weights, offsets, strict=True)))
    return logs[0] - logs[1]


def _tilt(weights: list[float], offsets: list[float]) -> float:
    """The Lagrange multiplier t of the likeliest distribution, weight / (1 + t offset), whose mean offset is 0.

    The root of the sum of weight x offset / (1 + t offset), which falls from +inf to -inf between its outer poles:
    Newton's method, kept between bounds by halving.
    """
    low, high = -1.0 / offsets[-1], -1.0 / offsets[0]
    tilt = 0.0
    for _ in range(200):
        terms = [offset / (1.0 + tilt * offset) for offset in offsets]
        value = sum(w * term for w, term in zip(weights, terms, strict=True))
        if value > 0:
            low = tilt
        else:
            high = tilt
        step = value / sum(w * term * term for w, term in zip(weights, terms, strict=True))
        moved = tilt + step if low < tilt + step < high else (low + high) / 2
        if abs(moved - tilt) <= 1e-14 * max(1.0, abs(moved)):
            return moved
        tilt = moved
    return tilt
