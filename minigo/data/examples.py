# SPDX-License-Identifier: Apache-2.0
"""Training examples from the window: features are replayed by the kernel, under a symmetry, with targets to match.

`make_batch` is the function; `ExampleStream` calls it ahead of time, in a thread of its own.
"""

import contextlib
import functools
import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cc_kernels.features import NUM_PLANES, NUM_SCALARS, NUM_SYMMETRIES
from cc_kernels.replay import write_examples
from minigo.config import TrainConfig
from minigo.data.window import Window
from minigo.go.rules import rules_named
from minigo.go.symmetry import move_images

BATCHES_AHEAD: Final = 8


class Batch(NamedTuple):
    """B examples, as `GoNetwork` reads them and `minigo.network.losses` wants them; for the player to move."""

    inputs: dict[str, NDArray[Any]]
    """"planes" [B, N, N, C] uint8, "scalars" [B, S] float32."""
    targets: dict[str, NDArray[np.float32]]
    """"policy" [B, A], "policy_weight" [B] 0 or 1, "outcome" [B, 3], "score_lead" [B], "ownership" [B, N, N]."""


def make_batch(
    window: Window, positions: NDArray[np.int64], symmetries: NDArray[np.uint8], value_from_search: float
) -> Batch:
    """Makes the examples of some positions.

    Args:
        window: where the games are.
        positions: [B] in 0..P-1.
        symmetries: [B] in 0..7; planes and targets are both seen under it.
        value_from_search: share of the outcome target that is the search's value, where there is one.
    """
    games = window.position_games[positions]
    plies = window.games.plies[positions]
    color = np.where(plies % 2 == 0, 1, -1).astype(np.float32)
    score = window.games.score_for_black[games] * color
    return Batch(
        inputs=_inputs(window, games, plies, symmetries),
        targets={
            **_policy_targets(window, positions, symmetries),
            "outcome": _outcomes(score, window.games.root_values[positions], value_from_search),
            "score_lead": score,
            "ownership": _ownership(window, games, symmetries) * color[:, None, None],
        },
    )


def _inputs(
    window: Window, games: NDArray[np.int64], plies: NDArray[np.int32], symmetries: NDArray[np.uint8]
) -> dict[str, NDArray[Any]]:
    batch, size, rules = len(games), window.game.board_size, rules_named(window.game.rules)
    planes = np.empty((batch, size, size, NUM_PLANES), np.uint8)
    scalars = np.empty((batch, NUM_SCALARS), np.float32)
    columns = (window.games.komi, window.games.moves, window.starts)
    write_examples(size, rules.ko_rule, rules.suicide, *columns, games, plies, symmetries, planes, scalars)
    return {"planes": planes, "scalars": scalars}


def _policy_targets(
    window: Window, positions: NDArray[np.int64], symmetries: NDArray[np.uint8]
) -> dict[str, NDArray[np.float32]]:
    has_policy = window.games.has_policy[positions]
    policy = np.zeros((len(positions), window.game.board_size**2 + 1), np.float32)
    policy[has_policy] = window.games.policies[window.policy_rows[positions[has_policy]]]
    policy[has_policy] /= policy[has_policy].sum(axis=1, keepdims=True)
    sources = _move_sources(window.game.board_size)[symmetries]
    return {
        "policy": np.take_along_axis(policy, sources, axis=1),
        "policy_weight": has_policy.astype(np.float32),
    }


def _outcomes(
    score: NDArray[np.float32], root_values: NDArray[np.float32], value_from_search: float
) -> NDArray[np.float32]:
    """[B, 3] probabilities of win, draw, loss: the result, mixed with the search's value where there is one."""
    result = np.stack([score > 0, score == 0, score < 0], axis=1).astype(np.float32)
    value = np.clip(np.nan_to_num(root_values), -1.0, 1.0)
    searched = np.stack([(1 + value) / 2, np.zeros_like(value), (1 - value) / 2], axis=1)
    share = np.where(np.isnan(root_values), 0.0, value_from_search).astype(np.float32)[:, None]
    mixed: NDArray[np.float32] = (1 - share) * result + share * searched
    return mixed


def _ownership(window: Window, games: NDArray[np.int64], symmetries: NDArray[np.uint8]) -> NDArray[np.float32]:
    size = window.game.board_size
    sources = _move_sources(size)[symmetries][:, :-1]
    seen = np.take_along_axis(window.games.area[games], sources, axis=1)
    return seen.reshape(len(games), size, size).astype(np.float32)


@functools.lru_cache(maxsize=32)
def _move_sources(board_size: int) -> NDArray[np.int64]:
    """[8, A]: which move each move comes from under each symmetry."""
    return np.argsort(move_images(board_size), axis=1)


class ExampleStream:
    """Random batches of a window, made ahead of time by a thread of its own. Use it as a context manager.

    Args:
        window: must not change while the stream is open.
        config: batch size and value target.
        rng: draws positions and symmetries; the same state gives the same batches.
        num_batches: how many there are.
        on_batch: told each batch with the positions that it was made of, by the stream's thread.
    """

    def __init__(
        self,
        window: Window,
        config: TrainConfig,
        rng: np.random.Generator,
        num_batches: int,
        on_batch: Callable[[NDArray[np.int64], Batch], object] = lambda _positions, _batch: None,
    ) -> None:
        if num_batches and not window.num_positions:
            raise ValueError("the window must hold positions to draw examples from, got none")
        self._window = window
        self._config = config
        self._rng = rng
        self._num_batches = num_batches
        self._on_batch = on_batch
        self._closed = threading.Event()
        self._queue: queue.Queue[Batch | BaseException] = queue.Queue(BATCHES_AHEAD)
        self._thread = threading.Thread(target=self._run, name="examples", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._thread.join()

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self._num_batches):
            item = self._queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item

    def _run(self) -> None:
        try:
            for _ in range(self._num_batches):
                if self._closed.is_set():
                    return
                self._queue.put(self._next())
        except BaseException as error:  # noqa: BLE001 (raised again by whoever reads the stream)
            self._queue.put(error)

    def _next(self) -> Batch:
        size = self._config.batch_size
        positions = self._rng.integers(self._window.num_positions, size=size)
        symmetries = self._rng.integers(NUM_SYMMETRIES, size=size, dtype=np.uint8)
        batch = make_batch(self._window, positions, symmetries, self._config.value_from_search)
        self._on_batch(positions, batch)
        return batch
