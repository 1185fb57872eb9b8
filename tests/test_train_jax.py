# SPDX-License-Identifier: Apache-2.0
"""A run on JAX, from its first network to a promoted one, where TensorFlow can not be imported."""

import json
from pathlib import Path

import pytest

from tests.network.jax_side import run_on_jax

SCRIPT = """
import logging, threading
from minigo.config import Config
from minigo.inference.quiet import start_framework
from minigo.run import Run, read_network
run = Run.open(sys.argv[1])
logging.basicConfig(level=logging.INFO)
start_framework(run.config.machine.backend, 1)
from minigo.inference.jax import JaxEvaluator
from minigo.loop import Services, run_loop
from minigo.network.network import Network
from minigo.train import RunTrainer
services = Services(
    load_evaluator=lambda url: JaxEvaluator(Network.from_bytes(*read_network(url)), precision="float32"),
    trainer=RunTrainer(run),
    rate=lambda run: {},
    report=lambda run: "",
    play_rating_games=lambda run, games, stop: 0,
    trend=lambda run: None,
)
run_loop(run, services, threading.Event())
import minigo.benchmark, minigo.engines.gtp, minigo.evaluate, minigo.match
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run after one generation, and what was said meanwhile."""
    from minigo.config import (
        Config,
        EvaluateConfig,
        GameConfig,
        LoopConfig,
        MachineConfig,
        NetworkConfig,
        SelfPlayConfig,
        TrainConfig,
    )
    from minigo.run import Run

    config = Config(
        game=GameConfig(board_size=4, komi=1.5),
        network=NetworkConfig(blocks=1, channels=8, head_channels=8, value_hidden=8),
        selfplay=SelfPlayConfig(games_per_shard=8, random_games=16, num_simulations=4),
        train=TrainConfig(
            batch_size=32, replay_ratio=1.0, window_min=400, holdout_share=0.0, untargeted_positions=1000
        ),
        evaluate=EvaluateConfig(games=4, num_simulations=4),
        loop=LoopConfig(generations=2, games_per_generation=16, final_games=2),
        machine=MachineConfig(backend="jax", threads=2, games_per_thread=8, batch_rows=8, precision="float32"),
    )
    folder = tmp_path_factory.mktemp("jax") / "run"
    return folder, run_on_jax(SCRIPT, Run.create(str(folder), config).url)


def test_a_loop_learns_without_tensorflow(finished: tuple[Path, str]) -> None:
    from minigo.data.shards import read_shard
    from minigo.run import Run

    run = Run.open(str(finished[0]))
    assert run.networks() == ["000000", "000001", "000002"]
    assert [row["step"] > 0 for row in run.telemetry.metrics("train")] == [True, True]
    played = {read_shard(run.read(path))[0].backend for path in run.shards() if "random-" not in path}
    assert played == {"jax"}


def test_it_says_once_that_there_are_no_tensorboard_events(finished: tuple[Path, str]) -> None:
    assert finished[1].count("no TensorBoard events") == 1
    assert list(finished[0].rglob("events.*")) == []


def test_a_network_tells_what_made_it(finished: tuple[Path, str]) -> None:
    (info,) = (finished[0] / "networks" / "000001").glob("*.json")

    assert set(json.loads(info.read_text())["versions"]) == {"minigo", "keras", "jax", "numpy"}


def test_a_pair_of_a_gate_match_is_played_without_tensorflow(finished: tuple[Path, str]) -> None:
    from minigo.run import Run

    run = Run.open(str(finished[0]))
    spec = {"player": "000001", "opponent": "000000", "seed": 1, "evaluate": {"num_simulations": 4}}
    run.matches.publish_spec("pair", spec)
    script = "from minigo.__main__ import main; sys.exit(main(sys.argv[1:]))"
    run_on_jax(script, "match-pair", f"--run={run.url}", "--match=pair", "--pair=1", "--machine.backend=jax")

    assert sorted(run.matches.games("pair")) == [2, 3]
