# SPDX-License-Identifier: Apache-2.0
"""`PlayOptions`: how an engine behaves in a game, apart from how it searches."""

from dataclasses import dataclass
from typing import Final

AGREED_RULES: Final = ("chinese", "chinese-ogs", "chinese-kgs", "aga", "new-zealand")
"""Rule sets whose players agree on dead stones; under the others a game is counted as it stands."""


@dataclass(frozen=True)
class PlayOptions:
    """How an engine behaves in a game.

    Attributes:
        seconds_per_move: no move takes longer; 0: no such limit.
        timed_visits: a move ends after so many visits even if a clock or `seconds_per_move` leaves time; without
            either, the search's number of simulations counts.
        resign_threshold: resigns where its value, in [-1, 1], stays below minus this; 0: never.
        resign_moves: in how many decisions one after the other it must be that low.
        ponder: thinks while it is the other's turn.
        friendly_pass: where players agree on dead stones (`AGREED_RULES`), answers a pass by a pass that wins with
            them taken off, though it may lose as the board stands.
        lag_seconds: what the controller may count for a move beyond what the engine takes.
    """

    seconds_per_move: float = 0.0
    timed_visits: int = 5_000_000
    resign_threshold: float = 0.0
    resign_moves: int = 3
    ponder: bool = False
    friendly_pass: bool = True
    lag_seconds: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.resign_threshold <= 1:
            raise ValueError(f"resign_threshold must be in 0..1, got {self.resign_threshold}")
        for name in ("seconds_per_move", "lag_seconds"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be 0 or more and finite, got {getattr(self, name)}")
        for name in ("timed_visits", "resign_moves"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
