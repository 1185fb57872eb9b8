# SPDX-License-Identifier: Apache-2.0
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import Board

NUM_SYMMETRIES: Final = 8
PLANE_NAMES: Final[tuple[str, ...]]
SCALAR_NAMES: Final[tuple[str, ...]]
NUM_PLANES: Final[int]
NUM_SCALARS: Final[int]

def write_features(
    board: Board, planes: NDArray[np.uint8], scalars: NDArray[np.float32], symmetry: int = 0
) -> None: ...
def position_key(board: Board) -> int: ...
def position_symmetry(board: Board) -> int: ...
def symmetry_images(board_size: int) -> NDArray[np.int16]: ...
