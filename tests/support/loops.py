# SPDX-License-Identifier: Apache-2.0
"""A loop small enough for tests, as a process of its own, and what must hold of its run at any moment."""

import subprocess
import sys
from pathlib import Path

from minigo.data.shards import read_shard
from minigo.run import Run

SMALL_LOOP = (
    "--game.board_size=4",
    "--game.komi=1.5",
    "--network.blocks=1",
    "--network.channels=8",
    "--selfplay.num_simulations=4",
    "--selfplay.fast_simulations=2",
    "--selfplay.games_per_shard=8",
    "--selfplay.random_games=16",
    "--train.batch_size=64",
    "--train.window_min=300",
    "--train.holdout_share=0.1",
    "--evaluate.games=8",
    "--evaluate.num_simulations=2",
    "--evaluate.threshold=0.3",
    "--loop.games_per_generation=56",
    "--loop.final_games=4",
    "--search.num_simulations=4",
    "--machine.games_per_thread=8",
    "--machine.threads=2",
    "--minutes=100",
    "--dashboard_port=0",
)


def start_loop(run: Path, *flags: str) -> subprocess.Popen[str]:
    """Starts `minigo loop` on a run."""
    command = [sys.executable, "-m", "minigo", "loop", f"--run={run}", *SMALL_LOOP, *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_run(run: Run) -> dict[str, bytes]:
    """Asserts that all that is published is whole and nothing was counted twice; returns every shard's bytes."""
    shards = {path: run.read(path) for path in run.shards() + run.shards(holdout=True)}
    games = {path: read_shard(data)[1] for path, data in shards.items()}
    ids = [record.game_id for records in games.values() for record in records]
    assert len(ids) == len(set(ids)), "a game was published twice"
    assert run.quarantined() == {}
    for name in run.networks():
        run.network_files(name)
    state = run.training.state()
    if state is not None:
        consumed = run.training.consumption_order()
        assert len(consumed) == len(set(consumed)), "a shard was trained on twice"
        assert set(consumed) <= set(run.shards())
        assert state.games_seen == sum(len(games[path]) for path in consumed)
        run.training.read_checkpoint(state)
    for match in run.matches.names():
        for path in run.matches.games(match).values():
            read_shard(run.read(path))
    return shards
