# SPDX-License-Identifier: Apache-2.0
"""Our engine behind the Go Text Protocol, version 2, for matches and graphical programs.

Commands are answered in order, and nothing else is ever written to the output. A program's first questions are
answered at once: this module imports next to nothing, the board (`gtp_board`) comes with the first command that
needs it, and the player, whose network takes seconds to load, in the background. Start at `GtpEngine`.
"""

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final

from minigo.config import ConfigError, GameConfig
from minigo.engines.gtp_text import Command, GtpError, private_stdout, reply_text

if TYPE_CHECKING:
    from minigo.engines.gtp_board import GtpBoard
    from minigo.players import Player

LOAD_DELAY: Final = 0.3  # seconds; while a framework is imported, nothing else in the process gets on
MAX_KOMI: Final = 400.0
_END_OF_INPUT: Final = b""

_log = logging.getLogger(__name__)


class GtpEngine:
    """The state of one conversation.

    Args:
        load_player: makes the player; runs in a thread of its own, once.
        game: board size, komi and rules to start with.
        name: what `name` answers.
        version: what `version` answers; programs expect a dot in it.
        resign_threshold: resigns where the player's value is below minus this; 0: never.
    """

    def __init__(
        self,
        load_player: "Callable[[], Player]",
        game: GameConfig,
        *,
        name: str = "MiniGo",
        version: str,
        resign_threshold: float = 0.0,
    ) -> None:
        self.name = name
        self.version = version
        self._load_player = load_player
        self._resign_threshold = resign_threshold
        self._game = game  # what the next board will be
        self._board: GtpBoard | None = None
        self._player: Player | None = None
        self._load_error: BaseException | None = None
        self._inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._wanted = threading.Event()  # do not put loading off any longer
        self._loader = threading.Thread(target=self._load, daemon=True, name="gtp-loader")
        self._quit = False
        self._commands: dict[str, Callable[[Command], str]] = {
            "boardsize": self._boardsize,
            "clear_board": self._clear_board,
            "final_score": lambda command: self.board.final_score(command),
            "fixed_handicap": lambda command: self.board.fixed_handicap(command),
            "genmove": self._genmove,
            "kata-get-rules": lambda command: self.board.get_rules(command),
            "kata-set-rules": self._set_rules,
            "known_command": self._known_command,
            "komi": self._komi,
            "list_commands": self._list_commands,
            "name": lambda _: self.name,
            "place_free_handicap": lambda command: self.board.place_free_handicap(command),
            "play": lambda command: self.board.play(command),
            "protocol_version": lambda _: "2",
            "quit": self._leave,
            "reg_genmove": self._reg_genmove,
            "set_free_handicap": lambda command: self.board.set_free_handicap(command),
            "showboard": lambda command: self.board.showboard(command),
            "time_left": self._time_left,
            "time_settings": self._time_settings,
            "undo": lambda command: self.board.undo(command),
            "version": lambda _: self.version,
        }

    @property
    def board(self) -> "GtpBoard":
        """The board as the commands so far have left it."""
        if self._board is None:
            from minigo.engines.gtp_board import GtpBoard  # with numpy: too slow for the first replies

            self._board = GtpBoard(self._game)
        return self._board

    def run(self, lines: BinaryIO, replies: BinaryIO) -> None:
        """Answers commands until `quit` or the end of input.

        Raises:
            Exception: what `load_player` raised; no command is answered any more.
        """
        threading.Thread(target=self._read, args=(lines,), daemon=True, name="gtp-input").start()
        self._loader.start()
        while not self._quit and (line := self._inbox.get()) != _END_OF_INPUT:
            if reply := self.answer(line):
                replies.write(reply.encode())
                replies.flush()
        self._quit = True
        self._wanted.set()  # so that a loader that has not begun ends at once
        if self._load_error is not None:
            raise self._load_error

    def answer(self, line: bytes) -> str:
        """The reply to one line, with the empty line that ends it; "" where the line holds no command."""
        command = Command.from_line(line)
        if command is None:
            return ""
        try:
            if command.name not in self._commands:
                raise GtpError("unknown command")
            return reply_text(command, "=", self._commands[command.name](command))
        except GtpError as error:
            return reply_text(command, "?", str(error))
        except Exception as error:  # noqa: BLE001 (the boundary: a conversation outlives our mistakes)
            _log.exception("%s failed", command.name)
            return reply_text(command, "?", f"internal error: {type(error).__name__}: {error}")

    def _read(self, lines: BinaryIO) -> None:
        for line in iter(lines.readline, b""):
            self._inbox.put(line)
        self._inbox.put(_END_OF_INPUT)

    def _load(self) -> None:
        self._wanted.wait(LOAD_DELAY)
        if self._quit:
            return
        try:
            self._player = self._load_player()
        except BaseException as error:  # noqa: BLE001 (handed to the thread that runs the conversation)
            self._load_error = error
            self._inbox.put(_END_OF_INPUT)
            return
        sys.stderr.write("GTP ready\n")
        sys.stderr.flush()

    def _loaded_player(self) -> "Player":
        self._wanted.set()
        if self._loader.ident is None:  # outside `run`
            self._loader.start()
        self._loader.join()
        if self._player is None:
            raise GtpError(f"the player could not be loaded: {self._load_error}")
        return self._player

    def _known_command(self, command: Command) -> str:
        return "true" if command.word(0, "command name") in self._commands else "false"

    def _list_commands(self, _: Command) -> str:
        return "\n".join(self._commands)

    def _leave(self, _: Command) -> str:
        self._quit = True
        return ""

    def _boardsize(self, command: Command) -> str:
        size = command.integer(0, "board size")
        if not 2 <= size <= 19:
            raise GtpError("unacceptable size")
        self._game = replace(self._game, board_size=size)
        return self._clear_board(command)

    def _clear_board(self, _: Command) -> str:
        self._board = None
        if self._player is not None:
            self._player.new_game()
        return ""

    def _komi(self, command: Command) -> str:
        komi = command.real(0, "komi")
        if abs(komi) > MAX_KOMI:
            raise GtpError(f"syntax error: komi must be in -{MAX_KOMI:g}..{MAX_KOMI:g}, got {komi:g}")
        self._game = replace(self._game, komi=komi)
        if self._board is not None:
            self._board.set_komi(komi)
        return ""

    def _set_rules(self, command: Command) -> str:
        try:
            game = replace(self._game, rules=command.word(0, "rules").lower())
        except ConfigError as error:
            raise GtpError(str(error)) from None
        self.board.set_rules(game.rules)
        self._game = game
        return ""

    def _genmove(self, command: Command) -> str:
        return self.board.genmove(command, self._loaded_player(), self._resign_threshold)

    def _reg_genmove(self, command: Command) -> str:
        return self.board.reg_genmove(command, self._loaded_player(), self._resign_threshold)

    def _time_settings(self, command: Command) -> str:
        """Accepted, so that programs go on: thinking is bounded by simulations or seconds a move."""
        for index, what in enumerate(("main time", "byo yomi time", "byo yomi stones")):
            if command.real(index, what) < 0:
                raise GtpError(f"syntax error: {what} must be 0 or more, got {command.words[index]}")
        return ""

    def _time_left(self, command: Command) -> str:
        """Accepted, as `time_settings` is."""
        command.word(0, "color")
        command.real(1, "time")
        command.integer(2, "stones")
        return ""


def serve(engine: GtpEngine) -> None:
    """Runs the engine on this process's stdin and stdout, and ends the process.

    From here on everything else that is written to stdout goes to stderr. SIGTERM and SIGINT end the process at
    once, whatever it is doing: every reply was flushed, and there is nothing to save.

    Raises:
        Exception: what loading the player raised.
    """
    replies = private_stdout()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    # Unbuffered: a buffered stdin is locked by its reading thread, which breaks the interpreter's exit.
    with open(0, "rb", buffering=0, closefd=False) as lines:
        engine.run(lines, replies)
    logging.shutdown()
    os._exit(0)  # frameworks take long to wind up, and graphical programs kill who does not leave at once
