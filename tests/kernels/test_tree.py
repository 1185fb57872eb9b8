# SPDX-License-Identifier: Apache-2.0
"""What the search promises: perspective, exact ends, batches, noise, memory, and refusals of wrong arguments."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cc_kernels.board import BLACK, WHITE, Board
from cc_kernels.features import NUM_PLANES, NUM_SCALARS, position_symmetry, write_features
from cc_kernels.tree import SearchTrees
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


class Batch:
    """Arrays for one batch, full of old contents, and an evaluation that knows nothing."""

    def __init__(self, trees: SearchTrees) -> None:
        self.trees, rows, size = trees, trees.batch_size, trees.board_size
        self.planes = np.full((rows, size, size, NUM_PLANES), 77, dtype=np.uint8)
        self.scalars = np.full((rows, NUM_SCALARS), 77, dtype=np.float32)
        self.keys, self.games = np.full(rows, 77, dtype=np.uint64), np.full(rows, 77, dtype=np.int32)
        self.policy = np.full((rows, size**2 + 1), 1.0, dtype=np.float32)
        self.value, self.score = np.zeros(rows, dtype=np.float32), np.zeros(rows, dtype=np.float32)

    def select(self, group: int = 0) -> int:
        """Fills the batch."""
        return self.trees.select(self.planes, self.scalars, self.keys, self.games, group=group)

    def back_up_nothing(self) -> None:
        """Tells the kernel that all moves are alike."""
        self.trees.backup(self.policy, self.value, self.score)


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


# Batches


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
