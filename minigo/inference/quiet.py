# SPDX-License-Identifier: Apache-2.0
"""Starts the framework that computes, before anything else does: TensorFlow without its greetings, or JAX.

Keras runs on one framework in a process, settled when it is imported. Start at `start_framework`.
"""

import contextlib
import gc
import importlib.util
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from minigo.config import ConfigError

GREETING: Final = re.compile(
    rb"[IW]\d{4} |WARNING: All log messages before absl::InitializeLog|To enable the following instructions"
)
NO_DRIVER: Final = b"failed call to cuInit"  # news only where there is a driver
DRIVER: Final = Path("/dev/nvidiactl")


def start_framework(backend: str, training_threads: int = 0) -> None:
    """Settles what Keras runs on and imports that: JAX for the back end "jax", TensorFlow for all others.

    Args:
        backend: `MachineConfig.backend`; "auto" stays with what KERAS_BACKEND says.
        training_threads: cores that training may use, 0: all; JAX does not know this limit.

    Raises:
        ConfigError: KERAS_BACKEND is another framework, Keras has been imported with another one, or JAX is missing.
    """
    asked = os.environ.get("KERAS_BACKEND", "tensorflow")
    framework = "jax" if backend == "jax" or (backend == "auto" and asked == "jax") else "tensorflow"
    running = sys.modules["keras"].backend.backend() if "keras" in sys.modules else None
    if running not in (None, framework):
        raise ConfigError(
            f"machine.backend={backend} computes with {framework}, but this process runs Keras on {running}; "
            f"start it with KERAS_BACKEND={framework}"
        )
    if os.environ.setdefault("KERAS_BACKEND", framework) != framework:
        raise ConfigError(
            f"machine.backend={backend} computes with {framework}, but KERAS_BACKEND is {asked}; unset it"
            + (", or use --machine.backend=jax" if asked == "jax" else "")
        )
    if framework == "jax":
        start_jax()
    else:
        start_tensorflow(training_threads)


def start_jax() -> None:
    """Imports JAX and lets it look at this machine.

    Raises:
        ConfigError: JAX is not installed, or does not find what JAX_PLATFORMS asks for.
    """
    if importlib.util.find_spec("jax") is None:
        raise ConfigError("machine.backend=jax needs JAX: pip install 'minigo[jax]'")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # roles of a run may share an accelerator
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)  # else it tells of devices that are not there
    import jax

    asked, reason = os.environ.get("JAX_PLATFORMS", ""), ""
    try:
        found = {device.platform for device in jax.devices()}
    except (RuntimeError, AssertionError) as error:
        found, reason = set(), f": {' '.join(str(error).split())}"
    first = asked.partition(",")[0]
    if not found or (first not in ("", "cpu") and found == {"cpu"}):
        raise ConfigError(f"JAX does not find what JAX_PLATFORMS={asked} asks for{reason}")


def start_tensorflow(training_threads: int = 0) -> None:
    """Imports TensorFlow and lets it look at this machine. What others write meanwhile comes a moment later.

    Args:
        training_threads: cores that training may use, 0: all. Inference has threads of its own. It has no effect
            once TensorFlow has been imported.
    """
    if "tensorflow" in sys.modules:
        return
    with held_back_greetings():
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(training_threads)
        if training_threads == 1:  # one operation after the other: else they go from core to core, away from their data
            tf.config.threading.set_inter_op_parallelism_threads(1)
        # As in `minigo.inference.tensorflow`: the first session decides how a GPU's memory is taken.
        gpu_options = tf.compat.v1.GPUOptions(allow_growth=True)
        config = tf.compat.v1.ConfigProto(use_per_session_threads=True, gpu_options=gpu_options)
        with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
            session.run(tf.constant(0))
    gc.freeze()  # the framework's own objects, very many, are no garbage: collections need not look at them again


def visible_accelerators() -> list[str]:
    """The accelerators that TensorFlow can use here, by its own names; empty where it has the processor alone."""
    start_tensorflow()
    import tensorflow as tf

    return [device.name for device in tf.config.list_physical_devices("GPU")]


@contextlib.contextmanager
def held_back_greetings() -> Iterator[None]:
    """Holds back what is written to file descriptor 2, and in the end writes it there without greetings."""
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            _write_out(held)


def _write_out(held: BinaryIO) -> None:
    held.seek(0)
    for line in held:
        if not GREETING.match(line) and (DRIVER.exists() or NO_DRIVER not in line):
            os.write(2, line)
