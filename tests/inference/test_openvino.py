# SPDX-License-Identifier: Apache-2.0
import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minigo.config import NetworkConfig
from minigo.inference import openvino
from minigo.inference.evaluator import Evaluation, Leaves
from minigo.inference.openvino import OpenVINOEvaluator, has_bfloat16
from minigo.inference.tensorflow import TensorFlowEvaluator
from minigo.network.network import Network
from tests.support.learning import TINY, busy_network, random_leaves

PRECISIONS = ("float32", "bfloat16", "int8")
ODD_SHAPE = NetworkConfig(blocks=2, channels=24, pooling_blocks=1, head_channels=8, value_hidden=20)
DIGEST = """
import hashlib
from minigo.inference.quiet import start_tensorflow
start_tensorflow()
from tests.inference.test_openvino import digest
print(digest())
"""


def evaluator(precision: str, network: Network | None = None) -> OpenVINOEvaluator:
    network = busy_network() if network is None else network
    return OpenVINOEvaluator(network, precision=precision, calibration=random_leaves(64, 5, seed=77))


def columns(evaluation: Evaluation) -> list[np.ndarray]:
    assert evaluation.ownership is not None
    return [evaluation.policy, evaluation.value, evaluation.score_lead, evaluation.ownership]


def digest() -> str:
    bits = b"".join(column.tobytes() for column in columns(evaluator("int8").evaluate(random_leaves(16, 5))))
    return hashlib.sha256(bits).hexdigest()


def largest_error(precision: str, network: Network) -> float:
    """Of the policy, against TensorFlow's float32."""
    leaves = random_leaves(64, 9)
    exact = TensorFlowEvaluator(network, precision="float32").evaluate(leaves)
    return float(np.abs(evaluator(precision, network).evaluate(leaves).policy - exact.policy).max())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_evaluation_has_its_shapes_and_ranges(precision: str) -> None:
    evaluation = evaluator(precision).evaluate(random_leaves(7, 5))

    policy, value, score_lead, ownership = columns(evaluation)
    assert (policy.shape, value.shape, score_lead.shape, ownership.shape) == ((7, 26), (7,), (7,), (7, 5, 5))
    assert {column.dtype for column in columns(evaluation)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(policy.sum(axis=1), 1.0, rtol=1e-5)
    assert max(np.abs(value).max(), np.abs(ownership).max()) <= 1
    assert value.std() > 0


@pytest.mark.parametrize(("board_size", "config"), [(5, TINY), (9, ODD_SHAPE), (19, TINY)])
def test_float32_says_what_tensorflow_says(board_size: int, config: NetworkConfig) -> None:
    network, leaves = busy_network(config), random_leaves(8, board_size)
    ours = evaluator("float32", network).evaluate(leaves)
    theirs = TensorFlowEvaluator(network, precision="float32").evaluate(leaves)

    for mine, other in zip(columns(ours), columns(theirs), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4, rtol=1e-4)


def test_lower_precisions_are_used_and_near() -> None:
    errors = {precision: largest_error(precision, busy_network()) for precision in PRECISIONS}

    assert errors["float32"] < 1e-5
    assert errors["bfloat16"] < (0.05 if has_bfloat16() else 1e-5)
    assert not has_bfloat16() or errors["bfloat16"] > 1e-4
    assert 1e-4 < errors["int8"] < 0.05


def uneven_network() -> Network:
    """Says what `busy_network` says, but the channels inside its first block are of very different sizes."""
    sizes = np.where(np.arange(TINY.channels) % 4 == 0, 32.0, 1 / 32).astype(np.float32)
    weights = dict(busy_network().weights)
    weights["block_00/first/kernel"] = weights["block_00/first/kernel"] * sizes
    weights["block_00/first/bias"] = weights["block_00/first/bias"] * sizes
    weights["block_00/second/kernel"] = weights["block_00/second/kernel"] / sizes[:, None]
    return Network(TINY, weights)


def test_int8_is_as_near_where_channels_differ_in_size() -> None:
    assert largest_error("float32", uneven_network()) < 1e-5
    assert largest_error("int8", uneven_network()) < 1.5 * largest_error("int8", busy_network())


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("board_size", "batch"), [(5, 64), (9, 37), (19, 8)])
def test_a_row_has_the_same_bits_wherever_it_stands_and_whatever_else_is_there(
    precision: str, board_size: int, batch: int
) -> None:
    leaves, rng = random_leaves(batch, board_size), np.random.default_rng(1)
    for network in (busy_network(), busy_network(ODD_SHAPE)):
        ours = evaluator(precision, network)
        alone = ours.evaluate(leaves)
        for _ in range(3):
            order, stays = rng.permutation(batch), rng.random(batch) < 0.5
            mixed = random_leaves(batch, board_size, seed=int(rng.integers(1 << 30)))
            mixed.planes[stays] = leaves.planes[order][stays]
            mixed.scalars[stays] = leaves.scalars[order][stays]
            for mine, theirs in zip(columns(ours.evaluate(mixed)), columns(alone), strict=True):
                np.testing.assert_array_equal(mine[stays], theirs[order][stays])


def test_a_precision_that_the_processor_lacks_is_not_claimed() -> None:
    assert evaluator("bfloat16").precision == ("bfloat16" if has_bfloat16() else "float32")


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_several_threads_get_the_bits_that_one_gets(precision: str) -> None:
    ours = evaluator(precision)
    batches = [random_leaves(16, 5, seed) for seed in range(40)]
    alone = [ours.evaluate(leaves) for leaves in batches]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(ours.evaluate, batches))

    for mine, theirs in zip(together, alone, strict=True):
        for left, right in zip(columns(mine), columns(theirs), strict=True):
            np.testing.assert_array_equal(left, right)


def test_evaluations_belong_to_the_caller_and_so_do_the_arrays_of_a_search() -> None:
    ours, leaves = evaluator("bfloat16"), random_leaves(4, 5)
    first = ours.evaluate(leaves)
    kept = [column.copy() for column in columns(first)]
    other = Leaves(*random_leaves(4, 5, seed=9)[:3], 4)
    leaves.planes[:] = other.planes
    ours.evaluate(leaves)

    for now, before in zip(columns(first), kept, strict=True):
        np.testing.assert_array_equal(now, before)
        assert now.flags.writeable


def test_a_network_of_a_known_kind_is_not_converted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator("float32").evaluate(random_leaves(3, 5))
    monkeypatch.setattr(openvino.ov, "convert_model", lambda *_: pytest.fail("converted again"))
    other = busy_network(seed=5)
    ours = evaluator("float32", other).evaluate(random_leaves(3, 7))
    theirs = TensorFlowEvaluator(other, precision="float32").evaluate(random_leaves(3, 7))

    np.testing.assert_allclose(ours.policy, theirs.policy, atol=1e-5)
    np.testing.assert_allclose(ours.value, theirs.value, atol=1e-5)


def test_int8_needs_positions_to_calibrate_with() -> None:
    with pytest.raises(ValueError, match="calibrate"):
        OpenVINOEvaluator(busy_network(), precision="int8")


def test_int8_works_for_a_new_network_whose_blocks_are_still_silent() -> None:
    policy = evaluator("int8", Network.create(TINY, seed=0)).evaluate(random_leaves(4, 5)).policy

    np.testing.assert_allclose(policy.sum(axis=1), 1.0, rtol=1e-5)


def test_int8_has_the_same_bits_in_another_evaluator() -> None:
    assert digest() == digest()


def test_another_process_has_the_same_bits_says_nothing_else_and_reports_nothing_to_openvinos_makers() -> None:
    script = DIGEST + "import sys; assert sys.modules['openvino_telemetry'] is None"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout == digest() + "\n"
    assert result.stderr == ""
