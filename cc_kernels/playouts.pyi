# SPDX-License-Identifier: Apache-2.0
import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import Board

def random_game(board: Board, seed: int, max_moves: int) -> NDArray[np.int16]: ...
def count_playouts(board: Board, seed: int, count: int, max_moves: int) -> tuple[int, float]: ...
