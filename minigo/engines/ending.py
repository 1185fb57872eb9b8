# SPDX-License-Identifier: Apache-2.0
"""`Ending`: who owns what when a game is over as it stands, which stones are dead, and the score by area.

Chains and regions are judged as wholes, by the ownership that a network expects and by what is pass-alive (Benson
1976), which overrides it. Start at `ending_of`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels import scoring
from cc_kernels.board import BLACK, EMPTY, WHITE
from minigo.go.position import Position

STATUSES: Final = ("alive", "dead", "seki", "black_territory", "white_territory", "dame")
"""What `Ending.points` can be asked for."""
_OWNED: Final = 0.5  # an empty point that both colours reach belongs to one if its ownership is surer than this
_LARGEST_SEKI: Final = 8  # points that two colours share in a seki; a larger region is just open

Chain = tuple[int, ...]
"""Points of a chain, or of a region, in ascending order."""


@dataclass(frozen=True)
class Ending:
    """A game as it would be counted now.

    Attributes:
        owner: [N, N] int8, BLACK, WHITE or EMPTY: points of neither.
        alive: chains that stay, those in seki left out.
        dead: chains that are taken off.
        seki: chains that stay, though they have no two eyes.
        score_for_black: Black's points less White's and komi.
    """

    owner: NDArray[np.int8]
    alive: tuple[Chain, ...]
    dead: tuple[Chain, ...]
    seki: tuple[Chain, ...]
    score_for_black: float

    @property
    def dead_points(self) -> tuple[int, ...]:
        """The stones that are taken off."""
        return tuple(sorted(point for chain in self.dead for point in chain))


def ending_of(position: Position, ownership_for_black: NDArray[np.floating] | None) -> Ending:
    """How the game would be counted if it ended here.

    A chain is dead if its points are expected to be the other colour's, unless only its own colour's living chains
    surround it. Points that only one colour's living chains reach are that colour's; of the others, those are owned
    whose owner is expected with some certainty. What is pass-alive counts for its colour whatever is expected.

    Args:
        position: the game.
        ownership_for_black: [N, N] in [-1, 1], 1: Black's; None: not known, then all chains live that are not in the
            other colour's pass-alive regions.
    """
    stones = position.board.stones
    certain = scoring.pass_alive(position.board)
    chains = list(_components(stones != EMPTY, stones))
    dead = [chain for chain in chains if _is_dead(chain, stones, certain, ownership_for_black)]
    owner, dead = _settled(stones, ownership_for_black, dead)
    gone = set(dead)
    living = [chain for chain in chains if chain not in gone]
    seki = set() if ownership_for_black is None else _in_seki(living, stones, owner, certain)
    return Ending(
        owner,
        tuple(chain for chain in living if chain not in seki),
        tuple(dead),
        tuple(chain for chain in living if chain in seki),
        float(owner.sum(dtype=np.int64)) - position.komi,
    )


def ending_played_out(position: Position) -> Ending:
    """How the game is counted once the players have taken off what is dead: every stone stays, open points count."""
    stones = position.board.stones
    owner, _ = _settled(stones, None, [])
    score = float(owner.sum(dtype=np.int64)) - position.komi
    return Ending(owner, tuple(_components(stones != EMPTY, stones)), (), (), score)


def statuses(ending: Ending, name: str) -> list[Chain]:
    """The chains, or regions of points, of a status: `final_status_list` and GNU Go's territories and dame.

    Territory holds the dead stones in it.

    Raises:
        ValueError: there is no such status.
    """
    if name in ("alive", "dead", "seki"):
        return list(getattr(ending, name))
    if name not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {name!r}")
    color = {"black_territory": BLACK, "white_territory": WHITE, "dame": EMPTY}[name]
    stays = np.zeros(ending.owner.size, bool)
    stays[[point for chain in (*ending.alive, *ending.seki) for point in chain]] = True
    return list(_components((ending.owner == color) & ~stays.reshape(ending.owner.shape), ending.owner))


def points_beside(point: int, board_size: int) -> Iterator[int]:
    """The two to four points next to a point."""
    row, column = divmod(point, board_size)
    if row:
        yield point - board_size
    if row < board_size - 1:
        yield point + board_size
    if column:
        yield point - 1
    if column < board_size - 1:
        yield point + 1


def _is_dead(
    chain: Chain,
    stones: NDArray[np.int8],
    certain: NDArray[np.int8],
    ownership_for_black: NDArray[np.floating] | None,
) -> bool:
    color = stones.flat[chain[0]]
    if (owner := certain.flat[chain[0]]) != EMPTY:
        return bool(owner != color)
    if ownership_for_black is None:
        return False
    return float(ownership_for_black.ravel()[list(chain)].mean()) * int(color) < 0


def _settled(
    stones: NDArray[np.int8], ownership_for_black: NDArray[np.floating] | None, dead: list[Chain]
) -> tuple[NDArray[np.int8], list[Chain]]:
    """Who owns each point, and the chains that are dead after all: none that only its own colour surrounds."""
    while True:
        gone = {point for chain in dead for point in chain}
        living = stones.copy()
        living.flat[list(gone)] = EMPTY
        owner = living.copy()
        revived: set[int] = set()
        for region in _components(living == EMPTY, living):
            reached = _reached(region, living)
            if len(reached) == 1:
                color = next(iter(reached))
                owner.flat[list(region)] = color
                revived.update(point for point in region if stones.flat[point] == color)
            else:
                owner.flat[list(region)] = _mixed(region, stones, ownership_for_black)
        if not revived:
            return owner, dead
        dead = [chain for chain in dead if chain[0] not in revived]


def _mixed(region: Chain, stones: NDArray[np.int8], ownership_for_black: NDArray[np.floating] | None) -> list[int]:
    """Owners of a region that both colours reach, or none: dead stones are the other's, what is open is nobody's."""
    owners = []
    for point in region:
        expected = 0.0 if ownership_for_black is None else float(ownership_for_black.flat[point])
        sure = int(np.sign(expected)) if abs(expected) >= _OWNED else EMPTY
        owners.append(-int(stones.flat[point]) if stones.flat[point] != EMPTY else sure)
    return owners


def _in_seki(
    living: list[Chain], stones: NDArray[np.int8], owner: NDArray[np.int8], certain: NDArray[np.int8]
) -> set[Chain]:
    """Chains of groups that touch a few points of neither, and have one point of territory at most."""
    neutral = [region for region in _components(owner == EMPTY, owner) if len(region) <= _LARGEST_SEKI]
    touched = {point: number for number, region in enumerate(neutral) for point in region}
    territory = _territories(stones, owner, living)
    found: dict[Chain, set[int]] = {}
    for chain in living:
        if certain.flat[chain[0]] != EMPTY:
            continue
        beside = {other for point in chain for other in points_beside(point, len(stones))}
        own = {territory[point] for point in beside if point in territory}
        regions = {touched[point] for point in beside if point in touched}
        if regions and sum(len(region) for region in own) <= 1:
            found[chain] = regions
    shared = [
        {number for chain, regions in found.items() if stones.flat[chain[0]] == color for number in regions}
        for color in (BLACK, WHITE)
    ]
    both = shared[0] & shared[1]
    return {chain for chain, regions in found.items() if regions & both}


def _territories(stones: NDArray[np.int8], owner: NDArray[np.int8], living: list[Chain]) -> dict[int, Chain]:
    stays = np.zeros(stones.size, bool)
    stays[[point for chain in living for point in chain]] = True
    regions = _components((owner != EMPTY) & ~stays.reshape(stones.shape), owner)
    return {point: region for region in regions for point in region}


def _reached(region: Chain, living: NDArray[np.int8]) -> set[int]:
    colors = {int(living.flat[other]) for point in region for other in points_beside(point, len(living))}
    return colors - {EMPTY}


def _components(mask: NDArray[np.bool_], kind: NDArray[np.int8]) -> Iterator[Chain]:
    """Connected sets of the masked points that are of one kind."""
    size = len(mask)
    unseen = set(np.flatnonzero(mask).tolist())
    kinds = kind.ravel().tolist()
    for start in sorted(unseen):
        if start not in unseen:
            continue
        unseen.remove(start)
        found = [start]
        for point in found:
            for other in points_beside(point, size):
                if other in unseen and kinds[other] == kinds[start]:
                    unseen.remove(other)
                    found.append(other)
        yield tuple(sorted(found))
