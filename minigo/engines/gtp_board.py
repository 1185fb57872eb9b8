# SPDX-License-Identifier: Apache-2.0
"""The board of our GTP engine: the commands that change it or ask about it. `minigo.engines.gtp` speaks for it."""

import dataclasses
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from cc_kernels.board import BLACK, EMPTY, KO_POSITIONAL, KO_SIMPLE, KO_SITUATIONAL, WHITE, IllegalMoveError
from minigo.config import GameConfig
from minigo.engines.external import PlayerError
from minigo.engines.gtp_text import Command, GtpError
from minigo.engines.handicap import fixed_handicap, free_handicap
from minigo.go.coords import color_from_text, color_name, move_from_vertex, vertex_from_move
from minigo.go.position import Position
from minigo.go.rules import rules_named

if TYPE_CHECKING:
    from minigo.players import Choice, Player

_KO_NAMES: Final = {KO_SIMPLE: "SIMPLE", KO_POSITIONAL: "POSITIONAL", KO_SITUATIONAL: "SITUATIONAL"}


class GtpBoard:
    """A game that GTP commands play. Methods that take a `Command` return its answer, or raise GtpError."""

    def __init__(self, game: GameConfig) -> None:
        self._positions = [Position.initial(game)]  # oldest first; `undo` takes the last away

    @property
    def position(self) -> Position:
        """The position on the board."""
        return self._positions[-1]

    def set_komi(self, komi: float) -> None:
        """Changes komi, for positions that come back by `undo` too."""
        self._positions = [position.with_komi(komi) for position in self._positions]

    def set_rules(self, name: str) -> None:
        """Goes on under other rules. Raises GtpError where they forbid a move of this game."""
        first, rules = self._positions[0], rules_named(name)
        positions = [Position.from_stones(first.board.stones, first.to_play, first.komi, rules)]
        try:
            for color, move in self.position.moves:
                positions.append(positions[-1].play(move, color))
        except IllegalMoveError as error:
            raise GtpError(f"{name} rules forbid a move of this game: {error}") from None
        self._positions = positions

    def play(self, command: Command) -> str:
        """`play COLOR VERTEX`."""
        color = _color(command, 0)
        self._push(_move(command, 1, self.position.board_size), color)
        return ""

    def undo(self, _: Command) -> str:
        """`undo`: one move, whoever made it."""
        if len(self._positions) == 1:
            raise GtpError("cannot undo")
        self._positions.pop()
        return ""

    def genmove(self, command: Command, player: "Player", resign_threshold: float) -> str:
        """`genmove COLOR`: lets the player choose, and plays that."""
        color = _color(command, 0)
        choice = self._choice(color, player, resign_threshold)
        if not choice.resign:
            self._push(choice.move, color)
        return self._answer(choice)

    def reg_genmove(self, command: Command, player: "Player", resign_threshold: float) -> str:
        """`reg_genmove COLOR`: lets the player choose, and plays nothing."""
        return self._answer(self._choice(_color(command, 0), player, resign_threshold))

    def showboard(self, _: Command) -> str:
        """`showboard`: a diagram, whose turn it is, and prisoners."""
        board = self.position.board
        prisoners = [f"{color_name(color)} has captured {board.captured(-color)}" for color in (BLACK, WHITE)]
        return "\n" + str(self.position) + "\n" + ", ".join(prisoners)

    def final_score(self, _: Command) -> str:
        """`final_score`, as our own games end: every stone is alive but those inside decided regions."""
        score = self.position.score_for_black()
        return "0" if score == 0 else f"{'B' if score > 0 else 'W'}+{abs(score):g}"

    def get_rules(self, _: Command) -> str:
        """`kata-get-rules`, as KataGo writes them."""
        rules = self.position.rules
        described = {
            "friendlyPassOk": False,
            "hasButton": False,
            "ko": _KO_NAMES[rules.ko_rule],
            "scoring": "AREA",
            "suicide": rules.suicide,
            "tax": "NONE",
            "whiteHandicapBonus": "0",
        }
        return json.dumps(described)

    def fixed_handicap(self, command: Command) -> str:
        """`fixed_handicap NUMBER`."""
        return self._handicap(fixed_handicap, command)

    def place_free_handicap(self, command: Command) -> str:
        """`place_free_handicap NUMBER`: where we would have them."""
        return self._handicap(free_handicap, command)

    def set_free_handicap(self, command: Command) -> str:
        """`set_free_handicap VERTEX…`."""
        points = [_move(command, index, self.position.board_size) for index in range(len(command.words))]
        if len(points) < 2 or len(set(points)) < len(points) or self.position.board.pass_move in points:
            raise GtpError("bad vertex list")
        self._set_stones(points)
        return ""

    def _push(self, move: int, color: int) -> None:
        try:
            self._positions.append(self.position.play(move, color))
        except IllegalMoveError as error:
            raise GtpError(f"illegal move: {error}") from None

    def _choice(self, color: int, player: "Player", resign_threshold: float) -> "Choice":
        from minigo.players import Choice  # whoever made the player has imported it

        position = _with_to_play(self.position, color)
        if position.is_over:
            return Choice(position.board.pass_move)
        try:
            choice = player.choose(position)
        except PlayerError as error:
            raise GtpError(str(error)) from None
        hopeless = choice.value is not None and 0 < resign_threshold < -choice.value
        return choice._replace(resign=choice.resign or hopeless)

    def _answer(self, choice: "Choice") -> str:
        return "resign" if choice.resign else vertex_from_move(choice.move, self.position.board_size)

    def _handicap(self, place: Callable[[int, int], list[int]], command: Command) -> str:
        size = self.position.board_size
        try:
            points = place(size, command.integer(0, "number of stones"))
        except ValueError as error:
            raise GtpError(f"invalid number of stones: {error}") from None
        self._set_stones(points)
        return " ".join(vertex_from_move(point, size) for point in points)

    def _set_stones(self, points: list[int]) -> None:
        position = self.position
        if position.moves or position.board.stones.any():
            raise GtpError("board not empty")
        stones = np.full((position.board_size, position.board_size), EMPTY, np.int8)
        stones.flat[points] = BLACK
        try:
            placed = Position.from_stones(stones, WHITE, position.komi, position.rules)
        except ValueError as error:
            raise GtpError(f"bad vertex list: {error}") from None
        self._positions = [placed]


def _color(command: Command, index: int) -> int:
    word = command.word(index, "color")
    try:
        return color_from_text(word)
    except ValueError as error:
        raise GtpError(f"syntax error: {error}") from None


def _move(command: Command, index: int, board_size: int) -> int:
    word = command.word(index, "vertex")
    try:
        return move_from_vertex(word, board_size)
    except ValueError as error:
        raise GtpError(f"syntax error: {error}") from None


def _with_to_play(position: Position, color: int) -> Position:
    if position.to_play == color:
        return position
    board = position.board.copy()
    board.to_play = color
    return dataclasses.replace(position, board=board)
