# SPDX-License-Identifier: Apache-2.0
"""Players of this process for tests of matches."""

from collections.abc import Sequence

from minigo.config import SearchConfig
from minigo.go.position import Position
from minigo.inference.evaluator import HashEvaluator
from minigo.match import MatchResult
from minigo.players import BatchPlayer, Choice, SearchPlayer


class PassingPlayer(BatchPlayer):
    """Always passes. Under `choose_many` it notes how many games it was shown at a time."""

    def __init__(self, name: str = "passing") -> None:
        super().__init__(name)
        self.batches: list[int] = []
        self.seeds: list[int] = []

    def choose_many(self, positions: Sequence[Position], seeds: Sequence[int]) -> list[Choice]:
        self.batches.append(len(positions))
        self.seeds += seeds
        return [Choice(position.board.pass_move) for position in positions]


def search_player(name: str = "search", seed: int = 1, simulations: int = 8) -> SearchPlayer:
    config = SearchConfig(num_simulations=simulations, gumbel_scale=0.0, temperature=0.5, temperature_plies=6)
    return SearchPlayer(HashEvaluator(seed), config, name=name)


def moves_of(result: MatchResult) -> list[list[int]]:
    return [game.record.moves.tolist() for game in result.games]
