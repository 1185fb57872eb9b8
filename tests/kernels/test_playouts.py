# SPDX-License-Identifier: Apache-2.0
"""Random games: legal, without filling own eyes, over after two passes, and the same again for the same seed."""

import numpy as np
import pytest

from cc_kernels import scoring
from cc_kernels.board import BLACK, KO_POSITIONAL, KO_SIMPLE, KO_SITUATIONAL, WHITE, Board
from cc_kernels.playouts import count_playouts, random_game
from tests.support.diagrams import board_from_diagram, play, point, position_from_stones
from tests.support.reference_board import Position, neighbors

FINISHED = """
    . X O . O
    X X O O O
    X X O O O
    X X O O O
    . X O . O
"""


def is_eye(position: Position, point: int, color: int, board_size: int) -> bool:
    """Whether an empty point is an eye: own stones beside it, enemies on one diagonal at most, at the edge on none."""
    row, column = divmod(point, board_size)
    cells = [(row + down, column + right) for down in (-1, 1) for right in (-1, 1)]
    diagonals = {r * board_size + c for r, c in cells if 0 <= r < board_size and 0 <= c < board_size}
    spared = 1 if len(diagonals) == 4 else 0
    beside = position.of(color).issuperset(neighbors(board_size)[point])
    return beside and len(diagonals & position.of(-color)) <= spared


def sensible_moves(board: Board) -> list[int]:
    """The legal moves of the player to move that fill no own eye."""
    position = position_from_stones(board.stones)
    legal = np.flatnonzero(board.legal_moves()[:-1]).tolist()
    return [move for move in legal if not is_eye(position, move, board.to_play, board.board_size)]


@pytest.mark.parametrize("board_size", [2, 3, 5, 7, 9, 13])
@pytest.mark.parametrize("ko_rule", [KO_SIMPLE, KO_POSITIONAL, KO_SITUATIONAL])
@pytest.mark.parametrize("suicide", [False, True])
def test_every_move_is_legal_and_fills_no_own_eye(board_size: int, ko_rule: int, suicide: bool) -> None:
    for seed in range(5):
        board = Board(board_size, 7.5, ko_rule, suicide)
        for move in random_game(board.copy(), seed, 3 * board_size**2).tolist():
            moves = sensible_moves(board)
            assert move in moves if moves else move == board.pass_move
            board.play(move)


@pytest.mark.parametrize("board_size", [2, 5, 9, 19])
def test_a_game_ends_in_two_passes_on_the_board_it_was_played_on(board_size: int) -> None:
    board = Board(board_size)
    replayed = board.copy()
    moves = random_game(board, 1, 10 * board_size**2)
    for move in moves.tolist():
        replayed.play(move)

    assert moves.dtype == np.int16
    assert moves.tolist()[-2:] == [board.pass_move] * 2
    assert board == replayed
    assert board.move_count == len(moves)
    assert scoring.is_over(board)
    assert not sensible_moves(board)


def test_a_game_goes_on_from_where_the_board_stands() -> None:
    board = board_from_diagram(FINISHED, to_play=WHITE)
    moves = random_game(board, 1, 10)

    assert moves.tolist() == [board.pass_move] * 2


def test_a_finished_game_has_no_more_moves() -> None:
    board = Board(5)
    play(board, "pass pass")

    assert random_game(board, 1, 10).tolist() == []


@pytest.mark.parametrize("max_moves", [0, 1, 7])
def test_a_game_stops_at_the_move_limit(max_moves: int) -> None:
    board = Board(9)

    assert len(random_game(board, 1, max_moves)) == max_moves
    assert board.move_count == max_moves


def test_the_same_seed_plays_the_same_game_and_another_seed_another() -> None:
    games = [random_game(Board(9), seed, 300).tolist() for seed in (1, 1, 2, 2**63)]

    assert games[0] == games[1]
    assert len({tuple(game) for game in games}) == 3


def test_moves_are_uniformly_random() -> None:
    num_games = 6000
    counts = np.zeros((2, 10))
    for seed in range(num_games):
        first, second = random_game(Board(3), seed, 2).tolist()
        counts[0, first] += 1
        if first == point("B2", 3):
            counts[1, second] += 1

    expected = np.array([[1 / 9] * 9 + [0], [1 / 8] * 4 + [0] + [1 / 8] * 4 + [0]])
    shares = counts / counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares[0], expected[0], atol=0.02)
    np.testing.assert_allclose(shares[1], expected[1], atol=0.06)


def test_superko_holds_inside_a_game() -> None:
    for seed in range(200):
        board = Board(2, 0.0, KO_POSITIONAL)
        seen = {board.stones.tobytes()}
        for move in random_game(board.copy(), seed, 60).tolist():
            board.play(move)
            assert move == board.pass_move or board.stones.tobytes() not in seen
            seen.add(board.stones.tobytes())


def test_counting_playouts_leaves_the_board_and_repeats_itself() -> None:
    board = Board(7, 3.5)
    play(board, "D4 C3")
    before = board.copy()
    results = [count_playouts(board, seed, 50, 200) for seed in (5, 5, 6)]

    assert board == before
    assert board.move_count == before.move_count
    assert results[0] == results[1] != results[2]
    assert 50 * 20 < results[0][0] < 50 * 200


def test_the_mean_score_of_a_finished_position_is_its_score() -> None:
    board = board_from_diagram(FINISHED, komi=2.0)

    assert count_playouts(board, 1, 10, 50) == (20, scoring.score_for_black(board))


def test_a_better_position_has_a_better_mean_score() -> None:
    board = Board(9, 0.0)
    even = count_playouts(board, 1, 300, 300)[1]
    play(board, "C3 C4 C5 C6 C7", BLACK)

    assert abs(even) < 15
    assert count_playouts(board, 1, 300, 300)[1] > even + 15
