# SPDX-License-Identifier: Apache-2.0
"""Plays two players against each other that may search differently: two networks, two searches, or GNU Go.

    python benchmarks/duel.py runs/a/networks/000077 runs/b/networks/000075 --games=400
    python benchmarks/duel.py runs/a runs/a --first="--search.c_puct=0.7" --games=400
    python benchmarks/duel.py runs/a gnugo --games=100 --sgf_dir=games

Strict Tromp-Taylor rules, the preset's game and searches unless told otherwise, OpenVINO in bfloat16; colour-swapped
pairs from common random openings, then each plays the best it knows. The games are shared out to one thread for each
core. Prints the score of the first player, its Elo difference and the 95 % interval over pairs.
"""

import argparse
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from minigo.commands.common import evaluator_loader
from minigo.commands.learning import LOOP
from minigo.config import Config
from minigo.flags import parse, resolve_config
from minigo.gates import Score
from minigo.inference.quiet import start_framework
from minigo.match import MatchGame, play_games, sgf_from_game
from minigo.match_players import player_from_text
from minigo.players import Player, Team
from ratings.anchors import gnugo_player

GNUGO: Final = "gnugo"
ENGINES: Final = 8  # processes of GNU Go for each thread


def main() -> None:
    """Plays the match and prints its result."""
    options = parser().parse_args()
    score = play(options, configs(options))
    print(json.dumps({"players": options.players, "flags": [options.first, options.second], **score.to_dict()}))


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("players", nargs=2, metavar="PLAYER", help=f"as `minigo match` takes them, or {GNUGO}")
    found.add_argument("--games", type=int, default=400, help="games, in pairs")
    found.add_argument("--simulations", type=int, default=64, help="a move, unless a player's flags say otherwise")
    found.add_argument("--preset", default="9x9-cpu", help="whose games and searches")
    found.add_argument("--first", default="", metavar="FLAGS", help="flags of `minigo loop` for the first player alone")
    found.add_argument("--second", default="", metavar="FLAGS", help="for the second")
    found.add_argument("--opening_plies", type=int, default=2, help="random plies that open each pair")
    found.add_argument("--temperature", type=float, default=0.0, help="at which the twelve moves after are sampled")
    found.add_argument("--seed", type=int, default=0, help="of openings and moves")
    found.add_argument("--sgf_dir", type=Path, help="where every game is written")
    return found


def configs(options: argparse.Namespace) -> tuple[Config, Config]:
    """How each of the two plays."""
    first, second = _config(options, options.first), _config(options, options.second)
    if (first.game, first.match, first.machine) != (second.game, second.match, second.machine):
        raise SystemExit("--first and --second must differ in how players search, not in game, match or machine")
    return first, second


def _config(options: argparse.Namespace, flags: str) -> Config:
    settings = [
        f"--preset={options.preset}",
        "--game.rules=tromp-taylor",
        "--machine.backend=openvino",
        "--machine.precision=bfloat16",
        f"--search.num_simulations={options.simulations}",
        f"--match.opening_plies={options.opening_plies}",
        f"--match.temperature={options.temperature}",
        "--match.temperature_plies=12",
        f"--seed={options.seed}",
    ]
    return resolve_config(parse(LOOP, [*settings, *shlex.split(flags)]), Config())


def play(options: argparse.Namespace, configs: Sequence[Config]) -> Score:
    """The score of the first player."""
    start_framework(configs[0].machine.backend)
    loaders = [evaluator_loader(config) for config in configs]
    threads = len(os.sched_getaffinity(0))
    points: dict[int, float | None] = {}
    lock, loading, stop = threading.Lock(), threading.Lock(), threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())  # the games that have ended count
    if options.sgf_dir is not None:
        options.sgf_dir.mkdir(parents=True, exist_ok=True)

    def finish(game: MatchGame) -> None:
        with lock:
            points[game.index] = game.points
            if options.sgf_dir is not None:
                (options.sgf_dir / f"{game.index:06d}.sgf").write_bytes(sgf_from_game(game))
            if len(points) % 20 == 0:
                print(f"{len(points)} of {options.games}: {Score.of(points.items())}", file=sys.stderr, flush=True)

    def make(side: int) -> Player:
        config, text = configs[side], options.players[side]
        if text == GNUGO:
            found = gnugo_player(config.game)
            if found is None:
                raise SystemExit("GNU Go is not installed: apt-get install gnugo")
            text = found
        search, match = config.search, config.match
        return player_from_text(text, game=config.game, search=search, match=match, load_evaluator=loaders[side])

    def work(thread: int) -> None:
        sides: list[Player | Team] = []
        try:
            with loading:
                sides += [Team.of(lambda: make(0), ENGINES)]
                sides += [Team.of(lambda: make(1), ENGINES)]
            games = [game for game in range(options.games) if game // 2 % threads == thread]
            play_games(
                sides[0], sides[1], games, configs[0].game, configs[0].match, options.seed, on_game=finish, stop=stop
            )
        except BaseException:
            stop.set()  # ends the other threads, too
            raise
        finally:
            for side in sides:
                side.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return Score.of(points.items())


if __name__ == "__main__":
    main()
