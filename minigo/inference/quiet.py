# SPDX-License-Identifier: Apache-2.0
"""Starts TensorFlow without its greetings, which it writes to stderr whatever its settings say."""

import contextlib
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

GREETING: Final = re.compile(
    rb"[IW]\d{4} |WARNING: All log messages before absl::InitializeLog|To enable the following instructions"
)
NO_DRIVER: Final = b"failed call to cuInit"  # news only where there is a driver
DRIVER: Final = Path("/dev/nvidiactl")


def start_tensorflow() -> None:
    """Imports TensorFlow and lets it look at this machine. What others write meanwhile comes a moment later."""
    if "tensorflow" in sys.modules:
        return
    with held_back_greetings():
        importlib.import_module("minigo.network")  # settles what TensorFlow reads when it is imported
        import tensorflow as tf

        # As in `minigo.inference.tensorflow`: the first session decides how a GPU's memory is taken.
        gpu_options = tf.compat.v1.GPUOptions(allow_growth=True)
        config = tf.compat.v1.ConfigProto(use_per_session_threads=True, gpu_options=gpu_options)
        with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
            session.run(tf.constant(0))


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
