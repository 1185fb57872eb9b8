# SPDX-License-Identifier: Apache-2.0
"""Claim: in one thread on 9x9, search with a constant evaluator makes 250,000 simulations/s or more with features,
random playouts reach 100,000/s (15,000/s on 19x19), and cost grows linearly: simulations/s stay within 15 % from 16 to
1,600 simulations a move (with a network: `selfplay.py`).

The absolute figures hold for the reference machine; the ratios to zlib's speed tell whether the kernels got slower.
KataGo, one thread: 30,000 visits/s with a constant evaluator, 37,000 and 5,500 playouts/s of its board.
"""

import functools
from dataclasses import replace

from measure import Options, Ratio, Result, config_of, main, yardstick_per_second

from minigo.measures import interleaved, playouts_per_second, search_simulations_per_second

SIMULATIONS = (16, 64, 400, 1600)


def run(options: Options) -> Result:
    """Measures the kernels."""
    config = config_of(1, 8, 9)
    searches = {n: replace(config, search=replace(config.search, num_simulations=n)) for n in SIMULATIONS}
    found = interleaved(
        {
            "playouts/s, 9x9": functools.partial(playouts_per_second, 9),
            "playouts/s, 19x19": functools.partial(playouts_per_second, 19),
            **{
                f"simulations/s, {n} a move": functools.partial(
                    search_simulations_per_second, searches[n], games=options.games
                )
                for n in SIMULATIONS
            },
            "zlib, MB/s": yardstick_per_second,
        },
        options.seconds,
        options.rounds,
    )
    rates = [found[f"simulations/s, {n} a move"] for n in SIMULATIONS]
    search, packed = found["simulations/s, 64 a move"], found["zlib, MB/s"]
    playouts, large = found["playouts/s, 9x9"], found["playouts/s, 19x19"]
    return Result(
        figures=found,
        ratios={
            "search: 250,000 simulations/s": Ratio(search / 250_000, bound=1.0, tolerance=0.3),
            "playouts: 100,000/s on 9x9": Ratio(playouts / 100_000, bound=1.0, tolerance=0.3),
            "playouts: 15,000/s on 19x19": Ratio(large / 15_000, bound=1.0, tolerance=0.3),
            "slowest : fastest, 16 to 1,600 simulations": Ratio(min(rates) / max(rates), bound=0.85),
            "simulations for each KB that zlib packs": Ratio(search / packed / 1000, tolerance=0.15),
            "playouts on 9x9 for each KB that zlib packs": Ratio(playouts / packed / 1000, tolerance=0.15),
            "playouts on 19x19 for each KB that zlib packs": Ratio(large / packed / 1000, tolerance=0.15),
        },
    )


if __name__ == "__main__":
    main(__doc__, run, games=64)
