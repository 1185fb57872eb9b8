# SPDX-License-Identifier: Apache-2.0
"""A game as a value: whose turn it is, what may be done, how it ends, and what is written down of it."""

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.engines.ending import ending_of
from minigo.go.coords import move_from_vertex
from minigo.go.sgf import record_from_sgf
from ratings.play.game import Outcome, PlayedGame, PlayError, Setting


def played(*vertices: str, **setting: object) -> PlayedGame:
    game = PlayedGame(Setting(**{"board_size": 5, "komi": 0.5, **setting}))
    for vertex in vertices:
        game = game.after(move_from_vertex(vertex, 5))
    return game


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("board_size", 4),
        ("board_size", 20),
        ("komi", 0.25),
        ("komi", 150.5),
        ("komi", float("nan")),
        ("komi", float("-inf")),
        ("rules", "japanese"),
        ("human", 0),
        ("visits", 0),
        ("seconds", 0.0),
        ("seconds", float("inf")),
        ("seconds", float("nan")),
    ],
)
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(PlayError, match=field.replace("_", " ").replace("human", "colour")):
        Setting(**{field: value})


def test_players_take_turns_from_black():
    game = played()
    assert game.to_play == BLACK
    assert game.is_humans_turn
    assert not played("C3").is_humans_turn
    assert played("C3", human=WHITE).is_humans_turn


def test_illegal_moves_are_refused_by_the_rule_that_forbids_them():
    with pytest.raises(PlayError, match="C3 is illegal for white: the point is occupied"):
        played("C3", "C3")
    with pytest.raises(PlayError, match="A1 is illegal for white: it is suicide"):
        played("A2", "E5", "B1", "A1")
    ko = ("B3", "D4", "C4", "E3", "C2", "D2", "D3", "C3")
    with pytest.raises(PlayError, match="D3 is illegal for black: it retakes a ko at once"):
        played(*ko, "D3", rules="chinese")
    with pytest.raises(
        PlayError, match=r"D3 is illegal for black: it repeats an earlier position \(positional superko\)"
    ):
        played(*ko, "D3")


def test_two_passes_wait_for_somebody_who_judges_dead_stones():
    game = played("C3", "pass", "pass")
    assert game.is_to_be_counted
    assert not game.is_humans_turn
    with pytest.raises(PlayError, match="the game is over"):
        game.after(0)


@pytest.mark.parametrize("rules", ["cgos", "tromp-taylor"])
def test_two_passes_are_counted_as_the_board_stands_where_dead_stones_must_be_captured(rules):
    game = played("C3", "A1", "pass", "pass", rules=rules)
    assert game.outcome is not None
    assert game.outcome.kind == "passes"
    assert game.outcome.score_for_black == -0.5
    assert game.outcome.dead == ()


def test_dead_stones_are_taken_off_by_who_judges_them():
    game = played("C3", "A1", "pass", "pass")
    counted = game.counted(ending_of(game.position, np.full((5, 5), 0.9)))
    assert counted.outcome.score_for_black == 24.5
    assert counted.outcome.dead == (move_from_vertex("A1", 5),)
    assert set(counted.outcome.owner) == {BLACK}
    assert counted.described() == "Black wins by 24.5 points"


def test_a_game_ends_when_all_points_are_decided():
    alive = ["B1", "B2", "B3", "B4", "B5", "D1", "D2", "D3", "D4", "D5"]
    game = played(*[vertex for black in alive for vertex in (black, "pass")][:-1])
    assert game.outcome is not None
    assert game.outcome.kind == "decided"
    assert game.outcome.result == "B+24.5"


def test_a_game_that_goes_on_for_ever_is_counted():
    game = played()
    for ply in range(game.setting.max_moves):
        assert game.outcome is None
        legal = np.flatnonzero(game.position.legal_moves()[:-1])
        passes = game.position.board.pass_move
        game = game.after(passes if ply % 2 else int(legal[ply % len(legal)]) if len(legal) else passes)
        if game.outcome is not None or game.is_to_be_counted:
            break
    assert game.outcome is not None or game.is_to_be_counted


def test_resigning_loses_and_can_be_taken_back():
    game = played("C3", "C4")
    lost = game.resigned(BLACK)
    assert lost.outcome == Outcome("resign", -1.0)
    assert lost.outcome.result == "W+R"
    assert lost.described() == "White wins: Black resigned"
    assert lost.without_last_turn() == game
    with pytest.raises(PlayError, match="over"):
        lost.resigned(BLACK)


@pytest.mark.parametrize(
    ("vertices", "human", "left"),
    [
        (("C3", "C4"), BLACK, 0),
        (("C3",), BLACK, 0),
        (("C3", "C4", "B2", "pass"), BLACK, 2),
        (("C3", "C4", "B2"), WHITE, 1),
        (("C3", "C4"), WHITE, 1),
        (("C3", "pass", "pass"), BLACK, 2),
    ],
)
def test_undo_goes_back_to_before_the_persons_last_move(vertices, human, left):
    game = played(*vertices, human=human).without_last_turn()
    assert len(game.moves) == left
    assert game.is_humans_turn


@pytest.mark.parametrize(("vertices", "human", "left"), [("C3", BLACK, 0), ("C3 D3 D4", BLACK, 2), ("C3 D3", WHITE, 1)])
def test_undo_after_the_opponent_resigned_gives_the_turn_back(vertices, human, left):
    won = played(*vertices.split(), human=human).resigned(-human)

    again = won.without_last_turn()

    assert (len(again.moves), again.outcome) == (left, None)
    assert again.is_humans_turn


def test_the_opponents_resignation_before_any_move_of_the_person_stands():
    won = played("C3", human=WHITE).resigned(BLACK)

    assert not won.can_undo
    with pytest.raises(PlayError, match="there is no move of yours"):
        won.without_last_turn()


@pytest.mark.parametrize(("vertices", "human"), [((), BLACK), (("C3",), WHITE), ((), WHITE)])
def test_there_may_be_nothing_to_undo(vertices, human):
    game = played(*vertices, human=human)
    assert not game.can_undo
    with pytest.raises(PlayError, match="no move of yours"):
        game.without_last_turn()


def test_a_record_has_players_and_result():
    game = played("C3", "A1", "pass", "pass", rules="cgos", opponent="000003", visits=64)
    data = game.sgf()
    assert b"PB[player]" in data
    assert b"PW[000003 (64 visits)]" in data
    assert b"RE[W+0.5]" in data
    record = record_from_sgf(data, "game")
    assert record.moves.tolist() == [move.move for move in game.moves]
    assert b"RE[" not in played("C3").sgf()
