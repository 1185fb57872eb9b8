# SPDX-License-Identifier: Apache-2.0
"""Alarms: the faults that learning runs lose weeks to, as statistics over what a run does anyway.

A check is a function of counts that returns a `Finding`, or None where there is too little to say. A `Watch` says in
the log and in the run's metrics when an alarm begins and when it ends. docs/training.md has the thresholds with their
rates of false alarms, and what to do. Who feeds the checks: `minigo.watch` in the trainer, and the loop. Start at
`KINDS`.
"""

import logging
import math
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from minigo.config import GameConfig
from minigo.data.audit import Audit
from minigo.run import Run

KINDS: Final[Mapping[str, str]] = {
    "symmetry_off": "examples must be seen under all eight symmetries: look at minigo/data/examples.py",
    "shuffled_targets": "inputs and targets belong to different positions: look at minigo/data/examples.py",
    "wrong_winner": "the result is credited to the loser: look for a sign where the player to move changes",
    "one_color": "check komi, and the signs of the value in search and training",
    "stale_network": "look whether self-play follows the champion, and whether candidates are evaluated",
    "dead_head": "the head knows no more than a constant: look at its loss, its weight and its learning rate",
    "falling_elo": "go back to the better network, and look at what changed since: window, learning rate, targets",
}
"""What to do about each alarm, by its name."""

SYMMETRY_ROWS: Final = 64  # at least, before anything is said about symmetries
SYMMETRY_LIMIT: Final = 42.0  # chi-square of 7 degrees of freedom; beyond it with a probability of 5e-7
REVERSED_ROWS: Final = 16  # of one color to move
REVERSED_SHARE: Final = 0.95  # of them, at least: the winner is wrong, not shuffled
COLOR_SHARE: Final = 0.8
COLOR_GAMES: Final = 100
COLOR_QUANTILE: Final = 3.0  # standard deviations: 0.13 % beyond it, if the true share is COLOR_SHARE
AGREEMENT_GAMES: Final = 64
AGREEMENT_LIMIT: Final = -0.05  # mean of value times result; an untrained network is closer to zero
AGREEMENT_QUANTILE: Final = 4.0  # standard deviations: 0.003 % beyond it, if nothing agrees with anything
STALE_CHAMPIONS: Final = 3  # so many champions later, a network should not play any more
STALE_CANDIDATES: Final = 12  # so many networks without a promotion; by chance one time in 4,096, if half are promoted
DEAD_SKILL: Final = 0.02
DEAD_STEPS: Final = 300  # a head has so many steps, and three times the warm-up, to come alive
FALL_NETWORKS: Final = 3  # the middle one of the last so many is held against each earlier network
FALL_PROBABILITY: Final = 0.01  # of a false alarm in one look at the ladder, over all earlier networks

SOLVED: Final = {2: 1, 3: 9, 4: 2, 5: 25, 6: 4, 7: 9}
"""Points by which Black wins with best play, by board size (van der Werf 2003; 7x7: Li 2015)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """What a check has found."""

    kind: str  # one of KINDS
    is_wrong: bool
    evidence: str  # in words, with numbers


class Watch:
    """Keeps the alarms of one process: what is new is logged and stored, what is not passes in silence.

    Args:
        run: whose metrics "alarms" get the rows; what rang when the process before this one ended still rings.
        worker: this process.
    """

    def __init__(self, run: Run, worker: str) -> None:
        self._run = run
        self._worker = worker
        self._active = {kind: float(row["since"]) for kind, row in active_alarms(run).items()}

    def hear(self, findings: Iterable[Finding | None]) -> None:
        """Begins the alarms of what is wrong and ends those of what is right again. Several of a kind: wrong wins."""
        heard: dict[str, Finding] = {}
        for finding in findings:
            if finding is not None and (finding.kind not in heard or finding.is_wrong > heard[finding.kind].is_wrong):
                heard[finding.kind] = finding
        for kind, finding in heard.items():
            if finding.is_wrong and kind not in self._active:
                self._active[kind] = time.time()
                _log.warning("alarm, %s: %s; %s", words(kind), finding.evidence, KINDS[kind])
                self._store(finding, "begins", self._active[kind])
            elif not finding.is_wrong and kind in self._active:
                _log.info("no alarm any more, %s: %s", words(kind), finding.evidence)
                self._store(finding, "ends", self._active.pop(kind))

    def _store(self, finding: Finding, state: str, since: float) -> None:
        row = {"kind": finding.kind, "state": state, "since": since, "evidence": finding.evidence}
        self._run.telemetry.append_metrics("alarms", self._worker, [{**row, "advice": KINDS[finding.kind]}])


def active_alarms(run: Run) -> dict[str, dict[str, Any]]:
    """The row with which each alarm that rings now began, by its kind."""
    last = {row["kind"]: row for row in run.telemetry.metrics("alarms")}
    return {kind: row for kind, row in last.items() if row["state"] == "begins"}


def words(kind: str) -> str:
    """An alarm's name as people write it."""
    return kind.replace("_", " ")


def symmetry_off(audit: Audit) -> Finding | None:
    """Whether the examples of a training were seen under all eight symmetries alike."""
    rows = int(audit.symmetries.sum())
    if rows < SYMMETRY_ROWS:
        return None
    chi_square = float(((audit.symmetries - rows / 8) ** 2).sum() / (rows / 8))
    counts = ", ".join(map(str, audit.symmetries.tolist()))
    evidence = f"of {rows} examples, {counts} were seen under each symmetry (chi-square {chi_square:.0f})"
    return Finding("symmetry_off", chi_square > SYMMETRY_LIMIT, evidence)


def wrong_targets(audit: Audit) -> list[Finding]:
    """Whether targets are those of their positions, and results those of their games: exact, so never by chance."""
    if audit.rows == 0:
        return []
    enough = audit.decisive >= REVERSED_ROWS
    is_wrong = bool((enough & (audit.reversed >= REVERSED_SHARE * audit.decisive)).any())
    wrong = int(audit.reversed.sum())
    is_shuffled = audit.foreign > 0 or (wrong > 0 and not is_wrong)
    results = f"{wrong} of {int(audit.decisive.sum())} examples name the loser as the winner"
    rows = f"{audit.foreign} of {audit.rows} examples have planes or targets of another position"
    return [
        Finding("shuffled_targets", is_shuffled, rows if audit.foreign or not is_shuffled else results),
        Finding("wrong_winner", is_wrong and not audit.foreign, f"{results} when their game is replayed"),
    ]


def value_against_result(agreements: Sequence[float]) -> Finding | None:
    """Whether the search expects to win the games that it loses.

    Args:
        agreements: of each game, the mean over its later half of the search's value times the result, 1 or -1, both
            for the player to move.
    """
    if len(agreements) < AGREEMENT_GAMES:
        return None
    mean = statistics.fmean(agreements)
    error = statistics.stdev(agreements) / math.sqrt(len(agreements))
    evidence = f"value times result is {mean:+.2f} in the later half of {len(agreements)} games"
    if mean < AGREEMENT_LIMIT and mean < -AGREEMENT_QUANTILE * error:
        return Finding("wrong_winner", True, f"{evidence}: searches expect to win the games that they lose")
    return Finding("wrong_winner", False, evidence) if mean > 0 else None


def one_color(black_wins: int, white_wins: int, game: GameConfig) -> Finding | None:
    """Whether one color wins nearly all games, where best play does not want that.

    Args:
        black_wins: of the newest games, without the random ones.
        white_wins: of the same games.
        game: board size and komi.
    """
    games = black_wins + white_wins
    solved = SOLVED.get(game.board_size)
    if games < COLOR_GAMES or (solved is not None and abs(game.komi - solved) <= 1):
        return None
    color, wins = ("Black", black_wins) if black_wins >= white_wins else ("White", white_wins)
    evidence = f"{color} won {wins} of {games} games ({100 * wins / games:.0f} %) at komi {game.komi:g}"
    if wilson_low(wins, games, COLOR_QUANTILE) > COLOR_SHARE:
        fair = "" if solved is None else f"; best play on this board is Black +{solved}: komi {solved - 0.5:g} is fair"
        return Finding("one_color", True, evidence + fair)
    return Finding("one_color", False, evidence) if wins <= COLOR_SHARE * games else None


def wilson_low(wins: int, games: int, quantile: float) -> float:
    """The lower end of Wilson's interval of a share, so many standard deviations wide."""
    share, square = wins / games, quantile**2
    middle = share + square / (2 * games)
    margin = quantile * math.sqrt(share * (1 - share) / games + square / (4 * games**2))
    return (middle - margin) / (1 + square / games)


def stale_network(games: Mapping[str, int], champions: Sequence[str], unpromoted: int) -> Finding | None:
    """Whether games are played by a network that was replaced long ago, or no network replaces another any more.

    Args:
        games: new games by the network that played them, without the random ones.
        champions: those that this process has seen, the newest last.
        unpromoted: networks that are newer than the champion.
    """
    if unpromoted >= STALE_CANDIDATES:
        evidence = f"{unpromoted} networks are newer than champion {champions[-1]}, and none has been promoted"
        return Finding("stale_network", True, evidence)
    total = sum(games.values())
    if total == 0:
        return None
    lag = {name: len(champions) - 1 - champions.index(name) if name in champions else len(champions) for name in games}
    stale = sum(count for name, count in games.items() if lag[name] >= STALE_CHAMPIONS)
    oldest = max(games, key=lambda name: lag[name])
    evidence = f"{stale} of {total} new games were played by networks that {STALE_CHAMPIONS} or more champions followed"
    is_stale = 2 * stale > total
    return Finding("stale_network", is_stale, f"{evidence}, {oldest} the oldest" if is_stale else evidence)


def dead_heads(skills: Mapping[str, float], step: int, warmup_steps: int) -> list[Finding]:
    """Whether some head knows no more than the best constant; if all do, targets and inputs do not belong together.

    Args:
        skills: of each head that is trained, as `minigo.data.audit.head_skills` has them.
        step: steps taken so far.
        warmup_steps: over which the rate first rises.
    """
    if not skills or step < max(DEAD_STEPS, 3 * warmup_steps):
        return []
    dead = [head for head, skill in skills.items() if not skill > DEAD_SKILL]
    known = ", ".join(f"{head} {100 * skill:.0f} %" for head, skill in skills.items())
    evidence = f"after {step} steps the heads know, of what a constant does not: {known}"
    all_dead = len(dead) == len(skills) > 2
    return [
        Finding("dead_head", bool(dead) and not all_dead, evidence),
        *([Finding("shuffled_targets", True, f"nothing is learned: {evidence}")] if all_dead else []),
    ]


def falling_elo(networks: Sequence[str], elo: NDArray[np.float64], covariance: NDArray[np.float64]) -> Finding | None:
    """Whether the last networks are weaker than an earlier one by more than chance allows.

    Args:
        networks: that have played rated games, the oldest first.
        elo: [P] of each.
        covariance: [P, P] of `elo`.
    """
    earlier = len(networks) - FALL_NETWORKS
    if earlier < 2:
        return None
    middle = earlier + int(np.argsort(elo[earlier:])[FALL_NETWORKS // 2])  # one bad network is no trend
    change = elo[middle] - elo[:earlier]
    variance = np.diag(covariance)[:earlier] + covariance[middle, middle] - 2 * covariance[middle, :earlier]
    deviation = np.sqrt(np.maximum(variance, 1e-9))
    quantile = statistics.NormalDist().inv_cdf(1 - FALL_PROBABILITY / earlier)
    worst = int(np.argmin(change / deviation))
    evidence = (
        f"of the last {FALL_NETWORKS} networks, the middle one, {networks[middle]}, is {change[worst]:+.0f} Elo from "
        f"{networks[worst]} (standard deviation {deviation[worst]:.0f})"
    )
    return Finding("falling_elo", bool(change[worst] < -quantile * deviation[worst]), evidence)
