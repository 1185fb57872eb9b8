# SPDX-License-Identifier: Apache-2.0
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from minigo.config import ConfigError, NetworkConfig, TrainConfig
from minigo.network.architecture import pool
from minigo.network.network import Network
from minigo.network.trainer import Trainer
from tests.support.learning import TINY, busy_network, random_batch, random_leaves

TRUNK = {"planes", "scalars", "block_00", "block_01"}
READ_BY = {
    "policy": TRUNK | {"policy", "policy_pooled", "policy_points", "policy_pass"},
    "outcome": TRUNK | {"value", "value_hidden", "outcome"},
    "score_lead": TRUNK | {"value", "value_hidden", "score_lead"},
    "ownership": TRUNK | {"value", "ownership"},
}
"""The parts of the network that each head's output depends on."""


def inputs(batch: int, board_size: int, seed: int = 0) -> dict[str, np.ndarray]:
    leaves = random_leaves(batch, board_size, seed)
    return {"planes": leaves.planes, "scalars": leaves.scalars}


@pytest.mark.parametrize("board_size", [2, 5, 9, 19])
def test_one_set_of_weights_plays_every_board(board_size: int) -> None:
    heads = busy_network().model()(inputs(3, board_size))

    shapes = {name: tuple(head.shape) for name, head in heads.items()}
    points = board_size**2
    assert shapes == {
        "policy": (3, points + 1),
        "outcome": (3, 3),
        "score_lead": (3,),
        "ownership": (3, board_size, board_size),
    }
    assert all(np.isfinite(head.numpy()).all() for head in heads.values())


def test_a_network_can_tell_board_sizes_apart() -> None:
    model, empty = busy_network().model(), {}
    for board_size in (5, 9):
        leaves = inputs(1, board_size)
        leaves["planes"][:], leaves["scalars"][:] = 1, 0
        empty[board_size] = model(leaves)["outcome"].numpy()

    assert np.abs(empty[5] - empty[9]).max() > 1e-3


@pytest.mark.parametrize(("board_size", "scale"), [(5, -0.5), (10, 0.0), (19, 0.9)])
def test_pooling_is_mean_mean_scaled_by_board_size_and_maximum(board_size: int, scale: float) -> None:
    board = np.zeros((2, board_size, board_size, 3), np.float32)
    board[0, ..., 1], board[1, 0, -1, 2] = 4.0, board_size**2

    mean, largest = [[0, 4, 0], [0, 0, 1]], [[0, 4, 0], [0, 0, board_size**2]]
    expected = np.hstack([mean, scale * np.array(mean), largest])
    np.testing.assert_allclose(pool(board).numpy(), expected, rtol=1e-5)


def test_a_new_network_finds_all_moves_about_equal_and_positions_even() -> None:
    heads = Network.create(NetworkConfig(), seed=1).model()(inputs(8, 9))

    policy = tf.nn.softmax(heads["policy"]).numpy()
    assert policy.max() < 2 / 82
    assert np.abs(tf.nn.softmax(heads["outcome"]).numpy() - 1 / 3).max() < 0.1


@pytest.mark.parametrize("depth", [1, 12])
def test_blocks_of_a_new_network_pass_their_input_on(depth: int) -> None:
    config = NetworkConfig(blocks=depth, channels=16, pooling_blocks=1)
    block = Network.create(config, seed=0).model().blocks[depth - 1]
    board = np.random.default_rng(0).normal(size=(2, 5, 5, 16)).astype(np.float32)

    np.testing.assert_array_equal(block(board).numpy(), board)


@pytest.fixture(scope="module")
def stepped_network() -> Network:
    """A new network after its first step: until then the second convolutions are zero and hide the first ones."""
    trainer = Trainer(Network.create(TINY, seed=0), TrainConfig(batch_size=16), precision="float32")
    trainer.train([random_batch(16, 5)], progress=0.0)
    return trainer.network()


@pytest.mark.parametrize("head", list(READ_BY))
def test_gradient_of_each_head_reaches_its_inputs_and_all_its_weights(stepped_network: Network, head: str) -> None:
    model = stepped_network.model()
    planes, scalars = (tf.constant(value, tf.float32) for value in inputs(16, 5).values())

    with tf.GradientTape() as tape:
        tape.watch([planes, scalars])
        loss = tf.reduce_sum(tf.square(model({"planes": planes, "scalars": scalars})[head]))
    weights = {variable.path: variable.value for variable in model.trainable_variables}
    gradients = tape.gradient(loss, {"planes": planes, "scalars": scalars, **weights})

    reached = {name for name, gradient in gradients.items() if has_effect(gradient)}
    expected = {path for path in weights if path.split("/")[1] in READ_BY[head]}
    assert reached == expected | {"planes", "scalars"}


def has_effect(gradient: Any) -> bool:
    return gradient is not None and bool(tf.reduce_any(gradient != 0))


def test_every_input_plane_and_scalar_matters() -> None:
    model = busy_network().model()
    planes, scalars = (tf.constant(value, tf.float32) for value in inputs(4, 5).values())
    with tf.GradientTape() as tape:
        tape.watch([planes, scalars])
        loss = tf.reduce_sum(model({"planes": planes, "scalars": scalars})["outcome"][:, 0])
    by_plane, by_scalar = tape.gradient(loss, [planes, scalars])

    assert (np.abs(by_plane).max(axis=(0, 1, 2)) > 0).all()
    assert (np.abs(by_scalar).max(axis=0) > 0).all()


@pytest.mark.parametrize(("blocks", "count", "expected"), [(4, 1, {2}), (6, 2, {1, 4}), (2, 9, {0, 1}), (3, 0, set())])
def test_pooling_blocks_are_spread_evenly(blocks: int, count: int, expected: set[int]) -> None:
    assert NetworkConfig(blocks=blocks, pooling_blocks=count).blocks_with_pooling == expected


@pytest.mark.parametrize("field", ["channels", "head_channels"])
def test_channels_must_come_in_eights(field: str) -> None:
    with pytest.raises(ConfigError, match=rf"network.{field} must be a multiple of 8, got 12"):
        Network.create(NetworkConfig(**{field: 12}), seed=0)
