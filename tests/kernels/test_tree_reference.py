# SPDX-License-Identifier: Apache-2.0
"""The kernel's trees equal the slow reference's, node for node: moves, visits, sums and priors."""

from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from cc_kernels.board import Board
from cc_kernels.tree import SearchTrees
from tests.support.diagrams import vertex
from tests.support.evaluators import Judge, estimator, hash_judge, run_kernel, uniform_judge
from tests.support.random_positions import fills_eye
from tests.support.reference_board import ReferenceBoard
from tests.support.reference_tree import Node, ReferenceSearch, Settings
from tests.support.scale import seeds

MAX_SIMULATIONS = 80
GAMES_PER_BATCH = 4
SIZES = (2, 3, 4, 5, 5, 6, 7, 7, 9)

Sums = tuple[float, ...]
"""Of a node: visits, utility sum, value sum, score sum, prior."""


class Case(NamedTuple):
    """One search of both trees."""

    board: Board
    reference: ReferenceSearch
    simulations: int
    noise: NDArray[np.float64] | None


def kernel_nodes(trees: SearchTrees, game: int) -> dict[tuple[int, ...], Sums]:
    """Every node of a game's tree, by the moves that lead to it."""
    nodes = trees.nodes(game)
    columns = [nodes[name] for name in ("visits", "utility_sum", "value_sum", "score_sum", "prior")]
    paths: list[tuple[int, ...]] = []
    for parent, move in zip(nodes["parent"].astype(int), nodes["move"].astype(int), strict=True):
        paths.append(() if parent < 0 else (*paths[parent], int(move)))
    return {path: tuple(float(column[i]) for column in columns) for i, path in enumerate(paths)}


def reference_nodes(node: Node, prior: float, path: tuple[int, ...] = ()) -> dict[tuple[int, ...], Sums]:
    """The same of the reference's tree, whose root has the prior given."""
    sums: Sums = (float(node.visits), node.utility_sum, node.value_sum, node.score_sum, prior)
    nodes = {path: sums}
    for move, child in node.children.items():
        nodes |= reference_nodes(child, node.edges[move], (*path, move))
    return nodes


def assert_same_tree(trees: SearchTrees, game: int, search: ReferenceSearch) -> None:
    """Fails at the first node that one tree lacks or that differs."""
    mine = kernel_nodes(trees, game)
    theirs = reference_nodes(search.root, prior=mine[()][-1])
    size = trees.board_size
    for path in sorted(mine.keys() | theirs.keys(), key=len):
        names = [vertex(move, size) for move in path]
        assert path in mine, f"the kernel lacks {names}"
        assert path in theirs, f"the reference lacks {names}"
        np.testing.assert_allclose(mine[path], theirs[path], rtol=1e-10, atol=1e-10, err_msg=str(names))


def assert_same_result(trees: SearchTrees, game: int, search: ReferenceSearch) -> None:
    """Fails unless move, visits, policy target and values are what the reference's tree says."""
    result, root, num_moves = trees.result(game), search.root, trees.board_size**2 + 1
    target = search.policy_target()
    visits = {move: child.visits for move, child in root.children.items()}
    q = {move: -child.utility_sum / child.visits for move, child in root.children.items()}
    assert result.move == search.best_move()
    assert result.visits.tolist() == [visits.get(move, 0) for move in range(num_moves)]
    np.testing.assert_allclose(result.policy_target, [target.get(m, 0.0) for m in range(num_moves)], atol=1e-6)
    np.testing.assert_allclose(result.move_values, [q.get(m, np.nan) for m in range(num_moves)], atol=1e-6)
    assert (result.value, result.score_lead) == pytest.approx(search.value_and_score(), abs=1e-6)
    assert result.simulations == root.visits - 1


def random_settings(rng: np.random.Generator, gumbel: bool) -> Settings:
    """Constants drawn at random; half of the searches evaluate one leaf at a time."""
    return Settings(
        leaves_per_game=int(rng.choice([1, 1, 1, 2, 4, 8])),
        gumbel=gumbel,
        considered_moves=int(rng.choice([1, 2, 3, 4, 8, 16])),
        c_visit=float(rng.choice([50.0, 5.0])),
        c_scale=float(rng.uniform(0.05, 1.0)),
        c_puct=float(rng.uniform(0.3, 3.0)),
        fpu_reduction=float(rng.uniform(0.0, 0.5)),
        score_weight=float(rng.uniform(0.0, 0.5)),
        noise_share=float(rng.uniform(0.1, 0.9)),
        prune_pass_alive=bool(rng.integers(2)),
    )


def random_game(
    rng: np.random.Generator, size: int, komi: float, settings: Settings, judge: Judge
) -> tuple[Board, ReferenceSearch]:
    """A game in progress, on both boards, that is not over."""
    ko_rule, suicide = int(rng.integers(3)), bool(rng.integers(2))
    board, reference = Board(size, komi, ko_rule, suicide), ReferenceBoard(size, ko_rule, suicide)
    found = None
    for _ in range(int(rng.integers(1, 2 * size**2))):
        search = ReferenceSearch(reference.copy(), komi, 1, settings, estimator(judge, komi))
        if search.final_result(reference) is None:
            found = board.copy(), search
        color = reference.to_play
        moves = [m for m in reference.legal_moves(color)[:-1] if not fills_eye(reference, m, color)]
        move = reference.pass_move if not moves or rng.random() < 0.04 else int(rng.choice(moves))
        board.play(move)
        reference.play(move, color)
    assert found is not None
    return found


def random_noise(rng: np.random.Generator, num_moves: int, gumbel: bool) -> NDArray[np.float64] | None:
    """Noise for the root of most searches."""
    if rng.random() < 0.3:
        return None
    return rng.gumbel(size=num_moves) if gumbel else rng.gamma(0.3, size=num_moves) + 1e-9


def random_cases(rng: np.random.Generator, size: int, settings: Settings, judge: Judge, num_games: int) -> list[Case]:
    """Searches to make together, each of its own position and length."""
    cases = []
    for _ in range(num_games):
        board, search = random_game(rng, size, float(rng.integers(-5, 16)) / 2, settings, judge)
        noise = random_noise(rng, size**2 + 1, settings.gumbel)
        search.simulations = int(rng.integers(1, MAX_SIMULATIONS + 1))
        search.noise = None if noise is None else noise.tolist()
        cases.append(Case(board, search, search.simulations, noise))
    return cases


def search_both(trees: SearchTrees, cases: list[Case], judge: Judge) -> None:
    """Makes the searches in the kernel, all together, and in the reference, one by one; compares them."""
    for game, case in enumerate(cases):
        trees.start(game, case.board, case.simulations, case.noise)
    run_kernel(trees, judge)
    for game, case in enumerate(cases):
        case.reference.run()
        assert_same_tree(trees, game, case.reference)
        assert_same_result(trees, game, case.reference)


@pytest.mark.parametrize("gumbel", [False, True], ids=["puct", "gumbel"])
@pytest.mark.parametrize("judge", [hash_judge, uniform_judge])
@pytest.mark.parametrize("seed", seeds())
def test_trees_equal_the_reference_node_for_node(gumbel: bool, judge: Judge, seed: int) -> None:
    rng = np.random.default_rng((seed, gumbel, judge is hash_judge))
    for _ in range(28 if judge is hash_judge else 8):
        size, settings = int(rng.choice(SIZES)), random_settings(rng, gumbel)
        trees = SearchTrees(GAMES_PER_BATCH, size, MAX_SIMULATIONS, **asdict(settings))
        search_both(trees, random_cases(rng, size, settings, judge, GAMES_PER_BATCH), judge)


@pytest.mark.parametrize("gumbel", [False, True], ids=["puct", "gumbel"])
@pytest.mark.parametrize("size", [13, 19])
def test_trees_on_large_boards_equal_the_reference(gumbel: bool, size: int) -> None:
    rng = np.random.default_rng((size, gumbel))
    settings = random_settings(rng, gumbel)
    trees = SearchTrees(2, size, MAX_SIMULATIONS, **asdict(settings))
    search_both(trees, random_cases(rng, size, settings, hash_judge, 2), hash_judge)


@pytest.mark.parametrize("seed", seeds())
def test_a_tree_that_is_kept_between_moves_equals_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kept = 0
    for _ in range(15):
        size, settings = int(rng.choice(SIZES)), random_settings(rng, gumbel=False)
        trees = SearchTrees(1, size, MAX_SIMULATIONS, **asdict(settings))
        cases = random_cases(rng, size, settings, hash_judge, 1)
        search_both(trees, cases, hash_judge)
        kept += play_on(rng, trees, cases[0].reference)

    assert kept > 20


def play_on(rng: np.random.Generator, trees: SearchTrees, search: ReferenceSearch) -> int:
    """Plays moves at both roots and searches on from what is left; returns how often something was."""
    kept = 0
    for _ in range(4):
        searched = rng.random() < 0.8
        move = search.best_move() if searched else int(rng.choice([*search.root.edges]))
        visited = move in search.root.children
        assert trees.advance(0, move) == visited
        kept += visited
        search.advance(move)
        if search.final_result(search.root.board) is not None:
            break
        noise = random_noise(rng, trees.board_size**2 + 1, gumbel=False)
        search.noise = None if noise is None else noise.tolist()
        search.simulations = int(rng.integers(1, MAX_SIMULATIONS + 1))
        trees.extend(0, search.simulations, noise)
        run_kernel(trees, hash_judge)
        search.run()
        assert_same_tree(trees, 0, search)
    return kept
