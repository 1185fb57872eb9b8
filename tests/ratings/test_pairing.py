# SPDX-License-Identifier: Apache-2.0
"""Which games are planned, on ladders small enough to see what is best."""

import dataclasses
import itertools

import numpy as np
import pytest

from ratings.elo import Ratings, Result, fit_ratings
from ratings.pairing import Matchup, plan_pairs

NETWORKS = [f"{number:06d}" for number in range(9)]
PARENTS: dict[str, str | None] = dict(zip(NETWORKS, [None, *NETWORKS], strict=False))


def even(player: str, opponent: str, games: int) -> list[Result]:
    """Games of which each wins half, with both colours."""
    half = games // 4
    return [Result(player, opponent, half, 0, half), Result(opponent, player, half, 0, half)]


def chain(games: int = 40) -> list[Result]:
    """Each network has met the one before."""
    return [game for a, b in itertools.pairwise(NETWORKS) for game in even(b, a, games)]


def information(ratings: Ratings, matchup: Matchup) -> float:
    """p(1-p) x variance of the difference, in Elo squared."""
    i, j = (ratings.index(name) for name in matchup)
    p = 1 / (1 + 10 ** ((ratings.elo[j] - ratings.elo[i]) / 400))
    return float(p * (1 - p) * ratings.variance_from(i)[j])


def every_matchup(players: list[str], opponents: list[str]) -> list[Matchup]:
    return [Matchup(a, b) for a in players for b in opponents if a != b]


def test_among_equals_the_ends_of_a_chain_meet():
    ratings = fit_ratings(chain(), PARENTS)

    (plan,) = plan_pairs(ratings, NETWORKS, [], 1, turn=1)  # the turn of the least known, which are the ends

    assert set(plan) == {NETWORKS[0], NETWORKS[-1]}
    assert information(ratings, plan) == max(information(ratings, m) for m in every_matchup(NETWORKS, NETWORKS))


def test_a_hopeless_game_is_not_played_for_its_variance():
    weak = Result(NETWORKS[0], NETWORKS[1], 0, 0, 400)
    strong = Result(NETWORKS[1], NETWORKS[0], 400, 0, 0)
    ratings = fit_ratings([*chain(), weak, strong], PARENTS)

    plans = plan_pairs(ratings, NETWORKS, [], 1, turn=1)

    assert NETWORKS[0] not in plans[0]


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_the_most_informative_game_of_the_turn_is_planned(kind):
    rng = np.random.default_rng(3)
    results = [
        Result(*pair, int(wins), 0, 10 - int(wins))
        for a, b in itertools.pairwise(NETWORKS)
        for pair, wins in (((b, a), rng.integers(3, 9)), ((a, b), rng.integers(2, 8)))
    ]
    ratings = fit_ratings([*results, *even(NETWORKS[4], NETWORKS[2], 40)], PARENTS)
    place = np.array([ratings.index(name) for name in NETWORKS])
    covariance = ratings.covariance[np.ix_(place, place)]
    variance = np.diag(covariance) - 2 * covariance.mean(1) + covariance.mean()
    worth = (ratings.elo[place] + 1.959964 * np.sqrt(variance), variance, -ratings.games[place])[kind]
    third = [NETWORKS[i] for i in np.argsort(-worth, kind="stable")[:3]]

    (plan,) = plan_pairs(ratings, NETWORKS, [], 1, turn=kind)

    best = max(information(ratings, matchup) for matchup in every_matchup(third, NETWORKS))
    assert information(ratings, plan) == pytest.approx(best)


def test_turns_look_at_the_strongest_the_least_known_and_the_least_played():
    """The strongest has many games, one network has none, and one few."""
    last = NETWORKS[8], NETWORKS[7]
    results = [*chain(400), Result(*last, 300, 0, 20), Result(*last[::-1], 20, 0, 300)]
    ratings = fit_ratings(results, {**PARENTS, "000009": "000003"})
    networks = [*NETWORKS, "000009"]

    strongest, unknown, fewest = (plan_pairs(ratings, networks, [], 1, turn=turn)[0] for turn in range(3))

    assert {"000008", "000009"} & set(strongest)
    assert "000009" in unknown
    assert "000009" in fewest


def test_half_of_the_games_are_against_outside_players():
    ratings = fit_ratings([*chain(), *even("gnugo", NETWORKS[3], 20)], PARENTS, {"gnugo": 1800.0})

    plan = plan_pairs(ratings, NETWORKS, ["gnugo"], 60)

    assert sum(matchup.opponent == "gnugo" for matchup in plan) == 30
    assert all(matchup.player in NETWORKS for matchup in plan)


def test_a_planned_game_counts_when_the_next_is_chosen():
    ratings = fit_ratings(chain(), PARENTS)

    plan = plan_pairs(ratings, NETWORKS, [], 12, games_for_each=40)

    assert len({frozenset(matchup) for matchup in plan}) > 6


def test_what_planned_games_add_is_what_a_refit_finds():
    """The ratings do not move if the games are even; then the second of two plans is that of the refitted ladder."""
    ratings = fit_ratings(chain(), PARENTS)
    first, second = plan_pairs(ratings, NETWORKS, [], 2, turn=1, games_for_each=400)
    refitted = fit_ratings([*chain(), *even(*first, 400)], PARENTS)

    (again,) = plan_pairs(refitted, NETWORKS, [], 1, turn=2)

    assert frozenset(again) == frozenset(second)


def test_only_those_that_may_play_are_planned():
    ratings = fit_ratings([*chain(), *even("gnugo", NETWORKS[3], 20)], PARENTS)

    plan = plan_pairs(ratings, NETWORKS[:2], [], 6)

    assert {name for matchup in plan for name in matchup} == set(NETWORKS[:2])


def test_one_network_meets_outside_players_only():
    ratings = fit_ratings(chain(), {**PARENTS, "gnugo": None})

    assert plan_pairs(ratings, NETWORKS[:1], [], 3) == []
    assert plan_pairs(ratings, NETWORKS[:1], ["gnugo"], 4) == [Matchup(NETWORKS[0], "gnugo")] * 4
    assert plan_pairs(ratings, [], ["gnugo"], 4) == []


def test_planning_leaves_the_ratings_as_they_were():
    ratings = fit_ratings(chain(), PARENTS)
    before = dataclasses.replace(ratings, covariance=ratings.covariance.copy(), games=ratings.games.copy())

    plan_pairs(ratings, NETWORKS, [], 10)

    assert np.array_equal(ratings.covariance, before.covariance)
    assert np.array_equal(ratings.games, before.games)
