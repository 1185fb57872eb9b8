# SPDX-License-Identifier: Apache-2.0
"""`Trainer`: a network while it is trained, with its optimizer, its average, and what it takes to go on later.

It knows batches and steps; where examples come from and where networks go is the business of `minigo.train`.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from minigo.config import TrainConfig
from minigo.network.losses import HEADS
from minigo.network.network import Network, NetworkError, arrays_from_bytes, arrays_to_bytes, load_weights
from minigo.network.optimizers import make_optimizer
from minigo.network.steps import Losses, compiled_steps

Batch = tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]
"""Inputs and targets, as `minigo.data.examples.Batch` has them."""

_MODEL: Final = "model.safetensors"
_OPTIMIZER: Final = "optimizer.safetensors"
_SHARE: Final = "policy_share"


class Trainer:
    """Trains one network for as long as a run lasts. Made once: its first step compiles.

    Args:
        network: what training starts from.
        config: the optimizer, the schedule and the losses' weights.
        precision: arithmetic, "float32" or "bfloat16"; weights, averages and losses are float32 in both.
    """

    def __init__(self, network: Network, config: TrainConfig, *, precision: str = "bfloat16") -> None:
        self._config = config
        self._network = network.model(precision)
        self._optimizer = make_optimizer(config)
        self._optimizer.build(self._network.trainable_variables)
        self._steps = compiled_steps(self._network, self._optimizer, config)

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return int(self._optimizer.iterations.numpy())

    def train(self, batches: Iterable[Batch], progress: float) -> dict[str, float]:
        """Takes one step for each batch.

        Args:
            batches: all of one shape.
            progress: share of the run's budget that is used, in [0, 1]; decides the learning rate.

        Returns:
            Each loss by name, the mean over the batches; NaN for the policy's if no row had a policy target.
        """
        first = self.step
        with self._steps.training():
            losses = [
                self._steps.train(inputs, targets, learning_rate(step, progress, self._config))
                for step, (inputs, targets) in enumerate(batches, first)
            ]
        return _mean(losses)

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The averaged network's losses, as `train` returns them, without learning from the batches."""
        with self._averaged():
            losses = [self._steps.measure(inputs, targets) for inputs, targets in batches]
        return _mean(losses)

    def averaged_network(self) -> Network:
        """The exponential average of the weights over all steps: the network that is to play."""
        with self._averaged():
            return Network.from_model(self._network)

    def network(self) -> Network:
        """The weights as the last step left them."""
        return Network.from_model(self._network)

    def checkpoint(self) -> dict[str, bytes]:
        """Files from which `restore` goes on exactly here."""
        optimizer = {f"{i:04d}": np.asarray(v.numpy()) for i, v in enumerate(self._optimizer.variables)}
        return {_MODEL: self.network().to_bytes(), _OPTIMIZER: arrays_to_bytes(optimizer)}

    def restore(self, files: dict[str, bytes]) -> None:
        """Goes back to a checkpoint of a trainer with the same network shape.

        Raises:
            NetworkError: files are missing, or the arrays do not fit.
        """
        missing = {_MODEL, _OPTIMIZER} - files.keys()
        if missing:
            raise NetworkError(f"checkpoint must have {', '.join(sorted(missing))}, got {sorted(files)}")
        load_weights(self._network, arrays_from_bytes(files[_MODEL]))
        arrays = arrays_from_bytes(files[_OPTIMIZER])
        expected = {f"{i:04d}": tuple(v.shape) for i, v in enumerate(self._optimizer.variables)}
        if {name: array.shape for name, array in arrays.items()} != expected:
            raise NetworkError("checkpoint's optimizer does not fit this network")
        for name, variable in zip(sorted(arrays), self._optimizer.variables, strict=True):
            variable.assign(arrays[name])

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Puts the average in the weights' place for a while."""
        weights = self._network.get_weights()
        if self.step:
            self._optimizer.finalize_variable_values(self._network.trainable_variables)
        try:
            yield
        finally:
            self._network.set_weights(weights)


def learning_rate(step: int, progress: float, config: TrainConfig) -> float:
    """The rate of one step: it rises over the first steps, stays, and falls over the last share of the budget.

    Args:
        step: steps taken before this one.
        progress: share of the budget that is used, in [0, 1].
        config: the schedule.
    """
    risen = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    fallen = max(0.0, progress - (1 - config.decay_share)) / config.decay_share if config.decay_share else 0.0
    return config.learning_rate * risen * (1 - min(1.0, fallen) * (1 - config.final_learning_rate))


def _mean(batches: list[Losses]) -> dict[str, float]:
    """Each loss, the mean over the batches; the policy's over the rows that have a target."""
    columns = {name: np.array([float(losses[name]) for losses in batches]) for name in (*HEADS, "total", _SHARE)}
    means = {}
    for name in (*HEADS, "total"):
        weights = columns[_SHARE] if name == "policy" else np.ones(len(batches))
        total = float(weights.sum())
        means[f"{name}_loss"] = float(weights @ columns[name]) / total if total > 0 else float("nan")
    return means
