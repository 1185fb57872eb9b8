# SPDX-License-Identifier: Apache-2.0
"""A larger network that computes what a smaller one does: a run may begin with what smaller networks have learned.

Start at `grown_network`.
"""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from minigo.config import NetworkConfig
from minigo.network.network import Network

AFTER_POOLING: Final = 3
"""`pool` lays three sums of the channels side by side, so each channel is read in three places."""


def grown_network(network: Network, config: NetworkConfig, *, seed: int) -> Network:
    """A network of another shape that gives the same evaluations, but for rounding (Net2Net, Chen et al. 2016).

    New channels compute something from the start, drawn as in a new network, but what was there before does not read
    them; new blocks pass on what comes in. So nothing that was learned is disturbed, and gradients reach what is new.

    Args:
        network: the smaller one.
        config: the shape to grow to.
        seed: of the new weights.

    Raises:
        ConfigError: it can not grow to this shape (`NetworkConfig.places_for`).
    """
    places = config.places_for(network.config)
    weights = dict(Network.create(config, seed=seed).weights)
    for name, learned in network.weights.items():
        name = re.sub(r"^block_(\d+)/", lambda match: f"block_{places[int(match[1])]:02d}/", name)
        weights[name] = _enlarged(name, learned, weights[name])
    return Network(config, weights, network.info)


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
