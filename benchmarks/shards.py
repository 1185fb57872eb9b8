# SPDX-License-Identifier: Apache-2.0
"""Claim: a run stays quick whatever its age: at 100,000 shards, listing them, finding the new ones, and starting a
trainer (which opens the window) each take less than a second, for a window of 20,000 positions.

A larger window takes longer to open whatever the number of shards, since its games are read and checked again: the last
figure says how many of its positions a second.

The run is made up: one shard of games under many names, listed in manifests as if training had consumed it, and as
many real shards at the end as the window holds.
"""

import contextlib
import itertools
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from measure import Options, Ratio, Result, config_of, main

from minigo.config import Config
from minigo.data.shards import RANDOM_PLAYOUTS, read_shard, write_shard
from minigo.gamepool import new_shard, play_random_shard
from minigo.inference.quiet import start_tensorflow
from minigo.network.network import Network
from minigo.run import Run, TrainerState
from minigo.selfplay import publish

GENERATION = 1000  # shards that one commit of training consumes
LINKS = 30_000  # names of one file


class IdleTrainer:
    """Takes no steps: what is timed is all that comes before the first."""

    step = 0

    def __init__(self, *_: object, **__: object) -> None: ...

    def restore(self, files: dict[str, bytes]) -> None:
        """Forgets the checkpoint."""


def run(options: Options) -> Result:
    """Makes the run and times what its programs do again and again."""
    start_tensorflow()
    from minigo.train import RunTrainer

    trainer: Any = IdleTrainer
    with _run_of(options) as url:
        seconds = {
            "listing": _median(lambda: Run.open(url).shards(), options.rounds),
            "new shards, the first time": _median(lambda: RunTrainer(Run.open(url)).new_shards(), options.rounds),
            "new shards, from then on": _median(_again(RunTrainer(Run.open(url)).new_shards), options.rounds),
            "next number of a worker": _median(lambda: Run.open(url).next_sequence("benchmark"), options.rounds),
            "start of a trainer, window and all": _median(
                lambda: RunTrainer(Run.open(url), trainer).train(0.0, threading.Event()), options.rounds
            ),
        }
        newest = Run.open(url)
        reading = _median(lambda: _read_newest(newest, options.window), options.rounds)
    figures = {f"{name}, s": value for name, value in seconds.items()}
    figures["window read and checked, positions/s"] = options.window / reading
    ratios = {
        f"{name}: 1 s": Ratio(value, bound=1.0, tolerance=0.5, lower_is_better=True) for name, value in seconds.items()
    }
    return Result(figures, ratios)


def _read_newest(run: Run, positions: int) -> None:
    """Reads shards from the newest on until they hold so many positions."""
    for path in reversed(run.training.consumption_order()):
        positions -= sum(record.num_moves for record in read_shard(run.read(path))[1])
        if positions <= 0:
            return


def _median(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _again(work: Callable[[], object]) -> Callable[[], object]:
    work()
    return work


@contextlib.contextmanager
def _run_of(options: Options) -> Iterator[str]:
    config = config_of(1, 8, options.board_size)
    config = replace(
        config,
        selfplay=replace(config.selfplay, games_per_shard=64),
        train=replace(config.train, window_min=options.window, window_growth=0.0, holdout_share=0.0),
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(f"{folder}/run", config)
        network = Network.create(config.network, seed=0)
        run.publish_network(network.to_bytes(), network.description())
        names = _old_shards(Path(folder) / "run", config, options.shards)
        names += _real_shards(run, config)
        _consume(run, network, names)
        yield run.url


def _old_shards(root: Path, config: Config, count: int) -> list[str]:
    shard = new_shard(config, RANDOM_PLAYOUTS, "", None, "old", 0)
    data = write_shard(shard.header, play_random_shard(config, shard)[:1])
    paths = []
    source = root
    for number in range(count):
        hour = f"2020{1 + number // 672_000:02d}{1 + number // 24_000 % 28:02d}{number // 1000 % 24:02d}"
        path = f"games/{hour}/{RANDOM_PLAYOUTS}-old-{number:06d}.parquet"
        file = root / path
        if number % 1000 == 0:
            file.parent.mkdir(parents=True, exist_ok=True)
        if number % LINKS == 0:
            source = file
            file.write_bytes(data)
        else:
            os.link(source, file)
        paths.append(path)
    return paths


def _real_shards(run: Run, config: Config) -> list[str]:
    paths, positions = [], 0
    for sequence in itertools.count():
        shard = new_shard(config, RANDOM_PLAYOUTS, "", None, "benchmark", sequence)
        positions += sum(record.num_moves for record in play_random_shard(config, shard))
        paths.append(publish(run, shard))
        if positions >= config.train.window_min:
            break
    return paths


def _consume(run: Run, network: Network, paths: list[str]) -> None:
    files = {
        "average.safetensors": network.to_bytes(),
        "candidate.json": json.dumps(network.description()).encode(),
    }
    state = run.training.start()
    for start in range(0, len(paths), GENERATION):
        consumed = paths[start : start + GENERATION]
        counts = replace(state, step=state.step + 1, positions_seen=state.positions_seen + 10)
        state = run.training.commit(counts, files, consumed, state)
    if not isinstance(state, TrainerState):
        raise TypeError(f"a commit must return a state, got {state!r}")


if __name__ == "__main__":
    main(__doc__, run, shards=100_000, board_size=9, window=20_000)
