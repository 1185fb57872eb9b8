# SPDX-License-Identifier: Apache-2.0
"""Which arithmetic a machine computes networks in: bfloat16 where that is faster, float32 everywhere else.

What a processor says of itself does not tell: some with bfloat16 take twice as long in it as in float32, and those
without take twenty times as long to train in it. So it is measured.
"""

import functools
import logging
import math
import time
from collections.abc import Sequence
from typing import Final

import keras
import numpy as np

from minigo.network.network import KERAS_DTYPES

FASTER: Final = 1.2
"""bfloat16 is worth its rounding from this ratio of speeds on."""
_BATCH_SHAPE: Final = (32, 9, 9, 64)
_ROUNDS: Final = 2
_SECONDS: Final = 1.0
"""So many rounds at least, and for so long, the precisions take turns: other work on the machine hits both alike."""

_log = logging.getLogger(__name__)


def settled_precision(precision: str) -> str:
    """What `MachineConfig.precision` means here: "auto" becomes "float32" or "bfloat16", the rest stays."""
    return fastest_precision() if precision == "auto" else precision


@functools.cache
def fastest_precision() -> str:
    """The name of bfloat16 where small networks train clearly faster in it than in float32, else float32's.

    Measured once in a process, on whatever Keras runs on; takes two or three seconds.
    """
    exact, rough = _step_seconds(("float32", "bfloat16"))
    fastest = "bfloat16" if exact >= FASTER * rough else "float32"
    _log.info("networks compute in %s: bfloat16 has %.2g times the speed of float32 here", fastest, exact / rough)
    return fastest


def _step_seconds(precisions: Sequence[str]) -> list[float]:
    """How long a training step of two convolutions takes in each: the shortest of those that take turns."""
    models = [_model(precision) for precision in precisions]
    inputs = np.random.default_rng(0).standard_normal(_BATCH_SHAPE, np.float32)
    for model in models:
        model.train_on_batch(inputs, inputs)  # compiles
    seconds, started, rounds = [math.inf] * len(models), time.perf_counter(), 0
    while rounds < _ROUNDS or time.perf_counter() - started < _SECONDS:
        for number, model in enumerate(models):
            began = time.perf_counter()
            model.train_on_batch(inputs, inputs)
            seconds[number] = min(seconds[number], time.perf_counter() - began)
        rounds += 1
    return seconds


def _model(precision: str) -> keras.Sequential:
    channels = _BATCH_SHAPE[-1]
    convolutions = [
        keras.layers.Conv2D(channels, 3, padding="same", activation="relu", dtype=KERAS_DTYPES[precision])
        for _ in range(2)
    ]
    model = keras.Sequential([keras.Input(_BATCH_SHAPE[1:]), *convolutions])
    model.compile(optimizer="sgd", loss="mse")
    return model
