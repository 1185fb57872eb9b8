# SPDX-License-Identifier: Apache-2.0
"""What the search promises: perspective, exact ends, noise, memory, and refusals of wrong arguments."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cc_kernels.board import BLACK, WHITE, Board
from cc_kernels.tree import SearchTrees
from tests.support.batches import Batch
from tests.support.diagrams import board_from_diagram, play, point, vertex
from tests.support.evaluators import View, hash_judge, run_kernel, searched, uniform_judge
from tests.support.positions import KO

LIVING_WITH_DEAD_STONE = """
    O . X . X
    . X X X X
    X X O O O
    O O O . .
    . . . . .
"""

# Perspective and terminal positions


def black_is_ahead(view: View) -> tuple[NDArray[np.float32], float, float]:
    """Says that Black wins with 0.5 and leads by 4 points; komi tells who is to move."""
    policy, _, _ = uniform_judge(view)
    side = -np.sign(view.komi)
    return policy, float(0.5 * side), float(4 * side)


@pytest.mark.parametrize("to_play", [BLACK, WHITE])
@pytest.mark.parametrize("gumbel", [False, True])
def test_value_and_score_are_for_the_player_to_move(to_play: int, gumbel: bool) -> None:
    board = Board(7, 5.0)
    board.to_play = to_play
    result = searched(board, 30, black_is_ahead, gumbel=gumbel)

    assert result.value == pytest.approx(0.5 * to_play)
    assert result.score_lead == pytest.approx(4 * to_play)
    visited = result.visits > 0
    utility = 0.5 + 0.1 * np.tanh(4 / 7)
    np.testing.assert_allclose(result.move_values[visited], utility * to_play, rtol=1e-6)
    assert np.isnan(result.move_values[~visited]).all()


def test_a_gumbel_root_has_the_value_that_its_policy_target_expects() -> None:
    """And not the mean of moves that were visited to be compared."""
    trees = SearchTrees(1, 5, 32, gumbel=True)
    trees.start(0, Board(5), 32)
    run_kernel(trees, hash_judge)
    result, nodes = trees.result(0), trees.nodes(0)
    children = nodes["parent"] == 0
    children[0] = False
    visits, weights = nodes["visits"][children], result.policy_target[nodes["move"][children].astype(int)]
    own = {name: nodes[name][0] + nodes[name][children].sum() for name in ("value_sum", "score_sum")}
    expected = {
        name: (total + 32 * np.average(-nodes[name][children] / visits, weights=weights)) / 33
        for name, total in own.items()
    }

    assert result.value == pytest.approx(expected["value_sum"], abs=1e-6)
    assert result.score_lead == pytest.approx(expected["score_sum"], abs=1e-5)
    assert result.value > nodes["value_sum"][0] / 33 + 0.05


@pytest.mark.parametrize(("komi", "value"), [(24.5, 1.0), (25.0, 0.0), (25.5, -1.0)])
def test_a_second_pass_ends_the_game_with_its_exact_result(komi: float, value: float) -> None:
    board = Board(5, komi)
    play(board, "C3 pass")
    result = searched(board, 200, uniform_judge)

    assert result.move_values[board.pass_move] == pytest.approx(value + 0.1 * np.tanh((25 - komi) / 5))


def test_a_search_visits_every_move_of_a_node_but_decided_points() -> None:
    board = board_from_diagram(LIVING_WITH_DEAD_STONE)
    trees = SearchTrees(1, 5, 300, gumbel=False, c_puct=50.0, fpu_reduction=0.0)
    visited = {}
    for to_play in (BLACK, WHITE):
        board.to_play = to_play
        trees.start(0, board, 300)
        run_kernel(trees, uniform_judge)
        visited[to_play] = {vertex(m, 5) for m in np.flatnonzero(trees.result(0).visits).tolist()}

    open_points = {"D2", "E2", "A1", "B1", "C1", "D1", "E1", "pass"}
    assert visited[BLACK] == open_points | {"A4", "B5"}
    assert visited[WHITE] == open_points


def test_pruning_can_be_turned_off() -> None:
    board = board_from_diagram(LIVING_WITH_DEAD_STONE, to_play=BLACK)
    trees = SearchTrees(1, 5, 300, gumbel=False, c_puct=50.0, fpu_reduction=0.0, prune_pass_alive=False)
    trees.start(0, board, 300)
    run_kernel(trees, uniform_judge)

    assert (trees.result(0).visits > 0).tolist() == board.legal_moves().tolist()


def test_moves_that_superko_forbids_are_never_searched() -> None:
    board = board_from_diagram(KO, to_play=WHITE)
    play(board, "B3")
    trees = SearchTrees(1, 4, 300, gumbel=False, c_puct=50.0, fpu_reduction=0.0)
    trees.start(0, board, 300)
    run_kernel(trees, uniform_judge)

    assert (trees.result(0).visits > 0).tolist() == board.legal_moves().tolist()
    assert trees.result(0).visits[point("C3", 4)] == 0


def test_a_policy_of_zeros_counts_as_uniform() -> None:
    trees = SearchTrees(1, 3, 10, gumbel=False)
    trees.start(0, Board(3), 10)
    run_kernel(trees, lambda view: (np.zeros(len(view.own) + 1, dtype=np.float32), 0.0, 0.0))

    assert trees.nodes(0)["prior"][1] == pytest.approx(0.1)


# Noise


def test_gumbel_noise_decides_between_moves_that_look_alike() -> None:
    trees = SearchTrees(1, 5, 20, gumbel=True)
    for move in (3, 12, 25):
        noise = np.zeros(26)
        noise[move] = 30.0
        trees.start(0, Board(5), 20, noise)
        run_kernel(trees, uniform_judge)
        assert trees.result(0).move == move


def test_dirichlet_noise_takes_its_share_of_the_root_s_priors_only() -> None:
    noise = np.full(10, 1e-12)
    noise[4] = 2.5
    trees = SearchTrees(1, 3, 60, gumbel=False, noise_share=0.25)
    trees.start(0, Board(3), 60, noise)
    run_kernel(trees, uniform_judge)
    nodes = trees.nodes(0)
    below_root, children = nodes["parent"] > 0, nodes["parent"] == 0

    assert nodes["prior"][children & (nodes["move"] == 4)] == pytest.approx(0.75 * 0.1 + 0.25)
    assert nodes["prior"][children & (nodes["move"] != 4)] == pytest.approx(0.75 * 0.1)
    assert (nodes["prior"][below_root] >= 0.1).all()
    assert below_root.any()


# Memory


def test_memory_is_bounded_and_grows_with_games_and_simulations() -> None:
    small = SearchTrees(1, 9, 100).memory_bound
    assert small < 100 * (64 + 6 * 82) + 200_000
    assert SearchTrees(4, 9, 100).memory_bound > 2 * small
    assert SearchTrees(1, 9, 1000).memory_bound > 5 * small


# The life of a search


def test_a_search_is_done_only_when_it_has_its_simulations() -> None:
    trees = SearchTrees(2, 5, 10)
    assert trees.done_games().tolist() == [0, 1]

    trees.start(1, Board(5), 10)
    assert not trees.is_done(1)
    assert trees.done_games().tolist() == [0]

    run_kernel(trees, uniform_judge)
    assert trees.done_games().tolist() == [0, 1]


def test_a_stopped_search_takes_no_more_leaves() -> None:
    trees = SearchTrees(1, 5, 10)
    trees.start(0, Board(5), 10)
    batch = Batch(trees)
    for _ in range(4):
        batch.select()
        batch.back_up_nothing()
    trees.stop(0)

    assert trees.is_done(0)
    assert batch.select() == 0
    assert trees.result(0).simulations == 3


def test_the_board_that_a_search_started_from_may_be_played_on() -> None:
    board = Board(5)
    trees = SearchTrees(1, 5, 30)
    trees.start(0, board, 30)
    play(board, "C3 D4")
    run_kernel(trees, hash_judge)

    assert trees.result(0).visits.tolist() == searched(Board(5), 30, hash_judge, gumbel=True).visits.tolist()


def test_a_gumbel_root_starts_from_an_empty_tree_after_a_move() -> None:
    trees = SearchTrees(1, 5, 30, gumbel=True)
    trees.start(0, Board(5), 30)
    run_kernel(trees, hash_judge)

    assert not trees.advance(0, trees.result(0).move)


# Wrong arguments


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_games": 0},
        {"board_size": 1},
        {"board_size": 20},
        {"max_simulations": 0},
        {"leaves_per_game": 0},
        {"leaves_per_game": 256},
        {"considered_moves": 0},
    ],
)
def test_a_constant_outside_its_range_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        SearchTrees(**({"num_games": 1, "board_size": 5, "max_simulations": 10} | arguments))


@pytest.mark.parametrize(
    ("game", "board_size", "simulations", "message"),
    [
        (2, 5, 5, "game must be in 0..1, got 2"),
        (-1, 5, 5, "game must be in 0..1, got -1"),
        (0, 6, 5, "must be 5x5, got 6"),
        (0, 5, -1, "simulations must be in 0..10, got -1"),
        (0, 5, 11, "simulations must be in 0..10, got 11"),
    ],
)
def test_a_search_that_cannot_start_is_refused(game: int, board_size: int, simulations: int, message: str) -> None:
    trees = SearchTrees(2, 5, 10)

    with pytest.raises(ValueError, match=message):
        trees.start(game, Board(board_size), simulations)
    assert trees.done_games().tolist() == [0, 1]


@pytest.mark.parametrize("gumbel", [False, True])
@pytest.mark.parametrize("noise", [np.zeros(25), np.full(26, np.nan), np.full(26, np.inf)])
def test_noise_must_be_finite_and_there_for_every_move(gumbel: bool, noise: NDArray[np.float64]) -> None:
    trees = SearchTrees(1, 5, 10, gumbel=gumbel)

    with pytest.raises(ValueError, match="noise"):
        trees.start(0, Board(5), 10, noise)


@pytest.mark.parametrize("noise", [np.zeros(26), np.full(26, -1.0)])
def test_gamma_variates_must_be_positive(noise: NDArray[np.float64]) -> None:
    trees = SearchTrees(1, 5, 10, gumbel=False)

    with pytest.raises(ValueError, match="noise"):
        trees.start(0, Board(5), 10, noise)


def test_a_tree_that_is_not_there_is_not_used() -> None:
    trees = SearchTrees(1, 5, 10, gumbel=False)

    with pytest.raises(ValueError, match="no evaluated root"):
        trees.result(0)
    with pytest.raises(ValueError, match="has no tree"):
        trees.advance(0, 3)
    with pytest.raises(ValueError, match="has no tree"):
        trees.extend(0, 3)


@pytest.mark.parametrize("name", ["policy", "value", "score"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_evaluation_that_is_not_finite_is_refused_and_can_be_given_again(name: str, wrong: float) -> None:
    trees = SearchTrees(1, 5, 10)
    trees.start(0, Board(5), 10)
    batch = Batch(trees)
    batch.select()
    array = getattr(batch, name)
    array[:], right = wrong, array.copy()

    with pytest.raises(ValueError, match="finite"):
        batch.back_up_nothing()
    array[:] = right
    batch.back_up_nothing()
    assert trees.result(0).simulations == 0


def test_leaves_must_be_evaluated_before_anything_else_happens() -> None:
    trees = SearchTrees(1, 5, 10, gumbel=False)
    trees.start(0, Board(5), 10)
    batch = Batch(trees)
    batch.select()

    with pytest.raises(ValueError, match="call backup first"):
        batch.select()
    for forbidden in (lambda: trees.start(0, Board(5), 10), lambda: trees.advance(0, 3)):
        with pytest.raises(ValueError, match="wait"):
            forbidden()


@pytest.mark.parametrize("move", [-1, 26, 12])
def test_advancing_by_an_impossible_move_is_refused(move: int) -> None:
    board = Board(5)
    play(board, "C3")
    trees = SearchTrees(1, 5, 10, gumbel=False)
    trees.start(0, board, 10)
    run_kernel(trees, uniform_judge)
    before = trees.nodes(0)["visits"].tolist()

    with pytest.raises(ValueError, match=str(move)):
        trees.advance(0, move)
    assert trees.nodes(0)["visits"].tolist() == before
