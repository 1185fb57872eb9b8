# SPDX-License-Identifier: Apache-2.0
"""A small config of self-play on 4x4, and shards to be played with it."""

from minigo.config import Config, GameConfig, MachineConfig, SelfPlayConfig
from minigo.gamepool import Shard, new_shard
from minigo.inference.evaluator import Evaluator, HashEvaluator

CONFIG = Config(
    game=GameConfig(board_size=4, komi=1.5),
    selfplay=SelfPlayConfig(num_simulations=8, fast_simulations=2, games_per_shard=6, random_games=6),
    machine=MachineConfig(games_per_thread=5, batch_rows=3),
    seed=3,
)


def shard(sequence: int = 0, evaluator: Evaluator | None = None, network: str = "000000") -> Shard:
    """One that is yet to be played, by default with an evaluator that knows nothing."""
    return new_shard(CONFIG, network, "0" * 64, evaluator or HashEvaluator(1), "tester", sequence)
