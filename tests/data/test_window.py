# SPDX-License-Identifier: Apache-2.0
import dataclasses
import itertools

import numpy as np
import pytest

from minigo.config import GameConfig, TrainConfig
from minigo.data.window import Window, trainable_plies, window_size
from minigo.go.record import GameRecord
from tests.support.records import random_record, record_of

GAME = GameConfig(board_size=5)
ROOMY = TrainConfig(window_min=100_000, untargeted_positions=1000)


def record(seed: int) -> GameRecord:
    return random_record(seed, max_moves=20 + seed % 7)


def without_targets(seed: int) -> GameRecord:
    """A game of random play."""
    played = searched_without_targets(seed)
    return dataclasses.replace(played, simulations=np.zeros_like(played.simulations))


def searched_without_targets(seed: int) -> GameRecord:
    """A game in which no search happened to be a full one."""
    played = record(seed)
    return dataclasses.replace(
        played,
        target_plies=played.target_plies[:0],
        policy_targets=played.policy_targets[:0],
        simulations=np.full_like(played.simulations, 4),
    )


def test_the_window_grows_as_a_power_law_from_its_minimum() -> None:
    config = TrainConfig(window_min=1000, window_exponent=0.5, window_growth=0.4)

    assert window_size(0, config) == window_size(1000, config) == 1000
    assert window_size(4000, config) == 1000 * (1 + 0.4 * (2 - 1) / 0.5)
    sizes = [window_size(seen, config) for seen in range(1000, 100_000, 1000)]
    assert all(small < large for small, large in itertools.pairwise(sizes))


def test_a_window_with_exponent_zero_grows_as_the_logarithm() -> None:
    config = TrainConfig(window_min=1000, window_exponent=0.0, window_growth=0.5)

    assert window_size(round(1000 * np.e**2), config) == pytest.approx(2000, abs=2)


def test_positions_with_a_policy_target_are_trained_on() -> None:
    assert trainable_plies(record(1), ROOMY).tolist() == record(1).target_plies.tolist()


def test_without_targets_a_few_positions_are_trained_on_always_the_same() -> None:
    games = [without_targets(seed) for seed in range(200)]
    few = [trainable_plies(game, TrainConfig(untargeted_positions=3)).tolist() for game in games]

    assert few == [trainable_plies(game, TrainConfig(untargeted_positions=3)).tolist() for game in games]
    assert all(plies == sorted(set(plies)) and len(plies) == 3 for plies in few)
    assert {ply for plies in few for ply in plies} == set(range(max(game.num_moves for game in games)))
    assert trainable_plies(games[0], ROOMY).tolist() == list(range(games[0].num_moves))


def test_a_searched_game_is_not_taken_for_random_play() -> None:
    assert trainable_plies(searched_without_targets(1), ROOMY).tolist() == []


def test_columns_hold_what_the_records_say() -> None:
    records = [record(0), without_targets(1), record(2)]
    window = Window(GAME, ROOMY)
    added = window.add(records[:1]) + window.add(records[1:])

    games = window.games
    assert (window.num_games, window.num_positions) == (3, added)
    for game, expected in enumerate(records):
        start, end = window.starts[game], window.starts[game + 1]
        np.testing.assert_array_equal(games.moves[start:end], expected.moves)
        mine = window.position_games == game
        np.testing.assert_array_equal(games.plies[mine], trainable_plies(expected, ROOMY))
        np.testing.assert_array_equal(games.root_values[mine], expected.root_values[games.plies[mine]])
        assert games.komi[game] == expected.komi
        assert games.score_for_black[game] == np.float32(expected.score_for_black)
        assert games.area[game].sum() == round(expected.score_for_black + expected.komi)
        with_policy = mine & games.has_policy
        np.testing.assert_array_equal(games.policies[window.policy_rows[with_policy]], expected.policy_targets)


@pytest.mark.parametrize("size", range(50, 80))
def test_the_oldest_games_leave_and_the_rest_stays_as_it_was(size: int) -> None:
    records = [without_targets(seed) if seed % 3 == 0 else record(seed) for seed in range(30)]
    config = dataclasses.replace(ROOMY, window_min=size, window_growth=0.0)
    window, rest = Window(GAME, config), Window(GAME, ROOMY)
    for start in range(0, 30, 5):
        window.add(records[start : start + 5])

    lengths = [len(trainable_plies(played, ROOMY)) for played in records]
    kept = max(count for count in range(31) if sum(lengths[30 - count :]) <= size)
    rest.add(records[30 - kept :])
    assert 0 < kept < 30
    assert window.positions_seen == sum(lengths)
    for name, column in vars(rest.games).items():
        np.testing.assert_array_equal(getattr(window.games, name), column)
    np.testing.assert_array_equal(window.starts, rest.starts)
    np.testing.assert_array_equal(window.policy_rows[window.games.has_policy], np.arange(len(rest.games.policies)))


def test_the_newest_games_can_be_kept_alone() -> None:
    window, rest = Window(GAME, ROOMY), Window(GAME, ROOMY)
    window.add([record(seed) for seed in range(5)])
    rest.add([record(seed) for seed in range(3, 5)])

    window.keep_newest(7)
    assert window.num_games == 5
    window.keep_newest(2)
    for name, column in vars(rest.games).items():
        np.testing.assert_array_equal(getattr(window.games, name), column)


def test_a_game_larger_than_the_window_stays_alone() -> None:
    window = Window(GAME, TrainConfig(window_min=1))
    window.add([without_targets(1), without_targets(2)])

    assert window.num_games == 1
    np.testing.assert_array_equal(window.games.moves, record(2).moves)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (random_record(0, board_size=4), r"must have board size and rules \(5, 'cgos'\), got \(4, 'cgos'\)"),
        (random_record(0, rules="aga"), r"must have board size and rules \(5, 'cgos'\), got \(5, 'aga'\)"),
        (dataclasses.replace(record(1), end="resign"), "was resigned"),
    ],
)
def test_games_that_can_not_be_trained_on_are_refused(wrong: GameRecord, message: str) -> None:
    window = Window(GAME, ROOMY)

    with pytest.raises(ValueError, match=message):
        window.add([record(0), wrong])
    assert window.num_games == 0


def test_area_is_that_of_the_final_position() -> None:
    window = Window(GameConfig(board_size=3), ROOMY)
    window.add([record_of("B2 pass pass", end="passes")])

    np.testing.assert_array_equal(window.games.area, np.ones((1, 9)))
