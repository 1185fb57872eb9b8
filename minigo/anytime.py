# SPDX-License-Identifier: Apache-2.0
"""`AnytimeSearch`: positions searched as deeply as one likes, with an answer ready at any time.

It is what engines think with: trees grow while there is time, are kept from move to move, and say of each move what a
person wants to see. Self-play and matches, where every move gets a fixed number of simulations, use `minigo.search`.
Nothing here runs by itself: whoever drives it calls `step` as long as it pleases. docs/adr/0011-anytime-search.md says
why it is as it is.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels.cache import EvaluationCache
from cc_kernels.features import NUM_PLANES, NUM_SCALARS, NUM_SYMMETRIES, position_key, position_symmetry, write_features
from cc_kernels.readout import ownership as tree_ownership
from cc_kernels.readout import report
from cc_kernels.tree import SearchTrees
from minigo.analysis import Analysis, MoveAnalysis, analysis_of_finished, analyzed_moves
from minigo.config import SearchConfig
from minigo.go.position import Position
from minigo.go.symmetry import move_images
from minigo.inference.evaluator import Evaluation, Evaluator, Leaves
from minigo.inference.parallel import ParallelEvaluator
from minigo.roots import AS_IT_IS, RootOptions, avoid_depths, moves_between

__all__ = ["Analysis", "AnytimeSearch", "MoveAnalysis"]

MOST_VISITS: Final = 5_000_000
"""No limit is higher: the kernel's own."""
STEP_SECONDS: Final = 0.02
"""How long the evaluation of one step may take; batches become smaller where they would take longer."""
SHARED_STEP_SECONDS: Final = 0.05
"""The same where several positions are searched: then people wait for all of them rather than look at one."""
VISITS_PER_LEAF: Final = 8
"""A tree has one leaf in a batch, and one more for each so many visits: leaves that wait are searched for blindly."""
WALKS: Final = 512
"""Walks down all trees in one step that may end without an evaluation, in the cache or in a finished game."""

SEARCHED: Final = 0  # groups of trees, as the kernel has them
RESTING: Final = 1


@dataclass
class _Slot:
    """A position that is searched.

    Attributes:
        position: the root.
        options: as given.
        visits: the limit; 0: none yet.
        is_over: whether the game is over there; then there is no tree.
        symmetries: in which the root is still to be evaluated.
        seen: the root's evaluations so far, as the board lies.
        policy: [A] the mean over them, over the legal moves; None until all are there.
    """

    position: Position
    options: RootOptions
    visits: int = 0
    is_over: bool = False
    symmetries: list[int] = field(default_factory=list)
    seen: list[Evaluation] = field(default_factory=list)
    policy: NDArray[np.float32] | None = None


class AnytimeSearch:
    """Searches of some positions of one board size, each with a tree of its own, all in the same batches.

    The root chooses by PUCT. Only one thread may use it at a time.

    Args:
        evaluator: the network.
        config: how to search; number of simulations, algorithm, noise and temperature have no meaning here.
        board_size: N of all positions.
        slots: how many positions can be searched at once.
        batch_rows: positions in a full batch.
        cache: evaluations by the same network, with ownership if that is kept.
        threads: on which a batch is evaluated; of no meaning with a `ParallelEvaluator`, which has its own.
        ownership: whether it can be asked for.
        growth_bytes: by which all trees together may grow beyond 4,096 nodes each; a tree that may not is done.

    Raises:
        ValueError: a number out of range, or a cache that does not fit.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        config: SearchConfig,
        board_size: int,
        *,
        slots: int = 1,
        batch_rows: int = 32,
        cache: EvaluationCache | None = None,
        threads: int = 1,
        ownership: bool = True,
        growth_bytes: int = 2 << 30,
    ) -> None:
        if cache is not None and (cache.board_size, cache.ownership) != (board_size, ownership):
            raise ValueError(
                f"the cache must be EvaluationCache({board_size}, …, ownership={ownership}), got one of "
                f"board size {cache.board_size} with ownership={cache.ownership}"
            )
        self.board_size = board_size
        self.slots = slots
        self._evaluator = (
            evaluator if isinstance(evaluator, ParallelEvaluator) else ParallelEvaluator(evaluator, threads)
        )
        self._cache = cache
        self._keeps_ownership = ownership
        self._score_weight = config.score_weight
        self._most_leaves = min(batch_rows, 255)
        self._trees = SearchTrees(
            slots,
            board_size,
            MOST_VISITS,
            leaves_per_game=self._most_leaves,
            gumbel=False,
            c_puct=config.c_puct,
            fpu_reduction=config.fpu_reduction,
            score_weight=config.score_weight,
            prune_pass_alive=config.prune_pass_alive,
            batch_rows=batch_rows,
            ownership=ownership,
            growth_bytes=growth_bytes,
        )
        self._planes = np.zeros((batch_rows, board_size, board_size, NUM_PLANES), np.uint8)
        self._scalars = np.zeros((batch_rows, NUM_SCALARS), np.float32)
        self._keys = np.zeros(batch_rows, np.uint64)
        self._row_games = np.zeros(batch_rows, np.int32)
        self._searches: dict[int, _Slot] = {}
        self._paused: set[int] = set()
        self._unprimed: set[int] = set()  # slots whose roots are to be evaluated, before anything else
        self._row_seconds: float | None = None

    def begin(self, slot: int, position: Position, options: RootOptions = AS_IT_IS) -> None:
        """Puts a position into a slot, with an empty tree and no visits to make yet.

        Raises:
            ValueError: no such slot, or another board size.
        """
        self._trees.start(slot, position.board, 0, group=RESTING, avoid=avoid_depths(options.avoid, position))
        self._trees.stop(slot)
        self._paused.discard(slot)
        self._searches[slot] = _Slot(position, options, is_over=position.is_over)
        self._evaluate_root(slot)

    def follow(self, slot: int, position: Position, options: RootOptions = AS_IT_IS) -> int:
        """As `begin`, but keeps what is known of the position if a few moves lead to it from the slot's last one.

        Komi and rules must be the same, too. Where moves are avoided, or were, only a search of the same position with
        the same moves to avoid is kept. Returns the visits that are kept.
        """
        search = self._searches.get(slot)
        moves = None if search is None else moves_between(search.position, position)
        if search is None or moves is None or search.is_over or position.is_over:
            self.begin(slot, position, options)
            return 0
        last, now = search.options, options
        avoids = last.avoid != now.avoid or (now.avoid and moves)
        if avoids or not all(self._trees.advance(slot, move) for move in moves):
            self.begin(slot, position, options)
            return 0
        self._trees.stop(slot)
        search.position, search.options, search.visits = position, options, 0
        self.resume(slot)
        if moves or (last.wide_root_noise, last.symmetries) != (now.wide_root_noise, now.symmetries):
            self._evaluate_root(slot)
        return self.visits(slot)

    def limit(self, slot: int, visits: int) -> None:
        """Lets a slot's search go on until its root has so many visits in all (its own evaluation is the first).

        Raises:
            ValueError: the slot is empty.
        """
        search = self._search(slot)
        search.visits = min(max(1, visits), MOST_VISITS)
        if not search.is_over:
            self._trees.extend(slot, search.visits - 1)

    def pause(self, slot: int) -> None:
        """Lets a slot's search rest, its tree as it is, until `resume`. Raises ValueError: the slot is empty."""
        self._search(slot)
        self._paused.add(slot)
        self._trees.regroup(slot, RESTING)

    def resume(self, slot: int) -> None:
        """Lets a slot that was paused take part in steps again. Raises ValueError: the slot is empty."""
        self._search(slot)
        self._paused.discard(slot)
        self._trees.regroup(slot, RESTING if slot in self._unprimed else SEARCHED)

    def step(self) -> int:
        """Searches one batch further. Returns how many slots still lack visits, paused ones not counted.

        If the evaluator raises an error, so does this, and all searches begin anew.
        """
        running = self._running()
        if running:
            rows = self._affordable_rows(STEP_SECONDS if len(running) == 1 else SHARED_STEP_SECONDS)
            unprimed = [slot for slot in running if slot in self._unprimed]
            roots = [(slot, symmetry) for slot in unprimed for symmetry in self._searches[slot].symmetries][:rows]
            count = self._select(rows - len(roots), len(running))
            self._evaluate(count, roots)
        return len(self._running())

    def is_done(self, slot: int) -> bool:
        """Whether a slot has all the visits of its limit, its game is over, or there is no memory for more visits.

        Raises:
            ValueError: the slot is empty.
        """
        self._search(slot)
        return self._trees.is_done(slot)

    def is_primed(self, slot: int) -> bool:
        """Whether the evaluation of a slot's root, over its symmetries, is there."""
        return slot not in self._unprimed

    def visits(self, slot: int) -> int:
        """Of a slot's root; 0: it has not been evaluated yet, or the slot is empty."""
        search = self._searches.get(slot)
        if search is None:
            return 0
        return 1 if search.is_over else self._trees.root_visits(slot)

    def end(self, slot: int) -> None:
        """Empties a slot."""
        self._trees.clear(slot)
        self._paused.discard(slot)
        self._unprimed.discard(slot)
        self._searches.pop(slot, None)

    def analysis(
        self, slot: int, *, ownership: bool = False, moves_ownership: bool = False, pv_moves: int = 15
    ) -> Analysis:
        """What the search of a slot has found so far.

        Args:
            slot: which.
            ownership: with who will own each point; 0 where the evaluator does not say.
            moves_ownership: the same after each move that was searched.
            pv_moves: no line is longer than this, and none shorter than its first move.

        Raises:
            ValueError: the slot is empty, its root has not been evaluated yet, or ownership is not kept.
        """
        search = self._search(slot)
        if search.is_over:
            return analysis_of_finished(
                search.position, self._score_weight, ownership=ownership, moves_ownership=moves_ownership
            )
        found = report(self._trees, slot, max(1, pv_moves))
        policy = found.priors if search.policy is None else search.policy
        whole, by_move = None, None
        if ownership or moves_ownership:
            whole, by_move = tree_ownership(self._trees, slot, moves_ownership)
        moves = analyzed_moves(found, policy, by_move if moves_ownership else None)
        return Analysis(
            search.position,
            found.visits,
            found.value,
            found.score,
            found.utility,
            found.raw_value,
            found.raw_score,
            policy,
            moves,
            whole if ownership else None,
        )

    def _search(self, slot: int) -> _Slot:
        try:
            return self._searches[slot]
        except KeyError:
            raise ValueError(f"slot {slot} is empty") from None

    def _running(self) -> list[int]:
        """The slots that take part in a step."""
        lacking = np.ones(self.slots, np.bool_)
        lacking[self._trees.done_games()] = False
        lacking[list(self._paused)] = False
        slots: list[int] = np.flatnonzero(lacking).tolist()
        return slots

    def _evaluate_root(self, slot: int) -> None:
        """Lets a slot's root be evaluated, which comes before anything else."""
        search = self._searches[slot]
        all_of_them = list(range(NUM_SYMMETRIES))
        one = [position_symmetry(search.position.board)]
        search.symmetries = all_of_them if search.options.symmetries == NUM_SYMMETRIES else one
        search.seen, search.policy = [], None
        self._unprimed.add(slot)
        self._trees.regroup(slot, RESTING)

    def _affordable_rows(self, seconds: float) -> int:
        """How many rows a batch may have to be evaluated in that time."""
        rows = len(self._keys)
        if self._row_seconds is None:
            return rows
        return max(min(rows, self._evaluator.threads), min(rows, int(seconds / self._row_seconds)))

    def _select(self, rows: int, running: int) -> int:
        """Lets the kernel fill the first rows with leaves; returns how many."""
        if rows == 0:
            return 0
        leaves = min(self._most_leaves, math.ceil(rows / running))
        return self._trees.select(
            self._planes,
            self._scalars,
            self._keys,
            self._row_games,
            self._cache,
            SEARCHED,
            rows=rows,
            leaves=leaves,
            visits_per_leaf=VISITS_PER_LEAF,
            walks=max(2 * leaves, WALKS // running),
        )

    def _evaluate(self, count: int, roots: Sequence[tuple[int, int]]) -> None:
        """Evaluates the leaves in the first rows, and roots, which are written behind them."""
        for row, (slot, symmetry) in enumerate(roots, count):
            board = self._searches[slot].position.board
            write_features(board, self._planes[row], self._scalars[row], symmetry)
            self._keys[row] = position_key(board)
        rows = count + len(roots)
        if rows == 0:
            return
        began = time.perf_counter()
        try:
            found = self._evaluator.evaluate(Leaves(self._planes, self._scalars, self._keys, rows))
        except BaseException:
            self._begin_all_anew()
            raise
        self._learn_speed((time.perf_counter() - began) / rows)
        if count:
            owners = found.ownership if self._keeps_ownership else None
            self._trees.backup(found.policy, found.value, found.score_lead, owners)
        for row, (slot, symmetry) in enumerate(roots, count):
            search = self._searches[slot]
            search.symmetries.remove(symmetry)
            search.seen.append(_row_as_the_board_lies(found, row, move_images(self.board_size)[symmetry]))
            if not search.symmetries:
                self._prime(slot)

    def _begin_all_anew(self) -> None:
        """Gives leaves that will have no evaluation some other one, and throws all trees away."""
        rows = len(self._keys)
        nothing = np.zeros(rows, np.float32)
        self._trees.backup(np.zeros((rows, self.board_size**2 + 1), np.float32), nothing, nothing)
        for slot, search in list(self._searches.items()):
            is_paused = slot in self._paused
            self.begin(slot, search.position, search.options)
            if search.visits:
                self.limit(slot, search.visits)
            if is_paused:
                self.pause(slot)

    def _learn_speed(self, row_seconds: float) -> None:
        """Believes at once that it is faster, slowly that it is slower: a first call compiles, others are delayed."""
        known = self._row_seconds
        self._row_seconds = row_seconds if known is None else min(row_seconds, 1.05 * known)

    def _prime(self, slot: int) -> None:
        """Gives a root the mean of its evaluations, and lets the search go on."""
        search = self._searches[slot]
        seen, search.seen = search.seen, []
        policy = np.mean([each.policy[0] for each in seen], axis=0) * search.position.legal_moves()
        search.policy = _normalized(policy).astype(np.float32)
        flattened = _normalized(policy ** (1.0 / (4.0 * search.options.wide_root_noise + 1.0)))
        owners = [each.ownership[0] for each in seen if each.ownership is not None]
        self._trees.prime(
            slot,
            flattened.astype(np.float32),
            float(np.mean([each.value[0] for each in seen])),
            float(np.mean([each.score_lead[0] for each in seen])),
            np.mean(owners, axis=0, dtype=np.float32) if owners and self._keeps_ownership else None,
        )
        self._unprimed.discard(slot)
        self._trees.regroup(slot, SEARCHED)


def _row_as_the_board_lies(found: Evaluation, row: int, images: NDArray[np.int64]) -> Evaluation:
    """One row turned back, as a batch of one."""
    owners = None
    if found.ownership is not None:
        owners = found.ownership[row].ravel()[images[:-1]].reshape(1, *found.ownership.shape[1:])
    one = slice(row, row + 1)
    return Evaluation(found.policy[one, images], found.value[one], found.score_lead[one], owners)


def _normalized(weights: NDArray[np.floating]) -> NDArray[np.floating]:
    total = weights.sum()
    return weights / total if total > 0 else weights
