# SPDX-License-Identifier: Apache-2.0
import dataclasses
import hashlib

import numpy as np
import pytest

from cc_kernels.features import PLANE_NAMES
from minigo.config import NetworkConfig
from minigo.network.network import Network, NetworkError, arrays_from_bytes, arrays_to_bytes, load_weights
from tests.support.learning import TINY, busy_network, random_leaves


def stored(network: Network) -> tuple[bytes, dict[str, object]]:
    return network.to_bytes(), network.description()


def with_weights(weights: dict[str, np.ndarray]) -> tuple[bytes, dict[str, object]]:
    """A file of these weights whose hash is right."""
    data = arrays_to_bytes(weights)
    return data, {**busy_network().description(), "weights_sha256": hashlib.sha256(data).hexdigest()}


def test_a_network_survives_its_files() -> None:
    network = busy_network()
    again = Network.from_bytes(*stored(network))

    assert again.config == network.config
    assert again.weights.keys() == network.weights.keys()
    for name, weight in network.weights.items():
        np.testing.assert_array_equal(again.weights[name], weight)
    assert again.to_bytes() == network.to_bytes()


def test_a_model_made_of_the_files_computes_the_same() -> None:
    network, leaves = busy_network(), random_leaves(3, 5)
    inputs = {"planes": leaves.planes, "scalars": leaves.scalars}
    ours, theirs = network.model()(inputs), Network.from_bytes(*stored(network)).model()(inputs)

    for head in ours:
        np.testing.assert_array_equal(ours[head].numpy(), theirs[head].numpy())


def test_a_network_of_fewer_planes_makes_nothing_of_the_others() -> None:
    network, leaves = busy_network(), random_leaves(3, 5)
    unread = PLANE_NAMES.index("chain that a ladder takes")
    planes = [name for name in PLANE_NAMES if name != PLANE_NAMES[unread]]
    fewer = np.delete(network.weights["planes/kernel"], unread, axis=2)
    old = dataclasses.replace(network, weights={**network.weights, "planes/kernel": fewer})
    read = Network.from_bytes(old.to_bytes(), {**old.description(), "planes": planes})
    cleared = leaves.planes.copy()
    cleared[..., unread] = 0
    ours = network.model()({"planes": cleared, "scalars": leaves.scalars})
    theirs = read.model()({"planes": leaves.planes, "scalars": leaves.scalars})

    for head in ours:
        np.testing.assert_allclose(ours[head].numpy(), theirs[head].numpy(), rtol=1e-5, atol=1e-6)
    assert Network.from_bytes(*stored(read)).to_bytes() == read.to_bytes()


def test_new_networks_follow_from_their_seed() -> None:
    first, again, other = (Network.create(TINY, seed=seed).to_bytes() for seed in (3, 3, 4))

    assert first == again != other


def test_one_flipped_bit_is_refused() -> None:
    data, info = stored(busy_network())
    torn = bytearray(data)
    torn[len(data) // 2] ^= 1

    with pytest.raises(NetworkError, match="weights must have sha256"):
        Network.from_bytes(bytes(torn), info)


def test_bytes_that_are_no_safetensors_are_refused_even_if_their_hash_is_right() -> None:
    info = {**busy_network().description(), "weights_sha256": hashlib.sha256(b"junk").hexdigest()}

    with pytest.raises(NetworkError, match="no safetensors file"):
        Network.from_bytes(b"junk", info)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network_format": 2}, "network format must be 1, got 2"),
        ({"planes": ["own stone", "wings"]}, "network reads other planes"),
        ({"planes": ["opponent's stone", "own stone"]}, "network reads other planes"),
        ({"planes": "own stone"}, "network reads other planes"),
        ({"planes": ["own stone", "own stone"]}, "network reads other planes"),
        ({"planes": []}, "network reads other planes"),
        ({"planes": None}, "network reads other planes"),
        ({"planes": ["own stone"]}, r"planes/kernel must read the info's 1 planes, got \d+"),
        ({"scalars": []}, "network reads other scalars"),
        ({"network": {"blocks": 2, "wings": 4}}, "config is not one of this program"),
        ({"network": {"blocks": 0}}, "config is not one of this program"),
        ({"network": {"channels": 12}}, "config is not one of this program"),
        ({"network": {**vars(TINY), "channels": 24}}, r"must have shape \(.*24.*\), got \(.*16.*\)"),
        ({"network": {**vars(TINY), "blocks": 3}}, r"weight block_02/.* must have shape .*, got None"),
        ({"network": {**vars(TINY), "head_channels": 16}}, r"weight ownership/kernel must have shape"),
    ],
)
def test_an_info_that_does_not_fit_the_weights_is_refused(changes: dict[str, object], message: str) -> None:
    data, info = stored(busy_network())

    with pytest.raises(NetworkError, match=message):
        Network.from_bytes(data, {**info, **changes})


def test_weights_that_are_not_finite_float32_are_refused() -> None:
    weights = busy_network().weights
    name = "outcome/bias"

    with pytest.raises(NetworkError, match=f"weight {name} must be finite float32"):
        Network.from_bytes(*with_weights({**weights, name: np.array([0, np.nan, 0], np.float32)}))
    with pytest.raises(NetworkError, match=f"weight {name} must be finite float32"):
        Network.from_bytes(*with_weights({**weights, name: np.zeros(3, np.float64)}))


def test_weights_of_another_shape_do_not_enter_a_model() -> None:
    model = Network.create(NetworkConfig(blocks=1, channels=8), seed=0).model()

    with pytest.raises(NetworkError, match="must have shape"):
        load_weights(model, busy_network().weights)


def test_arrays_of_any_type_survive_their_file() -> None:
    arrays = {"b": np.arange(3, dtype=np.int64), "a": np.array(0.5, np.float32)}
    again = arrays_from_bytes(arrays_to_bytes(arrays))

    assert {name: (a.dtype, a.tolist()) for name, a in again.items()} == {
        name: (a.dtype, a.tolist()) for name, a in arrays.items()
    }
