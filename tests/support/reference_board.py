# SPDX-License-Identifier: Apache-2.0
"""The rules of Go, slowly: sets of points, flood fill, and a history that keeps every position itself.

Written to be read beside a rule book, and to disagree with `cc_kernels.board` wherever one of the two is
wrong. The two share nothing but the numbers of points and colors. Start at `ReferenceBoard.illegality`.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from functools import cache
from itertools import takewhile
from typing import NamedTuple

BLACK, WHITE = 1, -1
SIMPLE, POSITIONAL, SITUATIONAL = 0, 1, 2
NOTHING: frozenset[int] = frozenset()


class Position(NamedTuple):
    """The points that hold black and white stones. Positions are the same when these sets are."""

    black: frozenset[int]
    white: frozenset[int]

    def of(self, color: int) -> frozenset[int]:
        """The stones of one color."""
        return self.black if color == BLACK else self.white


NO_STONES = Position(NOTHING, NOTHING)


class Chain(NamedTuple):
    """A maximal connected set of stones of one color, and the empty points next to it."""

    color: int
    stones: frozenset[int]
    liberties: frozenset[int]


@cache
def neighbors(board_size: int) -> tuple[tuple[int, ...], ...]:
    """For each point, the points next to it."""
    steps = ((-1, 0), (0, -1), (0, 1), (1, 0))
    cells = [(row, column) for row in range(board_size) for column in range(board_size)]
    around = [[(row + down, column + right) for down, right in steps] for row, column in cells]
    return tuple(tuple(r * board_size + c for r, c in near if (r, c) in cells) for near in around)


def connected_sets(points: Iterable[int], board_size: int) -> Iterator[tuple[set[int], set[int]]]:
    """Splits points into maximal connected sets; yields each with the points of the board just outside it."""
    near = neighbors(board_size)
    rest = set(points)
    while rest:
        stack = [rest.pop()]
        inside, outside = set(stack), set()
        while stack:
            for point in near[stack.pop()]:
                if point in rest:
                    rest.remove(point)
                    inside.add(point)
                    stack.append(point)
                elif point not in inside:
                    outside.add(point)
        yield inside, outside


def chains(position: Position, board_size: int) -> dict[int, Chain]:
    """The chain at each stone of a position."""
    found: dict[int, Chain] = {}
    for color in (BLACK, WHITE):
        for stones, around in connected_sets(position.of(color), board_size):
            chain = Chain(color, frozenset(stones), frozenset(around - position.of(-color)))
            found.update(dict.fromkeys(stones, chain))
    return found


def area(position: Position, board_size: int) -> dict[int, int]:
    """Tromp-Taylor: the color that holds or alone reaches each point; points with no owner are absent."""
    owner = dict.fromkeys(position.black, BLACK) | dict.fromkeys(position.white, WHITE)
    empty = set(range(board_size**2)) - position.black - position.white
    for region, border in connected_sets(empty, board_size):
        reached_by = {owner[point] for point in border}
        if len(reached_by) == 1:
            owner |= dict.fromkeys(region, reached_by.pop())
    return owner


class ReferenceBoard:
    """A game from its first position on.

    Args:
        board_size: points along one side.
        ko_rule: SIMPLE, POSITIONAL or SITUATIONAL.
        suicide: whether a move may remove its own chain.
        position: the first position; empty if not given.
        to_play: who moves first.
    """

    def __init__(
        self,
        board_size: int,
        ko_rule: int = POSITIONAL,
        suicide: bool = False,
        position: Position = NO_STONES,
        to_play: int = BLACK,
    ) -> None:
        self.board_size, self.ko_rule, self.suicide = board_size, ko_rule, suicide
        self.pass_move, self.neighbors = board_size**2, neighbors(board_size)
        self.to_play = to_play
        self.captured = {BLACK: 0, WHITE: 0}
        self.moves: list[tuple[int, int]] = []
        self.situations: list[tuple[Position, int]] = []
        self.earlier: dict[tuple[int, int], set[tuple[Position, int]]] = {}
        self._arrive(position, to_play)

    def copy(self) -> "ReferenceBoard":
        """Another board with the same game so far."""
        other = copy(self)
        other.captured, other.moves, other.situations = dict(self.captured), [*self.moves], [*self.situations]
        other.earlier = {counts: set(situations) for counts, situations in self.earlier.items()}
        return other

    @property
    def passes(self) -> int:
        """How many passes in a row were just made."""
        moves = (move for _, move in reversed(self.moves))
        return sum(1 for _ in takewhile(lambda move: move == self.pass_move, moves))

    def play(self, move: int, color: int) -> None:
        """Plays a legal move for either color; the other is to play next."""
        assert self.illegality(move, color) is None
        self.moves.append((color, move))
        if move == self.pass_move:
            self._arrive(self.position, -color)
            return
        captured, suicided = self.removed(move, color)
        self.captured[-color] += len(captured)
        self.captured[color] += len(suicided)
        self._arrive(self.result(move, color, captured, suicided), -color)

    def illegality(self, move: int, color: int) -> str | None:
        """Why a move is against the rules: "occupied", "suicide", "ko", or None where it is legal."""
        if move == self.pass_move:
            return None
        if move in self.chains:
            return "occupied"
        captured, suicided = self.removed(move, color)
        if suicided and not self.suicide:
            return "suicide"
        return "ko" if self.repeats(move, color, captured, suicided) else None

    def removed(self, point: int, color: int) -> tuple[frozenset[int], frozenset[int]]:
        """The enemy's and the player's own stones that leave the board when a stone is placed on a point.

        First the enemy's chains without a liberty leave. If then the new stone's chain has none, it leaves.
        """
        captured, joined, breathes = [], [], False
        for neighbor in self.neighbors[point]:
            chain = self.chains.get(neighbor)
            if chain is None:
                breathes = True
            elif chain.color == color:
                joined.append(chain.stones)
                breathes = breathes or len(chain.liberties) > 1
            elif len(chain.liberties) == 1:
                captured.append(chain.stones)
        suicided = NOTHING if breathes or captured else frozenset((point,)).union(*joined)
        return NOTHING.union(*captured), suicided

    def result(self, point: int, color: int, captured: frozenset[int], suicided: frozenset[int]) -> Position:
        """The position after placing a stone and removing stones."""
        own = (self.position.of(color) | {point}) - suicided
        enemy = self.position.of(-color) - captured
        return Position(own, enemy) if color == BLACK else Position(enemy, own)

    def repeats(self, point: int, color: int, captured: frozenset[int], suicided: frozenset[int]) -> bool:
        """Whether the ko rule forbids the position that a move would make.

        Simple ko: the move takes one stone and restores the position before the last move. Positional
        superko: the position stood before. Situational superko: it did, with the same player to move next.
        """
        if self.ko_rule == SIMPLE:
            before = self.situations[-2][0] if len(self.situations) > 1 else None
            return len(captured) == 1 and self.result(point, color, captured, suicided) == before
        own, enemy = self.position if color == BLACK else reversed(self.position)
        counts = (len(own) + 1 - len(suicided), len(enemy) - len(captured))
        earlier = self.earlier.get(counts if color == BLACK else counts[::-1])
        if earlier is None:
            return False
        position = self.result(point, color, captured, suicided)
        next_players = (-color,) if self.ko_rule == SITUATIONAL else (BLACK, WHITE)
        return any((position, player) in earlier for player in next_players)

    def illegal_moves(self, color: int) -> dict[int, str]:
        """All moves that are illegal for a color, each with the reason."""
        reasons = dict.fromkeys(self.chains, "occupied")
        for move in range(self.pass_move):
            if move not in self.chains and (reason := self.illegality(move, color)) is not None:
                reasons[move] = reason
        return reasons

    def legal_moves(self, color: int) -> list[int]:
        """All legal moves of a color, the pass last."""
        illegal = self.illegal_moves(color)
        return [move for move in range(self.pass_move + 1) if move not in illegal]

    def area(self) -> dict[int, int]:
        """The owner of each point that has one."""
        return area(self.position, self.board_size)

    def _arrive(self, position: Position, to_play: int) -> None:
        """Makes a situation the present one. `earlier` files situations by their numbers of stones."""
        self.position, self.to_play = position, to_play
        self.chains = chains(position, self.board_size)
        self.situations.append((position, to_play))
        counts = (len(position.black), len(position.white))
        self.earlier.setdefault(counts, set()).add((position, to_play))
