# SPDX-License-Identifier: Apache-2.0
"""`Network`: weights with the facts that give them meaning, in memory and as `weights.safetensors` plus a JSON info.

Nothing stored is ever executed: the model is rebuilt from our own config and filled with arrays whose names, shapes
and hash have been checked.
"""

import dataclasses
import functools
import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import keras
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from cc_kernels.features import PLANE_NAMES, SCALAR_NAMES
from minigo.config import ConfigError, NetworkConfig
from minigo.network.architecture import GoNetwork, build_model

NETWORK_FORMAT: Final = 1
"""Raised when the same weights would mean another function."""

Weights = dict[str, NDArray[np.float32]]
"""Arrays by their path in the model, like "block_00/first/kernel"."""

KERAS_DTYPES: Final = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
"""`MachineConfig.precision` as Keras calls it."""


class NetworkError(ValueError):
    """Weights do not fit what their info says, or this program. Refuse them."""


@dataclass(frozen=True)
class Network:
    """One network: the shape of its tower, all its weights, and where it comes from."""

    config: NetworkConfig
    weights: Weights
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the run, like "000012", or "unnamed"."""
        return str(self.info.get("name", "unnamed"))

    @classmethod
    def create(cls, config: NetworkConfig, *, seed: int) -> Self:
        """A new network with random weights, which depend on the seed and on what Keras runs on."""
        if keras.backend.backend() == "tensorflow":
            keras.utils.set_random_seed(seed)
        else:
            random.seed(seed)  # which initializers take their seeds from; the call above would import TensorFlow
        return cls.from_model(empty_model(config))

    @classmethod
    def from_model(cls, model: GoNetwork, info: dict[str, Any] | None = None) -> Self:
        """Copies the weights out of a model."""
        weights = {weight_name(variable): np.array(variable.numpy(), np.float32) for variable in model.variables}
        return cls(model.config, weights, info if info is not None else {})

    def model(self, precision: str = "float32") -> GoNetwork:
        """A new model with these weights.

        Args:
            precision: "float32" or "bfloat16" (weights and outputs are float32 in both).
        """
        model = empty_model(self.config, precision)
        load_weights(model, self.weights)
        return model

    def to_bytes(self) -> bytes:
        """The weights as safetensors; the same weights give the same bytes."""
        return arrays_to_bytes(self.weights)

    def description(self) -> dict[str, Any]:
        """What `from_bytes` needs to know beside the weights; goes into the info."""
        return {
            "network_format": NETWORK_FORMAT,
            "network": dataclasses.asdict(self.config),
            "planes": list(PLANE_NAMES),
            "scalars": list(SCALAR_NAMES),
            "weights_sha256": hashlib.sha256(self.to_bytes()).hexdigest(),
        }

    @classmethod
    def from_bytes(cls, data: bytes, info: dict[str, Any]) -> Self:
        """Reads what `to_bytes` and `description` wrote, also before there were so many planes.

        A network that reads fewer of them has zeros for the others now; its info stays that of the file.

        Raises:
            NetworkError: hash, format, input planes, names or shapes disagree, or a weight is not finite.
        """
        config = _checked_config(data, info)
        weights = _with_all_planes(arrays_from_bytes(data), info["planes"])
        try:
            _check_weights(weights, config)
        except ConfigError as error:
            raise NetworkError(f"network's config is not one of this program: {error}") from None
        return cls(config, weights, info)


def arrays_to_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Named arrays as a safetensors file; the same arrays give the same bytes."""
    return safetensors.numpy.save({name: arrays[name] for name in sorted(arrays)})


def arrays_from_bytes(data: bytes) -> dict[str, NDArray[Any]]:
    """Reads what `arrays_to_bytes` wrote.

    Raises:
        NetworkError: it is no whole safetensors file.
    """
    try:
        arrays: dict[str, NDArray[Any]] = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise NetworkError(f"weights are no safetensors file: {error}") from None
    return arrays


def load_weights(model: GoNetwork, weights: Weights) -> None:
    """Fills a model with weights.

    Raises:
        NetworkError: names or shapes disagree, or a weight is not finite.
    """
    _check_weights(weights, model.config)
    for variable in model.variables:
        variable.assign(weights[weight_name(variable)])


def empty_model(config: NetworkConfig, precision: str = "float32") -> GoNetwork:
    """A model of some shape whose weights are to come from elsewhere. Takes most of a second."""
    return build_model(config, len(PLANE_NAMES), len(SCALAR_NAMES), dtype=KERAS_DTYPES[precision])


@functools.lru_cache(maxsize=16)
def weight_shapes(config: NetworkConfig) -> Mapping[str, tuple[int, ...]]:
    """The shape of each weight by its name, in the order of a model's variables."""
    return {weight_name(variable): tuple(variable.shape) for variable in empty_model(config).variables}


def weight_name(variable: Any) -> str:
    """The variable's path without the model's own name."""
    return str(variable.path).partition("/")[2]


def _checked_config(data: bytes, info: dict[str, Any]) -> NetworkConfig:
    expected, actual = info.get("weights_sha256"), hashlib.sha256(data).hexdigest()
    if actual != expected:
        raise NetworkError(f"weights must have sha256 {expected}, got {actual}")
    if info.get("network_format") != NETWORK_FORMAT:
        raise NetworkError(f"network format must be {NETWORK_FORMAT}, got {info.get('network_format')}")
    planes, scalars = info.get("planes"), info.get("scalars")
    if not planes or not isinstance(planes, list) or [name for name in PLANE_NAMES if name in planes] != planes:
        raise NetworkError(f"network reads other planes than this program writes: {planes}")
    if scalars != list(SCALAR_NAMES):
        raise NetworkError(f"network reads other scalars than this program writes: {scalars}")
    try:
        return NetworkConfig(**info["network"])
    except (ConfigError, KeyError, TypeError) as error:
        raise NetworkError(f"network's config is not one of this program: {error}") from None


def _with_all_planes(weights: Weights, planes: list[str]) -> Weights:
    """The weights of a network that reads some of the planes, for all of them: it makes nothing of the others."""
    kernel = weights.get("planes/kernel")
    if kernel is None or kernel.ndim != 4:
        return weights  # and refused for that
    if kernel.shape[2] != len(planes):
        raise NetworkError(f"weight planes/kernel must read the info's {len(planes)} planes, got {kernel.shape[2]}")
    wide = np.zeros((*kernel.shape[:2], len(PLANE_NAMES), kernel.shape[3]), kernel.dtype)
    wide[:, :, [PLANE_NAMES.index(plane) for plane in planes]] = kernel
    return {**weights, "planes/kernel": wide}


def _check_weights(weights: Weights, config: NetworkConfig) -> None:
    expected = weight_shapes(config)
    actual = {name: array.shape for name, array in weights.items()}
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            raise NetworkError(
                f"weight {name} must have shape {expected.get(name)}, got {actual.get(name)} (a network of {config})"
            )
        if weights[name].dtype != np.float32 or not np.isfinite(weights[name]).all():
            raise NetworkError(f"weight {name} must be finite float32")
