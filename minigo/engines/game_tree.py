# SPDX-License-Identifier: Apache-2.0
"""`GameTree`: the search of one game, kept from move to move, and driven until a limit or its caller ends it.

It looks at the time and at its caller's wishes between two steps of the search; nothing here runs by itself.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from cc_kernels.cache import EvaluationCache
from minigo.anytime import MOST_VISITS, Analysis, AnytimeSearch
from minigo.config import SearchConfig
from minigo.engines.clock import Budget
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluator
from minigo.roots import RootOptions

MAX_VISITS: Final = MOST_VISITS  # of one tree
NO_LIMIT: Final = Budget(math.inf, math.inf)

_RECENT_STEPS: Final = 16
_REPORT_SHARE: Final = 0.25  # of the time at most: reports are put off where they take longer than the search
_LOOKS: Final = 20  # how often, until `soft`, it is looked whether the move is clear
_CLEAR_SHARE: Final = 0.9  # of visits and of the policy: a move that has both is the only sensible one
_CLEAR_VISITS: Final = 32  # … from so many visits on
_FALL: Final = 0.1  # a value that has fallen by this much since the last own move asks for more time


class Report(NamedTuple):
    """What an analysis shows while it goes on."""

    ownership: bool = False
    """Who will own each point."""
    moves_ownership: bool = False
    """The same after each move."""
    pv_moves: int = 15
    """Lines are cut after so many moves."""


PLAIN: Final = Report()


@dataclass(frozen=True)
class Wishes:
    """What a caller wants while a search goes on.

    Attributes:
        interrupted: ends the search once it says True.
        show: is given an analysis every `interval`.
        interval: seconds; None: nothing is shown.
        report: what is shown.
    """

    interrupted: Callable[[], bool]
    show: Callable[[Analysis], None] | None = None
    interval: float | None = None
    report: Report = PLAIN


@dataclass(frozen=True)
class Limits:
    """How far a search goes.

    Attributes:
        visits: of the root, with those that are there already.
        budget: seconds since `started`.
        started: when the clock began to run.
        saves_time: stops before `budget.soft` where more search would change nothing, and goes on to `budget.hard`
            where the best move is unsettled; otherwise it ends at `budget.soft`.
        value_before: what the player's last move was worth; a fall below it makes the move unsettled.
    """

    visits: int
    budget: Budget
    started: float
    saves_time: bool = False
    value_before: float | None = None


class GameTree:
    """The search of one game.

    Args:
        evaluator: the network.
        config: how to search.
        batch_rows: positions in a full batch.
        cached_positions: evaluations that are remembered; 0: none.
        now: tells the time in seconds; only differences matter.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        config: SearchConfig,
        *,
        batch_rows: int,
        cached_positions: int,
        now: Callable[[], float],
    ) -> None:
        self._evaluator = evaluator
        self._config = config
        self._batch_rows = batch_rows
        self._cached_positions = cached_positions
        self._now = now
        self._search: AnytimeSearch | None = None
        self._root: Position | None = None
        self._steps: deque[float] = deque(maxlen=_RECENT_STEPS)  # seconds of the last steps

    def forget(self) -> None:
        """Drops the tree; what was evaluated stays in the cache."""
        if self._search is not None and self._root is not None:
            self._search.end(0)
        self._root = None

    def forget_steps(self) -> None:
        """Drops how long steps took, where the first ones are no example."""
        self._steps.clear()

    def take(self, position: Position, options: RootOptions) -> None:
        """Makes a position the root, with what the tree knows of it already."""
        self._search_of(position.board_size).follow(0, position, options)
        self._root = position

    def analysis(self, report: Report = PLAIN) -> Analysis:
        """What the search has found.

        Raises:
            ValueError: no position was taken, or it has not been searched at all.
        """
        if self._search is None:
            raise ValueError("no position was taken")
        return self._search.analysis(
            0, ownership=report.ownership, moves_ownership=report.moves_ownership, pv_moves=report.pv_moves
        )

    def search(self, limits: Limits, wishes: Wishes) -> None:
        """Searches the root further, to a limit or until interrupted; at least until it is evaluated."""
        if self._search is None or self._root is None or self._root.is_over:
            return
        search, budget = self._search, limits.budget
        search.limit(0, min(limits.visits, MAX_VISITS))
        began, first_visits = self._now(), search.visits(0)
        next_report = began + (math.inf if wishes.interval is None else wishes.interval)
        look = began + budget.soft / _LOOKS
        while not search.is_done(0):
            now = self._now()
            if search.visits(0) > 0:
                if wishes.interrupted() or now - limits.started + max(self._steps, default=0.0) > budget.hard:
                    return
                if limits.saves_time and now >= look and search.is_primed(0):
                    look = now + budget.soft / _LOOKS
                    new_visits = search.visits(0) - first_visits
                    rate = new_visits / (now - began) if new_visits else math.inf  # a kept tree says nothing of it
                    if is_clear(search.analysis(0, pv_moves=1), now - limits.started, limits, rate):
                        return
                elif not limits.saves_time and now - limits.started >= budget.soft:
                    return
            search.step()
            done = self._now()
            self._steps.append(done - now)
            if wishes.show is not None and wishes.interval is not None and done >= next_report and search.visits(0) > 0:
                wishes.show(self.analysis(wishes.report))
                reported = self._now()
                next_report = max(done + wishes.interval, reported + (reported - done) * (1 / _REPORT_SHARE - 1))

    def _search_of(self, board_size: int) -> AnytimeSearch:
        if self._search is None or self._search.board_size != board_size:
            self._root = None
            cache = (
                EvaluationCache(board_size, self._cached_positions, ownership=True) if self._cached_positions else None
            )
            self._search = AnytimeSearch(
                self._evaluator, self._config, board_size, batch_rows=self._batch_rows, cache=cache
            )
        return self._search


def is_clear(analysis: Analysis, elapsed: float, limits: Limits, rate: float) -> bool:
    """Whether more time would change nothing.

    The move must be settled: the best one is the most visited, too, and its value has not fallen. Then no time beyond
    `soft` is needed, and none before it if no other move can catch up, or none is sensible.

    Args:
        analysis: what was found so far.
        elapsed: seconds since the move was asked for.
        limits: of the search.
        rate: visits per second.
    """
    best = analysis.moves[0]
    before = limits.value_before
    visits = sorted((move.visits for move in analysis.moves), reverse=True)
    if best.visits < visits[0] or (before is not None and best.value < before - _FALL):
        return False
    left = limits.budget.soft - elapsed
    if left <= 0:
        return True
    if best.visits - (visits[1] if len(visits) > 1 else 0) > rate * left:
        return True
    searched = sum(visits)
    alone = best.visits >= _CLEAR_SHARE * searched and analysis.policy[best.move] >= _CLEAR_SHARE
    return bool(alone) and searched >= _CLEAR_VISITS
