# SPDX-License-Identifier: Apache-2.0
"""Batches of leaves: which games and rows are in them, and that no search depends on what is beside it."""

import numpy as np
import pytest

from cc_kernels.board import Board
from cc_kernels.features import position_symmetry, write_features
from cc_kernels.tree import SearchTrees
from tests.support.batches import Batch
from tests.support.evaluators import hash_judge, run_kernel


def boards(num_games: int) -> list[Board]:
    """Different openings on 5x5."""
    result = []
    for game in range(num_games):
        board = Board(5, 0.5 * game)
        board.play(game)
        result.append(board)
    return result


@pytest.mark.parametrize("gumbel", [False, True])
@pytest.mark.parametrize("leaves_per_game", [1, 4])
def test_a_game_s_search_does_not_depend_on_the_games_beside_it(gumbel: bool, leaves_per_game: int) -> None:
    simulations = [3, 50, 17, 64, 1]
    together = SearchTrees(5, 5, 64, leaves_per_game, gumbel)
    for game, board in enumerate(boards(5)):
        together.start(game, board, simulations[game])
    run_kernel(together, hash_judge)

    for game, board in enumerate(boards(5)):
        alone = SearchTrees(1, 5, 64, leaves_per_game, gumbel)
        alone.start(0, board, simulations[game])
        run_kernel(alone, hash_judge)
        for name, column in alone.nodes(0).items():
            np.testing.assert_array_equal(column, together.nodes(game)[name])


@pytest.mark.parametrize("gumbel", [False, True])
@pytest.mark.parametrize("simulations", [1, 2, 31, 64])
@pytest.mark.parametrize("leaves_per_game", [1, 5])
def test_after_n_simulations_the_root_has_n_visits_and_one(
    gumbel: bool, simulations: int, leaves_per_game: int
) -> None:
    trees = SearchTrees(1, 7, 64, leaves_per_game, gumbel)
    trees.start(0, Board(7), simulations)
    run_kernel(trees, hash_judge)
    nodes, result = trees.nodes(0), trees.result(0)

    assert nodes["visits"][0] == simulations + 1
    assert result.visits.sum() == result.simulations == simulations
    assert len(nodes["visits"]) <= simulations + 1
    for node in range(len(nodes["visits"])):
        assert nodes["visits"][node] > nodes["visits"][nodes["parent"] == node].sum()
    assert result.policy_target.sum() == pytest.approx(1.0, abs=1e-5)


def test_a_batch_takes_several_different_leaves_of_one_game() -> None:
    trees = SearchTrees(1, 9, 200, leaves_per_game=8, gumbel=False)
    trees.start(0, Board(9), 200)
    batch = Batch(trees)
    sizes = []
    while not trees.is_done(0):
        sizes.append(batch.select())
        assert (trees.nodes(0)["visits"] == 0).sum() == sizes[-1]
        batch.back_up_nothing()

    assert sizes[0] == 1
    assert np.mean(sizes[1:]) > 4


def test_rows_beyond_the_count_are_left_alone() -> None:
    trees = SearchTrees(3, 5, 10)
    trees.start(1, Board(5), 10)
    batch = Batch(trees)

    assert batch.select() == 1
    assert batch.games[0] == 1
    assert (batch.planes[1:] == 77).all()
    assert (batch.scalars[1:] == 77).all()
    assert (batch.keys[1:] == 77).all()
    assert (batch.games[1:] == 77).all()


def test_rows_of_a_batch_are_overwritten_whole() -> None:
    trees = SearchTrees(2, 5, 10)
    for game in range(2):
        trees.start(game, boards(2)[game], 10)
    batch = Batch(trees)

    assert batch.select() == 2
    assert set(np.unique(batch.planes)) == {0, 1}
    assert not (batch.scalars == 77).any()
    assert batch.games.tolist() == [0, 1]


@pytest.mark.parametrize("gumbel", [False, True])
@pytest.mark.parametrize("leaves_per_game", [1, 3])
@pytest.mark.parametrize("batch_rows", [3, 4, 7, 40])
def test_a_game_s_search_does_not_depend_on_the_rows_of_a_batch(
    gumbel: bool, leaves_per_game: int, batch_rows: int
) -> None:
    simulations = [3, 50, 17, 64, 1, 30]
    plain = SearchTrees(6, 5, 64, leaves_per_game, gumbel)
    other = SearchTrees(6, 5, 64, leaves_per_game, gumbel, batch_rows=batch_rows)
    for trees in (plain, other):
        for game, board in enumerate(boards(6)):
            trees.start(game, board, simulations[game])
        run_kernel(trees, hash_judge)

    assert (plain.batch_size, other.batch_size) == (6 * leaves_per_game, batch_rows)
    for game in range(6):
        for name, column in plain.nodes(game).items():
            np.testing.assert_array_equal(column, other.nodes(game)[name])


def test_games_take_turns_in_batches_that_are_full_while_enough_of_them_search() -> None:
    trees = SearchTrees(5, 5, 10, batch_rows=3)
    for game, board in enumerate(boards(5)):
        trees.start(game, board, 10)
    batch = Batch(trees)
    rows = []
    while count := batch.select():
        rows.append(batch.games[:count].tolist())
        batch.back_up_nothing()

    assert rows[:4] == [[0, 1, 2], [3, 4, 0], [1, 2, 3], [4, 0, 1]]
    assert [len(row) for row in rows[:-2]] == [3] * (len(rows) - 2)
    assert trees.done_games().tolist() == list(range(5))


def test_a_group_s_batches_hold_its_games_only() -> None:
    trees = SearchTrees(4, 5, 10, batch_rows=2)
    for game, board in enumerate(boards(4)):
        trees.start(game, board, 10, group=4 if game == 1 else game % 2)
    batch = Batch(trees)
    seen: dict[int, set[int]] = {0: set(), 1: set(), 2: set(), 4: set()}
    for _ in range(30):
        for group, games in seen.items():
            games.update(batch.games[: batch.select(group)].tolist())
            batch.back_up_nothing()

    assert seen == {0: {0, 2}, 1: {3}, 2: set(), 4: {1}}
    assert trees.done_games().tolist() == list(range(4))


@pytest.mark.parametrize("group", [-1, 3])
def test_a_group_that_does_not_exist_is_refused(group: int) -> None:
    trees = SearchTrees(2, 5, 10)

    with pytest.raises(ValueError, match="group must be in 0"):
        trees.start(0, Board(5), 10, group=group)
    with pytest.raises(ValueError, match="group must be in 0"):
        Batch(trees).select(group)


def test_the_symmetries_of_a_batch_are_those_its_rows_are_written_in() -> None:
    trees = SearchTrees(5, 5, 10)
    for game, board in enumerate(boards(5)):
        trees.start(game, board, 10)
    batch = Batch(trees)
    count = batch.select()
    symmetries = trees.symmetries()

    assert symmetries.tolist() == [position_symmetry(board) for board in boards(5)]
    assert len(set(symmetries.tolist())) > 1
    for row in range(count):
        planes, scalars = np.empty_like(batch.planes[0]), np.empty_like(batch.scalars[0])
        write_features(boards(5)[row], planes, scalars, int(symmetries[row]))
        np.testing.assert_array_equal(batch.planes[row], planes)
