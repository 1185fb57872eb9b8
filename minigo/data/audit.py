# SPDX-License-Identifier: Apache-2.0
"""Whether training examples are what their games say, and whether a network knows more than a constant does.

An `Audit` replays the games behind some rows of a batch with the rules alone, and shares no code with
`minigo.data.examples`. `head_skills` holds losses against those of the best constant. What the numbers mean for a run
is the business of `minigo.alarms`. Start at `Audit.see`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels import scoring
from cc_kernels.board import BLACK, Board
from cc_kernels.features import NUM_PLANES, NUM_SCALARS, NUM_SYMMETRIES, write_features
from minigo.data.examples import Batch
from minigo.data.window import Window
from minigo.go.rules import rules_named
from minigo.go.symmetry import transform_planes, transform_policy

ROWS: Final = 32  # of a batch are replayed
BATCHES: Final = 8  # of a training are looked at
TOLERANCE: Final = 1e-3  # between a target in float32 and the same from the record
MIN_SPREAD: Final = 0.02  # in units of the loss, between the best constant and the least: less is nothing to learn
POLICY_ROWS: Final = 64  # fewer rows with a policy target say nothing about the policy

Example = tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]
"""One row of a batch: inputs and targets without the first axis."""


@dataclass
class Audit:
    """Counts over the rows that were replayed.

    Attributes:
        value_from_search: share of the outcome target that is the search's value, where there is one.
        rows: how many.
        foreign: rows whose planes, policy or ownership are not those of their position, under any symmetry.
        symmetries: [8] under which symmetry a row was seen; only rows that look different under all eight.
        decisive: [2] rows of games that somebody won, by the color to move: Black, White.
        reversed: [2] of them, those whose outcome or score names the loser.
    """

    value_from_search: float
    rows: int = 0
    foreign: int = 0
    symmetries: NDArray[np.int64] = field(default_factory=lambda: np.zeros(NUM_SYMMETRIES, np.int64))
    decisive: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    reversed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    _batches: int = 0

    def see(self, window: Window, positions: NDArray[np.int64], batch: Batch) -> None:
        """Replays the first rows of a training's first batches; later batches pass unseen.

        Args:
            window: where the games are.
            positions: [B] which of the window's positions the rows are to be.
            batch: what was made of them.
        """
        self._batches += 1
        if self._batches > BATCHES:
            return
        for row, position in enumerate(positions[:ROWS].tolist()):
            inputs, targets = ({name: column[row] for name, column in columns.items()} for columns in batch)
            self._see_row(_Source(window, position), (inputs, targets))

    def _see_row(self, source: "_Source", example: Example) -> None:
        inputs, targets = example
        self.rows += 1
        found = [s for s in range(NUM_SYMMETRIES) if np.array_equal(source.planes(s), inputs["planes"])]
        self.foreign += not any(source.has_targets(targets, symmetry) for symmetry in found)
        if len(found) == 1:
            self.symmetries[found[0]] += 1
        if source.score != 0:
            outcome = float(targets["outcome"][0] - targets["outcome"][2]) - self.value_from_search * source.root_value
            color = int(source.color != BLACK)
            self.decisive[color] += 1
            is_reversed = outcome * np.sign(source.score) < -TOLERANCE or targets["score_lead"] * source.score < 0
            self.reversed[color] += int(is_reversed)


class _Source:
    """A position of the window, from its game's moves and the rules; all for the player to move."""

    def __init__(self, window: Window, position: int) -> None:
        games, rules = window.games, rules_named(window.game.rules)
        game, ply = int(window.position_games[position]), int(games.plies[position])
        moves = games.moves[window.starts[game] : window.starts[game + 1]].tolist()
        board = Board(window.game.board_size, float(games.komi[game]), rules.ko_rule, rules.suicide)
        for move in moves[:ply]:
            board.play(move)
        self._board = board.copy()
        for move in moves[ply:]:
            board.play(move)
        self.color = self._board.to_play
        self.score = scoring.final_score_for_black(board) * self.color
        self._ownership = scoring.final_area(board) * self.color
        has_policy = bool(games.has_policy[position])
        self._policy = games.policies[window.policy_rows[position]].astype(np.float64) if has_policy else None
        self.root_value = float(np.nan_to_num(games.root_values[position]))

    def planes(self, symmetry: int) -> NDArray[np.uint8]:
        """[N, N, C] as the kernel writes them for a board that was played move by move."""
        size = self._board.board_size
        planes = np.zeros((size, size, NUM_PLANES), np.uint8)
        write_features(self._board, planes, np.zeros(NUM_SCALARS, np.float32), symmetry)
        return planes

    def has_targets(self, targets: Mapping[str, NDArray[Any]], symmetry: int) -> bool:
        """Whether policy and ownership are this position's, the latter from either side: who won is another matter."""
        ownership = transform_planes(self._ownership, symmetry)
        seen = np.asarray(targets["ownership"])
        if not (np.array_equal(seen, ownership) or np.array_equal(seen, -ownership)):
            return False
        if self._policy is None:
            return not targets["policy_weight"]
        policy = transform_policy(self._policy / self._policy.sum(), self._board.board_size, symmetry)
        return bool(np.abs(policy - targets["policy"]).max() < TOLERANCE)


def constant_losses(targets: Mapping[str, NDArray[Any]]) -> dict[str, tuple[float, float]]:
    """What the best constant would lose on some examples, and the least that anything would, for each head.

    Args:
        targets: of a batch, as `minigo.network.losses` has them.

    Returns:
        (loss of the best constant, least loss) by head; no policy where too few rows have a target, and no head
        whose target hardly differs from row to row.
    """
    score, ownership = targets["score_lead"].astype(np.float64), targets["ownership"].astype(np.float64)
    size = ownership.shape[1]
    error = np.abs(score - np.median(score))
    bounded = np.minimum(error, size)
    losses = {
        "value": _entropies(targets["outcome"]),
        "score": (float(np.mean(bounded * (error - 0.5 * bounded) / size)), 0.0),
        "ownership": (float(ownership.var()), 0.0),
    }
    policy = targets["policy"][targets["policy_weight"] > 0]
    if len(policy) >= POLICY_ROWS:
        losses["policy"] = _entropies(policy)
    return {head: bounds for head, bounds in losses.items() if bounds[0] - bounds[1] > MIN_SPREAD}


def head_skills(losses: Mapping[str, float], targets: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """How much of what can be known each head knows: 1 is all, 0 as little as the best constant, below 0 less.

    Args:
        losses: "value_loss" and so on, of a network on some examples.
        targets: of those examples.
    """
    bounds = constant_losses(targets)
    known = {head: (losses.get(f"{head}_loss", float("nan")), *bound) for head, bound in bounds.items()}
    return {head: (most - loss) / (most - least) for head, (loss, most, least) in known.items() if np.isfinite(loss)}


def _entropies(targets: NDArray[Any]) -> tuple[float, float]:
    """In nats: that of the mean of the rows, and the mean of theirs."""
    rows = targets.astype(np.float64)
    return _entropy(rows.mean(axis=0)[None]), _entropy(rows)


def _entropy(rows: NDArray[np.float64]) -> float:
    return float(-(rows * np.log(np.maximum(rows, 1e-12))).sum(axis=1).mean())
