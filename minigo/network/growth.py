# SPDX-License-Identifier: Apache-2.0
"""A larger network that computes what a smaller one does: a run need not begin anew because its network is to grow.

Start at `grown_network`.
"""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from minigo.config import NetworkConfig
from minigo.network.architecture import pooling_blocks
from minigo.network.network import Network, Weights

AFTER_POOLING: Final = 3
"""`pool` lays three sums of the channels side by side, so each channel is read in three places."""


def grown_network(network: Network, config: NetworkConfig, *, seed: int) -> Network:
    """A network of another shape that gives the same evaluations, but for rounding (Net2Net, Chen et al. 2016).

    New channels compute something from the start, drawn as in a new network, but what was there before does not read
    them; new blocks pass on what comes in. So nothing that was learned is disturbed, and gradients reach what is new.

    Args:
        network: the smaller one.
        config: the shape to grow to: as wide everywhere at least, and with its blocks among those of this one.
        seed: of the new weights.

    Raises:
        ValueError: the shape is narrower somewhere, or has no blocks to take the network's, in their order: pooling
            ones for pooling ones, others for others.
    """
    for name in ("blocks", "channels", "head_channels", "value_hidden"):
        if getattr(config, name) < getattr(network.config, name):
            raise ValueError(
                f"a network can not shrink: network.{name} must be {getattr(network.config, name)} at least, "
                f"got {getattr(config, name)}"
            )
    weights = dict(Network.create(config, seed=seed).weights)
    for name, learned in _in_their_new_blocks(network, config).items():
        weights[name] = _enlarged(name, learned, weights[name])
    return Network(config, weights, network.info)


def _in_their_new_blocks(network: Network, config: NetworkConfig) -> Weights:
    """The weights by the names that they have in the larger network."""
    blocks = _new_places(network.config, config)

    def new_name(name: str) -> str:
        return re.sub(r"^block_(\d+)/", lambda match: f"block_{blocks[int(match[1])]:02d}/", name)

    return {new_name(name): array for name, array in network.weights.items()}


def _new_places(old: NetworkConfig, new: NetworkConfig) -> list[int]:
    """For each block the first one of its kind, behind the place of the block before it."""
    places: list[int] = []
    for block in range(old.blocks):
        is_pooling = block in pooling_blocks(old)
        after = range(places[-1] + 1 if places else 0, new.blocks)
        same = [place for place in after if (place in pooling_blocks(new)) == is_pooling]
        if not same:
            raise ValueError(
                f"{old.blocks} blocks, with pooling in {sorted(pooling_blocks(old))}, must be found in order among "
                f"{new.blocks} with pooling in {sorted(pooling_blocks(new))}: choose another network.pooling_blocks"
            )
        places.append(same[0])
    return places


def _enlarged(name: str, learned: NDArray[np.float32], fresh: NDArray[np.float32]) -> NDArray[np.float32]:
    """A layer's new weights with the learned ones in their places, and nothing else that the old outputs read."""
    array, outputs = fresh.copy(), learned.shape[-1]
    if not name.endswith("/kernel"):
        array[:outputs] = learned
        return array
    array[..., :outputs] = 0.0
    is_after_pooling = name.split("/")[-2] in ("pooled", "policy_pooled", "value_hidden")
    parts = AFTER_POOLING if is_after_pooling else 1
    inputs, all_inputs = learned.shape[-2] // parts, fresh.shape[-2] // parts
    for part in range(parts):
        theirs = learned[..., part * inputs : (part + 1) * inputs, :]
        array[..., part * all_inputs : part * all_inputs + inputs, :outputs] = theirs
    return array
