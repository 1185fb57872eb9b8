# SPDX-License-Identifier: Apache-2.0
"""Claim: 1,024 concurrent 9x9 games of 64 simulations a move take less than 1 GiB beyond the framework, and a search of
100,000 visits on 19x19 less than 400 MB, tree, cache and all.

Each part runs in a process of its own; the games are measured from where framework and network are loaded and have
computed, to the peak.
"""

import json
import subprocess
import sys
from dataclasses import replace

from measure import Options, Ratio, Result, config_of, forget_peak, main, memory_mib

PARTS = ("all", "games", "search")


def run(options: Options) -> Result:
    """Measures both parts, or the one that `--part` names by its number."""
    if options.part:
        return {"games": _games, "search": _search}[PARTS[options.part]](options)
    result = Result()
    for part in range(1, len(PARTS)):
        passed = {**vars(options), "part": part, "json": True}
        arguments = [f"--{name}" if value is True else f"--{name}={value}" for name, value in passed.items()]
        command = [sys.executable, __file__, *arguments]
        answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        result.figures |= answer["figures"]
        result.ratios |= {name: Ratio(**fields) for name, fields in answer["ratios"].items()}
    return result


def _games(options: Options) -> Result:
    from minigo.benchmark import load_backends, wanted_backends
    from minigo.measures import SelfPlay, bare_evaluations_per_second
    from minigo.network.network import Network
    from minigo.selfplay import num_threads

    config = config_of(options.blocks, options.channels, 9)
    threads = num_threads(config)
    config = replace(
        config,
        selfplay=replace(config.selfplay, num_simulations=64, fast_simulations=64, full_share=1.0),
        machine=replace(
            config.machine, backend="tensorflow", precision="bfloat16", games_per_thread=options.games // threads
        ),
    )
    (evaluator,) = load_backends(Network.create(config.network, seed=0), config, wanted_backends(config)).values()
    bare_evaluations_per_second(evaluator, 9, config.machine.batch_rows, threads, options.seconds)
    before = memory_mib("VmRSS")
    forget_peak()
    with SelfPlay(config, evaluator, threads) as selfplay:
        for _ in range(options.rounds):
            selfplay.play(options.seconds)
        taken = memory_mib("VmHWM") - before
    return Result(
        {"framework and network, MiB": before, f"{options.games} games beyond it, MiB": taken},
        {"games: 1 GiB": Ratio(taken / 1024, bound=1.0, lower_is_better=True)},
    )


def _search(options: Options) -> Result:
    import numpy as np

    from minigo.config import SearchConfig
    from minigo.go.position import Position
    from minigo.inference.evaluator import UniformEvaluator
    from minigo.search import Search, run_search

    before = memory_mib("VmRSS")
    forget_peak()
    config = SearchConfig(num_simulations=options.visits, algorithm="puct", leaves_per_batch=8)
    search = Search(config, 19, 1)
    search.start(0, Position.empty(19, 7.5, "cgos").board, options.visits, np.random.default_rng(0))
    run_search(search, UniformEvaluator())
    taken = memory_mib("VmHWM") - before
    return Result(
        {f"search of {options.visits} visits, MiB": taken},
        {"search: 400 MB": Ratio(taken * 2**20 / 400e6, bound=1.0, lower_is_better=True)},
    )


if __name__ == "__main__":
    main(__doc__, run, blocks=6, channels=64, games=1024, visits=100_000, part=0)
