# SPDX-License-Identifier: Apache-2.0
"""Moves and colours as people write them: GTP vertices ("D4"), SGF letters ("dp"), "black" and "white".

A move is a row-major point 0..N²-1 from the top-left corner, or N² to pass.
"""

from typing import Final

from cc_kernels.board import BLACK, WHITE

COLUMNS: Final = "ABCDEFGHJKLMNOPQRST"  # GTP leaves out I
SGF_LETTERS: Final = "abcdefghijklmnopqrs"
_COLORS: Final = {"b": BLACK, "black": BLACK, "w": WHITE, "white": WHITE}


def vertex_from_move(move: int, board_size: int) -> str:
    """The GTP name of a move: "D4", or "pass"."""
    _check_move(move, board_size)
    if move == board_size**2:
        return "pass"
    return f"{COLUMNS[move % board_size]}{board_size - move // board_size}"


def move_from_vertex(text: str, board_size: int) -> int:
    """The move that a GTP name means; upper and lower case are the same.

    Raises:
        ValueError: the text is no vertex of this board; it says which ones are.
    """
    name = text.strip().upper()
    if name == "PASS":
        return board_size**2
    column = COLUMNS[:board_size].find(name[:1]) if name else -1
    row = int(name[1:]) if name[1:].isascii() and name[1:].isdigit() and len(name) <= 3 else 0
    if column < 0 or not 1 <= row <= board_size:
        last = f"{COLUMNS[board_size - 1]}{board_size}"
        raise ValueError(f"vertex must be A1..{last} or pass, got {text!r}")
    return (board_size - row) * board_size + column


def sgf_from_move(move: int, board_size: int) -> str:
    """The SGF value of a move: column letter and row letter from the top-left, or "" to pass."""
    _check_move(move, board_size)
    if move == board_size**2:
        return ""
    return SGF_LETTERS[move % board_size] + SGF_LETTERS[move // board_size]


def move_from_sgf(text: str, board_size: int) -> int:
    """The move that an SGF value means; "" and the old "tt" are passes.

    Raises:
        ValueError: the text is no point of this board.
    """
    if text in ("", "tt"):
        return board_size**2
    letters = SGF_LETTERS[:board_size]
    if len(text) != 2 or text[0] not in letters or text[1] not in letters:
        raise ValueError(f"SGF point must be two letters of a..{letters[-1]} or empty, got {text!r}")
    return letters.index(text[1]) * board_size + letters.index(text[0])


def color_from_text(text: str) -> int:
    """BLACK or WHITE from "b", "black", "w" or "white"; upper and lower case are the same.

    Raises:
        ValueError: the text is no colour.
    """
    try:
        return _COLORS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"color must be b, black, w or white, got {text!r}") from None


def color_name(color: int) -> str:
    """The colour's name: "black" or "white"."""
    if color not in (BLACK, WHITE):
        raise ValueError(f"color must be {BLACK} (black) or {WHITE} (white), got {color}")
    return "black" if color == BLACK else "white"


def _check_move(move: int, board_size: int) -> None:
    if not 0 <= move <= board_size**2:
        raise ValueError(f"move must be in 0..{board_size**2}, got {move}")
