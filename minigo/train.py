# SPDX-License-Identifier: Apache-2.0
"""Training on a run's games: new shards enter the window, the network takes its steps, a candidate is published.

Nothing is lost or counted twice, wherever this is killed: one commit moves the checkpoint, the consumed shards and
the candidate to be published together; publishing then is finished by whoever trains next. Start at
`RunTrainer.train`; `train_worker` follows a run with it.
"""

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import Any, Final

import keras
import numpy as np

from cc_kernels.features import PLANE_NAMES
from minigo import __version__
from minigo.config import Config
from minigo.data.examples import Batch, ExampleStream
from minigo.data.shards import shard_age
from minigo.data.window import Window, trainable_plies, window_size
from minigo.go.record import GameRecord
from minigo.heartbeats import Heartbeats
from minigo.intake import Intake
from minigo.network.growth import grown_network
from minigo.network.network import Network
from minigo.network.precision import settled_precision
from minigo.network.trainer import Trainer, learning_rate
from minigo.run import Run, RunError, TrainerState, shard_stem
from minigo.watch import TrainingWatch

HOLDOUT_EXAMPLES: Final = 2048
POLL_SECONDS: Final = 5.0
WORKER: Final = "trainer"
_AVERAGE: Final = "average.safetensors"
_CANDIDATE: Final = "candidate.json"

_log = logging.getLogger(__name__)


class RunTrainer:
    """Trains one run, from its first network on. Keeps the compiled model and the window between generations.

    From its first training on, any trainer of the run that started before can not commit any more.

    Args:
        run: where games come from and networks go.
        trainer: what takes the steps; tests have one that costs nothing.
        beat: called before each step, and before each shard is read.

    Raises:
        RunError: an earlier version trained it, whose networks read other planes.
    """

    def __init__(self, run: Run, trainer: type[Trainer] = Trainer, beat: Callable[[], None] = lambda: None) -> None:
        self._run = run
        self._beat = beat
        self._config = run.config
        self._trainer = trainer
        self._session: _Session | None = None
        if keras.backend.backend() != "tensorflow":
            _log.info("no TensorBoard events: they take TensorFlow, and this trains with %s", keras.backend.backend())
        _check_planes(run)
        _publish_candidate(run)

    def publish_first_network(self) -> str:
        """Publishes the network that knows nothing yet, unless the run has networks; the first one's name."""
        networks = self._run.networks()
        if networks:
            return networks[0]
        network = Network.create(self._config.network, seed=self._config.seed)
        origin = {"parent": None, "step": 0, "positions_seen": 0, "games_seen": 0, "examples_seen": 0}
        return self._run.publish_network(network.to_bytes(), {**origin, **_origin(self._config, network)})

    def new_shards(self) -> list[str]:
        """Paths of the shards that training has not consumed and that are not in quarantine, sorted."""
        run = self._run
        return sorted(set(run.shards()) - run.training.consumed_shards() - run.quarantined().keys())

    def train(self, progress: float, stop: threading.Event, seconds: float = 0.0) -> str | None:
        """Trains on the games that are new, and publishes a candidate.

        Args:
            progress: share of the run's budget that is used, in [0, 1]; decides the learning rate.
            stop: ends training after the step it is at; what it learned since the last commit is dropped.
            seconds: of the budget that are used: stored, so that a run that moves or is resumed goes on from there.

        Returns:
            The candidate's name; None if there were no new games, or if it was stopped.

        Raises:
            StaleError: another trainer has started since; stop.
            NetworkError, CorruptError: the run's checkpoint or first network is not what was stored.
        """
        if self._session is None:
            self._session = _Session(self._run, self._trainer, self.publish_first_network(), self._beat)
        session, self._session = self._session, None  # dropped unless it ends in a commit
        games = session.new_games(self.new_shards())
        if games:
            candidate = session.train(games, progress, stop, seconds)
            if candidate is None:
                return None
        self._session = session
        return candidate if games else None


class _Session:
    """One trainer's work since it started: window, network and optimizer, and the state that they stand for."""

    def __init__(self, run: Run, trainer: type[Trainer], first_network: str, beat: Callable[[], None]) -> None:
        self._run = run
        self._beat = beat
        self._config = run.config
        self._intake = Intake(run, beat)
        self._state = run.training.start()
        self._trainer = self._restored_trainer(trainer, first_network)
        self._window = self._rebuilt_window()
        self._holdout = Window(self._config.game, self._config.train)
        self._holdout_paths: set[str] = set()
        self._watch = TrainingWatch(run, f"{WORKER}-{self._state.epoch:06d}")

    def new_games(self, paths: Iterable[str]) -> dict[str, list[GameRecord]]:
        """The games of good shards that training has not consumed; one that it has, under another hour, is no good."""
        return self._intake.games(paths, {shard_stem(path) for path in self._run.training.consumed_shards()})

    def train(
        self, games: dict[str, list[GameRecord]], progress: float, stop: threading.Event, budget_used: float
    ) -> str | None:
        """Trains on the window with these games in it, commits and publishes; None if stopped before."""
        started, config = time.monotonic(), self._config.train
        records = [record for shard in games.values() for record in shard]
        positions = self._window.add(records)
        if self._window.num_positions == 0:
            raise RunError("no game has a position to train on: selfplay.full_share must be above 0")
        steps = max(1, round(config.replay_ratio * positions / config.batch_size))
        _log.info(
            "training: %d steps, for %d new positions of %d games; the window has %d positions",
            steps,
            positions,
            len(records),
            self._window.num_positions,
        )
        rng = np.random.default_rng([self._config.seed, self._trainer.step])
        on_batch = self._watch.begin(records, self._window)
        with ExampleStream(self._window, config, rng, steps, on_batch) as batches:
            losses = self._trainer.train(_until(batches, stop, self._beat), progress)
        if stop.is_set():
            return None
        seconds = time.monotonic() - started
        losses |= self._holdout_losses()
        self._commit(games, positions, len(records), steps, budget_used)
        name = _publish_candidate(self._run)
        self._report(
            {
                "network": name,
                "learning_rate": learning_rate(self._trainer.step, progress, config),
                "new_games": len(records),
                "new_positions": positions,
                "steps": steps,
                "seconds": seconds,
                "examples_per_s": steps * config.batch_size / seconds,
                **losses,
            }
        )
        self._watch.conclude(self._window, self._trainer.step, self._trainer.measure)
        return name

    def _check_finite(self, average: Network) -> None:
        """Raises RunError if training has diverged: such weights would end this run for good once they are stored."""
        broken = [name for name, array in average.weights.items() if not np.isfinite(array).all()]
        if broken:
            raise RunError(
                f"training diverged by step {self._trainer.step}: weight {broken[0]} must be finite numbers, and is no "
                "more. Nothing of this training was stored. A new run with a lower --train.learning_rate than "
                f"{self._config.train.learning_rate:g} may begin with this one's champion (--first_network)"
            )

    def _restored_trainer(self, kind: type[Trainer], first_network: str) -> Trainer:
        network = Network.from_bytes(*self._run.network_files(first_network))
        if network.config != self._config.network:  # a copy of a smaller one
            network = grown_network(network, self._config.network, seed=self._config.seed)
        precision = self._config.machine.precision
        precision = settled_precision("auto" if precision == "int8" else precision)
        trainer = kind(network, self._config.train, precision=precision)
        if self._state.checkpoint is not None:
            trainer.restore(self._run.training.read_checkpoint(self._state))
            _publish_candidate(self._run)
        return trainer

    def _rebuilt_window(self) -> Window:
        """The newest consumed games, in the order in which they came, as many as the window holds."""
        shards: list[list[GameRecord]] = []
        positions, size = 0, window_size(self._state.positions_seen, self._config.train)
        for path in reversed(self._run.training.consumption_order()):
            if positions >= size:
                break
            for records in self._intake.games([path]).values():
                shards.append(records)
                positions += sum(len(trainable_plies(record, self._config.train)) for record in records)
        before = max(0, self._state.positions_seen - positions)
        window = Window(self._config.game, self._config.train, positions_seen=before)
        window.add([record for records in reversed(shards) for record in records])
        return window

    def _holdout_losses(self) -> dict[str, float]:
        """The averaged network's losses on games that were never trained on; none if there are no such games."""
        quarantined = self._run.quarantined().keys()
        paths = sorted(set(self._run.shards(holdout=True)) - quarantined - self._holdout_paths, key=shard_age)
        self._holdout_paths |= set(paths)
        self._holdout.add([record for records in self._intake.games(paths).values() for record in records])
        share = self._config.train.holdout_share  # as old as the window's games, so that losses can be compared
        expected = round(self._window.num_games * share / (1 - share))
        self._holdout.keep_newest(max(expected, self._config.selfplay.games_per_shard))
        if self._holdout.num_positions == 0:
            return {}
        config = self._config.train
        batches = max(1, HOLDOUT_EXAMPLES // config.batch_size)
        with ExampleStream(self._holdout, config, np.random.default_rng(0), batches) as stream:
            losses = self._trainer.measure(stream)
        return {f"holdout_{name}": loss for name, loss in losses.items()}

    def _commit(self, shards: Iterable[str], positions: int, games: int, steps: int, seconds: float) -> None:
        """Stores checkpoint, consumed shards and the candidate in one move."""
        state = dataclasses.replace(
            self._state,
            step=self._trainer.step,
            positions_seen=self._state.positions_seen + positions,
            games_seen=self._state.games_seen + games,
            examples_seen=self._state.examples_seen + steps * self._config.train.batch_size,
            seconds=max(self._state.seconds, seconds),
        )
        average = self._trainer.averaged_network()
        self._check_finite(average)
        files = {
            **self._trainer.checkpoint(),
            _AVERAGE: average.to_bytes(),
            _CANDIDATE: json.dumps(self._candidate_info(state, average), sort_keys=True).encode(),
        }
        self._state = self._run.training.commit(state, files, shards, self._state)

    def _candidate_info(self, state: TrainerState, average: Network) -> dict[str, Any]:
        return {
            **_origin(self._config, average),
            "parent": self._run.networks()[-1],
            "epoch": state.epoch,
            "step": state.step,
            "positions_seen": state.positions_seen,
            "games_seen": state.games_seen,
            "examples_seen": state.examples_seen,
            "window": {"positions": self._window.num_positions, "games": self._window.num_games},
        }

    def _report(self, numbers: dict[str, Any]) -> None:
        state = self._state
        row = {
            "step": state.step,
            "positions_seen": state.positions_seen,
            "games_seen": state.games_seen,
            "window_positions": self._window.num_positions,
            "window_games": self._window.num_games,
            "quarantined": len(self._run.quarantined()),
            **numbers,
        }
        self._run.telemetry.append_metrics("train", f"{WORKER}-{state.epoch:06d}", [row])
        folder = self._run.telemetry.tensorboard_folder("train")
        if folder is not None and keras.backend.backend() == "tensorflow":
            _write_events(str(folder), state.step, {k: v for k, v in row.items() if isinstance(v, int | float)})


def _check_planes(run: Run) -> None:
    """Raises RunError if training can not go on from the checkpoint, because there are more planes now."""
    state = run.training.state()
    if state is None or state.checkpoint is None:
        return
    planes = json.loads(run.training.read_checkpoint(state)[_CANDIDATE])["planes"]
    if planes != list(PLANE_NAMES):
        raise RunError(
            f"the checkpoint of {run.url} must read the {len(PLANE_NAMES)} planes of this version, got the "
            f"{len(planes)} of an earlier one, which has to finish it. A new run may begin with what it has learned "
            f"(--first_network={run.url})"
        )


def _publish_candidate(run: Run) -> str | None:
    """Publishes the candidate of the last commit, unless it is published; its name, None before the first commit.

    Called after each commit, and whenever a trainer starts: the one before may have been killed in between.
    """
    state = run.training.state()
    if state is None or state.checkpoint is None:
        return None
    newest = run.networks()[-1]
    if run.network_info(newest).get("checkpoint") == state.checkpoint:
        return newest
    files = run.training.read_checkpoint(state)
    return run.publish_network(files[_AVERAGE], {**json.loads(files[_CANDIDATE]), "checkpoint": state.checkpoint})


def _write_events(folder: str, step: int, scalars: dict[str, float]) -> None:
    """Writes numbers as TensorBoard shows them. `tf.summary.scalar` would do, if TensorBoard were installed."""
    import tensorflow as tf

    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    try:
        writer = tf.summary.create_file_writer(folder)
        with writer.as_default(step=step):
            for name, value in scalars.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=metadata)
        writer.close()
    except tf.errors.OpError as error:  # the numbers are in the metrics, too
        _log.warning("no TensorBoard events of step %d in %s: %s", step, folder, error.message)


def train_worker(
    run: Run,
    stop: threading.Event,
    *,
    poll_seconds: float = POLL_SECONDS,
    beat: Callable[[str], None] = lambda _: None,
) -> None:
    """Follows a run: waits for games, trains on them, publishes candidates, until it is stopped.

    Args:
        run: the run.
        stop: ends it after the step it is at; what it learned since the last commit is dropped.
        poll_seconds: how often it looks for games.
        beat: told what it does, whenever it has got on with it.

    Raises:
        StaleError: another trainer has taken over.
    """
    used = run.seconds_used(WORKER)
    started, said = time.monotonic(), ""

    def elapsed() -> float:
        return used + time.monotonic() - started

    def details() -> dict[str, float]:
        return {"elapsed_seconds": round(elapsed(), 1)}

    with Heartbeats(run, WORKER, "train", details, beat) as say:
        trainer = RunTrainer(run, beat=lambda: say("training"))
        trainer.publish_first_network()
        while not stop.is_set():
            have, needed = len(trainer.new_shards()), _shards_needed(run)
            waits = f"waiting for games: {have} of {needed} new shards, {max(0, needed - have)} missing"
            doing = "training" if have >= needed else f"{waits} ({run.config.selfplay.games_per_shard} games each)"
            say(doing)
            if doing != said:
                _log.info("%s", doing)
                said = doing
            if have < needed:
                stop.wait(poll_seconds)
                continue
            name = trainer.train(_progress(run, elapsed()), stop, elapsed())
            if name is not None:
                _log.info("published network %s", name)


def _shards_needed(run: Run) -> int:
    """New shards to wait for: the random games at first, if the run begins with any, then a generation's."""
    config = run.config
    random_games = 0 if run.training.consumed_shards() else run.random_games()
    games = random_games or config.loop.games_per_generation
    return -(-games // config.selfplay.games_per_shard)


def _progress(run: Run, elapsed: float) -> float:
    """Share of the run's budget that is used, in generations if it counts them, else in minutes."""
    loop = run.config.loop
    if loop.generations:
        return min(1.0, len(run.networks()) / loop.generations)
    return min(1.0, elapsed / (60 * loop.minutes)) if loop.minutes else 1.0


def _until(batches: Iterable[Batch], stop: threading.Event, beat: Callable[[], None]) -> Iterator[Batch]:
    for batch in batches:
        if stop.is_set():
            return
        beat()
        yield batch


def _origin(config: Config, network: Network) -> dict[str, Any]:
    """What a network's info says about how it was made."""
    return {
        **network.description(),
        "config_sha256": config.learning_sha256(),
        "versions": {
            "minigo": __version__,
            **{name: version(name) for name in ("keras", keras.backend.backend(), "numpy")},
        },
    }
