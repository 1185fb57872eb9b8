# SPDX-License-Identifier: Apache-2.0
"""`Session`: what the commands of one GTP conversation work on: the game, the clock, who thinks, and the way out.

It knows no command. The board comes with the first command that needs it, and the thinker, whose network takes
seconds to load, in the background (`Loader`). Nothing heavy is imported at the top.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from minigo.config import GameConfig, SearchConfig
from minigo.engines.gtp_inbox import Inbox
from minigo.engines.gtp_text import GtpError
from minigo.engines.loader import Loader
from minigo.engines.options import PlayOptions

if TYPE_CHECKING:
    from minigo.anytime import Analysis
    from minigo.engines.clock import Clock
    from minigo.engines.ending import Ending
    from minigo.engines.gtp_board import GtpBoard
    from minigo.engines.gtp_table import Entry
    from minigo.engines.raw_network import RawEvaluation
    from minigo.engines.thinking import Decision, Report
    from minigo.go.position import Position
    from minigo.go.rules import Rules
    from minigo.roots import RootOptions


class Thinker(Protocol):
    """The part of `minigo.engines.thinking.Thinking` that GTP needs."""

    def set_options(self, options: PlayOptions, config: SearchConfig | None = None) -> None:
        """Plays on with other options, and searches in another way if a config is given."""

    def new_game(self) -> None:
        """Forgets the last game."""

    def warm_up(self, board_size: int) -> None:
        """Gets ready for a board, before the first move."""

    def prepare(self, board_size: int) -> None:
        """Gets ready for another board in the background."""

    def decide(
        self,
        position: "Position",
        clock: "Clock | None",
        *,
        interrupted: Callable[[], bool],
        show: "Callable[[Analysis], None] | None" = None,
        interval: float | None = None,
        report: "Report" = ...,
        root: "RootOptions" = ...,
        cleanup: bool = False,
        plays: bool = True,
        waited_seconds: float = 0.0,
    ) -> "Decision":
        """Chooses a move for the player to move."""

    def analyze(
        self,
        position: "Position",
        *,
        interrupted: Callable[[], bool],
        show: "Callable[[Analysis], None]",
        interval: float,
        report: "Report" = ...,
        root: "RootOptions" = ...,
        visits: int | None = None,
        seconds: float | None = None,
    ) -> "Analysis":
        """Searches a position until interrupted or until there is nothing more to search."""

    def ponder(self, position: "Position", *, interrupted: Callable[[], bool]) -> None:
        """Thinks while it is the other's turn."""

    def evaluate(self, position: "Position", symmetry: int | None) -> "RawEvaluation":
        """What the network alone says."""

    def finished(self, position: "Position") -> "Ending":
        """How the game would be counted if it ended here."""


class Reply:
    """The reply to one command. Most are written at once by the conversation; an analysis writes line by line."""

    def __init__(self, out: BinaryIO, number: str) -> None:
        self._out = out
        self.number = number
        self.is_open = False

    def line(self, text: str) -> None:
        """Writes a line of a reply that goes on; the first one begins the reply."""
        self.open()
        self._write(text + "\n")

    def open(self) -> None:
        """Begins a reply that goes on. May be called again."""
        if not self.is_open:
            self.is_open = True
            self._write(f"={self.number}\n")

    def close(self) -> None:
        """Ends a reply that goes on."""
        self._write("\n")

    def _write(self, text: str) -> None:
        self._out.write(text.encode())
        self._out.flush()


@dataclass
class Session:
    """The state of one conversation. Handlers of commands read and change it.

    Attributes:
        name: what `name` answers.
        version: what `version` answers.
        game: board size, komi and rules of the next board.
        rules: its rules, if others have been asked for since.
        search: how the thinker searches.
        options: how the thinker plays.
        inbox: what the other side has said since.
        loader: brings the thinker.
        table: the commands by name.
        files: the folder below which files are read and written; None: there are no file commands.
        wide_root_noise: of analyses that are not of our own moves.
        analysis_visits: of an analysis; None: as many as there is room for.
        analysis_seconds: of an analysis; None: until a line arrives.
        helper_seconds: tells the processor time that other processes took for us.
        is_leaving: a search was broken off by `quit`, so that no other is worth while.
        has_quit: nothing more is answered.
    """

    name: str
    version: str
    game: GameConfig
    search: SearchConfig
    options: PlayOptions
    inbox: Inbox
    loader: Loader[Thinker]
    table: "dict[str, Entry]"
    files: Path | None = None
    rules: "Rules | None" = None
    wide_root_noise: float = 0.0
    analysis_visits: int | None = None
    analysis_seconds: float | None = None
    helper_seconds: Callable[[], float] = lambda: 0.0
    is_leaving: bool = False
    has_quit: bool = False
    breath: int = 0  # in which the command came
    asked: float = 0.0  # when it came, or when the reply before it was written: from then on a clock runs
    pondered: "Position | None" = None  # the position after our last move: worth thinking about
    _board: "GtpBoard | None" = None
    _clock: "Clock | None" = None
    _told: tuple[PlayOptions, SearchConfig] | None = None  # what the thinker knows
    _reply: Reply | None = field(default=None, repr=False)
    _answered: float = 0.0  # when the last reply was written
    _is_interrupted: bool = False  # the command that is being answered, by `# interrupt`

    @property
    def board(self) -> "GtpBoard":
        """The board as the commands so far have left it."""
        if self._board is None:
            from minigo.engines.gtp_board import GtpBoard  # with numpy: too slow for the first replies
            from minigo.go.position import Position

            rules = self.game.rules if self.rules is None else self.rules
            self._board = GtpBoard(Position.empty(self.game.board_size, self.game.komi, rules))
        return self._board

    @property
    def has_board(self) -> bool:
        """Whether any command has needed the board since it was cleared."""
        return self._board is not None

    def clear_board(self) -> None:
        """A new game on an empty board. The clock starts anew, too."""
        self._board = None
        self.pondered = None
        if self._clock is not None:
            self.clock = self._clock.started(self._clock.control)
        if self.loader.loaded is not None:
            self.loader.loaded.new_game()

    def prepare(self) -> None:
        """Lets the thinker get ready for this board size, if it is loaded; otherwise it does so when it is."""
        if self.loader.loaded is not None:
            self.loader.loaded.prepare(self.game.board_size)

    @property
    def clock(self) -> "Clock":
        """The clock of the game, by default one without limits."""
        if self._clock is None:
            from minigo.engines.clock import NO_CLOCK

            return NO_CLOCK
        return self._clock

    @clock.setter
    def clock(self, clock: "Clock") -> None:
        self._clock = clock

    @property
    def reply(self) -> Reply:
        """The reply to the command that is being answered."""
        if self._reply is None:
            raise RuntimeError("there is a reply only while a command is being answered")
        return self._reply

    def begin(self, reply: Reply) -> None:
        """Says that a command is being answered."""
        self._reply = reply
        self._is_interrupted = False
        self.breath = self.inbox.taken_breath
        self.asked = max(self.inbox.taken_arrival, self._answered)

    def end(self) -> None:
        """Says that the reply has been written."""
        self._answered = time.monotonic()

    @property
    def to_ponder(self) -> "Position | None":
        """What is worth thinking about until the next line comes; None where the last move was not ours."""
        wanted = self.options.ponder and self.pondered is not None and self.inbox.is_empty
        return self.pondered if wanted and self.board.position is self.pondered else None

    def must_move(self) -> bool:
        """Whether the search for a move shall end: somebody is leaving, or asked for this move at once."""
        self.is_leaving |= self.inbox.is_leaving_after(self.breath)
        self._is_interrupted = self._is_interrupted or self.inbox.obeys_interrupt(self.breath)
        return self.is_leaving or self._is_interrupted

    def must_stop(self) -> bool:
        """Whether an analysis shall end: any line has arrived."""
        return not self.inbox.is_empty

    def thinker(self, interrupted: Callable[[], bool] | None = None) -> Thinker:
        """Whoever thinks. Waits until it is loaded.

        Raises:
            GtpError: it can not be loaded, or the wait was interrupted.
        """
        interrupted = self.must_move if interrupted is None else interrupted
        self.loader.start(at_once=True)
        self.inbox.wait_for(lambda: self.loader.is_done or interrupted())
        if self.loader.error is not None:
            raise GtpError(f"the network could not be loaded: {self.loader.error}")
        thinker = self.loader.loaded
        if thinker is None:
            raise GtpError("interrupted while the network was being loaded")
        if self._told is None or self._told != (self.options, self.search):
            thinker.set_options(self.options, self.search)
            self._told = (self.options, self.search)
        return thinker
