# SPDX-License-Identifier: Apache-2.0
"""Where handicap stones go: the fixed placement of the GTP specification, and a free one for every board."""

from typing import Final

# Columns and rows, each as a share of the way from one handicap line (0) to the opposite one (2).
_PLACES: Final = ((0, 0), (2, 2), (0, 2), (2, 0), (0, 1), (2, 1), (1, 0), (1, 2))
_CENTRE: Final = (1, 1)


def fixed_handicap(board_size: int, stones: int) -> list[int]:
    """The points of the specification's section 4.1.1 as GNU Go reads it, lower left corner first.

    Raises:
        ValueError: there is no fixed placement of so many stones on this board.
    """
    limit = _max_fixed(board_size)
    if not 2 <= stones <= limit:
        allowed = f"in 2..{limit}" if limit else "0"
        raise ValueError(f"fixed handicap on {board_size}x{board_size} must be {allowed}, got {stones}")
    return _star_points(board_size, stones)


def free_handicap(board_size: int, stones: int) -> list[int]:
    """Good points for that many stones, or for fewer where the board has no more good ones.

    Raises:
        ValueError: fewer than two stones, or the board is too small for a handicap.
    """
    if stones < 2:
        raise ValueError(f"a handicap must be 2 stones or more, got {stones}")
    if board_size < 4:
        raise ValueError(f"a {board_size}x{board_size} board is too small for a handicap")
    return _star_points(board_size, min(stones, 9 if board_size % 2 else 4))


def _max_fixed(board_size: int) -> int:
    if board_size < 7:
        return 0
    return 9 if board_size % 2 and board_size > 7 else 4


def _star_points(board_size: int, stones: int) -> list[int]:
    line = 3 if board_size >= 12 else 2 if board_size >= 7 else 1  # from 0 at the edge
    along = (line, board_size // 2, board_size - 1 - line)
    with_centre = stones in (5, 7, 9)
    places = (*_PLACES[: stones - with_centre], *((_CENTRE,) if with_centre else ()))
    return [(board_size - 1 - along[row]) * board_size + along[column] for column, row in places]
