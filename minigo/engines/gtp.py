# SPDX-License-Identifier: Apache-2.0
"""Our engine behind the Go Text Protocol, version 2, for matches and graphical programs.

Commands are answered in order, and nothing else is ever written to the output. A program's first questions are
answered at once: this module imports next to nothing; the board comes with the first command that needs it, and the
network in the background. Start at `GtpEngine.run`; then read `gtp_table` (what a command is), `gtp_session` (what
commands work on), `gtp_inbox` (how a search learns that something else is wanted), and the commands by topic.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO, Final

from minigo.config import GameConfig, SearchConfig
from minigo.engines import (
    gtp_analysis,
    gtp_clients,
    gtp_clocks,
    gtp_files,
    gtp_game,
    gtp_moves,
    gtp_rules,
    gtp_scoring,
)
from minigo.engines.gtp_inbox import MAX_LINE, Inbox, Line
from minigo.engines.gtp_session import Reply, Session, Thinker
from minigo.engines.gtp_table import Entry, word, words
from minigo.engines.gtp_text import Command, GtpError, private_stdout, reply_text
from minigo.engines.loader import Loader
from minigo.engines.options import PlayOptions

if TYPE_CHECKING:
    from minigo.engines.gtp_board import GtpBoard
    from minigo.go.position import Position

PATIENCE: Final = 0.25  # seconds from `quit` until nobody is waited for any more

_log = logging.getLogger(__name__)


def _known_command(session: Session, name: str) -> str:
    return str(name in session.table).lower()


def _list_commands(session: Session) -> str:
    return "\n".join(session.table)


def _quit(session: Session, _: tuple[str, ...]) -> str:
    session.has_quit = True
    return ""


COMMANDS: Final = (
    Entry("protocol_version", (), "tells the version of the protocol", lambda _: "2"),
    Entry("name", (), "tells the engine's name", lambda session: session.name),
    Entry("version", (), "tells the engine's version", lambda session: session.version),
    Entry("known_command", (word("command"),), "tells whether a command is known", _known_command),
    Entry("list_commands", (), "lists the commands", _list_commands),
    Entry("quit", (words("word"),), "ends the engine", _quit),
    *gtp_game.COMMANDS,
    *gtp_moves.COMMANDS,
    *gtp_analysis.COMMANDS,
    *gtp_rules.COMMANDS,
    *gtp_clocks.COMMANDS,
    *gtp_scoring.COMMANDS,
    *gtp_files.COMMANDS,
    *gtp_clients.COMMANDS,
)


class GtpEngine:
    """One conversation.

    Args:
        load: makes what thinks, before it is warmed up; runs in a thread of its own, once.
        game: board size, komi and rules to start with.
        search: how it searches, None: as by default; `kata-set-param` may change it.
        options: how it plays, None: as by default; `kata-set-param` may change it.
        name: what `name` answers.
        version: what `version` answers; programs expect a dot in it.
        files: the folder below which files are read and written; None: no file commands.
        abandon: makes whatever thinks give up at once, in an emergency or for good; None: it always ends soon.
        helper_seconds: tells the processor time that other processes took for us; None: there are none.
    """

    def __init__(
        self,
        load: Callable[[], Thinker],
        game: GameConfig,
        *,
        search: SearchConfig | None = None,
        options: PlayOptions | None = None,
        name: str = "MiniGo",
        version: str,
        files: Path | None = None,
        abandon: Callable[[], None] | None = None,
        helper_seconds: Callable[[], float] | None = None,
    ) -> None:
        self._abandon = abandon
        self._is_abandoned = False
        self._load_thinker = load
        self._inbox = Inbox()
        self._loader = Loader(self._load, self._end_loading)
        table = {entry.name: entry for entry in COMMANDS if files is not None or not entry.reads_files}
        self._session = Session(
            name,
            version,
            game,
            SearchConfig() if search is None else search,
            PlayOptions() if options is None else options,
            self._inbox,
            self._loader,
            table,
            files,
            helper_seconds=(lambda: 0.0) if helper_seconds is None else helper_seconds,
        )

    @property
    def board(self) -> "GtpBoard":
        """The board as the commands so far have left it."""
        return self._session.board

    def run(self, lines: BinaryIO, replies: BinaryIO) -> None:
        """Answers commands until `quit` or the end of input.

        Raises:
            Exception: what `load` raised; no command is answered any more.
        """
        threading.Thread(target=self._read, args=(lines,), daemon=True, name="gtp-input").start()
        self._loader.start()
        try:
            while not self._session.has_quit:
                self._wait()
                if self._loader.error is not None:
                    raise self._loader.error
                line = self._inbox.take()
                if line.is_end:
                    break
                self.answer(line, replies)
                self._session.end()
        finally:
            self._loader.cancel()

    def abandon(self) -> None:
        """Makes whatever thinks give up at once."""
        self._is_abandoned = True
        if self._abandon is not None:
            self._abandon()

    def answer(self, line: Line, replies: BinaryIO) -> None:
        """Writes the reply to one line, if it holds a command."""
        command = line.command
        if command is None:
            return
        reply = Reply(replies, command.number)
        try:
            if line.too_long:
                raise GtpError(f"a line must have {MAX_LINE} bytes or less")
            status, text = "=", self._answer(command, reply)
        except GtpError as error:
            status, text = "?", str(error)
        except Exception as error:  # noqa: BLE001 (the boundary: a conversation outlives our mistakes)
            status, text = "?", "interrupted"
            if not self._is_abandoned:
                _log.exception("%s failed", command.name)
                text = f"internal error: {type(error).__name__}: {error}"
        if not reply.is_open:
            replies.write(reply_text(command.number, status, text).encode())
            replies.flush()
            return
        if status == "?":
            _log.warning("%s broke off: %s", command.name, text)
        reply.close()

    def _read(self, lines: BinaryIO) -> None:
        """Takes all input in, and sees to it that whoever leaves is not kept."""
        self._inbox.read_all(lines)
        time.sleep(PATIENCE)  # a search ends long before that, but for one that waits for a compiler
        if self._inbox.is_leaving_after(self._session.breath):
            self.abandon()

    def _load(self) -> Thinker:
        thinker = self._load_thinker()
        thinker.warm_up(self._session.game.board_size)
        return thinker

    def _end_loading(self) -> None:
        self._inbox.wake()  # first, for stderr may be closed
        if self._loader.error is None:
            self._session.prepare()  # another board may have been asked for meanwhile
            sys.stderr.write("GTP ready\n")
            sys.stderr.flush()

    def _answer(self, command: Command, reply: Reply) -> str:
        entry = self._session.table.get(command.name)
        if entry is None:
            raise GtpError("unknown command")
        self._session.begin(reply)
        return entry.handler(self._session, *entry.values(command.words, self._session))

    def _wait(self) -> None:
        """Waits for a line, or for loading to fail, and thinks meanwhile if that is wanted."""
        if (position := self._session.to_ponder) is not None:
            self._ponder(position)
        self._inbox.wait_for(lambda: not self._inbox.is_empty or self._loader.error is not None)

    def _ponder(self, position: "Position") -> None:
        """Thinks while nothing is asked for. A failure here is no answer to anything; the next command shows it."""
        session = self._session
        try:
            session.thinker(session.must_stop).ponder(position, interrupted=session.must_stop)
        except Exception as error:  # noqa: BLE001 (the boundary: a conversation outlives our mistakes)
            if session.must_stop():  # waiting for the network was cut short
                return
            _log.warning("pondering failed: %s: %s", type(error).__name__, error)
            session.pondered = None


def serve(engine: GtpEngine) -> None:
    """Runs the engine on this process's stdin and stdout, and ends the process.

    From here on everything else that is written to stdout goes to stderr. SIGTERM and SIGINT end the process at
    once, whatever it is doing: every reply was flushed, and there is nothing to save.

    Raises:
        Exception: what loading raised.
    """
    replies = private_stdout()

    def end(number: int, _frame: FrameType | None) -> None:
        engine.abandon()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    # Unbuffered: a buffered stdin is locked by its reading thread, which breaks the interpreter's exit.
    with open(0, "rb", buffering=0, closefd=False) as lines:
        try:
            engine.run(lines, replies)
        finally:
            engine.abandon()
    logging.shutdown()
    os._exit(0)  # frameworks take long to wind up, and graphical programs kill who does not leave at once
