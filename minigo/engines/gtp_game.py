# SPDX-License-Identifier: Apache-2.0
"""GTP commands that change the game or show it: board, komi, moves, handicaps, set-up."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from minigo.engines.gtp_table import (
    COLOR,
    VERTEX,
    VERTICES,
    Entry,
    color_from,
    integer,
    move_from,
    real,
    words,
)
from minigo.engines.gtp_text import GtpError, quoted

if TYPE_CHECKING:
    from minigo.engines.gtp_session import Session

MAX_KOMI: Final = 400.0
_EMPTY_NAMES: Final = ("e", "empty")


def boardsize(session: "Session", size: int) -> str:
    """Another board, empty; komi and rules stay."""
    if not 2 <= size <= 19:
        raise GtpError("unacceptable size")
    session.game = replace(session.game, board_size=size)
    session.clear_board()
    session.prepare()
    return ""


def clear_board(session: "Session") -> str:
    """A new game."""
    session.clear_board()
    return ""


def komi(session: "Session", points: float) -> str:
    """Points for White."""
    session.game = replace(session.game, komi=points)
    if session.has_board:
        session.board.set_komi(points)
    return ""


def play(session: "Session", color: int, move: int) -> str:
    """A move of either colour, also twice in a row."""
    session.board.play([(color, move)])
    return ""


def play_sequence(session: "Session", given: tuple[str, ...]) -> str:
    """Several moves, all or none."""
    session.board.play(_pairs(session, given, stones_only=False))
    return ""


def undo(session: "Session") -> str:
    """One move back."""
    session.board.undo()
    return ""


def showboard(session: "Session") -> str:
    """A diagram, whose turn it is, and prisoners."""
    from minigo.go.coords import color_name

    position = session.board.position
    board, points = position.board, position.rules.handicap_points(position.handicap)
    notes = [f"{color_name(color)} has captured {board.captured(-color)}" for color in (1, -1)]
    notes += [f"komi holds {points} for the handicap"] if points else []
    return f"\n{position}\n{', '.join(notes)}"


def fixed_handicap(session: "Session", stones: int) -> str:
    """Handicap stones where the specification has them."""
    from minigo.go.handicap import fixed_handicap as place

    return _handicap(session, place, stones)


def place_free_handicap(session: "Session", stones: int) -> str:
    """Handicap stones where we would have them."""
    from minigo.go.handicap import free_handicap as place

    return _handicap(session, place, stones)


def set_free_handicap(session: "Session", points: tuple[int, ...]) -> str:
    """Handicap stones where the other side has put them."""
    passing = session.game.board_size**2
    if len(points) < 2 or len(set(points)) < len(points) or passing in points:
        raise GtpError("bad vertex list")
    session.board.set_handicap(points)
    return ""


def set_up(session: "Session", given: tuple[str, ...]) -> str:
    """Stones put on the board, or taken off with the colour `e`. The history is lost."""
    position = session.board.position
    stones = position.board.stones
    for color, point in _pairs(session, given, stones_only=True):
        stones.flat[point] = color
    session.board.set_up(stones, position.to_play)
    return ""


def set_position(session: "Session", given: tuple[str, ...]) -> str:
    """An empty board with these stones, and Black to play."""
    import numpy as np

    size = session.game.board_size
    stones = np.zeros((size, size), np.int8)
    pairs = _pairs(session, given, stones_only=True)
    if len({point for _, point in pairs}) < len(pairs) or any(color == 0 for color, _ in pairs):
        raise GtpError("bad vertex list: each vertex may have one stone")
    for color, point in pairs:
        stones.flat[point] = color
    session.board.set_up(stones, 1)
    return ""


def _pairs(session: "Session", given: tuple[str, ...], *, stones_only: bool) -> list[tuple[int, int]]:
    """Words as colours and moves; with `stones_only`, colours may be `e` for empty, and nobody passes."""
    size = session.game.board_size
    if len(given) % 2:
        raise GtpError("syntax error: a vertex must follow each color")
    pairs = []
    try:
        for name, vertex in zip(given[::2], given[1::2], strict=True):
            empty = stones_only and name.lower() in _EMPTY_NAMES
            move = move_from(vertex, size)
            if stones_only and move == size**2:
                raise GtpError(f"syntax error: nobody can pass here, got {quoted(vertex)}")
            pairs.append((0 if empty else color_from(name), move))
    except ValueError as error:
        raise GtpError(f"syntax error: color or vertex {error}") from None
    return pairs


def _handicap(session: "Session", place: Callable[[int, int], list[int]], stones: int) -> str:
    from minigo.go.coords import vertex_from_move

    size = session.game.board_size
    try:
        points = place(size, stones)
    except ValueError as error:
        raise GtpError(f"invalid number of stones: {error}") from None
    session.board.set_handicap(points)
    return " ".join(vertex_from_move(point, size) for point in points)


COMMANDS: Final = (
    Entry("boardsize", (integer("size"),), "changes the size and clears the board", boardsize),
    Entry("clear_board", (), "begins a new game", clear_board),
    Entry("komi", (real("komi", -MAX_KOMI, MAX_KOMI),), "sets komi", komi),
    Entry("play", (COLOR, VERTEX), "plays a move", play),
    Entry("undo", (), "takes one move back", undo),
    Entry("showboard", (), "shows the board", showboard),
    Entry("fixed_handicap", (integer("number of stones"),), "places handicap stones", fixed_handicap),
    Entry("place_free_handicap", (integer("number of stones"),), "chooses handicap stones", place_free_handicap),
    Entry("set_free_handicap", (VERTICES,), "places the handicap stones of the other side", set_free_handicap),
    Entry("gogui-play_sequence", (words("color and vertex"),), "plays several moves", play_sequence),
    Entry("gogui-setup", (words("color and vertex"),), "puts stones on the board or takes them off", set_up),
    Entry("set_position", (words("color and vertex"),), "sets up a position, Black to play", set_position),
)
