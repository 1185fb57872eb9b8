# SPDX-License-Identifier: Apache-2.0
"""`TimeControl`: how much time a game has. `Clock`: what is left of it, and how much of that a move may take.

Both are immutable values: what changes a clock returns another one. A clock reads no time itself; it is told what a
move took, or what the controller says is left.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

from cc_kernels.board import BLACK
from minigo.engines.gtp_table import real_from
from minigo.go.position import Position

KINDS: Final = ("none", "absolute", "canadian", "byoyomi", "fischer", "fischer-capped")
"""The kinds of time control by the names of `kata-time_settings`; KGS knows the first four."""
MAX_SECONDS: Final = 1e8  # three years; what is longer is no time control
MAX_STONES: Final = 100_000
LAG_SECONDS: Final = 0.3
"""By default, what the controller may count for a single move beyond what the engine takes."""
UNSEEN_SECONDS: Final = 0.1
"""By default, what it is presumed to count for each move, where it does not say what is left: errors add up."""

_GAME_LENGTH: Final = 0.85  # moves of a game for each point of the board, by both players together
_LONGEST_GAME: Final = 2.0  # moves of a game that goes on and on, for each point of the board
_LEAST_MOVES_LEFT: Final = 0.1  # own moves still to come in a game of any length, for each point of the board
_PATIENCE: Final = 3.0  # an unsettled move may take this many times its share
_LARGEST_SHARE: Final = 0.25  # of all the time that never comes back, one move takes no more than this
MOVE_SECONDS: Final = 0.05  # a move takes this long even when there is no time to think
_FIRST_SHARE: Final = 0.5  # of the moves that are left; time that overtime adds to is spent in this first part
_PERIODS_KEPT: Final = 2  # byo-yomi periods that are never given up for a move


class Budget(NamedTuple):
    """How long a move may take from when it was asked for."""

    soft: float
    """Seconds after which a settled move is played; infinite without a clock."""
    hard: float
    """Seconds after which any move must be played, at least `soft`; infinite without a clock."""


@dataclass(frozen=True)
class TimeControl:
    """How much time each player of a game has.

    Attributes:
        kind: one of `KINDS`.
        main_seconds: before overtime begins; all there is when `kind` is absolute or fischer.
        period_seconds: of each period of overtime.
        stones: moves to be made in a period (canadian), or number of periods (byoyomi).
        increment: seconds added after each move (fischer).
        most_seconds: the increment never takes what is left above this (fischer-capped).
        most_per_move: no move may take longer than this (fischer-capped).
    """

    kind: str = "none"
    main_seconds: float = 0.0
    period_seconds: float = 0.0
    stones: int = 0
    increment: float = 0.0
    most_seconds: float = math.inf
    most_per_move: float = math.inf

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"time control must be one of {', '.join(KINDS)}, got {self.kind!r}")

    @classmethod
    def from_gtp(cls, words: Sequence[str]) -> Self:
        """Reads the arguments of `time_settings`: main time, overtime and its stones.

        As GTP defines it (section 4.2), an overtime of 0 seconds is none, and one without stones is no limit at all.

        Raises:
            ValueError: they are not three numbers in range.
        """
        main, period, stones = _numbers(words, ("main time", "overtime", "stones"), (_seconds, _seconds, _count))
        if period > 0 and stones == 0:
            return cls()
        if period == 0:
            return cls("absolute", main)
        return cls("canadian", main, period, int(stones))

    @classmethod
    def from_kgs(cls, words: Sequence[str]) -> Self:
        """Reads the arguments of `kgs-time_settings`: none, absolute, canadian or byoyomi, and its numbers.

        Raises:
            ValueError: the kind is another, or its numbers are too few, too many or out of range.
        """
        return cls._from_kind(words, KINDS[:4])

    @classmethod
    def from_kata(cls, words: Sequence[str]) -> Self:
        """Reads the arguments of `kata-time_settings`: as KGS's, and `fischer MAIN INCREMENT` and `fischer-capped
        MAIN INCREMENT MOST MOST_PER_MOVE`, where a negative cap is none.

        Raises:
            ValueError: the kind is another, or its numbers are too few, too many or out of range.
        """
        return cls._from_kind(words, KINDS)

    @classmethod
    def _from_kind(cls, words: Sequence[str], kinds: Sequence[str]) -> Self:
        kind = words[0].lower() if words else ""
        if kind not in kinds:
            raise ValueError(f"time control must be one of {', '.join(kinds)}, got {kind!r}")
        rest = words[1:]
        if kind == "none":
            _numbers(rest, (), ())
            return cls()
        if kind == "absolute":
            (main,) = _numbers(rest, ("main time",), (_seconds,))
            return cls(kind, main)
        if kind == "canadian":
            main, period, stones = _numbers(rest, ("main time", "overtime", "stones"), (_seconds, _seconds, _count))
            return cls(kind, main, period, int(stones)) if period and stones else cls("absolute", main)
        if kind == "byoyomi":
            main, period, periods = _numbers(
                rest, ("main time", "period time", "periods"), (_seconds, _seconds, _count)
            )
            return cls(kind, main, period, int(periods)) if period and periods else cls("absolute", main)
        if kind == "fischer":
            main, increment = _numbers(rest, ("main time", "increment"), (_seconds, _seconds))
            return cls(kind, main, increment=increment)
        names = ("main time", "increment", "main time limit", "most time per move")
        main, increment, most, per_move = _numbers(rest, names, (_seconds, _seconds, _cap, _cap))
        return cls(kind, min(main, most), increment=increment, most_seconds=most, most_per_move=per_move)


class TimeLeft(NamedTuple):
    """What one player has."""

    seconds: float
    """Of main time, or of the current period."""
    stones: int
    """0: main time; otherwise moves still to be made in this period (canadian), or periods, this one included
    (byoyomi)."""


@dataclass(frozen=True)
class Clock:
    """The clock of a game: its time control and what each player has left. Start with `Clock.started`.

    Attributes:
        control: the time control.
        black: what Black has left.
        white: what White has left.
        is_guessed: whether the controller has not said what is left since the last move.
    """

    control: TimeControl
    black: TimeLeft
    white: TimeLeft
    is_guessed: bool = True

    @classmethod
    def started(cls, control: TimeControl) -> Self:
        """The clock before the first move."""
        left = _in_overtime(control, TimeLeft(control.main_seconds, 0))
        return cls(control, left, left)

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return self.control.kind != "none"

    def left(self, color: int) -> TimeLeft:
        """What a player has left."""
        return self.black if color == BLACK else self.white

    def has_run_out(self, color: int) -> bool:
        """Whether a player has no time left at all."""
        return self.is_limited and self.left(color).seconds <= 0.0

    def updated(self, color: int, seconds: float, stones: int) -> Self:
        """The clock after the controller said what a player has left (`time_left`).

        Args:
            color: BLACK or WHITE.
            seconds: of main time, or of the current period; less than 0 counts as 0.
            stones: 0: main time; otherwise stones of this period (canadian) or periods that are left, as KGS says it
                (byoyomi).
        """
        if math.isnan(seconds) or stones < 0:
            raise ValueError(f"time left must be seconds and a number of stones, got {seconds} and {stones}")
        if self.control.kind not in ("canadian", "byoyomi"):
            stones = 0
        left = TimeLeft(min(max(seconds, 0.0), MAX_SECONDS), stones)
        return replace(self._with(color, left if seconds > 0 else _in_overtime(self.control, left)), is_guessed=False)

    def spent(self, color: int, seconds: float, *, unseen_seconds: float = UNSEEN_SECONDS) -> Self:
        """The clock after a player made a move that took so long; for controllers that send no `time_left`.

        Args:
            color: BLACK or WHITE.
            seconds: from when the move was asked for to when it was played, as the engine measured it.
            unseen_seconds: what the controller is presumed to have counted besides; errors add up over a game.
        """
        control, (left, stones) = self.control, self.left(color)
        if control.kind == "none":
            return self
        after = _after(control, left - max(0.0, seconds) - unseen_seconds, stones)
        return replace(self._with(color, after), is_guessed=True)

    def budget(self, position: Position, color: int | None = None, *, lag_seconds: float = LAG_SECONDS) -> Budget:
        """How long a move in this position may take.

        Args:
            position: says how many moves are still to come.
            color: whose clock runs, by default that of the player to move.
            lag_seconds: what the controller may count for a move beyond what the engine takes.
        """
        control, left = self.control, self.left(position.to_play if color is None else color)
        moves = moves_left(position)
        if control.kind == "none":
            return Budget(math.inf, math.inf)
        if control.kind.startswith("fischer"):
            share, most = _fischer(control, position, left, moves, lag_seconds)
        elif left.stones == 0 and not _has_overtime(control, lag_seconds):
            share, most = _absolute(position, left, moves, lag_seconds)
        elif control.kind == "canadian":
            share, most = _canadian(control, left, moves, lag_seconds)
            if self.is_guessed and left.stones > 0:  # a period may have begun a move later or earlier than we think
                share = most = min(share, control.period_seconds / control.stones - lag_seconds)
        else:
            share, most = _byoyomi(control, left, moves, lag_seconds)
        most = max(0.0, most)
        soft = min(max(0.0, share), most)
        return Budget(soft, max(soft, min(most, _PATIENCE * soft)))

    def _with(self, color: int, left: TimeLeft) -> Self:
        return replace(self, black=left) if color == BLACK else replace(self, white=left)


def _after(control: TimeControl, left: float, stones: int) -> TimeLeft:
    """What there is after a move that left so much of its main time or period, which may be less than nothing."""
    if control.kind.startswith("fischer"):
        return TimeLeft(max(0.0, min(left + control.increment, control.most_seconds)), 0)
    if control.kind == "absolute":
        return TimeLeft(max(0.0, left), 0)
    if stones == 0 and left > 0:
        return TimeLeft(left, 0)
    if stones == 0:  # the move began in main time and ended in overtime
        left, stones = left + control.period_seconds, control.stones
    if control.kind == "canadian":
        if stones <= 1 and left > 0:
            return TimeLeft(control.period_seconds, control.stones)
        return TimeLeft(max(0.0, left), max(1, stones - 1))
    while left <= 0 and stones > 1:  # a period is gone for good
        left, stones = left + control.period_seconds, stones - 1
    return TimeLeft(control.period_seconds if left > 0 else 0.0, stones)


def moves_left(position: Position) -> float:
    """How many moves the player to move may still have to make: fewer as the game goes on, but never few."""
    points = position.board_size**2
    return max((_GAME_LENGTH * points - len(position.moves)) / 2, _LEAST_MOVES_LEFT * points, 4.0)


def _reserve(position: Position, seconds: float, moves: float, each: float) -> float:
    """What the moves to come take without any thought, a little time and the lag for each.

    Those of a very long game; where there is no room for that, those of a usual one, and all that is left if need be.
    """
    longest = max((_LONGEST_GAME * position.board_size**2 - len(position.moves)) / 2, moves)
    return longest * each if longest * each <= seconds else moves * each


def _has_overtime(control: TimeControl, lag: float) -> bool:
    """Whether there is overtime in which moves can be made at all."""
    needed = lag + MOVE_SECONDS
    if control.kind == "canadian":
        return control.stones * needed <= control.period_seconds
    return control.kind == "byoyomi" and needed <= control.period_seconds


def _absolute(position: Position, left: TimeLeft, moves: float, lag: float) -> tuple[float, float]:
    """Time that nothing is added to."""
    free = left.seconds - _reserve(position, left.seconds, moves, lag + MOVE_SECONDS)
    return free / moves, min(_LARGEST_SHARE * left.seconds, free)


def _canadian(control: TimeControl, left: TimeLeft, moves: float, lag: float) -> tuple[float, float]:
    if left.stones == 0:
        by_overtime = control.period_seconds / control.stones
        share = left.seconds / (_FIRST_SHARE * moves) + by_overtime - lag
        reserve = (control.stones - 1) * (lag + MOVE_SECONDS)
        return share, left.seconds + max(0.0, control.period_seconds - reserve - lag) / control.stones - lag
    share = left.seconds / left.stones - lag
    return share, left.seconds - lag - (left.stones - 1) * (lag + MOVE_SECONDS)


def _byoyomi(control: TimeControl, left: TimeLeft, moves: float, lag: float) -> tuple[float, float]:
    if left.stones == 0:  # what the main time lacks, the first period gives, and is whole again afterwards
        share = left.seconds / (_FIRST_SHARE * moves) + control.period_seconds - lag
        return share, left.seconds + control.period_seconds - lag
    spare = max(0, left.stones - _PERIODS_KEPT)
    return left.seconds - lag, left.seconds + spare * control.period_seconds - lag


def _fischer(control: TimeControl, position: Position, left: TimeLeft, moves: float, lag: float) -> tuple[float, float]:
    """Time that grows with every move, or where the increment is less than a move takes, at least falls slowly."""
    each, increment = lag + MOVE_SECONDS, control.increment
    if increment >= each:
        share = left.seconds / (_FIRST_SHARE * moves) + increment - lag
        most = min(max(_LARGEST_SHARE * left.seconds, increment), left.seconds) - lag
    else:
        rest = left.seconds - each  # which the last move needs whatever it gets back
        free = rest - _reserve(position, rest, moves, each - increment)
        share, most = free / (_FIRST_SHARE * moves), min(_LARGEST_SHARE * left.seconds, free)
    return share, min(most, control.most_per_move - lag)


def _in_overtime(control: TimeControl, left: TimeLeft) -> TimeLeft:
    """Overtime begins where there is no main time."""
    if left.stones == 0 and left.seconds <= 0 and control.kind in ("canadian", "byoyomi"):
        return TimeLeft(control.period_seconds, control.stones)
    return left


def _numbers(
    words: Sequence[str], names: Sequence[str], read: Sequence[Callable[[str, str], float]]
) -> tuple[float, ...]:
    if len(words) != len(names):
        raise ValueError(f"time control needs {', '.join(names) or 'no numbers'}; got {' '.join(words) or 'nothing'}")
    return tuple(reader(word, name) for word, name, reader in zip(words, names, read, strict=True))


def _seconds(word: str, name: str) -> float:
    seconds = _float(word, name)
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"{name} must be in 0..{MAX_SECONDS:g} seconds, got {word!r}")
    return seconds


def _cap(word: str, name: str) -> float:
    seconds = _float(word, name)
    return math.inf if seconds < 0 else _seconds(word, name)


def _count(word: str, name: str) -> float:
    number = _float(word, name)
    if not 0 <= number <= MAX_STONES or number != int(number):
        raise ValueError(f"{name} must be an integer in 0..{MAX_STONES}, got {word!r}")
    return number


def _float(word: str, name: str) -> float:
    try:
        return real_from(word)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


NO_CLOCK: Final = Clock.started(TimeControl())
"""The clock of a game without limits."""
