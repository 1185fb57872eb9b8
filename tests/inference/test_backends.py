# SPDX-License-Identifier: Apache-2.0
import logging
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from minigo.config import ConfigError, MachineConfig
from minigo.inference import backends
from minigo.inference.backends import Choice, load_evaluator, make_evaluator
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves
from minigo.inference.openvino import has_bfloat16
from minigo.network.network import Network
from tests.support.learning import TINY, busy_network, random_leaves

AUTO = MachineConfig(backend="auto", threads=1, batch_rows=16)
INT8 = MachineConfig(backend="openvino", precision="int8", batch_rows=16)


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_RANKED", {})
    monkeypatch.setattr(backends, "SECONDS_PER_TRIAL", 0.02)


def sharp_network(noise: float = 0.06, sharpness: float = 20.0) -> Network:
    """Its policy prefers few moves, as a trained one does."""
    network, rng = Network.create(TINY, seed=0), np.random.default_rng(0)
    weights = {
        name: (weight + rng.normal(0, noise, weight.shape)).astype(np.float32)
        for name, weight in network.weights.items()
    }
    weights["policy_points/kernel"] *= np.float32(sharpness)
    return Network(TINY, weights, {"name": "sharp"})


class Fake(HashEvaluator):
    """An evaluator that takes its time and rounds as coarsely as it is told."""

    def __init__(self, network: Network, backend: str, precision: str) -> None:
        super().__init__()
        self.name, self.backend, self.precision = network.name, backend, precision
        self._seconds, self._error = FAKES[backend, precision]

    def evaluate(self, leaves: Leaves) -> Evaluation:
        time.sleep(self._seconds)
        evaluation = super().evaluate(leaves)
        return evaluation._replace(value=evaluation.value + np.float32(self._error))


FAKES = {
    ("openvino", "int8"): (0.0, 0.3),
    ("openvino", "bfloat16"): (0.004, 0.001),
    ("openvino", "float32"): (0.02, 0.0),
    ("tensorflow", "bfloat16"): (0.008, 0.001),
    ("tensorflow", "float32"): (0.016, 0.0),
}


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    def fake_class(backend: str) -> Any:
        return lambda network, precision, calibration=None: Fake(network, backend, precision)  # noqa: ARG005

    monkeypatch.setattr(backends, "_evaluator_class", fake_class)


def test_no_framework_is_imported_before_one_is_asked_for() -> None:
    script = (
        "import sys, minigo.inference.backends; print({'keras', 'tensorflow', 'openvino', 'jax'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("backend", "precision"), [("tensorflow", "float32"), ("tensorflow", "bfloat16"), ("openvino", "bfloat16")]
)
def test_the_back_end_that_is_asked_for_is_taken(backend: str, precision: str) -> None:
    evaluator = load_evaluator(busy_network(), MachineConfig(backend=backend, precision=precision), 5)

    assert evaluator.backend == backend
    assert evaluator.precision == (precision if backend == "tensorflow" or has_bfloat16() else "float32")
    assert evaluator.evaluate(random_leaves(2, 5)).policy.shape == (2, 26)


def test_int8_is_taken_where_it_agrees_and_is_a_function_of_the_network() -> None:
    mine, theirs = (load_evaluator(sharp_network(), INT8, 5, komi=0.5) for _ in range(2))
    leaves = random_leaves(8, 5)

    assert (mine.backend, mine.precision) == ("openvino", "int8")
    np.testing.assert_array_equal(mine.evaluate(leaves).policy, theirs.evaluate(leaves).policy)
    np.testing.assert_array_equal(mine.evaluate(leaves).value, theirs.evaluate(leaves).value)


@pytest.mark.usefixtures("fakes")
def test_int8_that_does_not_agree_becomes_bfloat16_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    evaluator = load_evaluator(sharp_network(), INT8, 5)

    assert (evaluator.backend, evaluator.precision) == ("openvino", "bfloat16")
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "network sharp is not evaluated by openvino int8: win_rate is off by 0.15" in warning


def test_a_network_that_no_rounding_suits_is_evaluated_in_float32() -> None:
    evaluator = load_evaluator(sharp_network(noise=0.2, sharpness=100.0), INT8, 5)

    assert evaluator.precision == "float32"


@pytest.mark.usefixtures("fakes")
def test_auto_takes_the_fastest_of_those_that_agree(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    evaluator = load_evaluator(sharp_network(), AUTO, 5)

    assert (evaluator.backend, evaluator.precision) == ("openvino", "bfloat16")
    (speeds,) = [text for text in caplog.messages if text.startswith("evaluations per second")]
    order = [speeds.index(text) for text in ("openvino int8", "openvino bf", "tensorflow bf", "tensorflow fl")]
    assert order == sorted(order)


@pytest.mark.usefixtures("fakes")
def test_auto_measures_a_kind_of_network_once_and_checks_every_network(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_evaluator(sharp_network(), AUTO, 5)
    monkeypatch.setattr(backends, "_ranked", lambda _: pytest.fail("measured again"))
    load_evaluator(sharp_network(noise=0.05), AUTO, 5)

    assert len([text for text in caplog.messages if "not evaluated by openvino int8" in text]) == 2


@pytest.mark.usefixtures("fakes")
def test_auto_leaves_out_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_is_importable", lambda backend: backend == "tensorflow")
    evaluator = load_evaluator(sharp_network(), AUTO, 5)

    assert (evaluator.backend, evaluator.precision) == ("tensorflow", "bfloat16")


def test_auto_works_with_the_real_ones() -> None:
    evaluator = load_evaluator(sharp_network(), AUTO, 5)

    assert (evaluator.backend, evaluator.precision) in backends.CHOICES["tensorflow"]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_int8_is_refused_where_there_is_none(backend: str) -> None:
    with pytest.raises(
        ConfigError, match=f"machine.precision=int8 needs machine.backend=openvino or auto, got {backend}"
    ):
        load_evaluator(busy_network(), MachineConfig(backend=backend, precision="int8"), 5)


def test_a_missing_back_end_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "minigo.inference.openvino", None)
    monkeypatch.delattr("minigo.inference.openvino", raising=False)

    with pytest.raises(ConfigError, match=r"machine.backend=openvino can not be loaded.*pip install 'minigo\[cpu\]'"):
        make_evaluator(busy_network(), Choice("openvino", "bfloat16"))


def test_jax_is_refused_where_keras_runs_on_tensorflow() -> None:
    with pytest.raises(ConfigError, match="KERAS_BACKEND=jax"):
        load_evaluator(busy_network(), MachineConfig(backend="jax"), 5)
