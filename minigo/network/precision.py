# SPDX-License-Identifier: Apache-2.0
"""Which arithmetic a machine computes networks in: bfloat16 where that is faster, float32 everywhere else.

What a processor says of itself does not tell: some with bfloat16 take twice as long in it as in float32, and those
without take twenty times as long to train in it. So it is measured.
"""

import functools
import logging
import time
from typing import Final

import keras
import numpy as np

from minigo.network.network import KERAS_DTYPES

FASTER: Final = 1.2
"""bfloat16 is worth its rounding from this ratio of speeds on."""
_BATCH_SHAPE: Final = (32, 9, 9, 64)
_STEPS: Final = 2

_log = logging.getLogger(__name__)


def settled_precision(precision: str) -> str:
    """What `MachineConfig.precision` means here: "auto" becomes "float32" or "bfloat16", the rest stays."""
    return fastest_precision() if precision == "auto" else precision


@functools.cache
def fastest_precision() -> str:
    """The name of bfloat16 where small networks train clearly faster in it than in float32, else float32's.

    Measured once in a process, on whatever Keras runs on; takes a second or two.
    """
    exact, rough = _step_seconds("float32"), _step_seconds("bfloat16")
    fastest = "bfloat16" if exact >= FASTER * rough else "float32"
    _log.info("networks compute in %s: bfloat16 has %.2g times the speed of float32 here", fastest, exact / rough)
    return fastest


def _step_seconds(precision: str) -> float:
    """How long a training step of two convolutions takes."""
    channels = _BATCH_SHAPE[-1]
    convolutions = [
        keras.layers.Conv2D(channels, 3, padding="same", activation="relu", dtype=KERAS_DTYPES[precision])
        for _ in range(2)
    ]
    model = keras.Sequential([keras.Input(_BATCH_SHAPE[1:]), *convolutions])
    model.compile(optimizer="sgd", loss="mse")
    inputs = np.random.default_rng(0).standard_normal(_BATCH_SHAPE, np.float32)
    model.train_on_batch(inputs, inputs)  # compiles
    seconds = []
    for _ in range(_STEPS):
        began = time.perf_counter()
        model.train_on_batch(inputs, inputs)
        seconds.append(time.perf_counter() - began)
    return min(seconds)
