# SPDX-License-Identifier: Apache-2.0
"""Games and positions in SGF. Parsing is sgfmill's; what comes from outside is capped before it is parsed.

Only the main line is read: the first variation at every branch.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sgfmill import sgf

from cc_kernels import scoring
from cc_kernels.board import BLACK, EMPTY, WHITE, Board
from minigo.go.coords import color_from_text, color_name, move_from_sgf, sgf_from_move
from minigo.go.position import Position
from minigo.go.record import GameRecord
from minigo.go.rules import RULES, Rules, rules_from_text, rules_named

MAX_BYTES: Final = 1_000_000
MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 200  # of nested variations
_VALUES: Final = re.compile(rb"\[(?:[^\\\]]|\\.)*+\]?", re.DOTALL)  # possessive: no backtracking


class SgfError(ValueError):
    """The data is no SGF that can be read as a game. The message says why."""


def sgf_from_record(record: GameRecord) -> bytes:
    """The game with its result; what the search thought of a move is in the move's comment."""
    game = sgf.Sgf_game(size=record.board_size)
    root = game.get_root()
    properties = {
        "AP": ("MiniGo", ""),
        "GN": record.game_id,
        "KM": record.komi,
        "PB": record.black,
        "PW": record.white,
        "RE": record.result,
        "RU": record.rules,
    }
    for name, value in properties.items():
        root.set(name, value)
    for ply, move in enumerate(record.moves.tolist()):
        node = game.extend_main_sequence()
        node.set_raw("W" if ply % 2 else "B", sgf_from_move(move, record.board_size).encode())
        if record.simulations[ply]:
            node.set("C", _comment(record, ply))
    serialised: bytes = game.serialise()
    return serialised


def record_from_sgf(data: bytes, game_id: str, rules: str | None = None) -> GameRecord:
    """A game from the empty board as a record without search results.

    Args:
        data: the SGF.
        game_id: what the record will be called.
        rules: the rule set; by default the file's, or "cgos" where the file's name is not one of ours.

    Raises:
        SgfError: it is no SGF, is over a cap, sets stones up, does not alternate from Black, or breaks the
            rules.
    """
    game = _parsed(data)
    root = game.get_root()
    board, _, moves = _play_main_line(game, _rules(root, rules), last=None)
    set_up = any(node.has_setup_stones() for node in game.main_sequence_iter())
    if set_up or any(color != (WHITE if ply % 2 else BLACK) for ply, (color, _) in enumerate(moves)):
        raise SgfError("a record must alternate from Black on the empty board; this game does not")
    result = _text(root, "RE", "")
    resigned = re.match(r"([BW])\+[RTF]", result, re.IGNORECASE) and board.passes < 2
    end = "passes" if board.passes >= 2 else "decided" if scoring.is_over(board) else "move_limit"
    unsearched = np.full(len(moves), np.nan, np.float32)
    record = GameRecord(
        game_id=game_id,
        board_size=board.board_size,
        komi=board.komi,
        rules=_rules(root, rules).name,
        moves=np.array([move for _, move in moves], np.int16),
        score_for_black=float(color_from_text(result[0])) if resigned else scoring.final_score_for_black(board),
        end="resign" if resigned else end,
        start_ply=len(moves),
        seed=0,
        black=_text(root, "PB", "unknown"),
        white=_text(root, "PW", "unknown"),
        target_plies=np.zeros(0, np.int16),
        policy_targets=np.zeros((0, board.num_moves), np.uint16),
        root_values=unsearched,
        root_scores=unsearched,
        simulations=np.zeros(len(moves), np.int32),
    )
    try:
        record.check()
    except ValueError as error:
        raise SgfError(str(error)) from None
    return record


def position_from_sgf(data: bytes, move_number: int | None = None, rules: str | None = None) -> Position:
    """The position before move `move_number` of the main line (1 is the first), or at its end.

    Set-up stones are obeyed wherever they stand; superko then counts from the last of them.

    Raises:
        SgfError: it is no SGF, is over a cap, or breaks the rules.
    """
    game = _parsed(data)
    chosen = _rules(game.get_root(), rules)
    board, _, moves = _play_main_line(game, chosen, None if move_number is None else move_number - 1)
    return Position(board, chosen, tuple(moves[len(moves) - board.move_count :]))


def game_from_sgf(
    data: bytes, move_number: int | None = None, *, rules: Rules, komi: float
) -> tuple[Position, tuple[tuple[int, int], ...]]:
    """As `position_from_sgf`, but as the position that was set up last and the (color, move)s since then.

    Args:
        data: the SGF.
        move_number: as in `position_from_sgf`.
        rules: those where the file names none that we know. Of Chinese ones they say more than a file does, and stay.
        komi: where the file has none that can be read.

    Raises:
        SgfError: it is no SGF, is over a cap, or breaks the rules.
    """
    game = _parsed(data)
    root = game.get_root()
    written = rules_from_text(_text(root, "RU", "")) or rules
    chosen = rules if written.name == "chinese" and rules.name.startswith("chinese-") else written
    last = None if move_number is None else move_number - 1
    board, first, moves = _play_main_line(game, chosen, last, _komi(root, komi))
    return Position(first, chosen), tuple(moves[len(moves) - board.move_count :])


def sgf_from_game(
    first: Position,
    moves: Iterable[tuple[int, int]],
    *,
    players: tuple[str, str] | None = None,
    result: str | None = None,
) -> bytes:
    """A game that began from a position, in one variation.

    Args:
        first: where it began; stones on its board are set up.
        moves: (color, move) of every move since then.
        players: the names of Black and White, if they have any.
        result: as SGF writes it, like "B+3.5" or "W+R"; None: there is none.
    """
    size, stones = first.board_size, first.board.stones
    game = sgf.Sgf_game(size=size)
    root = game.get_root()
    properties: dict[str, Any] = {"AP": ("MiniGo", ""), "KM": first.komi, "RU": first.rules.name}
    if players is not None:
        properties["PB"], properties["PW"] = players
    if result is not None:
        properties["RE"] = result
    for name, value in properties.items():
        root.set(name, value)
    if first.handicap:
        root.set("HA", first.handicap)
    if stones.any():
        black, white = (
            [(size - 1 - int(row), int(column)) for row, column in np.argwhere(stones == color)]
            for color in (BLACK, WHITE)
        )
        root.set_setup_stones(black, white)
    if first.to_play != BLACK or stones.any():
        root.set("PL", color_name(first.to_play)[0])
    for color, move in moves:
        game.extend_main_sequence().set_raw(color_name(color)[0].upper(), sgf_from_move(move, size).encode())
    serialised: bytes = game.serialise()
    return serialised


def _parsed(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise SgfError(f"an SGF file must have {MAX_BYTES} bytes or less, got {len(data)}")
    skeleton = _VALUES.sub(b"", data)
    if skeleton.count(b";") > MAX_NODES:
        raise SgfError(f"an SGF file must have {MAX_NODES} nodes or less, got {skeleton.count(b';')}")
    depth = max(_depths(skeleton), default=0)
    if depth > MAX_DEPTH:
        raise SgfError(f"SGF variations must be {MAX_DEPTH} deep or less, got {depth}")
    try:
        return sgf.Sgf_game.from_bytes(data)
    except (ValueError, LookupError) as error:
        raise SgfError(f"not an SGF game: {error}") from None


def _depths(skeleton: bytes) -> Iterator[int]:
    depth = 0
    for bracket in re.findall(rb"[()]", skeleton):
        depth += 1 if bracket == b"(" else -1
        yield depth


def _play_main_line(
    game: Any, rules: Rules, last: int | None, komi: float | None = None
) -> tuple[Board, Board, list[tuple[int, int]]]:
    """Plays the first `last` moves, or all; returns the board, how it was set up last, and (color, move) of each."""
    moves: list[tuple[int, int]] = []
    try:
        board = Board(game.get_size(), game.get_komi() if komi is None else komi, rules.ko_rule, rules.suicide)
        first = board.copy()
        for node in game.main_sequence_iter():
            _set_up(board, node)
            if board.move_count == 0:
                first = board.copy()
            color, value = node.get_raw_move()
            if color is None:
                continue
            if last is not None and len(moves) >= last:
                break
            move = (color_from_text(color), move_from_sgf(value.decode("ascii").strip(), board.board_size))
            board.play(move[1], move[0])
            moves.append(move)
    except ValueError as error:
        raise SgfError(f"after {len(moves)} moves: {error}") from None
    return board, first, moves


def _set_up(board: Board, node: Any) -> None:
    to_play = color_from_text(node.get("PL")) if node.has_property("PL") else board.to_play
    if node.has_setup_stones():
        stones = board.stones
        for color, points in zip((BLACK, WHITE, EMPTY), node.get_setup_stones(), strict=True):
            _put(stones, points, color)
        if not node.has_property("PL"):
            to_play = _first_to_play(stones)
        board.setup(stones, to_play)
    elif to_play != board.to_play:
        board.to_play = to_play


def _put(stones: NDArray[np.int8], points: Iterable[tuple[int, int]], color: int) -> None:
    for row, column in points:
        stones[len(stones) - 1 - row, column] = color


def _first_to_play(stones: NDArray[np.int8]) -> int:
    handicap = (stones == BLACK).any() and not (stones == WHITE).any()
    return WHITE if handicap else BLACK


def _rules(root: Any, name: str | None) -> Rules:
    if name is not None:
        return rules_named(name)
    return rules_from_text(_text(root, "RU", "")) or RULES["cgos"]


def _komi(root: Any, default: float) -> float:
    try:
        return float(root.get("KM")) if root.has_property("KM") else default
    except ValueError:
        return default


def _text(root: Any, name: str, default: str) -> str:
    try:
        return str(root.get(name)) if root.has_property(name) else default
    except ValueError:
        return default


def _comment(record: GameRecord, ply: int) -> str:
    value, score = record.root_values[ply], record.root_scores[ply]
    player = color_name(WHITE if ply % 2 else BLACK)
    return f"value for {player} {value:+.3f}, score lead {score:+.1f}, {record.simulations[ply]} simulations"
