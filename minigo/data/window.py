# SPDX-License-Identifier: Apache-2.0
"""`Window`: the games that training draws from, in memory and compact; the oldest leave as new ones come.

It holds moves and targets, never planes. What an example looks like is the business of `minigo.data.examples`.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cc_kernels import scoring
from minigo.config import GameConfig, TrainConfig
from minigo.go.record import GameRecord


def window_size(positions_seen: int, config: TrainConfig) -> int:
    """How many positions training draws from after so many in all: c (1 + b ((n/c)^a - 1) / a), and never below c.

    The power law of Wu 2019 ("Accelerating Self-Play Learning in Go"), section 4.1: c is `window_min`, a
    `window_exponent`, b `window_growth`.
    """
    minimum, exponent = config.window_min, config.window_exponent
    ratio = max(1.0, positions_seen / minimum)
    grown = (ratio**exponent - 1) / exponent if exponent > 0 else math.log(ratio)
    return int(minimum * (1 + config.window_growth * grown))


def trainable_plies(record: GameRecord, config: TrainConfig) -> NDArray[np.int32]:
    """[P] the positions of a game to train on: those with a policy target; of a game of random play, a few by chance.

    Of random play the result is all there is to learn, and a game has one: many games with few positions each teach
    more than few with many. The same game always gives the same positions.
    """
    if len(record.target_plies) or record.simulations.any():
        return record.target_plies.astype(np.int32)
    rng = np.random.default_rng(zlib.crc32(record.game_id.encode()))
    count = min(config.untargeted_positions, record.num_moves)
    return np.sort(rng.choice(record.num_moves, count, replace=False)).astype(np.int32)


@dataclass(frozen=True)
class Games:
    """Games one after the other, as columns: G games, P positions, K policy targets.

    Attributes:
        moves: [sum of lengths] int16, Black first, alternating.
        lengths: [G] int64, moves of each game.
        komi: [G] float32.
        score_for_black: [G] float32, the result.
        area: [G, N²] int8, who owns each point at the end: 1 Black, -1 White, 0 nobody.
        num_positions: [G] int64, trainable positions of each game.
        plies: [P] int32, the position is the one before this ply.
        root_values: [P] float32, the search's value for the player to move; NaN where there is none.
        has_policy: [P] whether the position has a row in `policies`; the rows are in the order of the positions.
        policies: [K, A] uint16.
    """

    moves: NDArray[np.int16]
    lengths: NDArray[np.int64]
    komi: NDArray[np.float32]
    score_for_black: NDArray[np.float32]
    area: NDArray[np.int8]
    num_positions: NDArray[np.int64]
    plies: NDArray[np.int32]
    root_values: NDArray[np.float32]
    has_policy: NDArray[np.bool_]
    policies: NDArray[np.uint16]

    @classmethod
    def from_records(cls, records: Sequence[GameRecord], board_size: int, config: TrainConfig) -> "Games":
        """The columns of checked records."""
        plies = [trainable_plies(record, config) for record in records]
        has_policy = [np.full(len(p), len(r.target_plies) > 0) for r, p in zip(records, plies, strict=True)]
        values = [record.root_values[p] for record, p in zip(records, plies, strict=True)]
        area = [final_area(record) for record in records]
        return cls(
            moves=_joined([record.moves for record in records], np.int16),
            lengths=np.array([record.num_moves for record in records], np.int64),
            komi=np.array([record.komi for record in records], np.float32),
            score_for_black=np.array([record.score_for_black for record in records], np.float32),
            area=np.array(area, np.int8).reshape(len(records), board_size**2),
            num_positions=np.array([len(p) for p in plies], np.int64),
            plies=_joined(plies, np.int32),
            root_values=_joined(values, np.float32),
            has_policy=_joined(has_policy, np.bool_),
            policies=np.concatenate(
                [np.empty((0, board_size**2 + 1), np.uint16), *(record.policy_targets for record in records)]
            ),
        )

    def without_first(self, games: int) -> "Games":
        """The same but for so many games at the front."""
        moves = int(self.lengths[:games].sum())
        positions = int(self.num_positions[:games].sum())
        policies = int(self.has_policy[:positions].sum())
        cuts = {"moves": moves, "policies": policies}
        cuts |= dict.fromkeys(("plies", "root_values", "has_policy"), positions)
        return Games(**{name: column[cuts.get(name, games) :] for name, column in vars(self).items()})

    def joined_with(self, other: "Games") -> "Games":
        """These games, then the others."""
        return Games(**{name: np.concatenate([column, getattr(other, name)]) for name, column in vars(self).items()})


class Window:
    """The newest games of a run, as many as `window_size` allows.

    Args:
        game: board size and rules of all games; their komi may differ.
        config: the window's growth, and what of a game is trained on.
        positions_seen: positions that entered before, when a run resumes.
    """

    def __init__(self, game: GameConfig, config: TrainConfig, *, positions_seen: int = 0) -> None:
        self.game = game
        self.positions_seen = positions_seen
        self._config = config
        self._set(Games.from_records([], game.board_size, config))

    @property
    def num_games(self) -> int:
        """G, the games held now."""
        return len(self.games.lengths)

    @property
    def num_positions(self) -> int:
        """P, the trainable positions held now."""
        return len(self.games.plies)

    def add(self, records: Sequence[GameRecord]) -> int:
        """Adds checked games, the oldest first, and drops those that no longer fit. No stream may be reading.

        Returns:
            The trainable positions that came in.

        Raises:
            ValueError: a game is of another board size or other rules, or was resigned and so has no score.
        """
        mine = (self.game.board_size, self.game.rules)
        for record in records:
            if (record.board_size, record.rules) != mine:
                theirs = (record.board_size, record.rules)
                raise ValueError(f"game {record.game_id} must have board size and rules {mine}, got {theirs}")
            if record.end == "resign":
                raise ValueError(f"game {record.game_id} was resigned: it has no score to train on")
        new = Games.from_records(records, self.game.board_size, self._config)
        self.positions_seen += len(new.plies)
        self._set(self.games.joined_with(new))
        size = window_size(self.positions_seen, self._config)
        kept = np.flatnonzero(self.num_positions - self._first_positions <= size)
        self._set(self.games.without_first(int(kept[0]) if len(kept) else max(0, self.num_games - 1)))
        return len(new.plies)

    def keep_newest(self, games: int) -> None:
        """Drops all but so many games. No stream may be reading."""
        self._set(self.games.without_first(max(0, self.num_games - games)))

    def _set(self, games: Games) -> None:
        self.games = games
        self.starts = np.concatenate([[0], np.cumsum(games.lengths)]).astype(np.int64)
        self.position_games = np.repeat(np.arange(len(games.lengths)), games.num_positions)
        self.policy_rows = np.cumsum(games.has_policy) - 1
        self._first_positions = np.cumsum(games.num_positions) - games.num_positions


def final_area(record: GameRecord) -> NDArray[np.int8]:
    """[N²] who owns each point at the end of a game, as the result counts it."""
    board = record.empty_board()
    for move in record.moves.tolist():
        board.play(move)
    return scoring.final_area(board).ravel()


def _joined(columns: Sequence[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *columns]).astype(dtype, copy=False)
