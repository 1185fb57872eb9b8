# SPDX-License-Identifier: Apache-2.0
"""Matches: colour-swapped pairs of games from common openings, and what they say about two players.

Games 2k and 2k + 1 share an opening; the first player has Black in the even ones. With a handicap it gives stones in
all games, which then have openings of their own. Where each side is a player of this process or a team of outside ones,
games go on in lockstep: one batch serves them all, and outside players think beside it and each other. A player that
breaks down or breaks the rules costs its game, never the match. Start at `play_match`; `play_games` plays any part of a
match.
"""

import dataclasses
import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from sgfmill import sgf

from cc_kernels.board import BLACK, WHITE
from cc_kernels.playouts import random_game
from minigo.config import GameConfig, MatchConfig
from minigo.gates import Score
from minigo.go.handicap import fixed_handicap
from minigo.go.position import Position
from minigo.go.record import GameRecord
from minigo.go.sgf import sgf_from_record
from minigo.players import MAX_GAMES_TOGETHER, BatchPlayer, Choice, Player, PlayerError, Team

FAILED: Final = "failed"  # the `end` of a game that a player broke; such records are never published

MAX_FAILURES: Final = 3  # games in a row that a member of a team may fail before the others play without it

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MatchGame:
    """A finished game of a match."""

    index: int
    record: GameRecord
    points: float | None  # for the first player: 1, 0.5, 0, or None where the game failed
    failure: str = ""  # why it failed


@dataclass(frozen=True)
class MatchResult:
    """The games of a match so far, for its first player."""

    player: str
    opponent: str
    games: tuple[MatchGame, ...]
    handicap: int = 0  # stones that the player gave; the Elo difference is that with them

    @cached_property
    def score(self) -> Score:
        """Counts, Elo difference and its interval."""
        return Score.of((game.index, game.points) for game in self.games)

    def to_dict(self) -> dict[str, Any]:
        """The numbers that `minigo match --json` prints."""
        return {**self.score.to_dict(), **({"handicap": self.handicap} if self.handicap else {})}

    def __str__(self) -> str:
        giving = f", giving {self.handicap} stones" if self.handicap else ""
        return f"{self.player} against {self.opponent}{giving}: {self.score}"


def play_match(
    player: Player | Team,
    opponent: Player | Team,
    games: int,
    game_config: GameConfig,
    match_config: MatchConfig,
    seed: int,
    *,
    handicap: int = 0,
    progress: Callable[[MatchResult], None] | None = None,
    sgf_dir: str | Path | None = None,
    stop: threading.Event | None = None,
) -> MatchResult:
    """Plays a match. It is the caller who closes the players.

    Args:
        player: the one whose wins are counted. Of a team, each member plays one game at a time.
        opponent: the other.
        games: how many; an odd number leaves the last pair half played.
        game_config: what is played.
        match_config: how games open.
        seed: decides openings and, for players in this process, every move.
        handicap: stones on star points that the player gives its opponent in every game; 0: none.
        progress: told the result so far after each game.
        sgf_dir: every game is written here as SGF, named by its index; None: nowhere.
        stop: once set, unfinished games are dropped.

    Raises:
        ValueError: there is no fixed placement of so many stones on this board.
    """
    finished: list[MatchGame] = []
    folder = None if sgf_dir is None else Path(sgf_dir)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)

    def on_game(game: MatchGame) -> None:
        finished.append(game)
        if folder is not None:
            (folder / f"{game.index:06d}.sgf").write_bytes(sgf_from_game(game))
        if progress is not None:
            progress(_result(player, opponent, finished, handicap))

    indices = range(games)
    play_games(
        player, opponent, indices, game_config, match_config, seed, handicap=handicap, on_game=on_game, stop=stop
    )
    return _result(player, opponent, finished, handicap)


def play_games(
    player: Player | Team,
    opponent: Player | Team,
    indices: Iterable[int],
    game_config: GameConfig,
    match_config: MatchConfig,
    seed: int,
    *,
    handicap: int = 0,
    on_game: Callable[[MatchGame], None],
    on_moves: Callable[[], object] = lambda: None,
    name: str = "match",
    stop: threading.Event | None = None,
) -> None:
    """Plays some games of a match. Each is the same game whatever others are played.

    Args:
        player: the one whose wins are counted. Of a team, each member plays one game at a time.
        opponent: the other.
        indices: which games.
        game_config: what is played.
        match_config: how games open.
        seed: decides openings and, for players in this process, every move.
        handicap: stones that the player gives its opponent, as in `play_match`.
        on_game: receives each game when it ends; not always in the order of their indices.
        on_moves: called whenever the games that are played have got on.
        name: begins the id of every game's record.
        stop: once set, unfinished games are dropped.

    Raises:
        ValueError: there is no fixed placement of so many stones on this board.
    """
    waiting, seats = iter(indices), _seats(player, opponent)
    failures: Counter[tuple[Player, Player]] = Counter()  # since a game between the two last ended well
    running: list[_Running] = []
    with ThreadPoolExecutor(len(seats)) as pool:  # starts no thread before one is needed
        while stop is None or not stop.is_set():
            fresh = itertools.islice(waiting, len(seats))
            running += [_Running(index, seats.pop(), game_config, match_config, seed, handicap) for index in fresh]
            if not running:
                break
            _choose([game for game in running if not game.end], pool, on_moves)
            if stop is not None and stop.is_set():
                break  # a player may have failed just because it was stopped
            ended = [game for game in running if game.end]
            running = [game for game in running if not game.end]
            for game in ended:
                on_game(game.finished(name))
                failures[game.players] = failures[game.players] + 1 if game.end == FAILED else 0
                if failures[game.players] < MAX_FAILURES or not (seats or running):
                    seats.append(game.players)


def sgf_from_game(game: MatchGame) -> bytes:
    """The game as SGF. A failed one has the result "Void" and says why in its comment."""
    data = sgf_from_record(game.record)
    if game.points is not None:
        return data
    tree = sgf.Sgf_game.from_bytes(data)
    tree.get_root().set("RE", "Void")
    tree.get_root().set("C", game.failure)
    serialised: bytes = tree.serialise()
    return serialised


def points_from_record(index: int, record: GameRecord) -> float:
    """What a finished game of a match without handicap is worth to the first player: 1, 0.5 or 0."""
    return _points(record, _color_of_player(index))


class _Running:
    """A game that is being played: its position, what was chosen, and how it ended, once it has."""

    def __init__(
        self,
        index: int,
        players: tuple[Player, Player],
        game_config: GameConfig,
        match_config: MatchConfig,
        seed: int,
        handicap: int = 0,
    ) -> None:
        self.index = index
        opening = index if handicap else index // 2
        self.position = _opening(game_config, match_config.opening_plies, derived_seed(seed, opening), handicap)
        self.end = ""
        self.players = players
        self._color = WHITE if handicap else _color_of_player(index)  # of the first player
        self._game = game_config
        self._seed = seed
        self._start_ply = len(self.position.moves)
        self._choices: list[Choice] = []
        self._score_for_black = 0.0
        self._failure = ""
        self._check_end()
        try:
            for player in players:
                player.new_game()
        except PlayerError as error:
            self.fail(str(error))

    @property
    def side_to_move(self) -> int:
        """0 where the match's first player is to move, 1 where its opponent is."""
        return 0 if self.position.to_play == self._color else 1

    @property
    def player_to_move(self) -> Player:
        """Whose turn it is."""
        return self.players[self.side_to_move]

    @property
    def choice_seed(self) -> int:
        """Seed of the choice to make, different for every ply of every game."""
        return derived_seed(self._seed, self.index, len(self.position.moves) + 1)

    def advance(self, choice: Choice) -> None:
        """Plays what was chosen, and notes it when the game has ended."""
        if choice.resign:
            self.end, self._score_for_black = "resign", -float(self.position.to_play)
            return
        try:
            self.position = self.position.play(choice.move)
        except ValueError as error:  # also IllegalMoveError
            self.fail(f"{self.player_to_move.name}: ply {len(self.position.moves)}: {error}")
            return
        self._choices.append(choice)
        self._check_end()

    def fail(self, reason: str) -> None:
        """Ends the game without a result."""
        _log.warning("game %d failed: %s", self.index, reason)
        self.end, self._failure = FAILED, reason

    def finished(self, name: str) -> MatchGame:
        """The ended game."""
        record = self._record(name)
        points = None if self.end == FAILED else _points(record, self._color)
        return MatchGame(self.index, record, points, self._failure)

    def _check_end(self) -> None:
        moves, position = len(self.position.moves), self.position
        if position.is_over:
            self.end = "passes" if position.board.passes >= 2 else "decided"
        elif moves >= self._game.max_moves:
            self.end = "move_limit"
        if self.end:
            self._score_for_black = position.score_for_black()

    def _record(self, name: str) -> GameRecord:
        names = {self._color: self.players[0].name, -self._color: self.players[1].name}
        blank = [np.nan] * self._start_ply
        return GameRecord(
            game_id=f"{name}-{self.index:06d}",
            board_size=self._game.board_size,
            komi=self._game.komi,
            rules=self._game.rules,
            moves=np.array([move for _, move in self.position.moves], np.int16),
            score_for_black=self._score_for_black,
            end=self.end,
            start_ply=self._start_ply,
            seed=self._seed,
            black=names[BLACK],
            white=names[WHITE],
            target_plies=np.zeros(0, np.int16),
            policy_targets=np.zeros((0, self._game.board_size**2 + 1), np.uint16),
            root_values=np.array(blank + [_number(c.value) for c in self._choices], np.float32),
            root_scores=np.array(blank + [_number(c.score_lead) for c in self._choices], np.float32),
            simulations=np.array([0] * len(blank) + [c.simulations for c in self._choices], np.int32),
        )


def derived_seed(*parts: int) -> int:
    """A seed in 0..2**63 - 1 that depends on all the parts and nothing else."""
    words = [part % (1 << 64) for part in parts]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def _seats(player: Player | Team, opponent: Player | Team) -> list[tuple[Player, Player]]:
    """Who plays whom in each of the games that go on at once."""
    members = [_members(side) for side in (player, opponent)]
    return list(zip(*members, strict=False))


def _members(side: Player | Team) -> Sequence[Player]:
    if isinstance(side, Team):
        return side.members
    return [side] * (MAX_GAMES_TOGETHER if isinstance(side, BatchPlayer) else 1)


def _choose(games: list[_Running], pool: ThreadPoolExecutor, on_moves: Callable[[], object]) -> None:
    """Lets whoever is to move in each of these games choose, outside players at the same time as the others.

    Games between two players of this process go on by a ply of each side, the second of which is in all games.
    """
    outside = [game for game in games if not isinstance(game.player_to_move, BatchPlayer)]
    asked = [(game, pool.submit(game.player_to_move.choose, game.position)) for game in outside]
    for side in (0, 1):
        _choose_together([game for game in games if not game.end and game.side_to_move == side])
        on_moves()
    for game, choice in asked:
        _advance(game, choice)
        on_moves()


def _choose_together(games: list[_Running]) -> None:
    """Lets the player who is to move, the same in all these games, choose in all at once if it is of this process."""
    player = games[0].player_to_move if games else None
    if isinstance(player, BatchPlayer):
        positions, seeds = [game.position for game in games], [game.choice_seed for game in games]
        for game, choice in zip(games, player.choose_many(positions, seeds), strict=True):
            game.advance(choice)


def _advance(game: _Running, chosen: Future[Choice]) -> None:
    """Plays what an outside player has chosen, once it has."""
    try:
        game.advance(chosen.result())
    except PlayerError as error:
        game.fail(str(error))


def with_handicap(match: MatchConfig, handicap: int) -> MatchConfig:
    """How the players of games with a handicap sample their moves: for as many plies, counted from where it lies."""
    plies = 2 * handicap - 1 if handicap else 0  # White passes between the stones
    return dataclasses.replace(match, temperature_plies=min(match.temperature_plies + plies, 1000))


def _points(record: GameRecord, color: int) -> float:
    score = record.score_for_black * color
    return 0.5 if score == 0 else float(score > 0)


def _opening(game: GameConfig, plies: int, seed: int, handicap: int = 0) -> Position:
    """The empty board after `plies` random moves; fewer, if the game ends before.

    Before them Black places its handicap, for which White passes: so moves alternate, and White goes on.
    """
    position = Position.initial(game)
    for number, point in enumerate(fixed_handicap(game.board_size, handicap) if handicap else ()):
        position = position.play(position.board.pass_move) if number else position
        position = position.play(point)
    for move in random_game(position.board.copy(), seed, plies).tolist() if plies else ():
        if position.is_over:
            break
        position = position.play(move)
    return position


def _color_of_player(index: int) -> int:
    return BLACK if index % 2 == 0 else WHITE


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _result(player: Player | Team, opponent: Player | Team, games: list[MatchGame], handicap: int) -> MatchResult:
    ordered = sorted(games, key=lambda game: game.index)
    return MatchResult(player.name, opponent.name, tuple(ordered), handicap)
