# SPDX-License-Identifier: Apache-2.0
import numpy as np
from numpy.typing import NDArray

def write_examples(
    board_size: int,
    ko_rule: int,
    suicide: bool,
    komi: NDArray[np.float32],
    moves: NDArray[np.int16],
    starts: NDArray[np.int64],
    games: NDArray[np.int64],
    plies: NDArray[np.int32],
    symmetries: NDArray[np.uint8],
    planes: NDArray[np.uint8],
    scalars: NDArray[np.float32],
) -> None: ...
