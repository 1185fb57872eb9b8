# SPDX-License-Identifier: Apache-2.0
"""`LineCutter`: lines out of a stream of bytes, in memory that a long line can not exhaust."""

from typing import Final, NamedTuple

_BLANK: Final = bytes(range(33)) + b"\x7f"


class CutLine(NamedTuple):
    """A line, without its end."""

    text: bytes
    """Its beginning, where it is too long."""
    too_long: bool = False


class LineCutter:
    """Cuts a stream into lines, keeping no more than `limit` bytes of any."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._too_long = False

    def cut(self, data: bytes) -> list[CutLine]:
        """The lines that are complete with this piece."""
        *ends, rest = data.split(b"\n")
        lines = []
        for piece in ends:
            self._keep(piece)
            lines.append(self._line())
        self._keep(rest)
        return lines

    def rest(self) -> list[CutLine]:
        """What came after the last newline, if it holds anything."""
        return [self._line()] if self._kept else []

    def _keep(self, piece: bytes) -> None:
        if self._too_long and not self._kept.strip(_BLANK):
            self._kept.clear()  # so that something is known of the line in the end
        room = self._limit - len(self._kept)
        self._kept += piece[:room]
        self._too_long |= len(piece) > room

    def _line(self) -> CutLine:
        line = CutLine(bytes(self._kept), self._too_long)
        self._kept.clear()
        self._too_long = False
        return line
