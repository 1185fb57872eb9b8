# SPDX-License-Identifier: Apache-2.0
"""One step of training, compiled by the framework that Keras runs on. Losses stay on the device until somebody looks.

`compiled_steps` picks; `Trainer` (`minigo.network.trainer`) is the only caller. A framework is imported here only when
Keras runs on it.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from minigo.config import TrainConfig
from minigo.network.architecture import GoNetwork, Tensor
from minigo.network.losses import head_losses, total_loss

Arrays = dict[str, NDArray[Any]]
Losses = dict[str, Tensor]
"""Scalars by name: one for each head, "total", and "policy_share", the share of the rows with a policy target."""


class Steps(Protocol):
    """What a framework compiles."""

    def train(self, inputs: Arrays, targets: Arrays, rate: float) -> Losses:
        """Takes one step at this learning rate; the losses are those before it. Call it inside `training`."""
        ...

    def measure(self, inputs: Arrays, targets: Arrays) -> Losses:
        """The losses of the weights as they are."""
        ...

    def training(self) -> contextlib.AbstractContextManager[None]:
        """Steps are taken in it; weights and optimizer may be read or changed only outside."""
        ...


def compiled_steps(network: GoNetwork, optimizer: Any, config: TrainConfig) -> Steps:
    """Steps of a network with its optimizer, which has been built.

    Raises:
        RuntimeError: Keras runs on a framework that is neither TensorFlow nor JAX.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return _JaxSteps(network, optimizer, config)
    if backend == "tensorflow":
        return _TensorFlowSteps(network, optimizer, config)
    raise RuntimeError(f"KERAS_BACKEND must be tensorflow or jax, got {backend}")


def _losses(targets: dict[str, Tensor], heads: dict[str, Tensor], config: TrainConfig) -> Losses:
    losses = head_losses(targets, heads)
    share = ops.mean(targets["policy_weight"])
    return {**losses, "total": total_loss(losses, targets, config), "policy_share": share}


class _TensorFlowSteps:
    """Steps that change Keras' variables in place."""

    def __init__(self, network: GoNetwork, optimizer: Any, config: TrainConfig) -> None:
        import tensorflow as tf

        # Fusing stumbles over the sum that ends a residual block, gives up with an error message, and gains nothing.
        tf.config.optimizer.set_experimental_options({"remapping": False})
        weights = network.trainable_variables

        def train(inputs: Any, targets: Any) -> Losses:
            with tf.GradientTape() as tape:
                losses = _losses(targets, network(inputs), config)
            gradients = tape.gradient(losses["total"], [weight.value for weight in weights])
            optimizer.apply(gradients, weights)
            return losses

        def measure(inputs: Any, targets: Any) -> Losses:
            return _losses(targets, network(inputs), config)

        self._optimizer = optimizer
        self._train = tf.function(train, autograph=False)
        self._measure = tf.function(measure, autograph=False)

    def train(self, inputs: Arrays, targets: Arrays, rate: float) -> Losses:
        self._optimizer.learning_rate.assign(rate)
        losses: Losses = self._train(inputs, targets)
        return losses

    def measure(self, inputs: Arrays, targets: Arrays) -> Losses:
        losses: Losses = self._measure(inputs, targets)
        return losses

    def training(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


class _JaxSteps:
    """Steps that keep weights and optimizer on the device; Keras' `train_on_batch` copies them around each step."""

    def __init__(self, network: GoNetwork, optimizer: Any, config: TrainConfig) -> None:
        import jax

        self._weights = network.trainable_variables
        self._slots = optimizer.variables
        self._state: tuple[list[Tensor], list[Tensor]] | None = None
        rate_slot = next(i for i, slot in enumerate(self._slots) if slot is optimizer.learning_rate)

        def measure(weights: list[Tensor], inputs: Any, targets: Any) -> Losses:
            heads, _ = network.stateless_call(weights, [], inputs)
            return _losses(targets, heads, config)

        def loss(weights: list[Tensor], inputs: Any, targets: Any) -> tuple[Tensor, Losses]:
            losses = measure(weights, inputs, targets)
            return losses["total"], losses

        def train(state: Any, rate: Any, inputs: Any, targets: Any) -> tuple[Losses, Any]:
            weights, slots = state
            slots = [*slots[:rate_slot], rate, *slots[rate_slot + 1 :]]
            (_, losses), gradients = jax.value_and_grad(loss, has_aux=True)(weights, inputs, targets)
            weights, slots = optimizer.stateless_apply(slots, gradients, weights)
            return losses, (weights, slots)

        self._train = jax.jit(train, donate_argnums=0)
        self._measure = jax.jit(measure)

    def train(self, inputs: Arrays, targets: Arrays, rate: float) -> Losses:
        losses: Losses
        losses, self._state = self._train(self._state, np.float32(rate), inputs, targets)
        return losses

    def measure(self, inputs: Arrays, targets: Arrays) -> Losses:
        losses: Losses = self._measure([weight.value for weight in self._weights], inputs, targets)
        return losses

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        self._state = ([weight.value for weight in self._weights], [slot.value for slot in self._slots])
        try:
            yield
        finally:
            weights, slots = self._state
            for variable, value in zip([*self._weights, *self._slots], [*weights, *slots], strict=True):
                variable.assign(value)
            self._state = None
