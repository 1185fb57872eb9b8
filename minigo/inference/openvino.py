# SPDX-License-Identifier: Apache-2.0
"""`OpenVINOEvaluator`: a network as an evaluator, computed by OpenVINO on processors.

The Keras model is converted once for each kind of network, with its weights as inputs and without sizes. An evaluator
makes constants of them and compiles that for each batch shape; int8 also quantizes the convolutions of the tower.
Start at `OpenVINOEvaluator`; docs/adr/0008-openvino-and-int8.md says why int8 is made as it is.
"""

import dataclasses
import sys
import threading
from collections import deque
from typing import Any, Final, cast

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cc_kernels.features import NUM_PLANES, NUM_SCALARS
from minigo.config import NetworkConfig
from minigo.inference.evaluator import Evaluation, Leaves
from minigo.inference.tensorflow import evaluation_tensors
from minigo.network.network import Network, empty_model, weight_shapes

sys.modules.setdefault("openvino_telemetry", cast(Any, None))  # the import below would report itself over the network
import openvino as ov  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

Shape = tuple[int, ...]
Node = Any
"""An operation of a model. OpenVINO's own types are not precise enough to help."""

NUM_OUTPUTS: Final = len(Evaluation._fields)
LEVELS: Final = 256
"""Values that an int8 activation can have; they are never negative."""
WEIGHT_LIMIT: Final = 127
"""Weights lie in -127..127 steps of their output channel's own size."""
BALANCE: Final = 0.6
"""How much of an input channel's size its activations keep, against its weights. Measured: 0.4 to 0.6 are best."""
SMALLEST: Final = 1e-3
"""No channel is treated as smaller than this share of the largest: a silent one would have no size at all."""


class OpenVINOEvaluator:
    """Evaluates positions with a network. Safe to call from several threads at once.

    A row's evaluation is the same in every bit wherever it stands in a batch of one shape, and whatever else is there.

    Args:
        network: what to evaluate with; later changes to it have no effect.
        precision: arithmetic inside the network: "float32", "bfloat16" (float32 on processors without it) or "int8"
            (the convolutions of the residual blocks; the rest is float32); what comes out is float32.
        calibration: positions as the network will meet them, for int8: they show how large activations grow.

    Raises:
        ValueError: int8 without calibration.
    """

    backend = "openvino"

    def __init__(self, network: Network, *, precision: str = "bfloat16", calibration: Leaves | None = None) -> None:
        if precision == "int8" and calibration is None:
            raise ValueError("int8 needs positions to calibrate with")
        self.name = network.name
        self.precision = precision if precision != "bfloat16" or has_bfloat16() else "float32"
        weights = {name: weight.copy() for name, weight in network.weights.items()}
        self._network = dataclasses.replace(network, weights=weights)
        self._sizes = activation_sizes(network, calibration) if precision == "int8" and calibration else None
        self._models: dict[Shape, ov.Model] = {}
        self._idle: dict[Shape, deque[ov.InferRequest]] = {}  # requests that no thread is using
        self._lock = threading.Lock()

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates every row, padding included. The first call for a batch shape compiles."""
        shape = leaves.planes.shape
        request = self._borrow(shape)
        try:
            outputs = request.infer([leaves.planes, leaves.scalars], share_inputs=True)
            return Evaluation(*(outputs[index] for index in range(NUM_OUTPUTS)))
        finally:
            self._idle[shape].append(request)

    def _borrow(self, shape: Shape) -> ov.InferRequest:
        try:
            return self._idle[shape].pop()
        except (KeyError, IndexError):
            with self._lock:
                if shape not in self._models:
                    self._models[shape] = self._model(shape)
                    self._idle[shape] = deque()
                # One stream of a compiled model is one thread; several streams of one would share its requests.
                return _compiled(self._models[shape], self.precision).create_infer_request()

    def _model(self, shape: Shape) -> ov.Model:
        model = _with_weights(self._network, shape)
        if self._sizes is not None:
            _quantize(model, self._sizes)
        return model


def has_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this processor; where it does not, it takes float32 instead."""
    return "BF16" in _CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def activation_sizes(network: Network, positions: Leaves) -> list[NDArray[np.float32]]:
    """How large each input channel of each convolution that int8 quantizes grows in the positions: arrays [C]."""
    model = _with_weights(network, positions.planes.shape)
    for convolution in _quantizable(model):
        largest = ops.reduce_max(convolution.input_value(0), np.array([0, 2, 3]), keep_dims=False)
        model.add_outputs(largest.output(0))
    outputs = _compiled(model, "float32").create_infer_request().infer([positions.planes, positions.scalars])
    return [outputs[index] for index in range(NUM_OUTPUTS, len(outputs))]


class _Converter:
    """Converted networks by their config: weights are inputs, named as in `Network.weights`; sizes are open."""

    def __init__(self) -> None:
        self._models: dict[NetworkConfig, ov.Model] = {}
        self._lock = threading.Lock()

    def model(self, network: Network) -> ov.Model:
        with self._lock:
            if network.config not in self._models:
                self._models[network.config] = _converted(network)
            return self._models[network.config]


_CONVERTER: Final = _Converter()


def _converted(network: Network) -> ov.Model:
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(f"this evaluator needs KERAS_BACKEND=tensorflow, got {keras.backend.backend()}")
    keras_model, names = empty_model(network.config), list(weight_shapes(network.config))

    def evaluation(planes: tf.Tensor, scalars: tf.Tensor, *weights: tf.Tensor) -> list[tf.Tensor]:
        return evaluation_tensors(keras_model, list(weights), planes, scalars)

    signature = [
        tf.TensorSpec((None, None, None, NUM_PLANES), tf.uint8, name="planes"),
        tf.TensorSpec((None, NUM_SCALARS), tf.float32, name="scalars"),
        *(tf.TensorSpec(network.weights[name].shape, tf.float32, name=f"w{i}") for i, name in enumerate(names)),
    ]
    function = tf.function(evaluation).get_concrete_function(*signature)
    converted = ov.convert_model(function)
    # What the function computed and did not use comes out, too: say which outputs are meant.
    outputs = [converted.output(tensor.name).get_node().input_value(0) for tensor in function.outputs]
    for parameter in converted.get_parameters()[2:]:
        parameter.set_friendly_name(names[int(parameter.get_friendly_name()[1:])])
    return ov.Model(outputs, converted.get_parameters(), "network")


def _with_weights(network: Network, shape: Shape) -> ov.Model:
    """The network for one batch shape, its weights as constants."""
    model = _CONVERTER.model(network).clone()
    planes, scalars, *weights = model.get_parameters()
    model.reshape({planes.output(0): shape, scalars.output(0): (shape[0], NUM_SCALARS)})
    for parameter in weights:
        constant = ops.constant(network.weights[parameter.get_friendly_name()])
        parameter.output(0).replace(constant.output(0))
        model.remove_parameter(parameter)
    model.validate_nodes_and_infer_types()
    return model


def _quantizable(model: ov.Model) -> list[Node]:
    """The convolutions of the residual blocks, nearly all of the arithmetic; their inputs are never negative."""
    convolutions = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    return [
        node
        for node in convolutions
        if node.input_value(0).get_node().get_type_name() == "Relu" and node.input_value(1).get_shape()[-1] > 1
    ]


def _quantize(model: ov.Model, sizes: list[NDArray[np.float32]]) -> None:
    """Lets the convolutions of the residual blocks read int8 activations and int8 weights.

    Channels of unlike sizes would waste most levels of the small ones. So each channel is divided by a size of its own
    and its weights are multiplied by it, as in Xiao et al. 2022 ("SmoothQuant"), which costs nothing here.
    """
    for convolution, activations in zip(_quantizable(model), sizes, strict=True):
        kernel = _constant_value(convolution.input_value(1))
        size, weight = _bounded(activations), _bounded(np.abs(kernel).max(axis=(0, 2, 3)))
        scale = size**BALANCE / weight ** (1 - BALANCE)
        high = scale * (size / scale).max()  # [C] where each channel's levels end
        share = (high / high.max()).reshape(1, -1, 1, 1).astype(np.float32)
        zero, top = np.float32(0), np.float32(high.max())
        rounded = ops.fake_quantize(convolution.input_value(0), zero, share * top, zero, top, LEVELS)
        convolution.input(0).replace_source_output(rounded.output(0))
        convolution.input(1).replace_source_output(_int8_weights(kernel * share).output(0))
    model.validate_nodes_and_infer_types()


def _bounded(sizes: NDArray[np.float32]) -> NDArray[np.float32]:
    largest = sizes.max()
    return np.maximum(sizes, SMALLEST * largest) if largest > 0 else np.ones_like(sizes)


def _int8_weights(kernel: NDArray[np.float32]) -> Node:
    """Weights of a convolution [out, in, 3, 3] as int8, each output channel in steps of its own."""
    steps = _bounded(np.abs(kernel).max(axis=(1, 2, 3))).reshape(-1, 1, 1, 1) / WEIGHT_LIMIT
    whole = np.rint(kernel / steps).astype(np.int8)
    return ops.multiply(ops.convert(ops.constant(whole), "f32"), ops.constant(steps.astype(np.float32)))


def _constant_value(source: Any) -> NDArray[np.float32]:
    """The value of a constant, or of one that is only transposed."""
    node = source.get_node()
    if node.get_type_name() == "Transpose":
        order = _constant_value(node.input_value(1)).tolist()
        return np.ascontiguousarray(_constant_value(node.input_value(0)).transpose(order))
    if node.get_type_name() != "Constant":
        raise TypeError(f"weights must be a constant, got {node.get_type_name()}")
    return cast(NDArray[np.float32], node.data)


def _compiled(model: ov.Model, precision: str) -> ov.CompiledModel:
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    return _CORE.compile_model(model, "CPU", settings)


_CORE: Final = ov.Core()
