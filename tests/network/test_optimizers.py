# SPDX-License-Identifier: Apache-2.0
"""What the optimizers do to weights. That training learns with them is in `test_trainer`."""

import dataclasses

import numpy as np
import pytest

from minigo.config import NetworkConfig, TrainConfig
from minigo.network.network import Network
from minigo.network.optimizers import STEP_SIZE, is_hidden_kernel, orthogonal
from minigo.network.trainer import Trainer
from tests.support.learning import TINY, busy_network, random_batch

SMALL = NetworkConfig(blocks=1, channels=8, pooling_blocks=1, head_channels=8, value_hidden=8)
MUON = TrainConfig(optimizer="muon", learning_rate=0.01, warmup_steps=0, weight_decay=0.0, clip_norm=0.0)


@pytest.mark.parametrize("shape", [(72, 8), (8, 72), (576, 64)])
def test_all_directions_of_a_matrix_become_about_equal(shape):
    rng = np.random.default_rng(0)
    matrix = (rng.normal(size=shape) * 10.0 ** rng.uniform(-1, 1, size=shape[1])).astype(np.float32)
    singular = np.linalg.svd(np.asarray(orthogonal(matrix)), compute_uv=False)

    assert singular.min() > 0.5
    assert singular.max() < 1.3


def test_a_gradient_of_zero_moves_nothing():
    assert not np.asarray(orthogonal(np.zeros((8, 24), np.float32))).any()


def test_muon_is_for_the_kernels_between_hidden_layers():
    model = Network.create(TINY, seed=0).model("float32")
    hidden = {variable.path.partition("/")[2] for variable in model.trainable_variables if is_hidden_kernel(variable)}

    tower = {f"block_{block:02d}/{layer}/kernel" for block in range(TINY.blocks) for layer in ("first", "second")}
    assert tower <= hidden
    others = {name for name in hidden - tower if "/pooled/" not in name}
    assert others == {f"{name}/kernel" for name in ("policy", "policy_pooled", "value", "value_hidden")}


def test_a_step_of_muon_is_as_large_as_one_of_adamw_and_goes_down():
    batch = random_batch(32, 5)
    steps = {}
    for name in ("muon", "adamw"):
        trainer = Trainer(busy_network(SMALL), dataclasses.replace(MUON, optimizer=name), precision="float32")
        before = trainer.network().weights
        losses = [trainer.train([batch], progress=0.0)["total_loss"] for _ in range(10)]
        after = trainer.network().weights
        steps[name] = {key: np.sqrt(np.mean((after[key] - before[key]) ** 2)) for key in before}
        assert losses[-1] < losses[0]

    kernel = "block_00/first/kernel"
    assert 0.2 < steps["muon"][kernel] / steps["adamw"][kernel] < 2.0
    assert steps["muon"]["planes/kernel"] == pytest.approx(steps["adamw"]["planes/kernel"], rel=0.5)


def test_the_first_step_of_muon_follows_the_gradient_alone():
    trainer = Trainer(busy_network(SMALL), MUON, precision="float32")
    before = trainer.network().weights["block_00/first/kernel"]
    trainer.train([random_batch(32, 5)], progress=0.0)
    step = (trainer.network().weights["block_00/first/kernel"] - before).reshape(-1, before.shape[-1])
    singular = np.linalg.svd(step, compute_uv=False)

    assert singular.min() > 0.5 * singular.max() / 1.3
    size = STEP_SIZE * max(step.shape) ** 0.5 * MUON.learning_rate
    assert singular.max() < 1.3 * size


def test_training_with_muon_goes_on_exactly_from_a_checkpoint():
    batches = [random_batch(16, 5, seed=seed) for seed in range(6)]
    whole = Trainer(busy_network(SMALL), MUON, precision="float32")
    whole.train(batches[:3], progress=0.0)
    files = whole.checkpoint()
    whole.train(batches[3:], progress=0.0)
    resumed = Trainer(busy_network(SMALL), MUON, precision="float32")
    resumed.restore(files)
    resumed.train(batches[3:], progress=0.0)

    assert resumed.checkpoint() == whole.checkpoint()
