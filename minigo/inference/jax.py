# SPDX-License-Identifier: Apache-2.0
"""`JaxEvaluator`: a network as an evaluator, computed by JAX: for accelerators, with a large batch for each call.

Weights are arguments of what is compiled, so a new network of the same shape compiles nothing. Several threads keep the
device busy: each sends its own batch and waits for that alone.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

import jax
import keras
import numpy as np
from numpy.typing import NDArray

from minigo.config import NetworkConfig
from minigo.inference.evaluator import Evaluation, Leaves
from minigo.network.network import KERAS_DTYPES, Network, empty_model, weight_shapes

Tensor = Any
Compiled = Callable[[list[Tensor], Any, Any], tuple[Tensor, ...]]


class JaxEvaluator:
    """Evaluates positions with a network. Safe to call from several threads at once.

    On processors a row's evaluation is the same in every bit wherever it stands in a batch of one shape, and whatever
    else is there.

    Args:
        network: what to evaluate with; later changes to it have no effect.
        precision: arithmetic inside the network, "float32" or "bfloat16"; what comes out is float32.

    Raises:
        RuntimeError: Keras does not run on JAX.
        ValueError: another precision.
    """

    backend = "jax"

    def __init__(self, network: Network, *, precision: str = "bfloat16") -> None:
        if keras.backend.backend() != "jax":
            raise RuntimeError(f"this evaluator needs KERAS_BACKEND=jax, got {keras.backend.backend()}")
        if precision not in KERAS_DTYPES:
            raise ValueError(f"precision must be one of {', '.join(KERAS_DTYPES)} with JAX, got {precision}")
        self.name = network.name
        self.precision = precision
        self._config = network.config
        self._weights = [jax.numpy.array(network.weights[name]) for name in weight_shapes(network.config)]

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates every row, padding included. The first call for a shape of network and batch compiles."""
        rows = len(leaves.planes)
        inputs = [_in_eights(leaves.planes), _in_eights(leaves.scalars)]
        outputs = _COMPILER.compiled(self._config, self.precision, self._weights, inputs)(self._weights, *inputs)
        return Evaluation(*(column[:rows] for column in jax.device_get(outputs)))  # waits without the GIL


class _Compiler:
    """What has been compiled in this process, by network shape, precision and batch shape."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[Any, ...], Compiled] = {}
        self._lock = threading.Lock()

    def compiled(
        self, config: NetworkConfig, precision: str, weights: list[Tensor], inputs: list[NDArray[Any]]
    ) -> Compiled:
        key = (config, precision, inputs[0].shape)
        if key not in self._compiled:
            with self._lock:
                if key not in self._compiled:
                    evaluation = jax.jit(_evaluation(config, precision))
                    self._compiled[key] = evaluation.lower(weights, *inputs).compile()
        return self._compiled[key]


_COMPILER: Final = _Compiler()


def _in_eights(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows with zeros after them up to a multiple of 8: others are computed in another way by what is left over."""
    missing = -len(rows) % 8
    return np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)]) if missing else rows


def _evaluation(config: NetworkConfig, precision: str) -> Compiled:
    """The fields of an `Evaluation`, in its order, as a function of weights, planes and scalars."""
    model = empty_model(config, precision)

    def evaluation(weights: list[Tensor], planes: Tensor, scalars: Tensor) -> tuple[Tensor, ...]:
        heads, _ = model.stateless_call(weights, [], {"planes": planes, "scalars": scalars})
        outcome = jax.nn.softmax(heads["outcome"])
        value = outcome[:, 0] - outcome[:, 2]
        return jax.nn.softmax(heads["policy"]), value, heads["score_lead"], jax.numpy.tanh(heads["ownership"])

    return evaluation
