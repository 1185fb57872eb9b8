# SPDX-License-Identifier: Apache-2.0
"""`PlayLimits`: how much playing in browsers may cost the machine that serves it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlayLimits:
    """How much playing may cost.

    Attributes:
        games: that are kept; the one that was idle for longest gives way to a new one.
        engines: games whose search is kept.
        networks: processes that compute networks.
        threads: games that are thought about at the same time.
        waiting: games that may wait for a thread.
        visits: the most that a game can ask for.
        seconds: the most that a move may be asked to take.
        analysis_visits: of an analysis, after which it ends.
        analysis_seconds: after which it ends, too.
        watchers: pages that may watch one game live.
        engine_idle_seconds: an engine or a process that was not used for so long is ended.
        load_seconds: a network that has not loaded after so long is given up.
        answer_seconds: so is one that lets an evaluation wait for so long.
    """

    games: int = 500
    engines: int = 4
    networks: int = 2
    threads: int = 2
    waiting: int = 16
    visits: int = 2000
    seconds: float = 20.0
    analysis_visits: int = 2000
    analysis_seconds: float = 20.0
    watchers: int = 8
    engine_idle_seconds: float = 300.0
    load_seconds: float = 180.0
    answer_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("games", "engines", "networks", "threads", "waiting", "visits", "analysis_visits", "watchers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.networks < self.threads or self.engines < self.threads:
            raise ValueError(
                f"networks and engines must be as many as threads or more, got {self.networks} networks and "
                f"{self.engines} engines for {self.threads} threads"
            )
