# SPDX-License-Identifier: Apache-2.0
"""Holds a run on a small board against perfect play, which is known there: 5x5 is Black +25, 7x7 (believed) Black +9.

    python benchmarks/perfect_play.py --run=runs/demo

Its last self-play games tell their median result. Then the champion plays Black against GNU Go, from the empty board,
its first moves sampled, under strict Tromp-Taylor rules and played out: how often it opens in the centre, wins at all,
and wins by as much as perfect play. It searches as for play (puct), not as for learning. Prints one JSON object.
References: van der Werf et al. 2003 (5x5), Li Zhe 2015 (7x7, not a proof).
"""

import argparse
import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from latest_games import latest_games

from minigo.commands.common import evaluator_loader
from minigo.config import Config
from minigo.go.record import GameRecord
from minigo.inference.quiet import start_framework
from minigo.match import MatchGame, play_games
from minigo.run import Run
from ratings.anchors import gnugo_player

BLACK_WINS_BY: Final = {5: 25, 7: 9}
"""Points of perfect play before komi, by board size."""
ENGINES: Final = 8
"""Processes of GNU Go, each with a game of its own."""


def main() -> None:
    """Reads the games of the run, plays its champion, and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="the folder or bucket of a run on 5x5 or 7x7")
    parser.add_argument("--selfplay_games", type=int, default=500, help="how many of its last games tell the median")
    parser.add_argument("--games", type=int, default=100, help="games as Black against GNU Go; 0: none")
    parser.add_argument("--simulations", type=int, default=64, help="simulations a move")
    parser.add_argument("--algorithm", default="puct", choices=("puct", "gumbel"), help="how the root chooses")
    parser.add_argument("--temperature", type=float, default=0.5, help="of the moves that are sampled")
    parser.add_argument("--temperature_plies", type=int, default=8, help="how many moves of a game are sampled")
    options = parser.parse_args()
    run = Run.open(options.run)
    size = run.config.game.board_size
    if size not in BLACK_WINS_BY:
        raise SystemExit(f"perfect play is known here on {sorted(BLACK_WINS_BY)}, got a run on {size}x{size}")
    found: dict[str, Any] = {"run": options.run, "board_size": size, "perfect": BLACK_WINS_BY[size]}
    found["selfplay"] = selfplay_results(run, options.selfplay_games)
    if options.games:
        champion = run.champion()
        gnugo = gnugo_player(replace(run.config.game, rules="tromp-taylor"))
        if champion is None or gnugo is None:
            raise SystemExit("a champion and GNU Go are needed: let the run go on, and apt-get install gnugo")
        config = replace(
            run.config,
            game=replace(run.config.game, rules="tromp-taylor"),
            search=replace(run.config.search, num_simulations=options.simulations, algorithm=options.algorithm),
            match=replace(
                run.config.match,
                opening_plies=0,
                temperature=options.temperature,
                temperature_plies=options.temperature_plies,
            ),
        )
        games = play_as_black(config, run.network_path(champion.network), gnugo, options.games)
        player = {"network": champion.network, "algorithm": options.algorithm}
        found["against_gnugo"] = player | black_results(games, config)
    print(json.dumps(found))


def selfplay_results(run: Run, count: int) -> dict[str, Any]:
    """Of a run's last self-play games: the median and the quartiles of Black's result, and how they open."""
    records = latest_games(run, count)
    if not records:
        return {"games": 0}
    komi = [record.komi for record in records]
    points = np.array([record.score_for_black for record in records]) + komi
    searched = [record for record in records if record.start_ply == 0 and record.num_moves]
    return {
        "games": len(records),
        "median": float(np.median(points)),
        "quartiles": [float(np.quantile(points, share)) for share in (0.25, 0.75)],
        "from_the_empty_board": len(searched),
        "open_in_the_centre": sum(_opens_in_the_centre(record) for record in searched),
    }


def play_as_black(config: Config, network: str, gnugo: str, count: int) -> list[MatchGame]:
    """The games. The network's moves are sampled for a while, so that games differ."""
    from minigo.match_players import player_from_text
    from minigo.players import Player, Team

    start_framework(config.machine.backend)
    load, games = evaluator_loader(config), list[MatchGame]()

    def finish(game: MatchGame) -> None:
        games.append(game)
        print(f"game {len(games)} of {count}", end="\r", file=sys.stderr, flush=True)

    sides: list[Player | Team] = []
    try:
        for text in (network, gnugo):
            kind = {"game": config.game, "search": config.search, "match": config.match}
            make = functools.partial(player_from_text, text, **kind, load_evaluator=load)
            sides.append(Team.of(make, ENGINES))
        indices = range(0, 2 * count, 2)  # even: the network has Black
        play_games(sides[0], sides[1], indices, config.game, config.match, config.seed, on_game=finish)
    finally:
        for side in sides:
            side.close()
    print(file=sys.stderr)
    return games


def black_results(games: Sequence[MatchGame], config: Config) -> dict[str, Any]:
    """How the games of a champion as Black ended."""
    points = [game.record.score_for_black + game.record.komi for game in games if game.points is not None]
    perfect = BLACK_WINS_BY[config.game.board_size]
    return {
        "games": len(games),
        "failed": sum(game.points is None for game in games),
        "different": len({game.record.moves.tobytes() for game in games}),
        "open_in_the_centre": sum(_opens_in_the_centre(game.record) for game in games),
        "won": sum(point > 0 for point in points),
        "won_by_as_much_as_perfect_play": sum(point >= perfect for point in points),
    }


def _opens_in_the_centre(record: GameRecord) -> bool:
    return int(record.moves[0]) == record.board_size**2 // 2


if __name__ == "__main__":
    main()
