# SPDX-License-Identifier: Apache-2.0
"""Claim: self-play with a network of 6 blocks x 96 channels on 9x9 evaluates 5 times as many positions a second as
KataGo's CPU back end with a network of the same size in bfloat16, and 8 times in int8.

KataGo is not run here. On the reference machine (two Zen 5 cores with AVX-512) version 1.17 of its Eigen back end
evaluated 1,140 positions a second in self-play with its own network of this size. That figure is scaled to this machine
by the ratio of float32 speeds: OpenVINO 2026.4, float32, 6 blocks x 64 channels on 9x9, batches of 64, one thread did
3,510 evaluations/s there, and what it does here is measured in turns with self-play. OpenVINO is the same program on
both, nearly at the peak of the float32 units; TensorFlow's figure there is of a graph that this project has made faster
since. Without OpenVINO there is nothing to scale by, and no ratio.
"""

import contextlib
import functools
import sys

from measure import Options, Ratio, Result, config_of, main

from minigo.benchmark import Backend, load_backends, wanted_backends
from minigo.measures import SelfPlay, bare_evaluations_per_second, interleaved, with_batch
from minigo.network.network import Network
from minigo.selfplay import num_threads

KATAGO = 1140.0  # evaluations/s in self-play, 6 blocks x 96 channels, on the reference machine
REFERENCE_FLOAT32 = 3510.0  # evaluations/s there of OpenVINO, float32, 6 x 64, batches of 64, one thread
BOUNDS = {"bfloat16": 5.0, "int8": 8.0}
YARDSTICK = Backend("openvino", "float32")


def run(options: Options) -> Result:
    """Measures self-play on every back end, and the speed that scales KataGo's figure."""
    small = config_of(6, 64, 9)
    loaded = load_backends(Network.create(small.network, seed=0), small, (YARDSTICK,))
    if YARDSTICK not in loaded:
        print(f"{YARDSTICK} is missing, by which KataGo's figure is scaled: pip install 'minigo[cpu]'", file=sys.stderr)
        return Result()
    config = with_batch(config_of(options.blocks, options.channels, 9), options.rows)
    backends = tuple(backend for backend in wanted_backends(config) if backend.precision in BOUNDS)
    evaluators = load_backends(Network.create(config.network, seed=0), config, backends)
    threads = num_threads(config)
    with contextlib.ExitStack() as stack:
        measures = {YARDSTICK: functools.partial(bare_evaluations_per_second, loaded[YARDSTICK], 9, 64, 1)}
        for backend, evaluator in evaluators.items():
            player = stack.enter_context(SelfPlay(config, evaluator, threads))
            player.play(options.seconds)
            measures[backend] = functools.partial(_evaluations, player)
        found = interleaved(measures, options.seconds, options.rounds)
    scale = found.pop(YARDSTICK) / REFERENCE_FLOAT32
    result = Result(
        {"this machine : reference machine, float32": scale, "KataGo scaled, evaluations/s": KATAGO * scale}
    )
    for backend, rate in found.items():
        result.figures[f"{backend}, self-play, evaluations/s"] = rate
        result.ratios[f"{backend} : KataGo"] = Ratio(rate / (KATAGO * scale), bound=BOUNDS[backend.precision])
    return result


def _evaluations(player: SelfPlay, seconds: float) -> float:
    return player.play(seconds).evaluations_per_s


if __name__ == "__main__":
    main(__doc__, run, blocks=6, channels=96, rows=64)
