# SPDX-License-Identifier: Apache-2.0
"""An engine that thinks on a time that passes only while a network evaluates, and positions for it."""

from collections.abc import Callable
from typing import Any

from cc_kernels.board import BLACK
from minigo.config import SearchConfig
from minigo.engines.clock import Clock, TimeControl
from minigo.engines.options import PlayOptions
from minigo.engines.thinking import Decision, Thinking
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluator
from tests.support.diagrams import stones_from_diagram
from tests.support.thinking import FakeTime, SlowEvaluator

STEP = 0.01  # seconds of a batch

CAPTURE = """
    . . . . .
    . . X . .
    . X O X .
    . . . . .
    . . . . .
"""


class Bench:
    """An engine whose every batch takes STEP seconds of a fake time."""

    def __init__(self, inner: Evaluator, *, visits: int = 40, **options: Any) -> None:
        self.time = FakeTime()
        self.evaluator = SlowEvaluator(inner, self.time, STEP)
        config = SearchConfig(num_simulations=visits)
        self.thinking = Thinking(
            self.evaluator, config, PlayOptions(**options), batch_rows=8, cached_positions=1000, now=self.time
        )

    def decide(self, position: Position, clock: Clock | None = None, **wishes: Any) -> Decision:
        wishes.setdefault("interrupted", lambda: False)
        return self.thinking.decide(position, clock, **wishes)

    def seconds_of(self, act: Callable[[], object]) -> float:
        before = self.time.seconds
        act()
        return self.time.seconds - before


def empty(board_size: int = 5, komi: float = 7.5, rules: str = "cgos") -> Position:
    return Position.empty(board_size, komi, rules)


def shown(diagram: str, to_play: int = BLACK, komi: float = 0.0, rules: str = "cgos") -> Position:
    return Position.from_stones(stones_from_diagram(diagram), to_play, komi, rules)


def clock_of(text: str) -> Clock:
    return Clock.started(TimeControl.from_kata(text.split()))
