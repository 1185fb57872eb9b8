# SPDX-License-Identifier: Apache-2.0
"""What this machine does: kernels, inference, search, self-play and training, each measured alone.

The figures are those of `minigo.measures`; what is compared is measured in turns, and the median of the rounds is
reported. Start at `run_benchmark`.
"""

import dataclasses
import logging
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from minigo.config import Config
from minigo.data.examples import ExampleStream
from minigo.inference.agreement import agreement
from minigo.inference.backends import load_evaluator
from minigo.inference.evaluator import Evaluator
from minigo.inference.positions import reached_positions
from minigo.inference.processor import cpu_model
from minigo.measures import (
    SelfPlay,
    Span,
    bare_evaluations_per_second,
    median_span,
    playouts_per_second,
    random_leaves,
    random_window,
    rate,
    search_simulations_per_second,
    searches_per_game,
    with_batch,
)
from minigo.network.network import Network
from minigo.network.precision import settled_precision
from minigo.network.trainer import Trainer
from minigo.run import read_network
from minigo.selfplay import num_threads

PLAYOUT_SIZES: Final = (9, 19)
BATCH_SIZES: Final = {"tensorflow": (32, 64, 128), "openvino": (32, 64, 128), "jax": (64, 256, 1024)}
BACKENDS: Final = (
    ("tensorflow", "float32"),
    ("tensorflow", "bfloat16"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
    ("jax", "float32"),
    ("jax", "bfloat16"),
)
ROUNDS: Final = 3
STEPS_AT_ONCE: Final = 8
COMPARED_POSITIONS: Final = 512  # on which each back end is held against float32

Say = Callable[[float, str], object]
"""Told what is measured now: (share of the work done, in 0..1; one line of text)."""

_log = logging.getLogger(__name__)


class Backend(NamedTuple):
    """What evaluates positions, as the fields of `MachineConfig` name it."""

    name: str
    precision: str

    def __str__(self) -> str:
        return f"{self.name} {self.precision}"


@dataclass(frozen=True)
class Subject:
    """The network that is measured.

    Attributes:
        name: says which it is.
        evaluators: the same network by back end, as many as work here.
        train: trains some steps and returns their examples.
    """

    name: str
    evaluators: dict[Backend, Evaluator]
    train: Callable[[], int]


def make_subject(config: Config, network: str | None, *, backends: tuple[Backend, ...] | None = None) -> Subject:
    """The network to measure with, ready for inference on each back end and for training.

    Args:
        config: the shape of a random network, and what it trains on.
        network: the folder of a published network; None for a random one.
        backends: to load; by default what `machine.backend` says, all of them where it is "auto".

    Raises:
        RuntimeError: none of the back ends works here.
    """
    if network is None:
        shape = config.network
        subject, name = Network.create(shape, seed=config.seed), f"{shape.blocks} blocks x {shape.channels} channels"
    else:
        subject, name = Network.from_bytes(*read_network(network)), network
    wanted = wanted_backends(config) if backends is None else backends
    evaluators = load_backends(subject, config, wanted)
    if not evaluators:
        raise RuntimeError(f"none of these back ends works here: {', '.join(map(str, wanted))}")
    return Subject(name, evaluators, training_step(config, subject))


def wanted_backends(config: Config) -> tuple[Backend, ...]:
    """The back ends that the machine settings ask for: the one they name, or all where they say "auto"."""
    if config.machine.backend == "auto":
        return tuple(Backend(*pair) for pair in BACKENDS)
    return (Backend(config.machine.backend, settled_precision(config.machine.precision)),)


def load_backends(network: Network, config: Config, backends: tuple[Backend, ...]) -> dict[Backend, Evaluator]:
    """The network on each of the back ends that can be imported here and compute one batch; the others are logged."""
    evaluators: dict[Backend, Evaluator] = {}
    size = config.game.board_size
    for backend in backends:
        machine = dataclasses.replace(config.machine, backend=backend.name, precision=backend.precision)
        try:
            evaluator = load_evaluator(network, machine, size)
            evaluator.evaluate(random_leaves(size, BATCH_SIZES[backend.name][0]))
        except Exception as error:  # noqa: BLE001 (a report on whatever works here; the rest is left out)
            _log.info("without %s: %s", backend, " ".join(str(error).split())[:200])
        else:
            if evaluator.precision == backend.precision:
                evaluators[backend] = evaluator
            else:
                _log.info("without %s: it computes in %s here", backend, evaluator.precision)
    return evaluators


def broken_limits(evaluators: Mapping[Backend, Evaluator], config: Config) -> dict[Backend, list[str]]:
    """In what each back end is too far from float32 to be recommended, in words; nothing if none is in float32."""
    exact = next((evaluator for backend, evaluator in evaluators.items() if backend.precision == "float32"), None)
    if exact is None:
        return {backend: [] for backend in evaluators}
    size, rows = config.game.board_size, config.machine.batch_rows
    positions = reached_positions(exact, size, config.game.komi, COMPARED_POSITIONS)
    return {
        backend: agreement(evaluator, exact, positions, rows).broken_limits()
        for backend, evaluator in evaluators.items()
    }


def training_step(config: Config, network: Network) -> Callable[[], int]:
    """A function that trains a few steps on examples of random games, the making of the examples included."""
    window = random_window(config)
    precision = config.machine.precision
    trainer = Trainer(network, config.train, precision=settled_precision("auto" if precision == "int8" else precision))
    random = np.random.default_rng(0)

    def step() -> int:
        with ExampleStream(window, config.train, random, STEPS_AT_ONCE) as stream:
            trainer.train(stream, 0.0)
        return STEPS_AT_ONCE * config.train.batch_size

    return step


def run_benchmark(
    config: Config, seconds: float, network: str | None, *, rounds: int = ROUNDS, say: Say = lambda *_: None
) -> dict[str, Any]:
    """Measures everything, and recommends settings.

    Args:
        config: board size, network shape and threads to measure with; `machine.backend` "auto" measures them all.
        seconds: how long each single measurement takes.
        network: the folder of a published network; None for a random one.
        rounds: how often the network alone and self-play take turns.
        say: told about progress.
    """
    say(0.0, "loading the network on each back end")
    subject = make_subject(config, network)
    threads, size = num_threads(config), config.game.board_size
    candidates = [(name, rows) for name in subject.evaluators for rows in BATCH_SIZES[name.name]]
    course = _Course(len(PLAYOUT_SIZES) + len(candidates) + 2 * rounds + 5, say)
    playouts = {}
    for n in PLAYOUT_SIZES:
        course.step(f"random playouts on {n}x{n}, one thread")
        playouts[str(n)] = round(playouts_per_second(n, seconds))
    course.step("search with an evaluator that costs nothing, one thread")
    null_search = search_simulations_per_second(config, seconds)
    alone: dict[tuple[Backend, int], float] = {}
    for backend, rows in candidates:
        course.step(f"network alone: {backend}, {rows} rows, {threads} threads")
        alone[backend, rows] = bare_evaluations_per_second(subject.evaluators[backend], size, rows, threads, seconds)
    course.step("how well the back ends agree with float32")
    broken = broken_limits(subject.evaluators, config)
    agreeing = {key: speed for key, speed in alone.items() if not broken[key[0]]}
    backend, rows = max(agreeing, key=lambda key: agreeing[key])
    used, evaluator = with_batch(config, rows), subject.evaluators[backend]
    course.step("how long a game is")
    searches = searches_per_game(used, evaluator)
    bare, spans = _in_turns(used, evaluator, threads, seconds, rounds, course, backend)
    course.step("training")
    training = rate(subject.train, seconds)
    span = median_span(spans)
    return {
        "playouts_per_s": playouts,
        "null_search_simulations_per_s": round(null_search),
        "bare_evaluations_per_s": round(bare),
        "selfplay_evaluations_per_s": round(span.evaluations_per_s),
        "selfplay_share": round(span.evaluations_per_s / bare, 4),
        "selfplay_positions_per_s": round(span.positions_per_s),
        "selfplay_games_per_hour": round(3600 * span.searches_per_s / searches),
        "selfplay_cores_busy": round(span.busy, 4),
        "training_examples_per_s": round(training),
        "backend": backend.name,
        "precision": backend.precision,
        "network": subject.name,
        "board_size": size,
        "threads": threads,
        "cpu": cpu_model()[0],
        "seconds": seconds,
        "rounds": rounds,
        "bare_by_backend_and_batch": {f"{name}, {count}": round(rate) for (name, count), rate in alone.items()},
        "not_recommended": {str(name): reasons for name, reasons in broken.items() if reasons},
        "recommended": {
            "machine.threads": threads,
            "machine.games_per_thread": used.machine.games_per_thread,
            "machine.batch_rows": rows,
            "machine.backend": backend.name,
            "machine.precision": backend.precision,
        },
    }


class _Course:
    """How far a benchmark has come, in measurements."""

    def __init__(self, steps: int, say: Say) -> None:
        self._steps = steps
        self._say = say
        self._begun = 0

    def step(self, text: str) -> None:
        """Says that the next measurement begins."""
        self._say(min(1.0, self._begun / self._steps), text)
        self._begun += 1


def _in_turns(
    config: Config, evaluator: Evaluator, threads: int, seconds: float, rounds: int, course: _Course, backend: Backend
) -> tuple[float, list[Span]]:
    """The network alone (the median, in evaluations/s) and self-play (each span), measured in turns."""
    bare, spans = [], []
    with SelfPlay(config, evaluator, threads) as selfplay:
        course.step(f"self-play with {backend}, until its games have come apart")
        selfplay.play(seconds)
        for _ in range(rounds):
            course.step(f"network alone: {backend}")
            size, rows = config.game.board_size, config.machine.batch_rows
            bare.append(bare_evaluations_per_second(evaluator, size, rows, threads, seconds))
            course.step(f"self-play with {backend}, {config.machine.games_per_thread} games a thread")
            spans.append(selfplay.play(seconds))
    return statistics.median(bare), spans


def to_table(result: dict[str, Any]) -> str:
    """The measurements as a table for people."""
    rows = [
        ("playouts/s, 9x9, one thread", result["playouts_per_s"]["9"]),
        ("playouts/s, 19x19, one thread", result["playouts_per_s"]["19"]),
        ("null search, simulations/s, one thread", result["null_search_simulations_per_s"]),
        *((f"network alone, {name} rows, evaluations/s", n) for name, n in result["bare_by_backend_and_batch"].items()),
        ("network alone beside self-play, evaluations/s", result["bare_evaluations_per_s"]),
        ("self-play, evaluations/s", result["selfplay_evaluations_per_s"]),
        ("self-play, evaluations/s and cache hits/s", result["selfplay_positions_per_s"]),
        ("self-play, games/hour", result["selfplay_games_per_hour"]),
        ("training, examples/s", result["training_examples_per_s"]),
    ]
    recommended = " ".join(f"--{name}={value}" for name, value in result["recommended"].items())
    size = result["board_size"]
    used = f"{result['backend']} {result['precision']}"
    return "\n".join(
        [
            f"{result['cpu']}, {result['threads']} threads; network {result['network']} on {size}x{size}",
            *(f"{name:<66}{value:>10,}" for name, value in rows),
            f"self-play with {used} reaches {result['selfplay_share']:.1%} of the network alone; "
            f"cores are {result['selfplay_cores_busy']:.0%} busy",
            *(f"{name} is not recommended: {'; '.join(why)}" for name, why in result["not_recommended"].items()),
            f"recommended: {recommended}",
        ]
    )
