# SPDX-License-Identifier: Apache-2.0
"""Which games of a run may be trained on: shards are read and checked, and those that are no good go into quarantine.

Start at `Intake.games`.
"""

import logging
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

import numpy as np

from minigo.data.shards import RANDOM_PLAYOUTS, ShardError, ShardHeader, read_shard
from minigo.go.record import GameRecord
from minigo.run import Run, shard_stem

_log = logging.getLogger(__name__)


class Intake:
    """Reads a run's shards for its trainer.

    Args:
        run: the run.
        beat: called before each shard is read.
    """

    def __init__(self, run: Run, beat: Callable[[], None] = lambda: None) -> None:
        self._run = run
        self._beat = beat
        self._sha256_of: dict[str, str] = {}  # weights of each network that played

    def games(self, paths: Iterable[str], taken: AbstractSet[str] = frozenset()) -> dict[str, list[GameRecord]]:
        """The games of each good shard by its path; the others go into quarantine.

        Args:
            paths: of the shards.
            taken: names that no shard may have; they are no good twice among themselves either.
        """
        games: dict[str, list[GameRecord]] = {}
        names = set(taken)
        for path in paths:
            self._beat()
            try:
                if shard_stem(path) in names:
                    raise ShardError("a shard of this name has been trained on")
                games[path] = self._checked_games(path)
                names.add(shard_stem(path))
            except ShardError as error:
                _log.warning("%s goes into quarantine: %s", path, error)
                self._run.quarantine(path, str(error))
        return games

    def _checked_games(self, path: str) -> list[GameRecord]:
        header, records = read_shard(self._run.read(path))
        config = self._run.config
        expected = (config.game.board_size, config.game.rules, config.learning_sha256())
        actual = (header.board_size, header.rules, header.config_sha256)
        if actual != expected:
            raise ShardError(f"foreign: board size, rules and config must be {expected}, got {actual}")
        self._check_origin(path, header)
        for record in records:
            if record.end == "move_limit" and record.num_moves != config.game.max_moves:
                raise ShardError(f"game {record.game_id} stops at move {record.num_moves} of {config.game.max_moves}")
            if config.selfplay.komi_spread == 0 and record.komi != np.float32(config.game.komi):
                raise ShardError(f"game {record.game_id} must have komi {config.game.komi:g}, got {record.komi:g}")
        resigned = [record.game_id for record in records if record.end == "resign"]
        if resigned:
            raise ShardError(f"game {resigned[0]} was resigned: it has no score to train on")
        return records

    def _check_origin(self, path: str, header: ShardHeader) -> None:
        """Raises ShardError unless the shard is the one that its name says, played by a network of this run."""
        name = f"{header.network}-{header.worker}-{header.sequence:06d}"
        if shard_stem(path) != name:
            raise ShardError(f"foreign: the shard must be named {name}")
        if header.seed != self._run.config.seed:
            raise ShardError(f"foreign: the run's seed is {self._run.config.seed}, got {header.seed}")
        if header.network == RANDOM_PLAYOUTS:
            return
        if header.network not in self._sha256_of:
            published = header.network in self._run.networks()
            info = self._run.network_info(header.network) if published else {}
            self._sha256_of[header.network] = str(info.get("weights_sha256", "that was never published"))
        if header.network_sha256 != self._sha256_of[header.network]:
            raise ShardError(f"foreign: network {header.network} is one {self._sha256_of[header.network]}")
