# SPDX-License-Identifier: Apache-2.0
"""The network's input against a slow computation from the reference, and the key that stands for it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cc_kernels.board import BLACK, KO_POSITIONAL, KO_SIMPLE, KO_SITUATIONAL, WHITE, Board
from cc_kernels.features import (
    NUM_PLANES,
    NUM_SCALARS,
    NUM_SYMMETRIES,
    PLANE_NAMES,
    SCALAR_NAMES,
    position_key,
    position_symmetry,
    symmetry_images,
    write_features,
)
from tests.support.diagrams import board_from_diagram, play, point, stones_from_diagram, stones_from_position
from tests.support.positions import KO
from tests.support.random_positions import fills_eye, random_position
from tests.support.reference_board import ReferenceBoard
from tests.support.reference_ladders import laddered_points
from tests.support.reference_scoring import pass_alive_points

NUM_LAST_MOVES = 5
KO_RULES = (KO_SIMPLE, KO_POSITIONAL, KO_SITUATIONAL)
KOMI_SCALE = 15
KO_PLANE = PLANE_NAMES.index("forbidden by ko or superko")
TWO_EYES = """
    . X . X O
    X X X X O
    O O O O O
    . . . . .
    . . . . .
"""


def features(board: Board, symmetry: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The kernel's planes [N, N, C] and scalars [S] of a board, written over old contents."""
    planes = np.full((board.board_size, board.board_size, NUM_PLANES), 77, dtype=np.uint8)
    scalars = np.full(NUM_SCALARS, 77, dtype=np.float32)
    write_features(board, planes, scalars, symmetry)
    return planes, scalars


def slow_planes(reference: ReferenceBoard) -> NDArray[np.uint8]:
    """[N, N, C] planes of the reference's present position, in the order of `PLANE_NAMES`."""
    own, enemy = reference.to_play, -reference.to_play
    position, size = reference.position, reference.board_size
    liberties = {p: len(chain.liberties) for p, chain in reference.chains.items()}
    alive = {color: pass_alive_points(position, size, color, reference.suicide) for color in (own, enemy)}
    illegal = reference.illegal_moves(own)
    last_moves = [{move} - {size**2} for _, move in reference.moves[: -NUM_LAST_MOVES - 1 : -1]]
    last_moves += [set()] * (NUM_LAST_MOVES - len(last_moves))
    points_of_plane = [
        position.of(own),
        position.of(enemy),
        *({p for p, count in liberties.items() if count == number} for number in (1, 2, 3)),
        laddered_points(position, size),
        {move for move, reason in illegal.items() if reason == "ko"},
        *last_moves,
        alive[own],
        alive[enemy],
        range(size**2),
    ]
    planes = np.zeros((size**2, NUM_PLANES), dtype=np.uint8)
    for index, points in enumerate(points_of_plane):
        planes[list(points), index] = 1
    return planes.reshape(size, size, NUM_PLANES)


def slow_scalars(reference: ReferenceBoard, komi: float) -> NDArray[np.float32]:
    """[S] scalars of the reference's present position, in the order of `SCALAR_NAMES`."""
    return np.array([-reference.to_play * komi / KOMI_SCALE, reference.passes > 0], dtype=np.float32)


def transformed(plane: NDArray[np.uint8], symmetry: int) -> NDArray[np.uint8]:
    """A [N, N, C] array with every point moved to where a symmetry takes it."""
    size = len(plane)
    image = np.zeros_like(plane).reshape(size**2, -1)
    image[symmetry_images(size)[symmetry]] = plane.reshape(size**2, -1)
    return image.reshape(plane.shape)


def random_games(rng: np.random.Generator, num_games: int) -> list[tuple[Board, ReferenceBoard, int]]:
    """Games in progress with mixed sizes, rules and komi; the number is how many moves to play on."""
    games = []
    for _ in range(num_games):
        size, ko_rule = int(rng.integers(2, 10)), KO_RULES[rng.integers(3)]
        suicide, komi = bool(rng.integers(2)), float(rng.integers(-20, 21)) / 2
        board = Board(size, komi, ko_rule, suicide)
        reference = ReferenceBoard(size, ko_rule, suicide)
        if rng.random() < 0.3:
            reference = ReferenceBoard(size, ko_rule, suicide, random_position(rng, size))
            board.setup(stones_from_position(reference.position, size))
        games.append((board, reference, int(rng.integers(1, 2 * size**2))))
    return games


def play_random_move(rng: np.random.Generator, board: Board, reference: ReferenceBoard) -> None:
    """Plays a random legal move, mostly none that fills an eye, on both boards; now and then out of turn."""
    color = reference.to_play * (-1 if rng.random() < 0.03 else 1)
    moves = [m for m in reference.legal_moves(color)[:-1] if rng.random() < 0.2 or not fills_eye(reference, m, color)]
    move = reference.pass_move if not moves or rng.random() < 0.08 else int(rng.choice(moves))
    board.play(move, color)
    reference.play(move, color)


def test_there_is_a_name_for_each_plane_and_scalar() -> None:
    assert len(PLANE_NAMES) == NUM_PLANES == len(set(PLANE_NAMES))
    assert len(SCALAR_NAMES) == NUM_SCALARS == len(set(SCALAR_NAMES))


def test_planes_and_scalars_agree_with_the_reference_in_all_symmetries() -> None:
    rng = np.random.default_rng(1)
    seen = np.zeros(NUM_PLANES, dtype=np.int64)
    for board, reference, num_moves in random_games(rng, 60):
        for _ in range(num_moves):
            expected = slow_planes(reference)
            seen += expected.any(axis=(0, 1))
            for symmetry in range(NUM_SYMMETRIES):
                planes, scalars = features(board, symmetry)
                assert np.array_equal(planes, transformed(expected, symmetry))
                assert np.array_equal(scalars, slow_scalars(reference, board.komi))
            play_random_move(rng, board, reference)

    assert (seen > 20).all(), dict(zip(PLANE_NAMES, seen, strict=True))


def test_planes_on_19x19_agree_with_the_reference() -> None:
    rng = np.random.default_rng(2)
    board, reference = Board(19, 6.5), ReferenceBoard(19)
    for ply in range(500):
        if ply % 25 == 0:
            symmetry = int(rng.integers(NUM_SYMMETRIES))
            assert np.array_equal(features(board, symmetry)[0], transformed(slow_planes(reference), symmetry))
        play_random_move(rng, board, reference)


def test_the_ko_plane_shows_what_ko_forbids_the_player_to_move() -> None:
    board = board_from_diagram(KO, to_play=WHITE)
    assert not features(board)[0][:, :, KO_PLANE].any()

    play(board, "B3")
    assert np.flatnonzero(features(board)[0][:, :, KO_PLANE]).tolist() == [point("C3", 4)]

    play(board, "pass")
    assert not features(board)[0][:, :, KO_PLANE].any()


def test_komi_is_seen_by_the_player_to_move() -> None:
    board = Board(9, 7.5)
    assert features(board)[1].tolist() == [-0.5, 0.0]

    play(board, "pass")
    assert features(board)[1].tolist() == [0.5, 1.0]


# Symmetries


@pytest.mark.parametrize("board_size", [2, 3, 5, 9, 19])
def test_the_symmetries_are_the_eight_of_the_square(board_size: int) -> None:
    images = symmetry_images(board_size)
    row, column = np.divmod(np.arange(board_size**2), board_size)
    last = board_size - 1
    expected = {
        tuple((r * board_size + c).tolist())
        for a, b in ((row, column), (column, row))
        for r in (a, last - a)
        for c in (b, last - b)
    }

    assert images.shape == (NUM_SYMMETRIES, board_size**2)
    assert images.dtype == np.int16
    assert {tuple(image.tolist()) for image in images} == expected
    assert images[0].tolist() == list(range(board_size**2))


@pytest.mark.parametrize("symmetry", range(NUM_SYMMETRIES))
def test_features_of_a_moved_game_are_the_moved_features(symmetry: int) -> None:
    rng = np.random.default_rng(3)
    board, moved, reference = Board(7, 5.0), Board(7, 5.0), ReferenceBoard(7)
    images = [*symmetry_images(7)[symmetry].tolist(), 49]
    for _ in range(80):
        moves = reference.legal_moves(reference.to_play)
        move = int(rng.choice(moves))
        reference.play(move, reference.to_play)
        board.play(move)
        moved.play(images[move])
        assert np.array_equal(features(board, symmetry)[0], features(moved)[0])


# Wrong arguments


@pytest.mark.parametrize("symmetry", [-1, 8])
def test_a_symmetry_outside_its_range_is_refused(symmetry: int) -> None:
    with pytest.raises(ValueError, match="symmetry"):
        features(Board(5), symmetry)


@pytest.mark.parametrize("shape", [(5, 5, NUM_PLANES - 1), (5, 4, NUM_PLANES), (4, 5, NUM_PLANES)])
def test_planes_of_a_wrong_shape_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="planes"):
        write_features(Board(5), np.zeros(shape, dtype=np.uint8), np.zeros(NUM_SCALARS, dtype=np.float32))


def test_scalars_of_a_wrong_shape_are_refused() -> None:
    planes = np.zeros((5, 5, NUM_PLANES), dtype=np.uint8)
    with pytest.raises(ValueError, match="scalars"):
        write_features(Board(5), planes, np.zeros(NUM_SCALARS + 1, dtype=np.float32))


# Keys


def canonical_content(board: Board) -> bytes:
    """The same bytes for positions whose features are images of each other, and for no others."""
    planes, scalars = features(board)
    images = [transformed(planes, symmetry).tobytes() for symmetry in range(NUM_SYMMETRIES)]
    return bytes([board.board_size, board.suicide]) + min(images) + scalars.tobytes()


def row_content(board: Board) -> bytes:
    """The features of a board as a search writes them."""
    planes, scalars = features(board, position_symmetry(board))
    return bytes([board.board_size]) + planes.tobytes() + scalars.tobytes()


def test_keys_are_equal_exactly_if_features_are_images_of_each_other() -> None:
    rng = np.random.default_rng(4)
    content_of_key: dict[int, tuple[bytes, bytes]] = {}
    key_of_content: dict[tuple[bytes, int], int] = {}
    repeated = 0
    for board, reference, num_moves in random_games(rng, 300):
        for _ in range(min(num_moves, 40)):
            key, content, row = position_key(board), canonical_content(board), row_content(board)
            repeated += key in content_of_key
            assert content_of_key.setdefault(key, (content, row)) == (content, row)
            assert key_of_content.setdefault((content, board.to_play), key) == key
            play_random_move(rng, board, reference)

    assert len(content_of_key) > 4000
    assert repeated > 20


def moved_game(board: Board, moves: list[tuple[int, int]], symmetry: int) -> Board:
    """A game of the same size and rules with every move where a symmetry takes it."""
    images = [*symmetry_images(board.board_size)[symmetry].tolist(), board.pass_move]
    moved = Board(board.board_size, board.komi, board.ko_rule, board.suicide)
    for color, move in moves:
        moved.play(images[move], color)
    return moved


def test_images_of_a_position_share_key_and_row() -> None:
    rng = np.random.default_rng(5)
    ko_points, passes, symmetries = 0, 0, set()
    for _ in range(120):
        size, ko_rule, suicide = int(rng.integers(2, 10)), KO_RULES[rng.integers(3)], bool(rng.integers(2))
        board, reference = Board(size, 6.5, ko_rule, suicide), ReferenceBoard(size, ko_rule, suicide)
        for _ in range(int(rng.integers(2 * size**2))):
            play_random_move(rng, board, reference)
        ko_points += int(features(board)[0][:, :, KO_PLANE].sum())
        passes += board.passes > 0
        symmetries.add(position_symmetry(board))
        for symmetry in range(NUM_SYMMETRIES):
            moved = moved_game(board, reference.moves, symmetry)
            assert position_key(moved) == position_key(board)
            assert row_content(moved) == row_content(board)

    assert ko_points > 10
    assert passes > 3
    assert symmetries == set(range(NUM_SYMMETRIES))


def test_a_symmetry_is_chosen_by_the_key_after_the_canonical_image() -> None:
    """Positions that differ in komi alone have the same canonical image, and come up in all symmetries."""
    board = Board(5)
    play(board, "B1 C2")
    rows = {}
    for komi in range(40):
        board.komi = komi
        rows.setdefault(position_key(board) % NUM_SYMMETRIES, set()).add(row_content(board)[: 1 + 25 * NUM_PLANES])

    assert [len(contents) for contents in rows.values()] == [1] * NUM_SYMMETRIES
    assert len(set.union(*rows.values())) == NUM_SYMMETRIES


def test_two_ways_to_the_same_features_have_the_same_key() -> None:
    one, other = Board(9), Board(9)
    play(one, "C3 D4 E5 F6 A1 A2 B1 B2 C1")
    play(other, "E5 F6 C3 D4 A1 A2 B1 B2 C1")

    assert np.array_equal(features(one)[0], features(other)[0])
    assert position_key(one) == position_key(other)


@pytest.mark.parametrize("other", [Board(9, 6.5), Board(9, -7.5), Board(8, 7.5)])
def test_the_key_depends_on_komi_and_size(other: Board) -> None:
    assert position_key(other) != position_key(Board(9, 7.5))


def test_the_key_depends_on_the_player_to_move() -> None:
    board = Board(9, 0.0)
    black_to_play = position_key(board)
    play(board, "C3")
    after_black = position_key(board)
    board.to_play = BLACK

    assert position_key(board) != after_black
    assert black_to_play not in (after_black, position_key(board))


def test_the_key_depends_on_the_order_of_the_last_five_moves() -> None:
    keys = set()
    for order in ("C3 A1 D4 B1 E5 C1", "D4 A1 C3 B1 E5 C1", "C3 B1 D4 A1 E5 C1", "E5 B1 D4 A1 C3 C1"):
        board = Board(9)
        play(board, order)
        keys.add(position_key(board))

    assert len(keys) == 4


def test_the_key_depends_on_a_pass() -> None:
    board = Board(9, 0.0)
    play(board, "C3 D4")
    before = position_key(board)
    play(board, "pass")
    once = position_key(board)
    play(board, "pass")

    assert len({before, once, position_key(board)}) == 3


def test_the_key_depends_on_what_superko_forbids() -> None:
    board = board_from_diagram(KO, to_play=WHITE)
    play(board, "B3")
    without_history = board.copy()
    without_history.setup(board.stones, board.to_play)
    for one in (board, without_history):
        play(one, "pass pass pass pass pass pass")

    differences = (features(board)[0] != features(without_history)[0]).any(axis=(0, 1))
    assert np.flatnonzero(differences).tolist() == [KO_PLANE]
    assert position_key(board) != position_key(without_history)


def test_the_key_depends_on_whether_suicide_changes_what_is_alive() -> None:
    diagram = """
        O O X . X
        O . X X X
        X X X X X
        O O O O O
        . . O . .
    """
    allowed, forbidden = (board_from_diagram(diagram, suicide=suicide) for suicide in (True, False))

    assert not np.array_equal(features(allowed)[0], features(forbidden)[0])
    assert position_key(allowed) != position_key(forbidden)


def test_setup_forgets_the_last_moves() -> None:
    board = Board(5)
    play(board, "C3 C4 pass")
    board.setup(stones_from_diagram(TWO_EYES), WHITE)

    assert position_key(board) == position_key(board_from_diagram(TWO_EYES, to_play=WHITE, komi=board.komi))
    first = PLANE_NAMES.index("last move")
    assert not features(board)[0][:, :, first : first + NUM_LAST_MOVES].any()
