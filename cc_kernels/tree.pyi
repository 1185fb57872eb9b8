# SPDX-License-Identifier: Apache-2.0
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from cc_kernels.board import Board
from cc_kernels.cache import EvaluationCache

class RootResult(NamedTuple):
    move: int
    visits: NDArray[np.int32]
    policy_target: NDArray[np.float32]
    move_values: NDArray[np.float32]
    value: float
    score_lead: float
    simulations: int
    principal_variation: list[int]

@final
class SearchTrees:
    def __init__(
        self,
        num_games: int,
        board_size: int,
        max_simulations: int,
        leaves_per_game: int = 1,
        gumbel: bool = True,
        considered_moves: int = 16,
        c_visit: float = 50.0,
        c_scale: float = 0.5,
        c_puct: float = 1.1,
        fpu_reduction: float = 0.2,
        score_weight: float = 0.1,
        noise_share: float = 0.25,
        prune_pass_alive: bool = True,
        batch_rows: int = 0,
        ownership: bool = False,
        first_nodes: int = 4096,
        growth_bytes: int = 0,
    ) -> None: ...
    @property
    def num_games(self) -> int: ...
    @property
    def board_size(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def ownership(self) -> bool: ...
    @property
    def memory_bound(self) -> int: ...
    def start(
        self,
        game: int,
        board: Board,
        simulations: int,
        noise: NDArray[np.float64] | None = None,
        group: int = 0,
        avoid: NDArray[np.int16] | None = None,
    ) -> None: ...
    def extend(self, game: int, simulations: int, noise: NDArray[np.float64] | None = None) -> None: ...
    def prime(
        self,
        game: int,
        policy: NDArray[np.float32],
        value: float,
        score: float,
        ownership: NDArray[np.float32] | None = None,
    ) -> bool: ...
    def advance(self, game: int, move: int) -> bool: ...
    def stop(self, game: int) -> None: ...
    def clear(self, game: int) -> None: ...
    def regroup(self, game: int, group: int) -> None: ...
    def select(
        self,
        planes: NDArray[np.uint8],
        scalars: NDArray[np.float32],
        keys: NDArray[np.uint64],
        games: NDArray[np.int32],
        cache: EvaluationCache | None = None,
        group: int = 0,
        rows: int = 0,
        leaves: int = 0,
        visits_per_leaf: int = 0,
        walks: int = 0,
    ) -> int: ...
    def symmetries(self) -> NDArray[np.int32]: ...
    def backup(
        self,
        policy: NDArray[np.float32],
        value: NDArray[np.float32],
        score: NDArray[np.float32],
        ownership: NDArray[np.float32] | None = None,
    ) -> None: ...
    def is_done(self, game: int) -> bool: ...
    def is_full(self, game: int) -> bool: ...
    def root_visits(self, game: int) -> int: ...
    def done_games(self) -> NDArray[np.int64]: ...
    def result(self, game: int) -> RootResult: ...
    def nodes(self, game: int) -> dict[str, NDArray[np.float64]]: ...
