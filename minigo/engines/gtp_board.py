# SPDX-License-Identifier: Apache-2.0
"""`GtpBoard`: the game that GTP commands play: a set-up position, moves, and the way back. No command is known here."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import BLACK, EMPTY, WHITE, IllegalMoveError
from minigo.engines.gtp_text import GtpError
from minigo.go.position import Position
from minigo.go.rules import Rules


class GtpBoard:
    """A game as the commands so far have left it. Methods raise GtpError and then leave it as it was."""

    def __init__(self, first: Position) -> None:
        self.first = first
        """The position that the moves began from, with komi as it was given."""
        self.position = first
        """The position on the board, whose komi holds what the rules give White for a handicap, too."""
        self._cleanup_from: int | None = None  # so many moves had been played when dead stones began to be taken off

    def begin_cleanup(self) -> None:
        """From here on the players take dead stones off, until both pass. May be said again."""
        if self._cleanup_from is None:
            self._cleanup_from = len(self.position.moves)

    @property
    def is_played_out(self) -> bool:
        """Whether both have passed since dead stones began to be taken off: then every stone stays.

        We hear of it when we are asked for a move, which may be after the other player's first pass of it.
        """
        if self._cleanup_from is None:
            return False
        is_pass = [move == self.position.board.pass_move for _, move in self.position.moves]
        passes = next((n for n, passed in enumerate(reversed(is_pass)) if not passed), len(is_pass))
        since = len(is_pass) - self._cleanup_from
        return min(passes, since) >= 2 or (since == 1 and passes >= 4)

    def set_komi(self, komi: float) -> None:
        """Changes komi, for positions that come back by `undo` too."""
        self.first = self.first.with_komi(komi)
        self.position = self.position.compensated(self.first.komi)

    def set_rules(self, rules: Rules) -> None:
        """Goes on under other rules, which may forbid a move of this game."""
        old = self.first
        first = Position.from_stones(old.board.stones, old.to_play, old.komi, rules)
        try:
            position = _replayed(first, self.position.moves)
        except IllegalMoveError as error:
            raise GtpError(f"{rules.name} rules forbid a move of this game: {error}") from None
        self.first, self.position = first, position

    def play(self, moves: Iterable[tuple[int, int]]) -> None:
        """Plays (color, move) one after another: all or none of them."""
        position = self.position
        try:
            for color, move in moves:
                position = position.play(move, color)
        except IllegalMoveError as error:
            raise GtpError(f"illegal move: {error}") from None
        self.position = position.compensated(self.first.komi)

    def undo(self) -> None:
        """Takes back one move, whoever made it."""
        if not self.position.moves:
            raise GtpError("cannot undo")
        self.position = _replayed(self.first, self.position.moves[:-1])
        if self._cleanup_from is not None and len(self.position.moves) < self._cleanup_from:
            self._cleanup_from = None

    def to_play(self, color: int) -> Position:
        """The position with the move to a colour."""
        if self.position.to_play == color:
            return self.position
        board = self.position.board.copy()
        board.to_play = color
        return dataclasses.replace(self.position, board=board)

    def set_handicap(self, points: Sequence[int]) -> None:
        """Gives Black stones on an empty board, and White the move."""
        if self.position.moves or self.position.board.stones.any():
            raise GtpError("board not empty")
        stones = np.full((self.position.board_size, self.position.board_size), EMPTY, np.int8)
        stones.flat[list(points)] = BLACK
        self.set_up(stones, WHITE)

    def set_up(self, stones: NDArray[np.int8], to_play: int) -> None:
        """Replaces the game by a position without history."""
        try:
            position = Position.from_stones(stones, to_play, self.first.komi, self.first.rules)
        except ValueError as error:
            raise GtpError(f"bad vertex list: {error}") from None
        self.load(position, ())

    def load(self, first: Position, moves: Sequence[tuple[int, int]]) -> None:
        """Replaces the game by a position and moves from there on, which must be legal."""
        self.position = _replayed(first, moves)
        self.first = first
        self._cleanup_from = None


def _replayed(first: Position, moves: Sequence[tuple[int, int]]) -> Position:
    board = first.board.copy()
    for color, move in moves:
        board.play(move, color)
    return Position(board, first.rules, tuple(moves)).compensated(first.komi)
