# SPDX-License-Identifier: Apache-2.0
"""GTP commands that show what the engine thinks: analyses in both dialects, and the raw network.

What they look like is in `gtp_formats`. An analysis goes on until any line arrives; a search for a move does not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from minigo.engines.gtp_table import (
    COLOR_NAMES,
    Entry,
    color_from,
    flag_from,
    integer_from,
    move_from,
    real_from,
    word,
    words,
)
from minigo.engines.gtp_text import GtpError, quoted

if TYPE_CHECKING:
    from minigo.anytime import Analysis
    from minigo.engines.gtp_formats import Shape
    from minigo.engines.gtp_session import Session
    from minigo.engines.thinking import Report
    from minigo.go.position import Position
    from minigo.roots import Avoid, RootOptions

SECONDS_BETWEEN: Final = 1.0  # of two lines, where no interval is given
LEAST_SECONDS_BETWEEN: Final = 0.01
MAX_INTERVAL: Final = 1e9  # centiseconds
MAX_DEPTH: Final = 1000

_NUMBERS: Final = {"interval": "interval", "minmoves": "least", "maxmoves": "most"}
_FLAGS: Final = {
    "ownership": "ownership",
    "movesOwnership": "moves_ownership",
    "pvVisits": "pv_visits",
    "rootInfo": "root_info",
}
"""What only the kata- commands know."""


@dataclass
class Request:
    """The arguments of an analysis, as `parsed_request` reads them."""

    dialect: str
    color: int | None = None
    interval: float | None = None  # centiseconds
    least: int = 0
    most: int = 1 << 30
    ownership: bool = False
    moves_ownership: bool = False
    pv_visits: bool = False
    root_info: bool = False
    avoided: "list[Avoid]" = field(default_factory=list)
    allowed: "list[tuple[int, set[int], int]]" = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Between two lines."""
        return SECONDS_BETWEEN if self.interval is None else max(LEAST_SECONDS_BETWEEN, self.interval / 100)

    def report(self) -> "Report":
        """What the search has to say."""
        from minigo.engines.thinking import Report

        return Report(self.ownership, self.moves_ownership)

    def shape(self, *, lone_pass: bool = False) -> "Shape":
        """What is shown of it."""
        from minigo.engines.gtp_formats import Shape

        return Shape(self.dialect, self.least, self.most, self.pv_visits, self.root_info, lone_pass)

    def root(self, board_size: int, noise: float = 0.0) -> "RootOptions":
        """What is searched: all but the moves to avoid, and of a colour with `allow` only those."""
        from minigo.roots import Avoid, RootOptions

        avoided = list(self.avoided)
        for color, moves, depth in self.allowed:
            avoided += [Avoid(color, move, depth) for move in range(board_size**2 + 1) if move not in moves]
        return RootOptions(avoid=tuple(avoided), wide_root_noise=noise)


def parsed_request(dialect: str, given: tuple[str, ...], board_size: int) -> Request:
    """Reads a colour, an interval in centiseconds, and keys with their values, in any order.

    Raises:
        GtpError: a key is not supported, or a value is wrong or missing.
    """
    request = Request(dialect)
    left = iter(given)
    for key in left:
        try:
            if key.lower() in COLOR_NAMES:
                request.color = color_from(key)
            elif key[0].isdigit() or key[0] in ".-+":
                request.interval = real_from(key, 0, MAX_INTERVAL)
            elif key == "interval":
                request.interval = real_from(_next(left, key), 0, MAX_INTERVAL)
            elif key in _NUMBERS:
                setattr(request, _NUMBERS[key], integer_from(_next(left, key), 1 if key == "maxmoves" else 0, 10**6))
            elif key in _FLAGS and dialect == "kata":
                setattr(request, _FLAGS[key], flag_from(_next(left, key)))
            elif key in ("avoid", "allow"):
                _read_moves(request, key, left, board_size)
            else:
                raise GtpError(f"syntax error: {quoted(key)} is not supported")
        except ValueError as error:
            raise GtpError(f"syntax error: {quoted(key)} {error}") from None
    return request


def analyze(dialect: str, session: "Session", given: tuple[str, ...]) -> str:
    """Shows what it thinks until any line arrives."""
    request = parsed_request(dialect, given, session.game.board_size)
    position = session.board.position if request.color is None else session.board.to_play(request.color)
    root = checked_root(request.root(position.board_size, session.wide_root_noise), position)
    session.reply.open()
    session.inbox.wait_for(lambda: session.loader.is_done or session.must_stop())
    if session.loader.loaded is None and session.loader.error is None:
        return ""  # stopped before there was anybody to think
    session.thinker().analyze(
        position,
        interrupted=session.must_stop,
        show=shower(session, request),
        interval=request.seconds,
        report=request.report(),
        root=root,
        seconds=session.analysis_seconds,
        visits=session.analysis_visits,
    )
    session.inbox.wait_for(session.must_stop)
    return ""


def raw_network(session: "Session", symmetry: str) -> str:
    """What the network alone says, in one symmetry or in all eight."""
    from minigo.engines.gtp_formats import raw_network_text

    try:
        shown = range(8) if symmetry.lower() == "all" else (integer_from(symmetry, 0, 7),)
    except ValueError as error:
        raise GtpError(f"syntax error: symmetry {error}, or all") from None
    thinker, position = session.thinker(), session.board.position
    return "\n".join(raw_network_text(position, thinker.evaluate(position, number), number) for number in shown)


def shower(session: "Session", request: Request, *, lone_pass: bool = False) -> "Callable[[Analysis], None]":
    """What writes an analysis as a line of the reply, also where there is nothing but a pass if that is wanted."""
    from minigo.engines.gtp_formats import info_line

    shape = request.shape(lone_pass=lone_pass)

    def show(analysis: "Analysis") -> None:
        if line := info_line(analysis, shape):
            session.reply.line(line)

    return show


def _read_moves(request: Request, key: str, left: Iterator[str], board_size: int) -> None:
    """`avoid COLOR VERTEX,VERTEX… DEPTH`, or `allow`, once for each colour."""
    from minigo.roots import Avoid

    color = color_from(_next(left, key))
    moves = {move_from(vertex, board_size) for vertex in _next(left, key).split(",")}
    depth = integer_from(_next(left, key), 1, MAX_DEPTH)
    if key == "avoid":
        request.avoided += [Avoid(color, move, depth) for move in sorted(moves)]
    else:
        request.allowed.append((color, moves, depth))
    colors = [color for color, _, _ in request.allowed]
    if len(set(colors)) < len(colors) or (request.allowed and request.avoided):
        raise ValueError("may be given once for each color, and not with avoid")


def _next(left: Iterator[str], key: str) -> str:
    try:
        return next(left)
    except StopIteration:
        raise GtpError(f"syntax error: {key} lacks a value") from None


def checked_root(root: "RootOptions", position: "Position") -> "RootOptions":
    """The options, if they leave the side to move a move."""
    if not root.allowed(position).any():
        raise GtpError("no legal move is allowed")
    return root


COMMANDS: Final = (
    Entry("lz-analyze", (words("key and value"),), "analyses until a line arrives", partial(analyze, "lz")),
    Entry("kata-analyze", (words("key and value"),), "analyses until a line arrives", partial(analyze, "kata")),
    Entry("kata-raw-nn", (word("symmetry"),), "shows what the network alone says", raw_network),
)
