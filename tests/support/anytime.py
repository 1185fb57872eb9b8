# SPDX-License-Identifier: Apache-2.0
"""Searches without end on small boards, and whether two analyses are the same."""

import dataclasses

import numpy as np

from minigo.anytime import Analysis, AnytimeSearch
from minigo.config import SearchConfig
from minigo.go.coords import move_from_vertex
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluator, HashEvaluator
from minigo.roots import RootOptions

CONFIG = SearchConfig()
DEFAULT, ONE = RootOptions(), RootOptions(symmetries=1)

CAPTURE = """
    . O X . .
    O O X . .
    O O X . .
    O O X . .
    O O X . .
"""


def after(moves: str = "", size: int = 5, komi: float = 0.5) -> Position:
    position = Position.empty(size, komi, "cgos")
    for name in moves.split():
        position = position.play(move_from_vertex(name, size))
    return position


def search_of(size: int = 5, evaluator: Evaluator | None = None, **arguments: object) -> AnytimeSearch:
    evaluator = HashEvaluator(1) if evaluator is None else evaluator
    return AnytimeSearch(evaluator, CONFIG, size, **arguments)  # type: ignore[arg-type]


def run(search: AnytimeSearch) -> None:
    while search.step():
        pass


def searched(
    position: Position,
    visits: int,
    options: RootOptions = DEFAULT,
    evaluator: Evaluator | None = None,
    **arguments: object,
) -> AnytimeSearch:
    search = search_of(position.board_size, evaluator, **arguments)
    search.begin(0, position, options)
    search.limit(0, visits)
    run(search)
    return search


def assert_same(mine: Analysis, theirs: Analysis) -> None:
    """Fails unless two analyses agree in every bit."""
    for field in dataclasses.fields(Analysis):
        left, right = getattr(mine, field.name), getattr(theirs, field.name)
        if field.name == "moves":
            assert [repr(move) for move in left] == [repr(move) for move in right]
        elif field.name != "position":
            np.testing.assert_array_equal(left, right, err_msg=field.name)
