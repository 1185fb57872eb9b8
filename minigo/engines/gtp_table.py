# SPDX-License-Identifier: Apache-2.0
"""The form of our GTP engine's command table: what a command is called, takes and does, in one place each.

Arguments are typed: words become numbers, colours and moves before a handler sees them. Handlers live in the modules
by topic (`gtp_game`, `gtp_moves`, …), each with a tuple `COMMANDS`; `minigo.engines.gtp` puts them together. None of
them imports the board at its top, because a program's first questions must be answered before that.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from minigo.engines.gtp_text import GtpError, quoted

if TYPE_CHECKING:
    from minigo.engines.gtp_session import Session


@dataclass(frozen=True)
class Argument:
    """One argument of a command, or with `repeated` any number of them.

    Attributes:
        name: what the reader of an error message shall think of.
        read: the word's value; it may raise ValueError to say why there is none.
        optional: it may be left out, and is None then.
        repeated: it takes all words that are left, as a tuple.
        least: how many of them there must be.
    """

    name: str
    read: "Callable[[str, Session], Any]"
    optional: bool = False
    repeated: bool = False
    least: int = 0


@dataclass(frozen=True)
class Entry:
    """A command. `handler` gets the session and the arguments, returns the answer, and may raise GtpError."""

    name: str
    arguments: tuple[Argument, ...]
    help: str
    handler: Callable[..., str]
    reads_files: bool = False

    def values(self, words: tuple[str, ...], session: "Session") -> list[Any]:
        """The arguments' values.

        Raises:
            GtpError: words are missing, left over, or have no such value.
        """
        values: list[Any] = []
        left = list(words)
        for argument in self.arguments:
            if argument.repeated:
                if len(left) < argument.least:
                    raise GtpError(f"syntax error: {argument.name} is missing; {self.usage}")
                values.append(tuple(_read(argument, word, session) for word in left))
                left.clear()
            elif left:
                values.append(_read(argument, left.pop(0), session))
            elif argument.optional:
                values.append(None)
            else:
                raise GtpError(f"syntax error: {argument.name} is missing; {self.usage}")
        if left:
            raise GtpError(f"syntax error: {quoted(left[0])} is one word too many; {self.usage}")
        return values

    @property
    def usage(self) -> str:
        """The command with its arguments, for error messages."""
        return "usage: " + " ".join([self.name, *map(_usage, self.arguments)])


def _usage(argument: Argument) -> str:
    text = argument.name.upper().replace(" ", "_") + ("…" if argument.repeated else "")
    return f"[{text}]" if argument.optional or (argument.repeated and not argument.least) else text


def _read(argument: Argument, word: str, session: "Session") -> Any:
    try:
        return argument.read(word, session)
    except ValueError as error:
        raise GtpError(f"syntax error: {argument.name} {error}") from None


def integer(name: str, low: int | None = None, high: int | None = None, *, optional: bool = False) -> Argument:
    """An integer in a range."""
    return Argument(name, lambda word, _: integer_from(word, low, high), optional)


def real(name: str, low: float | None = None, high: float | None = None) -> Argument:
    """A finite number in a range."""
    return Argument(name, lambda word, _: real_from(word, low, high))


def word(name: str, *, optional: bool = False) -> Argument:
    """A word as it was written."""
    return Argument(name, lambda text, _: text, optional)


def words(name: str, least: int = 0) -> Argument:
    """All words that are left, as they were written."""
    return Argument(name, lambda text, _: text, repeated=True, least=least)


def integer_from(text: str, low: int | None = None, high: int | None = None) -> int:
    """A word as an integer. Raises ValueError, which says what the value must be."""
    if not (text.removeprefix("-").removeprefix("+").isdigit() and text.isascii() and len(text) <= 20):
        raise ValueError(f"must be an integer, got {quoted(text)}")
    _check_range(int(text), low, high, text)
    return int(text)


def real_from(text: str, low: float | None = None, high: float | None = None) -> float:
    """A word as a finite number. Raises ValueError, which says what the value must be."""
    try:
        number = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"must be a number, got {quoted(text)}")
    _check_range(number, low, high, text)
    return number


def flag_from(text: str) -> bool:
    """A word as true or false. Raises ValueError, which says what the value must be."""
    if text.lower() not in ("true", "false"):
        raise ValueError(f"must be true or false, got {quoted(text)}")
    return text.lower() == "true"


def color_from(text: str) -> int:
    """A word as BLACK or WHITE. Raises ValueError, which says what the value must be."""
    if text.lower() not in COLOR_NAMES:
        raise ValueError(f"must be b, black, w or white, got {quoted(text)}")
    return COLOR_NAMES[text.lower()]


def move_from(text: str, board_size: int) -> int:
    """A vertex as a move. Raises ValueError, which says what the value must be."""
    from minigo.go.coords import move_from_vertex

    if len(text) > len("pass") or not text.isascii():
        raise ValueError(f"must be a vertex of the {board_size}x{board_size} board or pass, got {quoted(text)}")
    try:
        return move_from_vertex(text, board_size)
    except ValueError as error:
        raise ValueError(str(error).removeprefix("vertex ")) from None


def _check_range(number: float, low: float | None, high: float | None, text: str) -> None:
    if (low is None or number >= low) and (high is None or number <= high):
        return
    allowed = f"{low:g} or more" if high is None else f"in {low:g}..{high:g}"
    raise ValueError(f"must be {allowed}, got {quoted(text)}")


COLOR_NAMES: Final = {"b": 1, "black": 1, "w": -1, "white": -1}  # as in the kernel, which is not imported here
COLOR: Final = Argument("color", lambda text, _: color_from(text))
VERTEX: Final = Argument("vertex", lambda text, session: move_from(text, session.game.board_size))
VERTICES: Final = Argument("vertex", VERTEX.read, repeated=True, least=1)
