# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: options, results with their ratios, the network's arithmetic and the machine's peak.

A script hands `main` a function that returns a `Result`. Figures depend on the machine; ratios, measured in turns
within one run, are what `compare.py` holds against `reference.json`.
"""

import argparse
import json
import logging
import re
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from minigo.config import Config, NetworkConfig
from minigo.inference.quiet import start_tensorflow

start_tensorflow()  # before a script imports it, so that it does not greet
from minigo.measures import rate  # noqa: E402

SECONDS: Final = 3.0
ROUNDS: Final = 5
PEAK_MATRIX: Final = 2048
PEAK_LAYERS: Final = 4
PEAK_SHAPE: Final = (4, 128, 16, 16)  # batch, channels and board of the convolutions that measure the peak

Options = argparse.Namespace


class Ratio(NamedTuple):
    """A dimensionless figure.

    Attributes:
        value: what was measured.
        bound: what it must reach, or stay below; None: nothing is promised.
        tolerance: how much worse than the reference, as a share of it, is still the same.
        lower_is_better: whether the bound is a ceiling.
    """

    value: float
    bound: float | None = None
    tolerance: float = 0.1
    lower_is_better: bool = False

    def holds(self) -> bool:
        """Whether it keeps to its bound."""
        if self.bound is None:
            return True
        return self.value <= self.bound if self.lower_is_better else self.value >= self.bound


@dataclass
class Result:
    """What a script has measured: figures with their unit in the name, and the ratios that carry its claim."""

    figures: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, Ratio] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"figures": self.figures, "ratios": {name: ratio._asdict() for name, ratio in self.ratios.items()}}

    def to_table(self) -> str:
        """For people."""
        width = max(map(len, [*self.figures, *self.ratios]), default=0)
        lines = [f"{name:{width}}  {_number(value):>12}" for name, value in self.figures.items()]
        for name, ratio in self.ratios.items():
            sign = "<=" if ratio.lower_is_better else ">="
            judged = (
                f"  {'holds' if ratio.holds() else 'MISSED'}: must be {sign} {ratio.bound:g}" if ratio.bound else ""
            )
            lines.append(f"{name:{width}}  {ratio.value:12.3f}{judged}")
        return "\n".join(lines)


def main(description: str, run: Callable[[Options], Result], *, seconds: float = SECONDS, **integers: int) -> None:
    """Runs a benchmark from the command line and prints its result.

    Args:
        description: the script's docstring.
        run: measures.
        seconds: default of --seconds.
        integers: further options by name, each with its default.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=seconds, help="of each measurement in a round")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of measurements that take turns; medians count")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    for name, default in integers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default:,}")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    result = run(options)
    print(json.dumps(result.to_dict()) if options.json else result.to_table())


def config_of(blocks: int, channels: int, board_size: int) -> Config:
    """The defaults, with a network of this shape on this board, measured on every back end."""
    config = Config(network=NetworkConfig(blocks=blocks, channels=channels))
    return replace(
        config,
        game=replace(config.game, board_size=board_size),
        machine=replace(config.machine, backend="auto"),
    )


def flops_per_evaluation(network: NetworkConfig, board_size: int) -> float:
    """Multiplications and additions of one evaluation: the convolutions, which are nearly all of it."""
    from cc_kernels.features import NUM_PLANES

    channels, head = network.channels, network.head_channels
    per_point = 9 * NUM_PLANES * channels + network.blocks * 2 * 9 * channels**2 + 2 * channels * head + 2 * head
    return 2.0 * per_point * board_size**2


def peak_flops(precision: str, threads: int) -> Callable[[float], float]:
    """A measurement, as `interleaved` takes it, of the operations per second that this machine reaches.

    The better of large matrices (TensorFlow) and of convolutions that fit the cache (OpenVINO), on all cores.

    Args:
        precision: "float32", "bfloat16" or "int8" (NaN where OpenVINO is missing).
        threads: that call OpenVINO at once, each with one thread of its own.
    """
    kinds = [_convolution(precision, threads)] + ([_multiplication(precision)] if precision != "int8" else [])
    found = [kind for kind in kinds if kind is not None]
    return lambda seconds: max((measure(seconds / len(found)) for measure in found), default=float("nan"))


def _multiplication(precision: str) -> Callable[[float], float]:
    import tensorflow as tf

    matrix = tf.cast(tf.random.normal((PEAK_MATRIX, PEAK_MATRIX)), precision)

    def multiply() -> int:
        tf.linalg.matmul(matrix, matrix).numpy()
        return 1

    return lambda seconds: 2.0 * PEAK_MATRIX**3 * rate(multiply, seconds)


def _convolution(precision: str, threads: int) -> Callable[[float], float] | None:
    try:
        import openvino as ov
        from openvino import opset13 as ops
    except ImportError:
        return None
    batch, channels, height, width = PEAK_SHAPE
    first = last = ops.parameter(PEAK_SHAPE, np.float32)
    kernel = np.random.default_rng(0).integers(-127, 128, (channels, channels, 3, 3)).astype(np.int8)
    for _ in range(PEAK_LAYERS):
        last = ops.relu(last)
        if precision == "int8":
            low, high = np.float32(0), np.float32(4)
            last = ops.fake_quantize(last, low, high, low, high, 256)
            weights = ops.multiply(ops.convert(ops.constant(kernel), "f32"), ops.constant(np.float32(1e-4)))
        else:
            weights = ops.constant(kernel.astype(np.float32) * np.float32(1e-4))
        last = ops.convolution(last, weights, [1, 1], [1, 1], [1, 1], [1, 1])
    settings = {
        "INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else "bf16",
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    model = ov.Model([last], [first])
    requests = [ov.Core().compile_model(model, "CPU", settings).create_infer_request() for _ in range(threads)]
    inputs = [np.ones(PEAK_SHAPE, np.float32)]
    flops = 2.0 * PEAK_LAYERS * 9 * channels**2 * batch * height * width

    def measure(seconds: float) -> float:
        def convolve(request: Any) -> float:
            return rate(lambda: len(request.infer(inputs, share_inputs=True)), seconds)

        with ThreadPoolExecutor(threads) as pool:
            return flops * sum(pool.map(convolve, requests))

    return measure


def yardstick_per_second(seconds: float) -> float:
    """MB/s that zlib packs in one thread: branches and caches like the kernels', in code that we do not change."""
    data = np.random.default_rng(0).integers(0, 16, 200_000, dtype=np.uint8).tobytes()
    zlib.compress(data)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        zlib.compress(data)
        done += 1
    return done * len(data) / 1e6 / (time.perf_counter() - started)


def memory_mib(kind: str) -> float:
    """This process's memory in MiB: "VmRSS" now, or "VmHWM", the most since `forget_peak` (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"^{kind}:\s+(\d+) kB", status, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {kind}")
    return int(found[1]) / 1024


def forget_peak() -> None:
    """Lets "VmHWM" begin again at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
