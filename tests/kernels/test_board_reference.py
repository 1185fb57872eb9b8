# SPDX-License-Identifier: Apache-2.0
"""Random games on which the kernel and the slow reference agree at every move.

Games mix ko rules, suicide, moves out of turn, passes and set-up positions, and come in two kinds: any legal
move (many captures, ko and suicide) and legal moves that fill no eye of one point (large chains and regions).
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest

from cc_kernels import scoring
from cc_kernels.board import BLACK, KO_POSITIONAL, KO_SIMPLE, KO_SITUATIONAL, WHITE, Board, IllegalMoveError
from tests.support.diagrams import grid, stones_from_position
from tests.support.random_positions import fills_eye, random_position
from tests.support.reference_board import ReferenceBoard
from tests.support.scale import seeds

GAMES = {5: 500, 9: 150, 13: 25, 19: 5}
OTHER_SIZES = (2, 3, 4, 6, 7, 8, 11)
MAX_MOVES_PER_POINT = 1.6
KO_RULES = (KO_SIMPLE, KO_POSITIONAL, KO_POSITIONAL, KO_SITUATIONAL, KO_SITUATIONAL)
SETUP_SHARE = 0.2
EYE_SPARING_SHARE = 0.4
OUT_OF_TURN_SHARE = 0.04
PASS_SHARE = 0.03


@dataclass
class Agreement:
    """Compares two boards, and over all games keeps that stones and hashes belong together, one to one."""

    hash_of_stones: dict[tuple[int, bytes], int] = field(default_factory=dict)
    stones_of_hash: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    illegal: Counter[str] = field(default_factory=Counter)

    def check(self, board: Board, reference: ReferenceBoard) -> dict[int, list[int]]:
        """Fails unless all that the two boards show is equal. Returns the legal moves of each color."""
        size = reference.board_size
        stones = board.stones
        liberties = {point: len(chain.liberties) for point, chain in reference.chains.items()}
        assert np.array_equal(stones, stones_from_position(reference.position, size))
        assert np.array_equal(scoring.area(board), grid(reference.area(), size))
        assert np.array_equal(board.liberties, grid(liberties, size))
        for color in (BLACK, WHITE):
            assert board.captured(color) == reference.captured[color]
        assert board.to_play == reference.to_play
        assert board.passes == reference.passes
        assert board.move_count == len(reference.moves)
        self.check_hash(board.stone_hash, (size, stones.tobytes()))
        return {color: self.check_legal_moves(board, reference, color) for color in (BLACK, WHITE)}

    def check_hash(self, stone_hash: int, stones: tuple[int, bytes]) -> None:
        """Fails if these stones had another hash before, or this hash other stones."""
        assert self.hash_of_stones.setdefault(stones, stone_hash) == stone_hash
        assert self.stones_of_hash.setdefault(stone_hash, stones) == stones

    def check_legal_moves(self, board: Board, reference: ReferenceBoard, color: int) -> list[int]:
        """Fails unless the boards allow the same moves to a color. Returns them."""
        illegal = reference.illegal_moves(color)
        self.illegal.update(illegal.values())
        expected = [move for move in range(board.num_moves) if move not in illegal]
        assert np.flatnonzero(board.legal_moves(color)).tolist() == expected, describe(reference, color)
        return expected


def describe(reference: ReferenceBoard, color: int) -> str:
    """What is needed to play a failing game again."""
    rules = f"size {reference.board_size}, ko rule {reference.ko_rule}, suicide {reference.suicide}"
    return f"{rules}, first {reference.situations[0]}, then {reference.moves}, legal moves of {color}"


def new_boards(rng: np.random.Generator, board_size: int, suicide: bool) -> tuple[Board, ReferenceBoard]:
    """Two boards with the same ko rule, drawn at random, some of them with a random first position."""
    ko_rule = KO_RULES[rng.integers(len(KO_RULES))]
    board = Board(board_size, 7.5, ko_rule, suicide)
    if rng.random() > SETUP_SHARE:
        return board, ReferenceBoard(board_size, ko_rule, suicide)
    position, to_play = random_position(rng, board_size), (BLACK, WHITE)[rng.integers(2)]
    board.setup(stones_from_position(position, board_size), to_play)
    return board, ReferenceBoard(board_size, ko_rule, suicide, position, to_play)


def play_random_games(rng: np.random.Generator, board_size: int, games: int) -> Agreement:
    """Plays games on both boards, in every second of which suicide is legal."""
    agreement = Agreement()
    for game in range(games):
        play_random_game(rng, board_size, suicide=game % 2 == 1, agreement=agreement)
    return agreement


def play_random_game(rng: np.random.Generator, board_size: int, suicide: bool, agreement: Agreement) -> None:
    """Plays one game on both boards and compares them before every move."""
    board, reference = new_boards(rng, board_size, suicide)
    spares_eyes = rng.random() < EYE_SPARING_SHARE
    for _ in range(int(MAX_MOVES_PER_POINT * board_size**2)):
        legal = agreement.check(board, reference)
        color = reference.to_play * (-1 if rng.random() < OUT_OF_TURN_SHARE else 1)
        refuse_illegal_move(rng, board, legal[color], color)
        moves = [m for m in legal[color][:-1] if not (spares_eyes and fills_eye(reference, m, color))]
        passes = not moves or rng.random() < PASS_SHARE
        move = reference.pass_move if passes else moves[rng.integers(len(moves))]
        board.play(move, color)
        reference.play(move, color)
        if reference.passes == 4:
            break
    agreement.check(board, reference)
    check_hash_from_scratch(board)


def refuse_illegal_move(rng: np.random.Generator, board: Board, legal: list[int], color: int) -> None:
    """Fails unless the kernel refuses one move drawn at random, if it is illegal, and stays as it was."""
    move = int(rng.integers(board.num_moves))
    if move not in legal:
        before = board.copy()
        with pytest.raises(IllegalMoveError):
            board.play(move, color)
        assert board == before
        assert board.move_count == before.move_count


def check_hash_from_scratch(board: Board) -> None:
    """Fails unless the hash kept over the game is that of the stones set up at once."""
    fresh = Board(board.board_size)
    fresh.setup(board.stones)
    assert fresh.stone_hash == board.stone_hash


@pytest.mark.parametrize("board_size", GAMES)
@pytest.mark.parametrize("seed", seeds(slow=20))
def test_random_games_agree_with_the_reference_at_every_move(board_size: int, seed: int) -> None:
    agreement = play_random_games(np.random.default_rng((board_size, seed)), board_size, GAMES[board_size])

    assert agreement.illegal["ko"] > GAMES[board_size]
    assert agreement.illegal["suicide"] > GAMES[board_size]


@pytest.mark.parametrize("board_size", OTHER_SIZES)
@pytest.mark.parametrize("seed", seeds())
def test_random_games_on_other_sizes_agree_with_the_reference(board_size: int, seed: int) -> None:
    agreement = play_random_games(np.random.default_rng((board_size, seed)), board_size, 1000 // board_size**2 + 5)

    assert agreement.illegal["ko"] > 0
