# SPDX-License-Identifier: Apache-2.0
"""GTP commands that some programs like to have: GoGui's and KGS's, KataGo's parameters, and the time that it took."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from minigo.engines.gtp_table import Entry, flag_from, integer_from, real_from, word, words
from minigo.engines.gtp_text import GtpError, quoted

if TYPE_CHECKING:
    from minigo.engines.gtp_session import Session

_ANALYZE_COMMANDS: Final = (
    "string/Final Score/final_score",
    "plist/Dead Stones/final_status_list dead",
    "plist/Stones in Seki/final_status_list seki",
    "plist/Black Territory/final_status_list black_territory",
    "plist/White Territory/final_status_list white_territory",
    "string/Unconditional Status/unconditional_status %p",
    "hstring/Raw Network/kata-raw-nn 0",
    "string/Rules/kata-get-rules",
    "hstring/Game as SGF/printsgf",
    "string/CPU Time/cputime",
)
_MAX_SECONDS: Final = 1e8


@dataclass(frozen=True)
class Parameter:
    """Something that `kata-set-param` changes. `write` may raise ValueError to say what the value must be."""

    read: "Callable[[Session], float | bool]"
    write: "Callable[[Session, str], None]"


def gogui_analyze_commands(session: "Session") -> str:
    """What GoGui offers in its menu: type, label and command."""
    return "\n".join(line for line in _ANALYZE_COMMANDS if line.split("/")[2].split(" ")[0] in session.table)


def gogui_interrupt(_: "Session") -> str:
    """Says that `# interrupt` is understood."""
    return ""


def kgs_chat(session: "Session", _: tuple[str, ...]) -> str:
    """What the engine says when it is spoken to."""
    return f"I am {session.name} {session.version}, a program; I do not understand what people say."


def kgs_game_over(_: "Session") -> str:
    """The game has ended; nothing depends on it."""
    return ""


def cputime(session: "Session") -> str:
    """Seconds of processor time since the start, those of the network's process included."""
    return f"{time.process_time() + session.helper_seconds():.3f}"


def stop(_: "Session") -> str:
    """Ends an analysis, as every line does."""
    return ""


def get_parameter(session: "Session", name: str) -> str:
    """A parameter's value."""
    value = _parameter(name).read(session)
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def set_parameter(session: "Session", name: str, text: str) -> str:
    """Changes a parameter."""
    try:
        _parameter(name).write(session, text)
    except ValueError as error:
        raise GtpError(f"{name} {error}") from None
    return ""


def _parameter(name: str) -> Parameter:
    if name not in PARAMETERS:
        raise GtpError(f"parameter must be one of {', '.join(PARAMETERS)}, got {quoted(name)}")
    return PARAMETERS[name]


def _set_visits(session: "Session", text: str) -> None:
    visits = integer_from(text, 1, 5_000_000)
    session.search = replace(session.search, num_simulations=visits)
    session.options = replace(session.options, timed_visits=visits)
    session.analysis_visits = visits


def _set_seconds(session: "Session", text: str) -> None:
    seconds = real_from(text, 0, _MAX_SECONDS)
    session.options = replace(session.options, seconds_per_move=seconds)
    session.analysis_seconds = seconds if seconds else None


def _set_pondering(session: "Session", text: str) -> None:
    session.options = replace(session.options, ponder=flag_from(text))


def _set_noise(session: "Session", text: str) -> None:
    session.wide_root_noise = real_from(text, 0, 5)


def _set_threshold(session: "Session", text: str) -> None:
    session.options = replace(session.options, resign_threshold=-real_from(text, -1, 0))


def _set_resign_moves(session: "Session", text: str) -> None:
    session.options = replace(session.options, resign_moves=integer_from(text, 1, 1000))


def _set_lag(session: "Session", text: str) -> None:
    session.options = replace(session.options, lag_seconds=real_from(text, 0, 60))


PARAMETERS: Final = {
    "maxVisits": Parameter(lambda session: session.search.num_simulations, _set_visits),
    "maxTime": Parameter(lambda session: session.options.seconds_per_move, _set_seconds),
    "ponderingEnabled": Parameter(lambda session: session.options.ponder, _set_pondering),
    "analysisWideRootNoise": Parameter(lambda session: session.wide_root_noise, _set_noise),
    "resignThreshold": Parameter(lambda session: 0.0 - session.options.resign_threshold, _set_threshold),
    "resignConsecTurns": Parameter(lambda session: session.options.resign_moves, _set_resign_moves),
    "lagBuffer": Parameter(lambda session: session.options.lag_seconds, _set_lag),
}
"""By KataGo's names."""

COMMANDS: Final = (
    Entry("cputime", (), "tells the processor time that was used", cputime),
    Entry("stop", (), "ends an analysis", stop),
    Entry("kata-get-param", (word("parameter"),), "tells a parameter", get_parameter),
    Entry("kata-set-param", (word("parameter"), word("value")), "changes a parameter", set_parameter),
    Entry("kgs-chat", (words("message"),), "answers what somebody says", kgs_chat),
    Entry("kgs-game_over", (), "hears that the game has ended", kgs_game_over),
    Entry("gogui-analyze_commands", (), "lists commands for GoGui's menu", gogui_analyze_commands),
    Entry("gogui-interrupt", (), "says that # interrupt is understood", gogui_interrupt),
)
