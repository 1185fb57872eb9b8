# SPDX-License-Identifier: Apache-2.0
"""Claim: the network alone, 6 blocks x 64 channels on 9x9, runs at TensorFlow bfloat16 : OpenVINO bfloat16 : OpenVINO
int8 = 1 : 1.5 : 2.7 or better on all cores.

Also says what share of the machine's peak each reaches: the best that large matrices (TensorFlow) and convolutions of
128 channels (OpenVINO) get out of all cores in the same arithmetic.
"""

import functools

from measure import Options, Ratio, Result, config_of, flops_per_evaluation, main, peak_flops

from minigo.benchmark import Backend, load_backends, wanted_backends
from minigo.measures import bare_evaluations_per_second, interleaved
from minigo.network.network import Network
from minigo.selfplay import num_threads

BOUNDS = {Backend("openvino", "bfloat16"): 1.5, Backend("openvino", "int8"): 2.7}
BASE = Backend("tensorflow", "bfloat16")


def run(options: Options) -> Result:
    """Measures each back end that works here."""
    config = config_of(options.blocks, options.channels, options.board_size)
    network, size = Network.create(config.network, seed=0), config.game.board_size
    evaluators = load_backends(network, config, wanted_backends(config))
    threads = num_threads(config)
    peaks = {precision: f"peak {precision}" for precision in sorted({backend.precision for backend in evaluators})}
    measured = interleaved(
        {
            **{
                str(backend): functools.partial(bare_evaluations_per_second, evaluator, size, options.rows, threads)
                for backend, evaluator in evaluators.items()
            },
            **{name: peak_flops(precision, threads) for precision, name in peaks.items()},
        },
        options.seconds,
        options.rounds,
    )
    found = {backend: measured[str(backend)] for backend in evaluators}
    result = Result({f"{backend}, evaluations/s": rate for backend, rate in found.items()})
    result.figures |= {f"{name}, GFLOP/s": measured[name] / 1e9 for name in peaks.values()}
    flops = flops_per_evaluation(config.network, size)
    for backend, rate in found.items():
        share = rate * flops / measured[peaks[backend.precision]]
        result.ratios[f"{backend}, share of the peak"] = Ratio(share, tolerance=0.15)
    for backend, rate in found.items():
        if backend != BASE and BASE in found:
            result.ratios[f"{backend} : {BASE}"] = Ratio(rate / found[BASE], bound=BOUNDS.get(backend))
    return result


if __name__ == "__main__":
    main(__doc__, run, blocks=6, channels=64, board_size=9, rows=64)
