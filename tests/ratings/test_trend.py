# SPDX-License-Identifier: Apache-2.0
"""The alarm on a falling Elo, from the games of a run."""

import dataclasses
from pathlib import Path

import pytest

from minigo.alarms import Finding
from minigo.config import EvaluateConfig
from minigo.evaluate import evaluate_candidate
from minigo.inference.evaluator import Evaluator, HashEvaluator
from minigo.run import Run
from ratings.trend import rating_trend
from tests.support.area_evaluator import AreaEvaluator
from tests.support.match_runs import CONFIG, run_with_networks

NO_PROMOTION = EvaluateConfig(games=24, threshold=1.0, num_simulations=16)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def trend_of(folder: Path, ignorant: set[int]) -> Finding | None:
    """Networks 2 to 5 meet network 1; all know a little Go but those of these numbers."""
    run = run_with_networks(folder, 6, dataclasses.replace(CONFIG, evaluate=NO_PROMOTION))
    run.promote("000001", {"reason": "test"}, run.champion())

    def load_evaluator(url: str) -> Evaluator:
        number = int(url.rpartition("/")[2])
        return HashEvaluator(number) if number in ignorant else AreaEvaluator()

    for name in run.networks()[2:]:
        evaluate_candidate(run, name, run.champion(), NO_PROMOTION, load_evaluator)
    return rating_trend(run)


def test_networks_that_lose_to_an_earlier_one_ring(tmp_path):
    finding = trend_of(tmp_path / "run", {3, 4, 5})

    assert finding is not None
    assert finding.is_wrong
    assert "Elo from 00000" in finding.evidence


def test_networks_of_one_strength_and_a_single_bad_one_do_not(tmp_path):
    for number, ignorant in enumerate((set(), {5})):
        finding = trend_of(tmp_path / f"run-{number}", ignorant)
        assert finding is not None
        assert not finding.is_wrong


def test_a_run_without_games_has_no_trend(tmp_path):
    assert rating_trend(run_with_networks(tmp_path / "run", 2)) is None
    assert rating_trend(Run.create(str(tmp_path / "empty"), CONFIG)) is None
