# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE, IllegalMoveError
from minigo.config import GameConfig
from minigo.go.coords import move_from_vertex
from minigo.go.position import Position
from tests.support.diagrams import stones_from_diagram


def play(position, vertices):
    for vertex in vertices.split():
        position = position.play(move_from_vertex(vertex, position.board_size))
    return position


def test_a_game_starts_as_configured():
    position = Position.initial(GameConfig(board_size=7, komi=9.0, rules="aga"))

    assert (position.board_size, position.komi, position.rules.name) == (7, 9.0, "aga")
    assert (position.to_play, position.moves) == (BLACK, ())


def test_playing_leaves_the_position_before_as_it_was():
    before = Position.empty(3, 0.5, "cgos")
    after = before.play(4)

    assert not before.board.stones.any()
    assert before.moves == ()
    assert after.board.stones[1, 1] == BLACK
    assert (after.to_play, after.moves) == (WHITE, ((BLACK, 4),))


def test_one_color_may_move_twice():
    position = Position.empty(3, 0.5, "cgos").play(0).play(8, BLACK)

    assert position.moves == ((BLACK, 0), (BLACK, 8))
    assert position.to_play == WHITE


def test_an_illegal_move_raises_and_changes_nothing():
    position = Position.empty(3, 0.5, "cgos").play(4)

    with pytest.raises(IllegalMoveError):
        position.play(4)
    assert position.moves == ((BLACK, 4),)


def test_two_passes_end_the_game():
    position = play(Position.empty(3, 0.5, "cgos"), "B2 pass")

    assert not position.is_over
    assert play(position, "pass").is_over


def test_score_is_area_less_komi():
    stones = stones_from_diagram("""
        . X O
        X X O
        X O .
    """)
    position = Position.from_stones(stones, BLACK, 2.5, "cgos")

    assert position.score_for_black() == (5 - 4) - 2.5
    assert position.with_komi(-1.0).score_for_black() == (5 - 4) + 1.0
    assert position.komi == 2.5


def test_stones_without_liberty_can_not_be_set_up():
    stones = stones_from_diagram("""
        O X .
        X X .
        . . .
    """)
    with pytest.raises(ValueError, match="libert"):
        Position.from_stones(stones, BLACK, 0.5, "cgos")


def test_superko_reaches_back_over_the_positions_before():
    # A ko on three sides of the board: the first capture may be retaken only after the stones have changed.
    stones = stones_from_diagram("""
        . X O .
        X . X O
        . X O .
        . . . .
    """)
    taken = play(Position.from_stones(stones, WHITE, 0.5, "cgos"), "B3")
    exchanged = play(taken, "A1 D1")

    assert not taken.legal_moves()[move_from_vertex("C3", 4)]
    assert exchanged.legal_moves()[move_from_vertex("C3", 4)]
    assert not play(taken, "pass pass").legal_moves()[move_from_vertex("C3", 4)]


def test_positions_are_equal_when_boards_and_moves_are():
    assert play(Position.empty(3, 0.5, "cgos"), "B2") == play(Position.empty(3, 0.5, "cgos"), "B2")
    assert play(Position.empty(3, 0.5, "cgos"), "B2") != play(Position.empty(3, 0.5, "cgos"), "B3")


def test_it_prints_as_a_diagram():
    text = str(play(Position.empty(3, 0.5, "cgos"), "B2 C3"))

    assert text == "   A B C\n 3 . . O\n 2 . X .\n 1 . . .\nblack to play, move 3, komi 0.5, cgos"


def test_a_pass_is_always_legal():
    assert np.flatnonzero(Position.empty(2, 0.5, "cgos").legal_moves()).tolist() == [0, 1, 2, 3, 4]


HANDICAP = """
    X . . . .
    . X . . .
    . . . . .
    . . . X .
    . . . . .
"""


def test_a_handicap_is_what_black_has_before_white_s_first_stone():
    empty, passing = Position.empty(5, 0.5, "cgos"), 25
    moved = empty.play(6, BLACK).play(8, BLACK).play(passing, WHITE).play(16, BLACK)
    set_up = Position.from_stones(stones_from_diagram(HANDICAP), WHITE, 0.5, "cgos")

    assert empty.handicap == empty.play(12).handicap == empty.play(12).play(13).handicap == 0
    assert moved.handicap == moved.play(12, WHITE).play(13, BLACK).handicap == 3
    assert empty.play(6, BLACK).play(8, BLACK).play(12, WHITE).play(13, WHITE).handicap == 0  # White set up, too
    assert set_up.handicap == set_up.play(7).play(24).handicap == 3
    assert set_up.play(5).play(24).play(1).handicap == 3  # White has taken one
    assert set_up.play(7, BLACK).handicap == 4


def test_stones_of_both_colours_are_no_handicap():
    both = Position.from_stones(stones_from_diagram(HANDICAP.replace("X", "O", 1)), BLACK, 0.5, "cgos")

    assert both.handicap == both.play(1).play(7, BLACK).handicap == 0


@pytest.mark.parametrize(
    ("rules", "points"),
    [
        ("chinese", 3),
        ("chinese-ogs", 3),
        ("chinese-kgs", 3),
        ("aga", 2),
        ("new-zealand", 0),
        ("tromp-taylor", 0),
        ("cgos", 0),
    ],
)
def test_rules_compensate_white_for_a_handicap(rules, points):
    given = Position.from_stones(stones_from_diagram(HANDICAP), WHITE, 0.5, rules)
    ordinary = Position.empty(5, 0.5, rules).play(12).play(13)

    assert given.compensated(0.5).komi == given.compensated(0.5).compensated(0.5).komi == 0.5 + points
    assert ordinary.compensated(0.5) is ordinary


def test_a_reopened_game_goes_on_with_the_same_stones_and_komi():
    given = Position.from_stones(stones_from_diagram(HANDICAP), WHITE, 0.5, "chinese").compensated(0.5)
    ended = given.play(25).play(25)

    assert ended.is_over
    assert given.reopened() is given
    assert not ended.reopened().is_over
    assert (ended.reopened().komi, ended.reopened().to_play) == (3.5, WHITE)
