# SPDX-License-Identifier: Apache-2.0
"""What the pages about games show: shards, one game move by move, and the game that is being played now.

A game is named by where it is in the run, checked against what the run lists: nothing that a request says becomes a
path. Start at `GameReader` and `game_view`.
"""

import functools
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels import scoring
from cc_kernels.board import Board
from minigo.data.shards import ShardError, ShardHeader, read_shard
from minigo.go.coords import move_from_vertex, vertex_from_move
from minigo.go.record import POLICY_SCALE, GameRecord
from minigo.go.rules import RULES, rules_named
from minigo.run import Matches, Run
from minigo.storage import StorageError
from ratings.board_svg import FAINT
from ratings.charts import Chart, Level, Series
from ratings.snapshot import Snapshot, text

KEPT_SHARDS: Final = 32
LIVE_MOVES: Final = 1000  # of a game that is being played; more is no game


class GameError(Exception):
    """A game can not be shown. The message says why."""


class GameReader:
    """Reads shards of a run, and keeps the last few.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._kept: OrderedDict[str, tuple[ShardHeader, list[GameRecord]]] = OrderedDict()
        self._lock = threading.Lock()

    def shard(self, path: str) -> tuple[ShardHeader, list[GameRecord]]:
        """A shard's header and games, as the run lists it.

        Raises:
            GameError: it is damaged or gone.
        """
        with self._lock:
            if path in self._kept:
                self._kept.move_to_end(path)
                return self._kept[path]
        try:
            found = read_shard(self.run.read(path))
        except (ShardError, StorageError) as error:
            raise GameError(f"{path} can not be read: {error}") from None
        with self._lock:
            self._kept[path] = found
            while len(self._kept) > KEPT_SHARDS:
                self._kept.popitem(last=False)
        return found


@dataclass(frozen=True)
class ShardRow:
    """A shard in a list.

    Attributes:
        folder: "games" or "holdout".
        hour: in which it was published, like "2026112422".
        name: its own.
        network: what played it; "random" for random playouts.
        worker: who played it.
        sequence: which of the worker's shards it is.
        reason: why it is in quarantine, or "".
    """

    folder: str
    hour: str
    name: str
    network: str
    worker: str
    sequence: str
    reason: str

    @property
    def path(self) -> str:
        """Where it is in the run."""
        return f"{self.folder}/{self.hour}/{self.name}.parquet"


def shard_row(snapshot: Snapshot, path: str) -> ShardRow:
    """What a path that the run listed says."""
    folder, _, rest = path.partition("/")
    hour, _, name = rest.removesuffix(".parquet").rpartition("/")
    network, _, owner = name.partition("-")
    worker, _, sequence = owner.rpartition("-")
    return ShardRow(folder, hour, name, network, worker, sequence, snapshot.quarantined.get(path, ""))


def shard_paths(snapshot: Snapshot, network: str) -> list[str]:
    """Paths of all shards, or of those of one network, the newest first."""
    paths = sorted((*snapshot.shards, *snapshot.holdout), key=_when, reverse=True)
    return [path for path in paths if f"/{network}-" in path] if network else paths


def _when(path: str) -> str:
    return path.partition("/")[2]


def find_shard(snapshot: Snapshot, folder: str, hour: str, name: str) -> str:
    """The path of a shard that the run has listed.

    Raises:
        GameError: the run has none of that name.
    """
    path = f"{folder}/{hour}/{name}.parquet"
    if path not in _listed(snapshot.shards) and path not in _listed(snapshot.holdout):
        raise GameError(f"the run has no shard {hour}/{name}")
    return path


@functools.lru_cache(maxsize=4)
def _listed(paths: tuple[str, ...]) -> frozenset[str]:
    return frozenset(paths)


def match_path(snapshot: Snapshot, match: str, number: int) -> str:
    """The path of a match's game that the run has listed.

    Raises:
        GameError: the run has no such game.
    """
    found = snapshot.matches.get(match)
    if found is None or number not in found.points:
        raise GameError(f"the run has no game {number} of a match {match}")
    return Matches.game_path(match, number)


@dataclass(frozen=True)
class GameView:
    """A game at one of its moves.

    Attributes:
        record: the game.
        move: how many moves have been played, 0 ... T.
        stones: [N, N] then.
        last_move: the move that led there, or None at the beginning.
        last_vertex: its name.
        heat: [A] the search's policy for the next move, or None where none was stored.
        area: [N, N] who owns what in the end, at the last move; else None.
        value_for_black: what the search thought of the position, or None.
        score_for_black: the same in points.
        simulations: of the search for the next move, or None.
        winrate: chart of Black's win rate.
        score: chart of Black's lead.
        script: what `static/viewer.js` needs to step through the game by itself.
    """

    record: GameRecord
    move: int
    stones: NDArray[np.int8]
    last_move: int | None
    last_vertex: str
    heat: NDArray[np.float64] | None
    area: NDArray[np.int8] | None
    value_for_black: float | None
    score_for_black: float | None
    simulations: int | None
    winrate: Chart
    score: Chart
    script: Mapping[str, Any]


def game_view(record: GameRecord, move: int | None) -> GameView:
    """A game after so many moves; at its end where that is None or more than there are."""
    total = record.num_moves
    move = total if move is None else min(max(0, move), total)
    replay = replayed(record.empty_board(), record.moves.tolist())
    heats = dict(zip(record.target_plies.tolist(), record.policy_targets, strict=True))
    values, scores = _for_black(record.root_values), _for_black(record.root_scores)
    area = scoring.final_area(replay.board) if record.end != "resign" else None
    last = int(record.moves[move - 1]) if move else None
    thought = move < total and record.simulations[move] > 0
    return GameView(
        record,
        move,
        replay.stones[move],
        last,
        vertex_from_move(last, record.board_size) if last is not None else "",
        heats[move] / POLICY_SCALE if move in heats else None,
        area if move == total else None,
        values[move] if thought else None,
        scores[move] if thought else None,
        int(record.simulations[move]) if thought else None,
        _value_chart(values, move),
        _score_chart(scores, move),
        {
            "size": record.board_size,
            "move": move,
            "moves": record.moves.tolist(),
            "vertices": [vertex_from_move(int(m), record.board_size) for m in record.moves],
            "removed": replay.removed,
            "values": [None if v is None else round(v, 3) for v in values],
            "scores": [None if v is None else round(v, 1) for v in scores],
            "simulations": record.simulations.tolist(),
            "policies": {str(ply): _sparse(heat) for ply, heat in heats.items()},
            "area": area.ravel().tolist() if area is not None else None,
        },
    )


@dataclass(frozen=True)
class Replay:
    """A game played again.

    Attributes:
        board: at the end.
        stones: [N, N] after each number of moves, 0 ... T.
        removed: points of the stones that each move took off the board.
    """

    board: Board
    stones: Sequence[NDArray[np.int8]]
    removed: Sequence[Sequence[int]]


def replayed(board: Board, moves: Sequence[int]) -> Replay:
    """Plays moves on a board, which changes.

    Raises:
        ValueError: a move is illegal.
    """
    stones = [np.array(board.stones)]
    removed = []
    for move in moves:
        board.play(move)
        stones.append(np.array(board.stones))
        removed.append(np.flatnonzero((stones[-2] != 0).ravel() & (stones[-1] == 0).ravel()).tolist())
    return Replay(board, stones, removed)


def live_game(game: Mapping[str, Any]) -> dict[str, Any] | None:
    """The game of a heartbeat as the page draws it; None where it makes no sense.

    Returns:
        `size`, `moves`, `removed`, `id`, `network` and `komi`; `stones` is [N, N] as it stands.
    """
    size, komi, moves = game.get("board_size"), game.get("komi"), game.get("moves")
    rules = text(game, "rules") or ""
    if type(size) is not int or not 2 <= size <= 19 or not isinstance(moves, list) or len(moves) > LIVE_MOVES:
        return None
    if (
        not isinstance(komi, int | float)
        or not -400 <= komi <= 400
        or rules not in RULES
        or not all(isinstance(move, str) for move in moves)
    ):
        return None
    try:
        named = rules_named(rules)
        board = Board(size, float(komi), named.ko_rule, named.suicide)
        points = [move_from_vertex(move, size) for move in moves]
        replay = replayed(board, points)
    except ValueError:
        return None
    return {
        "size": size,
        "komi": float(komi),
        "moves": points,
        "removed": replay.removed,
        "id": text(game, "game_id") or "",
        "network": text(game, "network") or "",
        "stones": replay.stones[-1],
    }


def empty_stones(board_size: int) -> NDArray[np.int8]:
    """[N, N] without a stone."""
    return np.zeros((board_size, board_size), np.int8)


def _for_black(values: NDArray[np.float32]) -> list[float | None]:
    """Values for the player to move as values for Black; None where nothing was searched."""
    return [None if np.isnan(v) else float(v) * (1 if ply % 2 == 0 else -1) for ply, v in enumerate(values)]


def _value_chart(values: Sequence[float | None], move: int) -> Chart:
    known = [(ply, 50 + 50 * value) for ply, value in enumerate(values) if value is not None]
    series = Series("Black's win rate", [x for x, _ in known], [y for _, y in known])
    return Chart("winrate", "Black's win rate", "moves", "win rate, %", [series], [Level("", 50)], (0, 100), move)


def _score_chart(scores: Sequence[float | None], move: int) -> Chart:
    known = [(ply, value) for ply, value in enumerate(scores) if value is not None]
    series = Series("Black's lead", [x for x, _ in known], [y for _, y in known], tone=2)
    return Chart("score", "Black's lead in points", "moves", "points", [series], [Level("", 0.0)], cursor=move)


def _sparse(policy: NDArray[np.uint16]) -> list[list[int]]:
    """[point, probability x POLICY_SCALE] of what is drawn."""
    points = policy[:-1]
    drawn = np.flatnonzero(points > FAINT * int(points.max(initial=0)))
    return [[int(point), int(points[point])] for point in drawn]


def result_words(record: GameRecord) -> str:
    """How a game ended, in words."""
    ways = {"passes": "two passes", "decided": "decided", "move_limit": "move limit", "resign": "resignation"}
    return f"{record.result}, {ways.get(record.end, record.end)}"


def color_to_play(move: int) -> str:
    """Who plays after so many moves."""
    return "white" if move % 2 else "black"
