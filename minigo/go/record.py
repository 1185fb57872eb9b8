# SPDX-License-Identifier: Apache-2.0
"""`GameRecord`: a finished game with what its search found; its `check` says whether that can be true."""

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels import scoring
from cc_kernels.board import MAX_BOARD_SIZE, Board
from minigo.go.rules import rules_named

ENDS: Final = ("passes", "decided", "move_limit", "resign")
POLICY_SCALE: Final = 65535  # a stored policy target is the probability times this, rounded


class RecordError(ValueError):
    """A record contradicts itself or the rules. The message names game, ply and reason."""


@dataclass(frozen=True, eq=False)
class GameRecord:
    """One game from the empty board, moves alternating from Black: T moves, K with a policy target."""

    game_id: str
    board_size: int
    komi: float
    rules: str  # a name in `minigo.go.rules.RULES`
    moves: NDArray[np.int16]  # [T] points, or N² to pass
    score_for_black: float  # difference of `scoring.final_area` less komi; after "resign" only its sign counts
    end: str  # "passes", "decided" (all points pass-alive), "move_limit" (scored as it stands), "resign"
    start_ply: int  # the moves before this one opened the game and were not searched
    seed: int
    black: str  # player's name; a network's is like "000012"
    white: str
    target_plies: NDArray[np.int16]  # [K] increasing: plies whose full search gave a policy target
    policy_targets: NDArray[np.uint16]  # [K, A] probability x POLICY_SCALE, rounded; zero where illegal
    root_values: NDArray[np.float32]  # [T] search's value for the player to move; NaN where not searched
    root_scores: NDArray[np.float32]  # [T] search's score lead for the player to move; NaN where not searched
    simulations: NDArray[np.int32]  # [T] simulations of each move; 0 where not searched

    @property
    def num_moves(self) -> int:
        """T, the number of moves with passes."""
        return len(self.moves)

    @property
    def result(self) -> str:
        """The result as SGF writes it: "B+3.5", "W+R" or "0"."""
        if self.score_for_black == 0:
            return "0"
        winner = "B" if self.score_for_black > 0 else "W"
        return f"{winner}+{'R' if self.end == 'resign' else f'{abs(self.score_for_black):g}'}"

    def empty_board(self) -> Board:
        """A kernel board with this game's size, komi and rules, on which `moves` can be replayed."""
        rules = rules_named(self.rules)
        return Board(self.board_size, self.komi, rules.ko_rule, rules.suicide)

    def check(self) -> None:
        """Replays the game.

        Raises:
            RecordError: a field is out of its range, lengths disagree, a move or a policy target is illegal,
                moves follow the end of the game, or the result is not that of the final position.
        """
        try:
            self._check_fields()
            self._check_search()
            self._check_result(self._replay())
        except RecordError as error:
            raise RecordError(f"game {self.game_id}: {error}") from None

    def _check_fields(self) -> None:
        num_moves, num_targets, size = len(self.moves), len(self.target_plies), self.board_size
        _require(2 <= size <= MAX_BOARD_SIZE, f"board size must be in 2..{MAX_BOARD_SIZE}, got {size}")
        _require(abs(self.komi) <= 400, f"komi must be in -400..400, got {self.komi}")
        _require(self.end in ENDS, f"end must be one of {', '.join(ENDS)}, got {self.end!r}")
        _require(np.isfinite(self.score_for_black), f"score must be finite, got {self.score_for_black}")
        _require(0 <= self.start_ply <= num_moves, f"start ply must be in 0..{num_moves}, got {self.start_ply}")
        lengths = {len(self.root_values), len(self.root_scores), len(self.simulations)}
        _require(lengths == {num_moves}, f"search results must be {num_moves} long as moves are, got {lengths}")
        shape, expected = self.policy_targets.shape, (num_targets, size**2 + 1)
        _require(shape == expected, f"policy targets must have shape {expected}, got {shape}")
        try:
            rules_named(self.rules)
        except ValueError as error:
            raise RecordError(str(error)) from None

    def _check_search(self) -> None:
        plies, values = self.target_plies.astype(np.int64), self.root_values
        if np.any(np.diff(plies) <= 0) or np.any(plies < self.start_ply) or np.any(plies >= len(self.moves)):
            raise RecordError(f"target plies must increase in {self.start_ply}..{len(self.moves) - 1}")
        _require(not np.any(np.abs(values) > 1.0001), "root values must be in -1..1")
        _require(not np.any(np.isinf(self.root_scores)), "root scores must be finite, or NaN where not searched")
        _require(not np.any(self.simulations < 0), "simulations must be 0 or more")
        unsearched = (self.simulations[plies] == 0) | np.isnan(values[plies])
        _require(not unsearched.any(), f"ply {plies[unsearched][:1]} has a policy target but was not searched")
        sums = self.policy_targets.sum(axis=1, dtype=np.int64)
        wrong = np.abs(sums - POLICY_SCALE) > self.policy_targets.shape[1]  # rounding moves each by a half
        _require(
            not wrong.any(),
            f"ply {plies[wrong][:1]}: policy target must sum to {POLICY_SCALE}, got {sums[wrong][:1]}",
        )

    def _replay(self) -> Board:
        board = self.empty_board()
        targets = dict(zip(self.target_plies.tolist(), self.policy_targets, strict=True))
        is_over, play = scoring.is_over, board.play
        for ply, move in enumerate(self.moves.tolist()):
            if is_over(board):
                raise RecordError(f"ply {ply} of {len(self.moves)} follows the end of the game")
            if ply in targets and targets[ply][~board.legal_moves()].any():
                raise RecordError(f"ply {ply} has a policy target on an illegal move")
            try:
                play(move)
            except ValueError as error:
                raise RecordError(f"ply {ply}: {error}") from None
        return board

    def _check_result(self, board: Board) -> None:
        if self.end == "resign":
            _require(self.score_for_black != 0, "a resigned game must have a winner, got score 0")
            return
        score = scoring.final_score_for_black(board)
        if abs(score - self.score_for_black) > 1e-4:
            raise RecordError(f"score for black must be {score:g} at the end, got {self.score_for_black:g}")
        actual = "passes" if board.passes >= 2 else "decided" if scoring.is_over(board) else "move_limit"
        _require(actual == self.end, f"the game must end by {actual}, got {self.end}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GameRecord):
            return NotImplemented
        names = (spec.name for spec in dataclasses.fields(self))
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    __hash__ = None  # type: ignore[assignment]


def _require(condition: object, message: str) -> None:
    if not condition:
        raise RecordError(message)


def _same(mine: object, theirs: object) -> bool:
    if isinstance(mine, np.ndarray) and isinstance(theirs, np.ndarray):
        floats = mine.dtype.kind == "f"
        return mine.dtype == theirs.dtype and np.array_equal(mine, theirs, equal_nan=floats)
    return mine == theirs
