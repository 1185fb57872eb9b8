# SPDX-License-Identifier: Apache-2.0
"""What a person may ask of the root of a search: moves to leave out, a flatter policy; and whether one follows another.

`minigo.anytime` searches as these say; engines make them of what GTP and the analysis protocol ask for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import BLACK, WHITE
from minigo.go.position import Position


class Avoid(NamedTuple):
    """A move that a search leaves out."""

    color: int
    """BLACK or WHITE: whose move."""
    move: int
    """A point, or pass."""
    until_depth: int = 1
    """It is left out at this many plies from the root on, counting from the root's own: 1 is the root alone."""


@dataclass(frozen=True)
class RootOptions:
    """What may differ from search to search of the same network.

    Attributes:
        avoid: moves that are left out.
        wide_root_noise: flattens the root's policy, so that more moves get looked at; 0: as the network has it.
        symmetries: over how many of the eight the root's own evaluation is averaged: 1 or 8.
    """

    avoid: tuple[Avoid, ...] = ()
    wide_root_noise: float = 0.0
    symmetries: int = 8

    def allowed(self, position: Position) -> NDArray[np.bool_]:
        """[A] the legal moves of the root that are not left out."""
        legal = position.legal_moves()
        legal[[avoid.move for avoid in self.avoid if avoid.color == position.to_play]] = False
        return legal


AS_IT_IS: Final = RootOptions()
"""Asks for nothing."""


def avoid_depths(avoid: Sequence[Avoid], position: Position) -> NDArray[np.int16] | None:
    """The depths as the kernel takes them; None if nothing is avoided."""
    if not avoid:
        return None
    depths = np.zeros((2, position.board.num_moves), np.int16)
    for color, move, until_depth in avoid:
        if color not in (BLACK, WHITE) or not 0 <= move < depths.shape[1]:
            raise ValueError(f"avoid must name black or white and a move, got colour {color} and move {move}")
        row = 0 if color == BLACK else 1
        depths[row, move] = max(depths[row, move], min(until_depth, np.iinfo(np.int16).max))
    return depths


def moves_between(first: Position, second: Position) -> list[int] | None:
    """The moves that lead from one position to the other, players taking turns; None if they do not."""
    if (first.komi, first.rules, first.board_size) != (second.komi, second.rules, second.board_size):
        return None
    if second.moves[: len(first.moves)] != first.moves:
        return None
    board = first.board.copy()
    moves = second.moves[len(first.moves) :]
    for color, move in moves:
        if color != board.to_play or not board.is_legal(move):
            return None
        board.play(move)
    return [move for _, move in moves] if board == second.board else None
