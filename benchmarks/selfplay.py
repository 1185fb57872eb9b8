# SPDX-License-Identifier: Apache-2.0
"""Claim: self-play evaluates 0.92 times as many positions a second as the same network alone (0.85 in int8), for 6
blocks x 64 channels on 9x9 and 19x19 and every back end, with cores 95 % busy; evaluations/s stay within 10 % from 128
to 1,024 concurrent games, simulations/s of a thread within 15 % from 16 to 1,600 a move; and what the published shards
say was searched agrees within 3 % with what was counted.

The network alone and self-play take turns. The shards' count is their simulations and one evaluation of the root for
each move; it must equal the evaluations counted, the cache's hits and the visits to finished games, which the shards
can not tell: so the count may be larger, by no more than those.

What takeovers cost is measured with the preset 9x9-cpu, its network not trained, a new one for each generation's games:
the last games of the old one have batches of their own, which little fills. That a new network is compiled first and
remembers nothing is not in it. This comes last and takes 330 times --seconds.
"""

import contextlib
import functools
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from measure import Options, Ratio, Result, config_of, main

from minigo.benchmark import Backend, load_backends, wanted_backends
from minigo.commands.learning import LOOP
from minigo.config import Config
from minigo.data.shards import read_shard
from minigo.flags import parse, resolve_config
from minigo.gamepool import Progress, Shard, new_shard
from minigo.inference.evaluator import Evaluator
from minigo.measures import (
    SelfPlay,
    bare_evaluations_per_second,
    interleaved,
    median_span,
    search_simulations_per_second,
    with_batch,
)
from minigo.network.network import Network
from minigo.run import Run
from minigo.selfplay import new_cache, num_threads, play_games

GAMES_PER_SHARD = 16
CONCURRENT = (128, 256, 512, 1024)
SIMULATIONS = (16, 64, 400, 1600)
PRESET = "9x9-cpu"
TAKEOVER_ROUNDS = 3
TAKEOVER_SPAN = 30  # times --seconds: on two slow cores, 640 games take 40 s


def run(options: Options) -> Result:
    """Measures every board and back end, then the shards and how speed depends on the number of games."""
    result = Result()
    sizes = [int(options.board_size)] if options.board_size else [9, 19]
    network = Network.create(config_of(options.blocks, options.channels, 9).network, seed=0)
    for size in sizes:
        config = with_batch(config_of(options.blocks, options.channels, size), options.rows)
        evaluators = load_backends(network, config, wanted_backends(config))
        for backend, evaluator in evaluators.items():
            _against_bare(config, backend, evaluator, options, result)
    config = with_batch(config_of(options.blocks, options.channels, sizes[0]), options.rows)
    evaluators = load_backends(network, config, wanted_backends(config))
    backend = max(evaluators, key=lambda name: result.figures[_name(name, sizes[0], "alone, evaluations/s")])
    _by_concurrent_games(config, evaluators[backend], options, result)
    _by_simulations(config, evaluators[backend], options, result)
    _in_shards(config, evaluators[backend], options, result)
    _with_takeovers(options, result)
    return result


def _name(backend: Backend, size: int, what: str) -> str:
    return f"{backend}, {size}x{size}: {what}"


def _against_bare(config: Config, backend: Backend, evaluator: Evaluator, options: Options, result: Result) -> None:
    size, threads, bare, spans = config.game.board_size, num_threads(config), [], []
    rows, seconds = config.machine.batch_rows, options.seconds
    with SelfPlay(config, evaluator, threads) as selfplay:
        selfplay.play(seconds)
        for _ in range(options.rounds):
            bare.append(bare_evaluations_per_second(evaluator, size, rows, threads, seconds))
            spans.append(selfplay.play(seconds))
    span = median_span(spans)
    share = statistics.median(each.evaluations_per_s / alone for each, alone in zip(spans, bare, strict=True))
    name = functools.partial(_name, backend, size)
    result.figures[name("alone, evaluations/s")] = statistics.median(bare)
    result.figures[name("self-play, evaluations/s")] = span.evaluations_per_s
    result.figures[name("self-play, with cache hits/s")] = span.positions_per_s
    bound = 0.85 if backend.precision == "int8" else 0.92
    result.ratios[name("self-play : alone")] = Ratio(share, bound=bound, tolerance=0.03)
    result.ratios[name("cores busy")] = Ratio(span.busy, bound=0.95, tolerance=0.03)


def _by_concurrent_games(config: Config, evaluator: Evaluator, options: Options, result: Result) -> None:
    threads = num_threads(config)
    with contextlib.ExitStack() as stack:
        players = {}
        for games in CONCURRENT:
            machine = replace(config.machine, games_per_thread=games // threads)
            players[games] = stack.enter_context(SelfPlay(replace(config, machine=machine), evaluator, threads))
            players[games].play(options.seconds)
        measures = {games: functools.partial(_evaluations, player) for games, player in players.items()}
        found = interleaved(measures, options.seconds, options.rounds)
    result.figures |= {f"{games} concurrent games, evaluations/s": rate for games, rate in found.items()}
    flatness = min(found.values()) / max(found.values())
    result.ratios["slowest : fastest, 128 to 1,024 games"] = Ratio(flatness, bound=0.9, tolerance=0.05)


def _by_simulations(config: Config, evaluator: Evaluator, options: Options, result: Result) -> None:
    """Whole searches in one thread of as many games as a batch has rows, nothing remembered."""
    configs = {n: replace(config, search=replace(config.search, num_simulations=n)) for n in SIMULATIONS}
    measures = {
        n: functools.partial(search_simulations_per_second, each, games=options.rows, evaluator=evaluator)
        for n, each in configs.items()
    }
    found = interleaved(measures, options.seconds, options.rounds)
    result.figures |= {f"{n} simulations a move, simulations/s": rate for n, rate in found.items()}
    flatness = min(found.values()) / max(found.values())
    result.ratios["slowest : fastest, 16 to 1,600 simulations"] = Ratio(flatness, bound=0.85, tolerance=0.05)


def _with_takeovers(options: Options, result: Result) -> None:
    """The preset for processors: its network alone, in self-play, and with a new one for each generation's games."""
    config = resolve_config(parse(LOOP, [f"--preset={PRESET}"]), Config())
    evaluators = load_backends(Network.create(config.network, seed=0), config, wanted_backends(config))
    threads, seconds = num_threads(config), TAKEOVER_SPAN * options.seconds

    def alone(evaluator: Evaluator, seconds: float) -> float:
        size, rows = config.game.board_size, config.machine.batch_rows
        return bare_evaluations_per_second(evaluator, size, rows, threads, seconds)

    backend = max(evaluators, key=lambda name: alone(evaluators[name], options.seconds))
    evaluator = evaluators[backend]
    measures: dict[str, Callable[[float], float]] = {"alone": functools.partial(alone, evaluator)}
    with contextlib.ExitStack() as stack:
        for name, games in (("one network", None), ("takeovers", config.loop.games_per_generation)):
            player = stack.enter_context(SelfPlay(config, evaluator, threads, games))
            player.play(seconds)
            measures[name] = functools.partial(_evaluations, player)
        found = interleaved(measures, seconds, min(options.rounds, TAKEOVER_ROUNDS))
    result.figures |= {f"{PRESET}, {backend}, {name}: evaluations/s": rate for name, rate in found.items()}
    result.ratios[f"{PRESET}: self-play : alone"] = Ratio(found["one network"] / found["alone"], tolerance=0.1)
    share = found["takeovers"] / found["one network"]
    result.ratios[f"{PRESET}: with takeovers : with one network"] = Ratio(share, tolerance=0.05)


def _evaluations(player: SelfPlay, seconds: float) -> float:
    return player.play(seconds).evaluations_per_s


def _in_shards(config: Config, evaluator: Evaluator, options: Options, result: Result) -> None:
    """Plays whole shards through the real publishing, for the given seconds and until the last one is done."""
    config = replace(config, selfplay=replace(config.selfplay, games_per_shard=GAMES_PER_SHARD))
    cache, progress, numbers = new_cache(config), Progress(), itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(f"{folder}/run", config)
        started = time.perf_counter()

        def next_shard() -> Shard | None:
            if time.perf_counter() - started > options.seconds:
                return None
            return new_shard(config, "benchmark", "", evaluator, "benchmark", next(numbers), cache)

        play_games(run, next_shard, num_threads=num_threads(config), stop=threading.Event(), progress=progress)
        paths = run.shards() + run.shards(holdout=True)
        records = [record for path in paths for record in read_shard(run.read(path))[1]]
    simulations = sum(int(record.simulations.sum()) for record in records)
    searches = sum(int((record.simulations > 0).sum()) for record in records)
    counted = progress.evaluations + (cache.hits if cache is not None else 0)
    result.figures["shards: simulations"] = simulations
    result.figures["shards: moves searched"] = searches
    result.figures["shards: evaluations counted"] = progress.evaluations
    result.figures["shards: cache hits counted"] = counted - progress.evaluations
    result.ratios["counted : simulations and moves in the shards"] = Ratio(
        counted / (simulations + searches), bound=0.97, tolerance=0.03
    )


if __name__ == "__main__":
    main(__doc__, run, blocks=6, channels=64, board_size=0, rows=64)
