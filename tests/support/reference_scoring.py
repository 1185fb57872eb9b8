# SPDX-License-Identifier: Apache-2.0
"""Benson's pass-alive chains and regions, by sets, straight from the definition.

D. B. Benson, "Life in the Game of Go", Information Sciences 10 (1976), for rules with and without suicide.
"""

from typing import NamedTuple

from tests.support.reference_board import BLACK, WHITE, Chain, Position, area, chains, connected_sets, neighbors


class Region(NamedTuple):
    """A maximal connected set of points without stones of one color, and that color's chains around it."""

    points: frozenset[int]
    chains: frozenset[Chain]


def pass_alive_points(position: Position, board_size: int, color: int, suicide: bool) -> set[int]:
    """The points that stay one color's even if it always passes: its pass-alive chains and their regions."""
    alive, regions = pass_alive_chains(position, board_size, color, suicide)
    points = {point for chain in alive for point in chain.stones}
    for region in regions:
        inner = [p for p in region.points if not position.of(color) & set(neighbors(board_size)[p])]
        if region.chains and region.chains <= alive and len(inner) <= 1:
            points |= region.points
    return points


def pass_alive_chains(
    position: Position, board_size: int, color: int, suicide: bool
) -> tuple[set[Chain], list[Region]]:
    """The chains that no sequence of enemy moves captures, and all regions of the color."""
    chain_at = chains(position, board_size)
    alive = {chain for chain in chain_at.values() if chain.color == color}
    others = set(range(board_size**2)) - position.of(color)
    regions = [
        Region(frozenset(points), frozenset(chain_at[point] for point in border))
        for points, border in connected_sets(others, board_size)
    ]
    empty = others - position.of(-color)
    healthy = list(regions)
    while True:
        kept = {chain for chain in alive if sum(_is_vital(r, chain, empty, board_size, suicide) for r in healthy) >= 2}
        if kept == alive:
            return alive, regions
        alive = kept
        healthy = [region for region in healthy if region.chains <= alive]


def _is_vital(region: Region, chain: Chain, empty: set[int], board_size: int, suicide: bool) -> bool:
    """Whether the enemy can never fill the region's points next to the chain.

    Where suicide is illegal it is enough that all empty points are liberties of the chain: the enemy cannot
    fill the last one. Where it is legal, enemy stones may leave by suicide: all points must be next to it.
    """
    watched = region.points if suicide else region.points & empty
    return all(chain.stones & set(neighbors(board_size)[point]) for point in watched)


def pass_alive(position: Position, board_size: int, suicide: bool) -> dict[int, int]:
    """The color for which each pass-alive point counts; other points are absent."""
    black = pass_alive_points(position, board_size, BLACK, suicide)
    white = pass_alive_points(position, board_size, WHITE, suicide)
    assert not black & white, f"points {sorted(black & white)} are pass-alive for both colors in {position}"
    return dict.fromkeys(black, BLACK) | dict.fromkeys(white, WHITE)


def final_area(position: Position, board_size: int, suicide: bool) -> dict[int, int]:
    """Who owns each point when the game ends: all as pass-alive, where that decides every point; else the area."""
    alive = pass_alive(position, board_size, suicide)
    return alive if len(alive) == board_size**2 else area(position, board_size)
