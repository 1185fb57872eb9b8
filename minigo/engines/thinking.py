# SPDX-License-Identifier: Apache-2.0
"""`Thinking`: how the engine thinks about one game, from move to move and while the other player thinks.

It puts together how long a move may take (`clock`), the search that is kept from move to move (`game_tree`), what to
play then (`choice`) and how a game is counted (`ending`).
"""

import copy
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple, Self

import numpy as np

from minigo.anytime import Analysis
from minigo.config import SearchConfig
from minigo.engines.choice import (
    Resignation,
    chosen_move,
    cleanup_move,
    is_agreed,
    score_as_it_stands,
    wants_ending,
)
from minigo.engines.clock import Budget, Clock
from minigo.engines.ending import Ending, ending_of
from minigo.engines.game_tree import MAX_VISITS, NO_LIMIT, PLAIN, GameTree, Limits, Report, Wishes
from minigo.engines.options import PlayOptions
from minigo.engines.raw_network import RawEvaluation, empty_leaves, evaluate_alone
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluator, UniformEvaluator
from minigo.inference.parallel import ParallelEvaluator
from minigo.players import RandomPlayer
from minigo.roots import AS_IT_IS, RootOptions

__all__ = ["Decision", "PlayOptions", "Report", "Thinking"]

ENDING_VISITS: Final = 200  # of a search that says how a game is counted
ENDING_SECONDS: Final = 2.0  # … which takes no longer
WARM_UP_SECONDS: Final = 20.0

_WITH_OWNERSHIP: Final = Report(ownership=True)


class Decision(NamedTuple):
    """What an engine answers when it is asked for a move."""

    move: int
    """A point, or pass."""
    resign: bool
    """Whether it gives up instead."""
    analysis: Analysis | None
    """Of the position that it was chosen in; None if nothing was searched."""


class Thinking:
    """Thinks about one game: keeps the tree from move to move, for a number of visits, a time, or until interrupted.

    Whatever is given as `interrupted` is asked between two steps of the search, some ten milliseconds apart; once it
    says True, the search ends with what it has. At least one evaluation is always made. A position in which two
    passes have ended the game can be given, too: then it is searched as if the game went on.

    Args:
        evaluator: the network.
        config: how to search, and the visits of a move without clock (`num_simulations`).
        options: how to play.
        threads: that evaluate.
        batch_rows: positions in a full batch.
        cached_positions: evaluations that are remembered; 0: none.
        now: tells the time in seconds; only differences matter.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        config: SearchConfig,
        options: PlayOptions,
        *,
        threads: int = 1,
        batch_rows: int = 32,
        cached_positions: int = 100_000,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self._evaluator = ParallelEvaluator(evaluator, threads)
        self._config = config
        self._batch_rows = batch_rows
        self._cached_positions = cached_positions
        self._now = now
        self._tree = self._new_tree()
        self._random: RandomPlayer | None = None
        self._draws = np.random.default_rng(0)  # chance's, where some moves are to be avoided
        self._compiled: set[int] = set()  # board sizes
        self._compiling = threading.Lock()
        self._resignation = Resignation(options)
        self._values: dict[int, float] = {}  # what each colour's last decision was worth

    @classmethod
    def by_chance(cls, config: SearchConfig, options: PlayOptions, *, seed: int = 0) -> Self:
        """An engine without network: plays as `RandomPlayer`, never resigns, and analyses by the rules alone."""
        thinking = cls(UniformEvaluator(), config, options)
        thinking._random = RandomPlayer(seed)
        thinking._draws = np.random.default_rng(seed)
        return thinking

    def set_options(self, options: PlayOptions, config: SearchConfig | None = None) -> None:
        """Plays on with other options and, if a config is given, searches by that."""
        self.options = self._resignation.options = options
        if config is not None and config != self._config:
            only_visits = replace(config, num_simulations=self._config.num_simulations) == self._config
            self._config = config
            self._tree = self._tree if only_visits else self._new_tree()

    def new_game(self) -> None:
        """Forgets the tree and what was thought of the last game."""
        self._tree.forget()
        self._values = {}
        self._resignation.forget()

    def warm_up(self, board_size: int) -> None:
        """Searches a little on an empty board, so that no move has to wait until the network is compiled."""
        if self._random is not None:
            return
        self._compile(board_size)
        empty = Position.empty(board_size, 7.5, "cgos")
        self._tree.take(empty, AS_IT_IS)
        budget = Budget(WARM_UP_SECONDS, WARM_UP_SECONDS)
        never = Wishes(lambda: False)
        self._tree.search(Limits(8 * self._batch_rows, budget, self._now()), never)
        self._tree.forget_steps()
        self._tree.search(Limits(12 * self._batch_rows, budget, self._now()), never)
        self.new_game()

    def prepare(self, board_size: int) -> None:
        """Lets the network be compiled for a board in the background, if it is not; returns at once.

        For boards other than the one that `warm_up` was for. A move that is asked for meanwhile has to wait.
        """
        if self._random is None and board_size not in self._compiled:
            threading.Thread(target=self._compile, args=(board_size,), daemon=True, name="compiler").start()

    def decide(
        self,
        position: Position,
        clock: Clock | None,
        *,
        interrupted: Callable[[], bool],
        show: Callable[[Analysis], None] | None = None,
        interval: float | None = None,
        report: Report = PLAIN,
        root: RootOptions = AS_IT_IS,
        cleanup: bool = False,
        plays: bool = True,
        waited_seconds: float = 0.0,
    ) -> Decision:
        """Chooses a move for the player to move, as fast as the clock demands.

        Args:
            position: the game.
            clock: what time was left when the move was asked for; None: all there is.
            interrupted: ends the search with what it has.
            show: is given an analysis every `interval`, and the last one at the end.
            interval: seconds; None: only the last one.
            report: what `show` wants to see.
            root: what differs in this search. Where it avoids moves at the root, none of them is chosen.
            cleanup: takes the opponent's dead stones off before it passes, and does not resign.
            plays: whether the move will be played; what is not leaves chance as it was.
            waited_seconds: how long ago the move was asked for, if not just now.
        """
        started = self._now() - waited_seconds
        searched = position.reopened()
        self._tree.take(searched, root)
        if self._random is not None:
            chance = (self._random, self._draws) if plays else copy.deepcopy((self._random, self._draws))
            decision = self._chance(position, searched, chance, root, Wishes(interrupted, report=report), show)
        elif searched.is_over:
            decision = Decision(self._decided(position, root, cleanup), False, self._tree.analysis(report))
        else:
            limits = self._limits(position, clock, started)
            self._tree.search(limits, Wishes(interrupted, show, interval, report))
            decision = self._decision(position, self._tree.analysis(report), root, cleanup)
        if show is not None and decision.analysis is not None:
            show(decision.analysis)
        return decision

    def analyze(
        self,
        position: Position,
        *,
        interrupted: Callable[[], bool],
        show: Callable[[Analysis], None],
        interval: float,
        report: Report = PLAIN,
        root: RootOptions = AS_IT_IS,
        visits: int | None = None,
        seconds: float | None = None,
    ) -> Analysis:
        """Searches a position until interrupted, or for some visits or seconds, and returns what it found.

        It also returns when the tree can grow no more, or where the game is decided. Nothing is shown at the end,
        unless nothing was shown before.

        Args:
            position: what to search.
            interrupted: ends the search.
            show: is given an analysis every `interval`.
            interval: seconds.
            report: what to show.
            root: what differs in this search.
            visits: of the root, with those that are there already; None: as many as a tree holds.
            seconds: for how long; None: no limit.
        """
        started = self._now()
        shown: list[Analysis] = []

        def show_and_note(analysis: Analysis) -> None:
            shown[:] = [analysis]
            show(analysis)

        self._tree.take(position.reopened(), root)
        budget = NO_LIMIT if seconds is None else Budget(seconds, seconds)
        limits = Limits(MAX_VISITS if visits is None else visits, budget, started)
        self._tree.search(limits, Wishes(interrupted, show_and_note, interval, report))
        analysis = self._tree.analysis(report)
        if not shown:
            show(analysis)
        return analysis

    def ponder(self, position: Position, *, interrupted: Callable[[], bool]) -> None:
        """Searches a position in which the other player is to move, until interrupted or the tree is full."""
        if self._random is None and not position.is_over:
            self._tree.take(position, AS_IT_IS)
            self._tree.search(Limits(MAX_VISITS, NO_LIMIT, self._now()), Wishes(interrupted))

    def evaluate(self, position: Position, symmetry: int | None) -> RawEvaluation:
        """What the network alone says.

        Args:
            position: what to evaluate.
            symmetry: how the network is shown the board, 0..7; None: the mean over all eight ways.

        Raises:
            ValueError: there is no such symmetry.
        """
        return evaluate_alone(self._evaluator, position, symmetry)

    def finished(self, position: Position) -> Ending:
        """How the game would be counted if it ended here. Searches a little; chance knows only what is pass-alive."""
        searched = position.reopened()
        if self._random is not None or searched.is_over:
            return ending_of(position, None)
        self._tree.take(searched, AS_IT_IS)
        budget = Budget(ENDING_SECONDS, ENDING_SECONDS)
        self._tree.search(Limits(ENDING_VISITS, budget, self._now()), Wishes(lambda: False))
        return self._ending(position, self._tree.analysis(_WITH_OWNERSHIP))

    def _compile(self, board_size: int) -> None:
        with self._compiling:
            if board_size not in self._compiled:
                self._evaluator.compile(empty_leaves(board_size, 1))
                self._compiled.add(board_size)

    def _decision(self, position: Position, analysis: Analysis, root: RootOptions, cleanup: bool) -> Decision:
        best = analysis.moves[0]
        self._values[position.to_play] = best.value
        if root.avoid:
            return Decision(best.move, False, analysis)
        if cleanup:
            return Decision(self._cleanup(position), False, analysis)
        ending, seen = None, analysis
        if wants_ending(position, analysis):
            seen = self._tree.analysis(_WITH_OWNERSHIP)
            ending = self._ending(position, seen)
        resigns = self._resignation.decides(position, best.value, best.score_lead)
        return Decision(chosen_move(position, seen, ending, self.options), resigns, analysis)

    def _decided(self, position: Position, root: RootOptions, cleanup: bool) -> int:
        """A move where pass-alive chains and regions decide every point.

        Such a game is won or lost, but a pass lets it be counted with what is dead on the board, unless players agree.
        """
        allowed = root.allowed(position)
        loses = not is_agreed(position, self.options) and score_as_it_stands(position) <= 0
        if (cleanup or loses) and not root.avoid:
            return cleanup_move(position, ending_of(position, None), None)
        return int(np.flatnonzero(allowed)[-1]) if allowed.any() else position.board.pass_move  # the last of all moves

    def _cleanup(self, position: Position) -> int:
        """Takes dead stones; without any, passes where the board as it stands says what the ending says."""
        analysis = self._tree.analysis(_WITH_OWNERSHIP)
        ending = self._ending(position, analysis)
        move = cleanup_move(position, ending, analysis)
        if move != position.board.pass_move or position.score_for_black() == ending.score_for_black:
            return move
        return chosen_move(position, analysis, ending, self.options)

    def _chance(
        self,
        position: Position,
        searched: Position,
        chance: tuple[RandomPlayer, np.random.Generator],
        root: RootOptions,
        wishes: Wishes,
        show: Callable[[Analysis], None] | None,
    ) -> Decision:
        """Chance's move; a search by the rules alone only where somebody wants to see one."""
        player, draws = chance
        move = position.board.pass_move if searched.is_over else player.choose(searched).move
        allowed = root.allowed(searched)
        if not allowed[move] and allowed.any():
            move = int(draws.choice(np.flatnonzero(allowed)))
        if not position.board.is_legal(move, position.to_play):  # known only to the game's history
            move = position.board.pass_move
        if show is None:
            return Decision(move, False, None)
        self._tree.search(Limits(self._config.num_simulations, NO_LIMIT, self._now()), wishes)
        return Decision(move, False, self._tree.analysis(wishes.report))

    def _ending(self, position: Position, analysis: Analysis) -> Ending:
        ownership = analysis.ownership
        if ownership is None:
            ownership = self.evaluate(analysis.position, None).ownership
        return ending_of(position, None if ownership is None else ownership * position.to_play)

    def _limits(self, position: Position, clock: Clock | None, started: float) -> Limits:
        """How long a move may take, and how many visits."""
        options = self.options
        limited = clock is not None and clock.is_limited
        budget = clock.budget(position, lag_seconds=options.lag_seconds) if clock is not None else NO_LIMIT
        if options.seconds_per_move:
            budget = Budget(min(budget.soft, options.seconds_per_move), min(budget.hard, options.seconds_per_move))
        visits = options.timed_visits if budget.hard < math.inf else self._config.num_simulations
        return Limits(visits, budget, started, saves_time=limited, value_before=self._values.get(position.to_play))

    def _new_tree(self) -> GameTree:
        return GameTree(
            self._evaluator,
            self._config,
            batch_rows=self._batch_rows,
            cached_positions=self._cached_positions,
            now=self._now,
        )
