# SPDX-License-Identifier: Apache-2.0
"""Positions that a network reaches itself: what to measure and calibrate it on. Start at `reached_positions`."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import Board
from cc_kernels.features import NUM_PLANES, NUM_SCALARS, NUM_SYMMETRIES, position_key, symmetry_images, write_features
from cc_kernels.playouts import random_game
from minigo.inference.evaluator import Evaluator, Leaves

NUM_GAMES: Final = 16
PLIES_PER_POINT: Final = 1.25
"""Games are followed for so many moves for each point; those of trained networks end before."""
NEVER_ZERO: Final = 1e-12
"""Added to each probability: there is always a legal move to draw."""


def reached_positions(evaluator: Evaluator, board_size: int, komi: float, count: int) -> Leaves:
    """Positions of games that a network plays by sampling its policy, after up to N random moves.

    They depend on the evaluator's numbers alone, are spread evenly over whole games, and each is seen under a random
    symmetry.

    Args:
        evaluator: the network; it is asked in batches of `NUM_GAMES`.
        board_size: N.
        komi: points added to White's score.
        count: how many; fewer come back if the games are short.
    """
    random = np.random.default_rng(0)
    boards = [Board(board_size, komi) for _ in range(NUM_GAMES)]
    for game, board in enumerate(boards):
        random_game(board, game, board_size * game // NUM_GAMES)
    seen = []
    for _ in range(int(PLIES_PER_POINT * board_size**2)):
        boards = [board for board in boards if board.passes < 2]
        if not boards:
            break
        symmetries = random.integers(NUM_SYMMETRIES, size=len(boards))
        leaves = _leaves(boards, symmetries)
        policies = evaluator.evaluate(leaves).policy
        for board, symmetry, policy in zip(boards, symmetries, policies, strict=False):
            images = [*symmetry_images(board_size)[symmetry], board.pass_move]
            weights = (policy[images].astype(np.float64) + NEVER_ZERO) * board.legal_moves()
            board.play(int(random.choice(len(weights), p=weights / weights.sum())))
        seen.append(leaves)
    planes = np.concatenate([leaves.planes[: leaves.count] for leaves in seen])
    scalars = np.concatenate([leaves.scalars[: leaves.count] for leaves in seen])
    keys = np.concatenate([leaves.keys[: leaves.count] for leaves in seen])
    chosen = np.unique(np.linspace(0, len(keys) - 1, count).astype(np.int64))
    return Leaves(planes[chosen], scalars[chosen], keys[chosen], len(chosen))


def _leaves(boards: list[Board], symmetries: NDArray[np.int64]) -> Leaves:
    size = boards[0].board_size
    planes = np.zeros((NUM_GAMES, size, size, NUM_PLANES), np.uint8)
    scalars = np.zeros((NUM_GAMES, NUM_SCALARS), np.float32)
    keys = np.zeros(NUM_GAMES, np.uint64)
    for row, (board, symmetry) in enumerate(zip(boards, symmetries, strict=True)):
        write_features(board, planes[row], scalars[row], int(symmetry))
        keys[row] = position_key(board)
    return Leaves(planes, scalars, keys, len(boards))
