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
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from cc_kernels.cache import EvaluationCache
from minigo.config import Config
from minigo.data.shards import RANDOM_PLAYOUTS, ShardHeader, write_shard
from minigo.gamepool import GamePool, Progress, Shard, new_shard, play_random_shard
from minigo.inference.evaluator import Evaluator
from minigo.run import CorruptError, Run, RunError
from minigo.stopping import in_background, unless_stopped
from minigo.storage import Unavailable

PAUSE_SECONDS: Final = 0.5  # a paused thread looks so often whether play is over
POLL_SECONDS: Final = 0.1


class Throttle:
    """How many of the self-play threads may play now; the others pause where they are.

    Args:
        threads: how many there are.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._allowed = threads
        self._changed = threading.Condition()

    def allow(self, threads: int) -> None:
        """Lets so many threads play from now on: those with the smallest numbers."""
        with self._changed:
            self._allowed = threads
            self._changed.notify_all()

    def wait(self, thread: int, is_over: Callable[[], bool]) -> bool:
        """Waits until this thread, counted from 0, may play; False if play is over instead."""
        with self._changed:
            while thread >= self._allowed and not is_over():
                self._changed.wait(PAUSE_SECONDS)
        return not is_over()


def play_games(
    run: Run,
    next_shard: Callable[[], Shard | None],
    *,
    num_threads: int,
    stop: threading.Event,
    progress: Progress,
    throttle: Throttle | None = None,
    on_published: Callable[[], object] = lambda: None,
    keeps_ended_games: bool = False,
) -> None:
    """Plays shards in several threads and publishes each as it is finished.

    Args:
        run: where shards are published, and whose config is played.
        next_shard: gives the next shard, or None when there is no more; called by one thread at a time.
        num_threads: each plays `machine.games_per_thread` games together.
        stop: ends self-play within a batch; unfinished games are dropped.
        progress: counts on while this runs.
        throttle: lets some threads pause.
        on_published: called after each shard, by the thread that played it.
        keeps_ended_games: when stopped, publishes the games that have ended of unfinished shards; if not, drops them.
    """
    lock = threading.Lock()
    failed = threading.Event()
    gate = throttle if throttle is not None else Throttle(num_threads)

    def is_over() -> bool:
        return stop.is_set() or failed.is_set()

    def locked_next() -> Shard | None:
        with lock:
            shard = None if is_over() else next_shard()
            return None if is_over() else shard  # a network may have been loaded meanwhile

    def finish(shard: Shard) -> None:
        _publish_timed(run, shard, progress)
        on_published()

    def play(thread: int) -> None:
        try:
            if gate.wait(thread, is_over):
                pool = GamePool(run.config, locked_next, finish, progress)
                pool.run(stop, lambda: gate.wait(thread, is_over))
                for shard in pool.unfinished_shards() if keeps_ended_games and not failed.is_set() else ():
                    progress.add(shard.records)
                    finish(shard)
        except BaseException:
            failed.set()  # ends the other threads, too
            raise

    with ThreadPoolExecutor(num_threads, thread_name_prefix="selfplay") as threads:
        for thread in [threads.submit(play, number) for number in range(num_threads)]:
            thread.result()


def publish(run: Run, shard: Shard) -> str:
    """Publishes a finished shard, a few of them for measuring only; returns its path."""
    header = shard.header
    name = run.shard_name(header.network, header.worker, header.sequence)
    return run.publish_shard(name, write_shard(header, shard.records), holdout=is_held_out(run.config, header))


def _publish_timed(run: Run, shard: Shard, progress: Progress) -> None:
    began = time.perf_counter()
    publish(run, shard)
    with progress.lock:
        progress.publish_seconds += time.perf_counter() - began


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
        self._cache: tuple[str, EvaluationCache | None] = ("", None)
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
        if sha256 != self._cache[0]:
            self._cache = (sha256, new_cache(self._run.config))
        self._sequence += 1
        sequence, cache = self._sequence - 1, self._cache[1]
        return new_shard(self._run.config, network, sha256, evaluator, self._worker, sequence, cache)


def new_cache(config: Config) -> EvaluationCache | None:
    """An empty cache for one network's evaluations, as large as the config wants it; None: none."""
    machine = config.machine
    return EvaluationCache(config.game.board_size, machine.cached_positions) if machine.cached_positions else None


class ChampionFollower:
    """The run's champion as an evaluator, looked up again from time to time.

    Args:
        run: whose champion to follow.
        load_network: makes an evaluator of a published network.
        stop: once set, a network that is being loaded is left behind, unless it is the first.
        poll_seconds: how long an answer stays good.
    """

    def __init__(
        self,
        run: Run,
        load_network: Callable[[str], Evaluator],
        stop: threading.Event,
        poll_seconds: float = 30.0,
    ) -> None:
        self._run = run
        self._load_network = load_network
        self._stop = stop
        self._poll_seconds = poll_seconds
        self._asked = -float("inf")
        self._current: tuple[str, str, Evaluator] | None = None

    def __call__(self) -> tuple[str, str, Evaluator]:
        """(name, sha256 of the weights, evaluator). A new champion that can not be loaded leaves the one before."""
        if self._current is None or time.monotonic() - self._asked > self._poll_seconds:
            self._asked = time.monotonic()
            try:
                self._follow()
            except (CorruptError, Unavailable, ValueError) as error:
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
        name = champion.network

        def load() -> tuple[str, str, Evaluator]:
            _, info = self._run.network_files(name)
            return name, info["weights_sha256"], self._load_network(name)

        loaded = load() if self._current is None else unless_stopped(f"load network {name}", load, self._stop)
        if loaded is not None:
            self._current = loaded
            logging.info("self-play follows network %s", name)


class BackgroundPlay:
    """Self-play that goes on while other work is done, with the threads that the work leaves to it.

    Args:
        run: whose champion plays, and where shards are published.
        worker: this worker's own id.
        load_network: makes an evaluator of a published network.
    """

    def __init__(self, run: Run, worker: str, load_network: Callable[[str], Evaluator]) -> None:
        self.progress = Progress()
        self.shards = 0  # published since it was made
        self._run = run
        self._worker = worker
        self._ended = threading.Event()
        self._follower = ChampionFollower(run, load_network, self._ended, poll_seconds=0.0)
        self._thread: Future[None] | None = None
        self._lock = threading.Lock()
        self._throttle = Throttle(num_threads(run.config))
        self._lent = 0
        self._limit: int | None = None

    @property
    def has_begun(self) -> bool:
        """Whether it plays, or has been made to pause."""
        return self._thread is not None

    def start(self) -> None:
        """Begins to play, unless it has begun."""
        if self._thread is None:
            source = ShardSource(self._run, self._worker, self._follower, None)
            self._thread = in_background("self-play", lambda: self._play(source))

    def lend(self, threads: int, shard_limit: int) -> None:
        """Plays with so many threads less until `take_back`, and pauses when so many shards more are published."""
        with self._lock:
            self._lent, self._limit = threads, self.shards + shard_limit
        self._share()

    def take_back(self) -> None:
        """Plays with all threads again."""
        with self._lock:
            self._lent, self._limit = 0, None
        self._share()

    def wait(self, shards: int, seconds: float, stop: threading.Event) -> None:
        """Waits until so many shards have been published in all, or a time has passed, or for the end.

        Raises:
            Whatever ended play, if an error did.
        """
        deadline = time.monotonic() + seconds
        while self.shards < shards and time.monotonic() < deadline and not stop.is_set():
            self.check()
            stop.wait(POLL_SECONDS)

    def check(self) -> None:
        """Raises what ended play, if an error did."""
        if self._thread is not None and self._thread.done():
            self._thread.result()

    def close(self) -> None:
        """Ends play within a batch; unfinished shards are dropped. Raises what ended it before, if an error did."""
        self._ended.set()
        if self._thread is not None:
            self._thread.result()
            self._thread = None

    def _play(self, source: ShardSource) -> None:
        play_games(
            self._run,
            source.next,
            num_threads=self._throttle.threads,
            stop=self._ended,
            progress=self.progress,
            throttle=self._throttle,
            on_published=self._count,
        )

    def _count(self) -> None:
        with self._lock:
            self.shards += 1
        self._share()

    def _share(self) -> None:
        with self._lock:
            is_ahead = self._limit is not None and self.shards >= self._limit
            self._throttle.allow(0 if is_ahead else max(0, self._throttle.threads - self._lent))


def play_random_games(run: Run, worker: str, num_shards: int, stop: threading.Event, progress: Progress) -> None:
    """Publishes shards of random playouts, the games that the first training learns from."""
    first = run.next_sequence(worker)
    for sequence in range(first, first + num_shards):
        if stop.is_set():
            return
        shard = new_shard(run.config, RANDOM_PLAYOUTS, "", None, worker, sequence)
        progress.add(play_random_shard(run.config, shard))
        _publish_timed(run, shard, progress)


def missing_random_shards(run: Run) -> int:
    """Shards of random playouts that a run still wants: none once a network has been trained."""
    if len(run.networks()) > 1:
        return 0
    wanted = -(-run.random_games() // run.config.selfplay.games_per_shard)
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
        stop: ends the worker within a batch; the games that have ended by then are published.
        progress: counts on while this runs.

    Raises:
        RunError: the run has no champion.
    """
    run.shard_name(RANDOM_PLAYOUTS, worker, 0)  # raises RunError if the worker's name can not be part of one
    follower = ChampionFollower(run, load_network, stop)
    follower()
    while missing_random_shards(run) and not stop.is_set():  # other workers play them, too
        play_random_games(run, worker, 1, stop, progress)
    source = ShardSource(run, worker, follower, num_games)
    play_games(
        run,
        source.next,
        num_threads=num_threads(run.config),
        stop=stop,
        progress=progress,
        keeps_ended_games=True,
    )
