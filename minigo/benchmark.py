# SPDX-License-Identifier: Apache-2.0
"""What this machine does: kernels, inference, search, self-play and training, each measured alone.

Every figure is a count over the seconds it took, after a warm-up. Machines are noisy: compare ratios of one run.
Start at `run_benchmark`.
"""

import dataclasses
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cc_kernels.board import Board
from cc_kernels.features import NUM_PLANES, NUM_SCALARS
from cc_kernels.playouts import count_playouts, random_game
from minigo.config import Config
from minigo.data.examples import ExampleStream
from minigo.data.shards import RANDOM_PLAYOUTS
from minigo.data.window import Window
from minigo.doctor import cpu_model
from minigo.gamepool import GamePool, Progress, Shard, new_shard, play_random_shard
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluator, Leaves, UniformEvaluator
from minigo.inference.tensorflow import TensorFlowEvaluator
from minigo.network.network import Network
from minigo.network.trainer import Trainer
from minigo.run import read_network
from minigo.search import Search
from minigo.selfplay import num_threads

PLAYOUT_SIZES: Final = (9, 19)
GAMES: Final = 64  # that one thread searches together
BATCH_SIZES: Final = (32, 64, 128, 256)
PRECISIONS: Final = ("float32", "bfloat16")
STEPS_AT_ONCE: Final = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """What is measured besides the kernels.

    Attributes:
        name: of the network.
        evaluators: the same network by back end and precision, like "tensorflow bfloat16".
        train: trains one step and returns its examples.
    """

    name: str
    evaluators: dict[str, Evaluator]
    train: Callable[[], int]


def make_subject(config: Config, network: str | None) -> Subject:
    """The network to measure with, ready for inference in each precision and for training.

    Args:
        config: the shape of a random network, and what it trains on.
        network: the folder of a published network; None for a random one.
    """
    if network is None:
        shape = config.network
        subject, name = Network.create(shape, seed=config.seed), f"{shape.blocks} blocks x {shape.channels} channels"
    else:
        subject, name = Network.from_bytes(*read_network(network)), network
    evaluators: dict[str, Evaluator] = {
        f"tensorflow {precision}": TensorFlowEvaluator(subject, precision=precision) for precision in PRECISIONS
    }
    return Subject(name, evaluators, _training_step(config, subject))


def _training_step(config: Config, network: Network) -> Callable[[], int]:
    """A function that trains one step on examples of random games, the making of the examples included."""
    window = Window(config.game, config.train)
    window.add(play_random_shard(config, new_shard(config, RANDOM_PLAYOUTS, "", None, "benchmark", 0)))
    trainer = Trainer(network, config.train, precision=config.machine.precision)
    random = np.random.default_rng(0)

    def step() -> int:
        with ExampleStream(window, config.train, random, STEPS_AT_ONCE) as stream:
            trainer.train(stream, 0.0)
        return STEPS_AT_ONCE * config.train.batch_size

    return step


def run_benchmark(config: Config, seconds: float, network: str | None) -> dict[str, Any]:
    """Measures everything, and recommends settings.

    Args:
        config: board size, network shape, threads and batch to measure with.
        seconds: how long each single measurement takes.
        network: the folder of a published network; None for a random one.
    """
    subject = make_subject(config, network)
    threads = num_threads(config)
    size = config.game.board_size
    _log.info("random playouts, one thread")
    playouts = {str(n): round(playouts_per_second(n, seconds)) for n in PLAYOUT_SIZES}
    _log.info("search with an evaluator that costs nothing, one thread")
    null_search = null_search_simulations_per_second(config, seconds)
    _log.info("network alone, %d threads", threads)
    bare = {
        (backend, batch): bare_evaluations_per_second(evaluator, size, batch, threads, seconds)
        for backend, evaluator in subject.evaluators.items()
        for batch in BATCH_SIZES
    }
    backend, batch = max(bare, key=lambda key: bare[key])
    used = dataclasses.replace(config, machine=dataclasses.replace(config.machine, games_per_thread=batch))
    _log.info("self-play with %s, %d games a thread", backend, batch)
    evaluations, games = selfplay_per_second(used, subject.evaluators[backend], threads, seconds)
    _log.info("training")
    training = training_examples_per_second(subject.train, seconds)
    return {
        "playouts_per_s": playouts,
        "null_search_simulations_per_s": round(null_search),
        "bare_evaluations_per_s": round(bare[backend, batch]),
        "selfplay_evaluations_per_s": round(evaluations),
        "selfplay_games_per_hour": round(3600 * games),
        "training_examples_per_s": round(training),
        "backend": backend,
        "network": subject.name,
        "board_size": size,
        "threads": threads,
        "cpu": cpu_model()[0],
        "bare_by_backend_and_batch": {f"{name}, {rows}": round(rate) for (name, rows), rate in bare.items()},
        "recommended": {
            "machine.threads": threads,
            "machine.games_per_thread": batch,
            "machine.precision": backend.rpartition(" ")[2],
        },
    }


def to_table(result: dict[str, Any]) -> str:
    """The measurements as a table for people."""
    rows = [
        ("playouts/s, 9x9", result["playouts_per_s"]["9"]),
        ("playouts/s, 19x19", result["playouts_per_s"]["19"]),
        ("null search, simulations/s", result["null_search_simulations_per_s"]),
        *((f"network alone, {name} rows, evaluations/s", rate) for name, rate in _bare_rows(result)),
        ("self-play, evaluations/s", result["selfplay_evaluations_per_s"]),
        ("self-play, games/hour", result["selfplay_games_per_hour"]),
        ("training, examples/s", result["training_examples_per_s"]),
    ]
    share = result["selfplay_evaluations_per_s"] / max(1, result["bare_evaluations_per_s"])
    recommended = " ".join(f"--{name}={value}" for name, value in result["recommended"].items())
    size = result["board_size"]
    return "\n".join(
        [
            f"{result['cpu']}, {result['threads']} threads; network {result['network']} on {size}x{size}",
            *(f"{name:<56}{value:>12,}" for name, value in rows),
            f"self-play reaches {share:.0%} of the network alone",
            f"recommended: {recommended}",
        ]
    )


def _bare_rows(result: dict[str, Any]) -> list[tuple[str, int]]:
    return list(result["bare_by_backend_and_batch"].items())


def playouts_per_second(board_size: int, seconds: float) -> float:
    """Uniform random legal games that fill no own eye, to two passes, in one thread."""
    board = Board(board_size)
    limit = 3 * board.num_points
    chunk = max(1, 100_000 // board.num_points**2)
    return _rate(lambda: (count_playouts(board, 1, chunk, limit), chunk)[1], seconds)


def null_search_simulations_per_second(config: Config, seconds: float) -> float:
    """Tree, rules and features with an evaluator that costs nothing, in one thread, from many positions."""
    size = config.game.board_size
    search = Search(config.search, size, GAMES)
    rows = search.trees.batch_size
    batch = Leaves(
        np.zeros((rows, size, size, NUM_PLANES), np.uint8),
        np.zeros((rows, NUM_SCALARS), np.float32),
        np.zeros(rows, np.uint64),
        0,
    )
    constant = UniformEvaluator().evaluate(batch)
    random = np.random.default_rng(0)
    boards = [_opened(config, game) for game in range(GAMES)]

    def search_all() -> int:
        for game, board in enumerate(boards):
            search.start(game, board, config.search.num_simulations, random)
        while search.select_leaves().count:
            search.backup(constant)
        return GAMES * config.search.num_simulations

    return _rate(search_all, seconds)


def _opened(config: Config, seed: int) -> Board:
    board = Position.initial(config.game).board
    random_game(board, seed, seed % (config.game.board_size**2 // 2))
    return board


def bare_evaluations_per_second(
    evaluator: Evaluator, board_size: int, rows: int, threads: int, seconds: float
) -> float:
    """The network alone on random positions, called from every thread at once."""
    random = np.random.default_rng(0)
    planes = random.integers(0, 2, (rows, board_size, board_size, NUM_PLANES), dtype=np.uint8)
    scalars = random.normal(size=(rows, NUM_SCALARS)).astype(np.float32)
    leaves = Leaves(planes, scalars, np.zeros(rows, np.uint64), rows)

    def work(_: int) -> float:
        return _rate(lambda: len(evaluator.evaluate(leaves).value), seconds)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, range(threads)))


def selfplay_per_second(config: Config, evaluator: Evaluator, threads: int, seconds: float) -> tuple[float, float]:
    """Evaluations and finished games per second of self-play on every thread; its games are thrown away."""
    numbers = itertools.count()
    progress = Progress()
    stop = threading.Event()

    def next_shard() -> Shard:
        return new_shard(config, "benchmark", "", evaluator, "benchmark", next(numbers))

    def play() -> None:
        GamePool(config, next_shard, lambda _: None, progress).run(stop)

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(play) for _ in range(threads)]
        time.sleep(seconds)  # the warm-up: games are then at all stages
        started, evaluations, moves = time.perf_counter(), progress.evaluations, progress.searches
        time.sleep(seconds)
        passed = time.perf_counter() - started
        evaluations, moves = progress.evaluations - evaluations, progress.searches - moves
        while not progress.games and not any(thread.done() for thread in running):
            time.sleep(0.1)  # the length of a game is known when a shard is finished
        stop.set()
        for thread in running:
            thread.result()
    return evaluations / passed, moves / passed / (progress.positions / progress.games)


def training_examples_per_second(train: Callable[[], int], seconds: float) -> float:
    """Examples per second of training steps."""
    return _rate(train, seconds)


def _rate(work: Callable[[], int], seconds: float) -> float:
    """Units of work per second; the first call is a warm-up."""
    work()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        done += work()
    return done / (time.perf_counter() - started)
