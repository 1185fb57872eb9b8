# SPDX-License-Identifier: Apache-2.0
"""Who can play: a search with a network, a raw policy, chance, or an outside engine, by one verb, `choose`.

Players know nothing of matches. Those that live in this process are `BatchPlayer`s: they choose in many games
at once, for little more than the price of one. Start at `Player`; `minigo.match_players` makes one from what a
person writes.
"""

import abc
import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cc_kernels.features import NUM_PLANES, NUM_SCALARS, position_key, position_symmetry, write_features
from cc_kernels.playouts import random_game
from minigo.config import GameConfig, SearchConfig
from minigo.engines.external import GtpClient, PlayerError
from minigo.go.coords import color_name, move_from_vertex, vertex_from_move
from minigo.go.position import Position
from minigo.go.symmetry import move_images
from minigo.inference.evaluator import Evaluator, Leaves
from minigo.search import Search, SearchResult, run_search

__all__ = [
    "BatchPlayer",
    "Choice",
    "GtpPlayer",
    "Player",
    "PlayerError",
    "PolicyPlayer",
    "RandomPlayer",
    "SearchPlayer",
    "Team",
    "leaves_of",
]

MAX_GAMES_TOGETHER: Final = 64
MAX_BATCH_ROWS: Final = 32  # in a match, a player is to move in half of the games
MAX_NODES: Final = 1 << 17  # of all trees that one player holds; on 19x19 a node takes 2.2 kB
START_SECONDS: Final = 60.0  # an outside engine may take this long to load and for anything but its moves


class Choice(NamedTuple):
    """What a player does in a position, and what it thinks of it, for the player to move."""

    move: int
    value: float | None = None  # in [-1, 1]
    resign: bool = False  # then `move` means nothing
    score_lead: float | None = None  # points
    simulations: int = 0


class Player(Protocol):
    """GTP, matches and tests share this verb."""

    name: str
    """Says who plays, in records and logs."""

    def new_game(self) -> None:
        """Says that the next position belongs to a game that has not been seen before.

        Raises:
            PlayerError: the player is broken and could not be mended.
        """
        ...

    def choose(self, position: Position) -> Choice:
        """Chooses for the player to move.

        Raises:
            PlayerError: the player broke down. `new_game` may mend it.
        """
        ...

    def close(self) -> None:
        """Releases what the player holds outside this process. May be called again."""
        ...


class Team:
    """Players who play as one, each a game of its own: an outside engine has one process for each game that goes on.

    Args:
        members: at least one, none of this process; it is their owner who made them alike.
    """

    def __init__(self, members: Sequence[Player]) -> None:
        if not members or any(isinstance(member, BatchPlayer) for member in members):
            raise ValueError("a team must have members, none of this process, where one plays many games at once")
        self.members = tuple(members)
        self.name = self.members[0].name

    @classmethod
    def of(cls, make: Callable[[], Player], size: int) -> "Player | Team":
        """What `make` makes, if that is a player of this process; else a team of `size` such players."""
        first = make()
        if isinstance(first, BatchPlayer):
            return first
        members = [first]
        try:
            while len(members) < size:
                members.append(make())
        except BaseException:
            cls(members).close()
            raise
        return cls(members)

    def close(self) -> None:
        """Closes all members."""
        for member in self.members:
            member.close()


class BatchPlayer(abc.ABC):
    """A player inside this process, which depends on nothing but positions and seeds.

    Args:
        name: says who plays.
        seed: of the choices made one at a time.
    """

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name = name
        self._rng = np.random.default_rng(seed)

    @abc.abstractmethod
    def choose_many(self, positions: Sequence[Position], seeds: Sequence[int]) -> list[Choice]:
        """Chooses in each position, all of one board size; equal position and seed give an equal choice."""

    def choose(self, position: Position) -> Choice:
        """Chooses in one position, with the next seed of the player's own."""
        return self.choose_many([position], [int(self._rng.integers(1 << 62))])[0]

    def new_game(self) -> None:  # noqa: B027 (most have nothing to do here)
        """Nothing to prepare."""

    def close(self) -> None:  # noqa: B027 (most have nothing to do here)
        """Nothing to release."""


class RandomPlayer(BatchPlayer):
    """Plays any legal move but fills no eye of its own, and passes when nothing else is left."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__("random", seed)

    def choose_many(self, positions: Sequence[Position], seeds: Sequence[int]) -> list[Choice]:
        """Draws a move for each position from its seed."""
        pairs = zip(positions, seeds, strict=True)
        return [Choice(int(random_game(position.board.copy(), seed, 1)[0])) for position, seed in pairs]


class PolicyPlayer(BatchPlayer):
    """Plays the network's policy without any search.

    Args:
        evaluator: the network.
        temperature: the first moves are sampled from the policy to this power's inverse; 0: the likeliest.
        temperature_plies: `temperature` lasts up to this ply of a game; then the likeliest move is played.
        seed: of the choices made one at a time.
    """

    def __init__(
        self, evaluator: Evaluator, *, temperature: float = 0.0, temperature_plies: int = 0, seed: int = 0
    ) -> None:
        super().__init__(f"policy:{evaluator.name}", seed)
        self._evaluator = evaluator
        self._temperature = temperature
        self._temperature_plies = temperature_plies

    def choose_many(self, positions: Sequence[Position], seeds: Sequence[int]) -> list[Choice]:
        """Evaluates all positions and takes a legal move of each."""
        choices: list[Choice] = []
        for start in range(0, len(positions), MAX_GAMES_TOGETHER):
            part = slice(start, start + MAX_GAMES_TOGETHER)
            choices += self._choose_part(positions[part], seeds[part])
        return choices

    def _choose_part(self, positions: Sequence[Position], seeds: Sequence[int]) -> list[Choice]:
        leaves = leaves_of(positions, _rows(len(positions), MAX_GAMES_TOGETHER))
        evaluation = self._evaluator.evaluate(leaves)
        choices = []
        for row, (position, seed) in enumerate(zip(positions, seeds, strict=True)):
            opening = len(position.moves) < self._temperature_plies
            images = move_images(position.board_size)[position_symmetry(position.board)]
            policy = np.where(position.legal_moves(), evaluation.policy[row, images], 0.0)
            move = _sample(policy, self._temperature if opening else 0.0, seed)
            value, lead = float(evaluation.value[row]), float(evaluation.score_lead[row])
            choices.append(Choice(move, value, score_lead=lead))
        return choices


class SearchPlayer(BatchPlayer):
    """Searches with a network. Each choice starts from an empty tree and has the config's number of simulations.

    What thinks for a time is `minigo.engines.thinking`.

    Args:
        evaluator: the network.
        config: how to search; its temperature makes the openings of games differ.
        seed: of the choices made one at a time.
        name: says who plays; by default the evaluator's name.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        config: SearchConfig,
        *,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(evaluator.name if name is None else name, seed)
        self._evaluator = evaluator
        self._config = config
        self._max_together = max(1, min(MAX_GAMES_TOGETHER, MAX_NODES // config.num_simulations))
        self._search: Search | None = None
        self._shape = (0, 0)  # board size and number of games of `_search`

    def choose_many(self, positions: Sequence[Position], seeds: Sequence[int]) -> list[Choice]:
        """Searches all positions together."""
        choices: list[Choice] = []
        for start in range(0, len(positions), self._max_together):
            part = slice(start, start + self._max_together)
            choices += self._choose_part(positions[part], seeds[part])
        return choices

    def _choose_part(self, positions: Sequence[Position], seeds: Sequence[int]) -> list[Choice]:
        search = self._search_for(positions[0].board_size, len(positions))
        for game, (position, seed) in enumerate(zip(positions, seeds, strict=True)):
            search.reset(game, position, simulations=self._config.num_simulations, seed=seed)
        run_search(search, self._evaluator)
        return [_choice_from(search.result(game)) for game in range(len(positions))]

    def _search_for(self, board_size: int, count: int) -> Search:
        """A search of at least `count` games. It never shrinks: every new batch shape must be compiled."""
        size, games = self._shape
        if self._search is None or size != board_size or games < count:
            games = _rows(max(count, games if size == board_size else 0), self._max_together)
            simulations = self._config.num_simulations
            leaves = self._config.leaves_per_batch
            rows = max(leaves, min(games * leaves, MAX_BATCH_ROWS))
            self._search = Search(self._config, board_size, games, max_simulations=simulations, batch_rows=rows)
            self._shape = (board_size, games)
        return self._search


class GtpPlayer:
    """An outside engine behind GTP. It is started at once, and again for the next game after it broke down.

    Args:
        command: its command line.
        game: what it will be asked to play first.
        seconds_per_move: it has this long for each move.
        start_seconds: it has this long for every other command, the first of which waits until it has loaded.
        stop: once set, it is waited for no longer.

    Raises:
        PlayerError: it can not be started, does not answer, or refuses the board size, komi or rules.
    """

    def __init__(
        self,
        command: str,
        game: GameConfig,
        *,
        seconds_per_move: float = 60.0,
        start_seconds: float = START_SECONDS,
        stop: threading.Event | None = None,
    ) -> None:
        self._command = command
        self._stop = stop
        self._seconds_per_move = seconds_per_move
        self._start_seconds = start_seconds
        self._moves: tuple[tuple[int, int], ...] | None = None  # on the engine's board; None: not known
        self._client = GtpClient(command, seconds=start_seconds, stop=stop)
        try:
            words = [self._client.send(question).partition("\n")[0] for question in ("name", "version")]
            self.name = " ".join(words).strip()[:100]
            self._commands = frozenset(self._client.send("list_commands").split())
            self._set_up(Position.initial(game))
        except PlayerError:
            self.close()
            raise

    def new_game(self) -> None:
        """Sees to it that the engine runs, and that its board is cleared before its next move."""
        self._moves = None
        if not self._client.is_alive:
            self._client = GtpClient(self._command, seconds=self._start_seconds, stop=self._stop)

    def choose(self, position: Position) -> Choice:
        """Shows the engine the moves that it has not seen and asks for its own."""
        self._show(position)
        color = position.to_play
        reply = self._client.send(f"genmove {color_name(color)}", seconds=self._seconds_per_move)
        if reply.lower() == "resign":
            self._moves = None
            return Choice(position.board.pass_move, resign=True)
        try:
            move = move_from_vertex(reply, position.board_size)
        except ValueError as error:
            self.close()
            raise PlayerError(f"{self.name}: answered genmove with no move: {error}") from None
        self._moves = (*position.moves, (color, move))
        return Choice(move)

    def close(self) -> None:
        """Ends the engine."""
        self._client.close()

    def _show(self, position: Position) -> None:
        moves, known = position.moves, self._moves
        self._moves = None
        if known is None or moves[: len(known)] != known:
            self._set_up(position)
            known = ()
        for color, move in moves[len(known) :]:
            vertex = vertex_from_move(move, position.board_size)
            self._client.send(f"play {color_name(color)} {vertex}")

    def _set_up(self, position: Position) -> None:
        board = position.board
        played = sum(move != board.pass_move for _, move in position.moves)
        if np.count_nonzero(board.stones) + board.captured(1) + board.captured(-1) != played:
            raise PlayerError(f"{self.name}: can not be shown a position that did not start from the empty board")
        self._client.send(f"boardsize {position.board_size}")
        self._client.send("clear_board")
        self._client.send(f"komi {position.komi:g}")
        if "kata-set-rules" in self._commands:  # other engines take their rules from their command line
            self._client.send(f"kata-set-rules {position.rules.name}")


def leaves_of(positions: Sequence[Position], rows: int) -> Leaves:
    """The positions as a batch of `rows` rows; the rows left over are padding.

    As in a search, each is written in its `position_symmetry`.
    """
    size = positions[0].board_size
    planes = np.zeros((rows, size, size, NUM_PLANES), np.uint8)
    scalars = np.zeros((rows, NUM_SCALARS), np.float32)
    keys = np.zeros(rows, np.uint64)
    for row, position in enumerate(positions):
        write_features(position.board, planes[row], scalars[row], position_symmetry(position.board))
        keys[row] = position_key(position.board)
    return Leaves(planes, scalars, keys, len(positions))


def _rows(count: int, limit: int) -> int:
    """The batch size for `count` positions: 1, 8 or the limit, because every new shape must be compiled."""
    return next(rows for rows in (1, 8, limit) if rows >= count)


def _sample(policy: NDArray[np.floating], temperature: float, seed: int) -> int:
    """The likeliest move at temperature 0, else one drawn from the policy to the power 1 / temperature."""
    if temperature == 0.0 or not policy.any():
        return int(policy.argmax()) if policy.any() else len(policy) - 1
    weights = (policy / policy.max()).astype(np.float64) ** (1.0 / temperature)
    return int(np.random.default_rng(seed).choice(len(weights), p=weights / weights.sum()))


def _choice_from(result: SearchResult) -> Choice:
    return Choice(result.move, float(result.value), score_lead=float(result.score_lead), simulations=result.simulations)
