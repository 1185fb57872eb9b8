# SPDX-License-Identifier: Apache-2.0
"""`StoredMatch`: a match that lives in a run, as far as anybody has played it. Gate and rating matches are such.

A match is named, its spec is fixed by whoever comes first, and its games by their index: whoever resumes it plays
what is missing. Who meets whom, and what follows from it, is the business of `minigo.evaluate` and `ratings`.
"""

import dataclasses
import logging
import math
import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping
from functools import cached_property
from typing import Any

from minigo import __version__
from minigo.data.shards import ShardError, ShardHeader, read_shard, write_shard
from minigo.inference.evaluator import Evaluator
from minigo.match import MatchGame, play_games, points_from_record
from minigo.match_players import match_player
from minigo.players import MAX_BATCH_ROWS, Player, SearchPlayer
from minigo.run import Run

_log = logging.getLogger(__name__)


class SoonerStop(threading.Event):
    """Counts as set when it is, when another event is, or when its time is over. For those that look, not wait."""

    def __init__(self, other: threading.Event | None, seconds: float = math.inf) -> None:
        super().__init__()
        self._other = other
        self._deadline = time.monotonic() + seconds

    def is_set(self) -> bool:
        """Whether any of the three holds."""
        others = self._other is not None and self._other.is_set()
        return super().is_set() or others or time.monotonic() >= self._deadline


class StoredMatch:
    """A match of one of the run's networks.

    Args:
        run: where it lives.
        name: the match.
        spec: all that its games depend on; has `player` (the network), `opponent` and `seed`.
        load_evaluator: the network in a folder.
        indices: the games that matter here; None: all. Others are not read.

    Raises:
        RunError: the match exists with another spec.
    """

    def __init__(
        self,
        run: Run,
        name: str,
        spec: Mapping[str, Any],
        load_evaluator: Callable[[str], Evaluator],
        indices: Container[int] | None = None,
    ) -> None:
        self.name = name
        self._run = run
        self._network = str(spec["player"])
        self._seed = int(spec["seed"])
        self._load_evaluator = load_evaluator
        self._indices = indices
        run.matches.publish_spec(name, dict(spec))
        self.points: dict[int, float | None] = {}
        """The player's points in each game so far, by index; None where the game failed."""
        self.refresh()

    def refresh(self) -> int:
        """Reads the games that others have stored since; how many."""
        stored = self._run.matches.games(self.name)
        wanted = stored if self._indices is None else [index for index in stored if index in self._indices]
        new = {index: self._stored_points(index, stored[index]) for index in wanted if index not in self.points}
        self.points |= new
        return len(new)

    def play(
        self,
        player: Player,
        opponent: Player,
        indices: Iterable[int],
        *,
        stop: threading.Event | None,
        on_game: Callable[[], None] = lambda: None,
        on_moves: Callable[[], object] = lambda: None,
    ) -> None:
        """Plays those of the games that are not there, and stores each as it ends.

        Args:
            player: the one whose points count.
            opponent: the other.
            indices: which games.
            stop: once set, unfinished games are dropped.
            on_game: called after each game; `points` has it then.
            on_moves: called whenever the games that are played have got on.
        """

        def finish(game: MatchGame) -> None:
            self.points[game.index] = self._stored(game)
            on_game()

        play_games(
            player,
            opponent,
            [index for index in indices if index not in self.points],
            self._run.config.game,
            self._run.config.match,
            self._seed,
            on_game=finish,
            on_moves=on_moves,
            name=self.name,
            stop=stop,
        )

    def _stored(self, game: MatchGame) -> float | None:
        """Stores a game and returns the points of the one in force."""
        if game.points is None:
            return None
        data = write_shard(self._header(game.index), [game.record])
        if self._run.matches.publish_game(self.name, game.index, data):
            return game.points
        return self._stored_points(game.index, self._run.matches.games(self.name)[game.index])  # somebody was first

    def _stored_points(self, index: int, path: str) -> float | None:
        try:
            _, records = read_shard(self._run.read(path))
        except ShardError as error:
            self._run.quarantine(path, str(error))
            _log.warning("%s does not count: %s", path, error)
            return None
        return points_from_record(index, records[0])

    def _header(self, index: int) -> ShardHeader:
        config = self._run.config
        evaluator = self._load_evaluator(self._run.network_path(self._network))
        return ShardHeader(
            network=self._network,
            network_sha256=self._sha256,
            config_sha256=config.learning_sha256(),
            seed=self._seed,
            worker=self.name,
            sequence=index,
            rules=config.game.rules,
            board_size=config.game.board_size,
            backend=evaluator.backend,
            precision=evaluator.precision,
            batch_rows=MAX_BATCH_ROWS,
            minigo_version=__version__,
        )

    @cached_property
    def _sha256(self) -> str:
        return str(self._run.network_info(self._network)["weights_sha256"])


def network_player(
    run: Run, network: str, simulations: int, load_evaluator: Callable[[str], Evaluator]
) -> SearchPlayer:
    """One of the run's networks as it plays its stored matches."""
    search = dataclasses.replace(run.config.search, num_simulations=simulations)
    return match_player(load_evaluator(run.network_path(network)), search, run.config.match, name=network)
