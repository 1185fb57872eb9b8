# SPDX-License-Identifier: Apache-2.0
"""Ladders, slowly, on a `ReferenceBoard`: as the kernel reads them, and as they are.

Start at `laddered_points` and `lost_points`.
"""

from collections.abc import Iterable, Iterator

from tests.support.reference_board import SIMPLE, Chain, Position, ReferenceBoard

ESCAPED = 3
MAX_ATARIS = 60
MAX_FORKS = 2


def laddered_points(position: Position, board_size: int) -> set[int]:
    """The stones of chains that the kernel's way to read ladders finds taken.

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
    for _ in range(MAX_ATARIS):
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
    return False


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
    taken = [other.stones & near for other in chains_beside(board, {run}, -chain.color) if len(other.liberties) == 1]
    return min(ESCAPED, len((near - board.chains.keys()).union(*friends, *taken) - {run, atari}))


def chains_beside(board: ReferenceBoard, points: Iterable[int], color: int) -> set[Chain]:
    """The chains of a color next to some points."""
    near = {near for point in points for near in board.neighbors[point]}
    return {board.chains[point] for point in near if point in board.chains and board.chains[point].color == color}


def lost_points(position: Position, board_size: int) -> set[int]:
    """The stones of chains that some ataris take, whatever their owner plays: all lines are read to their ends."""
    board = ReferenceBoard(board_size, SIMPLE, position=position)
    lost: set[int] = set()
    for chain in set(board.chains.values()):
        point, liberties = min(chain.stones), len(chain.liberties)
        if (liberties == 1 and not can_be_saved(board, point)) or (liberties == 2 and can_be_chased(board, point)):
            lost |= chain.stones
    return lost


def can_be_saved(board: ReferenceBoard, point: int) -> bool:
    """Whether a chain in atari, whose owner moves, can run out or take something so that it is not lost."""
    chain = board.chains[point]
    beside = chains_beside(board, chain.stones, -chain.color)
    moves = chain.liberties.union(*(other.liberties for other in beside if len(other.liberties) == 1))
    for after in boards_after(board, moves, chain.color):
        liberties = len(after.chains[point].liberties)
        if liberties > 2 or (liberties == 2 and not can_be_chased(after, point)):
            return True
    return False


def can_be_chased(board: ReferenceBoard, point: int) -> bool:
    """Whether the opponent of a chain with two liberties has an atari that takes it."""
    chain = board.chains[point]
    return any(not can_be_saved(after, point) for after in boards_after(board, chain.liberties, -chain.color))


def boards_after(board: ReferenceBoard, moves: Iterable[int], color: int) -> Iterator[ReferenceBoard]:
    """The boards after each of the moves that is legal."""
    for move in sorted(moves):
        if board.illegality(move, color) is None:
            after = board.copy()
            after.play(move, color)
            yield after
