# SPDX-License-Identifier: Apache-2.0
"""`TensorFlowEvaluator`: a network as an evaluator, computed by TensorFlow.

The weights become constants of one graph for each board size and batch shape, which TensorFlow then simplifies. Calls
at the same time use sessions of their own, each with one thread: no call waits for another, and results do not depend
on how many threads there are.
"""

import functools
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

from minigo.config import NetworkConfig
from minigo.inference.evaluator import Evaluation, Leaves
from minigo.inference.processor import cpu_model
from minigo.network.architecture import GoNetwork
from minigo.network.network import KERAS_DTYPES, Network, empty_model, weight_shapes

SPARE_ROWS: Final = 0 if "avx512f" in cpu_model()[1] else 8
"""Without AVX-512, the matrix products of the last rows have remainders that are rounded differently. Found by trying:
up to five rows of a batch differed in their last bits, on boards from 5x5 to 19x19."""

Shape = tuple[int, ...]
Compiled = Callable[[NDArray[np.uint8], NDArray[np.float32]], list[NDArray[np.float32]]]


class Graph(NamedTuple):
    """The tensors to feed and to fetch; they know the graph that they are in."""

    inputs: list[Any]
    outputs: list[Any]


class TensorFlowEvaluator:
    """Evaluates positions with a network. Safe to call from several threads at once.

    A row's evaluation is the same in every bit wherever it stands in a batch of one shape, and whatever else is there.

    Args:
        network: what to evaluate with; later changes to it have no effect.
        precision: arithmetic inside the network, "float32" or "bfloat16"; what comes out is float32.

    Raises:
        RuntimeError: Keras does not run on TensorFlow.
        ValueError: another precision.
    """

    backend = "tensorflow"

    def __init__(self, network: Network, *, precision: str = "bfloat16") -> None:
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(f"this evaluator needs KERAS_BACKEND=tensorflow, got {keras.backend.backend()}")
        if precision not in KERAS_DTYPES:
            raise ValueError(f"precision must be one of {', '.join(KERAS_DTYPES)} with TensorFlow, got {precision}")
        self.name = network.name
        self.precision = precision
        self._config = network.config
        self._weights = [network.weights[name].copy() for name in weight_shapes(network.config)]
        self._graphs: dict[Shape, Graph] = {}
        self._idle: dict[Shape, deque[Compiled]] = {}  # sessions that no thread is using
        self._lock = threading.Lock()

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates every row, padding included. The first call for a batch shape compiles."""
        rows = len(leaves.planes)
        planes, scalars = _with_spare_rows(leaves.planes), _with_spare_rows(leaves.scalars)
        shape = (*planes.shape, scalars.shape[1])
        compiled = self._borrow(shape)
        try:
            return Evaluation(*(column[:rows] for column in compiled(planes, scalars)))
        finally:
            self._idle[shape].append(compiled)

    def _borrow(self, shape: Shape) -> Compiled:
        try:
            return self._idle[shape].pop()
        except (KeyError, IndexError):
            with self._lock:
                if shape not in self._graphs:
                    with _TRACING:
                        self._graphs[shape] = self._graph(shape)
                    self._idle[shape] = deque()
                return _session(self._graphs[shape])

    def _graph(self, shape: Shape) -> Graph:
        model = _model(self._config, self.precision)
        with tf.Graph().as_default():
            planes = tf.compat.v1.placeholder(tf.uint8, shape[:-1])
            scalars = tf.compat.v1.placeholder(tf.float32, (shape[0], shape[-1]))
            weights = [tf.constant(weight) for weight in self._weights]
            return Graph([planes, scalars], evaluation_tensors(model, weights, planes, scalars))


_TRACING: Final = threading.Lock()
"""Held while a model is traced, which networks of one shape share."""


@functools.lru_cache(maxsize=8)
def _model(config: NetworkConfig, precision: str) -> GoNetwork:
    """A model whose own weights nobody reads."""
    return empty_model(config, precision)


def evaluation_tensors(model: GoNetwork, weights: list[Any], planes: Any, scalars: Any) -> list[Any]:
    """The fields of an `Evaluation`, in its order, as tensors: what a model says with other weights than its own.

    Args:
        model: the network.
        weights: one tensor for each of `model.trainable_variables`.
        planes: [B, N, N, C] of any type.
        scalars: [B, S] float32.
    """
    heads, _ = model.stateless_call(weights, [], {"planes": planes, "scalars": scalars})
    outcome = tf.nn.softmax(heads["outcome"])
    value = outcome[:, 0] - outcome[:, 2]
    return [tf.nn.softmax(heads["policy"]), value, heads["score_lead"], tf.tanh(heads["ownership"])]


def _with_spare_rows(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows with zeros after them, where the last rows of a batch are computed in another way than the others."""
    if SPARE_ROWS == 0:
        return rows
    return np.concatenate([rows, np.zeros((SPARE_ROWS, *rows.shape[1:]), rows.dtype)])


def _session(graph: Graph) -> Compiled:
    options: dict[str, Any] = {
        "intra_op_parallelism_threads": 1,
        "inter_op_parallelism_threads": 1,
        "use_per_session_threads": True,
        "gpu_options": tf.compat.v1.GPUOptions(allow_growth=True),
        # Fusing stumbles over the sum that ends a residual block, gives up with an error message, and gains nothing.
        "graph_options": tf.compat.v1.GraphOptions(rewrite_options=RewriterConfig(remapping=RewriterConfig.OFF)),
    }
    session = tf.compat.v1.Session(graph=graph.inputs[0].graph, config=tf.compat.v1.ConfigProto(**options))
    compiled: Compiled = session.make_callable(graph.outputs, feed_list=graph.inputs)
    return compiled
