# SPDX-License-Identifier: Apache-2.0
"""Each fault that the alarms are for, planted where it would happen, rings its alarm and no other."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops

import minigo.data.examples
import minigo.network.steps
from minigo.alarms import active_alarms
from minigo.config import Config, GameConfig, LoopConfig, MachineConfig, NetworkConfig, SelfPlayConfig, TrainConfig
from minigo.data.examples import Batch
from minigo.data.shards import write_shard
from minigo.gamepool import new_shard, play_shard
from minigo.go.record import GameRecord
from minigo.network.network import Network
from minigo.run import Run
from minigo.train import RunTrainer
from minigo.watch import agreement
from tests.support.area_evaluator import AreaEvaluator
from tests.support.records import record_of
from tests.support.training import FakeTrainer, publish_random_games

CONFIG = Config(
    game=GameConfig(board_size=4, komi=1.5),
    network=NetworkConfig(blocks=1, channels=8, pooling_blocks=1, head_channels=8, value_hidden=8),
    selfplay=SelfPlayConfig(num_simulations=8, fast_simulations=4, games_per_shard=32, random_games=32),
    train=TrainConfig(
        batch_size=64,
        learning_rate=5e-3,
        replay_ratio=2.0,
        window_min=4000,
        warmup_steps=20,
        untargeted_positions=1000,
    ),
    loop=LoopConfig(games_per_generation=32),
    machine=MachineConfig(precision="float32", games_per_thread=32, batch_rows=32),
    seed=5,
)
Make = Callable[..., Batch]


class Frozen(FakeTrainer):
    """Reads every batch and learns nothing."""

    def train(self, batches: Iterable[Any], progress: float) -> dict[str, float]:
        super().train(batches, progress)
        return {}

    def measure(self, batches: Iterable[Any]) -> dict[str, float]:  # noqa: ARG002
        return {}

    def averaged_network(self) -> Network:
        return self._network


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(str(tmp_path / "run"), CONFIG)


def publish_games(
    run: Run,
    network: str,
    sequences: Iterable[int],
    corrupt: Callable[[GameRecord], GameRecord] = lambda record: record,
) -> None:
    """Self-play of a network of the run, by an evaluator that knows a little Go in its place."""
    sha256 = run.network_info(network)["weights_sha256"]
    for sequence in sequences:
        shard = new_shard(run.config, network, sha256, AreaEvaluator(), "tester", sequence)
        name = run.shard_name(network, "tester", sequence, "2024010101")
        records = [corrupt(record) for record in play_shard(run.config, shard)]
        run.publish_shard(name, write_shard(shard.header, records))


def train(trainer: RunTrainer) -> str:
    name = trainer.train(0.0, threading.Event())
    assert name is not None
    return name


def plant(monkeypatch: pytest.MonkeyPatch, fault: Callable[[Make, tuple[Any, ...]], Batch]) -> None:
    """Puts a fault between the window and the batches."""
    original = minigo.data.examples.make_batch
    monkeypatch.setattr(minigo.data.examples, "make_batch", lambda *arguments: fault(original, arguments))


def with_targets(batch: Batch, **changes: Any) -> Batch:
    return batch._replace(targets={**batch.targets, **changes})


def without_symmetry(make: Make, arguments: tuple[Any, ...]) -> Batch:
    window, positions, symmetries, share = arguments
    return make(window, positions, 0 * symmetries, share)


def rotated_only(make: Make, arguments: tuple[Any, ...]) -> Batch:
    window, positions, symmetries, share = arguments
    return make(window, positions, symmetries % 4, share)


def shuffled(make: Make, arguments: tuple[Any, ...]) -> Batch:
    inputs, targets = make(*arguments)
    order = np.random.default_rng(0).permutation(len(arguments[1]))
    return Batch(inputs, {name: target[order] for name, target in targets.items()})


def outcomes_shuffled(make: Make, arguments: tuple[Any, ...]) -> Batch:
    batch = make(*arguments)
    return with_targets(batch, outcome=np.random.default_rng(0).permutation(batch.targets["outcome"]))


def targets_under_another_symmetry(make: Make, arguments: tuple[Any, ...]) -> Batch:
    window, positions, symmetries, share = arguments
    other = make(window, positions, (symmetries + 1) % 8, share)
    return Batch(make(*arguments).inputs, other.targets)


def loser_wins(make: Make, arguments: tuple[Any, ...]) -> Batch:
    batch = make(*arguments)
    return with_targets(batch, outcome=batch.targets["outcome"][:, ::-1], score_lead=-batch.targets["score_lead"])


def black_wins_what_white_does(make: Make, arguments: tuple[Any, ...]) -> Batch:
    """Results stay those for Black, whoever is to move."""
    batch, (window, positions, _, _) = make(*arguments), arguments
    is_white = window.games.plies[positions] % 2 == 1
    outcome = np.where(is_white[:, None], batch.targets["outcome"][:, ::-1], batch.targets["outcome"])
    ownership = np.where(is_white[:, None, None], -1, 1) * batch.targets["ownership"]
    return with_targets(batch, outcome=outcome, ownership=ownership)


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        (lambda make, arguments: make(*arguments), set()),
        (without_symmetry, {"symmetry_off"}),
        (rotated_only, {"symmetry_off"}),
        (shuffled, {"shuffled_targets"}),
        (outcomes_shuffled, {"shuffled_targets"}),
        (loser_wins, {"wrong_winner"}),
        (black_wins_what_white_does, {"wrong_winner"}),
    ],
)
def test_a_fault_between_games_and_batches_rings_in_the_first_training(run, monkeypatch, fault, kinds):
    plant(monkeypatch, fault)
    publish_random_games(run, 0)
    train(RunTrainer(run, Frozen))

    assert active_alarms(run).keys() == kinds


def test_targets_under_another_symmetry_than_their_planes_ring(run, monkeypatch):
    trainer = started(run)
    plant(monkeypatch, targets_under_another_symmetry)
    publish_games(run, "000001", range(4))
    train(trainer)

    assert active_alarms(run).keys() == {"shuffled_targets"}


def test_an_alarm_ends_when_its_fault_is_mended(run, monkeypatch):
    trainer = RunTrainer(run, Frozen)
    with monkeypatch.context() as planted:
        plant(planted, without_symmetry)
        publish_random_games(run, 0)
        train(trainer)
    publish_random_games(run, 1)
    train(trainer)

    assert [row["state"] for row in run.telemetry.metrics("alarms")] == ["begins", "ends"]
    assert active_alarms(run) == {}


def started(run: Run, networks: int = 2) -> RunTrainer:
    """A run with so many networks, all of which are or were champions, and its trainer."""
    trainer = RunTrainer(run, Frozen)
    for sequence in range(networks - 1):
        publish_random_games(run, sequence)
        train(trainer)
        promote(run)
    return trainer


def promote(run: Run) -> None:
    run.promote(run.networks()[-1], {"reason": "test"}, run.champion())


def test_games_of_a_sound_network_ring_nothing(run):
    trainer = started(run)
    publish_games(run, "000001", range(4))
    train(trainer)

    assert run.telemetry.metrics("alarms") == []


def test_search_values_from_the_opponents_side_ring(run):
    trainer = started(run)
    publish_games(run, "000001", range(4), lambda record: replace(record, root_values=-record.root_values))
    train(trainer)

    assert active_alarms(run).keys() == {"wrong_winner"}
    assert "expect to win the games that they lose" in active_alarms(run)["wrong_winner"]["evidence"]


def test_a_komi_that_lets_one_color_win_everything_rings_with_advice(tmp_path):
    config = replace(CONFIG, game=GameConfig(board_size=4, komi=-20.5))
    run = Run.create(str(tmp_path / "run"), config)
    trainer = started(run)
    publish_games(run, "000001", range(4))
    train(trainer)

    assert active_alarms(run).keys() == {"one_color"}
    assert "Black +2: komi 1.5 is fair" in active_alarms(run)["one_color"]["evidence"]


def test_games_of_a_network_that_was_replaced_long_ago_ring(run):
    trainer = started(run, networks=2)
    for sequence in range(4):
        publish_games(run, "000001", [sequence])
        assert active_alarms(run) == {}
        train(trainer)
        promote(run)

    assert active_alarms(run).keys() == {"stale_network"}
    assert "32 of 32 new games" in active_alarms(run)["stale_network"]["evidence"]


def test_networks_that_nobody_promotes_ring(run):
    trainer = started(run)
    for _ in range(11):
        run.publish_network(b"weights", {"parent": "000001"})
    publish_random_games(run, 7)
    train(trainer)

    assert active_alarms(run).keys() == {"stale_network"}
    assert "12 networks are newer than champion 000001" in active_alarms(run)["stale_network"]["evidence"]


def learn(run: Run, sequences: Sequence[int]) -> None:
    """Trains for real, with enough games that every head could come alive."""
    trainer = RunTrainer(run)
    for sequence in sequences:
        publish_random_games(run, sequence)
    train(trainer)


LEARNING = replace(CONFIG, train=replace(CONFIG.train, replay_ratio=10.0, average_decay=0.9), seed=6)


@pytest.mark.parametrize("head", [None, "ownership", pytest.param("outcome", marks=pytest.mark.slow), "all"])
def test_a_head_that_never_comes_alive_rings(tmp_path, monkeypatch, head):
    original = minigo.network.steps.head_losses
    dead = {None: (), "all": ("outcome", "score_lead", "ownership")}.get(head, (head,))

    def losses(targets: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        return original(targets, {name: ops.zeros_like(o) if name in dead else o for name, o in outputs.items()})

    monkeypatch.setattr(minigo.network.steps, "head_losses", losses)
    run = Run.create(str(tmp_path / "run"), LEARNING)
    learn(run, range(5))

    state = run.training.state()
    assert state is not None
    assert state.step >= 300
    kinds = {None: set(), "all": {"shuffled_targets"}}.get(head, {"dead_head"})
    assert active_alarms(run).keys() == kinds


def test_agreement_is_for_the_player_to_move_over_the_later_half():
    moves = "B2 A1 pass pass"
    values = np.array([-1.0, -1.0, 0.5, -0.25], np.float32)
    record = record_of(moves, root_values=values, komi=-20.0)

    assert record.score_for_black > 0
    assert agreement(record) == pytest.approx((0.5 + 0.25) / 2)
    lost = replace(record, score_for_black=-3.0)
    assert agreement(lost) == pytest.approx(-(0.5 + 0.25) / 2)
    assert np.isnan(agreement(replace(record, score_for_black=0.0)))
    assert np.isnan(agreement(replace(record, root_values=np.full(4, np.nan, np.float32))))
