# SPDX-License-Identifier: Apache-2.0
"""The text side of our GTP engine: lines become commands, answers become replies. Nothing heavy is imported here.

Section numbers are those of the specification of GTP, version 2 (draft 2).
"""

import os
import re
import sys
from dataclasses import dataclass
from typing import BinaryIO, Final, Self

QUOTED: Final = 40  # characters of somebody's word that an error repeats
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f]")


class GtpError(Exception):
    """A command can not be obeyed. The message follows the `?` of the reply."""


@dataclass(frozen=True)
class Command:
    """One line of input: an id ("" if none), a command's name ("" if none), and its arguments."""

    number: str
    name: str
    words: tuple[str, ...]

    @classmethod
    def from_line(cls, line: bytes) -> Self | None:
        """Cleans (section 3.1) and splits a line; None for one without any word."""
        text = _CONTROLS.sub("", line.decode(errors="replace").replace("\t", " "))
        words = [word for word in text.partition("#")[0].split(" ") if word]
        if not words:
            return None
        number = words.pop(0) if words[0].isascii() and words[0].isdigit() else ""
        return cls(number, words[0] if words else "", tuple(words[1:]))


def is_interrupt(line: bytes) -> bool:
    """Whether a line is the comment by which a program asks for the move at once (`gogui-interrupt`)."""
    return line.strip(b" \t\r\n").startswith(b"#") and line.strip(b"# \t\r\n") == b"interrupt"


def quoted(word: str) -> str:
    """A word as an error repeats it: printable, and not for long."""
    return repr(word if len(word) <= QUOTED else word[:QUOTED] + "…")


def reply_text(number: str, status: str, answer: str) -> str:
    """The reply to a command (section 3.4): id glued to the status, no empty line but the one that ends it."""
    lines = (line.rstrip() for line in answer.split("\n"))
    text = "\n".join(line for place, line in enumerate(lines) if line or place == 0)
    return f"{status}{number} {text}".rstrip(" ") + "\n\n"


def private_stdout() -> BinaryIO:
    """A descriptor of stdout that nobody else knows; whatever else writes there writes to stderr from now on."""
    sys.stdout.flush()
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return open(descriptor, "wb")
