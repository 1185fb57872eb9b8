# SPDX-License-Identifier: Apache-2.0
"""Positions as diagrams and moves as GTP vertices, for tests that a Go player can read.

A diagram shows the board as one sees it: the top row first, `X` black, `O` white, `.` empty.
"""

import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import BLACK, EMPTY, KO_POSITIONAL, WHITE, Board
from tests.support.reference_board import Position

COLUMNS = "ABCDEFGHJKLMNOPQRST"
STONES = {".": EMPTY, "X": BLACK, "O": WHITE}


def stones_from_diagram(diagram: str) -> NDArray[np.int8]:
    """Reads a diagram.

    Returns:
        [N, N] int8 stones, the top row first.

    Raises:
        ValueError: it is not square, or holds other marks than `.`, `X` and `O`.
    """
    rows = [line.split() for line in diagram.strip().splitlines()]
    if any(len(row) != len(rows) for row in rows) or any(mark not in STONES for row in rows for mark in row):
        raise ValueError(f"a diagram must be a square of '.', 'X' and 'O', got {diagram}")
    return np.array([[STONES[mark] for mark in row] for row in rows], dtype=np.int8)


def diagram_from_stones(stones: NDArray[np.int8]) -> str:
    """The diagram of [N, N] stones, one row a line."""
    marks = {color: mark for mark, color in STONES.items()}
    return "\n".join(" ".join(marks[int(color)] for color in row) for row in stones)


def board_from_diagram(
    diagram: str,
    *,
    to_play: int = BLACK,
    komi: float = 0.0,
    ko_rule: int = KO_POSITIONAL,
    suicide: bool = False,
) -> Board:
    """A board that shows a diagram and has no history."""
    stones = stones_from_diagram(diagram)
    board = Board(len(stones), komi, ko_rule, suicide)
    board.setup(stones, to_play)
    return board


def point(vertex: str, board_size: int) -> int:
    """The move at a GTP vertex such as "C3", or the pass for "pass"."""
    if vertex == "pass":
        return board_size**2
    return (board_size - int(vertex[1:])) * board_size + COLUMNS.index(vertex[0])


def vertex(move: int, board_size: int) -> str:
    """The GTP vertex of a move, "pass" for the pass."""
    if move == board_size**2:
        return "pass"
    return f"{COLUMNS[move % board_size]}{board_size - move // board_size}"


def play(board: Board, vertices: str, color: int = 0) -> None:
    """Plays moves given as GTP vertices, alternating; all of them for one color where it is given."""
    for name in vertices.split():
        board.play(point(name, board.board_size), color)


def is_legal(board: Board, name: str, color: int = 0) -> bool:
    """Whether the move at a GTP vertex is legal, for the player to move or a given color."""
    return board.is_legal(point(name, board.board_size), color)


def stones_from_position(position: Position, board_size: int) -> NDArray[np.int8]:
    """The reference's position as [N, N] int8 stones."""
    stones = np.zeros(board_size**2, dtype=np.int8)
    stones[list(position.black)] = BLACK
    stones[list(position.white)] = WHITE
    return stones.reshape(board_size, board_size)


def position_from_stones(stones: NDArray[np.int8]) -> Position:
    """The reference's position that shows [N, N] stones."""
    flat = stones.ravel()
    black, white = (frozenset(np.flatnonzero(flat == color).tolist()) for color in (BLACK, WHITE))
    return Position(black, white)


def grid(values: dict[int, int], board_size: int) -> NDArray[np.int16]:
    """A reference's mapping from points to numbers as [N, N] int16; 0 where a point is absent."""
    array = np.zeros(board_size**2, dtype=np.int16)
    array[list(values)] = list(values.values())
    return array.reshape(board_size, board_size)


def assert_shows(board: Board, diagram: str) -> None:
    """Fails unless the board's stones are the diagram's."""
    assert diagram_from_stones(board.stones) == diagram_from_stones(stones_from_diagram(diagram))
