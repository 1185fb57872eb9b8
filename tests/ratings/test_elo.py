# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from ratings.elo import Result, fit_ratings


def test_many_games_give_the_elo_of_their_share() -> None:
    ratings = fit_ratings([Result("b", "a", 7500, 10_000)], {"a": None, "b": "a"}, anchor="a")

    assert ratings["a"].elo == 0.0
    assert ratings["b"].elo == pytest.approx(400 * math.log10(3), abs=0.5)


def test_interval_is_that_of_the_shares_standard_error() -> None:
    games = 10_000
    ratings = fit_ratings([Result("b", "a", games / 2, games)], {"a": None, "b": None}, anchor="a")

    expected = 1.96 * (400 / math.log(10)) / math.sqrt(games / 4)
    assert ratings["b"].high - ratings["b"].elo == pytest.approx(expected, rel=0.01)


def test_winning_every_game_has_a_finite_rating_that_grows_with_their_number() -> None:
    few = fit_ratings([Result("b", "a", 10, 10)], {"b": "a"}, anchor="a")["b"]
    many = fit_ratings([Result("b", "a", 100, 100)], {"b": "a"}, anchor="a")["b"]

    assert 0 < few.elo < many.elo < 2000
    assert few.low < few.elo < few.high


def test_differences_add_along_a_chain() -> None:
    results = [Result("b", "a", 6400, 10_000), Result("c", "b", 6400, 10_000)]
    ratings = fit_ratings(results, {"a": None, "b": "a", "c": "b"}, anchor="a")

    assert ratings["c"].elo == pytest.approx(2 * ratings["b"].elo, rel=0.01)
    assert ratings["c"].high - ratings["c"].low > ratings["b"].high - ratings["b"].low


def test_ratings_do_not_depend_on_the_order_of_games() -> None:
    rng = np.random.default_rng(5)
    results = [Result(f"p{i}", f"p{i - 1}", float(rng.integers(0, 11)), 10) for i in range(1, 20)]
    parents = {f"p{i}": f"p{i - 1}" if i else None for i in range(20)}

    forward = fit_ratings(results, parents, "p0")
    backward = fit_ratings(results[::-1], parents, "p0")

    assert all(forward[name].elo == pytest.approx(backward[name].elo, abs=1e-6) for name in parents)


def test_a_player_without_games_moves_nobody() -> None:
    results = [Result("b", "a", 60, 100)]
    without = fit_ratings(results, {"a": None, "b": "a"}, "a")["b"].elo
    with_idle = fit_ratings(results, {"a": None, "b": "a", "idle": "b"}, "a")["b"].elo

    assert with_idle == pytest.approx(without, abs=0.1)


def test_more_points_than_games_are_refused() -> None:
    with pytest.raises(ValueError, match=r"points must be in 0\.\.3, got 4"):
        fit_ratings([Result("b", "a", 4, 3)], {}, "a")


def test_an_unknown_anchor_is_refused() -> None:
    with pytest.raises(ValueError, match="anchor must be one of the 2 players, got 'z'"):
        fit_ratings([Result("b", "a", 1, 3)], {}, "z")
