# SPDX-License-Identifier: Apache-2.0
"""Counts finished games again, by GNU Go, which takes dead stones off: did the better player win, or the rules?

    minigo match --player=runs/9x9 --opponent="gtp:gnugo --mode gtp --level 10" --sgf_dir=games
    python benchmarks/second_count.py games

Strict Tromp-Taylor rules count the board as it stands when both have passed. A player that passes with dead stones of
its opponent on the board gives them away; this tells how many games that decided. Games that were not played to their
end, as those with RE[B+R], are left out. Prints those that differ, and one JSON object.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple


class Count(NamedTuple):
    """Who won a game: "B", "W" or "" for nobody, as its file says and by GNU Go."""

    path: Path
    recorded: str
    counted: str


def main() -> None:
    """Counts every SGF in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of SGF files, as `minigo match --sgf_dir` writes them")
    options = parser.parse_args()
    program = shutil.which("gnugo") or shutil.which("gnugo", path="/usr/games")
    paths = [path for path in sorted(options.folder.glob("*.sgf")) if is_counted(path)]
    if program is None or not paths:
        raise SystemExit(f"GNU Go (apt-get install gnugo) and games in {options.folder} are needed")
    with ThreadPoolExecutor() as pool:
        counts = list(pool.map(lambda path: counted(program, path), paths))
    for count in counts:
        if count.recorded != count.counted:
            print(f"{count.path}: {count.recorded} won, {count.counted} by GNU Go", file=sys.stderr)
    print(json.dumps(summary(counts)))


def is_counted(path: Path) -> bool:
    """Whether the file says by how many points somebody won, or that nobody did."""
    return re.search(r"\bRE\[(0|Draw|[BW]\+[\d.]+)\]", path.read_text(encoding="utf-8")) is not None


def counted(program: str, path: Path) -> Count:
    """One game, played on by GNU Go until all dead stones are off."""
    command = [program, "--score", "aftermath", "--chinese-rules", "-l", str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    won = re.search(r"(Black|White) wins by|Jigo", output)
    if won is None:
        raise SystemExit(f"{path}: GNU Go does not say who won: {output[-200:]!r}")
    recorded = re.search(r"\bRE\[([BW])\+", path.read_text(encoding="utf-8"))
    return Count(path, recorded[1] if recorded else "", won[1][0] if won[1] else "")


def summary(counts: Sequence[Count]) -> dict[str, int]:
    """How many games there are, and in how many both say the same."""
    return {"games": len(counts), "agree": sum(count.recorded == count.counted for count in counts)}


if __name__ == "__main__":
    main()
