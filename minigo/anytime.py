# SPDX-License-Identifier: Apache-2.0
"""`AnytimeSearch`: positions searched as deeply as one likes, with an answer ready at any time.

It is what engines think with: trees grow while there is time, are kept from move to move, and say of each move what a
person wants to see. Self-play and matches, where every move gets a fixed number of simulations, use `minigo.search`.
Nothing here runs by itself: whoever drives it calls `step` as long as it pleases.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cc_kernels.cache import EvaluationCache
from minigo.config import SearchConfig
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluator
from minigo.search import Search


class Avoid(NamedTuple):
    """A move that a search leaves out."""

    color: int
    """BLACK or WHITE: whose move."""
    move: int
    """A point, or pass."""
    until_depth: int = 1
    """It is left out at this many plies from the root on, counting from the root's own: 1 is the root alone."""


@dataclass(frozen=True)
class RootOptions:
    """What may differ from search to search of the same network.

    Attributes:
        avoid: moves that are left out.
        wide_root_noise: flattens the root's policy, so that more moves get looked at; 0: as the network has it.
        symmetries: over how many of the eight the root's own evaluation is averaged: 1 or 8.
    """

    avoid: tuple[Avoid, ...] = ()
    wide_root_noise: float = 0.0
    symmetries: int = 8


@dataclass(frozen=True)
class MoveAnalysis:
    """What a search thinks of one move at the root. Every number is for the player to move at the root.

    Attributes:
        move: a point, or pass.
        visits: simulations through it; 0: only the network's policy speaks for it.
        value: in [-1, 1]: mean probability of winning minus that of losing.
        score_lead: mean points ahead, komi included.
        utility: what the search maximises: value with a little of the score.
        prior: the network's policy.
        lcb: lower confidence bound of `value`; may be below -1.
        pv: the line that the search expects, beginning with the move.
        pv_visits: visits of each of its moves.
        ownership: [N, N] in [-1, 1] after this move, 1: the player to move at the root; None if not asked for.
    """

    move: int
    visits: int
    value: float
    score_lead: float
    utility: float
    prior: float
    lcb: float
    pv: tuple[int, ...]
    pv_visits: tuple[int, ...]
    ownership: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Analysis:
    """What a search thinks of a position. Every number is for the player to move.

    Attributes:
        position: the root.
        visits: of the root: simulations, and its own evaluation.
        value: in [-1, 1]: mean probability of winning minus that of losing.
        score_lead: mean points ahead, komi included.
        utility: what the search maximises.
        raw_value: the network's own value of the root, before any search.
        raw_score_lead: the network's own score lead.
        policy: [A] the network's policy over the legal moves; 0 where illegal.
        moves: best first: by the choice that a player would make, then by visits and prior.
        ownership: [N, N] in [-1, 1], 1: the player to move; None if not asked for.
        is_over: the game is over here; then the numbers are its exact result, and pass is the only move.
    """

    position: Position
    visits: int
    value: float
    score_lead: float
    utility: float
    raw_value: float
    raw_score_lead: float
    policy: NDArray[np.float32]
    moves: tuple[MoveAnalysis, ...]
    ownership: NDArray[np.float32] | None = None
    is_over: bool = False


class AnytimeSearch:
    """Searches of some positions of one board size, each with a tree of its own, all in the same batches.

    The root chooses by PUCT. Only one thread may use it at a time.

    Args:
        evaluator: the network.
        config: how to search; number of simulations, algorithm, noise and temperature have no meaning here.
        board_size: N of all positions.
        slots: how many positions can be searched at once.
        batch_rows: positions in a full batch.
        cache: evaluations by the same network.
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
    ) -> None:
        config = replace(config, algorithm="puct", leaves_per_batch=min(8, batch_rows))
        self.board_size = board_size
        self.slots = slots
        self._evaluator = evaluator
        self._cache = cache
        self._search = Search(config, board_size, slots, max_simulations=100_000, batch_rows=batch_rows)
        self._positions: list[Position | None] = [None] * slots
        self._options = [RootOptions()] * slots

    def begin(self, slot: int, position: Position, options: RootOptions = RootOptions()) -> None:
        """Puts a position into a slot, with an empty tree and no visits to make yet.

        Raises:
            ValueError: no such slot, or another board size.
        """
        self._positions[slot], self._options[slot] = position, options
        self._search.start(slot, position.board, 1, None)

    def follow(self, slot: int, position: Position, options: RootOptions = RootOptions()) -> int:
        """As `begin`, but keeps what is known of the position if a few moves lead to it from the slot's last one.

        Komi, rules and options must be the same, too. Returns the visits that are kept.
        """
        last = self._positions[slot]
        if last is None or self._options[slot] != options or not _leads_to(last, position):
            self.begin(slot, position, options)
            return 0
        for _, move in position.moves[len(last.moves) :]:
            if not self._search.play(slot, move):
                self.begin(slot, position, options)
                return 0
        self._positions[slot] = position
        return self.visits(slot)

    def limit(self, slot: int, visits: int) -> None:
        """Lets a slot's search go on until its root has so many visits in all (its own evaluation is the first)."""
        self._search.trees.extend(slot, min(max(1, visits - 1), 100_000))

    def step(self) -> int:
        """Searches one batch further. Returns how many slots still lack visits."""
        leaves = self._search.select_leaves(self._cache)
        if leaves.count:
            self._search.backup(self._evaluator.evaluate(leaves))
        return sum(not self.is_done(slot) for slot in range(self.slots) if self._positions[slot] is not None)

    def is_done(self, slot: int) -> bool:
        """Whether a slot has all the visits of its limit, or its game is over."""
        return self._search.is_done(slot)

    def visits(self, slot: int) -> int:
        """Of a slot's root; 0: it has not been evaluated yet."""
        nodes = self._search.trees.nodes(slot)
        return int(nodes["visits"][0]) if len(nodes["visits"]) else 0

    def end(self, slot: int) -> None:
        """Empties a slot."""
        self._search.trees.stop(slot)
        self._positions[slot] = None

    def analysis(
        self, slot: int, *, ownership: bool = False, moves_ownership: bool = False, pv_moves: int = 15
    ) -> Analysis:
        """What the search of a slot has found so far.

        Args:
            slot: which.
            ownership: with who will own each point.
            moves_ownership: the same after each move that was searched.
            pv_moves: no line is longer than this.

        Raises:
            ValueError: the slot is empty, or its root has not been evaluated yet.
        """
        position = self._positions[slot]
        if position is None:
            raise ValueError(f"slot {slot} is empty")
        if position.is_over:
            return _of_finished(position)
        result = self._search.result(slot)
        order = sorted(np.flatnonzero(result.visits).tolist(), key=lambda move: -int(result.visits[move]))
        moves = tuple(
            MoveAnalysis(
                move=move,
                visits=int(result.visits[move]),
                value=float(result.move_values[move]),
                score_lead=float(result.score_lead),
                utility=float(result.move_values[move]),
                prior=float(result.policy_target[move]),
                lcb=float(result.move_values[move]) - 1.0 / float(result.visits[move]) ** 0.5,
                pv=tuple(result.principal_variation) if move == result.move else (move,),
                pv_visits=(int(result.visits[move]),),
            )
            for move in order
        )
        return Analysis(
            position,
            result.simulations + 1,
            result.value,
            result.score_lead,
            result.value,
            result.value,
            result.score_lead,
            result.policy_target,
            moves,
        )


def _leads_to(first: Position, second: Position) -> bool:
    same = first.komi == second.komi and first.rules == second.rules and first.board_size == second.board_size
    return same and second.moves[: len(first.moves)] == first.moves


def _of_finished(position: Position) -> Analysis:
    score = position.score_for_black() * position.to_play
    value = float(np.sign(score))
    policy = np.zeros(position.board.num_moves, np.float32)
    policy[-1] = 1.0
    passing = MoveAnalysis(
        position.board.pass_move, 0, value, score, value, 1.0, value, (position.board.pass_move,), (0,)
    )
    return Analysis(position, 1, value, score, value, value, score, policy, (passing,), is_over=True)
