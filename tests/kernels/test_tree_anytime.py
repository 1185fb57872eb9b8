# SPDX-License-Identifier: Apache-2.0
"""Searches without end: moves left out, evaluations from outside, small turns, and trees that grow.

As in `test_tree_reference`, the kernel's trees must equal the slow reference's, node for node.
"""

from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cc_kernels.board import BLACK, WHITE, Board
from cc_kernels.features import NUM_PLANES, NUM_SCALARS
from cc_kernels.tree import SearchTrees
from minigo.inference.evaluator import HashEvaluator, Leaves
from tests.kernels.test_tree_reference import (
    MAX_SIMULATIONS,
    SIZES,
    assert_same_result,
    assert_same_tree,
    random_cases,
    random_settings,
)
from tests.support.diagrams import board_from_diagram, play, point
from tests.support.evaluators import hash_judge, run_kernel, uniform_judge
from tests.support.reference_tree import Estimate
from tests.support.scale import seeds

ALMOST_DECIDED = """
    . X . X .
    X X X X X
    O O O O O
    . O . O .
    O O O O O
"""


def run_turns(trees: SearchTrees, evaluator: HashEvaluator, **bounds: int) -> list[int]:
    """Drives game 0 to its end with bounds on its turns; returns how many rows each batch had."""
    size, rows = trees.board_size, trees.batch_size
    planes = np.zeros((rows, size, size, NUM_PLANES), np.uint8)
    scalars = np.zeros((rows, NUM_SCALARS), np.float32)
    keys, games, counts = np.zeros(rows, np.uint64), np.zeros(rows, np.int32), []
    while not trees.is_done(0):
        counts.append(trees.select(planes, scalars, keys, games, None, 0, **bounds))
        found = evaluator.evaluate(Leaves(planes, scalars, keys, counts[-1]))
        trees.backup(found.policy, found.value, found.score_lead, found.ownership if trees.ownership else None)
    return counts


# Moves that are left out


@pytest.mark.parametrize("seed", seeds())
def test_trees_that_leave_moves_out_equal_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(20):
        size, settings = int(rng.choice(SIZES)), random_settings(rng, gumbel=bool(rng.integers(2)))
        trees = SearchTrees(1, size, MAX_SIMULATIONS, **asdict(settings))
        case = random_cases(rng, size, settings, hash_judge, 1)[0]
        depths = (rng.integers(0, 5, (2, size**2 + 1)) * (rng.random((2, size**2 + 1)) < rng.random())).astype(np.int16)
        case.reference.avoid = {
            (color, move): int(depths[row, move])
            for row, color in enumerate((BLACK, WHITE))
            for move in range(size**2 + 1)
        }
        trees.start(0, case.board, case.simulations, case.noise, avoid=depths)
        run_kernel(trees, hash_judge)
        case.reference.run()

        assert_same_tree(trees, 0, case.reference)
        assert_same_result(trees, 0, case.reference)


def avoiding(moves: str, color: int, until_depth: int, size: int = 5) -> NDArray[np.int16]:
    """Depths for the kernel."""
    depths = np.zeros((2, size**2 + 1), np.int16)
    for name in moves.split():
        depths[0 if color == BLACK else 1, point(name, size) if name != "pass" else size**2] = until_depth
    return depths


@pytest.mark.parametrize(("until_depth", "later"), [(1, True), (2, True), (3, False)])
def test_a_move_is_left_out_until_its_depth(until_depth: int, later: bool) -> None:
    trees = SearchTrees(1, 5, 600, gumbel=False, c_puct=50.0, fpu_reduction=0.0)
    trees.start(0, Board(5), 600, avoid=avoiding("C3", BLACK, until_depth))
    run_kernel(trees, uniform_judge)
    nodes = trees.nodes(0)
    parents = nodes["parent"].astype(int)
    depth = np.zeros(len(parents), int)
    for node in range(1, len(parents)):
        depth[node] = depth[parents[node]] + 1
    at_c3 = set(depth[nodes["move"] == point("C3", 5)].tolist())

    assert 1 not in at_c3  # Black's, at the root
    assert 2 in at_c3  # White's
    assert (3 in at_c3 or trees.root_visits(0) < 700) or not later
    assert later or 3 not in at_c3


def test_the_pass_remains_where_every_move_is_to_be_left_out() -> None:
    depths = np.full((2, 26), 1, np.int16)
    trees = SearchTrees(1, 5, 20, gumbel=False)
    trees.start(0, Board(5), 20, avoid=depths)
    run_kernel(trees, hash_judge)

    assert np.flatnonzero(trees.result(0).visits).tolist() == [25]


def test_nothing_is_kept_of_a_tree_that_left_moves_out() -> None:
    trees = SearchTrees(1, 5, 50, gumbel=False)
    trees.start(0, Board(5), 50, avoid=avoiding("A1", WHITE, 9))
    run_kernel(trees, hash_judge)
    move = trees.result(0).move

    assert not trees.advance(0, move)
    trees.extend(0, 50)
    run_kernel(trees, hash_judge)
    board = Board(5)
    board.play(move)
    fresh = SearchTrees(1, 5, 50, gumbel=False)
    fresh.start(0, board, 50)
    run_kernel(fresh, hash_judge)
    np.testing.assert_array_equal(trees.result(0).visits, fresh.result(0).visits)


@pytest.mark.parametrize("shape", [(2, 25), (1, 26), (3, 26)])
def test_moves_to_leave_out_must_have_the_right_shape(shape: tuple[int, int]) -> None:
    trees = SearchTrees(1, 5, 20)

    with pytest.raises(ValueError, match="avoid must be"):
        trees.start(0, Board(5), 20, avoid=np.zeros(shape, np.int16))


# Evaluations from outside


@pytest.mark.parametrize("seed", seeds())
def test_roots_that_are_evaluated_from_outside_equal_the_reference(seed: int) -> None:
    """Before the search, in its middle, and after a move."""
    rng = np.random.default_rng(seed)
    for _ in range(20):
        size, settings = int(rng.choice(SIZES)), random_settings(rng, gumbel=False)
        trees = SearchTrees(1, size, 2 * MAX_SIMULATIONS, **asdict(settings))
        case = random_cases(rng, size, settings, hash_judge, 1)[0]
        reference = case.reference
        reference.noise = None
        trees.start(0, case.board, reference.simulations)
        for _ in range(3):
            if rng.random() < 0.7:
                prime_both(rng, trees, reference)
            run_kernel(trees, hash_judge)
            reference.run()
            assert_same_tree(trees, 0, reference)
            if rng.random() < 0.5:
                move = reference.best_move()
                trees.advance(0, move)
                reference.advance(move)
                if reference.final_result(reference.root.board) is not None:
                    break
            reference.simulations = int(rng.integers(1, 2 * MAX_SIMULATIONS))
            trees.extend(0, reference.simulations)


def prime_both(rng: np.random.Generator, trees: SearchTrees, reference: object) -> None:
    policy = rng.random(trees.board_size**2 + 1).astype(np.float32) ** 3
    value, score = float(np.float32(rng.uniform(-1, 1))), float(np.float32(rng.normal(0, 5)))
    assert trees.prime(0, policy, value, score)
    reference.prime(Estimate(dict(enumerate(policy.astype(np.float64).tolist())), value, score))  # type: ignore[attr-defined]


def test_a_root_may_have_its_evaluation_and_nothing_else() -> None:
    trees = SearchTrees(1, 5, 50, gumbel=False)
    trees.start(0, Board(5), 0)
    assert not trees.is_done(0)
    assert trees.prime(0, np.full(26, 1 / 26, np.float32), 0.25, 3.0)

    assert trees.is_done(0)
    assert trees.root_visits(0) == 1
    assert trees.result(0).value == 0.25
    assert trees.result(0).visits.sum() == 0


def test_a_finished_game_takes_no_evaluation_from_outside() -> None:
    board = Board(5)
    play(board, "C3 pass pass")
    trees = SearchTrees(1, 5, 50, gumbel=False)
    trees.start(0, board, 10)

    assert not trees.prime(0, np.full(26, 1 / 26, np.float32), -0.25, -3.0)
    assert trees.is_done(0)
    assert trees.nodes(0)["value_sum"].tolist() == [-1.0]  # White is to play, and Black has won


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(25, np.float32), 0.0, 0.0), "policy must have 26"),
        ((np.full(26, np.nan, np.float32), 0.0, 0.0), "finite"),
        ((np.zeros(26, np.float32), np.nan, 0.0), "finite"),
        ((np.zeros(26, np.float32), 0.0, np.inf), "finite"),
        ((np.zeros(26, np.float32), 0.0, 0.0, np.zeros((5, 4), np.float32)), "ownership must be"),
        ((np.zeros(26, np.float32), 0.0, 0.0, np.full((5, 5), np.nan, np.float32)), "ownership must be finite"),
    ],
)
def test_a_wrong_evaluation_from_outside_is_refused(arguments: tuple[object, ...], message: str) -> None:
    trees = SearchTrees(1, 5, 50, gumbel=False, ownership=True)
    trees.start(0, Board(5), 10)

    with pytest.raises(ValueError, match=message):
        trees.prime(0, *arguments)  # type: ignore[arg-type]
    assert trees.root_visits(0) == 0


def test_a_tree_that_is_not_there_is_not_primed() -> None:
    with pytest.raises(ValueError, match="has no tree"):
        SearchTrees(1, 5, 50).prime(0, np.zeros(26, np.float32), 0.0, 0.0)


# Turns


@pytest.mark.parametrize("seed", seeds())
def test_trees_of_bounded_turns_equal_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(20):
        size = int(rng.choice(SIZES))
        settings = replace(random_settings(rng, gumbel=False), leaves_per_game=8)
        trees = SearchTrees(1, size, MAX_SIMULATIONS, **asdict(settings))
        case = random_cases(rng, size, settings, hash_judge, 1)[0]
        bounds = {"visits_per_leaf": int(rng.integers(0, 9)), "walks": int(rng.choice([0, 1, 5, 20]))}
        case.reference.visits_per_leaf, case.reference.walks = bounds["visits_per_leaf"], bounds["walks"]
        trees.start(0, case.board, case.simulations, case.noise)
        run_kernel(trees, hash_judge, **bounds)
        case.reference.run()

        assert_same_tree(trees, 0, case.reference)


def test_a_small_tree_has_few_leaves_in_a_batch() -> None:
    trees = SearchTrees(1, 9, 300, leaves_per_game=16, gumbel=False)
    trees.start(0, Board(9), 300)
    counts = run_turns(trees, HashEvaluator(), visits_per_leaf=8)

    visits = np.cumsum(counts)
    assert counts[:8] == [1] * 8
    assert all(count <= 1 + before // 8 for count, before in zip(counts[1:], visits, strict=False))
    assert max(counts) == 16


def test_a_call_may_allow_fewer_leaves_and_rows() -> None:
    trees = SearchTrees(1, 9, 300, leaves_per_game=16, gumbel=False, batch_rows=32)
    trees.start(0, Board(9), 300)

    assert max(run_turns(trees, HashEvaluator(), leaves=5)) == 5
    trees.start(0, Board(9), 300)
    assert max(run_turns(trees, HashEvaluator(), leaves=7, rows=7)) == 7


def test_a_bound_on_walks_ends_a_call_that_needs_no_evaluation() -> None:
    """After the first pass, every line ends soon."""
    board = board_from_diagram(ALMOST_DECIDED)
    board.play(board.pass_move)
    trees = SearchTrees(1, 5, 100_000, gumbel=False)
    trees.start(0, board, 100_000)
    evaluator, visits = HashEvaluator(), 0
    size, rows = 5, 1
    arrays = (
        np.zeros((rows, size, size, NUM_PLANES), np.uint8),
        np.zeros((rows, NUM_SCALARS), np.float32),
        np.zeros(rows, np.uint64),
        np.zeros(rows, np.int32),
    )
    for _ in range(50):
        count = trees.select(*arrays, walks=100)
        assert trees.root_visits(0) - visits <= 102
        visits = trees.root_visits(0)
        found = evaluator.evaluate(Leaves(*arrays[:3], count))
        trees.backup(found.policy, found.value, found.score_lead)


@pytest.mark.parametrize("bounds", [{"rows": 33}, {"rows": -1}, {"leaves": 17}, {"visits_per_leaf": -1}, {"walks": -1}])
def test_bounds_out_of_range_are_refused(bounds: dict[str, int]) -> None:
    trees = SearchTrees(1, 5, 300, leaves_per_game=16, gumbel=False, batch_rows=32)
    trees.start(0, Board(5), 300)

    with pytest.raises(ValueError, match=r"rows must be in 0\.\.32, leaves in 0\.\.16"):
        run_turns(trees, HashEvaluator(), **bounds)


def test_a_game_moves_between_groups_with_its_tree() -> None:
    trees = SearchTrees(1, 5, 60, gumbel=False)
    trees.start(0, Board(5), 20)
    run_kernel(trees, hash_judge)
    trees.regroup(0, 1)
    trees.extend(0, 60)
    planes, scalars = np.zeros((1, 5, 5, NUM_PLANES), np.uint8), np.zeros((1, NUM_SCALARS), np.float32)
    assert trees.select(planes, scalars, np.zeros(1, np.uint64), np.zeros(1, np.int32), group=0) == 0
    trees.regroup(0, 0)
    run_kernel(trees, hash_judge)

    whole = SearchTrees(1, 5, 60, gumbel=False)
    whole.start(0, Board(5), 60)
    run_kernel(whole, hash_judge)
    np.testing.assert_array_equal(trees.nodes(0)["visits"], whole.nodes(0)["visits"])
    with pytest.raises(ValueError, match="group"):
        trees.regroup(0, 2)


# Memory


def same_nodes(left: SearchTrees, right: SearchTrees) -> None:
    for (name, mine), theirs in zip(left.nodes(0).items(), right.nodes(0).values(), strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=name)


@pytest.mark.parametrize("first_nodes", [1, 3, 100])
@pytest.mark.parametrize("gumbel", [False, True])
def test_a_tree_that_grows_equals_one_that_need_not(first_nodes: int, gumbel: bool) -> None:
    for leaves in (1, 8):
        plain = SearchTrees(1, 5, 1000, leaves, gumbel, ownership=True)
        growing = SearchTrees(1, 5, 1000, leaves, gumbel, ownership=True, first_nodes=first_nodes)
        for trees in (plain, growing):
            trees.start(0, Board(5), 700)
            run_turns(trees, HashEvaluator())
            trees.advance(0, trees.result(0).move)
            trees.extend(0, 1000)
            run_turns(trees, HashEvaluator())
        same_nodes(plain, growing)


def test_a_long_limit_takes_memory_only_when_it_is_used() -> None:
    trees = [SearchTrees(64, 19, 5_000_000, gumbel=False, ownership=True) for _ in range(4)]
    trees[0].start(0, Board(19), 5_000_000)

    assert not trees[0].is_done(0)


def grown(trees: SearchTrees, game: int, simulations: int, advance: Callable[[], object] = lambda: None) -> int:
    advance()
    trees.start(game, Board(5), simulations)
    run_kernel(trees, hash_judge)
    return trees.root_visits(game)


def test_a_tree_that_may_not_grow_is_full_and_its_search_done() -> None:
    trees = SearchTrees(2, 5, 5000, gumbel=False, first_nodes=64, growth_bytes=500 * (64 + 6 * 26))
    visits = grown(trees, 0, 5000)

    assert trees.is_full(0)
    assert 300 < visits < 5001
    assert trees.result(0).simulations == visits - 1
    assert grown(trees, 1, 5000) < visits  # what the first has taken is taken
    assert grown(trees, 1, 5000, lambda: trees.clear(0)) == visits  # and given back


def test_a_full_tree_has_room_again_after_a_move() -> None:
    trees = SearchTrees(1, 5, 5000, gumbel=False, first_nodes=64, growth_bytes=500 * (64 + 6 * 26))
    grown(trees, 0, 5000)
    trees.advance(0, trees.result(0).move)
    kept = trees.root_visits(0)
    assert not trees.is_full(0)
    trees.extend(0, 5000)
    run_kernel(trees, hash_judge)

    assert trees.root_visits(0) > kept + 50


def test_a_tree_that_was_cleared_is_not_there() -> None:
    trees = SearchTrees(1, 5, 50, gumbel=False)
    assert grown(trees, 0, 50) == 51
    trees.clear(0)

    assert trees.root_visits(0) == 0
    assert trees.is_done(0)
    with pytest.raises(ValueError, match="has no tree"):
        trees.extend(0, 3)
    assert grown(trees, 0, 50) == 51


@pytest.mark.parametrize("arguments", [{"first_nodes": 0}, {"growth_bytes": -1}])
def test_memory_out_of_range_is_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="first_nodes must be 1 or more and growth_bytes 0 or more"):
        SearchTrees(1, 5, 10, **arguments)  # type: ignore[arg-type]


def test_the_bound_on_memory_knows_ownership_and_growth() -> None:
    plain = SearchTrees(1, 9, 1_000_000, gumbel=False).memory_bound
    assert SearchTrees(1, 9, 1_000_000, gumbel=False, ownership=True).memory_bound == plain + 81 * 1_000_001
    bounded = SearchTrees(1, 9, 1_000_000, gumbel=False, growth_bytes=1 << 20).memory_bound
    assert bounded < (1 << 20) + 4096 * (64 + 6 * 82) + 200_000
