# SPDX-License-Identifier: Apache-2.0
"""Ladders, slowly: each is played out on a `ReferenceBoard`. Start at `laddered_points`."""

from collections.abc import Iterable

from tests.support.reference_board import SIMPLE, Chain, Position, ReferenceBoard

ESCAPED = 3
MAX_FORKS = 2


def laddered_points(position: Position, board_size: int) -> set[int]:
    """The stones that ladders take.

    A chain in atari is taken if its owner moves and can not save it, one with two liberties if the opponent moves.
    """
    board = ReferenceBoard(board_size, SIMPLE, position=position)
    return set().union(*(chain.stones for chain in set(board.chains.values()) if ladder_takes(board, chain)))


def ladder_takes(board: ReferenceBoard, chain: Chain) -> bool:
    """Whether ataris alone take a chain."""
    reads = {1: is_taken, 2: is_chased}
    count = len(chain.liberties)
    return count in reads and reads[count](board.copy(), min(chain.stones), MAX_FORKS)


def is_taken(board: ReferenceBoard, point: int, forks: int) -> bool:
    """Whether the chain at a point is taken, which is in atari: it runs, and is chased to where it has less room."""
    while True:
        chain = board.chains[point]
        (run,) = chain.liberties
        if any(len(other.liberties) == 1 for other in chains_beside(board, chain.stones, -chain.color)):
            return False
        if board.illegality(run, chain.color) == "suicide":
            return True
        board.play(run, chain.color)
        chain = board.chains[point]
        if len(chain.liberties) != 2:
            return len(chain.liberties) < 2
        rooms = {atari: room(board, chain, atari) for atari in chain.liberties}
        if len(set(rooms.values())) == 1:
            return forks > 0 and is_chased(board, point, forks - 1)
        board.play(min(rooms, key=lambda atari: rooms[atari]), -chain.color)


def is_chased(board: ReferenceBoard, point: int, forks: int) -> bool:
    """Whether an atari takes the chain at a point, which has two liberties."""
    chain = board.chains[point]
    for atari in chain.liberties:
        if room(board, chain, atari) < ESCAPED:
            after = board.copy()
            after.play(atari, -chain.color)
            if is_taken(after, point, forks):
                return True
    return False


def room(board: ReferenceBoard, chain: Chain, atari: int) -> int:
    """How many liberties, at most `ESCAPED`, a chain gains that runs from an atari on one of its two liberties."""
    if board.illegality(atari, -chain.color) == "suicide":
        return ESCAPED
    (run,) = chain.liberties - {atari}
    near = set(board.neighbors[run])
    friends = [other.liberties for other in chains_beside(board, {run}, chain.color) if other != chain]
    return min(ESCAPED, len((near - board.chains.keys()).union(*friends) - {run, atari}))


def chains_beside(board: ReferenceBoard, points: Iterable[int], color: int) -> set[Chain]:
    """The chains of a color next to some points."""
    near = {near for point in points for near in board.neighbors[point]}
    return {board.chains[point] for point in near if point in board.chains and board.chains[point].color == color}
