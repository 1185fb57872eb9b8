# SPDX-License-Identifier: Apache-2.0
"""The residual tower and its heads, free of any board size: one set of weights plays every board.

Nothing here has statistics (no batch normalization, see `docs/adr`): an average of weights is exact, and what a row
of a batch gives depends on that row alone. Start at `GoNetwork`.
"""

from typing import Any

import keras
from keras import layers, ops

from minigo.config import NetworkConfig

CENTRAL_BOARD_SIZE = 10.0
"""Where the scaled mean of `pool` vanishes: about the middle of the sizes played."""

Tensor = Any
"""A tensor of whatever backend Keras runs on."""


def pool(board: Tensor) -> Tensor:
    """Sums up each channel over the board: [B, N, N, C] to [B, 3 C].

    The mean, the mean scaled by how large the board is, and the maximum, as in Wu 2019 ("Accelerating Self-Play
    Learning in Go"), section 3.3: size-free, yet a network can tell the sizes apart.
    """
    board_size = ops.cast(ops.shape(board)[1], board.dtype)
    mean = ops.mean(board, axis=(1, 2))
    scaled = mean * ((board_size - CENTRAL_BOARD_SIZE) / CENTRAL_BOARD_SIZE)
    return ops.concatenate([mean, scaled, ops.max(board, axis=(1, 2))], axis=-1)


def on_every_point(vector: Tensor) -> Tensor:
    """Shapes a vector to be added to a board: [B, C] to [B, 1, 1, C]."""
    return ops.expand_dims(vector, (1, 2))


class ResidualBlock(layers.Layer):
    """Two 3x3 convolutions behind their activations, added to what came in: [B, N, N, C] to the same.

    The second convolution starts at zero, so a new tower of any depth passes its input on unchanged (Fixup, Zhang et
    al. 2019; SkipInit, De and Smith 2020): that is what makes it trainable without normalization.

    Args:
        channels: C.
        depth: blocks in the tower; the first convolution starts smaller in a deeper one.
        pooling: whether a global pooling of the first convolution's output is mixed back into every point.
        dtype: Keras dtype or policy.
    """

    def __init__(self, channels: int, depth: int, *, pooling: bool, dtype: Any, **named: Any) -> None:
        super().__init__(dtype=dtype, **named)
        start = keras.initializers.VarianceScaling(2.0 / depth)
        self.first = layers.Conv2D(channels, 3, padding="same", kernel_initializer=start, dtype=dtype, name="first")
        self.pooled = layers.Dense(channels, dtype=dtype, name="pooled") if pooling else None
        self.second = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros", dtype=dtype, name="second")

    def call(self, inputs: Tensor) -> Tensor:
        """Refines [B, N, N, C]."""
        hidden = ops.relu(self.first(ops.relu(inputs)))
        if self.pooled is not None:
            hidden = ops.relu(hidden + on_every_point(self.pooled(pool(hidden))))
        return inputs + self.second(hidden)


class GoNetwork(keras.Model):
    """Planes and scalars in, four heads out; all for the player to move.

    Channels come in eights: with others, what a row gives can depend in its last bit on where in a batch it stands,
    because vector and scalar instructions round differently.

    Args:
        config: the shape of the tower.
        dtype: arithmetic: "float32" or "mixed_bfloat16"; the weights and all outputs are float32.
    """

    def __init__(self, config: NetworkConfig, *, dtype: str = "float32") -> None:
        super().__init__(dtype=dtype, name="network")
        self.config = config
        self.planes = self._convolution("planes", config.channels, 3)
        self.scalars = self._dense("scalars", config.channels)
        self.blocks = [
            ResidualBlock(
                config.channels,
                config.blocks,
                pooling=i in config.blocks_with_pooling,
                dtype=dtype,
                name=f"block_{i:02d}",
            )
            for i in range(config.blocks)
        ]
        self.policy = self._convolution("policy", config.head_channels, 1)
        self.policy_pooled = self._dense("policy_pooled", config.head_channels)
        self.policy_points = self._convolution("policy_points", 1, 1, last=True)
        self.policy_pass = self._dense("policy_pass", 1, last=True)
        self.value = self._convolution("value", config.head_channels, 1)
        self.value_hidden = self._dense("value_hidden", config.value_hidden)
        self.outcome = self._dense("outcome", 3, last=True)
        self.score_lead = self._dense("score_lead", 1, last=True)
        self.ownership = self._convolution("ownership", 1, 1, last=True)

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Evaluates a batch.

        Args:
            inputs: "planes" [B, N, N, C] of any type, "scalars" [B, S] float32.

        Returns:
            All float32: "policy" [B, A] logits, points row by row and then the pass; "outcome" [B, 3] logits of win,
            draw, loss; "score_lead" [B] points; "ownership" [B, N, N] logits of owning the point.
        """
        planes = ops.cast(inputs["planes"], self.compute_dtype)
        board = self.planes(planes) + on_every_point(self.scalars(inputs["scalars"]))
        for block in self.blocks:
            board = block(board)
        board = ops.relu(board)
        return {"policy": self._policy_logits(board), **self._value_heads(board)}

    def _policy_logits(self, board: Tensor) -> Tensor:
        policy = self.policy(board)
        pooled = self.policy_pooled(pool(ops.relu(policy)))
        points = self.policy_points(ops.relu(policy + on_every_point(pooled)))
        logits = [ops.reshape(points, (ops.shape(points)[0], -1)), self.policy_pass(ops.relu(pooled))]
        return ops.cast(ops.concatenate(logits, axis=1), "float32")

    def _value_heads(self, board: Tensor) -> dict[str, Tensor]:
        value = ops.relu(self.value(board))
        hidden = ops.relu(self.value_hidden(pool(value)))
        board_size = ops.cast(ops.shape(board)[1], "float32")
        return {
            "outcome": ops.cast(self.outcome(hidden), "float32"),
            "score_lead": ops.cast(self.score_lead(hidden), "float32")[:, 0] * board_size,
            "ownership": ops.cast(self.ownership(value), "float32")[..., 0],
        }

    def _convolution(self, name: str, channels: int, size: int, *, last: bool = False) -> layers.Layer:
        return layers.Conv2D(channels, size, padding="same", name=name, **self._start(last))

    def _dense(self, name: str, channels: int, *, last: bool = False) -> layers.Layer:
        return layers.Dense(channels, name=name, **self._start(last))

    def _start(self, last: bool) -> dict[str, Any]:
        """The last layers compute in full precision, and start small: a new network finds all moves about equal."""
        if last:
            return {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.01), "dtype": "float32"}
        return {"kernel_initializer": "he_normal", "dtype": self.dtype_policy}


def build_model(config: NetworkConfig, num_planes: int, num_scalars: int, *, dtype: str = "float32") -> GoNetwork:
    """Makes a network and all its weights, drawn from Keras' random state.

    Args:
        config: the shape of the tower.
        num_planes: C, the feature planes it reads.
        num_scalars: S, the scalars it reads.
        dtype: arithmetic: "float32" or "mixed_bfloat16".
    """
    model = GoNetwork(config, dtype=dtype)
    model(
        {
            "planes": keras.KerasTensor((None, None, None, num_planes), dtype="uint8"),
            "scalars": keras.KerasTensor((None, num_scalars), dtype="float32"),
        }
    )
    return model
