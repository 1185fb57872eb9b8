# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest

from cc_kernels.board import IllegalMoveError
from minigo.config import GameConfig
from minigo.go.coords import move_from_vertex
from minigo.go.position import Position
from minigo.go.rules import RULES, rules_named
from tests.support.diagrams import stones_from_diagram


def is_legal(position, vertex):
    return bool(position.legal_moves()[move_from_vertex(vertex, position.board_size)])


def test_config_offers_exactly_the_rule_sets_that_exist():
    (spec,) = (spec for spec in dataclasses.fields(GameConfig) if spec.name == "rules")

    assert set(spec.metadata["choices"]) == set(RULES)


def test_an_unknown_rule_set_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"rules must be one of cgos, chinese, .*, got 'japanese'"):
        rules_named("japanese")


@pytest.mark.parametrize("rules", RULES)
def test_suicide_is_legal_by_two_rule_sets_alone(rules):
    stones = stones_from_diagram("""
        O . X
        X X .
        . . .
    """)
    position = Position.from_stones(stones, -1, 0.5, rules)

    assert is_legal(position, "B3") == (rules in ("tromp-taylor", "new-zealand"))


@pytest.mark.parametrize("rules", RULES)
def test_retaking_a_ko_at_once_is_illegal_by_every_rule_set(rules):
    stones = stones_from_diagram("""
        . X O .
        X . X O
        . X O .
        . . . .
    """)
    taken = Position.from_stones(stones, -1, 0.5, rules).play(move_from_vertex("B3", 4))

    assert not is_legal(taken, "C3")
    with pytest.raises(IllegalMoveError, match="C3 is illegal for black"):
        taken.play(move_from_vertex("C3", 4))


@pytest.mark.parametrize(
    ("rules", "is_allowed"),
    [("chinese", True), ("aga", True), ("new-zealand", True), ("cgos", False), ("tromp-taylor", False)],
)
def test_sending_two_returning_one_repeats_stones_which_positional_superko_alone_forbids(rules, is_allowed):
    stones = stones_from_diagram("""
        . X . .
        X X O O
        X X O O
        . O . O
    """)
    position = Position.from_stones(stones, -1, 0.5, rules)
    for vertex in ("A1", "C1"):  # White sends a second stone, Black takes both
        position = position.play(move_from_vertex(vertex, 4))

    assert is_legal(position, "B1") == is_allowed
