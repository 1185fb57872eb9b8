# SPDX-License-Identifier: Apache-2.0
"""GTP commands about time: the standard's, those of KGS, and KataGo's with Fischer's clock."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from minigo.engines.gtp_table import COLOR, Entry, integer, real, words
from minigo.engines.gtp_text import GtpError

if TYPE_CHECKING:
    from minigo.engines.clock import TimeControl
    from minigo.engines.gtp_session import Session


def time_settings(session: "Session", given: tuple[str, ...]) -> str:
    """Main time, overtime and the stones to be played in it."""
    from minigo.engines.clock import TimeControl

    return _start(session, TimeControl.from_gtp, given)


def kgs_time_settings(session: "Session", given: tuple[str, ...]) -> str:
    """KGS's kinds."""
    from minigo.engines.clock import TimeControl

    return _start(session, TimeControl.from_kgs, given)


def kata_time_settings(session: "Session", given: tuple[str, ...]) -> str:
    """KataGo's kinds: KGS's and Fischer's."""
    from minigo.engines.clock import TimeControl

    return _start(session, TimeControl.from_kata, given)


def list_time_settings(_: "Session") -> str:
    """The kinds that `kata-time_settings` knows."""
    from minigo.engines.clock import KINDS

    return " ".join(KINDS)


def time_left(session: "Session", color: int, seconds: float, stones: int) -> str:
    """What one player has left, as the referee's clock shows it."""
    session.clock = session.clock.updated(color, seconds, stones)
    return ""


def _start(session: "Session", read: "Callable[[Sequence[str]], TimeControl]", given: tuple[str, ...]) -> str:
    from minigo.engines.clock import Clock

    try:
        session.clock = Clock.started(read(given))
    except ValueError as error:
        raise GtpError(f"syntax error: {error}") from None
    return ""


_SETTINGS: Final = (words("time control"),)
COMMANDS: Final = (
    Entry("time_settings", _SETTINGS, "sets the time of the game", time_settings),
    Entry("time_left", (COLOR, real("time"), integer("stones", 0)), "says what time is left", time_left),
    Entry("kgs-time_settings", _SETTINGS, "sets the time of the game, with byo-yomi", kgs_time_settings),
    Entry("kata-time_settings", _SETTINGS, "sets the time of the game, with Fischer's clock", kata_time_settings),
    Entry("kata-list_time_settings", (), "lists the kinds of time control", list_time_settings),
)
