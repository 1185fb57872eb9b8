# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from minigo.config import SearchConfig
from minigo.go.coords import vertex_from_move
from minigo.go.position import Position
from minigo.inference.evaluator import HashEvaluator, UniformEvaluator
from minigo.search import Search, SearchResult, run_search
from tests.support.diagrams import stones_from_diagram

CONFIG = SearchConfig(num_simulations=32)
EMPTY = Position.empty(5, 0.5, "cgos")


def searched(position: Position, config: SearchConfig = CONFIG, seed: int = 1, evaluator_seed: int = 1) -> SearchResult:
    search = Search(config, position.board_size, 2)
    search.reset(0, position, seed=seed)
    run_search(search, HashEvaluator(evaluator_seed))
    return search.result(0)


def test_a_search_makes_the_simulations_it_was_asked_for() -> None:
    for algorithm in ("gumbel", "puct"):
        result = searched(EMPTY, dataclasses.replace(CONFIG, algorithm=algorithm))
        assert result.simulations == result.visits.sum() == 32


def test_the_same_seed_gives_the_same_search() -> None:
    first, again, other = searched(EMPTY, seed=1), searched(EMPTY, seed=1), searched(EMPTY, seed=2)

    assert first.move == again.move
    assert np.array_equal(first.visits, again.visits)
    assert not np.array_equal(first.visits, other.visits)


def test_without_noise_the_seed_does_not_matter() -> None:
    quiet = dataclasses.replace(CONFIG, gumbel_scale=0.0)

    assert np.array_equal(searched(EMPTY, quiet, seed=1).visits, searched(EMPTY, quiet, seed=2).visits)


def test_a_policy_target_is_a_distribution_over_legal_moves() -> None:
    position = EMPTY.play(12).play(7)
    for algorithm in ("gumbel", "puct"):
        target = searched(position, dataclasses.replace(CONFIG, algorithm=algorithm)).policy_target
        assert target.sum() == pytest.approx(1.0, abs=1e-5)
        assert not target[~position.legal_moves()].any()


def test_several_leaves_a_game_make_the_same_number_of_simulations() -> None:
    for algorithm in ("gumbel", "puct"):
        config = dataclasses.replace(CONFIG, algorithm=algorithm, leaves_per_batch=8, num_simulations=100)
        assert searched(EMPTY, config).simulations == 100


def test_games_of_one_search_do_not_influence_each_other() -> None:
    search = Search(CONFIG, 5, 3)
    for game, simulations in enumerate((8, 32, 20)):
        search.reset(game, EMPTY, simulations=simulations, seed=game)
    run_search(search, HashEvaluator(1))

    assert [search.result(game).simulations for game in range(3)] == [8, 32, 20]
    assert np.array_equal(search.result(1).visits, searched(EMPTY, seed=1).visits)


def test_puct_keeps_what_it_found_below_the_move_played() -> None:
    config = dataclasses.replace(CONFIG, algorithm="puct")
    search = Search(config, 5, 1)
    search.reset(0, EMPTY, seed=1)
    run_search(search, HashEvaluator(1))
    before = search.result(0)

    assert search.play(0, before.move)
    search.extend(0, 32, np.random.default_rng(1))
    assert search.result(0).simulations == before.visits[before.move] - 1
    run_search(search, HashEvaluator(1))
    assert search.result(0).simulations == 32


def test_a_capture_that_decides_the_game_is_found_with_an_evaluator_that_knows_nothing() -> None:
    stones = stones_from_diagram("""
        . O O O O
        O O X X O
        X X X X .
        . X . X X
        X . X . X
    """)
    position = Position.from_stones(stones, 1, 0.5, "cgos")  # Black captures at E3 or loses everything to it
    config = dataclasses.replace(CONFIG, num_simulations=400, gumbel_scale=0.0, algorithm="puct")
    search = Search(config, 5, 1)
    search.reset(0, position)
    run_search(search, UniformEvaluator())

    assert vertex_from_move(search.result(0).move, 5) in {"E3", "A5"}
    assert search.result(0).value > 0


def test_temperature_spreads_the_opening_and_ends_with_its_plies() -> None:
    config = dataclasses.replace(CONFIG, gumbel_scale=0.0, c_scale=0.0, temperature=1.0, temperature_plies=2)
    moves = {searched(EMPTY, config, seed=seed).move for seed in range(30)}
    later = {searched(EMPTY.play(0).play(1), config, seed=seed).move for seed in range(30)}

    assert len(moves) > 1
    assert len(later) == 1
