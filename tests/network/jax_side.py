# SPDX-License-Identifier: Apache-2.0
"""Starts a process that runs Keras on JAX and can not import TensorFlow; tests compare what it computes with ours."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from minigo.network.network import Network, arrays_from_bytes
from tests.support.learning import TINY, busy_network

_BEFORE = """
import sys
class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ImportError("this process has no TensorFlow")
sys.meta_path.insert(0, NoTensorFlow())
"""


def run_on_jax(script: str, *arguments: str, **variables: str) -> str:
    """Runs a script without TensorFlow; KERAS_BACKEND is what `variables` say, by default nothing. Its whole output."""
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment["JAX_PLATFORMS"] = "cpu"
    result = subprocess.run(
        [sys.executable, "-c", _BEFORE + script, *arguments],
        env={**environment, **variables},
        cwd=Path(__file__).parent.parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def stored_network(path: Path, seed: int = 0) -> Network:
    """The busy network in a file, which the process that comes first writes: another framework draws other weights."""
    if not path.exists():
        path.write_bytes(busy_network(seed=seed).to_bytes())
    return Network(TINY, arrays_from_bytes(path.read_bytes()), {"name": path.stem})


def arrays_from_jax(script: str, path: Path, *arguments: str) -> dict[str, np.ndarray]:
    """The arrays that a script, run on JAX, saves as npz into the path that is its first argument."""
    run_on_jax(script, str(path), *arguments, KERAS_BACKEND="jax")
    with np.load(path) as arrays:
        return dict(arrays)
