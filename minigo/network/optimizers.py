# SPDX-License-Identifier: Apache-2.0
"""The optimizers: AdamW and Muon, both with an exponential average of the weights. Start at `make_optimizer`."""

from typing import Any, Final

import keras
from keras import ops

from minigo.config import TrainConfig
from minigo.network.architecture import Tensor

MOMENTUM: Final = 0.95
STEP_SIZE: Final = 0.2
"""Root mean square of an update of Muon, in learning rates: about that of AdamW, so that rates mean the same."""
NEWTON_SCHULZ: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of x, x³, x⁵ (Jordan 2024): singular values between 0.01 and 1 are near 1 after five rounds."""
ROUNDS: Final = 5


def make_optimizer(config: TrainConfig) -> Any:
    """The optimizer that a config names; it decays no biases."""
    kind = {"adamw": AveragingAdamW, "muon": AveragingMuon}[config.optimizer]
    optimizer = kind(
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        global_clipnorm=config.clip_norm if config.clip_norm > 0 else None,
        use_ema=True,
        ema_momentum=config.average_decay,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


class AveragingAdamW(keras.optimizers.AdamW):
    """AdamW whose average of the weights forgets the first steps faster: min(decay, (1 + step) / (10 + step))."""

    @property
    def ema_momentum(self) -> Any:
        """The decay of the next update: a number, or a tensor once the optimizer has variables."""
        if not self.built:
            return self._average_decay
        step = ops.cast(self.iterations, "float32")
        return ops.minimum(self._average_decay, (1.0 + step) / (10.0 + step))

    @ema_momentum.setter
    def ema_momentum(self, decay: float) -> None:
        self._average_decay = decay


class AveragingMuon(AveragingAdamW):
    """Muon (Jordan 2024) for the kernels between hidden layers, AdamW for all else: biases, first and last layers.

    A kernel moves by its momentum with all singular values made about equal, so that no direction of the gradient
    drowns the others. Updates are as large as AdamW's (Liu et al. 2025, "Muon is Scalable for LLM Training").
    """

    def build(self, variables: list[Any]) -> None:
        """Makes the momentum of each variable."""
        super().build(variables)
        self._hidden = {index for index, variable in enumerate(variables) if is_hidden_kernel(variable)}

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Moves one variable."""
        index = self._get_variable_index(variable)
        if index not in self._hidden:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[index]
        self.assign_add(momentum, (gradient - momentum) * (1 - MOMENTUM))
        ahead = gradient * (1 - MOMENTUM) + momentum * MOMENTUM
        columns = int(variable.shape[-1])
        matrix = ops.reshape(ahead, (-1, columns))
        size = STEP_SIZE * max(int(matrix.shape[0]), columns) ** 0.5
        update = ops.reshape(orthogonal(matrix), variable.shape) * size
        self.assign_sub(variable, update * ops.cast(learning_rate, variable.dtype))


def is_hidden_kernel(variable: Any) -> bool:
    """Whether a variable is a matrix, or a convolution's kernel, between hidden layers of `GoNetwork`."""
    layer = variable.path.split("/")[-2]
    return variable.path.endswith("/kernel") and layer not in ("planes", "scalars") and variable.shape[-1] >= 8


def orthogonal(matrix: Tensor) -> Tensor:
    """The orthogonal matrix nearest to one [R, C], roughly: its singular values become 0.7 to 1.2."""
    a, b, c = NEWTON_SCHULZ
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = ops.transpose(matrix) if is_tall else matrix
    x = x / (ops.norm(x) + 1e-7)
    for _ in range(ROUNDS):
        square = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    return ops.transpose(x) if is_tall else x
