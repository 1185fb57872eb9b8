# SPDX-License-Identifier: Apache-2.0
"""Networks, batches and runs for the tests of training."""

import numpy as np

from cc_kernels.features import NUM_PLANES, NUM_SCALARS
from minigo.config import NetworkConfig
from minigo.data.examples import Batch
from minigo.inference.evaluator import Leaves
from minigo.network.network import Network

TINY = NetworkConfig(blocks=2, channels=16, pooling_blocks=1, head_channels=8, value_hidden=16)


def busy_network(config: NetworkConfig = TINY, seed: int = 0) -> Network:
    """A network in which every weight takes part: a new one has zeros, which hide mistakes."""
    network = Network.create(config, seed=seed)
    rng = np.random.default_rng(seed)
    weights = {
        name: (weight + rng.normal(0, 0.1, weight.shape)).astype(np.float32) for name, weight in network.weights.items()
    }
    return Network(config, weights, {"name": f"busy-{seed}"})


def random_leaves(batch: int, board_size: int, seed: int = 0) -> Leaves:
    """Rows of random planes: no position, but as good as one to a network."""
    rng = np.random.default_rng(seed)
    return Leaves(
        planes=rng.integers(0, 2, (batch, board_size, board_size, NUM_PLANES), dtype=np.uint8),
        scalars=rng.normal(size=(batch, NUM_SCALARS)).astype(np.float32),
        keys=rng.integers(1 << 60, size=batch).astype(np.uint64),
        count=batch,
    )


def random_batch(batch: int, board_size: int, seed: int = 0) -> Batch:
    """Random inputs with random targets for every head."""
    leaves, rng = random_leaves(batch, board_size, seed), np.random.default_rng(seed + 1)
    num_moves = board_size**2 + 1
    targets = {
        "policy": np.eye(num_moves)[rng.integers(num_moves, size=batch)],
        "policy_weight": np.ones(batch),
        "outcome": np.eye(3)[rng.integers(3, size=batch)],
        "score_lead": rng.normal(0, board_size, batch),
        "ownership": rng.choice([-1.0, 1.0], (batch, board_size, board_size)),
    }
    return Batch(
        {"planes": leaves.planes, "scalars": leaves.scalars},
        {name: target.astype(np.float32) for name, target in targets.items()},
    )
