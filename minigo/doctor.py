# SPDX-License-Identifier: Apache-2.0
"""What this machine has for learning Go, and whether each part works: one `Finding` a line, with what to do.

Whatever can be tried is tried, not guessed: the kernels play a game, the network evaluates a position. Nothing
here changes the machine. Start at `examine`.
"""

import importlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from minigo.child import child_python
from minigo.inference.processor import cpu_model

CPU_FEATURES: Final = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
LIBRARIES: Final = ("numpy", "pyarrow", "keras", "tensorflow")
EXTRAS: Final = {"openvino": "cpu", "jax": "jax"}
"""Back ends that not every installation has, by the extra that brings them."""
MEMORY_GIB: Final = 4.0  # TensorFlow, a small window and the games of two threads
DISK_GIB: Final = 2.0  # a run of an hour


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        ok: whether it is there and works.
        detail: what was found.
        remedy: what to do where it is not ok.
        required: whether any command needs it; the rest is for speed or comfort.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = False


def examine() -> list[Finding]:
    """Looks at everything. Takes some seconds: a network framework is imported and a network compiled."""
    checks: tuple[Callable[[], Sequence[Finding]], ...] = (
        _processor,
        _memory_and_disk,
        _python_and_libraries,
        _kernels,
        _network,
        _optional_backends,
        _accelerator,
        _outside_programs,
    )
    findings = [finding for check in checks for finding in check()]
    return [*findings, recommendation(findings)]


def works(findings: Sequence[Finding]) -> bool:
    """Whether everything that commands need is there and works."""
    return all(finding.ok or not finding.required for finding in findings)


def to_table(findings: Sequence[Finding]) -> str:
    """The findings for people, one a line."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        state = "ok" if finding.ok else "MISSING" if finding.required else "-"
        remedy = "" if finding.ok or not finding.remedy else f"; {finding.remedy}"
        lines.append(f"{finding.name:{width}}  {state:7}  {finding.detail}{remedy}")
    verdict = "Everything needed works." if works(findings) else "Something that is needed does not work: see MISSING."
    return "\n".join([*lines, "", verdict])


def to_dict(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings for programs: whether all that is needed works, then each by its name."""
    details = {
        finding.name: {
            "ok": finding.ok,
            "required": finding.required,
            "detail": finding.detail,
            "remedy": "" if finding.ok else finding.remedy,
        }
        for finding in findings
    }
    return {"ok": works(findings), "findings": details}


def _processor() -> list[Finding]:
    model, features = cpu_model()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = [name for name in CPU_FEATURES if name in features]
    return [
        Finding("processor", True, f"{model}, {cores} cores for this process"),
        Finding(
            "vector units",
            "avx2" in features or platform.machine() in ("arm64", "aarch64"),
            ", ".join(found) if found else f"none of {', '.join(CPU_FEATURES)}",
            "networks will be evaluated slowly",
        ),
        Finding(
            "bfloat16 units",
            bool({"avx512_bf16", "amx_bf16", "bf16"} & features),
            "in the processor" if {"avx512_bf16", "amx_bf16", "bf16"} & features else "not in the processor",
            "networks are computed in float32 (--machine.precision=auto sees to it)",
        ),
    ]


def _memory_and_disk() -> list[Finding]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return [
        Finding("memory", total >= MEMORY_GIB, f"{total:.1f} GiB", f"{MEMORY_GIB:g} GiB are wanted"),
        Finding("disk here", free >= DISK_GIB, f"{free:.1f} GiB free", f"a run wants {DISK_GIB:g} GiB or more"),
    ]


def _python_and_libraries() -> list[Finding]:
    python = Finding("python", True, f"{platform.python_version()} at {sys.executable}")
    return [
        python,
        *(_library(name, "pip install --force-reinstall minigo", required=True) for name in LIBRARIES),
    ]


def _library(name: str, remedy: str, *, required: bool) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name), required=required)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", remedy, required)


def _kernels() -> list[Finding]:
    remedy = "build them: pip install -e . in the checkout"
    try:
        board = importlib.import_module("cc_kernels.board").Board(9)
        moves = len(importlib.import_module("cc_kernels.playouts").random_game(board, 0, 300))
    except ImportError as error:
        return [Finding("kernels", False, str(error), remedy, required=True)]
    return [Finding("kernels", moves > 9, f"played a random game of {moves} moves", remedy, required=True)]


def _network() -> list[Finding]:
    remedy = "pip install --force-reinstall tensorflow keras"
    return [
        _tried(f"network, {precision}", "tensorflow", precision, remedy, required=precision == "float32")
        for precision in ("float32", "bfloat16")
    ]


def _tried(name: str, backend: str, precision: str, remedy: str, *, required: bool = False) -> Finding:
    try:
        detail, ok = evaluate_once(backend, precision), True
    except Exception as error:  # noqa: BLE001 (a report on whatever is broken there)
        detail, ok = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", False
    return Finding(name, ok, detail, remedy, required=required)


def evaluate_once(backend: str, precision: str) -> str:
    """Evaluates one position with a small random network, and says how it went."""
    import numpy as np

    from minigo.config import NetworkConfig
    from minigo.go.position import Position
    from minigo.inference.backends import Choice, make_evaluator
    from minigo.inference.quiet import start_framework
    from minigo.players import leaves_of

    start_framework(backend)
    from minigo.network.network import Network

    network = Network.create(NetworkConfig(blocks=1, channels=16), seed=0)
    leaves = leaves_of([Position.empty(5, 0.5, "cgos")], 1)
    evaluation = make_evaluator(network, Choice(backend, precision), leaves).evaluate(leaves)
    total = float(evaluation.policy[0].sum())
    if not np.isclose(total, 1.0, atol=1e-2):
        raise ValueError(f"policy must sum to 1, got {total:g}")
    return "evaluated a position"


def _optional_backends() -> list[Finding]:
    """OpenVINO in this process, JAX in another: Keras runs on one framework in a process."""
    findings = []
    for backend, extra in EXTRAS.items():
        remedy = f"optional: pip install 'minigo[{extra}]'"
        library = _library(backend, remedy, required=False)
        if not library.ok:
            findings.append(library)
        elif backend == "openvino":
            findings += [
                library,
                *(_tried(f"openvino, {kind}", backend, kind, remedy) for kind in ("bfloat16", "int8")),
            ]
        else:
            findings += [library, _tried_elsewhere(f"{backend}, float32", backend, remedy)]
    return findings


def _tried_elsewhere(name: str, backend: str, remedy: str) -> Finding:
    script = f"from minigo.doctor import evaluate_once; print(evaluate_once({backend!r}, 'float32'))"
    environment = {**os.environ, "KERAS_BACKEND": backend}
    answer = subprocess.run(
        child_python(script), capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    if answer.returncode == 0:
        return Finding(name, True, answer.stdout.strip().rpartition("\n")[2])
    return Finding(name, False, answer.stderr.strip().rpartition("\n")[2][:200], remedy)


def recommendation(findings: Sequence[Finding]) -> Finding:
    """Which back end to use here, judged by what works."""
    working = {finding.name for finding in findings if finding.ok}
    if "accelerator" in working and "jax, float32" in working:
        detail = "--machine.backend=jax"
    elif "accelerator" in working:
        detail = "--machine.backend=tensorflow; faster with JAX: pip install 'minigo[jax]'"
    elif "openvino, bfloat16" in working:
        detail = "--machine.backend=auto: the fastest that agrees with float32, of OpenVINO and TensorFlow"
    else:
        detail = "--machine.backend=tensorflow; faster with OpenVINO: pip install 'minigo[cpu]'"
    return Finding("recommended", True, detail)


def _accelerator() -> list[Finding]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return [Finding("accelerator", False, "no NVIDIA driver found", "not needed: the processor does the work")]
    command = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    names = "; ".join(answer.stdout.split("\n")).strip("; ")
    if answer.returncode != 0 or not names:
        return [Finding("accelerator", False, "nvidia-smi fails", "check the driver")]
    return [_seen_by_tensorflow(names)]


def _seen_by_tensorflow(names: str) -> Finding:
    try:
        from minigo.inference.quiet import visible_accelerators

        seen = visible_accelerators()
    except ImportError as error:
        return Finding("accelerator", False, f"{names}; TensorFlow fails: {error}", "reinstall tensorflow")
    detail = f"{names}; TensorFlow {f'uses {len(seen)}' if seen else 'does not see it'}"
    return Finding("accelerator", bool(seen), detail, 'pip install "tensorflow[and-cuda]"')


def _outside_programs() -> list[Finding]:
    gnu_go = shutil.which("gnugo", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/games"]))
    remedy = "optional, an opponent to measure against: apt-get install gnugo"
    return [Finding("gnugo", gnu_go is not None, gnu_go if gnu_go is not None else "not found", remedy)]
