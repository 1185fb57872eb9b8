# SPDX-License-Identifier: Apache-2.0
"""Runs with match records for tests of the ratings, played by evaluators that need no network."""

import dataclasses
from pathlib import Path

from minigo.config import Config, EvaluateConfig, GameConfig, MatchConfig, SearchConfig
from minigo.evaluate import evaluate_candidate
from minigo.inference.evaluator import Evaluator, HashEvaluator
from minigo.run import Run
from tests.support.area_evaluator import AreaEvaluator

CONFIG = Config(
    game=GameConfig(board_size=5, komi=0.5),
    search=SearchConfig(num_simulations=4),
    match=MatchConfig(opening_plies=2, temperature=0.5, temperature_plies=4),
    evaluate=EvaluateConfig(games=6, num_simulations=16),
    seed=1,
)


def load_evaluator(url: str) -> Evaluator:
    """Networks with an odd number know a little Go, those with an even one nothing."""
    number = int(url.rpartition("/")[2])
    return AreaEvaluator() if number % 2 else HashEvaluator(number)


def run_with_networks(folder: Path, networks: int, config: Config = CONFIG) -> Run:
    """A run of networks, each grown out of the one before; the first is the champion."""
    run = Run.create(str(folder), config)
    for number in range(networks):
        run.publish_network(b"weights %d" % number, {"parent": f"{number - 1:06d}" if number else None})
    run.promote("000000", {"reason": "first"}, None)
    return run


def play_gate_matches(run: Run, games: int = 6) -> None:
    """Lets every network meet the champion of its time."""
    for name in run.networks()[1:]:
        config = dataclasses.replace(run.config.evaluate, games=games)
        evaluate_candidate(run, name, run.champion(), config, load_evaluator)
