# SPDX-License-Identifier: Apache-2.0
"""Self-play workers: threads that play shards with the run's champion and publish each as it is finished.

How the games themselves are played is in `minigo.gamepool`. Start at `play_worker`; `play_games` is one phase of it.
"""

import logging
import os
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from minigo.config import Config
from minigo.data.shards import RANDOM_PLAYOUTS, ShardHeader, write_shard
from minigo.gamepool import GamePool, Progress, Shard, new_shard, play_random_shard
from minigo.inference.evaluator import Evaluator
from minigo.run import CorruptError, Run, RunError


def play_games(
    run: Run,
    next_shard: Callable[[], Shard | None],
    *,
    num_threads: int,
    stop: threading.Event,
    progress: Progress,
) -> None:
    """Plays shards in several threads and publishes each as it is finished.

    Args:
        run: where shards are published, and whose config is played.
        next_shard: gives the next shard, or None when there is no more; called by one thread at a time.
        num_threads: each plays `machine.games_per_thread` games together.
        stop: ends self-play within a batch; unfinished shards are dropped.
        progress: counts on while this runs.
    """
    lock = threading.Lock()
    failed = threading.Event()

    def locked_next() -> Shard | None:
        with lock:
            return None if stop.is_set() or failed.is_set() else next_shard()

    def play() -> None:
        try:
            GamePool(run.config, locked_next, lambda shard: publish(run, shard), progress).run(stop)
        except BaseException:
            failed.set()  # the other threads start no new shard
            raise

    with ThreadPoolExecutor(num_threads, thread_name_prefix="selfplay") as threads:
        for thread in [threads.submit(play) for _ in range(num_threads)]:
            thread.result()


def publish(run: Run, shard: Shard) -> str:
    """Publishes a finished shard, a few of them for measuring only; returns its path."""
    header = shard.header
    name = run.shard_name(header.network, header.worker, header.sequence)
    return run.publish_shard(name, write_shard(header, shard.records), holdout=is_held_out(run.config, header))


def is_held_out(config: Config, header: ShardHeader) -> bool:
    """Whether a shard is kept from training; decided by its name, so that it holds for ever."""
    draw = zlib.crc32(f"{header.worker}-{header.sequence}".encode()) / 2**32
    return draw < config.train.holdout_share


class ShardSource:
    """Hands out a worker's shards in order: `next` is what `GamePool` asks for.

    Args:
        run: whose config is played.
        worker: this worker's own id; its sequence goes on where its published shards end.
        load_champion: the network to play now, as (name, sha256, evaluator); asked once for each shard.
        num_games: stop after the shards that hold so many games; None: never.
    """

    def __init__(
        self,
        run: Run,
        worker: str,
        load_champion: Callable[[], tuple[str, str, Evaluator | None]],
        num_games: int | None,
    ) -> None:
        self._run = run
        self._worker = worker
        self._load_champion = load_champion
        self._sequence = run.next_sequence(worker)
        size = run.config.selfplay.games_per_shard
        self._left = None if num_games is None else -(-num_games // size)

    def next(self) -> Shard | None:
        """The next shard, played by the network that is champion now; None when there is no more."""
        if self._left == 0:
            return None
        if self._left is not None:
            self._left -= 1
        network, sha256, evaluator = self._load_champion()
        self._sequence += 1
        return new_shard(self._run.config, network, sha256, evaluator, self._worker, self._sequence - 1)


class ChampionFollower:
    """The run's champion as an evaluator, looked up again from time to time.

    Args:
        run: whose champion to follow.
        load_network: makes an evaluator of a published network.
        poll_seconds: how long an answer stays good.
    """

    def __init__(self, run: Run, load_network: Callable[[str], Evaluator], poll_seconds: float = 30.0) -> None:
        self._run = run
        self._load_network = load_network
        self._poll_seconds = poll_seconds
        self._asked = -float("inf")
        self._current: tuple[str, str, Evaluator] | None = None

    def __call__(self) -> tuple[str, str, Evaluator]:
        """(name, sha256 of the weights, evaluator). A new champion that can not be loaded leaves the one before."""
        if self._current is None or time.monotonic() - self._asked > self._poll_seconds:
            self._asked = time.monotonic()
            try:
                self._follow()
            except (CorruptError, ValueError) as error:
                if self._current is None:
                    raise
                logging.error("%s; going on with network %s", error, self._current[0])
        if self._current is None:
            raise RunError(f"{self._run.url} has no champion yet: start its trainer first")
        return self._current

    def _follow(self) -> None:
        champion = self._run.champion()
        if champion is None or (self._current is not None and champion.network == self._current[0]):
            return
        _, info = self._run.network_files(champion.network)
        self._current = (champion.network, info["weights_sha256"], self._load_network(champion.network))
        logging.info("self-play follows network %s", champion.network)


def play_random_games(run: Run, worker: str, num_shards: int, stop: threading.Event, progress: Progress) -> None:
    """Publishes shards of random playouts, the games that the first training learns from."""
    first = run.next_sequence(worker)
    for sequence in range(first, first + num_shards):
        if stop.is_set():
            return
        shard = new_shard(run.config, RANDOM_PLAYOUTS, "", None, worker, sequence)
        progress.add(play_random_shard(run.config, shard))
        publish(run, shard)


def missing_random_shards(run: Run) -> int:
    """Shards of random playouts that a run still wants: none once a network has been trained."""
    if len(run.networks()) > 1:
        return 0
    wanted = -(-run.config.selfplay.random_games // run.config.selfplay.games_per_shard)
    published = [path for path in run.shards() + run.shards(holdout=True) if f"/{RANDOM_PLAYOUTS}-" in path]
    return max(0, wanted - len(published))


def num_threads(config: Config) -> int:
    """Self-play threads on this machine: as configured, or one for each core that this process may use."""
    return config.machine.threads or len(os.sched_getaffinity(0))


def play_worker(
    run: Run,
    worker: str,
    load_network: Callable[[str], Evaluator],
    *,
    num_games: int | None,
    stop: threading.Event,
    progress: Progress,
) -> None:
    """One self-play worker: follows the newest promoted network until told to stop.

    A run that has no trained network yet first gets its random playouts.

    Args:
        run: where champions come from and shards go.
        worker: this worker's id; no two workers of a run share one.
        load_network: makes an evaluator of a published network.
        num_games: stop after so many games, rounded up to whole shards; None: go on.
        stop: ends the worker within a batch.
        progress: counts on while this runs.

    Raises:
        RunError: the run has no champion.
    """
    run.shard_name(RANDOM_PLAYOUTS, worker, 0)  # raises RunError if the worker's name can not be part of one
    follower = ChampionFollower(run, load_network)
    follower()
    while missing_random_shards(run) and not stop.is_set():  # other workers play them, too
        play_random_games(run, worker, 1, stop, progress)
    source = ShardSource(run, worker, follower, num_games)
    play_games(run, source.next, num_threads=num_threads(run.config), stop=stop, progress=progress)
