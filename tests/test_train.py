# SPDX-License-Identifier: Apache-2.0
import dataclasses
import logging
import pkgutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cc_kernels.features import PLANE_NAMES
from minigo.data.shards import RANDOM_PLAYOUTS, read_shard, write_shard
from minigo.data.window import trainable_plies
from minigo.gamepool import new_shard, play_random_shard
from minigo.network.network import Network, arrays_from_bytes
from minigo.run import Run, RunError, StaleError
from minigo.train import RunTrainer, train_worker
from tests.support.learning import busy_network, random_leaves
from tests.support.training import CONFIG, FakeTrainer, publish_random_games, train


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(str(tmp_path / "run"), CONFIG)


def kill_in(monkeypatch: pytest.MonkeyPatch, method: str, *, before: bool) -> None:
    """Ends the process the next time that a method of `minigo.run` is called, before or after it did its work."""
    target = f"minigo.run.{method}"
    original: Callable[..., Any] = pkgutil.resolve_name(target)

    def killed(*arguments: Any, **named: Any) -> None:
        if not before:
            original(*arguments, **named)
        raise Killed

    monkeypatch.setattr(target, killed)


def infos(run: Run) -> list[dict[str, Any]]:
    return [run.network_files(name)[1] for name in run.networks()]


def test_the_first_network_is_published_once_and_follows_from_the_seed(run: Run) -> None:
    assert RunTrainer(run).publish_first_network() == "000000"
    assert RunTrainer(run).publish_first_network() == "000000"

    weights, info = run.network_files("000000")
    assert run.networks() == ["000000"]
    assert info["parent"] is None
    assert weights == Network.create(CONFIG.network, seed=5).to_bytes()


def test_a_copy_of_a_smaller_network_grows_when_it_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a rate of zero, the first network of the run's shape gives the evaluations of the copy."""
    monkeypatch.setattr("minigo.network.trainer.learning_rate", lambda *_: 0.0)
    config = dataclasses.replace(CONFIG, network=dataclasses.replace(CONFIG.network, blocks=2, channels=16))
    run, small = Run.create(str(tmp_path / "run"), config), busy_network(CONFIG.network)
    run.publish_first_network(small.to_bytes(), small.description())
    for sequence in (0, 1):  # the second trainer goes on where the first was
        publish_random_games(run, sequence)
        RunTrainer(Run.open(run.url)).train(0.0, threading.Event())

    first, *grown = (Network.from_bytes(*run.network_files(name)) for name in run.networks())
    assert [first.config, *(network.config for network in grown)] == [CONFIG.network, config.network, config.network]
    leaves = random_leaves(3, 4)
    inputs = {"planes": leaves.planes, "scalars": leaves.scalars}
    for head, values in small.model()(inputs).items():
        for network in grown:
            np.testing.assert_allclose(network.model()(inputs)[head].numpy(), values.numpy(), rtol=1e-3, atol=1e-4)


def test_training_consumes_the_new_games_and_publishes_the_averaged_network(run: Run) -> None:
    paths = publish_random_games(run, 0, 1)
    trainer = RunTrainer(run)
    assert trainer.train(0.0, threading.Event()) == "000001"

    state = run.training.state()
    assert state is not None
    weights, info = run.network_files("000001")
    checkpoint = run.training.read_checkpoint(state)
    assert run.training.consumed_shards() == set(paths)
    assert weights == checkpoint["average.safetensors"] != checkpoint["model.safetensors"]
    assert Network.from_bytes(weights, info).config == CONFIG.network
    assert info["parent"] == "000000"
    assert info["config_sha256"] == CONFIG.learning_sha256()
    assert state.games_seen == info["games_seen"] == info["window"]["games"] == 8
    assert state.positions_seen == info["positions_seen"] == info["window"]["positions"]
    assert state.step == info["step"] == round(state.positions_seen / 32)
    assert {"minigo", "keras", "tensorflow", "numpy"} <= info["versions"].keys()

    assert trainer.train(0.0, threading.Event()) is None
    publish_random_games(run, 2)
    assert trainer.train(0.0, threading.Event()) == "000002"
    assert infos(run)[2]["parent"] == "000001"
    assert infos(run)[2]["step"] > state.step


def test_training_that_diverges_ends_with_advice_and_stores_nothing(run: Run) -> None:
    class Diverging(FakeTrainer):
        def averaged_network(self) -> Network:
            network = super().averaged_network()
            network.weights["outcome/bias"][1] = np.nan
            return network

    publish_random_games(run, 0, 1)
    with pytest.raises(RunError, match=r"weight outcome/bias must be finite .* lower --train\.learning_rate"):
        RunTrainer(run, Diverging).train(0.0, threading.Event())

    assert run.networks() == ["000000"]
    assert run.training.consumed_shards() == set()
    assert train(run) == "000001"


def test_a_checkpoint_that_reads_fewer_planes_is_refused_with_advice_and_left_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_random_games(run, 0)
    train(run)
    before = run.training.state()
    monkeypatch.setattr("minigo.train.PLANE_NAMES", (*PLANE_NAMES, "wings"))

    with pytest.raises(RunError, match=r"planes of this version.*--first_network="):
        RunTrainer(run)
    assert run.training.state() == before


def test_held_out_games_are_as_old_as_those_of_the_window(run: Run) -> None:
    class Listening(FakeTrainer):
        def measure(self, batches: Iterable[Any]) -> dict[str, float]:
            return {"value_loss": sum(float(np.abs(batch.targets["score_lead"]).sum()) for batch in batches)}

    other = Run.create(f"{run.url}-other", CONFIG)
    publish_random_games(run, 7, 8, 9, holdout=True)
    publish_random_games(other, 9, holdout=True)  # two per cent of eight games are less than one shard, which is kept
    for each in (run, other):
        publish_random_games(each, 0, 1)
        RunTrainer(each, Listening).train(0.0, threading.Event())

    rows = [each.telemetry.metrics("train")[0] for each in (run, other)]
    assert rows[0]["holdout_value_loss"] == rows[1]["holdout_value_loss"]


def test_games_without_a_position_to_train_on_are_an_error(run: Run) -> None:
    shard = new_shard(CONFIG, RANDOM_PLAYOUTS, "", None, "tester", 0)
    records = play_random_shard(CONFIG, shard)
    searched = [dataclasses.replace(record, simulations=record.simulations + 4) for record in records]
    name = run.shard_name(RANDOM_PLAYOUTS, "tester", 0, "2024010100")
    run.publish_shard(name, write_shard(shard.header, searched), holdout=False)

    with pytest.raises(RunError, match="full_share must be above 0"):
        train(run)


def test_metrics_and_events_tell_the_losses(run: Run) -> None:
    publish_random_games(run, 0)
    publish_random_games(run, 1, holdout=True)
    RunTrainer(run).train(0.0, threading.Event())

    (row,) = run.telemetry.metrics("train")
    state = run.training.state()
    assert state is not None
    assert (row["step"], row["network"], row["new_games"]) == (state.step, "000001", 4)
    assert run.training.consumed_shards() == set(run.shards())
    for head in ("value", "score", "ownership"):
        assert row[f"{head}_loss"] > 0
        assert row[f"holdout_{head}_loss"] > 0
    assert row["policy_loss"] is None
    folder = run.telemetry.tensorboard_folder("train")
    assert folder is not None
    (events,) = folder.iterdir()
    values = {
        value.tag: float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert values["value_loss"] == pytest.approx(row["value_loss"])


@pytest.mark.parametrize(
    ("method", "before"),
    [
        ("Run.quarantined", True),
        ("training.Training.commit", True),
        ("training.Training.commit", False),
        ("Run.publish_network", True),
        ("Run.publish_network", False),
        ("telemetry.Telemetry.append_metrics", True),
    ],
)
def test_a_trainer_killed_anywhere_loses_no_game_and_publishes_no_network_twice(
    run: Run, monkeypatch: pytest.MonkeyPatch, method: str, before: bool
) -> None:
    RunTrainer(run).publish_first_network()
    publish_random_games(run, 0, 1)
    with monkeypatch.context() as patch:
        kill_in(patch, method, before=before)
        with pytest.raises(Killed):
            train(run)
    publish_random_games(run, 2)
    while RunTrainer(run).new_shards():
        train(run)
    RunTrainer(run)

    state = run.training.state()
    assert state is not None
    records = 3 * CONFIG.selfplay.games_per_shard
    assert state.games_seen == records
    assert run.training.consumed_shards() == set(run.shards())
    assert len(run.training.consumption_order()) == 3
    steps = [info["step"] for info in infos(run)]
    assert steps == sorted(set(steps))
    assert [info["parent"] for info in infos(run)] == [None, *run.networks()[:-1]]
    assert run.network_files(run.networks()[-1])[0] == run.training.read_checkpoint(state)["average.safetensors"]


def test_a_candidate_left_unpublished_is_published_when_a_trainer_starts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunTrainer(run).publish_first_network()
    publish_random_games(run, 0)
    with monkeypatch.context() as patch:
        kill_in(patch, "Run.publish_network", before=True)
        with pytest.raises(Killed):
            train(run)
    assert run.networks() == ["000000"]

    RunTrainer(run)
    assert run.networks() == ["000000", "000001"]


def test_a_network_whose_weights_are_damaged_does_not_stop_training(run: Run) -> None:
    RunTrainer(run).publish_first_network()
    publish_random_games(run, 0)
    train(run)
    damaged = Path(run.network_path("000001")) / "weights.safetensors"
    damaged.write_bytes(b"damaged")

    publish_random_games(run, 1)
    train(run)

    assert run.networks() == ["000000", "000001", "000002"]


def test_the_budget_that_is_used_is_stored_with_the_training(run: Run) -> None:
    publish_random_games(run, 0)
    RunTrainer(run, FakeTrainer).train(0.5, threading.Event(), seconds=90.0)
    assert run.seconds_used("trainer") == 90.0

    run.telemetry.heartbeat("trainer", {"elapsed_seconds": 95.5})
    assert run.seconds_used("trainer") == 95.5
    publish_random_games(run, 1)
    RunTrainer(run, FakeTrainer).train(0.5, threading.Event())
    assert run.seconds_used("loop") == 90.0


def test_a_stopped_training_leaves_no_trace_and_can_be_repeated(run: Run) -> None:
    publish_random_games(run, 0)
    trainer, stop = RunTrainer(run, FakeTrainer), threading.Event()
    stop.set()
    assert trainer.train(0.0, stop) is None
    assert (run.training.consumed_shards(), run.networks()) == (set(), ["000000"])

    assert trainer.train(0.0, threading.Event()) == "000001"
    state = run.training.state()
    assert state is not None
    assert state.games_seen == infos(run)[1]["window"]["games"] == 4


def test_a_resumed_trainer_goes_on_as_the_first_would_have(tmp_path: Path) -> None:
    networks = []
    for resumes in (False, True):
        run = Run.create(str(tmp_path / str(resumes)), CONFIG)
        trainer = RunTrainer(run)
        for sequence in range(5):
            publish_random_games(run, sequence)
            if resumes and sequence == 4:
                trainer = RunTrainer(Run.open(run.url))
            trainer.train(0.0, threading.Event())
        networks.append(run.network_files("000005"))

    (weights, info), (resumed_weights, resumed_info) = networks
    assert info["window"] == resumed_info["window"]
    assert info["window"]["games"] < info["games_seen"]
    assert info["positions_seen"] == resumed_info["positions_seen"]
    resumed = arrays_from_bytes(resumed_weights)
    for name, weight in arrays_from_bytes(weights).items():
        np.testing.assert_allclose(resumed[name], weight, rtol=1e-4, atol=1e-6)


def test_the_steps_follow_from_the_new_positions(run: Run) -> None:
    paths = publish_random_games(run, 0, 1)
    records = [record for path in paths for record in read_shard(run.read(path))[1]]
    positions = sum(len(trainable_plies(record, run.config.train)) for record in records)
    train(run)

    (row,) = run.telemetry.metrics("train")
    assert row["new_positions"] == positions
    assert row["steps"] == row["step"] == round(positions / 32)


def test_a_trainer_that_starts_stops_the_older_one_even_before_it_commits(run: Run) -> None:
    old, new, stop = RunTrainer(run, FakeTrainer), RunTrainer(Run.open(run.url), FakeTrainer), threading.Event()
    publish_random_games(run, 0)
    old.train(0.0, threading.Event())
    publish_random_games(run, 1)
    stop.set()
    new.train(0.0, stop)

    with pytest.raises(StaleError):
        old.train(0.0, threading.Event())


def test_an_older_trainer_can_not_commit_any_more(run: Run) -> None:
    old, new = RunTrainer(run, FakeTrainer), RunTrainer(Run.open(run.url), FakeTrainer)
    publish_random_games(run, 0)
    old.train(0.0, threading.Event())
    publish_random_games(run, 1)
    new.train(0.0, threading.Event())
    publish_random_games(run, 2)

    with pytest.raises(StaleError):
        old.train(0.0, threading.Event())
    assert len(run.training.consumed_shards()) == 2
    assert run.networks() == ["000000", "000001", "000002"]


def test_the_worker_says_what_it_waits_for_then_trains_until_it_is_stopped(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stop = threading.Event()
    worker = threading.Thread(target=train_worker, args=(run, stop), kwargs={"poll_seconds": 0.01})
    worker.start()
    try:
        wait_for(lambda: "waiting for games: 0 of 2 new shards, 2 missing (4 games each)" in caplog.text)
        assert run.networks() == ["000000"]
        publish_random_games(run, 0)
        wait_for(lambda: "waiting for games: 1 of 2 new shards, 1 missing (4 games each)" in caplog.text)
        publish_random_games(run, 1)
        wait_for(lambda: "published network 000001" in caplog.text)
    finally:
        stop.set()
        worker.join(20)

    assert not worker.is_alive()
    assert run.telemetry.heartbeats()["trainer"]["role"] == "train"


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("did not happen")
