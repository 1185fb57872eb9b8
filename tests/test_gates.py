# SPDX-License-Identifier: Apache-2.0
"""Counting, Elo and its interval against numbers worked out by hand, and the decisions of the gates."""

import itertools
import json
import math

import numpy as np
import pytest

from minigo.config import ConfigError, EvaluateConfig
from minigo.gates import (
    NoGate,
    Score,
    SprtGate,
    Verdict,
    WinRateGate,
    elo_from_share,
    gate_from_config,
    log_likelihood_ratio,
    share_from_elo,
)

SPRT = SprtGate(elo0=0.0, elo1=35.0, alpha=0.05, beta=0.05, max_pairs=2000)


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


# The sequential gate.


def points_of(*pairs: tuple[float | None, float | None]) -> dict[int, float | None]:
    """Points by index of games in these pairs."""
    return dict(enumerate(itertools.chain.from_iterable(pairs)))


@pytest.mark.parametrize(
    ("pairs", "elo0", "elo1", "ratio"),
    [
        ((10789, 19328, 33806, 19402, 10543), -3.0, 1.0, 2.1310678),
        ((39, 2226, 31451, 2412, 40), 0.2, 0.9, 2.1625426),
        ((0, 10, 20, 50, 20), 0.0, 5.0, 1.4286861),
    ],
)
def test_ratio_is_that_of_fishtests_worked_examples_in_logistic_elo(pairs, elo0, elo1, ratio):
    assert log_likelihood_ratio(pairs, elo0, elo1) == pytest.approx(ratio, abs=1e-6)


def test_ratio_by_hand_where_every_pair_is_split():
    """At share 1/2 they are certain; a larger share takes as many pairs won as it can do with: of 1 - s, twice."""
    refuted = log_likelihood_ratio((0.0, 0.0, 30.0, 0.0, 0.0), 0.0, 35.0)
    per_pair = math.log((1 - share_from_elo(35.0)) / 0.5)
    assert refuted == pytest.approx(30 * per_pair, rel=0.05)


def test_ratio_of_mirrored_pairs_and_hypotheses_is_the_opposite():
    pairs = (3.0, 5.0, 11.0, 8.0, 2.5)
    assert log_likelihood_ratio(pairs[::-1], -35.0, 0.0) == pytest.approx(-log_likelihood_ratio(pairs, 0.0, 35.0))


def test_ratio_adds_up_over_equal_halves_of_a_match():
    pairs = (30.0, 50.0, 110.0, 80.0, 25.0)
    double = tuple(2 * weight for weight in pairs)
    assert log_likelihood_ratio(double, 0.0, 35.0) == pytest.approx(2 * log_likelihood_ratio(pairs, 0.0, 35.0))


def test_no_pairs_favour_nobody():
    assert log_likelihood_ratio((0.0,) * 5, 0.0, 35.0) == 0.0


def test_share_and_elo_are_inverse():
    assert elo_from_share(share_from_elo(35.0)) == pytest.approx(35.0)


def test_bounds_are_walds():
    gate = SprtGate(0.0, 35.0, alpha=0.05, beta=0.1, max_pairs=10)
    assert gate.bounds == pytest.approx((math.log(0.1 / 0.95), math.log(0.9 / 0.05)))


def test_sequential_gate_stops_at_the_pair_that_crosses_a_bound():
    """Pairs that are all won: 0.095 each, so the upper bound 2.944 is reached with the 31st."""
    points = points_of(*[(1.0, 1.0)] * 60)
    score = SPRT.counted(points)
    assert score.games == 62
    assert SPRT.games_wanted(score) == 0
    assert SPRT.decide(score)[0]
    before = SPRT.counted({index: value for index, value in points.items() if index < 60})
    assert SPRT.ratio(before) < SPRT.bounds[1] <= SPRT.ratio(score)
    assert SPRT.games_wanted(before) == 2 * SPRT.max_pairs - 60


def test_sequential_gate_refuses_at_the_lower_bound():
    score = SPRT.counted(points_of(*[(1.0, 0.0), (0.0, 0.0)] * 60))
    assert score.games < 120
    promotes, reason = SPRT.decide(score)
    assert not promotes
    assert "+0 Elo rather than +35" in reason
    assert "bounds -2.94 and +2.94" in reason


def test_pairs_count_in_the_order_of_their_indices():
    """What ended early but lies behind a pair that is still played is left out."""
    points = points_of(*[(1.0, 1.0)] * 60)
    del points[21]
    assert SPRT.counted(points).games == 20
    del points[0]
    assert SPRT.counted(points) == Score()


def test_what_lies_behind_the_crossing_changes_nothing():
    crossed = SPRT.counted(points_of(*[(1.0, 1.0)] * 31))
    assert SPRT.counted(points_of(*[(1.0, 1.0)] * 31, *[(0.0, 0.0)] * 100)) == crossed


def test_an_undecided_candidate_is_refused_at_the_limit():
    gate = SprtGate(0.0, 35.0, 0.05, 0.05, max_pairs=10)
    score = gate.counted(points_of(*[(1.0, 0.5)] * 30))
    assert score.games == 20
    assert gate.games_wanted(score) == 0
    promotes, reason = gate.decide(score)
    assert not promotes
    assert reason.startswith("undecided: log-likelihood ratio +")


def test_pairs_that_failed_end_at_the_limit_too():
    gate = SprtGate(0.0, 35.0, 0.05, 0.05, max_pairs=3)
    score = gate.counted(points_of(*[(None, None)] * 5))
    assert (score.games, score.failed) == (6, 6)
    assert gate.games_wanted(score) == 0
    assert not gate.decide(score)[0]


@pytest.mark.parametrize(("elo", "promotes"), [(0.0, False), (150.0, True)])
def test_sequential_gate_is_wrong_in_about_5_percent_of_matches(elo, promotes):
    """300 short matches; benchmarks/gate_errors.py plays 10,000 of the default. Deviation 1.3 %: below 10 %."""
    rng = np.random.default_rng(3)
    gate = SprtGate(elo0=0.0, elo1=150.0, alpha=0.05, beta=0.05, max_pairs=300)
    wrong = 0
    for _ in range(300):
        wins = (rng.random((300, 2)) < share_from_elo(elo)).astype(float)
        wrong += gate.decide(gate.counted(points_of(*map(tuple, wins.tolist()))))[0] is not promotes
    assert 3 <= wrong <= 30


def test_evidence_is_what_the_decision_rests_on():
    score = SPRT.counted(points_of(*[(1.0, 1.0)] * 31))
    evidence = SPRT.evidence(score)
    assert evidence["llr"] == pytest.approx(SPRT.ratio(score), abs=1e-4)
    assert (evidence["llr_low"], evidence["llr_high"]) == pytest.approx(SPRT.bounds, abs=1e-4)
    assert WinRateGate(4, 0.5).evidence(score) == NoGate().evidence(score) == {}


def test_config_names_the_gate():
    assert gate_from_config(EvaluateConfig(gate="none")) == NoGate()
    assert gate_from_config(EvaluateConfig(games=10, threshold=0.55)) == WinRateGate(10, 0.55)
    assert gate_from_config(EvaluateConfig(gate="sprt")) == SPRT


def test_hypotheses_in_the_wrong_order_are_refused():
    with pytest.raises(ConfigError, match="sprt_elo1 must be above sprt_elo0=40, got 35"):
        EvaluateConfig(sprt_elo0=40.0)


def test_verdict_is_json_with_its_score():
    verdict = Verdict("000002", "000001", True, "winrate", "because", score_of(1, 1))
    data = json.loads(json.dumps(verdict.to_dict()))
    assert data["candidate"] == "000002"
    assert data["champion"] == "000001"
    assert data["promotes"] is True
    assert data["wins"] == 2
    assert data["pairs"] == [0, 0, 0, 0, 1]


def test_verdict_holds_the_evidence():
    verdict = Verdict("000002", "000001", True, "sprt", "because", Score(), {"llr": 2.95})
    assert verdict.to_dict()["llr"] == 2.95
