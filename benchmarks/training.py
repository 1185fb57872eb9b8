# SPDX-License-Identifier: Apache-2.0
"""Claim: the pipeline makes three times as many training examples a second as the training step takes, or more, so
that the step never waits; and what share of the machine's peak in its own precision the step reaches (6 blocks x 64
channels, 9x9, batches of 256; three times the arithmetic of an evaluation for each example).
"""

import dataclasses

import numpy as np
from measure import Options, Ratio, Result, config_of, flops_per_evaluation, main, peak_flops

from minigo.config import Config
from minigo.data.examples import ExampleStream
from minigo.data.window import Window
from minigo.measures import interleaved, random_window, rate
from minigo.network.network import Network
from minigo.network.precision import settled_precision
from minigo.network.trainer import Trainer
from minigo.selfplay import num_threads

AT_ONCE = 4
PASSES = 3  # forward, gradient of activations, gradient of weights


def run(options: Options) -> Result:
    """Measures the pipeline, the step and both together in turns."""
    config = config_of(options.blocks, options.channels, options.board_size)
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=options.batch))
    window, random = random_window(config), np.random.default_rng(0)
    examples = AT_ONCE * config.train.batch_size
    precision = settled_precision(config.machine.precision)
    trainer = Trainer(Network.create(config.network, seed=0), config.train, precision=precision)
    with ExampleStream(window, config.train, random, AT_ONCE) as stream:
        batches = list(stream)

    def step() -> int:
        trainer.train(batches, 0.0)
        return examples

    def both() -> int:
        with ExampleStream(window, config.train, random, AT_ONCE) as stream:
            trainer.train(stream, 0.0)
        return examples

    found = interleaved(
        {
            "examples/s, pipeline alone": lambda s: rate(lambda: _drawn(window, config, random), s),
            "examples/s, step alone": lambda s: rate(step, s),
            "examples/s, both": lambda s: rate(both, s),
            "peak": peak_flops(precision, num_threads(config)),
        },
        options.seconds,
        options.rounds,
    )
    peak = found.pop("peak")
    flops = PASSES * flops_per_evaluation(config.network, config.game.board_size)
    alone = found["examples/s, step alone"]
    return Result(
        figures={**found, f"peak {precision}, GFLOP/s": peak / 1e9},
        ratios={
            "pipeline : step": Ratio(found["examples/s, pipeline alone"] / alone, bound=3.0, tolerance=0.2),
            "both : step alone": Ratio(found["examples/s, both"] / alone, tolerance=0.05),
            "step, share of the peak": Ratio(alone * flops / peak, tolerance=0.15),
        },
    )


def _drawn(window: Window, config: Config, random: np.random.Generator) -> int:
    with ExampleStream(window, config.train, random, AT_ONCE) as stream:
        return sum(len(batch.inputs["planes"]) for batch in stream)


if __name__ == "__main__":
    main(__doc__, run, blocks=6, channels=64, board_size=9, batch=256)
