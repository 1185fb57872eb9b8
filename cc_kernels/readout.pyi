# SPDX-License-Identifier: Apache-2.0
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cc_kernels.tree import SearchTrees

class MovesReport(NamedTuple):
    moves: NDArray[np.int32]
    visits: NDArray[np.int32]
    values: NDArray[np.float64]
    scores: NDArray[np.float64]
    utilities: NDArray[np.float64]
    priors: NDArray[np.float32]
    value_deviations: NDArray[np.float64]
    utility_deviations: NDArray[np.float64]
    lines: list[list[int]]
    line_visits: list[list[int]]

class RootReport(NamedTuple):
    visits: int
    value: float
    score: float
    utility: float
    raw_value: float
    raw_score: float
    priors: NDArray[np.float32]
    moves: MovesReport

def report(trees: SearchTrees, game: int, most_moves: int = 15) -> RootReport: ...
def ownership(
    trees: SearchTrees, game: int, by_move: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
