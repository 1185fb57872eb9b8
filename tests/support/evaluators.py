# SPDX-License-Identifier: Apache-2.0
"""Evaluators for the search's tests, and the loop that drives the kernel with one.

An evaluator here is a function of what the position looks like to the player to move: own stones, the opponent's,
and the scalars. So the kernel's leaves and the reference's boards get the same estimates.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import BLACK, Board
from cc_kernels.features import NUM_PLANES, NUM_SCALARS, symmetry_images
from cc_kernels.playouts import count_playouts
from cc_kernels.tree import RootResult, SearchTrees
from tests.support.diagrams import stones_from_position
from tests.support.reference_board import ReferenceBoard
from tests.support.reference_tree import Estimate


class View(NamedTuple):
    """A position as the player to move sees it: [N²] uint8 stones, komi in points, whether the last move was a pass."""

    own: NDArray[np.uint8]
    enemy: NDArray[np.uint8]
    komi: float
    passed: bool


Judge = Callable[[View], tuple[NDArray[np.float32], float, float]]
"""Gives policy [A], value and score for the player to move."""


def hash_judge(view: View) -> tuple[NDArray[np.float32], float, float]:
    """Pseudo-random but deterministic estimates; the policy is peaked and sums to more than one."""
    content = view.own.tobytes() + view.enemy.tobytes() + bytes([view.passed]) + str(round(view.komi, 3)).encode()
    rng = np.random.default_rng(list(hashlib.blake2b(content, digest_size=16).digest()))
    policy = rng.random(len(view.own) + 1).astype(np.float32) ** 4
    value, score = np.float32(rng.uniform(-1, 1)), np.float32(rng.normal(0, len(view.own) / 4))
    return policy, float(value), float(score)


def uniform_judge(view: View) -> tuple[NDArray[np.float32], float, float]:
    """Knows nothing: all moves are alike, and so are the players."""
    num_moves = len(view.own) + 1
    return np.full(num_moves, 1 / num_moves, dtype=np.float32), 0.0, 0.0


def playout_judge(view: View) -> tuple[NDArray[np.float32], float, float]:
    """Uniform policy; value and score from a few random games."""
    policy, _, _ = uniform_judge(view)
    size = round(len(view.own) ** 0.5)
    board = Board(size, -view.komi)
    board.setup((view.own.astype(np.int8) - view.enemy.astype(np.int8)).reshape(size, size), BLACK)
    score = count_playouts(board, int(view.own.sum()), 8, 3 * size**2)[1]
    return policy, float(np.tanh(score / size)), score


def view_of_reference(board: ReferenceBoard, komi: float) -> View:
    """What the player to move sees of a reference board."""
    stones = stones_from_position(board.position, board.board_size).ravel() * board.to_play
    own, enemy = ((stones == side).astype(np.uint8) for side in (1, -1))
    return View(own, enemy, -board.to_play * komi, board.passes > 0)


def estimator(judge: Judge, komi: float) -> Callable[[ReferenceBoard], Estimate]:
    """The judge as the reference search's evaluator."""

    def estimate(board: ReferenceBoard) -> Estimate:
        policy, value, score = judge(view_of_reference(board, komi))
        return Estimate(dict(enumerate(policy.astype(np.float64).tolist())), value, score)

    return estimate


def run_kernel(trees: SearchTrees, judge: Judge, **bounds: int) -> None:
    """Drives all started searches to their ends; answers each row in its own symmetry.

    Bounds on turns are those of `SearchTrees.select`.
    """
    size, rows = trees.board_size, trees.batch_size
    planes = np.zeros((rows, size, size, NUM_PLANES), dtype=np.uint8)
    scalars = np.zeros((rows, NUM_SCALARS), dtype=np.float32)
    keys, games = np.zeros(rows, dtype=np.uint64), np.zeros(rows, dtype=np.int32)
    while len(trees.done_games()) < trees.num_games:
        count = trees.select(planes, scalars, keys, games, None, 0, **bounds)
        policy = np.zeros((rows, size**2 + 1), dtype=np.float32)
        value, score = np.zeros(rows, dtype=np.float32), np.zeros(rows, dtype=np.float32)
        for row, symmetry in enumerate(trees.symmetries()[:count].tolist()):
            image = symmetry_images(size)[symmetry]
            seen = planes[row].reshape(size**2, NUM_PLANES)[image]
            view = View(seen[:, 0].copy(), seen[:, 1].copy(), float(scalars[row, 0]) * 15, bool(scalars[row, 1]))
            plain, value[row], score[row] = judge(view)
            policy[row, [*image.tolist(), size**2]] = plain
        trees.backup(policy, value, score)


def searched(board: Board, simulations: int, judge: Judge, *, gumbel: bool = False) -> RootResult:
    """The result of one search without noise."""
    trees = SearchTrees(1, board.board_size, simulations, gumbel=gumbel)
    trees.start(0, board, simulations)
    run_kernel(trees, judge)
    return trees.result(0)
