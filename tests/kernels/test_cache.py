# SPDX-License-Identifier: Apache-2.0
"""The evaluation cache: searches find the same with it, whatever it holds and whoever else uses it."""

import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cc_kernels.board import Board
from cc_kernels.cache import EvaluationCache
from cc_kernels.features import symmetry_images
from cc_kernels.playouts import random_game
from cc_kernels.tree import RootResult
from minigo.config import SearchConfig
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves
from minigo.search import Search, run_search

CONFIGS = [
    pytest.param(
        SearchConfig(num_simulations=60, algorithm=algorithm, leaves_per_batch=leaves), id=f"{algorithm}-{leaves}"
    )
    for algorithm in ("gumbel", "puct")
    for leaves in (1, 4)
]
NUM_GAMES = 6


def boards(board_size: int, symmetry: int = 0) -> list[Board]:
    """Games in progress, and the empty board, all turned by a symmetry."""
    images = [*symmetry_images(board_size)[symmetry].tolist(), board_size**2]
    result = []
    for game in range(NUM_GAMES):
        moves = random_game(Board(board_size), game, 4 * game).tolist()
        turned = Board(board_size)
        for move in moves:
            turned.play(images[move])
        result.append(turned)
    return result


def results(
    config: SearchConfig,
    cache: EvaluationCache | None,
    *,
    board_size: int = 5,
    batch_rows: int | None = None,
    seed: int = 1,
    turned: int = 0,
) -> list[RootResult]:
    """What searches of several positions find with the hash evaluator."""
    search = Search(config, board_size, NUM_GAMES, batch_rows=batch_rows)
    for game, board in enumerate(boards(board_size, turned)):
        search.start(game, board, config.num_simulations, np.random.default_rng((seed, game)))
    run_search(search, HashEvaluator(), cache)
    return [search.result(game) for game in range(NUM_GAMES)]


def assert_same(mine: list[RootResult], theirs: list[RootResult]) -> None:
    """Fails unless all fields of all results have the same bits."""
    for left, right in zip(mine, theirs, strict=True):
        for field in RootResult._fields:
            np.testing.assert_array_equal(getattr(left, field), getattr(right, field), err_msg=field)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("capacity", [1, 7, 10_000])
def test_a_search_finds_the_same_with_a_cache(config: SearchConfig, capacity: int) -> None:
    cache = EvaluationCache(5, capacity)
    plain = results(config, None)

    for batch_rows in (None, 4, 5):
        assert_same(results(config, cache, batch_rows=batch_rows), plain)
    assert cache.misses > 0
    assert cache.hits > 0 or capacity < 10_000


class Counter(HashEvaluator):
    """Counts what it is asked."""

    rows = 0

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.rows += leaves.count
        return super().evaluate(leaves)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_search_that_is_repeated_needs_no_evaluation(config: SearchConfig) -> None:
    cache, evaluator = EvaluationCache(5, 100_000), Counter()
    counts = []
    for _ in range(2):
        search = Search(config, 5, 1)
        search.start(0, Board(5), config.num_simulations, None)
        run_search(search, evaluator, cache)
        assert search.result(0).simulations == config.num_simulations
        counts.append((evaluator.rows, cache.misses, cache.hits))

    assert counts[0][0] == counts[0][1] > 30
    assert counts[1][:2] == counts[0][:2]
    assert counts[1][2] > counts[0][2] + 30


def test_images_of_a_position_share_an_evaluation() -> None:
    config = SearchConfig(num_simulations=1, gumbel_scale=0.0)
    cache = EvaluationCache(5, 100_000)
    first = results(config, cache)
    rows = cache.misses
    for symmetry in range(1, 8):
        turned = results(config, cache, turned=symmetry)
        for mine, theirs in zip(turned[1:], first[1:], strict=True):
            images = [*symmetry_images(5)[symmetry].tolist(), 25]
            np.testing.assert_array_equal(mine.policy_target[images], theirs.policy_target)
            assert mine.value == theirs.value

    assert cache.misses == rows


def test_threads_share_a_cache_without_disturbing_each_other() -> None:
    """Two positions and one slot on the largest board: all threads read it while others write to it."""
    config = SearchConfig(num_simulations=1, gumbel_scale=0.0, c_scale=0.0)
    positions, cache = [Board(19), Board(19, 6.5)], EvaluationCache(19, 1)

    def search_often(rounds: int, cache: EvaluationCache | None) -> set[tuple[int, bytes]]:
        search, found = Search(config, 19, 64), set()
        for _ in range(rounds):
            for game in range(64):
                search.start(game, positions[game % 2], 1, None)
            run_search(search, HashEvaluator(), cache)
            found |= {(game % 2, search.result(game).policy_target.tobytes()) for game in range(64)}
        return found

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(search_often, 60, cache) for _ in range(4)]
        found = set.union(*(job.result() for job in jobs))
    assert found == search_often(1, None)
    assert cache.hits > 100


def test_memory_is_taken_as_evaluations_come() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    before = resident()
    cache = EvaluationCache(19, 200_000)

    assert cache.num_bytes == 200_000 * 8 * (2 + 182)
    assert resident() - before < cache.num_bytes / 10


def test_a_cache_says_what_it_is() -> None:
    cache = EvaluationCache(9, 1000)

    assert (cache.board_size, cache.capacity, cache.hits, cache.misses) == (9, 1000, 0, 0)


@pytest.mark.parametrize(
    ("board_size", "capacity", "message"),
    [(1, 5, "board_size"), (20, 5, "board_size"), (9, 0, "capacity"), (9, -1, "capacity")],
)
def test_wrong_arguments_are_refused(board_size: int, capacity: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EvaluationCache(board_size, capacity)


def test_a_cache_of_another_board_size_is_refused() -> None:
    search = Search(SearchConfig(), 5, 1)
    search.start(0, Board(5), 4, None)

    with pytest.raises(ValueError, match="cache must be of board size 5, got 9"):
        search.select_leaves(EvaluationCache(9, 10))
