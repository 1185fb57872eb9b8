# SPDX-License-Identifier: Apache-2.0
"""The command line of the learning experiments: `python -m benchmarks.learning plan|run|measure|report|redo|publish`.

`redo` is run, measure and report in one: `python -m benchmarks.learning redo --study=half-hour --seeds=0` does again
what the preset 9x9-cpu is said to reach. `publish` adds costs and games to another folder of studies, without the runs;
`report --out` that folder tells the same from them, and from what other machines have published there.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from benchmarks.learning.study import STUDIES, StudyError, Workplace

VERBS = ("plan", "run", "measure", "report", "redo", "publish")


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what one verb asks; 0, or 1 with a line that says why not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning", description=__doc__)
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("--study", required=True, help=f"one of {', '.join(STUDIES)}")
    parser.add_argument("--out", default="runs/learning", help="the folder of all studies")
    parser.add_argument("--to", default="benchmarks/learning/published", help="the folder that publish adds to")
    parser.add_argument("--variants", default="", help="run only these, like base,no-pooling")
    parser.add_argument("--seeds", default="", help="run only these, like 0,1")
    parser.add_argument("--threads", type=int, default=0, help="that measure at once; 0: one for each core")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda *_: stop.set())
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        _act(options, stop)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if stop.is_set():
        print("stopped; the same command goes on", file=sys.stderr)
    return 0


def _act(options: argparse.Namespace, stop: threading.Event) -> None:
    place = Workplace.open(options.study, options.out)
    if place.is_published and options.verb in ("run", "measure", "redo"):
        raise StudyError(f"{place.folder} holds what was published: {options.verb} wants another --out")
    if options.verb == "plan":
        print(_plan(place))
    if options.verb in ("run", "redo"):
        from benchmarks.learning.runs import run_study

        run_study(place, stop, _chosen(place, options.variants, options.seeds))
    if options.verb in ("measure", "redo") and not stop.is_set():
        from benchmarks.learning.ladder import measure_study

        measure_study(place, stop, options.threads)
    if options.verb in ("report", "redo") and not stop.is_set():
        from benchmarks.learning.report import write_report

        print(write_report(place))
    if options.verb == "publish":
        from benchmarks.learning.publish import publish

        other = Workplace.open(options.study, options.to)
        print(f"{other.folder}: {publish(place, other)} games")


def _chosen(place: Workplace, variants: str, seeds: str) -> list[tuple[str, int]]:
    names = variants.split(",") if variants else list(place.study.variants)
    numbers = seeds.split(",") if seeds else [str(seed) for seed in place.study.seeds]
    known = {str(seed) for seed in place.study.seeds}
    for what, asked, choices in (("variants", names, set(place.study.variants)), ("seeds", numbers, known)):
        unknown = sorted(set(asked) - choices)
        if unknown:
            raise StudyError(f"--{what} must be among {', '.join(sorted(choices))}, got {', '.join(unknown)}")
    return [run for run in place.study.runs() if run[0] in names and str(run[1]) in numbers]


def _plan(place: Workplace) -> str:
    """What there is to do and what has been done, as text."""
    from benchmarks.learning.ladder import parts
    from benchmarks.learning.runs import is_finished, seconds_used

    study = place.study
    lines = [f"{place.folder}: {len(study.runs())} runs of {study.minutes:g} minutes"]
    for variant, seed in study.runs():
        state = "finished" if is_finished(place, variant, seed) else "to do"
        used = seconds_used(place, variant, seed) / 60
        lines.append(f"  {variant:24} seed {seed}  {state:8}  {used:5.1f} minutes used")
    left = sum(not is_finished(place, *run) for run in study.runs())
    lines.append(f"{left} runs to do: at most {left * study.minutes / 60:.1f} hours")
    try:
        todo = parts(place)
    except StudyError as error:
        return "\n".join([*lines, f"matches: {error}"])
    played = sum(part.path.exists() for part in todo)
    return "\n".join([*lines, f"matches: {played} of {len(todo)} parts played"])


if __name__ == "__main__":
    sys.exit(main())
