# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from minigo.config import ConfigError, NetworkConfig, TrainConfig
from minigo.network.growth import grown_network
from minigo.network.network import Network
from minigo.network.trainer import Trainer
from tests.support.learning import TINY, busy_network, random_batch, random_leaves

LARGER = {
    "trunk": replace(TINY, channels=24),
    "policy and value heads": replace(TINY, head_channels=16),
    "value head": replace(TINY, value_hidden=24),
    "blocks": replace(TINY, blocks=4),
    "all": NetworkConfig(blocks=5, channels=32, pooling_blocks=2, head_channels=16, value_hidden=24),
}


@pytest.mark.parametrize("config", LARGER.values(), ids=LARGER)
@pytest.mark.parametrize("board_size", [5, 9])
def test_a_grown_network_gives_the_same_evaluations(config: NetworkConfig, board_size: int) -> None:
    network, leaves = busy_network(), random_leaves(3, board_size)
    grown = grown_network(network, config, seed=1)
    inputs = {"planes": leaves.planes, "scalars": leaves.scalars}
    before, after = network.model()(inputs), grown.model()(inputs)

    assert grown.config == config
    assert grown.description()["weights_sha256"] != network.description()["weights_sha256"]
    for head in before:
        np.testing.assert_allclose(after[head].numpy(), before[head].numpy(), rtol=1e-4, atol=1e-4)


def test_what_is_new_learns_within_a_few_steps() -> None:
    """Of each kernel that grew, the part that joins old and new; what starts at zero on both sides never would."""
    config = LARGER["all"]
    grown = grown_network(busy_network(), config, seed=1)
    trainer = Trainer(grown, TrainConfig(batch_size=16, warmup_steps=0, weight_decay=0.0), precision="float32")
    trainer.train([random_batch(16, 5, seed) for seed in range(3)], 0.0)

    changed = trainer.network().weights
    for name, weight in grown.weights.items():
        still = np.isclose(changed[name], weight, rtol=0, atol=1e-9)
        if name.endswith("/kernel") and not name.startswith(("planes", "scalars", "ownership", "score", "outcome")):
            assert still.mean() < 0.5, name


def test_blocks_go_to_places_of_their_kind() -> None:
    config = replace(TINY, blocks=6, pooling_blocks=3)
    assert (TINY.blocks_with_pooling, config.blocks_with_pooling) == ({1}, {1, 3, 5})
    grown, network = grown_network(busy_network(), config, seed=1).weights, busy_network().weights

    assert not grown["block_02/second/kernel"].any()
    np.testing.assert_array_equal(grown["block_00/first/kernel"], network["block_00/first/kernel"])
    np.testing.assert_array_equal(grown["block_01/pooled/kernel"], network["block_01/pooled/kernel"])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(TINY, channels=8), "network.channels must be 16 or more, got 8"),
        (replace(TINY, blocks=1), "network.blocks must be 2 or more, got 1"),
        (replace(TINY, pooling_blocks=0), "choose another network.pooling_blocks"),
    ],
)
def test_what_can_not_hold_the_network_is_refused(config: NetworkConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        grown_network(busy_network(), config, seed=0)


def test_growth_follows_from_the_seed() -> None:
    config = LARGER["all"]
    first, again, other = (grown_network(busy_network(), config, seed=seed).to_bytes() for seed in (3, 3, 4))

    assert first == again != other
    assert Network.from_bytes(first, grown_network(busy_network(), config, seed=3).description()).config == config
