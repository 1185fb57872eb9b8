# SPDX-License-Identifier: Apache-2.0
"""How well a new network learns from a run's last games: a first look at another network or training, in minutes.

    python benchmarks/offline.py --run=runs/9x9 --examples=400000
    python benchmarks/offline.py --run=runs/9x9 --examples=400000 --flags="--network.channels=48"

A network that knows nothing is trained on the run's newest positions, with the rate falling as the config says from the
first example to the last, and measured on every tenth shard, which is kept from it: against results alone, whatever
`train.value_from_search` was learned from. Losses tell what the games teach, not how it plays: a match has to follow.
Prints one JSON object.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from minigo.commands.learning import LOOP
from minigo.config import Config
from minigo.data.examples import Batch, ExampleStream, make_batch
from minigo.data.shards import read_shard, shard_age
from minigo.data.window import Window
from minigo.flags import parse, resolve_config
from minigo.go.symmetry import NUM_SYMMETRIES
from minigo.inference.quiet import start_framework
from minigo.run import Run

HELD_OUT: Final = 10  # every so many shards one
STAGES: Final = 40  # in which the rate falls


def main() -> None:
    """Trains one network and prints its losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="the folder or bucket of a run")
    parser.add_argument("--positions", type=int, default=120_000, help="the newest positions, to learn from")
    parser.add_argument("--examples", type=int, default=400_000, help="how many are drawn from them")
    parser.add_argument("--flags", default="", help="of `minigo loop`, over the run's config")
    parser.add_argument("--precision", default="bfloat16", help="of the training")
    parser.add_argument("--threads", type=int, default=0, help="that train; 0: one for each core")
    options = parser.parse_args()
    run = Run.open(options.run)
    config = resolve_config(parse(LOOP, shlex.split(options.flags)), run.config)
    start_framework(config.machine.backend, options.threads)
    kept, held = windows(run, config, options.positions)
    found = losses(config, kept, held, options.examples, options.precision)
    print(json.dumps({"run": options.run, "flags": options.flags, **found}))


def windows(run: Run, config: Config, positions: int) -> tuple[Window, Window]:
    """A run's newest positions, at least so many if there are, and those of the shards between that are held out."""
    kept, held, count = [], [], 0
    for number, path in enumerate(sorted(run.shards(), key=shard_age, reverse=True), 1):
        records = read_shard(run.read(path))[1]
        if number % HELD_OUT == 0:
            held += records
            continue
        kept += records
        count += sum(len(record.target_plies) for record in records)
        if count >= positions and held:
            break
    if not held or not count:
        raise SystemExit(f"{run.url} has too few games to learn from and to hold out: let it go on")
    whole = replace(config.train, window_min=1_000_000_000)  # no game is left out
    learned, measured = Window(config.game, whole), Window(config.game, whole)
    learned.add(kept[::-1])
    measured.add(held[::-1])
    return learned, measured


def losses(config: Config, kept: Window, held: Window, examples: int, precision: str) -> dict[str, Any]:
    """The losses of a new network on the positions held out, and on as many of those that it learned from."""
    from minigo.network.network import Network
    from minigo.network.trainer import Trainer

    trainer = Trainer(Network.create(config.network, seed=config.seed), config.train, precision=precision)
    rng, steps, began = np.random.default_rng(config.seed), -(-examples // config.train.batch_size), time.perf_counter()
    for stage in range(STAGES):
        first, last = (steps * number // STAGES for number in (stage, stage + 1))
        if first == last:
            continue
        with ExampleStream(kept, config.train, rng, last - first) as stream:
            total = trainer.train(stream, stage / STAGES)["total_loss"]
        print(f"{last} of {steps} steps, total loss {total:.3f}", file=sys.stderr, flush=True)
    seconds = round(time.perf_counter() - began, 1)
    count, size = held.num_positions, config.train.batch_size
    return {
        "positions": kept.num_positions,
        "held_out_positions": count,
        "steps": steps,
        "seconds": seconds,
        "learned_losses": trainer.measure(_batches(kept, count, size)),
        "held_out_losses": trainer.measure(_batches(held, count, size)),
    }


def _batches(window: Window, count: int, size: int) -> Iterator[Batch]:
    """The first positions, at most `count`, but for those that fill no batch; against results alone."""
    count = min(count, window.num_positions)
    for first in range(0, max(1, count - size + 1), size):
        positions = np.arange(first, min(first + size, count))
        symmetries = np.full(len(positions), first // size % NUM_SYMMETRIES, np.uint8)
        yield make_batch(window, positions, symmetries, 0.0)


if __name__ == "__main__":
    main()
