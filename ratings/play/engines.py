# SPDX-License-Identifier: Apache-2.0
"""`Engines`: what thinks about each game, a tree of its own for each, and only a few at once.

An engine that was put away costs nothing; the next one rebuilds its tree from the game.
"""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, NamedTuple

from minigo.config import SearchConfig
from minigo.engines.options import PlayOptions
from minigo.engines.thinking import Thinking
from ratings.play.game import RANDOM, Setting
from ratings.play.networks import LiveNetwork, Networks
from ratings.play.workers import Cancelled

BATCH_ROWS: Final = 16
CACHED_POSITIONS: Final = 4096  # of one engine: 12 MB on the largest board
RESIGN_THRESHOLD: Final = 0.9
RESIGN_MOVES: Final = 4


class _Engine(NamedTuple):
    thinking: Thinking
    network: LiveNetwork | None
    """None: it plays by chance."""
    used: float


class Engines:
    """The engines of the games that were thought about last. Methods may be called from several threads at once.

    Args:
        networks: what they think with.
        search: how networks search.
        most: engines at the same time.
        idle_seconds: an engine that has not thought for so long is put away.
        now: tells the time in seconds; only differences matter.
    """

    def __init__(
        self,
        networks: Networks,
        search: SearchConfig,
        *,
        most: int,
        idle_seconds: float,
        now: Callable[[], float],
    ) -> None:
        self._networks = networks
        self._search = replace(search, dirichlet_alpha=0.0, gumbel_scale=0.0)
        self._most = most
        self._idle_seconds = idle_seconds
        self._now = now
        self._lock = threading.Lock()
        self._engines: OrderedDict[str, _Engine] = OrderedDict()  # those used last at the end
        self._busy: set[str] = set()

    @contextmanager
    def thinking(self, game_id: str, setting: Setting, cancelled: Cancelled) -> Iterator[Thinking | None]:
        """A game's engine, for as long as it thinks; None if it is wanted no more before it is ready.

        Raises:
            EngineError: there is none to be had, or it broke down.
        """
        network = None if setting.opponent == RANDOM else self._networks.borrow(setting.opponent)
        try:
            if network is not None and not network.wait_until_loaded(cancelled):
                yield None
                return
            engine = self._taken(game_id, setting, network)
            try:
                yield engine.thinking
            finally:
                self._put_back(game_id, engine)
        finally:
            if network is not None:
                self._networks.give_back(network)

    def forget(self, game_id: str) -> None:
        """Puts a game's engine away, at once or when it has stopped thinking."""
        with self._lock:
            self._busy.discard(game_id)
            self._engines.pop(game_id, None)

    def sweep(self) -> int:
        """Puts away what is idle or has lost its network. Returns how many engines there are afterwards."""
        now = self._now()
        with self._lock:
            for game_id, engine in list(self._engines.items()):
                is_lost = engine.network is not None and engine.network.failure is not None
                if game_id not in self._busy and (is_lost or now - engine.used >= self._idle_seconds):
                    del self._engines[game_id]
            return len(self._engines)

    @property
    def game_ids(self) -> list[str]:
        """The games that have an engine, that used last at the end."""
        with self._lock:
            return list(self._engines)

    def _taken(self, game_id: str, setting: Setting, network: LiveNetwork | None) -> _Engine:
        with self._lock:
            engine = self._engines.pop(game_id, None)
            if engine is None or engine.network is not network:
                engine = _Engine(self._new(game_id, setting, network), network, self._now())
            self._engines[game_id] = engine
            self._busy.add(game_id)
            for other in [other for other in self._engines if other not in self._busy]:
                if len(self._engines) > self._most:
                    del self._engines[other]
            return engine

    def _put_back(self, game_id: str, engine: _Engine) -> None:
        with self._lock:
            if game_id in self._busy:
                self._busy.discard(game_id)
                self._engines[game_id] = engine._replace(used=self._now())

    def _new(self, game_id: str, setting: Setting, network: LiveNetwork | None) -> Thinking:
        options = PlayOptions(
            seconds_per_move=setting.seconds,
            timed_visits=setting.visits,
            resign_threshold=RESIGN_THRESHOLD if setting.may_resign else 0.0,
            resign_moves=RESIGN_MOVES,
        )
        if network is None:
            return Thinking.by_chance(self._search, options, seed=zlib.crc32(game_id.encode()))
        return Thinking(network, self._search, options, batch_rows=BATCH_ROWS, cached_positions=CACHED_POSITIONS)
