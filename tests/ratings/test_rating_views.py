# SPDX-License-Identifier: Apache-2.0
"""What the pages about strength show: that it is what was decided."""

import dataclasses
import random

import pytest

from minigo.config import Config, EvaluateConfig
from minigo.gates import SprtGate
from ratings.rating_views import gate_match
from ratings.snapshot import Match, Snapshot
from ratings.watch import Watch
from tests.support.dashboards import whole_run
from tests.support.match_runs import CONFIG

SPRT = EvaluateConfig(gate="sprt")
GATE = SprtGate(SPRT.sprt_elo0, SPRT.sprt_elo1, SPRT.sprt_alpha, SPRT.sprt_beta, SPRT.sprt_max_pairs)
MATCH = "000001-against-000000"


def shown(points: dict[int, float | None], evaluate: EvaluateConfig = SPRT) -> list[float]:
    """The ratios of the gate's chart."""
    match = Match(MATCH, "gate", "000001", "000000", None, points, {}, evaluate)
    (series,) = gate_match(Snapshot("x", "x", config=Config()), match).progress.series
    return list(series.y)


def decided(points: dict[int, float | None]) -> tuple[int, float]:
    """How many pairs the gate counts, and the ratio that it sees."""
    score = GATE.counted(points)
    return score.games // 2, GATE.ratio(score)


def test_the_ratio_ends_where_the_gate_decides():
    points: dict[int, float | None] = dict.fromkeys(range(160), 1.0)

    pairs, ratio = decided(points)
    assert pairs < 80
    assert len(shown(points)) == pairs + 1
    assert shown(points)[-1] == pytest.approx(ratio)


def test_pairs_that_are_not_whole_are_not_drawn():
    points: dict[int, float | None] = {0: 0.0, **{2 * pair: 1.0 for pair in range(1, 60)}}

    assert decided(points)[0] == 0
    assert shown(points) == [0.0]


def test_a_game_without_a_result_is_drawn_as_the_gate_counts_it():
    points = {0: 1.0, 1: None, 2: None, 3: None, 4: 1.0, 5: 0.0}

    assert len(shown(points)) == 4
    assert shown(points)[-1] == pytest.approx(decided(points)[1])


@pytest.mark.parametrize("seed", range(20))
def test_the_last_ratio_is_that_of_the_gate(seed):
    rng = random.Random(seed)  # noqa: S311 (for variety)
    numbers = [number for number in range(rng.randint(0, 400)) if rng.random() < 0.99]
    points = {number: rng.choice([0.0, 0.5, 1.0, 1.0, None]) for number in numbers}

    pairs, ratio = decided(points)
    assert len(shown(points)) == pairs + 1
    assert shown(points)[-1] == pytest.approx(ratio)


def test_a_match_is_shown_by_the_settings_that_it_began_with(tmp_path):
    run = whole_run(
        tmp_path / "run", 2, dataclasses.replace(CONFIG, evaluate=dataclasses.replace(SPRT, num_simulations=4))
    )

    snapshot = Watch(run.url, book=":memory:").look(survey=True)
    match = snapshot.matches[MATCH]

    assert match.evaluate is not None
    assert (match.evaluate.gate, match.evaluate.games) == ("sprt", 4)
    elsewhere = dataclasses.replace(snapshot, config=Config(evaluate=EvaluateConfig(gate="winrate")))
    assert gate_match(elsewhere, match).gate.startswith("sequential test")
