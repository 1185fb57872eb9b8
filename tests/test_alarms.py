# SPDX-License-Identifier: Apache-2.0
"""The checks themselves, on counts: what rings, what does not, and that each alarm is said once."""

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from minigo.alarms import (
    KINDS,
    Finding,
    Watch,
    active_alarms,
    dead_heads,
    falling_elo,
    one_color,
    stale_network,
    symmetry_off,
    value_against_result,
    wilson_low,
    wrong_targets,
)
from minigo.config import Config, GameConfig
from minigo.data.audit import Audit, constant_losses, head_skills
from minigo.run import Run

BAD = Finding("one_color", True, "Black won 99 of 100 games")
GOOD = Finding("one_color", False, "Black won 50 of 100 games")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(str(tmp_path / "run"), Config())


def wrong(finding: Finding | None) -> bool | None:
    return None if finding is None else finding.is_wrong


def test_an_alarm_is_said_once_when_it_begins_and_once_when_it_ends(run, caplog):
    caplog.set_level(logging.INFO)
    watch = Watch(run, "trainer")
    for findings in ([GOOD], [None], [BAD], [BAD, None], [GOOD, BAD], [], [GOOD], [GOOD]):
        watch.hear(findings)

    rows = run.telemetry.metrics("alarms")
    assert [(row["kind"], row["state"]) for row in rows] == [("one_color", "begins"), ("one_color", "ends")]
    assert rows[0]["since"] == rows[1]["since"] <= rows[0]["time"]
    assert rows[0]["evidence"] == BAD.evidence
    assert rows[0]["advice"] == KINDS["one_color"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "alarm, one color: Black won 99 of 100 games" in caplog.records[0].message


def test_an_alarm_goes_on_in_the_next_process_until_it_ends(run):
    Watch(run, "trainer-000001").hear([BAD])
    assert active_alarms(run).keys() == {"one_color"}
    later = Watch(Run.open(run.url), "trainer-000002")
    later.hear([BAD])
    assert len(run.telemetry.metrics("alarms")) == 1
    later.hear([GOOD])

    assert active_alarms(run) == {}
    assert len(run.telemetry.metrics("alarms")) == 2


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([32] * 8, False),
        ([25, 40, 30, 28, 36, 33, 27, 37], False),
        ([256, 0, 0, 0, 0, 0, 0, 0], True),
        ([64, 64, 64, 64, 0, 0, 0, 0], True),
        ([7] * 8, None),
    ],
)
def test_symmetries_must_be_spread_evenly(counts, expected):
    assert wrong(symmetry_off(Audit(0.4, symmetries=np.array(counts)))) is expected


def test_random_symmetries_ring_less_than_once_in_a_hundred_thousand_trainings():
    draws = np.random.default_rng(0).multinomial(256, [1 / 8] * 8, size=100_000)
    chi_square = ((draws - 32) ** 2 / 32).sum(axis=1)

    assert (chi_square > 42).sum() == 0
    assert (chi_square > 24.3).mean() == pytest.approx(0.001, abs=0.0005)  # the distribution that the limit is from


@pytest.mark.parametrize(
    ("foreign", "decisive", "reversed_", "kinds"),
    [
        (0, [60, 60], [0, 0], set()),
        (3, [60, 60], [0, 0], {"shuffled_targets"}),
        (120, [60, 60], [30, 30], {"shuffled_targets"}),
        (0, [60, 60], [25, 35], {"shuffled_targets"}),
        (0, [60, 60], [60, 60], {"wrong_winner"}),
        (0, [60, 60], [0, 60], {"wrong_winner"}),  # for one color to move only
    ],
)
def test_reversed_results_are_told_from_shuffled_ones(foreign, decisive, reversed_, kinds):
    audit = Audit(0.4, rows=128, foreign=foreign, decisive=np.array(decisive), reversed=np.array(reversed_))

    assert {finding.kind for finding in wrong_targets(audit) if finding.is_wrong} == kinds


@pytest.mark.parametrize(
    ("black", "white", "board_size", "komi", "expected"),
    [
        (95, 5, 9, 7.5, True),
        (5, 95, 9, 7.5, True),
        (85, 15, 9, 7.5, None),  # not sure yet
        (450, 50, 9, 7.5, True),
        (410, 90, 9, 7.5, None),
        (60, 40, 9, 7.5, False),
        (50, 0, 9, 7.5, None),
        (500, 0, 5, 24.5, None),  # the truth
        (0, 500, 5, 24.5, None),  # nobody is strong enough yet
        (500, 0, 5, 7.5, True),
        (500, 0, 4, 1.5, None),
    ],
)
def test_one_color_may_win_nearly_all_games_only_where_best_play_is_known(black, white, board_size, komi, expected):
    assert wrong(one_color(black, white, GameConfig(board_size=board_size, komi=komi))) is expected


def test_one_color_on_a_solved_board_comes_with_the_fair_komi():
    finding = one_color(200, 0, GameConfig(board_size=5, komi=7.5))

    assert finding is not None
    assert "200 of 200 games (100 %) at komi 7.5" in finding.evidence
    assert "Black +25: komi 24.5 is fair" in finding.evidence


def test_a_color_that_wins_80_percent_rings_once_in_some_hundred_looks():
    wins = np.random.default_rng(0).binomial(500, 0.8, size=20_000)

    assert np.mean([wilson_low(int(w), 500, 3.0) > 0.8 for w in wins]) < 0.003


def test_searches_that_expect_to_win_what_they_lose_ring():
    rng = np.random.default_rng(0)

    assert wrong(value_against_result(rng.normal(-0.5, 0.4, 100).tolist())) is True
    assert wrong(value_against_result(rng.normal(0.5, 0.4, 100).tolist())) is False
    assert wrong(value_against_result(rng.normal(-0.02, 0.01, 100).tolist())) is None  # a network that knows nothing
    assert wrong(value_against_result([-0.5] * 10)) is None


@pytest.mark.parametrize(
    ("games", "champions", "unpromoted", "expected"),
    [
        ({"000004": 64}, ["000003", "000004"], 0, False),
        ({"000002": 30, "000004": 34}, ["000002", "000003", "000004"], 0, False),
        ({"000001": 64}, ["000001", "000002", "000003", "000004"], 0, True),
        ({"000001": 64}, ["000004"], 0, False),  # just resumed: not known yet
        ({"000004": 64}, ["000004"], 12, True),
        ({"000004": 64}, ["000004"], 11, False),
        ({}, ["000004"], 0, None),
    ],
)
def test_a_network_may_lag_behind_the_champion_but_not_for_long(games, champions, unpromoted, expected):
    assert wrong(stale_network(games, champions, unpromoted)) is expected


def test_a_head_that_knows_as_little_as_a_constant_is_dead():
    skills = {"value": 0.4, "score": 0.0, "ownership": 0.5, "policy": float("nan")}

    (finding,) = dead_heads(skills, 400, 100)
    assert finding == dataclasses.replace(finding, kind="dead_head", is_wrong=True)
    assert "score 0 %" in finding.evidence
    assert dead_heads(skills, 299, 0) == []
    assert dead_heads(skills, 400, 200) == []
    assert {f.kind for f in dead_heads(dict.fromkeys(skills, 0.0), 400, 100) if f.is_wrong} == {"shuffled_targets"}
    assert not any(f.is_wrong for f in dead_heads(dict.fromkeys(skills, 0.3), 400, 100))


def test_skill_is_what_a_head_knows_more_than_the_best_constant():
    rng = np.random.default_rng(0)
    won = rng.random(4000) < 0.7
    targets = {
        "policy": np.eye(10)[rng.integers(10, size=4000)],
        "policy_weight": np.ones(4000),
        "outcome": np.stack([won, 0 * won, ~won], axis=1).astype(float),
        "score_lead": np.where(won, 2.0, -3.0),
        "ownership": np.where(won, 1.0, -1.0)[:, None, None] * np.ones((1, 3, 3)),
    }
    bounds = constant_losses(targets)
    assert bounds["value"][0] == pytest.approx(-0.7 * np.log(0.7) - 0.3 * np.log(0.3), abs=0.02)
    assert bounds["policy"][0] == pytest.approx(np.log(10), abs=0.01)
    assert bounds["ownership"][0] == pytest.approx(4 * 0.7 * 0.3, abs=0.05)
    assert all(least == pytest.approx(0.0, abs=1e-6) for _, least in bounds.values())

    nothing = {f"{head}_loss": most for head, (most, _) in bounds.items()}
    half = {f"{head}_loss": most / 2 for head, (most, _) in bounds.items()}
    assert head_skills(nothing, targets) == pytest.approx(dict.fromkeys(bounds, 0.0))
    assert head_skills(half, targets) == pytest.approx(dict.fromkeys(bounds, 0.5))
    targets["policy_weight"] = np.zeros(4000)
    assert "policy" not in head_skills(half, targets)


@pytest.mark.parametrize(
    ("elo", "expected"),
    [
        ([0, 200, 400, 500, 500, 490, 510], False),
        ([0, 200, 400, 500, 100, 150, 100], True),
        ([0, 200, 400, 500, 100, 480, 490], False),  # one bad network is no trend
        ([0, 200, 100, 100], None),
    ],
)
def test_the_last_networks_must_not_be_weaker_than_an_earlier_one(elo, expected):
    covariance = 30.0**2 * np.eye(len(elo))

    assert wrong(falling_elo([f"{i:06d}" for i in range(len(elo))], np.array(elo, float), covariance)) is expected


def test_what_all_ratings_share_does_not_hide_a_fall_and_noise_makes_none():
    networks, shared = [f"{i:06d}" for i in range(40)], 500.0**2 * np.ones((40, 40))
    fallen = np.array([600.0] * 20 + [300.0] * 20)
    assert wrong(falling_elo(networks, fallen, 30.0**2 * np.eye(40) + shared)) is True

    draws = np.random.default_rng(0).normal(0, 30, (2000, 40))
    rings = [wrong(falling_elo(networks, draw, 30.0**2 * np.eye(40))) for draw in draws]
    assert np.mean(rings) < 0.015
