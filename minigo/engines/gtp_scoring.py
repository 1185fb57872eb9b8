# SPDX-License-Identifier: Apache-2.0
"""GTP commands about the end of a game: the score, and what is alive, dead or nobody's."""

from typing import TYPE_CHECKING, Final

from minigo.engines.gtp_table import VERTEX, Entry, word
from minigo.engines.gtp_text import GtpError

if TYPE_CHECKING:
    from minigo.engines.ending import Ending
    from minigo.engines.gtp_session import Session


def final_score(session: "Session") -> str:
    """Who wins by how much, by area and with dead stones taken off."""
    score = _ending(session).score_for_black
    return "0" if score == 0 else f"{'B' if score > 0 else 'W'}+{abs(score):g}"


def final_status_list(session: "Session", status: str) -> str:
    """The stones, or points, of a status; one chain a line."""
    from minigo.engines.ending import STATUSES, statuses
    from minigo.go.coords import vertex_from_move

    if status.lower() not in STATUSES:
        raise GtpError(f"syntax error: status must be one of {', '.join(STATUSES)}")
    chains = statuses(_ending(session), status.lower())
    size = session.game.board_size
    return "\n".join(" ".join(vertex_from_move(point, size) for point in chain) for chain in chains)


def unconditional_status(session: "Session", point: int) -> str:
    """What holds at a point even if one side only ever passes (Benson's pass-alive chains and regions)."""
    from cc_kernels.scoring import pass_alive

    board = session.board.position.board
    if point == board.pass_move:
        raise GtpError("syntax error: vertex must be a point")
    owner, stone = int(pass_alive(board).flat[point]), int(board.stones.flat[point])
    if owner == 0:
        return "undecided"
    if stone == 0:
        return "black_territory" if owner > 0 else "white_territory"
    return "alive" if owner == stone else "dead"


def _ending(session: "Session") -> "Ending":
    from minigo.engines.ending import ending_played_out

    board = session.board
    return ending_played_out(board.position) if board.is_played_out else session.thinker().finished(board.position)


COMMANDS: Final = (
    Entry("final_score", (), "counts the game", final_score),
    Entry("final_status_list", (word("status"),), "lists stones or points of a status", final_status_list),
    Entry("unconditional_status", (VERTEX,), "tells what is pass-alive", unconditional_status),
)
