# SPDX-License-Identifier: Apache-2.0
"""Searches without end: what they find, and when they end and begin anew."""

import itertools

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from cc_kernels.cache import EvaluationCache
from cc_kernels.scoring import final_area
from minigo.analysis import UNSEARCHED_MOVES
from minigo.go.coords import move_from_vertex, vertex_from_move
from minigo.go.position import Position
from minigo.go.symmetry import transform_move
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves, UniformEvaluator
from minigo.roots import Avoid, RootOptions
from tests.support.anytime import CAPTURE, DEFAULT, ONE, after, assert_same, run, search_of, searched
from tests.support.area_evaluator import AreaEvaluator
from tests.support.diagrams import stones_from_diagram

DECIDED = """
    . X . X .
    X X X X X
    X . X . X
    X X X X X
    . X . X .
"""


# What is found


@pytest.mark.parametrize("size", range(2, 20))
def test_every_board_is_searched_to_its_limit(size: int) -> None:
    search = searched(Position.empty(size, 0.5, "cgos"), 150)
    analysis = search.analysis(0, ownership=True, moves_ownership=True)

    assert search.is_done(0)
    assert analysis.visits == search.visits(0) == 150
    assert sum(move.visits for move in analysis.moves) == 149
    assert analysis.policy.sum() == pytest.approx(1.0)
    assert -1 <= analysis.value <= 1
    assert analysis.ownership is not None
    assert analysis.ownership.shape == (size, size)
    assert not analysis.is_over
    for move in analysis.moves:
        assert move.lcb < move.value
        assert move.pv[0] == move.move
        assert move.pv_visits[0] == move.visits
        assert list(move.pv_visits) == sorted(move.pv_visits, reverse=True)
        assert move.ownership is not None


def test_a_capture_is_found_with_the_right_signs() -> None:
    position = Position.from_stones(stones_from_diagram(CAPTURE), BLACK, 0.5, "cgos")
    for to_play in (BLACK, WHITE):
        turned = Position.from_stones(stones_from_diagram(CAPTURE) * to_play, to_play, 0.5 * to_play, "cgos")
        analysis = searched(turned, 200, evaluator=AreaEvaluator()).analysis(0)
        best = analysis.moves[0]
        assert vertex_from_move(best.move, 5) == "A5"
        assert best.value > 0.5
        assert best.score_lead > 5
        assert analysis.value > 0
    assert position.to_play == BLACK


def test_the_first_move_has_the_best_bound_of_those_with_enough_visits() -> None:
    checked = 0
    for opening, visits in itertools.product(("", "C3", "C3 D4", "B2 D2 D4", "A1 E5"), (30, 200, 1000)):
        analysis = searched(after(opening), visits).analysis(0)
        most = max(move.visits for move in analysis.moves)
        enough = [move for move in analysis.moves if move.visits >= 0.15 * most]
        first, *others = analysis.moves
        assert first in enough
        assert [(-m.visits, -m.prior) for m in others] == sorted((-m.visits, -m.prior) for m in others)
        checked += first.visits < most
    assert checked > 0  # the bound decides otherwise than visits, sometimes


def test_the_bound_comes_nearer_to_the_value_with_visits() -> None:
    few, many = (searched(after("C3"), visits).analysis(0).moves[0] for visits in (50, 5000))

    assert many.value - many.lcb < 0.3 * (few.value - few.lcb)


def test_one_visit_is_the_network_s_own_opinion() -> None:
    analysis = searched(after("C3"), 1).analysis(0, ownership=True)

    assert analysis.visits == 1
    assert (analysis.value, analysis.score_lead) == (analysis.raw_value, analysis.raw_score_lead)
    assert {move.visits for move in analysis.moves} == {0}
    assert len(analysis.moves) == UNSEARCHED_MOVES
    assert [move.prior for move in analysis.moves] == sorted((move.prior for move in analysis.moves), reverse=True)


def test_lines_are_no_longer_than_asked_for() -> None:
    search = searched(after(), 500)

    assert max(len(move.pv) for move in search.analysis(0).moves) > 2
    assert {len(move.pv) for move in search.analysis(0, pv_moves=1).moves} == {1}


@pytest.mark.parametrize("symmetry", range(1, 8))
def test_an_average_over_symmetries_turns_with_the_board(symmetry: int) -> None:
    class Corner(UniformEvaluator):
        """Likes the top left corner of what it is shown, and gives it to the player to move."""

        def evaluate(self, leaves: Leaves) -> Evaluation:
            found = super().evaluate(leaves)
            assert found.ownership is not None
            found.policy[:, 0], found.ownership[:, 0, 0] = 0.5, 1.0
            return found

    plain = searched(after("C3"), 1, evaluator=Corner()).analysis(0, ownership=True)
    assert plain.ownership is not None
    corners = [0, 4, 20, 24]
    np.testing.assert_allclose(plain.policy[corners], plain.policy[0], rtol=1e-5)
    np.testing.assert_allclose(plain.ownership.ravel()[corners], 1 / 4, atol=1 / 127)
    alone = searched(after("C3"), 1, ONE, Corner()).analysis(0, ownership=True)
    assert alone.ownership is not None
    assert sorted(alone.ownership.ravel()[corners].tolist()) == [0, 0, 0, 1]

    turned = after("B3").board, after().play(transform_move(move_from_vertex("B3", 5), 5, symmetry))
    first = searched(after("B3"), 1).analysis(0)
    second = searched(turned[1], 1).analysis(0)
    assert second.value == pytest.approx(first.value, abs=1e-6)


@pytest.mark.parametrize("options", [DEFAULT, ONE])
@pytest.mark.parametrize("opening", ["A1", "B2 A5", "C4 D4 A2", "E3 A1 B5 D2"])
def test_ownership_lies_as_the_board_does(opening: str, options: RootOptions) -> None:
    class Stones(UniformEvaluator):
        """Every stone is its player's."""

        def evaluate(self, leaves: Leaves) -> Evaluation:
            own, other = leaves.planes[..., 0].astype(np.float32), leaves.planes[..., 1].astype(np.float32)
            return super().evaluate(leaves)._replace(ownership=own - other)

    position = after(opening)
    found = searched(position, 1, options, Stones()).analysis(0, ownership=True).ownership
    np.testing.assert_array_equal(found, position.board.stones * position.to_play)


def test_wide_noise_flattens_what_is_searched_but_not_what_is_told() -> None:
    plain, wide = (
        searched(after(), 200, RootOptions(wide_root_noise=noise), OnlyPass()).analysis(0) for noise in (0.0, 1.0)
    )

    np.testing.assert_array_equal(plain.policy, wide.policy)
    assert [move.visits for move in plain.moves] == [199, 0]
    assert len(wide.moves) > len(plain.moves)


def test_the_network_s_value_counts_as_one_visit() -> None:
    search = searched(after("C3"), 2)
    analysis = search.analysis(0)

    assert analysis.value == pytest.approx((analysis.raw_value + analysis.moves[0].value) / 2)


# Moves that are left out


@pytest.mark.parametrize("depth", [1, 3])
def test_moves_to_avoid_are_never_searched(depth: int) -> None:
    names = "C3 B3 D3 C2 C4"
    avoid = tuple(Avoid(BLACK, move_from_vertex(name, 5), depth) for name in names.split())
    analysis = searched(after(), 400, RootOptions(avoid=avoid)).analysis(0)

    assert not {move.move for move in analysis.moves} & {each.move for each in avoid}
    assert analysis.policy[avoid[0].move] > 0


def test_the_pass_remains_beside_the_network_s_best_point() -> None:
    avoid = tuple(Avoid(BLACK, move) for move in range(25))
    analysis = searched(after(), 30, RootOptions(avoid=avoid)).analysis(0)
    assert [move.move for move in analysis.moves] == [25]

    deciding = Position.from_stones(stones_from_diagram(CAPTURE), BLACK, 0.5, "cgos")
    only_pass = searched(deciding, 2, evaluator=OnlyPass()).analysis(0)
    assert [move.visits for move in only_pass.moves] == [1, 0]
    assert only_pass.moves[0].move == 25


class OnlyPass(UniformEvaluator):
    """Would pass, nearly always."""

    def evaluate(self, leaves: Leaves) -> Evaluation:
        found = super().evaluate(leaves)
        found.policy[:, :-1], found.policy[:, -1] = 1e-6, 1.0
        return found


@pytest.mark.parametrize("avoid", [Avoid(0, 3), Avoid(BLACK, 26), Avoid(WHITE, -1)])
def test_a_move_to_avoid_that_does_not_exist_is_refused(avoid: Avoid) -> None:
    with pytest.raises(ValueError, match="avoid must name"):
        search_of().begin(0, after(), RootOptions(avoid=(avoid,)))


# Slots


def test_a_search_does_not_depend_on_those_beside_it() -> None:
    """Where each has a batch's leaf at a time; else a turn has as many leaves as there is room for."""
    openings = ("", "C3", "C3 D4", "A1 B2")
    together = search_of(slots=4, batch_rows=4)
    for slot, opening in enumerate(openings):
        together.begin(slot, after(opening), ONE)
        together.limit(slot, 100)
    run(together)
    for slot, opening in enumerate(openings):
        assert_same(together.analysis(slot), searched(after(opening), 100, ONE, batch_rows=1).analysis(0))


def test_a_paused_slot_rests_and_goes_on() -> None:
    search = search_of(slots=2, batch_rows=8)
    for slot in (0, 1):
        search.begin(slot, after())
        search.limit(slot, 50)
    search.pause(0)
    run(search)
    assert (search.visits(0), search.visits(1)) == (0, 50)
    assert not search.is_done(0)

    search.limit(1, 200)
    search.resume(0)
    for _ in range(6):
        search.step()
    search.pause(1)
    before = search.visits(1)
    run(search)
    assert (search.visits(0), search.visits(1)) == (50, before)
    assert 50 < before < 200


def test_positions_come_and_go() -> None:
    search = search_of(slots=2, batch_rows=8)
    search.begin(0, after())
    search.limit(0, 1000)
    search.step()
    search.begin(1, after("C3"))
    search.limit(1, 20)
    while not search.is_done(1):
        search.step()
    search.end(1)
    assert search.visits(1) == 0
    with pytest.raises(ValueError, match="slot 1 is empty"):
        search.analysis(1)
    search.begin(1, after("D3"))
    search.limit(1, 30)
    search.end(0)
    run(search)
    assert (search.visits(0), search.visits(1)) == (0, 30)


# Finished games


@pytest.mark.parametrize("ownership", [False, True])
@pytest.mark.parametrize(
    "position",
    [after("C3 pass pass"), Position.from_stones(stones_from_diagram(DECIDED), WHITE, 30.5, "cgos")],
)
def test_a_finished_game_answers_exactly(position: Position, ownership: bool) -> None:
    search = search_of()
    search.begin(0, position)
    assert search.visits(0) == 1
    search.limit(0, 100)
    assert search.step() == 0
    analysis = search.analysis(0, ownership=ownership)
    score = position.score_for_black() * position.to_play

    assert search.is_done(0)
    assert analysis.is_over
    assert (analysis.visits, analysis.score_lead, analysis.value) == (1, score, np.sign(score))
    assert [move.move for move in analysis.moves] == [25]
    if ownership:
        np.testing.assert_array_equal(analysis.ownership, final_area(position.board) * position.to_play)
    else:
        assert analysis.ownership is None


def test_a_game_that_ends_and_is_taken_back_is_searched_again() -> None:
    search = searched(after("C3 pass"), 100)
    assert search.follow(0, after("C3 pass pass")) == 0
    search.limit(0, 10)
    run(search)
    assert search.analysis(0).is_over
    search.follow(0, after("C3 pass"))
    search.limit(0, 10)
    run(search)
    assert search.visits(0) == 10


# Memory, errors


def test_a_tree_that_may_not_grow_ends_its_search() -> None:
    search = searched(after(), 100_000, growth_bytes=1_000_000, batch_rows=32)

    assert search.is_done(0)
    assert 4_000 < search.visits(0) < 100_000


def test_an_evaluator_without_ownership_says_nobody_owns_anything() -> None:
    search = searched(after("C3"), 50, evaluator=AreaEvaluator())
    found = search.analysis(0, ownership=True).ownership

    assert found is not None
    assert not found.any()


def test_searches_begin_anew_when_the_evaluator_fails() -> None:
    class Breaking(HashEvaluator):
        breaks = False

        def evaluate(self, leaves: Leaves) -> Evaluation:
            if self.breaks:
                raise RuntimeError("no network")
            return super().evaluate(leaves)

    evaluator = Breaking(1)
    search = searched(after(), 100, evaluator=evaluator)
    search.limit(0, 200)
    evaluator.breaks = True
    with pytest.raises(RuntimeError, match="no network"):
        search.step()
    evaluator.breaks = False
    run(search)
    assert_same(search.analysis(0), searched(after(), 200).analysis(0))


def test_what_is_not_there_is_refused() -> None:
    search = search_of()
    for refused in (search.analysis, search.is_done, search.pause, search.resume, lambda slot: search.limit(slot, 1)):
        with pytest.raises(ValueError, match="slot 0 is empty"):
            refused(0)
    with pytest.raises(ValueError, match="game must be in"):
        search.begin(1, after())
    with pytest.raises(ValueError, match="must be 5x5"):
        search.begin(0, Position.empty(7, 0.5, "cgos"))
    search.begin(0, after())
    with pytest.raises(ValueError, match="no evaluated root"):
        search.analysis(0)


def test_a_cache_that_does_not_fit_is_refused() -> None:
    for cache in (EvaluationCache(5, 10), EvaluationCache(7, 10, ownership=True)):
        with pytest.raises(ValueError, match="cache must be"):
            search_of(cache=cache)
    search = searched(after(), 20, cache=EvaluationCache(5, 10), ownership=False)
    with pytest.raises(ValueError, match="keep no ownership"):
        search.analysis(0, ownership=True)
