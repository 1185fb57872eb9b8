# SPDX-License-Identifier: Apache-2.0
"""What is read out of trees equals a slow computation from the evaluations of their nodes."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from cc_kernels.board import Board
from cc_kernels.cache import EvaluationCache
from cc_kernels.features import NUM_PLANES, NUM_SCALARS, position_key, position_symmetry, symmetry_images
from cc_kernels.playouts import random_game
from cc_kernels.readout import ownership, report
from cc_kernels.scoring import final_area, final_score_for_black, is_over
from cc_kernels.tree import SearchTrees
from minigo.inference.evaluator import HashEvaluator, Leaves

EVALUATOR = HashEvaluator(3)
SCORE_WEIGHT = 0.3


class Counted(NamedTuple):
    """An evaluation that counts in the means of all nodes on its path, for the player to move at the root."""

    path: tuple[int, ...]
    times: int
    value: float
    utility: float
    ownership: NDArray[np.float64]


def searched(board: Board, simulations: int, cache: EvaluationCache | None = None, leaves: int = 1) -> SearchTrees:
    """A tree with ownership; the evaluator's numbers depend on nothing but the position."""
    size = board.board_size
    trees = SearchTrees(
        1, size, 5000, leaves, gumbel=False, score_weight=SCORE_WEIGHT, ownership=True, first_nodes=50, c_puct=3.0
    )
    trees.start(0, board, simulations)
    run(trees, cache)
    return trees


def run(trees: SearchTrees, cache: EvaluationCache | None = None) -> None:
    rows, size = trees.batch_size, trees.board_size
    planes, scalars = np.zeros((rows, size, size, NUM_PLANES), np.uint8), np.zeros((rows, NUM_SCALARS), np.float32)
    keys, games = np.zeros(rows, np.uint64), np.zeros(rows, np.int32)
    while count := trees.select(planes, scalars, keys, games, cache):
        found = EVALUATOR.evaluate(Leaves(planes, scalars, keys, count))
        trees.backup(found.policy, found.value, found.score_lead, found.ownership)


def opening(size: int, seed: int, length: int) -> Board:
    board = Board(size, 0.5)
    for move in random_game(board.copy(), seed, length).tolist():
        board.play(move)
    return board


def evaluation_of(board: Board) -> tuple[float, float, NDArray[np.float64]]:
    """Value, score and ownership, in 127ths as the tree keeps them, for the player to move."""
    size = board.board_size
    if is_over(board):
        score = final_score_for_black(board) * board.to_play
        return float(np.sign(score)), score, final_area(board).astype(np.float64) * board.to_play
    planes = np.zeros((1, size, size, NUM_PLANES), np.uint8)
    key = np.array([position_key(board)], np.uint64)
    found = EVALUATOR.evaluate(Leaves(planes, np.zeros((1, NUM_SCALARS), np.float32), key, 1))
    assert found.ownership is not None
    owners = found.ownership[0].ravel()[symmetry_images(size)[position_symmetry(board)]].reshape(size, size)
    rounded = np.trunc(127 * owners + np.where(owners > 0, 0.5, -0.5)) / 127
    return float(found.value[0]), float(found.score_lead[0]), rounded.astype(np.float64)


def counted(trees: SearchTrees, root: Board) -> list[Counted]:
    """What each node contributes, from its position alone."""
    nodes = trees.nodes(0)
    paths: list[tuple[int, ...]] = []
    found = []
    for parent, move, visits in zip(*(nodes[name].astype(int) for name in ("parent", "move", "visits")), strict=True):
        path = () if parent < 0 else (*paths[parent], int(move))
        paths.append(path)
        board = root.copy()
        for step in path:
            board.play(step)
        value, score, owners = evaluation_of(board)
        side = board.to_play * root.to_play
        utility = value + SCORE_WEIGHT * np.tanh(score / board.board_size)
        found.append(Counted(path, visits if is_over(board) else 1, side * value, side * utility, side * owners))
    return found


def mean_ownership(parts: list[Counted]) -> NDArray[np.float64]:
    return np.average([part.ownership for part in parts], axis=0, weights=[part.times for part in parts])


CASES = [(4, 1, 20, 1), (5, 2, 30, 4), (5, 3, 0, 1), (7, 4, 25, 8), (3, 5, 6, 1)]


@pytest.mark.parametrize(("size", "seed", "length", "leaves"), CASES)
def test_ownership_is_the_mean_over_all_evaluations(size: int, seed: int, length: int, leaves: int) -> None:
    board = opening(size, seed, length)
    trees = searched(board, 300, leaves=leaves)
    parts = counted(trees, board)
    whole, by_move = ownership(trees, 0, by_move=True)

    np.testing.assert_allclose(whole, mean_ownership(parts), atol=1e-6)
    np.testing.assert_allclose(ownership(trees, 0)[0], whole, atol=1e-6)
    for move, owners in zip(report(trees, 0).moves.moves.tolist(), by_move, strict=True):
        np.testing.assert_allclose(owners, mean_ownership([p for p in parts if p.path[:1] == (move,)]), atol=1e-6)
    assert any(part.times > 1 for part in parts) or size > 4  # finished games count for each visit


@pytest.mark.parametrize(("size", "seed", "length", "leaves"), CASES)
def test_means_and_deviations_are_those_of_the_evaluations(size: int, seed: int, length: int, leaves: int) -> None:
    board = opening(size, seed, length)
    trees = searched(board, 300, leaves=leaves)
    parts, found = counted(trees, board), report(trees, 0)
    moves = found.moves

    assert found.visits == sum(part.times for part in parts) == 301
    assert found.value == pytest.approx(np.average([p.value for p in parts], weights=[p.times for p in parts]))
    assert found.raw_value == pytest.approx(parts[0].value)
    assert moves.visits.sum() == 300
    for i, move in enumerate(moves.moves.tolist()):
        below = [part for part in parts if part.path[:1] == (move,)]
        times = [part.times for part in below]
        assert moves.visits[i] == sum(times)
        for mean, deviation, name in (
            (moves.values[i], moves.value_deviations[i], "value"),
            (moves.utilities[i], moves.utility_deviations[i], "utility"),
        ):
            numbers = np.array([getattr(part, name) for part in below])
            assert mean == pytest.approx(np.average(numbers, weights=times))
            assert deviation == pytest.approx(np.sum(times * (numbers - mean) ** 2), abs=1e-9)


def test_lines_follow_the_most_visited_moves() -> None:
    trees = searched(opening(5, 2, 10), 400)
    nodes, found = trees.nodes(0), report(trees, 0, 4)
    for move, line, visits in zip(found.moves.moves.tolist(), found.moves.lines, found.moves.line_visits, strict=True):
        node = next(n for n in np.flatnonzero(nodes["parent"] == 0).tolist() if nodes["move"][n] == move)
        for step, count in zip(line, visits, strict=True):
            assert (nodes["move"][node], nodes["visits"][node]) == (step, count)
            children = np.flatnonzero(nodes["parent"] == node)
            if len(children):
                node = int(children[nodes["visits"][children].argmax()])  # the first visited of equals
        assert 1 <= len(line) <= 4
    best = int(found.moves.visits.argmax())
    assert found.moves.lines[best] == trees.result(0).principal_variation[:4]


def test_moves_come_in_the_order_of_their_first_visits() -> None:
    trees = searched(opening(5, 2, 10), 100)
    nodes = trees.nodes(0)

    assert report(trees, 0).moves.moves.tolist() == nodes["move"][nodes["parent"] == 0].tolist()


def test_priors_are_those_of_the_edges() -> None:
    board = opening(5, 2, 10)
    trees = searched(board, 5)
    found = report(trees, 0)

    assert found.priors.sum() == pytest.approx(1.0)
    assert (found.priors > 0).tolist() == board.legal_moves().tolist()
    np.testing.assert_array_equal(found.moves.priors, found.priors[found.moves.moves])


def test_a_tree_is_read_before_its_first_simulation_and_after_a_move() -> None:
    board = opening(5, 2, 10)
    trees = searched(board, 0)
    found = report(trees, 0)
    assert (found.visits, len(found.moves.moves)) == (1, 0)
    np.testing.assert_allclose(ownership(trees, 0)[0], evaluation_of(board)[2], atol=1e-6)

    trees.extend(0, 300)
    run(trees)
    move = trees.result(0).move
    trees.advance(0, move)
    board.play(move)
    parts = counted(trees, board)
    np.testing.assert_allclose(ownership(trees, 0)[0], mean_ownership(parts), atol=1e-6)
    assert report(trees, 0).value == pytest.approx(
        np.average([p.value for p in parts], weights=[p.times for p in parts])
    )


def test_a_finished_root_has_its_exact_result() -> None:
    board = opening(5, 2, 200)
    while not is_over(board):
        board.play(board.pass_move)
    trees = searched(board, 10)
    found = report(trees, 0)

    assert (found.visits, len(found.moves.moves)) == (1, 0)
    assert not found.priors.any()
    assert found.score == final_score_for_black(board) * board.to_play
    np.testing.assert_array_equal(ownership(trees, 0)[0], final_area(board) * board.to_play)


def test_a_cache_gives_the_ownership_that_the_evaluator_would() -> None:
    board, cache = opening(5, 2, 10), EvaluationCache(5, 10_000, ownership=True)
    plain = searched(board, 300)
    for _ in range(2):
        cached = searched(board, 300, cache)
        np.testing.assert_array_equal(ownership(cached, 0)[0], ownership(plain, 0)[0])
    assert cache.hits > 250
    assert cache.num_bytes == 10_000 * 8 * (2 + 14 + 4)


@pytest.mark.parametrize("kept", [False, True])
def test_a_cache_must_hold_ownership_just_if_the_trees_do(kept: bool) -> None:
    trees = SearchTrees(1, 5, 10, gumbel=False, ownership=kept)
    trees.start(0, Board(5), 10)

    with pytest.raises(ValueError, match="hold ownership"):
        run(trees, EvaluationCache(5, 10, ownership=not kept))


def test_unknown_ownership_counts_as_nobody_s() -> None:
    trees = SearchTrees(1, 5, 10, gumbel=False, ownership=True)
    trees.start(0, Board(5), 10)
    planes, scalars = np.zeros((1, 5, 5, NUM_PLANES), np.uint8), np.zeros((1, NUM_SCALARS), np.float32)
    trees.select(planes, scalars, np.zeros(1, np.uint64), np.zeros(1, np.int32))
    nothing = np.zeros(1, np.float32)
    trees.backup(np.ones((1, 26), np.float32), nothing, nothing, None)

    assert not ownership(trees, 0)[0].any()


@pytest.mark.parametrize("shape", [(1, 5, 4), (0, 5, 5), (1, 4, 5)])
def test_ownership_of_a_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    trees = SearchTrees(1, 5, 10, gumbel=False, ownership=True)
    trees.start(0, Board(5), 10)
    planes, scalars = np.zeros((1, 5, 5, NUM_PLANES), np.uint8), np.zeros((1, NUM_SCALARS), np.float32)
    trees.select(planes, scalars, np.zeros(1, np.uint64), np.zeros(1, np.int32))
    nothing = np.zeros(1, np.float32)

    with pytest.raises(ValueError, match="ownership must be"):
        trees.backup(np.ones((1, 26), np.float32), nothing, nothing, np.zeros(shape, np.float32))


def test_what_is_not_there_is_not_read() -> None:
    trees = SearchTrees(1, 5, 10, gumbel=False)
    for read in (report, ownership):
        with pytest.raises(ValueError, match="no evaluated root"):
            read(trees, 0)
    trees.start(0, Board(5), 1)
    trees.prime(0, np.ones(26, np.float32), 0.0, 0.0)
    with pytest.raises(ValueError, match="keep no ownership"):
        ownership(trees, 0)
