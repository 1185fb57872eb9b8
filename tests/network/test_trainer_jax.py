# SPDX-License-Identifier: Apache-2.0
"""Training on JAX learns what training on TensorFlow learns. It runs in a process that has no TensorFlow."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigo.config import TrainConfig
from minigo.network.trainer import Trainer
from tests.network.jax_side import arrays_from_jax, stored_network
from tests.support.learning import random_batch

CONFIG = TrainConfig(learning_rate=5e-4, warmup_steps=5, average_decay=0.9)
STEPS = 20
BATCHES = [random_batch(32, 5, seed=step % 3) for step in range(STEPS)]
LOSSES = ("policy_loss", "value_loss", "score_loss", "ownership_loss", "total_loss")

SCRIPT = """
from tests.network.test_trainer_jax import curves
import numpy as np
from pathlib import Path
found = curves(Path(sys.argv[2]))
np.savez(sys.argv[1], **found)
"""


def curve(trainer: Trainer) -> np.ndarray:
    """[STEPS, losses], a row a step."""
    return np.array([[trainer.train([batch], progress=0.0)[name] for name in LOSSES] for batch in BATCHES])


def curves(checkpoint: Path) -> dict[str, Any]:
    """What either process computes: a curve from new, one from a checkpoint, and the network after it."""
    network = stored_network(checkpoint / "network")
    new, rough = (Trainer(network, CONFIG, precision=precision) for precision in ("float32", "bfloat16"))
    muon = Trainer(network, dataclasses.replace(CONFIG, optimizer="muon"), precision="float32")
    found: dict[str, Any] = {"float32": curve(new), "bfloat16": curve(rough), "muon": curve(muon)}
    together = new.train(BATCHES, progress=0.5)
    found["together"] = np.array([together[name] for name in LOSSES])

    resumed = Trainer(network, CONFIG, precision="float32")
    resumed.restore({path.name: path.read_bytes() for path in checkpoint.glob("*.safetensors")})
    found["first_step"] = resumed.step
    found["resumed"] = curve(resumed)
    found["measured"] = np.array([resumed.measure(BATCHES[:2])[name] for name in LOSSES])
    found |= {f"average/{name}": weight for name, weight in resumed.averaged_network().weights.items()}
    found |= {f"weight/{name}": weight for name, weight in resumed.network().weights.items()}
    return found


pytestmark = pytest.mark.slow  # test_train_jax.py has a loop that learns with JAX


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven steps under TensorFlow."""
    folder = tmp_path_factory.mktemp("checkpoint")
    trainer = Trainer(stored_network(folder / "network"), CONFIG, precision="float32")
    trainer.train(BATCHES[:7], progress=0.0)
    for name, data in trainer.checkpoint().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def ours(checkpoint: Path) -> dict[str, Any]:
    return curves(checkpoint)


@pytest.fixture(scope="module")
def on_jax(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return arrays_from_jax(SCRIPT, tmp_path_factory.mktemp("jax") / "curves.npz", str(checkpoint))


@pytest.mark.parametrize(("name", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.05), ("muon", 5e-3)])
def test_the_losses_fall_alike(
    ours: dict[str, Any], on_jax: dict[str, np.ndarray], name: str, tolerance: float
) -> None:
    np.testing.assert_allclose(on_jax[name], ours[name], rtol=tolerance, atol=tolerance)
    assert ours[name][-1, -1] < 0.9 * ours[name][0, -1]


def test_steps_in_one_call_are_the_steps_of_many(ours: dict[str, Any], on_jax: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(on_jax["together"], ours["together"], rtol=2e-3)


def test_a_checkpoint_of_tensorflow_goes_on_under_jax(ours: dict[str, Any], on_jax: dict[str, np.ndarray]) -> None:
    assert on_jax["first_step"] == ours["first_step"] == 7
    np.testing.assert_allclose(on_jax["resumed"], ours["resumed"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(on_jax["measured"], ours["measured"], rtol=1e-3, atol=1e-3)
    names = [name for name in ours if name.startswith(("average/", "weight/"))]
    for name in names:
        np.testing.assert_allclose(on_jax[name], ours[name], atol=2e-3, err_msg=name)
    assert any(np.abs(ours[name] - ours[name.replace("average/", "weight/")]).max() > 4e-3 for name in names)
