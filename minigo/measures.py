# SPDX-License-Identifier: Apache-2.0
"""How fast one thing is here: kernels, a network, a search, self-play, each measured alone.

Every figure is a count over the seconds it took, after a warm-up. Machines are noisy: what is to be compared is
measured in turns (`interleaved`). `minigo.benchmark` puts the figures together.
"""

import copy
import dataclasses
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

import numpy as np

from cc_kernels.board import Board
from cc_kernels.features import NUM_PLANES, NUM_SCALARS
from cc_kernels.playouts import count_playouts, random_game
from minigo.config import Config
from minigo.data.shards import RANDOM_PLAYOUTS
from minigo.data.window import Window
from minigo.gamepool import GamePool, Progress, Shard, new_shard, play_random_shard
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluator, Leaves, UniformEvaluator
from minigo.search import Search
from minigo.selfplay import new_cache

SEARCHED_GAMES: Final = 64  # that the search with a constant evaluator searches together
LENGTH_GAMES: Final = 32  # whose moves are counted to know how long a game is
LENGTH_SIMULATIONS: Final = 2  # of each of their moves

Key = TypeVar("Key")


def interleaved(measurements: Mapping[Key, Callable[[float], float]], seconds: float, rounds: int) -> dict[Key, float]:
    """The median of each measurement over rounds in which they take turns, so that noise hits all alike.

    Args:
        measurements: each takes the seconds it may last, and returns its figure.
        seconds: of each measurement in a round.
        rounds: how often each is made.
    """
    found: dict[Key, list[float]] = {key: [] for key in measurements}
    for _ in range(rounds):
        for key, measure in measurements.items():
            found[key].append(measure(seconds))
    return {key: statistics.median(values) for key, values in found.items()}


def playouts_per_second(board_size: int, seconds: float) -> float:
    """Uniform random legal games that fill no own eye, to two passes, in one thread."""
    board = Board(board_size)
    limit = 3 * board.num_points
    chunk = max(1, 100_000 // board.num_points**2)
    return rate(lambda: (count_playouts(board, 1, chunk, limit), chunk)[1], seconds)


def search_simulations_per_second(
    config: Config, seconds: float, games: int = SEARCHED_GAMES, evaluator: Evaluator | None = None
) -> float:
    """Whole searches in one thread, from many positions, that remember nothing.

    Args:
        config: how to search, and on which board.
        seconds: how long, at least one search of all games.
        games: how many are searched together.
        evaluator: the network; None: one that costs nothing, which leaves tree, rules and features.
    """
    size = config.game.board_size
    search = Search(config.search, size, games)
    constant = UniformEvaluator().evaluate(_blank_leaves(size, search.trees.batch_size))
    random = np.random.default_rng(0)
    boards = [_opened(config, game) for game in range(games)]

    def search_all() -> int:
        for game, board in enumerate(boards):
            search.start(game, board, config.search.num_simulations, random)
        while (leaves := search.select_leaves()).count:
            search.backup(constant if evaluator is None else evaluator.evaluate(leaves))
        return games * config.search.num_simulations

    return rate(search_all, seconds)


def _opened(config: Config, seed: int) -> Board:
    board = Position.initial(config.game).board
    random_game(board, seed, seed % (config.game.board_size**2 // 2))
    return board


def _blank_leaves(board_size: int, rows: int) -> Leaves:
    return Leaves(
        np.zeros((rows, board_size, board_size, NUM_PLANES), np.uint8),
        np.zeros((rows, NUM_SCALARS), np.float32),
        np.zeros(rows, np.uint64),
        0,
    )


def random_leaves(board_size: int, rows: int) -> Leaves:
    """A full batch of planes and scalars that mean nothing, to measure a network with."""
    random = np.random.default_rng(0)
    planes = random.integers(0, 2, (rows, board_size, board_size, NUM_PLANES), dtype=np.uint8)
    scalars = random.normal(size=(rows, NUM_SCALARS)).astype(np.float32)
    return Leaves(planes, scalars, np.arange(rows, dtype=np.uint64), rows)


def bare_evaluations_per_second(
    evaluator: Evaluator, board_size: int, rows: int, threads: int, seconds: float
) -> float:
    """The network alone on random positions, called from every thread at once."""
    leaves = random_leaves(board_size, rows)

    def work(_: int) -> float:
        return rate(lambda: len(evaluator.evaluate(leaves).value), seconds)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, range(threads)))


class Span(NamedTuple):
    """What self-play did in one span of time, on all threads together."""

    evaluations_per_s: float  # positions that the network evaluated
    positions_per_s: float  # the same and those that the cache knew
    searches_per_s: float  # moves played
    busy: float  # processor time of this process, as a share of all threads' time


def median_span(spans: list[Span]) -> Span:
    """The median of each figure."""
    return Span(*(statistics.median(values) for values in zip(*spans, strict=True)))


class SelfPlay:
    """Self-play on every thread, in spans of time between which it pauses; its games are thrown away.

    Each thread is timed by itself, from where it goes on to the end of its last batch in the span.

    Args:
        config: what is played; `machine` says in which batches.
        evaluator: of the network that plays.
        threads: that play.
        games_per_network: after so many, the network takes over from itself, as a new one would: its games are
            batched apart from those that are still being played. None: never.
    """

    def __init__(
        self, config: Config, evaluator: Evaluator, threads: int, games_per_network: int | None = None
    ) -> None:
        self._config = config
        self._evaluator = evaluator
        self._shards_per_network: int | None = None
        if games_per_network is not None:
            self._shards_per_network = max(1, games_per_network // config.selfplay.games_per_shard)
        self._cache = new_cache(config)
        self._started_shards = 0
        self._lock = threading.Lock()  # of that count, and of which evaluator is the network's now
        self._threads = threads
        self._stop = threading.Event()
        self._deadline = 0.0
        self._barrier = threading.Barrier(threads + 1)
        self._progress = [Progress() for _ in range(threads)]
        self._ended = [0.0] * threads  # when each thread came to the end of the span
        self._pool = ThreadPoolExecutor(threads)
        self._running: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._running = [self._pool.submit(self._work, thread) for thread in range(self._threads)]
        self._meet()  # all have started their games
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._barrier.abort()
        self._pool.shutdown()

    def play(self, seconds: float) -> Span:
        """Plays on for so long; the first span has games that are all in their opening."""
        before, hits = [(p.evaluations, p.searches) for p in self._progress], self._hits()
        started, cpu = time.perf_counter(), time.process_time()
        self._deadline = started + seconds
        self._meet()
        self._meet()
        cpu = time.process_time() - cpu
        times = [ended - started for ended in self._ended]
        counts = [(p.evaluations - e, p.searches - s) for p, (e, s) in zip(self._progress, before, strict=True)]
        evaluations = sum(count / passed for (count, _), passed in zip(counts, times, strict=True))
        searches = sum(count / passed for (_, count), passed in zip(counts, times, strict=True))
        hits = self._hits() - hits
        return Span(evaluations, evaluations + hits / max(times), searches, cpu / sum(times))

    def _hits(self) -> int:
        return self._cache.hits if self._cache is not None else 0

    def _next_shard(self) -> Shard:
        with self._lock:
            number = self._started_shards
            self._started_shards += 1
            if self._shards_per_network is not None and number % self._shards_per_network == 0:
                self._evaluator = copy.copy(self._evaluator)  # pools tell networks apart by their evaluators
            evaluator = self._evaluator
        return new_shard(self._config, "benchmark", "", evaluator, "benchmark", number, self._cache)

    def _work(self, thread: int) -> None:
        def may_go_on() -> bool:
            now = time.perf_counter()
            if now < self._deadline:
                return True
            self._ended[thread] = now
            self._barrier.wait()  # all have ended the span
            self._barrier.wait()  # the next one begins
            return True

        try:
            GamePool(self._config, self._next_shard, lambda _: None, self._progress[thread]).run(self._stop, may_go_on)
        except BaseException:
            self._barrier.abort()
            raise

    def _meet(self) -> None:
        """Waits until every thread has come to the barrier. Raises what ended one of them, if any did."""
        try:
            self._barrier.wait()
        except threading.BrokenBarrierError:
            for thread in wait(self._running, return_when=FIRST_COMPLETED).done:
                thread.result()
            raise


def searches_per_game(config: Config, evaluator: Evaluator) -> float:
    """Moves that self-play searches in a game: the mean of some games, with few simulations to have it soon."""
    selfplay = dataclasses.replace(
        config.selfplay,
        num_simulations=LENGTH_SIMULATIONS,
        fast_simulations=LENGTH_SIMULATIONS,
        games_per_shard=LENGTH_GAMES,
    )
    machine = dataclasses.replace(config.machine, games_per_thread=LENGTH_GAMES)
    short = dataclasses.replace(config, selfplay=selfplay, machine=machine)
    progress, todo = Progress(), [new_shard(short, "benchmark", "", evaluator, "length", 0, new_cache(short))]
    GamePool(short, lambda: todo.pop() if todo else None, lambda _: None, progress).run(threading.Event())
    return progress.positions / progress.games


def rate(work: Callable[[], int], seconds: float) -> float:
    """Units of work per second; the first call is a warm-up."""
    work()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        done += work()
    return done / (time.perf_counter() - started)


def with_batch(config: Config, rows: int) -> Config:
    """The config with batches of so many rows, and games enough to fill them."""
    games = max(config.machine.games_per_thread, 2 * rows)
    return dataclasses.replace(
        config, machine=dataclasses.replace(config.machine, batch_rows=rows, games_per_thread=games)
    )


def random_window(config: Config) -> Window:
    """A training window that holds a shard of random games."""
    window = Window(config.game, config.train)
    window.add(play_random_shard(config, new_shard(config, RANDOM_PLAYOUTS, "", None, "benchmark", 0)))
    return window
