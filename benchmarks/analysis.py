# SPDX-License-Identifier: Apache-2.0
"""Claim: one search of a 9x9 position makes 0.8 times as many visits a second as the same network alone evaluates
positions, on all cores and in batches of the same size; 100 positions in one request make 0.9 times as many, in larger
batches. For 6 blocks x 64 channels and the fastest back end.

The network alone, one search and the request take turns. A batch of the search is shared by the cores; the network
alone evaluates the cores' shares, one after the other on each. Nothing is cached. Both begin with empty trees; the
request ends when each of its positions has its visits and its analysis, with ownership, has been read. Visits to
finished games need no evaluation; the ratios without a bound leave them out.
"""

import itertools
import statistics
import time
from typing import NamedTuple

from measure import Options, Ratio, Result, config_of, main

from cc_kernels.playouts import random_game
from minigo.anytime import AnytimeSearch
from minigo.benchmark import load_backends, wanted_backends
from minigo.config import Config
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluation, Leaves
from minigo.inference.parallel import ParallelEvaluator
from minigo.measures import bare_evaluations_per_second, with_batch
from minigo.network.network import Network
from minigo.roots import RootOptions
from minigo.selfplay import num_threads

POSITIONS = 100
GAME_MOVES = 50  # of the games that the positions come from
LARGER = 2  # times as many rows for the request


def run(options: Options) -> Result:
    """Measures the fastest back end."""
    size, result = options.board_size, Result()
    config = with_batch(config_of(options.blocks, options.channels, size), options.rows)
    threads = options.threads if options.threads else num_threads(config)
    network = Network.create(config.network, seed=0)
    evaluators = load_backends(network, config, wanted_backends(config))
    speeds = {
        backend: bare_evaluations_per_second(evaluator, size, options.rows, threads, options.seconds / 4)
        for backend, evaluator in evaluators.items()
    }
    backend = max(speeds, key=lambda name: speeds[name])
    evaluator = evaluators[backend]
    shared = _Counting(evaluator, threads)
    larger = LARGER * options.rows
    spans: dict[str, list[_Span]] = {"one search": [], f"{POSITIONS} positions": []}
    alone: dict[int, list[float]] = {options.rows: [], larger: []}
    for _ in range(options.rounds + 1):
        for rows in alone:
            alone[rows].append(bare_evaluations_per_second(evaluator, size, rows, threads, options.seconds))
            if rows == options.rows:
                spans["one search"].append(_one_search(config, shared, threads * rows, options.seconds))
            else:
                spans[f"{POSITIONS} positions"].append(_one_request(config, shared, threads * rows, options.visits))
    shared.close()
    for (name, found), (rows, bare), bound in zip(spans.items(), alone.items(), (0.8, 0.9), strict=True):
        del found[0], bare[0]  # which compiled
        result.figures[f"{backend}, {rows} rows a core: alone, evaluations/s"] = statistics.median(bare)
        result.figures[f"{name}: visits/s"] = statistics.median(span.visits_per_s for span in found)
        visits = statistics.median(span.visits_per_s / speed for span, speed in zip(found, bare, strict=True))
        evaluations = statistics.median(span.evaluations_per_s / speed for span, speed in zip(found, bare, strict=True))
        result.ratios[f"{name}, visits : alone"] = Ratio(visits, bound=bound, tolerance=0.05)
        result.ratios[f"{name}, evaluations : alone"] = Ratio(evaluations, tolerance=0.05)
    return result


class _Span(NamedTuple):
    visits_per_s: float
    evaluations_per_s: float


class _Counting(ParallelEvaluator):
    """Counts the positions that it evaluates."""

    evaluations = 0

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.evaluations += leaves.count
        return super().evaluate(leaves)


def _one_search(config: Config, evaluator: _Counting, rows: int, seconds: float) -> _Span:
    """The speed of one search from an empty tree."""
    search = AnytimeSearch(evaluator, config.search, config.game.board_size, batch_rows=rows)
    search.begin(0, _positions(config, 0)[GAME_MOVES // 3])
    search.limit(0, 1_000_000)
    started, before = time.perf_counter(), evaluator.evaluations
    while time.perf_counter() - started < seconds:
        search.step()
    elapsed = time.perf_counter() - started
    return _Span(search.visits(0) / elapsed, (evaluator.evaluations - before) / elapsed)


def _one_request(config: Config, evaluator: _Counting, rows: int, visits: int) -> _Span:
    """The speed of positions that are asked for together, as `minigo analysis` searches them."""
    size = config.game.board_size
    games = itertools.chain.from_iterable(_positions(config, seed) for seed in itertools.count(1))
    positions = list(itertools.islice(games, POSITIONS))
    search = AnytimeSearch(evaluator, config.search, size, slots=POSITIONS, batch_rows=rows)
    started, before = time.perf_counter(), evaluator.evaluations
    for slot, position in enumerate(positions):
        search.begin(slot, position, RootOptions(symmetries=1))
        search.limit(slot, visits)
    while search.step():
        pass
    made = sum(search.analysis(slot, ownership=True).visits for slot in range(POSITIONS))
    elapsed = time.perf_counter() - started
    return _Span(made / elapsed, (evaluator.evaluations - before) / elapsed)


def _positions(config: Config, seed: int) -> list[Position]:
    """Positions of a random game, none of them over."""
    position = Position.initial(config.game)
    found = [position]
    for move in random_game(position.board.copy(), seed, GAME_MOVES).tolist():
        position = position.play(move)
        if position.is_over:
            break
        found.append(position)
    return found


if __name__ == "__main__":
    main(__doc__, run, blocks=6, channels=64, board_size=9, rows=32, visits=200, threads=0)
