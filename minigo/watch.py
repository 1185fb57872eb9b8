# SPDX-License-Identifier: Apache-2.0
"""What a trainer watches while it trains: its games, its batches, and what its network has learned of them.

`TrainingWatch` collects; whether that is an alarm is decided in `minigo.alarms`.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigo.alarms import (
    Finding,
    Watch,
    dead_heads,
    one_color,
    stale_network,
    symmetry_off,
    value_against_result,
    wrong_targets,
)
from minigo.config import Config, TrainConfig
from minigo.data.audit import Audit, head_skills
from minigo.data.examples import Batch, ExampleStream
from minigo.data.shards import RANDOM_PLAYOUTS
from minigo.data.window import Window
from minigo.go.record import GameRecord
from minigo.run import Run

GAMES: Final = 500  # the newest ones say who wins
SKILL_EXAMPLES: Final = 512  # tell what a network knows

Measure = Callable[[Iterable[Batch]], dict[str, float]]
"""The averaged network's losses on batches, by name."""


class _Game(NamedTuple):
    """What is kept of a game."""

    score_for_black: float
    agreement: float  # see `minigo.alarms.value_against_result`; NaN where nobody won or nothing was searched


class TrainingWatch:
    """Watches the trainings of one process, one after the other.

    Args:
        run: that is trained.
        worker: this process, in the metrics.
    """

    def __init__(self, run: Run, worker: str) -> None:
        self._run = run
        self._config: Config = run.config
        self._watch = Watch(run, worker)
        self._games: deque[_Game] = deque(maxlen=GAMES)
        self._champions: list[str] = []
        self._new_games: Counter[str] = Counter()
        self._audit = Audit(self._config.train.value_from_search)

    def begin(self, records: Iterable[GameRecord], window: Window) -> Callable[[NDArray[np.int64], Batch], None]:
        """Begins a training.

        Args:
            records: the games that are new in it.
            window: that examples are drawn from.

        Returns:
            What each batch is to be shown to, with its positions in the window.
        """
        audit = self._audit = Audit(self._config.train.value_from_search)
        untrained = {RANDOM_PLAYOUTS, self._run.untrained_network()}
        records = [record for record in records if record.black not in untrained]
        self._new_games = Counter(record.black for record in records)
        self._games += [_Game(record.score_for_black, agreement(record)) for record in records]
        return lambda positions, batch: audit.see(window, positions, batch)

    def conclude(self, window: Window, step: int, measure: Measure) -> None:
        """Ends a training: every check is made, and alarms are said.

        Args:
            window: that examples were drawn from.
            step: steps taken so far.
            measure: asks the network as it is now.
        """
        train = self._config.train
        skills = self._skills(window, step, measure)
        scores = [game.score_for_black for game in self._games]
        self._watch.hear(
            [
                symmetry_off(self._audit),
                *wrong_targets(self._audit),
                value_against_result([game.agreement for game in self._games if not np.isnan(game.agreement)]),
                one_color(sum(s > 0 for s in scores), sum(s < 0 for s in scores), self._config.game),
                self._stale(),
                *dead_heads(skills, step, train.warmup_steps),
            ]
        )

    def _stale(self) -> Finding | None:
        champion = self._run.champion()
        if champion is None:
            return None
        if champion.network not in self._champions[-1:]:
            self._champions.append(champion.network)
        newer = sum(name > champion.network for name in self._run.networks())
        return stale_network(self._new_games, self._champions, newer)

    def _skills(self, window: Window, step: int, measure: Measure) -> dict[str, float]:
        """What each head that is trained knows of the window."""
        train = self._config.train
        batches = -(-SKILL_EXAMPLES // train.batch_size)
        with ExampleStream(window, train, np.random.default_rng([self._config.seed, step]), batches) as stream:
            examples = list(stream)
        targets = {name: np.concatenate([batch.targets[name] for batch in examples]) for name in examples[0].targets}
        skills = head_skills(measure(examples), targets)
        return {head: skill for head, skill in skills.items() if is_trained(head, train)}


def is_trained(head: str, config: TrainConfig) -> bool:
    """Whether a head's loss has any weight."""
    weight: float = getattr(config, f"{head}_weight")
    return weight > 0


def agreement(record: GameRecord) -> float:
    """The mean of value times result, 1 or -1, for the player to move, over the searched plies of the later half."""
    plies = np.arange(record.num_moves)
    result = np.sign(record.score_for_black) * np.where(plies % 2 == 0, 1, -1)
    later = (plies >= record.num_moves // 2) & ~np.isnan(record.root_values)
    if record.score_for_black == 0 or not later.any():
        return float("nan")
    return float(np.mean((record.root_values * result)[later]))
