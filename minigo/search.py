# SPDX-License-Identifier: Apache-2.0
"""`Search`: many games searched together. A driver loops select → evaluate → backup, as `run_search` does.

The search never calls an evaluator and owns no randomness: noise comes from the generator that each search is
given, so the same evaluations and seeds give the same moves. `cc_kernels/tree.pxd` specifies what is computed.
"""

import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import Board
from cc_kernels.cache import EvaluationCache
from cc_kernels.features import NUM_PLANES, NUM_SCALARS
from cc_kernels.tree import RootResult, SearchTrees
from minigo.config import SearchConfig
from minigo.go.position import Position
from minigo.inference.evaluator import Evaluation, Evaluator, Leaves

SearchResult = RootResult


class Search:
    """Searches of G games of one board size, in lockstep by simulation.

    Args:
        config: how to search; its number of simulations is the default of each search.
        board_size: N of every game.
        num_games: G.
        max_simulations: the most that any search will ask for; by default the config's number.
        batch_rows: positions in a full batch, at least `config.leaves_per_batch`; by default, as many as all games
            together can fill. With fewer, games take turns.
    """

    def __init__(
        self,
        config: SearchConfig,
        board_size: int,
        num_games: int,
        *,
        max_simulations: int | None = None,
        batch_rows: int | None = None,
    ) -> None:
        self.config = config
        self.num_games = num_games
        self.num_moves = board_size * board_size + 1
        self.trees = SearchTrees(
            num_games,
            board_size,
            config.num_simulations if max_simulations is None else max_simulations,
            leaves_per_game=config.leaves_per_batch,
            gumbel=config.algorithm == "gumbel",
            considered_moves=config.considered_moves,
            c_visit=config.c_visit,
            c_scale=config.c_scale,
            c_puct=config.c_puct,
            fpu_reduction=config.fpu_reduction,
            score_weight=config.score_weight,
            noise_share=config.dirichlet_share,
            prune_pass_alive=config.prune_pass_alive,
            batch_rows=0 if batch_rows is None else batch_rows,
        )
        rows = self.trees.batch_size
        self._planes = np.zeros((rows, board_size, board_size, NUM_PLANES), np.uint8)
        self._scalars = np.zeros((rows, NUM_SCALARS), np.float32)
        self._keys = np.zeros(rows, np.uint64)
        self.row_games = np.zeros(rows, np.int32)  # the game of each leaf of the last `select_leaves`
        self._randoms: list[np.random.Generator | None] = [None] * num_games
        self._plies = [0] * num_games

    def reset(self, game: int, position: Position, *, simulations: int | None = None, seed: int = 0) -> None:
        """Starts a search of a position from an empty tree, with noise and move drawn from a seed.

        Raises:
            ValueError: the position's board size, or the number of simulations, is not one of this search.
        """
        self.start(game, position.board, simulations or self.config.num_simulations, np.random.default_rng(seed))

    def start(
        self,
        game: int,
        board: Board,
        simulations: int,
        random: np.random.Generator | None,
        group: int = 0,
        gumbel_share: float = 1.0,
    ) -> None:
        """Searches a kernel's board from an empty tree.

        Args:
            game: which of the games.
            board: the position, which is copied.
            simulations: how many to make.
            random: draws noise, and the move in the opening; None: no noise and no sampling.
            group: of games that share batches, because one network evaluates them; 0 to G.
            gumbel_share: what part of the config's Gumbel noise the root gets.
        """
        self._randoms[game] = random
        self._plies[game] = board.move_count
        self.trees.start(game, board, simulations, self._noise(random, gumbel_share), group)

    def extend(self, game: int, simulations: int, random: np.random.Generator) -> None:
        """Goes on with a PUCT tree as it is, to so many simulations in all."""
        self._randoms[game] = random
        self.trees.extend(game, simulations, self._noise(random))

    def play(self, game: int, move: int) -> bool:
        """Plays a move at the root and keeps what a PUCT tree found below it; whether anything was kept."""
        self._plies[game] += 1
        return self.trees.advance(game, move)

    def select_leaves(self, cache: EvaluationCache | None = None, group: int = 0) -> Leaves:
        """The next leaves of games that still search; a count of 0 when all are done.

        The arrays are the search's own and are overwritten by the next call.

        Args:
            cache: evaluations by the group's network, used at once; `backup` adds what it is given.
            group: whose leaves.
        """
        count = self.trees.select(self._planes, self._scalars, self._keys, self.row_games, cache, group)
        return Leaves(self._planes, self._scalars, self._keys, count)

    def backup(self, evaluation: Evaluation) -> None:
        """Gives the leaves of the last `select_leaves` their evaluations, row for row.

        Raises:
            ValueError: wrong shapes, or numbers that are not finite.
        """
        self.trees.backup(evaluation.policy, evaluation.value, evaluation.score_lead)

    def is_done(self, game: int) -> bool:
        """Whether a game's search has all its simulations."""
        return self.trees.is_done(game)

    def result(self, game: int) -> SearchResult:
        """What a search found, with the move to play: sampled in the opening if the config says so.

        Raises:
            ValueError: the position has not been evaluated, or the game is over there.
        """
        result = self.trees.result(game)
        random = self._randoms[game]
        if random is None or self.config.temperature == 0.0 or self._plies[game] >= self.config.temperature_plies:
            return result
        return result._replace(move=_sample(result.policy_target, self.config.temperature, random))

    def _noise(self, random: np.random.Generator | None, gumbel_share: float = 1.0) -> NDArray[np.float64] | None:
        config = self.config
        if random is None:
            return None
        if config.algorithm == "gumbel":
            scale = gumbel_share * config.gumbel_scale
            return random.gumbel(scale=scale, size=self.num_moves) if scale else None
        if config.dirichlet_alpha == 0.0:
            return None
        return random.standard_gamma(config.dirichlet_alpha / self.num_moves, self.num_moves) + 1e-30


def run_search(search: Search, evaluator: Evaluator, cache: EvaluationCache | None = None) -> None:
    """Searches until every game of group 0 is done; `cache` holds evaluations by the same evaluator."""
    while (leaves := search.select_leaves(cache)).count:
        search.backup(evaluator.evaluate(leaves))


def _sample(policy: NDArray[np.float32], temperature: float, random: np.random.Generator) -> int:
    weights = (policy / policy.max()).astype(np.float64) ** (1.0 / temperature)
    return int(random.choice(len(weights), p=weights / weights.sum()))
