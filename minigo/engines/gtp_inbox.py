# SPDX-License-Identifier: Apache-2.0
"""What arrives on the input of our GTP engine while it may be thinking: `Inbox`, filled by a thread of its own.

Lines are cut and parsed as they come, so that whoever thinks can ask whether he is wanted. Memory is bounded: a line
that is too long is refused without being kept, and reading waits while too many lines do.
"""

import io
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

from minigo.engines.gtp_text import Command, is_interrupt
from minigo.engines.lines import CutLine, LineCutter

MAX_LINE: Final = 1 << 16  # bytes
MAX_WAITING_LINES: Final = 20_000
MAX_WAITING_BYTES: Final = 1 << 23
_CHUNK: Final = 1 << 16
_ONE_BREATH: Final = 0.1  # seconds; an end of input so soon after the last line was sent with it


@dataclass(frozen=True)
class Line:
    """A line that has arrived. The end of input is the last of them."""

    command: Command | None
    """None for an empty line or a comment."""
    size: int = 0
    """In bytes, as far as it is kept."""
    too_long: bool = False
    """Then nothing is known of it but its id."""
    is_end: bool = False
    """No line: the end of input."""
    is_urgent: bool = False
    """It ends a search that goes on: `quit`, the end of input, or `# interrupt`."""


def line_from(cut: CutLine) -> Line:
    """What a line of input means."""
    command = Command.from_line(cut.text)
    urgent = is_interrupt(cut.text) or (command is not None and command.name == "quit" and not cut.too_long)
    if cut.too_long and command is not None:
        command = Command(command.number, "", ())
    return Line(command, len(cut.text), cut.too_long, is_urgent=urgent)


class Inbox:
    """Lines that wait for an answer. One thread puts them in, another takes them out.

    Lines that were sent together, in one breath, have the same number of it, counted from 1. What ends a search has
    to come in a later breath than the command that began it: `genmove b` and `quit` sent together mean a move that
    was thought about.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lines: deque[tuple[Line, int, float]] = deque()
        self._bytes = 0
        self._breath = 0
        self._last_leaving = 0  # in which breath `quit` or the end of input came
        self._interrupts: list[tuple[Line, int]] = []  # those lines that no search has obeyed
        self.taken_breath = 0
        """The breath of the line that was taken last."""
        self.taken_arrival = 0.0
        """When it arrived, as `time.monotonic` has it."""

    def read_all(self, lines: BinaryIO) -> None:
        """Fills the inbox until the end of input or `quit`; what comes after that is of no interest."""
        read: Callable[[int], bytes] = lines.read1 if isinstance(lines, io.BufferedIOBase) else lines.read
        cutter = LineCutter(MAX_LINE)
        arrived, goes_on = time.monotonic(), False
        while data := read(_CHUNK):
            arrived = time.monotonic()
            found = [line_from(line) for line in cutter.cut(data)]
            self.put(found, goes_on=goes_on)
            if any(line.command is not None and line.command.name == "quit" for line in found):
                return
            goes_on = len(data) == _CHUNK or not data.endswith(b"\n")
        goes_on |= time.monotonic() - arrived < _ONE_BREATH
        self.put([*map(line_from, cutter.rest()), Line(None, is_end=True, is_urgent=True)], goes_on=goes_on)

    def put(self, lines: Iterable[Line], *, goes_on: bool = False) -> None:
        """Adds lines that were sent together, or as one with those before; waits while too much is waiting."""
        arrived = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: len(self._lines) < MAX_WAITING_LINES and self._bytes < MAX_WAITING_BYTES)
            if not goes_on or self._breath == 0:
                self._breath += 1
            for line in lines:
                self._lines.append((line, self._breath, arrived))
                self._bytes += line.size
                if line.is_urgent and not line.is_end and line.command is None:
                    self._interrupts.append((line, self._breath))
                elif line.is_urgent:
                    self._last_leaving = self._breath
            self._changed.notify_all()

    def take(self) -> Line:
        """The next line, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._lines))
            line, self.taken_breath, self.taken_arrival = self._lines.popleft()
            self._bytes -= line.size
            self._interrupts = [other for other in self._interrupts if other[0] is not line]
            self._changed.notify_all()
            return line

    @property
    def is_empty(self) -> bool:
        """Whether no line is waiting."""
        return not self._lines

    def obeys_interrupt(self, breath: int) -> bool:
        """Whether `# interrupt` has come in a later breath, which no other search has obeyed: now this one does."""
        with self._changed:
            later = next((place for place, (_, other) in enumerate(self._interrupts) if other > breath), None)
            if later is not None:
                del self._interrupts[later]
            return later is not None

    def is_leaving_after(self, breath: int) -> bool:
        """Whether `quit` or the end of input has come in a later breath."""
        return self._last_leaving > breath

    def wait_for(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Waits until a condition holds that may change when a line arrives or somebody calls `wake`."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def wake(self) -> None:
        """Lets whoever waits look again."""
        with self._changed:
            self._changed.notify_all()
