# SPDX-License-Identifier: Apache-2.0
"""GTP commands that ask for a move, with or without playing it and with or without showing what is thought."""

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from minigo.engines.gtp_analysis import Request, checked_root, parsed_request, shower
from minigo.engines.gtp_table import COLOR, VERTICES, Entry, words

if TYPE_CHECKING:
    from minigo.engines.gtp_session import Session
    from minigo.engines.thinking import Decision
    from minigo.roots import RootOptions


def genmove(session: "Session", color: int, *, cleanup: bool = False) -> str:
    """Chooses a move and plays it."""
    if cleanup:
        session.board.begin_cleanup()
    return _play(session, color, _decision(session, color, cleanup=cleanup))


def search(session: "Session", color: int, *, timed: bool) -> str:
    """Chooses a move and does not play it."""
    return _text(session, _decision(session, color, timed=timed, plays=False))


def restricted_genmove(session: "Session", color: int, moves: tuple[int, ...]) -> str:
    """Chooses among some moves and plays the choice; a pass where none of them is legal."""
    position = session.board.to_play(color)
    legal = position.legal_moves()
    if not any(legal[move] for move in moves):
        moves = (position.board.pass_move,)
    request = Request("lz", allowed=[(color, set(moves), 1)])
    return _play(session, color, _decision(session, color, root=request.root(position.board_size)))


def genmove_analyze(dialect: str, session: "Session", given: tuple[str, ...], *, plays: bool = True) -> str:
    """Chooses a move and shows meanwhile what it thinks; the last line is the move."""
    request = parsed_request(dialect, given, session.game.board_size)
    color = session.board.position.to_play if request.color is None else request.color
    decision = _decision(session, color, request=request, plays=plays)
    move = _play(session, color, decision) if plays else _text(session, decision)
    session.reply.line(f"play {move}")
    return ""


def _decision(
    session: "Session",
    color: int,
    *,
    cleanup: bool = False,
    timed: bool = True,
    plays: bool = True,
    root: "RootOptions | None" = None,
    request: Request | None = None,
) -> "Decision":
    thinker = session.thinker()  # first, for whoever leaves while it is loaded is not kept by imports
    from minigo.engines.thinking import Report
    from minigo.roots import AS_IT_IS

    position = session.board.to_play(color)
    if request is not None:
        root = checked_root(request.root(position.board_size), position)
    interval = None if request is None or request.interval is None else request.seconds
    decision = thinker.decide(
        position,
        session.clock if timed and session.clock.is_limited else None,
        interrupted=session.must_move,
        show=None if request is None else shower(session, request, lone_pass=True),
        interval=interval,
        report=Report() if request is None else request.report(),
        root=AS_IT_IS if root is None else root,
        cleanup=cleanup,
        plays=plays,
        waited_seconds=time.monotonic() - session.asked,  # also while the network was still being loaded
    )
    if timed:
        session.clock = session.clock.spent(color, time.monotonic() - session.asked)
    return decision


def _play(session: "Session", color: int, decision: "Decision") -> str:
    if not decision.resign:
        session.board.play([(color, decision.move)])
        session.pondered = session.board.position
    return _text(session, decision)


def _text(session: "Session", decision: "Decision") -> str:
    from minigo.go.coords import vertex_from_move

    return "resign" if decision.resign else vertex_from_move(decision.move, session.game.board_size)


_REQUEST: Final = (words("key and value"),)
COMMANDS: Final = (
    Entry("genmove", (COLOR,), "chooses a move and plays it", genmove),
    Entry("reg_genmove", (COLOR,), "chooses a move", partial(search, timed=False)),
    Entry("restricted_genmove", (COLOR, VERTICES), "chooses among these moves and plays it", restricted_genmove),
    Entry("kgs-genmove_cleanup", (COLOR,), "takes dead stones off before it passes", partial(genmove, cleanup=True)),
    Entry("kata-search", (COLOR,), "chooses a move", partial(search, timed=True)),
    Entry("lz-genmove_analyze", _REQUEST, "as genmove, with analysis", partial(genmove_analyze, "lz")),
    Entry("kata-genmove_analyze", _REQUEST, "as genmove, with analysis", partial(genmove_analyze, "kata")),
    Entry(
        "kata-search_analyze",
        _REQUEST,
        "as kata-search, with analysis",
        partial(genmove_analyze, "kata", plays=False),
    ),
)
