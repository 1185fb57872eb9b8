# SPDX-License-Identifier: Apache-2.0
"""Searches without end: what they keep when moves are played."""

import dataclasses

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.go.coords import vertex_from_move
from minigo.go.position import Position
from minigo.roots import Avoid, RootOptions
from tests.support.anytime import CAPTURE, after, assert_same, run, search_of, searched
from tests.support.diagrams import stones_from_diagram


def test_what_follows_the_last_position_is_kept() -> None:
    search = searched(after("C3"), 500)
    best = search.analysis(0).moves[0]
    line = [vertex_from_move(move, 5) for move in best.pv[:2]]

    assert search.follow(0, after(f"C3 {line[0]}")) == best.visits
    kept = search.analysis(0)
    assert kept.visits == best.visits
    assert kept.value == pytest.approx(-best.value)
    assert search.is_done(0)
    search.limit(0, best.visits + 100)
    run(search)
    assert search.analysis(0).visits == best.visits + 100
    assert search.follow(0, after(f"C3 {line[0]} {line[1]}")) >= best.pv_visits[1]


def test_two_moves_are_followed_at_once() -> None:
    search = searched(after("C3"), 500)
    best = search.analysis(0).moves[0]
    line = " ".join(vertex_from_move(move, 5) for move in best.pv[:2])

    assert search.follow(0, after(f"C3 {line}")) == best.pv_visits[1]


def test_the_root_that_is_followed_to_is_evaluated_as_any_root() -> None:
    search = searched(after("C3"), 500)
    move = search.analysis(0).moves[0].move
    position = after("C3").play(move)
    search.follow(0, position)
    search.limit(0, search.visits(0) + 1)
    run(search)
    fresh = searched(position, 1).analysis(0)

    assert search.analysis(0).raw_value == pytest.approx(fresh.raw_value)
    np.testing.assert_array_equal(search.analysis(0).policy, fresh.policy)


@pytest.mark.parametrize(
    "position",
    [
        after(""),  # undone
        after("D4"),
        after("C3", komi=1.5),
        after("C3").with_komi(7.5),
        Position.from_stones(stones_from_diagram(CAPTURE), BLACK, 0.5, "cgos"),
        dataclasses.replace(after("C3").play(3), moves=((BLACK, 12), (BLACK, 3))),
    ],
)
def test_another_position_begins_anew(position: Position) -> None:
    search = searched(after("C3"), 300)

    assert search.follow(0, position) == 0
    search.limit(0, 40)
    run(search)
    assert_same(search.analysis(0), searched(position, 40).analysis(0))


def test_an_empty_slot_follows_by_beginning() -> None:
    search = search_of()
    assert search.follow(0, after()) == 0
    search.limit(0, 20)
    run(search)
    assert search.visits(0) == 20


def test_the_same_position_is_gone_on_with() -> None:
    search = searched(after("C3"), 300)
    assert search.follow(0, after("C3")) == 300
    assert search.is_done(0)
    search.limit(0, 500)
    run(search)
    assert search.visits(0) == 500


def test_a_slot_that_followed_rests_until_it_has_a_limit() -> None:
    search = search_of(slots=2, batch_rows=8)
    for slot in (0, 1):
        search.begin(slot, after("C3"))
        search.limit(slot, 300)
    for _ in range(20):
        search.step()
    kept = search.follow(0, after("C3"))
    assert 0 < kept < 300
    run(search)
    assert (search.visits(0), search.visits(1)) == (kept, 300)


def test_other_noise_keeps_the_tree_and_other_moves_to_avoid_do_not() -> None:
    search, again = (searched(after("C3"), 300) for _ in range(2))
    noisy = RootOptions(wide_root_noise=0.5)
    assert search.follow(0, after("C3"), noisy) == 300
    for each in (search, again):
        each.limit(0, 500)
        run(each)
    assert search.analysis(0).visits == 500
    assert [move.visits for move in search.analysis(0).moves] != [move.visits for move in again.analysis(0).moves]

    avoiding = RootOptions(avoid=(Avoid(WHITE, 3),))
    assert search.follow(0, after("C3"), avoiding) == 0
    search.limit(0, 100)
    run(search)
    assert search.follow(0, after("C3"), avoiding) == 100
    assert search.follow(0, after("C3 D3"), avoiding) == 0


def test_a_paused_slot_that_follows_takes_part_again() -> None:
    search = searched(after("C3"), 300)
    search.pause(0)
    assert search.follow(0, after("C3")) == 300
    search.limit(0, 400)
    run(search)
    assert search.visits(0) == 400
