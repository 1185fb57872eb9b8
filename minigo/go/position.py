# SPDX-License-Identifier: Apache-2.0
"""`Position`: a game as it stands, as an immutable value. It wraps a kernel board, which is only read.

Programs that play many moves quickly take a copy of `Position.board` and play on that.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from cc_kernels import scoring
from cc_kernels.board import BLACK, WHITE, Board
from minigo.config import GameConfig
from minigo.go.coords import COLUMNS, color_name
from minigo.go.rules import Rules, rules_named

_STONES: Final = {0: ".", BLACK: "X", WHITE: "O"}


@dataclass(frozen=True)
class Position:
    """A position with the history that superko needs.

    Attributes:
        board: the kernel's board; never play on it, play on `board.copy()`.
        rules: the rule set in force.
        moves: (color, move) of every move since the position was set up, oldest first.
    """

    board: Board
    rules: Rules
    moves: tuple[tuple[int, int], ...] = ()

    @classmethod
    def initial(cls, game: GameConfig) -> Self:
        """The empty board that a configured game starts from."""
        return cls.empty(game.board_size, game.komi, game.rules)

    @classmethod
    def empty(cls, board_size: int, komi: float, rules: Rules | str) -> Self:
        """An empty board with Black to play."""
        rules = rules_named(rules) if isinstance(rules, str) else rules
        return cls(Board(board_size, komi, rules.ko_rule, rules.suicide), rules)

    @classmethod
    def from_stones(cls, stones: NDArray[np.int8], to_play: int, komi: float, rules: Rules | str) -> Self:
        """A set-up position without history.

        Args:
            stones: [N, N], BLACK, WHITE or EMPTY.
            to_play: BLACK or WHITE.
            komi: points added to White's score.
            rules: the rule set or its name.

        Raises:
            ValueError: a chain has no liberty.
        """
        position = cls.empty(len(stones), komi, rules)
        position.board.setup(stones, to_play)
        return position

    @property
    def board_size(self) -> int:
        """N, the points along one side."""
        return self.board.board_size

    @property
    def komi(self) -> float:
        """Points added to White's score."""
        return self.board.komi

    @property
    def to_play(self) -> int:
        """BLACK or WHITE."""
        return self.board.to_play

    @property
    def is_over(self) -> bool:
        """Whether two passes were just made, or pass-alive stones and regions decide every point."""
        return scoring.is_over(self.board)

    def play(self, move: int, color: int | None = None) -> Self:
        """The position after a move of `color`, by default of the player to move.

        Raises:
            IllegalMoveError: the rules forbid the move.
        """
        color = self.to_play if color is None else color
        board = self.board.copy()
        board.play(move, color)
        return type(self)(board, self.rules, (*self.moves, (color, move)))

    def legal_moves(self) -> NDArray[np.bool_]:
        """[A], whether the player to move may play each move; a pass always may."""
        return self.board.legal_moves()

    def score_for_black(self) -> float:
        """Black's points of `scoring.final_area` less White's and komi."""
        return scoring.final_score_for_black(self.board)

    def with_komi(self, komi: float) -> Self:
        """The same position with another komi."""
        board = self.board.copy()
        board.komi = komi
        return type(self)(board, self.rules, self.moves)

    @property
    def handicap(self) -> int:
        """Handicap stones as KataGo counts them: those that were set up, and Black's moves before White's first stone.

        0 where that is a single one, as in an ordinary game, or White had stones from the beginning.
        """
        board, passing = self.board, self.board.pass_move
        counts = {}
        for color in (BLACK, WHITE):
            played = sum(1 for mover, move in self.moves if mover == color and move != passing)
            counts[color] = int(np.count_nonzero(board.stones == color)) + board.captured(color) - played
        stones = counts[BLACK] + _moves_before_white(self.moves, passing)
        return stones if stones > 1 and counts[WHITE] == 0 else 0

    def compensated(self, komi: float) -> Self:
        """The same position with this komi and what the rules give White for the handicap."""
        if self.rules.handicap_bonus != "0":
            komi += self.rules.handicap_points(self.handicap)
        return self if self.komi == komi else self.with_komi(komi)

    def reopened(self) -> Self:
        """The position as if the passes that ended the game had not been made, so that it can be searched.

        Such a position has no history: a move that ko or superko forbid in the game may be legal in it.
        """
        if self.board.passes < 2:
            return self
        return self.from_stones(self.board.stones, self.to_play, self.komi, self.rules)

    def __str__(self) -> str:
        size = self.board_size
        columns = "   " + " ".join(COLUMNS[:size])
        rows = [
            f"{size - row:2d} " + " ".join(_STONES[int(stone)] for stone in stones)
            for row, stones in enumerate(self.board.stones)
        ]
        player, number = color_name(self.to_play), len(self.moves) + 1
        state = f"{player} to play, move {number}, komi {self.komi:g}, {self.rules.name}"
        return "\n".join([columns, *rows, state])


def _moves_before_white(moves: tuple[tuple[int, int], ...], passing: int) -> int:
    """Black's moves before White's first stone; none where White has moved twice in a row before Black went on."""
    count = 0
    for ply, (color, move) in enumerate(moves):
        if color == BLACK:
            count += move != passing
        elif ply + 1 < len(moves) and moves[ply + 1][0] == WHITE:
            return 0
        elif move != passing:
            break
    return count
