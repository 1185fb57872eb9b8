# SPDX-License-Identifier: Apache-2.0
"""Outside players whose strength is known: how GNU Go is found and started, and what a scale is fixed by."""

import itertools
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cc_kernels.board import KO_POSITIONAL, KO_SITUATIONAL
from minigo.config import GameConfig
from minigo.go.rules import rules_named

GNUGO: Final = "gnugo"
GNUGO_LEVEL: Final = 10
GNUGO_RATINGS: Final = {9: 1800.0}
"""GNU Go 3.8 at level 10 by board size, in Elo: the convention of the 9x9 Computer Go Server.

For one that takes dead stones off before it passes: one that leaves them is weaker where the board counts as it stands.
"""
TAKES_DEAD_STONES: Final = "--capture-all-dead"


def gnugo_player(game: GameConfig) -> str | None:
    """GNU Go at its usual level under these rules, as a PLAYER of the command line; None where it is not installed.

    It takes dead stones off before it passes: games are counted as the board stands.
    """
    program = GNUGO if shutil.which(GNUGO) else shutil.which(GNUGO, path="/usr/games")  # a bare name moves with the run
    if program is None:
        return None
    rules = rules_named(game.rules)
    ko = {KO_POSITIONAL: ["--positional-superko"], KO_SITUATIONAL: ["--situational-superko"]}
    words = [program, "--mode", "gtp", "--level", str(GNUGO_LEVEL), "--chinese-rules", TAKES_DEAD_STONES]
    words += ko.get(rules.ko_rule, [])
    return f"gtp:{shlex.join([*words, '--allow-suicide' if rules.suicide else '--forbid-suicide'])}"


def conventional_anchors(outside: Mapping[str, str], board_size: int) -> dict[str, float]:
    """The fixed ratings of those outside players, PLAYER by name, for which there is a convention."""
    rating = GNUGO_RATINGS.get(board_size)
    return {name: rating for name, player in outside.items() if rating is not None and _is_usual_gnugo(player)}


def _is_usual_gnugo(player: str) -> bool:
    kind, _, command = player.partition(":")
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    if kind != "gtp" or not words or Path(words[0]).name != GNUGO or TAKES_DEAD_STONES not in words:
        return False
    levels = [word.partition("=")[2] for word in words if word.startswith("--level=")]
    levels += [value for word, value in itertools.pairwise(words) if word == "--level"]
    return all(level == str(GNUGO_LEVEL) for level in levels)
