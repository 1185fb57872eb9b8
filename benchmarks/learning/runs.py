# SPDX-License-Identifier: Apache-2.0
"""Lets the loops of a study run, one after the other, and says what each of their networks had cost.

A run is a `minigo loop` of its own. Beside it lies `<run>.json` with the spans of time in which it was at work, so that
an interrupted run has no more seconds than one that was not. Start at `run_study`.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.learning.study import StudyError, Workplace, read_json, write_json
from minigo.run import CURRICULUM, Run, is_run

POLL_SECONDS: Final = 1.0
STOP_SECONDS: Final = 60.0
CHAMPIONS: Final = "champions"  # in the note of a published run: what each had cost


class Cost(NamedTuple):
    """What had been used when a network became champion."""

    network: str
    seconds: float
    evaluations: int
    games: int


class Point(NamedTuple):
    """A network to measure: the champion of a run when a budget was used."""

    variant: str
    seed: int
    unit: str  # "seconds" or "evaluations"
    budget: float
    cost: Cost


def run_study(place: Workplace, stop: threading.Event, runs: Sequence[tuple[str, int]]) -> None:
    """Runs what has not finished, one loop at a time: two would share the machine.

    Raises:
        StudyError: a loop failed, or still runs elsewhere.
    """
    todo = [run for run in runs if not is_finished(place, *run)]
    for number, (variant, seed) in enumerate(todo, 1):
        if stop.is_set():
            return
        print(f"run {number} of {len(todo)}: {variant}, seed {seed}: {_used(place, variant, seed)}", file=sys.stderr)
        _run(place, variant, seed, stop)


def is_finished(place: Workplace, variant: str, seed: int) -> bool:
    """Whether a run has used its budget."""
    return bool(read_note(place, variant, seed).get("finished", False))


def seconds_used(place: Workplace, variant: str, seed: int, until: float = float("inf")) -> float:
    """Seconds that a run has been at work, up to a time since 1970."""
    spans = read_note(place, variant, seed).get("spans", [])
    return float(sum(max(0.0, min(end, until) - start) for start, end in spans))


def costs(place: Workplace, variant: str, seed: int) -> list[Cost]:
    """What each champion of a run had cost, in the order of their promotion; of a published run, what its note says."""
    path = place.run_path(variant, seed)
    if not is_run(str(path)):
        return [Cost(**champion) for champion in read_note(place, variant, seed).get(CHAMPIONS, [])]
    run, smaller = Run.open(str(path)), str(path / CURRICULUM)
    runs = [Run.open(smaller), run] if is_run(smaller) else [run]
    played = [row for each in runs for row in each.telemetry.metrics("loop") if row["kind"] == "selfplay"]
    found = []
    for entry in run.history():
        rows = [row for row in played if row["time"] <= entry["time"]]
        evaluations, games = (int(sum(row[name] for row in rows)) for name in ("evaluations", "games"))
        seconds = seconds_used(place, variant, seed, until=entry["time"])
        found.append(Cost(entry["network"], seconds, evaluations, games))
    return found


def points(place: Workplace, variant: str, seed: int) -> list[Point]:
    """The champions to measure: at each budget that the run has reached."""
    study, champions = place.study, costs(place, variant, seed)
    if not champions:
        return []
    used = {"seconds": seconds_used(place, variant, seed), "evaluations": champions[-1].evaluations}
    found = []
    for unit, budgets in (("seconds", study.seconds), ("evaluations", study.evaluations)):
        for budget in budgets:
            is_end = unit == "seconds" and budget == study.seconds[-1] and is_finished(place, variant, seed)
            if used[unit] < budget and not is_end:
                continue
            within = [cost for cost in champions if is_end or getattr(cost, unit) <= budget]
            found += [Point(variant, seed, unit, float(budget), cost) for cost in within[-1:]]
    return found


def _run(place: Workplace, variant: str, seed: int, stop: threading.Event) -> None:
    path, note = place.run_path(variant, seed), read_note(place, variant, seed)
    if _is_alive(note.get("pid"), path):
        raise StudyError(f"process {note['pid']} still works on {path}: wait for it or end it")
    command = [sys.executable, "-m", "minigo", "loop", f"--run={path}", *place.study.command_flags(variant, seed)]
    began, spans = time.time(), note.get("spans", [])
    log = path.with_suffix(".log")
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            while process.poll() is None and not stop.is_set():
                _write_note(place, variant, seed, spans=[*spans, (began, time.time())], pid=process.pid)
                stop.wait(POLL_SECONDS)
        finally:
            _end(process)
    is_done = process.returncode == 0 and not stop.is_set()
    _write_note(place, variant, seed, spans=[*spans, (began, time.time())], pid=None, finished=is_done)
    if process.returncode != 0 and not stop.is_set():
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise StudyError(
            f"{variant}, seed {seed}: the loop ended with {process.returncode}: {' '.join(last)} (see {log})"
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a loop as Ctrl-C does; one that does not listen is killed, which loses nothing that is published."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_alive(pid: int | None, path: Path) -> bool:
    if pid is None or not Path(f"/proc/{pid}/cmdline").exists():
        return False
    return os.fsencode(str(path)) in Path(f"/proc/{pid}/cmdline").read_bytes()


def _used(place: Workplace, variant: str, seed: int) -> str:
    return f"{seconds_used(place, variant, seed) / 60:.1f} of {place.study.minutes:g} minutes used"


def read_note(place: Workplace, variant: str, seed: int) -> dict[str, Any]:
    """What lies beside a run, or stands for it where it was published; empty before it has begun.

    Raises:
        StudyError: it was made with other flags.
    """
    path = place.run_path(variant, seed).with_suffix(".json")
    note = read_json(path) if path.exists() else {}
    flags = place.study.command_flags(variant, seed)
    if note.get("flags", flags) != flags:
        changed = " ".join(sorted(set(note["flags"]) ^ set(flags)))
        raise StudyError(f"{path.with_suffix('')} was made with other flags ({changed}): give the variant another name")
    return note


def _write_note(place: Workplace, variant: str, seed: int, **fields: Any) -> None:
    flags = place.study.command_flags(variant, seed)
    write_json(place.run_path(variant, seed).with_suffix(".json"), {"flags": flags, **fields})
