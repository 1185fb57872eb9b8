# SPDX-License-Identifier: Apache-2.0
"""The text side of our GTP engine: lines become commands, words become values, answers become replies.

Section numbers are those of the specification of GTP, version 2 (draft 2). Nothing heavy is imported here.
"""

import math
import os
import sys
from dataclasses import dataclass
from typing import BinaryIO, Self


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
        text = line.decode(errors="replace").replace("\t", " ")
        text = "".join(character for character in text if character >= " " and character != "\x7f")
        words = text.partition("#")[0].split()
        if not words:
            return None
        number = words.pop(0) if words[0].isascii() and words[0].isdigit() else ""
        return cls(number, words[0] if words else "", tuple(words[1:]))

    def word(self, index: int, what: str) -> str:
        """An argument as it was written.

        Raises:
            GtpError: there are not that many; it says that `what` is missing.
        """
        if index >= len(self.words):
            raise GtpError(f"syntax error: {what} is missing")
        return self.words[index]

    def integer(self, index: int, what: str) -> int:
        """An argument as an integer. Raises GtpError."""
        word = self.word(index, what)
        try:
            return int(word)
        except ValueError:
            raise GtpError(f"syntax error: {what} must be an integer, got {word!r}") from None

    def real(self, index: int, what: str) -> float:
        """An argument as a finite number. Raises GtpError."""
        word = self.word(index, what)
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise GtpError(f"syntax error: {what} must be a number, got {word!r}")
        return number


def reply_text(command: Command, status: str, answer: str) -> str:
    """The reply to a command (section 3.4): id glued to the status, no empty line but the one that ends it."""
    lines = (line.rstrip() for line in answer.split("\n"))
    text = "\n".join(line for number, line in enumerate(lines) if line or number == 0)
    return f"{status}{command.number} {text}".rstrip(" ") + "\n\n"


def private_stdout() -> BinaryIO:
    """A descriptor of stdout that nobody else knows; whatever else writes there writes to stderr from now on."""
    sys.stdout.flush()
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return open(descriptor, "wb")
