# SPDX-License-Identifier: Apache-2.0
"""How self-play games are played: many together, in lockstep by simulation, in shards.

A shard is a pure function of its header and the config: one network plays it, every game has a random stream of
its own, and no game depends on what shares its batch. So `play_shard` reproduces any published shard. Publishing
and following the champion are the business of `minigo.selfplay`. Start at `GamePool`.
"""

import dataclasses
import threading
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cc_kernels import scoring
from cc_kernels.board import Board
from cc_kernels.cache import EvaluationCache
from cc_kernels.playouts import random_game
from minigo import __version__
from minigo.config import Config
from minigo.data.shards import RANDOM_PLAYOUTS, ShardHeader
from minigo.go.coords import vertex_from_move
from minigo.go.position import Position
from minigo.go.record import POLICY_SCALE, GameRecord
from minigo.inference.evaluator import Evaluator
from minigo.inference.narrowing import Narrowing
from minigo.search import Search, SearchResult


@dataclass
class Progress:
    """What a phase of self-play has done so far; read it from any thread."""

    games: int = 0
    moves: int = 0
    positions: int = 0  # of them, those that were searched
    targets: int = 0  # positions with a policy target
    evaluations: int = 0  # these two count on during a game, the others when its shard is finished
    searches: int = 0
    black_wins: int = 0
    publish_seconds: float = field(default=0.0, init=False, compare=False)  # of all threads, until shards were stored
    watched: "Game | None" = field(default=None, repr=False, init=False, compare=False)  # one that is being played
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, init=False, compare=False)

    def add(self, records: Iterable[GameRecord]) -> None:
        """Counts the games of a finished shard."""
        with self.lock:
            for record in records:
                self.games += 1
                self.moves += record.num_moves
                self.positions += record.num_moves - record.start_ply
                self.targets += len(record.target_plies)
                self.black_wins += record.score_for_black > 0

    def snapshot(self) -> "Progress":
        """The counts of this moment."""
        with self.lock:
            return Progress(**self.counts())

    def since(self, earlier: "Progress") -> "Progress":
        """What has been done since a snapshot of this was taken."""
        before = earlier.counts()
        return Progress(**{name: count - before[name] for name, count in self.snapshot().counts().items()})

    def counts(self) -> dict[str, int]:
        """Every count by its name."""
        return {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self) if entry.init}

    def current_game(self) -> dict[str, Any] | None:
        """A game that is being played, as a heartbeat tells it: its moves so far as vertices; None: there is none."""
        game = self.watched
        if game is None:
            return None
        size = game.board.board_size
        return {
            "game_id": game.game_id,
            "network": game.shard.header.network,
            "board_size": size,
            "komi": game.board.komi,
            "rules": game.shard.header.rules,
            "moves": [vertex_from_move(move, size) for move in list(game.moves)],
        }


@dataclass
class Shard:
    """A shard while it is played."""

    header: ShardHeader
    evaluator: Evaluator | None  # None: random playouts
    num_games: int
    cache: EvaluationCache | None = None  # what is remembered of the network's evaluations; changes no game
    started: int = 0
    records: list[GameRecord] = field(default_factory=list)


@dataclass
class _Network:
    """A network that some of a pool's games are played with."""

    narrowing: Narrowing
    cache: EvaluationCache | None
    games: int = 0


def new_shard(
    config: Config,
    network: str,
    network_sha256: str,
    evaluator: Evaluator | None,
    worker: str,
    sequence: int,
    cache: EvaluationCache | None = None,
) -> Shard:
    """A shard that is yet to be played; its games follow from these arguments alone, whatever the cache holds."""
    header = ShardHeader(
        network=network,
        network_sha256=network_sha256,
        config_sha256=config.learning_sha256(),
        seed=config.seed,
        worker=worker,
        sequence=sequence,
        rules=config.game.rules,
        board_size=config.game.board_size,
        backend=evaluator.backend if evaluator is not None else "",
        precision=evaluator.precision if evaluator is not None else "",
        batch_rows=config.machine.batch_rows if evaluator is not None else 0,
        minigo_version=__version__,
    )
    return Shard(header, evaluator, config.selfplay.games_per_shard, cache)


class Game:
    """One self-play game and what its searches found, until it ends."""

    def __init__(self, config: Config, shard: Shard, index: int, group: int = 0) -> None:
        header = shard.header
        words = [header.seed, zlib.crc32(header.worker.encode()), header.sequence, index]
        if header.network == RANDOM_PLAYOUTS:
            words.append(1)
        self.seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
        self.random = np.random.default_rng(self.seed)
        self.config = config
        self.shard = shard
        self.group = group  # of its network, in the pool that plays it
        self.game_id = f"{header.network}-{header.worker}-{header.sequence:06d}-{index:04d}"
        self.board = self._open()
        self.is_full = False
        self._values: list[float] = []
        self._scores: list[float] = []
        self._simulations: list[int] = []
        self._target_plies: list[int] = []
        self._targets: list[NDArray[np.float32]] = []

    def _open(self) -> Board:
        """The board after the opening: komi drawn, and in some games a few random moves."""
        selfplay = self.config.selfplay
        board = Position.initial(self.config.game).board
        if selfplay.komi_spread:
            board.komi += round(self.random.normal(0.0, selfplay.komi_spread))
        self.moves: list[int] = []
        if selfplay.random_plies and self.random.random() < selfplay.random_share:
            opened, plies = board.copy(), int(self.random.integers(1, selfplay.random_plies + 1))
            moves = random_game(opened, int(self.random.integers(1 << 62)), plies)
            if not scoring.is_over(opened):
                board, self.moves = opened, moves.tolist()
        self.start_ply = len(self.moves)
        return board

    def next_simulations(self) -> int:
        """Decides how the next move is searched: a full search now and then, a fast one otherwise."""
        selfplay = self.config.selfplay
        self.is_full = self.random.random() < selfplay.full_share
        return selfplay.full_simulations(self.shard.header.network) if self.is_full else selfplay.fast_simulations

    def play(self, result: SearchResult) -> bool:
        """Records a search and plays its move; whether the game is over."""
        if self.is_full:
            self._target_plies.append(len(self.moves))
            self._targets.append(result.policy_target)
        self._values.append(result.value)
        self._scores.append(result.score_lead)
        self._simulations.append(result.simulations)
        self.moves.append(result.move)
        self.board.play(result.move)
        return len(self.moves) >= self.config.game.max_moves or scoring.is_over(self.board)

    def record(self) -> GameRecord:
        """The finished game."""
        opening = [np.nan] * self.start_ply
        num_moves = self.board.num_moves
        targets = np.array(self._targets, np.float64).reshape(-1, num_moves)
        header = self.shard.header
        return GameRecord(
            game_id=self.game_id,
            board_size=self.board.board_size,
            komi=self.board.komi,
            rules=header.rules,
            moves=np.array(self.moves, np.int16),
            score_for_black=scoring.final_score_for_black(self.board),
            end=_end(self.board),
            start_ply=self.start_ply,
            seed=self.seed,
            black=header.network,
            white=header.network,
            target_plies=np.array(self._target_plies, np.int16),
            policy_targets=np.rint(targets * POLICY_SCALE).astype(np.uint16),
            root_values=np.array(opening + self._values, np.float32),
            root_scores=np.array(opening + self._scores, np.float32),
            simulations=np.array([0] * self.start_ply + self._simulations, np.int32),
        )


def _end(board: Board) -> str:
    if board.passes >= 2:
        return "passes"
    return "decided" if scoring.is_over(board) else "move_limit"


def play_random_shard(config: Config, shard: Shard) -> list[GameRecord]:
    """Plays a shard of random games that fill no own eye: values and ownership without a network."""
    for index in range(shard.num_games):
        game = Game(config, shard, index)
        while not scoring.is_over(game.board) and len(game.moves) < config.game.max_moves:
            game.moves.append(_play_random_move(game))
        game.start_ply = len(game.moves)
        shard.records.append(game.record())
    return shard.records


def _play_random_move(game: Game) -> int:
    passes = game.config.selfplay.random_passes
    if not passes or game.random.random() >= passes:
        return int(random_game(game.board, int(game.random.integers(1 << 62)), 1)[0])
    game.board.play(game.board.pass_move)
    return game.board.pass_move


class GamePool:
    """The games that one thread plays together. There may be more of them than rows in a batch, so that it is full.

    Args:
        config: of the run.
        next_shard: gives the next shard, or None when there is no more; asked again for every free row.
        on_finished: receives each shard when its last game has ended.
        progress: counts evaluations and games.
    """

    def __init__(
        self,
        config: Config,
        next_shard: Callable[[], Shard | None],
        on_finished: Callable[[Shard], object],
        progress: Progress,
    ) -> None:
        self._config = config
        self._next_shard = next_shard
        self._on_finished = on_finished
        self._progress = progress
        self._num_games = config.machine.games_per_thread
        self._search = Search(
            config.search,
            config.game.board_size,
            self._num_games,
            max_simulations=config.selfplay.max_simulations,
            batch_rows=config.machine.batch_rows,
        )
        self._games: dict[int, Game] = {}
        self._networks: dict[int, _Network] = {}  # by the group of their games in the search
        self._opening: Shard | None = None  # the shard that still has games to start

    def run(self, stop: threading.Event, may_go_on: Callable[[], bool] = lambda: True) -> None:
        """Plays until there are no more shards, or until told to stop; unfinished games are dropped then.

        Args:
            stop: ends play within a batch.
            may_go_on: asked before every batch; play pauses while it takes its time, and ends if it is False.
        """
        for row in range(self._num_games):
            self._start_game(row)
        while self._games and not stop.is_set() and may_go_on():
            evaluations = sum(self._search_on(group) for group in list(self._networks))
            done = [row for row in self._search.trees.done_games().tolist() if row in self._games]
            with self._progress.lock:
                self._progress.evaluations += evaluations
                self._progress.searches += len(done)
            for row in done:
                self._play(row)

    def unfinished_shards(self) -> list[Shard]:
        """The shards that are not finished, each with those of its games that have ended, if any have."""
        shards = {
            id(shard): shard for shard in [*(game.shard for game in self._games.values()), self._opening] if shard
        }
        begun = [shard for shard in shards.values() if 0 < len(shard.records) < shard.num_games]
        for shard in begun:
            shard.records.sort(key=lambda record: record.game_id)
        return begun

    def _search_on(self, group: int) -> int:
        """One batch for the games of one network: how many positions it evaluated."""
        network = self._networks[group]
        leaves = self._search.select_leaves(network.cache, group)
        if leaves.count:
            self._search.backup(network.narrowing.evaluate(leaves))
        return leaves.count

    def _start_game(self, row: int) -> None:
        if self._opening is None or self._opening.started == self._opening.num_games:
            self._opening = self._next_shard()
        shard = self._opening
        if shard is None:
            return
        game = Game(self._config, shard, shard.started, self._group_of(shard))
        shard.started += 1
        self._games[row] = game
        if self._progress.watched is None:
            self._progress.watched = game
        self._networks[game.group].games += 1
        self._start_search(row, game)

    def _group_of(self, shard: Shard) -> int:
        """The group of a shard's network: another one only while it takes over from the one before."""
        if shard.evaluator is None:
            raise ValueError("a pool plays shards of networks; random playouts have none")
        for group, network in self._networks.items():
            if network.narrowing.evaluator is shard.evaluator:
                return group
        group = min(set(range(len(self._networks) + 1)) - self._networks.keys())
        self._networks[group] = _Network(Narrowing(shard.evaluator), shard.cache)
        return group

    def _start_search(self, row: int, game: Game) -> None:
        simulations = game.next_simulations()
        share = 1.0 if game.is_full else self._config.selfplay.fast_noise
        self._search.start(row, game.board, simulations, game.random, game.group, share)

    def _play(self, row: int) -> None:
        game = self._games[row]
        if not game.play(self._search.result(row)):
            self._start_search(row, game)
            return
        self._search.trees.stop(row)
        del self._games[row]
        if self._progress.watched is game:
            self._progress.watched = None
        network = self._networks[game.group]
        network.games -= 1
        game.shard.records.append(game.record())
        if len(game.shard.records) == game.shard.num_games:
            game.shard.records.sort(key=lambda record: record.game_id)
            self._progress.add(game.shard.records)
            self._on_finished(game.shard)
        self._start_game(row)
        if self._progress.watched is None:
            self._progress.watched = next(iter(self._games.values()), None)
        if network.games == 0:
            del self._networks[game.group]


def play_shard(config: Config, shard: Shard) -> list[GameRecord]:
    """Plays one shard from beginning to end in this thread: the way to reproduce a published one.

    The evaluator must compute in the header's precision; the batch has the header's shape.
    """
    if shard.evaluator is None:
        return play_random_shard(config, shard)
    machine = dataclasses.replace(config.machine, batch_rows=shard.header.batch_rows)
    config, todo = dataclasses.replace(config, machine=machine), [shard]
    GamePool(config, lambda: todo.pop() if todo else None, lambda _: None, Progress()).run(threading.Event())
    return shard.records
