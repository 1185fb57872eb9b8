# SPDX-License-Identifier: Apache-2.0
"""Learning itself: what can be learned is, what can not is not, and training goes on where it stopped."""

import dataclasses
import functools

import numpy as np
import pytest

from cc_kernels.features import PLANE_NAMES
from minigo.config import NetworkConfig, TrainConfig
from minigo.data.examples import Batch
from minigo.network.network import Network, NetworkError
from minigo.network.trainer import Trainer, learning_rate
from tests.support.learning import TINY, busy_network, random_batch

FAST = TrainConfig(learning_rate=5e-3, warmup_steps=5, average_decay=0.9)
OTHER_SHAPE = NetworkConfig(blocks=1, channels=8, head_channels=8)
LAST_MOVE_PLANE = PLANE_NAMES.index("last move")


def chosen(batch: Batch, rows: np.ndarray) -> Batch:
    inputs, targets = ({name: column[rows] for name, column in columns.items()} for columns in batch)
    return Batch(inputs, targets)


def test_ten_examples_are_overfitted() -> None:
    trainer = Trainer(Network.create(TINY, seed=0), FAST)
    losses = trainer.train([random_batch(10, 5)] * 150, progress=0.0)
    after = trainer.train([random_batch(10, 5)], progress=1.0)

    assert losses["policy_loss"] > 0.2
    assert after["policy_loss"] < 0.05
    assert after["value_loss"] < 0.05
    assert after["ownership_loss"] < 0.2
    assert after["score_loss"] < 1.0
    assert trainer.measure([random_batch(10, 5)])["policy_loss"] < 0.05


@functools.cache
def last_move_examples() -> Batch:
    """Examples whose policy target can be seen: it is where the last move was played."""
    batch, rng = random_batch(1024, 5), np.random.default_rng(7)
    moves = rng.integers(25, size=1024)
    last_move = np.eye(25, dtype=np.uint8)[moves].reshape(1024, 5, 5)
    batch.inputs["planes"][..., LAST_MOVE_PLANE] = last_move
    return Batch(batch.inputs, {**batch.targets, "policy": np.eye(26, dtype=np.float32)[moves]})


def held_out_policy_loss(examples: Batch) -> float:
    """Trains on the first three quarters, and measures on the last."""
    trainer = Trainer(Network.create(TINY, seed=0), FAST)
    rng = np.random.default_rng(0)
    trainer.train((chosen(examples, rng.integers(768, size=64)) for _ in range(120)), progress=0.0)
    return trainer.measure([chosen(examples, np.arange(768, 1024))])["policy_loss"]


def test_a_visible_target_is_learned_and_a_shuffled_one_is_not() -> None:
    examples = last_move_examples()
    held_out = examples.targets["policy"][768:].mean(axis=0)
    entropy = -float((held_out * np.log(held_out + 1e-9)).sum())
    order = np.random.default_rng(1).permutation(1024)
    shuffled = Batch(examples.inputs, {**examples.targets, "policy": examples.targets["policy"][order]})

    assert held_out_policy_loss(examples) < 0.5 * entropy
    assert held_out_policy_loss(shuffled) > entropy - 0.05


def test_rows_without_a_policy_target_teach_no_policy() -> None:
    batch = random_batch(16, 5)
    batch.targets["policy_weight"][:] = 0
    trainer = Trainer(busy_network(), dataclasses.replace(FAST, weight_decay=0.0), precision="float32")
    before = trainer.network().weights
    losses = trainer.train([batch], progress=0.0)
    after = trainer.network().weights

    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {name for name in before if not name.startswith("policy")}
    assert np.isnan(losses["policy_loss"])
    assert losses["value_loss"] > 0


def test_losses_are_means_over_the_batches() -> None:
    frozen = dataclasses.replace(FAST, learning_rate=0.0)
    batches = [random_batch(16, 5, seed=step) for step in range(3)]
    batches[1].targets["policy_weight"][4:] = 0
    trainer = Trainer(busy_network(), frozen, precision="float32")
    each = [trainer.train([batch], progress=0.0) for batch in batches]

    for losses in (trainer.train(batches, progress=0.0), trainer.measure(batches)):
        assert losses["value_loss"] == pytest.approx(sum(one["value_loss"] for one in each) / 3, rel=1e-5)
        by_rows = sum(rows * one["policy_loss"] for rows, one in zip((16, 4, 16), each, strict=True)) / 36
        assert losses["policy_loss"] == pytest.approx(by_rows, rel=1e-5)


def test_the_average_follows_the_weights_by_its_decay() -> None:
    config = dataclasses.replace(FAST, average_decay=0.5)
    trainer = Trainer(busy_network(), config, precision="float32")
    average: dict[str, np.ndarray] = {}
    for step in range(8):
        trainer.train([random_batch(16, 5, seed=step)], progress=0.0)
        decay = 0.0 if step == 0 else min(0.5, (1 + step) / (10 + step))
        for name, weight in trainer.network().weights.items():
            average[name] = decay * average.get(name, weight) + (1 - decay) * weight
        last = trainer.averaged_network().weights
        for name, weight in average.items():
            np.testing.assert_allclose(last[name], weight, rtol=1e-4, atol=1e-6)

    assert trainer.averaged_network().to_bytes() != trainer.network().to_bytes()


def test_measuring_changes_nothing() -> None:
    trainer = Trainer(busy_network(), FAST, precision="float32")
    trainer.train([random_batch(16, 5)] * 3, progress=0.0)
    before = trainer.checkpoint()
    trainer.measure([random_batch(16, 5, seed=4)])

    assert trainer.checkpoint() == before


def test_before_the_first_step_the_average_is_the_network() -> None:
    trainer = Trainer(busy_network(), FAST)

    assert trainer.averaged_network().to_bytes() == busy_network().to_bytes()


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped() -> None:
    batches = [random_batch(16, 5, seed=step) for step in range(6)]
    whole = Trainer(busy_network(), FAST, precision="float32")
    whole.train(batches[:3], progress=0.2)
    checkpoint = whole.checkpoint()
    whole.train(batches[3:], progress=0.4)

    resumed = Trainer(Network.create(TINY, seed=9), FAST, precision="float32")
    resumed.restore(checkpoint)
    assert resumed.step == 3
    assert resumed.checkpoint() == checkpoint
    resumed.train(batches[3:], progress=0.4)

    for name, weight in whole.network().weights.items():
        np.testing.assert_allclose(resumed.network().weights[name], weight, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        resumed.averaged_network().weights["outcome/kernel"],
        whole.averaged_network().weights["outcome/kernel"],
        rtol=1e-5,
    )


def test_a_checkpoint_of_another_shape_or_with_files_missing_is_refused() -> None:
    checkpoint = Trainer(busy_network(), FAST).checkpoint()
    other = Trainer(Network.create(OTHER_SHAPE, seed=0), FAST)

    with pytest.raises(NetworkError, match="must have shape"):
        other.restore(checkpoint)
    with pytest.raises(NetworkError, match=r"must have optimizer\.safetensors"):
        other.restore({name: data for name, data in checkpoint.items() if not name.startswith("optimizer")})


@pytest.mark.parametrize(
    ("step", "progress", "expected"),
    [(0, 0.0, 0.01), (49, 0.0, 0.5), (99, 0.0, 1.0), (500, 0.75, 1.0), (500, 0.875, 0.55), (500, 1.0, 0.1)],
)
def test_the_rate_rises_stays_and_falls(step: int, progress: float, expected: float) -> None:
    config = TrainConfig(learning_rate=1.0, warmup_steps=100, decay_share=0.25, final_learning_rate=0.1)

    assert learning_rate(step, progress, config) == pytest.approx(expected)


def test_a_rate_without_warm_up_and_decay_is_constant() -> None:
    config = TrainConfig(learning_rate=1.0, warmup_steps=0, decay_share=0.0)

    assert {learning_rate(step, progress, config) for step in (0, 9) for progress in (0.0, 1.0)} == {1.0}
