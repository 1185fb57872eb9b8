# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.engines.ending import Ending, ending_of, statuses
from minigo.go.coords import move_from_vertex, vertex_from_move
from minigo.go.position import Position
from tests.support.diagrams import diagram_from_stones, stones_from_diagram

NO_EYES = """
    . X O . O
    X X O O .
    O O O O O
    X X X X X
    . X . X .
"""


def ending(diagram: str, ownership: str | None = None, *, sureness: float = 1.0, komi: float = 0.0) -> Ending:
    position = Position.from_stones(stones_from_diagram(diagram), BLACK, komi, "cgos")
    expected = None if ownership is None else sureness * stones_from_diagram(ownership).astype(np.float32)
    return ending_of(position, expected)


def names(chains: list[tuple[int, ...]], size: int) -> set[str]:
    return {vertex_from_move(point, size) for chain in chains for point in chain}


def same(owner: np.ndarray, diagram: str) -> bool:
    return diagram_from_stones(owner) == diagram_from_stones(stones_from_diagram(diagram))


DEAD_INSIDE = """
    . . X O .
    . O X O .
    . . X O O
    X X X O .
    . . X O .
"""
SPLIT = """
    X X X O O
    X X X O O
    X X X O O
    X X X O O
    X X X O O
"""


def test_a_stone_that_the_network_gives_to_the_other_colour_is_dead_and_its_region_territory():
    found = ending(DEAD_INSIDE, SPLIT, komi=0.5)

    assert names(statuses(found, "dead"), 5) == {"B4"}
    assert same(found.owner, SPLIT)
    assert found.score_for_black == 15 - 10 - 0.5
    assert names(statuses(found, "black_territory"), 5) == {"A5", "B5", "A4", "B4", "A3", "B3", "A1", "B1"}
    assert names(statuses(found, "white_territory"), 5) == {"E5", "E4", "E2", "E1"}
    assert statuses(found, "dame") == []


def test_without_ownership_all_stones_live_but_those_in_pass_alive_regions_of_the_other_colour():
    alive = ending(DEAD_INSIDE)
    decided = ending("""
        . X . X .
        X X X X X
        O . X . .
        . X X X X
        X X . X .
    """)

    assert statuses(alive, "dead") == []
    assert alive.owner[1, 1] == WHITE
    assert names(statuses(decided, "dead"), 5) == {"A3"}
    assert decided.score_for_black == 25


def test_pass_alive_overrides_what_the_network_expects():
    all_white = "\n".join(["O O O O O"] * 5)
    found = ending(NO_EYES, all_white)

    assert names(statuses(found, "alive"), 5) >= {"A2", "C2", "E2"}  # Black's two eyes below
    assert (found.owner[3:] == BLACK).all()


def test_a_chain_is_judged_as_a_whole():
    half = """
        O O X O O
        O O X O O
        O X X O O
        X X X O O
        X X X O O
    """
    stones = """
        . . X O .
        . . X O .
        X X X O O
        . . X O .
        . . X O .
    """
    found = ending(stones, half)

    assert statuses(found, "dead") == []
    assert same(found.owner, SPLIT)


def test_a_chain_that_only_its_own_colour_surrounds_is_not_dead():
    nonsense = """
        O O X O O
        O O X O O
        X X X O O
        X X X O O
        X X X O O
    """
    stones = """
        X . X O .
        . . X O .
        X X X O O
        . . X O .
        . . X O .
    """
    found = ending(stones, nonsense)

    assert statuses(found, "dead") == []
    assert same(found.owner, SPLIT)


def test_points_that_both_colours_reach_are_dame_unless_the_network_is_sure():
    stones = """
        . X . O .
        . X . O .
        X X . O O
        . X . O .
        . X . O .
    """
    doubtful, sure = ending(stones, SPLIT, sureness=0.4), ending(stones, SPLIT)

    assert names(statuses(doubtful, "dame"), 5) == {"C5", "C4", "C3", "C2", "C1"}
    assert doubtful.score_for_black == 0
    assert statuses(sure, "dame") == []
    assert sure.score_for_black == 5


def test_dead_stones_beside_a_gap_still_count_for_the_other():
    gap = """
        . O X O .
        . O . O .
        X X X O O
        . . X O .
        . . X O .
    """
    found = ending(gap, SPLIT)

    assert names(statuses(found, "dead"), 5) == {"B5", "B4"}
    assert same(found.owner, SPLIT)


SEKI = """
    . X O . X O .
    X X O . X O O
    . X O X X O .
    X X X O O O O
    X . X O . O .
    X X X O O O O
    . X X O . O .
"""


def test_stones_in_seki_are_neither_dead_nor_simply_alive():
    found = ending(SEKI, SEKI)

    assert names(statuses(found, "seki"), 7) == {"C7", "C6", "C5", "E7", "E6", "E5", "D5"}
    assert names(statuses(found, "dame"), 7) == {"D7", "D6"}
    assert {"B7", "F7"} <= names(statuses(found, "alive"), 7)


def test_nothing_is_in_seki_while_the_board_is_open_or_nobody_says_what_is_whose():
    open_board = """
        . . . . . . . . .
        . . . . . . . . .
        . . . . . . X . .
        . . . . . . . . .
        . . . . X . . . .
        . . . . . . . . .
        . . O . . . . . .
        . . . . . . . . .
        . . . . . . . . .
    """
    for found in (ending(open_board), ending(open_board, open_board), ending(SEKI)):
        assert statuses(found, "seki") == []
        assert statuses(found, "dead") == []
    assert names(statuses(ending(open_board), "alive"), 9) == {"G7", "E5", "C3"}


def test_chains_with_territory_are_not_in_seki_where_points_between_them_are_open():
    found = ending("\n".join([". . X . O . ."] * 7))

    assert statuses(found, "seki") == []
    assert len(statuses(found, "alive")) == 2
    assert found.score_for_black == 0


def test_territory_holds_the_dead_stones_in_it():
    assert "B4" in names(statuses(ending(DEAD_INSIDE, SPLIT), "black_territory"), 5)


def test_an_empty_board_is_nobody_s():
    found = ending("\n".join([". . ."] * 3), komi=7.5)

    assert found.score_for_black == -7.5
    assert len(statuses(found, "dame")) == 1
    assert found.dead_points == ()


def test_an_unknown_status_is_an_error():
    with pytest.raises(ValueError, match="status must be one of alive, dead, seki"):
        statuses(ending("X ."[:3] + "\n. ."), "living")


def test_dead_points_are_those_of_all_dead_chains():
    found = ending(DEAD_INSIDE, SPLIT)

    assert found.dead_points == (move_from_vertex("B4", 5),)
