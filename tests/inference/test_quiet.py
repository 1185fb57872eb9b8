# SPDX-License-Identifier: Apache-2.0
import importlib.util
import os
import subprocess
import sys
import types

import pytest

from minigo.config import ConfigError
from minigo.inference.quiet import DRIVER, held_back_greetings, start_framework


def test_greetings_are_left_out_and_all_else_is_kept_in_order(capfd):
    with held_back_greetings():
        os.write(2, b"before\n")
        os.write(2, b"I0000 00:00:1795417206.8 30202 port.cc:153] custom operations are on.\n")
        os.write(2, b"after\n")

    assert capfd.readouterr().err == "before\nafter\n"


def test_what_was_held_back_appears_when_the_start_fails(capfd):
    try:
        with held_back_greetings():
            os.write(2, b"the reason\n")
            raise ImportError("no such library")
    except ImportError:
        pass

    assert capfd.readouterr().err == "the reason\n"


def test_tensorflow_starts_without_a_word():
    script = "from minigo.inference.quiet import start_tensorflow; start_tensorflow(); import keras"

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout + result.stderr == ""


def test_what_tensorflow_reads_is_settled_before_any_module_can_import_it():
    """Else two processes compute with other convolutions, and a game can not be played again bit for bit."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    names = ("TF_CPP_MIN_LOG_LEVEL", "TF_OVERRIDE_GLOBAL_THREADPOOL", "TF_ENABLE_ONEDNN_OPTS")
    script = f"import sys, os, minigo; print(*map(os.environ.get, {names}), 'tensorflow' in sys.modules)"

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)

    assert result.stdout == "2 1 1 False\n"


SETTLED = "from minigo.inference.quiet import start_framework; start_framework({backend!r}); "


def started(backend: str, after: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    return subprocess.run(
        [sys.executable, "-c", SETTLED.format(backend=backend) + after],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.parametrize("asked", ["cuda,cpu", "cuda", "tpu,cpu"])
def test_jax_without_the_accelerator_that_is_asked_for_is_an_error(asked):
    if DRIVER.exists():
        pytest.skip("there is an accelerator")
    result = started("jax", "", JAX_PLATFORMS=asked)

    assert f"ConfigError: JAX does not find what JAX_PLATFORMS={asked} asks for" in result.stderr


def test_the_back_end_jax_settles_keras_and_leaves_tensorflow_alone():
    script = (
        "import keras, sys; from minigo.config import NetworkConfig; from minigo.network.network import Network; "
        "new = [Network.create(NetworkConfig(blocks=1, channels=8), seed=seed).to_bytes() for seed in (3, 3, 4)]; "
        "print(keras.backend.backend(), new[0] == new[1] != new[2], 'tensorflow' in sys.modules)"
    )
    result = started("jax", script)

    assert (result.stdout, result.stderr) == ("jax True False\n", "")


def test_auto_stays_with_what_the_environment_says():
    result = started("auto", "import os, sys; print('jax' in sys.modules)", KERAS_BACKEND="jax")

    assert result.stdout == "True\n"


@pytest.mark.parametrize(
    ("backend", "environment", "message"),
    [
        (
            "tensorflow",
            "jax",
            "machine.backend=tensorflow computes with tensorflow, but KERAS_BACKEND is jax; unset it",
        ),
        ("openvino", "jax", "machine.backend=openvino computes with tensorflow, but KERAS_BACKEND is jax; unset it"),
        ("jax", "tensorflow", "machine.backend=jax computes with jax, but KERAS_BACKEND is tensorflow; unset it"),
    ],
)
def test_an_environment_for_another_framework_is_an_error(monkeypatch, backend, environment, message):
    monkeypatch.setenv("KERAS_BACKEND", environment)
    monkeypatch.delitem(sys.modules, "keras", raising=False)

    with pytest.raises(ConfigError, match=message):
        start_framework(backend)


def test_keras_on_another_framework_is_an_error(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    running = types.SimpleNamespace(backend=types.SimpleNamespace(backend=lambda: "tensorflow"))
    monkeypatch.setitem(sys.modules, "keras", running)

    with pytest.raises(ConfigError, match="this process runs Keras on tensorflow; start it with KERAS_BACKEND=jax"):
        start_framework("jax")


def test_without_jax_it_says_what_to_install(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)

    with pytest.raises(ConfigError, match=r"pip install 'minigo\[jax\]'"):
        start_framework("jax")


def test_training_gets_the_threads_it_is_given():
    script = (
        "from minigo.inference.quiet import start_tensorflow; start_tensorflow(1); import tensorflow as tf; "
        "tf.constant(0) + 1; threads = tf.config.threading; "
        "print(threads.get_intra_op_parallelism_threads(), threads.get_inter_op_parallelism_threads())"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout == "1 1\n"
