# SPDX-License-Identifier: Apache-2.0
"""Claim: a network loses less than 15 Elo when it is evaluated in int8 instead of float32, at equal simulations.

    python benchmarks/precision_match.py --network=runs/9x9/networks/000012 --games=2000 --simulations=16

Colour-swapped pairs from common random openings, no noise, symmetries as in self-play. The games are shared out to one
thread for each core. Prints the score of the low precision, its Elo difference and the 95 % interval over pairs.
"""

import argparse
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from minigo.config import Config, MachineConfig, MatchConfig, SearchConfig
from minigo.gates import Score
from minigo.inference.quiet import start_tensorflow
from minigo.match import MatchGame, play_games

start_tensorflow()
from minigo.inference.backends import load_evaluator  # noqa: E402
from minigo.match_players import match_player  # noqa: E402
from minigo.network.network import Network  # noqa: E402
from minigo.run import Run, read_network  # noqa: E402


def main() -> None:
    """Plays the match and prints its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", required=True, help="the folder of a trained network, in its run")
    parser.add_argument("--precision", default="int8", help="what meets float32")
    parser.add_argument("--games", type=int, default=2000, help="games, in pairs")
    parser.add_argument("--simulations", type=int, default=16, help="simulations a move, for both sides")
    parser.add_argument("--opening_plies", type=int, default=4, help="random plies that open each pair")
    parser.add_argument("--seed", type=int, default=0, help="of openings and moves")
    options = parser.parse_args()
    config = Run.open(options.network.rstrip("/").rpartition("/networks/")[0]).config
    match = replace(config.match, opening_plies=options.opening_plies)
    score = play(config, match, replace(config.search, num_simulations=options.simulations), options)
    print(json.dumps({"network": options.network, "precision": options.precision, **score.to_dict()}))


def play(config: Config, match: MatchConfig, search: SearchConfig, options: argparse.Namespace) -> Score:
    """The score of the low precision against float32."""
    network = Network.from_bytes(*read_network(options.network))
    machines = [MachineConfig(backend="openvino", precision=precision) for precision in (options.precision, "float32")]
    evaluators = [load_evaluator(network, machine, config.game.board_size) for machine in machines]
    if evaluators[0].precision != options.precision:
        raise SystemExit(f"{options.network} does not agree with float32 in {options.precision}: see the warning above")
    threads = len(os.sched_getaffinity(0))
    points: dict[int, float | None] = {}
    lock = threading.Lock()

    def finish(game: MatchGame) -> None:
        with lock:
            points[game.index] = game.points
            if len(points) % 100 == 0:
                print(f"{len(points)} of {options.games}: {Score.of(points.items())}", file=sys.stderr, flush=True)

    def work(thread: int) -> None:
        players = [match_player(evaluator, search, match) for evaluator in evaluators]
        games = [game for game in range(options.games) if game // 2 % threads == thread]
        play_games(*players, games, config.game, match, options.seed, on_game=finish)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return Score.of(points.items())


if __name__ == "__main__":
    main()
