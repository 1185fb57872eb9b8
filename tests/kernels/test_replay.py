# SPDX-License-Identifier: Apache-2.0
"""Examples written from recorded games are what playing the games and writing the features gives."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cc_kernels.board import KO_POSITIONAL, KO_SIMPLE, KO_SITUATIONAL, Board
from cc_kernels.features import NUM_PLANES, NUM_SCALARS, NUM_SYMMETRIES, write_features
from cc_kernels.playouts import random_game
from cc_kernels.replay import write_examples


def recorded_games(
    board_size: int, ko_rule: int, suicide: bool, num_games: int
) -> tuple[NDArray[np.float32], list[NDArray[np.int16]]]:
    """Komi [G] and moves of random games."""
    komi = np.linspace(-3.0, 7.5, num_games).astype(np.float32)
    boards = [Board(board_size, k, ko_rule, suicide) for k in komi.tolist()]
    return komi, [random_game(board, seed, 3 * board_size**2) for seed, board in enumerate(boards)]


def examples(
    board_size: int, ko_rule: int, suicide: bool, num_games: int, num_examples: int, seed: int
) -> dict[str, Any]:
    """Arguments of `write_examples` for random examples of random games, outputs full of old contents."""
    rng = np.random.default_rng(seed)
    komi, games = recorded_games(board_size, ko_rule, suicide, num_games)
    lengths = np.array([len(moves) for moves in games])
    chosen = rng.integers(num_games, size=num_examples)
    return {
        "board_size": board_size,
        "ko_rule": ko_rule,
        "suicide": suicide,
        "komi": komi,
        "moves": np.concatenate(games),
        "starts": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "games": chosen.astype(np.int64),
        "plies": rng.integers(lengths[chosen] + 1).astype(np.int32),
        "symmetries": rng.integers(NUM_SYMMETRIES, size=num_examples).astype(np.uint8),
        "planes": np.full((num_examples, board_size, board_size, NUM_PLANES), 77, dtype=np.uint8),
        "scalars": np.full((num_examples, NUM_SCALARS), 77, dtype=np.float32),
    }


@pytest.mark.parametrize("board_size", [2, 5, 9, 19])
@pytest.mark.parametrize(("ko_rule", "suicide"), [(KO_SIMPLE, False), (KO_POSITIONAL, False), (KO_SITUATIONAL, True)])
def test_examples_are_the_features_of_the_replayed_positions(board_size: int, ko_rule: int, suicide: bool) -> None:
    batch = examples(board_size, ko_rule, suicide, num_games=7, num_examples=60, seed=board_size)
    write_examples(**batch)

    planes = np.zeros((board_size, board_size, NUM_PLANES), dtype=np.uint8)
    scalars = np.zeros(NUM_SCALARS, dtype=np.float32)
    for row in range(60):
        game, ply = batch["games"][row], batch["plies"][row]
        board = Board(board_size, float(batch["komi"][game]), ko_rule, suicide)
        first = batch["starts"][game]
        for move in batch["moves"][first : first + ply].tolist():
            board.play(move)
        write_features(board, planes, scalars, int(batch["symmetries"][row]))
        assert np.array_equal(batch["planes"][row], planes)
        assert np.array_equal(batch["scalars"][row], scalars)


@pytest.mark.parametrize(
    ("name", "value"),
    [("games", -1), ("games", 3), ("plies", -1), ("plies", 1000), ("symmetries", 8), ("moves", -1), ("moves", 26)],
)
def test_an_index_outside_its_range_is_refused(name: str, value: int) -> None:
    batch = examples(5, KO_POSITIONAL, False, num_games=3, num_examples=4, seed=1)
    batch["plies"][:] = np.diff(batch["starts"])[batch["games"]]
    batch[name][:] = value

    with pytest.raises(ValueError, match=name.removesuffix("s")[:3]):
        write_examples(**batch)


def test_a_move_on_a_stone_is_refused() -> None:
    batch = examples(5, KO_POSITIONAL, False, num_games=3, num_examples=4, seed=1)
    batch["games"][:], batch["plies"][:] = 0, 2
    batch["moves"][:2] = 12

    with pytest.raises(ValueError, match="move"):
        write_examples(**batch)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("planes", (4, 5, 5, NUM_PLANES - 1)),
        ("planes", (3, 5, 5, NUM_PLANES)),
        ("planes", (4, 5, 4, NUM_PLANES)),
        ("scalars", (4, NUM_SCALARS + 1)),
        ("scalars", (5, NUM_SCALARS)),
        ("komi", (2,)),
        ("plies", (3,)),
        ("symmetries", (5,)),
    ],
)
def test_a_wrong_shape_is_refused(name: str, shape: tuple[int, ...]) -> None:
    batch = examples(5, KO_POSITIONAL, False, num_games=3, num_examples=4, seed=1)
    batch[name] = np.zeros(shape, dtype=batch[name].dtype)

    with pytest.raises(ValueError, match=r"\d"):
        write_examples(**batch)


@pytest.mark.parametrize("starts", [[0, 5, 3, 9], [0, 1, 2, 10**6], [-1, 0, 0, 0]])
def test_starts_must_cut_the_moves_into_games(starts: list[int]) -> None:
    batch = examples(5, KO_POSITIONAL, False, num_games=3, num_examples=3, seed=1)
    batch["starts"], batch["games"] = np.array(starts), np.arange(3)
    batch["plies"][:] = 0

    with pytest.raises(ValueError, match="starts"):
        write_examples(**batch)
