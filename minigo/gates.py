# SPDX-License-Identifier: Apache-2.0
"""What the games of a match say: `Score` counts them and estimates Elo, a `Gate` decides on promotion.

Games come in pairs, games 2k and 2k + 1: the same opening with colours swapped. Games of a pair are not
independent, so the pair is the unit of every variance here. Nothing in this module plays or stores.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
_QUANTILE: Final = 1.959964  # 95 % of a normal distribution lie within this many standard deviations


def elo_from_share(share: float) -> float:
    """The Elo difference at which a player expects this share of the points, in (0, 1)."""
    return 400.0 * math.log10(share / (1.0 - share))


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

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain data, ready for JSON."""
        names = ("candidate", "champion", "promotes", "gate", "reason")
        return {**{name: getattr(self, name) for name in names}, **self.score.to_dict()}


class Gate(Protocol):
    """Decides from the games played so far whether a candidate is promoted, or asks for more."""

    @property
    def name(self) -> str:
        """What the config calls it."""
        ...

    def games_wanted(self, score: Score) -> int:
        """How many more games it asks for after these, an even number; 0 when it can decide."""
        ...

    def decide(self, score: Score) -> tuple[bool, str]:
        """Whether to promote, and why, once no more games are wanted."""
        ...


@dataclass(frozen=True)
class NoGate:
    """Promotes every candidate without a game."""

    name: str = "none"

    def games_wanted(self, score: Score) -> int:  # noqa: ARG002 (the protocol's name)
        """None."""
        return 0

    def decide(self, score: Score) -> tuple[bool, str]:  # noqa: ARG002 (the protocol's name)
        """Promotes."""
        return True, "the gate is open: every candidate is promoted"


@dataclass(frozen=True)
class WinRateGate:
    """Promotes at a share of the points of a fixed number of games."""

    games: int
    threshold: float
    name: str = "winrate"

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


def gate_from_config(config: EvaluateConfig) -> Gate:
    """The gate that the config names."""
    return NoGate() if config.gate == "none" else WinRateGate(config.games, config.threshold)
