# SPDX-License-Identifier: Apache-2.0
"""Requests to our JSON analysis engine: a line becomes an object, an object becomes a checked `Query`.

The protocol is KataGo's (docs/Analysis_Engine.md there). Nothing is searched or written here. Start at `query_from`.
"""

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np

from cc_kernels.board import BLACK, EMPTY, MAX_BOARD_SIZE, WHITE, IllegalMoveError
from minigo.engines.rules_text import requested_rules
from minigo.go.coords import color_from_text, move_from_vertex, vertex_from_move
from minigo.go.position import Position
from minigo.go.rules import BONUSES, rules_with
from minigo.roots import Avoid, RootOptions

PERSPECTIVES: Final = ("BLACK", "WHITE", "SIDETOMOVE")
MAX_VISITS: Final = 2**50
MAX_PRIORITY: Final = 2**62
MAX_KOMI: Final = 150.0
MAX_SECONDS: Final = 1_000_000.0
MAX_MOVES: Final = 10_000  # of one game
MAX_WARNED_FIELDS: Final = 10


class RequestError(Exception):
    """A request cannot be obeyed: why, and which of its fields is to blame ("": none, or all of it)."""

    def __init__(self, message: str, field_name: str = "") -> None:
        super().__init__(message)
        self.field = field_name


class Warned(NamedTuple):
    """Something in a request that is passed over."""

    field: str
    message: str


@dataclass(frozen=True)
class Settings:
    """What holds for a request that says nothing else.

    Attributes:
        visits: how deeply each position is searched.
        perspective: whose numbers are reported: BLACK, WHITE or SIDETOMOVE.
        wide_root_noise: as in `RootOptions`.
        pv_moves: no line of play is longer than this.
        max_seconds: no position is searched for longer than this.
        symmetries: as in `RootOptions`.
    """

    visits: int = 500
    perspective: str = "BLACK"
    wide_root_noise: float = 0.04
    pv_moves: int = 15
    max_seconds: float = math.inf
    symmetries: int = 1


class Turn(NamedTuple):
    """One position of a request; only the game is kept, so that a thousand of them take little memory."""

    number: int
    """Moves of the game before it."""
    first: Position
    """What the game begins with, with komi as it was given."""
    moves: tuple[tuple[int, int], ...]
    """All of the game."""
    priority: int
    """Positions with a higher one are searched first."""

    @property
    def position(self) -> Position:
        """The position, put together anew. Its komi holds what the rules give White for a handicap."""
        board, moves = self.first.board.copy(), self.moves[: self.number]
        for color, move in moves:
            board.play(move, color)
        return Position(board, self.first.rules, moves).compensated(self.first.komi)


@dataclass(frozen=True)
class Query:
    """A request for the analysis of some positions of one game.

    Attributes:
        id: the client's name for it.
        turns: the positions.
        settings: what is asked for in numbers.
        options: what its searches are told.
        ownership: replies say who will own each point.
        moves_ownership: the same for each move.
        policy: replies have the network's policy.
        pv_visits: replies have the visits along each line.
        report_every: seconds between replies while a position is being searched; infinity: only the last one.
        first_report: seconds of search before the first of them.
        warnings: what was passed over.
    """

    id: str
    turns: tuple[Turn, ...]
    settings: Settings
    options: RootOptions
    ownership: bool = False
    moves_ownership: bool = False
    policy: bool = False
    pv_visits: bool = False
    report_every: float = math.inf
    first_report: float = math.inf
    warnings: tuple[Warned, ...] = ()

    def without(self, turns: Collection[Turn]) -> Self:
        """The same request for the other positions only."""
        gone = {turn.number for turn in turns}
        return replace(self, turns=tuple(turn for turn in self.turns if turn.number not in gone))


def request_from_line(line: bytes) -> dict[str, Any] | None:
    """The JSON object on a line; None for a blank line.

    Raises:
        RequestError: there is something else on it.
    """
    try:
        text = line.decode().strip()
        request = json.loads(text, parse_constant=_refuse, parse_float=_finite) if text else None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"could not parse the line as JSON: {str(error)[:200]}") from None
    if (request is not None and not isinstance(request, dict)) or (request is None and text):
        raise RequestError(f"a request must be a JSON object, got {text[:40]}")
    return request


def identifier(request: dict[str, Any]) -> str:
    """The request's id. Raises RequestError where there is none, or it is no text."""
    if not isinstance(request.get("id"), str):
        raise RequestError('a request must have a text as its "id"', "id")
    return str(request["id"])


def turn_numbers(request: dict[str, Any]) -> frozenset[int] | None:
    """The turns that an action is restricted to; None: all. Raises RequestError."""
    return frozenset(_integers(request, "turnNumbers")) if "turnNumbers" in request else None


def query_from(request: dict[str, Any], defaults: Settings) -> Query:
    """Checks a request for analysis.

    Raises:
        RequestError: it names the first field that is missing, of the wrong type, out of range or illegal.
    """
    fields = _Fields(request)
    size = _board_size(fields)
    warnings: list[Warned] = []
    first, moves = _game(fields, size, warnings)
    _check_moves(first, moves)
    numbers = sorted(set(_analyzed_turns(fields, len(moves))))
    priorities = _priorities(fields)
    settings = _settings(fields, defaults, warnings)
    every = fields.real("reportDuringSearchEvery", math.inf, 0.001, MAX_SECONDS)
    first_report = fields.real("firstReportDuringSearchAfter", every, 0.001, MAX_SECONDS)
    query = Query(
        id=identifier(request),
        turns=tuple(Turn(number, first, moves, priorities.get(number, priorities.get(None, 0))) for number in numbers),
        settings=settings,
        options=RootOptions(_avoided(fields, size), settings.wide_root_noise, settings.symmetries),
        ownership=fields.flag("includeOwnership"),
        moves_ownership=fields.flag("includeMovesOwnership"),
        policy=fields.flag("includePolicy"),
        pv_visits=fields.flag("includePVVisits"),
        report_every=every,
        first_report=first_report,
    )
    unknown = fields.unread()
    warnings += [Warned(name, "Unexpected or unused field") for name in unknown[:MAX_WARNED_FIELDS]]
    if len(unknown) > MAX_WARNED_FIELDS:
        warnings.append(Warned(unknown[-1], f"and {len(unknown) - MAX_WARNED_FIELDS} more unexpected or unused fields"))
    return replace(query, warnings=tuple(warnings))


class _Fields:
    """The fields of an object, checked as they are read; remembers which were."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._read = {"id"}

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def value(self, name: str) -> Any:
        """As it is; None if it is missing."""
        self._read.add(name)
        return self._data.get(name)

    def integer(self, name: str, default: int | None, low: int, high: int) -> int:
        """An integer in low..high; without a default it must be there."""
        value = self.value(name)
        if name not in self._data and default is not None:
            return default
        if type(value) is not int or not low <= value <= high:
            raise RequestError(f"must be an integer from {low} to {high}", name)
        return value

    def real(self, name: str, default: float, low: float, high: float) -> float:
        """A number in low..high."""
        value = self.value(name)
        if name not in self._data:
            return default
        if type(value) not in (int, float) or not low <= value <= high:
            raise RequestError(f"must be a number from {low:g} to {high:g}", name)
        return float(value)

    def flag(self, name: str) -> bool:
        """True or false; false if it is missing."""
        value = self.value(name)
        if name in self._data and type(value) is not bool:
            raise RequestError("must be true or false", name)
        return bool(value)

    def unread(self) -> list[str]:
        """The names that nobody has asked for."""
        return [name for name in self._data if name not in self._read]


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large")
    return number


def _board_size(fields: _Fields) -> int:
    width, height = (fields.integer(name, None, 2, MAX_BOARD_SIZE) for name in ("boardXSize", "boardYSize"))
    if width != height:
        raise RequestError(f"must be boardXSize: only square boards are supported, got {width}x{height}", "boardYSize")
    return width


def _game(fields: _Fields, size: int, warnings: list[Warned]) -> tuple[Position, tuple[tuple[int, int], ...]]:
    """The position that the request's game begins with, and its moves."""
    stones = np.full((size, size), EMPTY, np.int8)
    for color, point in _moves(fields, "initialStones", size, passes=False):
        stones.flat[point] = color
    if "moves" not in fields:
        raise RequestError("must be there: a list of [player, vertex] pairs, which may be empty", "moves")
    moves = tuple(_moves(fields, "moves", size, passes=True))
    has_handicap = (stones == BLACK).sum() >= 2 and not (stones == WHITE).any()
    to_play = moves[0][0] if moves else WHITE if has_handicap else BLACK
    if "initialPlayer" in fields:
        to_play = _color(fields.value("initialPlayer"), "initialPlayer")
    if "rules" not in fields:
        raise RequestError("must be there: a name like 'chinese', or an object", "rules")
    try:
        requested = requested_rules(fields.value("rules"))
    except ValueError as error:
        raise RequestError(str(error), "rules") from None
    if requested.unsupported:
        nearest = f"{requested.rules.name} and area scoring"
        warnings.append(Warned("rules", f"{requested.unsupported} is not supported, using {nearest} instead"))
    komi = fields.real("komi", requested.default_komi, -MAX_KOMI, MAX_KOMI)
    if komi * 2 != round(komi * 2):
        raise RequestError("must be an integer or half-integer", "komi")
    rules, bonus = requested.rules, fields.value("whiteHandicapBonus")
    if "whiteHandicapBonus" in fields:
        if bonus not in BONUSES:
            raise RequestError("must be 0, N or N-1", "whiteHandicapBonus")
        rules = rules_with(rules.ko_rule, rules.suicide, bonus)
    try:
        return Position.from_stones(stones, to_play, komi, rules), moves
    except ValueError as error:
        raise RequestError(str(error), "initialStones") from None


def _moves(fields: _Fields, name: str, size: int, *, passes: bool) -> list[tuple[int, int]]:
    pairs = fields.value(name)
    if name not in fields:
        return []
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise RequestError('must be a list of pairs like ["B", "D4"]', name)
    if len(pairs) > MAX_MOVES:
        raise RequestError(f"must have {MAX_MOVES} entries or fewer, got {len(pairs)}", name)
    return [(_color(color, name), _move(vertex, name, size, passes=passes)) for color, vertex in pairs]


def _color(text: Any, name: str) -> int:
    try:
        return color_from_text(text if isinstance(text, str) else "")
    except ValueError:
        raise RequestError(f'player must be "B" or "W", got {str(text)[:20]!r}', name) from None


def _move(text: Any, name: str, size: int, *, passes: bool) -> int:
    """A point from "D4", or from "(3,4)": column and row, from 0 at the top left."""
    vertex = text if isinstance(text, str) else ""
    pair = re.fullmatch(r"\s*\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)\s*", vertex)
    if pair and max(int(pair[1]), int(pair[2])) < size:
        return int(pair[2]) * size + int(pair[1])
    try:
        move = move_from_vertex(vertex[:20], size)
    except ValueError:
        raise RequestError(f"could not parse board location: {str(text)[:20]}", name) from None
    if move == size * size and not passes:
        raise RequestError("a stone cannot be on 'pass'", name)
    return move


def _analyzed_turns(fields: _Fields, num_moves: int) -> list[int]:
    numbers = _integers(fields, "analyzeTurns") if "analyzeTurns" in fields else [num_moves]
    if not numbers:
        raise RequestError("must name a turn", "analyzeTurns")
    for number in numbers:
        if not 0 <= number <= num_moves:
            raise RequestError(f"invalid turn number: {number}; this game has 0 to {num_moves}", "analyzeTurns")
    return numbers


def _priorities(fields: _Fields) -> dict[int | None, int]:
    """The priority of each turn; under None that of the others."""
    if "priorities" not in fields:
        return {None: fields.integer("priority", 0, -MAX_PRIORITY, MAX_PRIORITY)}
    if "priority" in fields:
        raise RequestError("cannot be given together with priorities", "priority")
    priorities = _integers(fields, "priorities")
    turns = _integers(fields, "analyzeTurns") if "analyzeTurns" in fields else []
    if len(priorities) != len(turns):
        raise RequestError("must have as many entries as analyzeTurns", "priorities")
    if any(abs(priority) > MAX_PRIORITY for priority in priorities):
        raise RequestError("must be integers from -2^62 to 2^62", "priorities")
    return dict(zip(turns, priorities, strict=True))


def _integers(fields: "_Fields | dict[str, Any]", name: str) -> list[int]:
    values = fields.value(name) if isinstance(fields, _Fields) else fields[name]
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise RequestError("must be a list of integers", name)
    return values


def _settings(fields: _Fields, defaults: Settings, warnings: list[Warned]) -> Settings:
    """The defaults, over them overrideSettings, over them the request's own fields."""
    given = fields.value("overrideSettings")
    if "overrideSettings" in fields and not isinstance(given, dict):
        raise RequestError("must be an object", "overrideSettings")
    overrides = _Fields({name: _number(value) for name, value in given.items()} if given else {})
    perspective = overrides.value("reportAnalysisWinratesAs")
    if "reportAnalysisWinratesAs" not in overrides:
        perspective = defaults.perspective
    elif not isinstance(perspective, str) or perspective.upper() not in PERSPECTIVES:
        raise RequestError(f"reportAnalysisWinratesAs must be one of {', '.join(PERSPECTIVES)}", "overrideSettings")
    try:
        visits = overrides.integer("maxVisits", defaults.visits, 1, MAX_VISITS)
        pv_moves = overrides.integer("analysisPVLen", defaults.pv_moves, 1, 1000)
        noise = overrides.real("wideRootNoise", defaults.wide_root_noise, 0.0, 5.0)
        seconds = overrides.real("maxTime", defaults.max_seconds, 0.0, 1e20)
        symmetries = overrides.integer("rootNumSymmetriesToSample", defaults.symmetries, 1, 8)
    except RequestError as error:
        raise RequestError(f"{error.field} {error}", "overrideSettings") from None
    if unknown := overrides.unread():
        names = ",".join(name[:40] for name in unknown[:MAX_WARNED_FIELDS])
        warnings.append(Warned("overrideSettings", f"Unknown config params: {names}"))
    return Settings(
        visits=fields.integer("maxVisits", visits, 1, MAX_VISITS),
        perspective=perspective.upper(),
        wide_root_noise=noise,
        pv_moves=fields.integer("analysisPVLen", pv_moves, 1, 1000),
        max_seconds=seconds,
        symmetries=1 if symmetries == 1 else 8,
    )


def _number(value: Any) -> Any:
    """A setting may be a number in quotes."""
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            number = kind(value[:40])
        except ValueError:
            continue
        return number if math.isfinite(number) else value
    return value


def _avoided(fields: _Fields, size: int) -> tuple[Avoid, ...]:
    if "avoidMoves" in fields and "allowMoves" in fields:
        raise RequestError("cannot be given together with avoidMoves", "allowMoves")
    name = "allowMoves" if "allowMoves" in fields else "avoidMoves"
    groups = fields.value(name)
    if name not in fields:
        return ()
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise RequestError("must be a list of objects with player, moves and untilDepth", name)
    if name == "allowMoves" and len(groups) > 1:
        raise RequestError("must have one entry at most", name)
    depths: dict[tuple[int, int], int] = {}
    for group in groups:
        color, vertices = _color(group.get("player"), name), group.get("moves")
        if not isinstance(vertices, list):
            raise RequestError("moves must be a list of vertices", name)
        moves = {_move(vertex, name, size, passes=True) for vertex in vertices}
        depth = group.get("untilDepth")
        if type(depth) is not int or not 1 <= depth <= 10**9:
            raise RequestError("untilDepth must be a positive integer", name)
        left_out = set(range(size * size + 1)) - moves if name == "allowMoves" else moves
        depths |= {(color, move): depth for move in sorted(left_out)}
    return tuple(Avoid(color, move, depth) for (color, move), depth in depths.items())


def _check_moves(first: Position, moves: tuple[tuple[int, int], ...]) -> None:
    """Plays every move, so that an illegal one is found wherever it is."""
    board = first.board.copy()
    for index, (color, move) in enumerate(moves):
        try:
            board.play(move, color)
        except IllegalMoveError as error:
            vertex = vertex_from_move(move, first.board_size)
            raise RequestError(f"Illegal move {index}: {vertex} ({error})", "moves") from None
