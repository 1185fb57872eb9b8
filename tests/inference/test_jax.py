# SPDX-License-Identifier: Apache-2.0
"""JAX evaluates as TensorFlow does. It runs in a process of its own, which has no TensorFlow."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigo.inference.evaluator import Leaves
from tests.network.jax_side import arrays_from_jax, stored_network
from tests.support.learning import busy_network, random_leaves

COLUMNS = ("policy", "value", "score_lead", "ownership")

SCRIPT = """
from tests.inference.test_jax import jax_evaluations
import numpy as np
from pathlib import Path
np.savez(sys.argv[1], **jax_evaluations(Path(sys.argv[2])))
"""


def jax_evaluations(folder: Path) -> dict[str, Any]:
    """What the other process computes."""
    from minigo.inference import jax as adapter

    found: dict[str, Any] = {}
    network, other_network = stored_network(folder / "network"), stored_network(folder / "other", seed=3)
    for precision in ("float32", "bfloat16"):
        evaluator = adapter.JaxEvaluator(network, precision=precision)
        for board_size, rows in ((9, 37), (5, 16)):
            leaves = random_leaves(rows, board_size)
            evaluation = evaluator.evaluate(leaves)
            mixed = evaluator.evaluate(in_another_order(leaves))
            for name in COLUMNS:
                found[f"{precision}-{board_size}-{name}"] = getattr(evaluation, name)
                found[f"{precision}-{board_size}-{name}-mixed"] = getattr(mixed, name)

    compiled = len(adapter._COMPILER._compiled)
    other = adapter.JaxEvaluator(other_network, precision="float32")
    found["other"] = other.evaluate(random_leaves(37, 9)).value
    found["compiled_anew"] = len(adapter._COMPILER._compiled) - compiled

    batches = [random_leaves(16, 5, seed) for seed in range(24)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(evaluator.evaluate, batches))
    found["together"] = np.array([evaluation.value for evaluation in together])
    found["alone"] = np.array([evaluator.evaluate(leaves).value for leaves in batches])
    return found


def in_another_order(leaves: Leaves) -> Leaves:
    """Half of the rows, shuffled, among others that are new."""
    rows = len(leaves.planes)
    mixed = random_leaves(rows, leaves.planes.shape[1], seed=99)
    order, stays = order_and_stays(rows)
    mixed.planes[stays] = leaves.planes[order][stays]
    mixed.scalars[stays] = leaves.scalars[order][stays]
    return mixed


def order_and_stays(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.permutation(rows), rng.random(rows) < 0.5


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("jax")
    stored_network(folder / "network")
    stored_network(folder / "other", seed=3)
    return arrays_from_jax(SCRIPT, folder / "evaluations.npz", str(folder))


@pytest.mark.parametrize(("board_size", "rows"), [(9, 37), (5, 16)])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.025)])
def test_jax_agrees_with_tensorflow(
    found: dict[str, np.ndarray], precision: str, tolerance: float, board_size: int, rows: int
) -> None:
    from minigo.inference.tensorflow import TensorFlowEvaluator

    ours = TensorFlowEvaluator(busy_network(), precision="float32").evaluate(random_leaves(rows, board_size))

    for name, column in zip(COLUMNS, ours[:4], strict=True):
        theirs = found[f"{precision}-{board_size}-{name}"]
        assert (theirs.shape, theirs.dtype) == (column.shape, np.float32)
        scale = board_size**2 if name == "score_lead" else 1
        np.testing.assert_allclose(theirs, column, atol=tolerance * scale, err_msg=name)
    assert ours.value.std() > 0.05
    assert not np.array_equal(found[f"bfloat16-{board_size}-value"], found[f"float32-{board_size}-value"])


@pytest.mark.parametrize(("board_size", "rows"), [(9, 37), (5, 16)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_row_has_the_same_bits_wherever_it_stands(
    found: dict[str, np.ndarray], precision: str, board_size: int, rows: int
) -> None:
    order, stays = order_and_stays(rows)

    for name in COLUMNS:
        alone, mixed = found[f"{precision}-{board_size}-{name}"], found[f"{precision}-{board_size}-{name}-mixed"]
        np.testing.assert_array_equal(mixed[stays], alone[order][stays])
        assert not np.array_equal(mixed[~stays], alone[order][~stays])


def test_another_network_of_the_same_shape_compiles_nothing_and_is_another(found: dict[str, np.ndarray]) -> None:
    assert found["compiled_anew"] == 0
    assert np.abs(found["other"] - found["float32-9-value"]).max() > 0.1


def test_several_threads_get_the_bits_that_one_gets(found: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(found["together"], found["alone"])


def test_without_keras_on_jax_it_says_so() -> None:
    from minigo.inference.jax import JaxEvaluator

    with pytest.raises(RuntimeError, match="needs KERAS_BACKEND=jax, got tensorflow"):
        JaxEvaluator(busy_network())
