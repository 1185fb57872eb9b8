# SPDX-License-Identifier: Apache-2.0
"""`load_evaluator`: a network on the back end that a machine's settings name, or on the fastest one here that agrees.

Frameworks are imported only when they are asked for. Start at `load_evaluator`.
"""

import logging
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from minigo.config import ConfigError, MachineConfig
from minigo.inference.agreement import agreement, in_batches
from minigo.inference.evaluator import Evaluator, Leaves
from minigo.inference.positions import reached_positions
from minigo.inference.quiet import start_framework

if TYPE_CHECKING:
    from minigo.network.network import Network

EXTRAS: Final = {"openvino": "cpu", "jax": "jax"}
"""What brings a back end that is not always there: pip install 'minigo[EXTRA]'."""
NUM_POSITIONS: Final = 512
"""Half of them calibrate int8, the other half show how well an evaluator agrees."""
TRIALS: Final = 3
SECONDS_PER_TRIAL: Final = 0.2


class Choice(NamedTuple):
    """A way to compute a network."""

    backend: str
    precision: str

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


CHOICES: Final = {
    "tensorflow": (
        Choice("openvino", "int8"),
        Choice("openvino", "bfloat16"),
        Choice("openvino", "float32"),
        Choice("tensorflow", "bfloat16"),
        Choice("tensorflow", "float32"),
    ),
    "jax": (Choice("jax", "bfloat16"), Choice("jax", "float32")),
}
"""What "auto" chooses from, by Keras' own back end."""


def load_evaluator(network: "Network", machine: MachineConfig, board_size: int, *, komi: float = 7.5) -> Evaluator:
    """The network as an evaluator, as the machine's settings ask for it.

    Back end "auto" takes the fastest that agrees with float32 on positions that the network reaches; which is the
    fastest is measured once for each kind of network. An int8 network that does not agree is replaced by a bfloat16
    one, with a warning.

    Args:
        network: what to evaluate with.
        machine: its back end, precision, threads and rows of a batch.
        board_size: N of the positions that int8 is calibrated on, and all are tried on.
        komi: of these positions.

    Raises:
        ConfigError: the back end can not be loaded, or does not have the precision.
    """
    if machine.backend == "auto":
        return _fastest(_Examination(network, machine, board_size, komi))
    choice = _settled(machine)
    if choice.precision != "int8" or choice.backend != "openvino":
        return make_evaluator(network, choice)
    return _first_that_agrees(
        _Examination(network, machine, board_size, komi), [choice, Choice("openvino", "bfloat16")]
    )


def _settled(machine: MachineConfig) -> Choice:
    """What the settings ask for, with a precision that is settled."""
    if machine.precision != "auto":
        return Choice(machine.backend, machine.precision)
    start_framework(machine.backend)
    from minigo.network.precision import settled_precision

    return Choice(machine.backend, settled_precision(machine.precision))


def make_evaluator(network: "Network", choice: Choice, calibration: Leaves | None = None) -> Evaluator:
    """The network computed in one way, unexamined.

    Args:
        network: what to evaluate with.
        choice: how.
        calibration: positions that int8 is calibrated on; int8 needs them.

    Raises:
        ConfigError: the back end can not be loaded, or does not have the precision.
    """
    if choice.precision == "int8" and choice.backend != "openvino":
        raise ConfigError(f"machine.precision=int8 needs machine.backend=openvino or auto, got {choice.backend}")
    try:
        evaluator_class = _evaluator_class(choice.backend)
    except ImportError as error:
        remedy = f": pip install 'minigo[{EXTRAS[choice.backend]}]'" if choice.backend in EXTRAS else ""
        raise ConfigError(f"machine.backend={choice.backend} can not be loaded ({error}){remedy}") from error
    more = {"calibration": calibration} if choice.precision == "int8" else {}
    evaluator: Evaluator = evaluator_class(network, precision=choice.precision, **more)
    return evaluator


def _evaluator_class(backend: str) -> Any:
    start_framework(backend)
    if backend == "openvino":
        from minigo.inference.openvino import OpenVINOEvaluator

        return OpenVINOEvaluator
    if backend == "jax":
        from minigo.inference.jax import JaxEvaluator

        return JaxEvaluator
    from minigo.inference.tensorflow import TensorFlowEvaluator

    return TensorFlowEvaluator


def _is_importable(backend: str) -> bool:
    try:
        _evaluator_class(backend)
    except ImportError:
        return False
    return True


def _keras_backend() -> str:
    start_framework("auto")
    import keras

    return str(keras.backend.backend())


class _Examination:
    """One network on positions that it reaches itself, against its own float32."""

    def __init__(self, network: "Network", machine: MachineConfig, board_size: int, komi: float) -> None:
        self.network = network
        self.machine = machine
        self.board_size = board_size
        self.num_threads = machine.threads or len(os.sched_getaffinity(0))
        choices = CHOICES[_keras_backend()]
        self.choices = [choice for choice in choices if _is_importable(choice.backend)]
        exact, player = self.choices[-1], Choice("openvino", "bfloat16")
        self.reference = make_evaluator(network, exact)
        self._made = {exact: self.reference}
        # Whatever is to be tried, the same evaluator plays: int8 must not depend on how it was asked for.
        if player in self.choices:
            self._made[player] = make_evaluator(network, player)
        positions = reached_positions(self._made.get(player, self.reference), board_size, komi, NUM_POSITIONS)
        self.calibration, self.unseen = _every_second(positions, 0), _every_second(positions, 1)

    def evaluator(self, choice: Choice) -> Evaluator:
        if choice not in self._made:
            self._made[choice] = make_evaluator(self.network, choice, self.calibration)
        return self._made[choice]

    def speed(self, evaluators: Sequence[Evaluator]) -> list[float]:
        """Evaluations per second of each, all threads of the machine together."""
        batches = list(in_batches(self.unseen, self.machine.batch_rows))
        best = [0.0] * len(evaluators)
        with ThreadPoolExecutor(self.num_threads) as threads:
            for evaluator in evaluators:
                _rate(evaluator, batches, threads, self.num_threads, 0.0)  # compiles
            for _ in range(TRIALS):
                for index, evaluator in enumerate(evaluators):
                    rate = _rate(evaluator, batches, threads, self.num_threads, SECONDS_PER_TRIAL)
                    best[index] = max(best[index], rate)
        return best


def _every_second(leaves: Leaves, start: int) -> Leaves:
    keys = leaves.keys[start::2]
    return Leaves(leaves.planes[start::2], leaves.scalars[start::2], keys, len(keys))


def _rate(
    evaluator: Evaluator, batches: Sequence[Leaves], threads: ThreadPoolExecutor, num_threads: int, seconds: float
) -> float:
    together = threading.Barrier(num_threads)

    def count() -> int:
        together.wait()
        evaluated, start = 0, time.monotonic()
        while evaluated == 0 or time.monotonic() - start < seconds:
            batch = batches[evaluated // len(batches[0].keys) % len(batches)]
            evaluated += len(evaluator.evaluate(batch).value)
        return evaluated

    start = time.monotonic()
    counts = [threads.submit(count) for _ in range(num_threads)]
    return sum(counted.result() for counted in counts) / (time.monotonic() - start)


_RANKED: Final[dict[Any, list[Choice]]] = {}
"""The choices for a kind of network on this machine, fastest first; measured once in a process."""
_MEASURING: Final = threading.Lock()


def _fastest(examination: _Examination) -> Evaluator:
    machine = examination.machine
    kind = (examination.network.config, examination.board_size, machine.batch_rows, examination.num_threads)
    with _MEASURING:
        if kind not in _RANKED:
            _RANKED[kind] = _ranked(examination)
    return _first_that_agrees(examination, _RANKED[kind])


def _ranked(examination: _Examination) -> list[Choice]:
    choices = examination.choices
    speeds = dict(zip(choices, examination.speed([examination.evaluator(choice) for choice in choices]), strict=True))
    ranked = sorted(choices, key=lambda choice: speeds[choice], reverse=True)
    listed = ", ".join(f"{choice} {speeds[choice]:,.0f}" for choice in ranked)
    logging.info("evaluations per second on %d threads: %s", examination.num_threads, listed)
    return ranked


def _first_that_agrees(examination: _Examination, choices: Sequence[Choice]) -> Evaluator:
    """The evaluator of the first choice whose numbers are near enough to float32; float32 if there is none."""
    for choice in choices:
        evaluator = examination.evaluator(choice)
        if evaluator is examination.reference:
            break
        errors = agreement(evaluator, examination.reference, examination.unseen, examination.machine.batch_rows)
        if errors.holds:
            logging.info("network %s is evaluated by %s; against float32: %s", evaluator.name, choice, errors)
            return evaluator
        why = "; ".join(errors.broken_limits())
        logging.warning("network %s is not evaluated by %s: %s", evaluator.name, choice, why)
    logging.info("network %s is evaluated by %s float32", examination.network.name, examination.reference.backend)
    return examination.reference
