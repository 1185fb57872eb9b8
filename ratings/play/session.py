# SPDX-License-Identifier: Apache-2.0
"""One game in a browser: as it is kept (`Session`), and as it is seen (`SessionView`)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ratings.play.game import PlayedGame
from ratings.play.insight import Insight


class NoGameError(LookupError):
    """There is no game of this id.

    Attributes:
        was_dropped: there was one, and it has given way to newer ones.
    """

    def __init__(self, *, was_dropped: bool) -> None:
        super().__init__(
            "this game is no longer kept: newer games needed its place, and it was the one idle for longest"
            if was_dropped
            else "there is no such game; games end when the dashboard does"
        )
        self.was_dropped = was_dropped


@dataclass(frozen=True)
class SessionView:
    """What there is to see of a game at one moment.

    Attributes:
        game_id: its id, which nobody guesses.
        version: counts its changes.
        game: the game.
        phase: "your_turn", "waiting" (for a free thread), "starting" (the network loads), "thinking", "counting",
            "broken" (see `trouble`), or "over".
        is_busy: whether something is being thought for it, so that it will change by itself.
        trouble: why the engine does not think, in words; None: it does.
        wants_analysis: whether analyses are shown.
        insight: what the engine thinks of this position; None: nothing is known, or is to be shown.
    """

    game_id: str
    version: int
    game: PlayedGame
    phase: str
    is_busy: bool
    trouble: str | None
    wants_analysis: bool
    insight: Insight | None


@dataclass
class Session:
    """A game as it is kept; guarded by the lock of `PlaySessions`.

    Attributes:
        game: the game.
        version: counts its changes.
        activity: a phase of `SessionView`, while something is being done for it.
        trouble: why its engine does not think.
        wants_analysis: whether analyses are shown.
        insight: what the engine thinks of this position.
        listeners: called when the game changes.
    """

    game: PlayedGame
    version: int = 0
    activity: str | None = None
    trouble: str | None = None
    wants_analysis: bool = False
    insight: Insight | None = None
    listeners: set[Callable[[], None]] = field(default_factory=set)
