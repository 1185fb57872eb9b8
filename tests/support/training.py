# SPDX-License-Identifier: Apache-2.0
"""Runs for the tests of training: small, with games of random play, and a trainer that costs nothing."""

import threading
from collections.abc import Iterable
from typing import Any

import numpy as np

from minigo.config import Config, GameConfig, LoopConfig, MachineConfig, NetworkConfig, SelfPlayConfig, TrainConfig
from minigo.data.shards import RANDOM_PLAYOUTS, write_shard
from minigo.gamepool import new_shard, play_random_shard
from minigo.network.network import Network
from minigo.network.trainer import Trainer
from minigo.run import Run
from minigo.train import RunTrainer

CONFIG = Config(
    game=GameConfig(board_size=4, komi=1.5),
    network=NetworkConfig(blocks=1, channels=8, pooling_blocks=1, head_channels=8, value_hidden=8),
    selfplay=SelfPlayConfig(games_per_shard=4, random_games=8),
    train=TrainConfig(
        batch_size=32,
        replay_ratio=1.0,
        window_min=400,
        warmup_steps=2,
        average_decay=0.5,
        untargeted_positions=1000,
    ),
    loop=LoopConfig(games_per_generation=8),
    machine=MachineConfig(precision="float32"),
    seed=5,
)


class FakeTrainer(Trainer):
    """Learns nothing but how many steps it took; its networks differ by that number."""

    def __init__(self, network: Network, config: TrainConfig, *, precision: str = "") -> None:  # noqa: ARG002
        self._network = network
        self._step = 0

    @property
    def step(self) -> int:
        return self._step

    def train(self, batches: Iterable[Any], progress: float) -> dict[str, float]:  # noqa: ARG002
        self._step += sum(1 for _ in batches)
        return {"value_loss": 1.0}

    def measure(self, batches: Iterable[Any]) -> dict[str, float]:
        return {"value_loss": float(sum(1 for _ in batches))}

    def averaged_network(self) -> Network:
        bias = {"outcome/bias": np.full(3, self._step, np.float32)}
        return Network(self._network.config, {**self._network.weights, **bias})

    def checkpoint(self) -> dict[str, bytes]:
        return {"step": str(self._step).encode()}

    def restore(self, files: dict[str, bytes]) -> None:
        self._step = int(files["step"])


def publish_random_games(run: Run, *sequences: int, holdout: bool = False, config: Config | None = None) -> list[str]:
    """Publishes shards of random games, of the run's config or of another one; their paths."""
    config = config or run.config
    paths = []
    for sequence in sequences:
        shard = new_shard(config, RANDOM_PLAYOUTS, "", None, "tester", sequence)
        play_random_shard(config, shard)
        name = run.shard_name(RANDOM_PLAYOUTS, "tester", sequence, "2024010100")
        paths.append(run.publish_shard(name, write_shard(shard.header, shard.records), holdout=holdout))
    return paths


def train(run: Run) -> str | None:
    """Trains in a new process, as it were, without learning."""
    return RunTrainer(Run.open(run.url), FakeTrainer).train(0.0, threading.Event())
