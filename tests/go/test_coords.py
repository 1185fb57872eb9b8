# SPDX-License-Identifier: Apache-2.0
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.go.coords import (
    color_from_text,
    color_name,
    move_from_sgf,
    move_from_vertex,
    sgf_from_move,
    vertex_from_move,
)


@pytest.mark.parametrize(
    ("board_size", "vertex", "sgf", "move"),
    [
        (9, "A9", "aa", 0),  # the top-left corner is the first point
        (9, "J9", "ia", 8),  # I is left out
        (9, "A1", "ai", 72),
        (9, "E5", "ee", 40),
        (19, "Q16", "pd", 72),
        (19, "T1", "ss", 360),
        (9, "pass", "", 81),
        (2, "B1", "bb", 3),
    ],
)
def test_a_move_has_one_vertex_and_one_sgf_value(board_size, vertex, sgf, move):
    assert move_from_vertex(vertex, board_size) == move
    assert vertex_from_move(move, board_size) == vertex
    assert move_from_sgf(sgf, board_size) == move
    assert sgf_from_move(move, board_size) == sgf


@pytest.mark.parametrize("board_size", [2, 5, 13, 19])
def test_every_move_survives_the_round_trips(board_size):
    for move in range(board_size**2 + 1):
        assert move_from_vertex(vertex_from_move(move, board_size), board_size) == move
        assert move_from_sgf(sgf_from_move(move, board_size), board_size) == move


def test_vertices_are_case_insensitive():
    assert move_from_vertex("e5", 9) == move_from_vertex("E5", 9)
    assert move_from_vertex("PASS", 9) == move_from_vertex("pass", 9)


@pytest.mark.parametrize("text", ["", "I5", "K1", "A0", "A10", "5E", "E", "E-1", "E5x", "E٣", "A01x", "aa"])
def test_a_wrong_vertex_is_refused_with_the_range(text):
    with pytest.raises(ValueError, match=r"vertex must be A1..J9 or pass, got"):
        move_from_vertex(text, 9)


@pytest.mark.parametrize("text", ["a", "aj", "ja", "AA", "aaa", "a1"])
def test_a_wrong_sgf_point_is_refused(text):
    with pytest.raises(ValueError, match=r"SGF point must be two letters of a..i"):
        move_from_sgf(text, 9)


def test_sgf_tt_is_a_pass():
    assert move_from_sgf("tt", 19) == 361


@pytest.mark.parametrize("move", [-1, 82])
def test_a_move_off_the_board_has_no_name(move):
    with pytest.raises(ValueError, match=r"move must be in 0..81"):
        vertex_from_move(move, 9)


def test_colors_are_read_in_any_case():
    assert [color_from_text(text) for text in ("b", "Black", "W", "white")] == [BLACK, BLACK, WHITE, WHITE]
    assert [color_name(color) for color in (BLACK, WHITE)] == ["black", "white"]
    with pytest.raises(ValueError, match="color must be b, black, w or white, got 'green'"):
        color_from_text("green")
