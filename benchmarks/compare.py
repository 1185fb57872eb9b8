# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks of speed and memory and compares their ratios with `reference.json`; exit code 1 if one is worse.

    python benchmarks/compare.py                          all of them, a quarter of an hour or more
    python benchmarks/compare.py --only=kernels,shards    some
    python benchmarks/compare.py --only=kernels --update  store what was measured as the new reference

Each runs in a process of its own, so that none has another's threads or memory. A ratio is worse if it is beyond its
tolerance on the bad side of the reference; a ratio that only one machine has (a back end that is missing) is left out.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from measure import Ratio

from minigo.inference.processor import cpu_model

FOLDER: Final = Path(__file__).parent
REFERENCE: Final = FOLDER / "reference.json"
SCRIPTS: Final = ("kernels", "inference", "selfplay", "memory", "shards", "training", "katago", "analysis")


def verdict(ratio: Ratio, reference: float | None) -> str:
    """How a ratio stands to the reference's: "ok", "better", "worse" or "new"."""
    if reference is None:
        return "new"
    change = (ratio.value - reference) / abs(reference) if reference else 0.0
    gain = -change if ratio.lower_is_better else change
    return "worse" if not gain >= -ratio.tolerance else "better" if gain > ratio.tolerance else "ok"


def measured(script: str, options: argparse.Namespace) -> dict[str, Ratio]:
    """The ratios of one script, run here and now."""
    command = [sys.executable, str(FOLDER / f"{script}.py"), "--json"]
    for name in ("seconds", "rounds"):
        value = getattr(options, name)
        command += [f"--{name}={value}"] if value is not None else []
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {name: Ratio(**fields) for name, fields in json.loads(answer.stdout)["ratios"].items()}


def stored() -> dict[str, Any]:
    """The reference: for each script the machine, date and commit, and its ratios by name."""
    if not REFERENCE.exists():
        return {}
    document: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
    return document


def updated(reference: dict[str, Any], results: dict[str, dict[str, Ratio]]) -> dict[str, Any]:
    """The reference with the measured scripts in place of what it had of them."""
    origin = {
        "cpu": cpu_model()[0],
        "cores": len(os.sched_getaffinity(0)),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _commit(),
    }
    new = {
        script: {**origin, "ratios": {name: round(ratio.value, 4) for name, ratio in ratios.items()}}
        for script, ratios in results.items()
    }
    return {**reference, **new}


def _commit() -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    answer = subprocess.run([git, "-C", str(FOLDER), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SCRIPTS), help="names, with commas")
    parser.add_argument("--seconds", type=float, help="of each measurement; default: the scripts' own")
    parser.add_argument("--rounds", type=int, help="of measurements; default: the scripts' own")
    parser.add_argument("--update", action="store_true", help=f"write {REFERENCE.name}")
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    for name in names:
        if name not in SCRIPTS:
            parser.error(f"no benchmark {name!r}; there are {', '.join(SCRIPTS)}")
    reference, results, worse = stored(), {}, 0
    for script in names:
        results[script] = measured(script, options)
        before = reference.get(script, {}).get("ratios", {})
        print(script)
        for name, ratio in results[script].items():
            word = verdict(ratio, before.get(name))
            worse += word == "worse"
            missed = "" if ratio.holds() else f", misses its bound {ratio.bound:g}"
            was = f"{before[name]:10.3f}" if name in before else " " * 10
            print(f"  {name:64} {was} {ratio.value:10.3f}  {word}{missed}", flush=True)
    if options.update:
        text = json.dumps(updated(reference, results), indent=2, sort_keys=True)
        REFERENCE.write_text(f"{text}\n", encoding="utf-8")
        return 0
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
