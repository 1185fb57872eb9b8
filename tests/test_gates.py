# SPDX-License-Identifier: Apache-2.0
"""Counting, Elo and its interval against numbers worked out by hand, and the decisions of the gates."""

import itertools
import json
import math

import numpy as np
import pytest

from minigo.config import EvaluateConfig
from minigo.gates import NoGate, Score, Verdict, WinRateGate, elo_from_share, gate_from_config


def score_of(*points: float | None) -> Score:
    """The score of games 0, 1, 2, … with these points."""
    return Score.of(enumerate(points))


def test_games_are_counted_by_result():
    score = score_of(1, 0, 0.5, 1, None, 1, None)
    assert (score.games, score.wins, score.losses, score.draws, score.failed) == (7, 3, 1, 1, 2)
    assert score.share == pytest.approx(3.5 / 5)


@pytest.mark.parametrize(
    ("points", "category"),
    [((0, 0), 0), ((0, 0.5), 1), ((1, 0), 2), ((0.5, 0.5), 2), ((0.5, 1), 3), ((1, 1), 4)],
)
def test_a_pair_counts_once_whatever_the_order(points, category):
    expected = tuple(float(category == k) for k in range(5))
    assert score_of(*points).pairs == expected
    assert score_of(*reversed(points)).pairs == expected


def test_a_game_without_its_twin_counts_as_half_a_pair():
    assert score_of(1, None, 1, 1, None, None).pairs == (0, 0, 0, 0, 1.5)
    assert Score.of([(5, 0.5), (2, 0.0)]).pairs == (0.5, 0, 0.5, 0, 0)


@pytest.mark.parametrize(("share", "elo"), [(0.5, 0.0), (0.75, 190.85), (10 / 11, 400.0), (1 / 11, -400.0)])
def test_elo_of_a_share(share, elo):
    assert elo_from_share(share) == pytest.approx(elo, abs=0.01)


def test_elo_is_that_of_the_observed_share():
    assert score_of(*[1] * 30, *[0] * 10).elo == pytest.approx(190.85, abs=0.01)


def test_a_clean_sheet_has_a_finite_elo_beyond_that_of_one_draw_less():
    """100 of 100 counts as 99.75 %: 400 log10(0.9975 / 0.0025) = 1040.4."""
    clean = score_of(*[1] * 100)
    assert clean.elo == pytest.approx(1040.4, abs=0.1)
    assert clean.elo > score_of(*[1] * 99, 0.5).elo
    assert score_of(*[0] * 100).elo == pytest.approx(-clean.elo)


def test_interval_by_hand():
    """Two pairs, one won 2-0 and one 1-1; weights 0.2, 0.2, 1.2, 0.2, 1.2, together 3.

    Mean (0.05 + 0.6 + 0.15 + 1.2) / 3 = 2/3; mean square (0.0125 + 0.3 + 0.1125 + 1.2) / 3 = 0.541667;
    variance (0.541667 - 0.444444) / 4 = 0.0243056; deviation 0.155902; slope 173.7178 / (2/9) = 781.730;
    margin 1.959964 x 781.730 x 0.155902 = 238.866; centre 400 log10(2) = 120.412.
    """
    low, high = score_of(1, 1, 1, 0).elo_interval
    assert low == pytest.approx(-118.45, abs=0.02)
    assert high == pytest.approx(359.28, abs=0.02)


def test_interval_uses_pairs_not_games():
    """Pairs that are all 1-1 leave little doubt; the same games in clean pairs leave much."""
    split = score_of(*[1, 0] * 50)
    clean = score_of(*[1, 1, 0, 0] * 25)
    assert (split.wins, split.losses) == (clean.wins, clean.losses)
    assert split.elo_interval[1] < 15
    assert clean.elo_interval[1] > 90


def test_interval_is_finite_and_holds_the_estimate_for_every_small_match():
    for games in range(1, 7):
        for points in itertools.product((0.0, 0.5, 1.0, None), repeat=games):
            score = score_of(*points)
            low, high = score.elo_interval
            assert math.isfinite(low)
            assert math.isfinite(high)
            assert low <= score.elo <= high, points


@pytest.mark.parametrize("wins", [0, 1, 50, 99, 100])
def test_interval_holds_the_estimate_at_the_extremes(wins):
    score = score_of(*[1] * wins, *[0] * (100 - wins))
    low, high = score.elo_interval
    assert -2000 < low <= score.elo <= high < 2000


def test_swapping_the_players_mirrors_every_number():
    points = [1, 0.5, 1, 0, 1, 1, 0.5, None]
    mine = score_of(*points)
    theirs = score_of(*[None if value is None else 1 - value for value in points])
    assert theirs.elo == pytest.approx(-mine.elo)
    assert theirs.elo_interval == pytest.approx([-bound for bound in reversed(mine.elo_interval)])


def test_no_games_say_nothing():
    assert Score().elo == 0
    low, high = Score().elo_interval
    assert low == -high
    assert high > 100


@pytest.mark.parametrize("share", [0.5, 0.65])
def test_interval_covers_the_truth_about_95_percent_of_the_time(share):
    """Simulated: 2,000 matches of 32 pairs whose openings favour one colour. Coverage within 95 +- 2 %."""
    rng = np.random.default_rng(7)
    strength = math.log(share / (1 - share))
    bias = rng.normal(0, 1.5, (2000, 32))
    wins = [rng.random(bias.shape) < 1 / (1 + np.exp(-(strength + sign * bias))) for sign in (1, -1)]
    true_elo = elo_from_share(float(np.mean(wins)))
    covered = 0
    for first, second in zip(*wins, strict=True):
        low, high = score_of(*np.stack([first, second], 1).ravel().astype(float).tolist()).elo_interval
        covered += low <= true_elo <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.02)


def test_dict_has_the_keys_of_the_command_line_and_is_json():
    data = json.loads(json.dumps(score_of(1, 1, 0, None).to_dict()))
    assert list(data) == ["games", "wins", "losses", "draws", "failed", "elo", "elo_low", "elo_high"]
    assert data["games"] == 4


def test_text_says_what_happened():
    text = str(score_of(1, 1, 0.5, None))
    assert text.startswith("2 won, 0 lost, 1 drawn, 1 failed of 4: Elo +")


def test_winrate_gate_asks_for_whole_pairs_until_it_has_its_games():
    gate = WinRateGate(games=7, threshold=0.5)
    assert gate.games_wanted(Score()) == 8
    assert gate.games_wanted(score_of(1, 0, None)) == 5
    assert gate.games_wanted(score_of(*[1] * 8)) == 0


@pytest.mark.parametrize(
    ("points", "promotes", "reason"),
    [
        ((1, 0, 1, 0), True, "50.0% of the points in 4 games reaches 50.0%"),
        ((1, 0, 0.5, 0), False, "37.5% of the points in 4 games is below 50.0%"),
        ((1, None, None, None), True, "100.0% of the points in 1 games"),
        ((None, None), False, "none of 2 games has a result"),
    ],
)
def test_winrate_gate_promotes_at_its_threshold(points, promotes, reason):
    decision, why = WinRateGate(games=4, threshold=0.5).decide(score_of(*points))
    assert decision is promotes
    assert why.startswith(reason)


def test_open_gate_promotes_without_games():
    assert NoGate().games_wanted(Score()) == 0
    assert NoGate().decide(Score())[0]


def test_config_names_the_gate():
    assert gate_from_config(EvaluateConfig(gate="none")) == NoGate()
    assert gate_from_config(EvaluateConfig(games=10, threshold=0.55)) == WinRateGate(10, 0.55)


def test_verdict_is_json_with_its_score():
    verdict = Verdict("000002", "000001", True, "winrate", "because", score_of(1, 1))
    data = json.loads(json.dumps(verdict.to_dict()))
    assert data["candidate"] == "000002"
    assert data["champion"] == "000001"
    assert data["promotes"] is True
    assert data["wins"] == 2
