# SPDX-License-Identifier: Apache-2.0
"""Talks with a GTP engine as a strict client does, and reads cases from text.

A case file has groups, each after a line `== title`. In a group, `> LINE` is sent as it is and `< PATTERN` is the
reply that it must get: `=` or `?`, glued to the id if there is one, and a regular expression for the rest, which a
lone `?` leaves open. A `>` without `<` must get no reply at all.
"""

import os
import re
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

FOLDER = Path(__file__).parent
SECONDS = 60.0  # an engine that says nothing for so long hangs


class NonconformError(AssertionError):
    """The engine does not do what the specification, or its client, demands."""


class Case(NamedTuple):
    """A line, and the reply that it must get; None: none."""

    line: str
    pattern: str | None


def groups_of(name: str) -> dict[str, list[Case]]:
    """The cases of a file by title."""
    groups: dict[str, list[Case]] = {}
    cases: list[Case] = []
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            cases = groups.setdefault(line[3:], [])
        elif line.startswith(">"):
            cases.append(Case(line[2:].encode().decode("unicode_escape").encode("latin-1").decode(), None))
        elif line.startswith("<"):
            cases[-1] = cases[-1]._replace(pattern=line[2:])
        elif line and not line.startswith("#"):
            raise ValueError(f"{name}: {line!r} is neither title, request nor reply")
    return groups


class Engine:
    """A running engine. Whatever it says that is no GTP raises NonconformError."""

    def __init__(self, command: Sequence[str]) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(_python_path())}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._received = b""

    def send(self, line: str, end: str = "\n") -> None:
        """Sends a line."""
        os.write(self._in, (line + end).encode())

    def line(self) -> str:
        """The next line, without its end."""
        deadline = time.monotonic() + SECONDS
        while b"\n" not in self._received:
            ready, _, _ = select.select([self._out], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._out, 1 << 16) if ready else b""
            if not data:
                raise NonconformError(f"said {self._received!r} and then nothing more")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return line.decode().rstrip(" ")  # GNU Go ends an empty answer with "= "

    def rest_of_reply(self) -> list[str]:
        """The lines up to the empty one."""
        lines = []
        while line := self.line():
            lines.append(line)
        return lines

    def reply(self) -> str:
        """The next whole reply."""
        first = self.line()
        if not re.match(r"[=?]\d*( |$)", first):
            raise NonconformError(f"a reply must begin with = or ? and its id, got {first!r}")
        return "\n".join([first, *self.rest_of_reply()])

    def ask(self, line: str, end: str = "\n") -> str:
        """Sends a command and returns what the reply says.

        Raises:
            NonconformError: it is refused.
        """
        self.send(line, end)
        reply = self.reply()
        if not reply.startswith("="):
            raise NonconformError(f"refused {line!r}: {reply}")
        return reply.lstrip("=0123456789").removeprefix(" ")

    def check(self, case: Case) -> None:
        """Sends a case's line and looks at the reply."""
        self.send(case.line)
        if case.pattern is None:
            self.send("424242 protocol_version")
            if (reply := self.reply()) != "=424242 2":
                raise NonconformError(f"{case.line!r} holds no command, but got {reply!r}")
            return
        reply = self.reply()
        pattern = case.pattern + ".*" if re.fullmatch(r"\?\d*", case.pattern) else case.pattern
        pattern = pattern.replace("?", r"\?", 1) if pattern.startswith("?") else pattern
        if not re.fullmatch(pattern, reply, re.DOTALL):
            raise NonconformError(f"{case.line!r} must get {case.pattern!r}, got {reply!r}")

    def quit(self) -> None:
        """Ends the engine as a client does, and sees it leave."""
        self.ask("quit")
        self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def _python_path() -> list[str]:
    import sys

    return [entry for entry in sys.path if entry]
