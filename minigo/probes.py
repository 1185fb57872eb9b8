# SPDX-License-Identifier: Apache-2.0
"""What a loop asks of its champions: how one opens the game, and how it does against chance and against others."""

import threading
from collections.abc import Callable
from typing import Any, Final

from minigo.config import Config
from minigo.gates import Score
from minigo.go.coords import vertex_from_move
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluator
from minigo.match import play_match
from minigo.match_players import match_player, match_search
from minigo.players import BatchPlayer, RandomPlayer
from minigo.search import Search, run_search

RANDOM: Final = "random"
OPENING_SIMULATIONS: Final = 64


def opening_of(config: Config, evaluator: Evaluator) -> dict[str, Any]:
    """How a network's search opens the game: its move as a vertex, its policy, its value and lead as Black."""
    size = config.game.board_size
    search = Search(match_search(config.search, config.match), size, 1, max_simulations=OPENING_SIMULATIONS)
    search.start(0, Position.initial(config.game).board, OPENING_SIMULATIONS, None)
    run_search(search, evaluator)
    result = search.result(0)
    return {
        "move": vertex_from_move(result.move, size),
        "policy": [round(float(p), 5) for p in result.policy_target],
        "value": result.value,
        "score_lead": result.score_lead,
    }


def final_match(
    config: Config, load_evaluator: Callable[[str], Evaluator], network: str, opponent: str, stop: threading.Event
) -> Score:
    """A network's score against another, or against `RANDOM`, in as many games as close a run.

    Args:
        config: of the run.
        load_evaluator: a network of the run by its name.
        network: whose score it is.
        opponent: a network of the run, or `RANDOM`.
        stop: once set, unfinished games are dropped.
    """

    def player(name: str) -> BatchPlayer:
        if name == RANDOM:
            return RandomPlayer(config.seed)
        return match_player(load_evaluator(name), config.search, config.match, name=name)

    games, players = config.loop.final_games, (player(network), player(opponent))
    return play_match(*players, games, config.game, config.match, config.seed, stop=stop).score
