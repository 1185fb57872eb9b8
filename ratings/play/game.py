# SPDX-License-Identifier: Apache-2.0
"""`PlayedGame`: a game between a person and a network as an immutable value of a few bytes, from which all follows.

Nothing here thinks or waits. The board is replayed from the moves whenever it is wanted.
"""

import functools
import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

from cc_kernels.board import BLACK, WHITE
from cc_kernels.scoring import final_area, final_score_for_black
from minigo.config import GameConfig
from minigo.engines.ending import Ending, ending_of
from minigo.engines.options import AGREED_RULES
from minigo.go.coords import color_name, vertex_from_move
from minigo.go.position import Position
from minigo.go.rules import rules_named
from minigo.go.sgf import sgf_from_game

RANDOM: Final = "random"
"""The opponent that needs no network."""
BOARD_SIZES: Final = range(5, 20)
MAX_KOMI: Final = 150.0


class PlayError(ValueError):
    """What the player asked for can not be done. The message says why, for the player to read."""


@dataclass(frozen=True)
class Setting:
    """What a game is played by. Raises PlayError where a field is out of its range.

    Attributes:
        opponent: a network's name, or `RANDOM`.
        board_size: N, 5..19.
        komi: points added to White's score, in half points.
        rules: a name of `minigo.go.rules.RULES`.
        human: BLACK or WHITE: the person's colour.
        visits: positions that the opponent searches for a move.
        seconds: a move takes it no longer.
        may_resign: whether the opponent gives up what is hopeless.
    """

    opponent: str = RANDOM
    board_size: int = 9
    komi: float = 7.5
    rules: str = "chinese-ogs"
    human: int = BLACK
    visits: int = 100
    seconds: float = 5.0
    may_resign: bool = False

    def __post_init__(self) -> None:
        if self.board_size not in BOARD_SIZES:
            raise PlayError(f"board size must be in {BOARD_SIZES[0]}..{BOARD_SIZES[-1]}, got {self.board_size}")
        if not (abs(self.komi) <= MAX_KOMI and 2 * self.komi == int(2 * self.komi)):
            raise PlayError(f"komi must be in -{MAX_KOMI:g}..{MAX_KOMI:g} in steps of 0.5, got {self.komi:g}")
        if self.human not in (BLACK, WHITE):
            raise PlayError(f"the player's colour must be black or white, got {self.human}")
        if self.visits < 1:
            raise PlayError(f"visits must be 1 or more, got {self.visits}")
        if not 0 < self.seconds < math.inf:
            raise PlayError(f"seconds must be more than 0, got {self.seconds:g}")
        try:
            rules_named(self.rules)
        except ValueError as error:
            raise PlayError(str(error)) from None

    @property
    def max_moves(self) -> int:
        """After so many moves a game is counted as it stands."""
        return GameConfig(board_size=self.board_size).max_moves


class Outcome(NamedTuple):
    """How a game ended."""

    kind: str
    """"resign", "passes", "decided" (pass-alive chains and regions own every point) or "move_limit"."""
    score_for_black: float
    """Black's points less White's and komi; after a resignation only its sign counts."""
    dead: tuple[int, ...] = ()
    """Stones that were taken off for counting."""
    owner: tuple[int, ...] = ()
    """[N²] BLACK, WHITE or 0: whose each point was counted as; empty after a resignation."""

    @property
    def result(self) -> str:
        """As SGF writes it: "B+3.5", "W+R", or "0" for a draw."""
        if self.score_for_black == 0:
            return "0"
        winner = "B" if self.score_for_black > 0 else "W"
        return f"{winner}+{'R' if self.kind == 'resign' else f'{abs(self.score_for_black):g}'}"


class Move(NamedTuple):
    """One move of a game; the players take turns, Black first."""

    move: int
    """A point, or pass."""
    value_for_black: float | None = None
    """What the opponent thought of the position when it made this move, in [-1, 1]; None: nothing is known."""
    visits: int = 0
    """Of its search."""


@dataclass(frozen=True)
class PlayedGame:
    """A game as it stands. Methods that change it return another one.

    Attributes:
        setting: what it is played by.
        moves: all of them.
        outcome: how it ended; None while it goes on, or is to be counted.
    """

    setting: Setting
    moves: tuple[Move, ...] = ()
    outcome: Outcome | None = None

    @property
    def position(self) -> Position:
        """The position on the board."""
        setting = self.setting
        moves = tuple(move.move for move in self.moves)
        return _replayed(setting.board_size, setting.komi, setting.rules, moves)

    @property
    def to_play(self) -> int:
        """BLACK or WHITE."""
        return WHITE if len(self.moves) % 2 else BLACK

    @property
    def is_humans_turn(self) -> bool:
        """Whether the game waits for the person."""
        return self.outcome is None and not self.is_to_be_counted and self.to_play == self.setting.human

    @property
    def is_to_be_counted(self) -> bool:
        """Whether two passes have ended a game whose dead stones somebody has yet to judge."""
        return self.outcome is None and self._has_two_passes

    @property
    def can_undo(self) -> bool:
        """Whether there is a move or a resignation of the person's to be taken back."""
        return self._has_person_resigned or len(self.moves) > (0 if self.setting.human == BLACK else 1)

    @property
    def _has_person_resigned(self) -> bool:
        outcome = self.outcome
        return outcome is not None and outcome.kind == "resign" and outcome.score_for_black * self.setting.human < 0

    def after(self, move: int, value_for_black: float | None = None, visits: int = 0) -> Self:
        """The game after a move of whoever is to play; with its outcome, if that needs no judgement.

        Raises:
            PlayError: the rules forbid the move, or the game is over.
        """
        if self.outcome is not None or self.is_to_be_counted:
            raise PlayError("the game is over")
        position = self.position
        try:
            position = position.play(move)
        except ValueError as error:
            raise PlayError(str(error)) from None
        game = replace(self, moves=(*self.moves, Move(move, value_for_black, visits)))
        if position.board.passes >= 2:
            return game if game.setting.rules in AGREED_RULES else game.counted(None)
        if position.is_over:
            return game.counted(ending_of(position, None), "decided")
        if len(game.moves) >= game.setting.max_moves:
            return game.counted(None, "move_limit")
        return game

    def counted(self, ending: Ending | None, kind: str = "passes") -> Self:
        """The game with its outcome.

        Args:
            ending: who owns what, dead stones taken off; None: all stones count as they stand.
            kind: how the game ended.
        """
        board = self.position.board
        if ending is None:
            owner = final_area(board)
            outcome = Outcome(kind, final_score_for_black(board), (), tuple(owner.ravel().tolist()))
        else:
            owner = ending.owner
            outcome = Outcome(kind, ending.score_for_black, ending.dead_points, tuple(owner.ravel().tolist()))
        return replace(self, outcome=outcome)

    def resigned(self, color: int) -> Self:
        """The game after a player has given up.

        Raises:
            PlayError: it is over.
        """
        if self.outcome is not None:
            raise PlayError("the game is over")
        return replace(self, outcome=Outcome("resign", float(-color)))

    def without_last_turn(self) -> Self:
        """The game before the person's last move, so that it is the person's turn.

        The person's own resignation is taken back alone; that of the opponent, with the move that it answered.

        Raises:
            PlayError: the person has not moved yet.
        """
        if self._has_person_resigned:
            return replace(self, outcome=None)
        if not self.can_undo:
            raise PlayError("there is no move of yours to take back")
        mine = 1 if self.to_play != self.setting.human else 2
        return replace(self, moves=self.moves[:-mine], outcome=None)

    def named(self, color: int) -> str:
        """What a player is called in records."""
        setting = self.setting
        if color == setting.human:
            return "player"
        return RANDOM if setting.opponent == RANDOM else f"{setting.opponent} ({setting.visits} visits)"

    def sgf(self) -> bytes:
        """The game in SGF, with its result if it has one."""
        position = self.position
        first = Position.empty(position.board_size, position.komi, position.rules)
        return sgf_from_game(
            first,
            position.moves,
            players=(self.named(BLACK), self.named(WHITE)),
            result=None if self.outcome is None else self.outcome.result,
        )

    def described(self) -> str:
        """Its outcome in words; what happens next, if it has none."""
        outcome = self.outcome
        if outcome is None:
            return "the game is being counted" if self.is_to_be_counted else f"{color_name(self.to_play)} to play"
        if outcome.score_for_black == 0:
            return "a draw"
        winner, loser = ("Black", "White") if outcome.score_for_black > 0 else ("White", "Black")
        if outcome.kind == "resign":
            return f"{winner} wins: {loser} resigned"
        return f"{winner} wins by {_points(abs(outcome.score_for_black))}"

    @property
    def last_vertex(self) -> str | None:
        """The last move as GTP writes it; None before the first."""
        return vertex_from_move(self.moves[-1].move, self.setting.board_size) if self.moves else None

    @property
    def _has_two_passes(self) -> bool:
        passing = self.setting.board_size**2
        return len(self.moves) >= 2 and all(move.move == passing for move in self.moves[-2:])


def _points(points: float) -> str:
    return "1 point" if points == 1 else f"{points:g} points"


@functools.lru_cache(maxsize=128)
def _replayed(board_size: int, komi: float, rules: str, moves: tuple[int, ...]) -> Position:
    first = Position.empty(board_size, komi, rules)
    board = first.board.copy()
    for move in moves:
        board.play(move)
    colored = tuple((WHITE if ply % 2 else BLACK, move) for ply, move in enumerate(moves))
    return Position(board, first.rules, colored)
