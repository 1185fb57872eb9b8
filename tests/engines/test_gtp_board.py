# SPDX-License-Identifier: Apache-2.0
"""The game behind GTP: moves and the way back, rules, handicaps, set-up, files, what is shown and counted."""

import json
import os
import sys

import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.engines.analysis_request import Settings, query_from
from tests.support.diagrams import diagram_from_stones
from tests.support.gtp import engine_with, replies_to, talk


def test_board_is_shown():
    (_, _, shown) = replies_to("play b C3", "play white a5", "showboard")
    rows = [line.split() for line in shown.split("\n")]
    assert ["5", "O", ".", ".", ".", "."] in rows
    assert ["3", ".", ".", "X", ".", "."] in rows


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("play b C3", "? illegal move: C3 is illegal for black"),
        ("play b F1", "? syntax error: vertex must be A1..E5 or pass, got 'F1'"),
        ("play green D4", "? syntax error: color must be b, black, w or white, got 'green'"),
        ("play", "? syntax error: color is missing"),
        ("play w pass", "="),
        ("play w PASS", "="),
        ("play WHITE d4", "="),
        ("boardsize 1", "? unacceptable size"),
        ("boardsize 20", "? unacceptable size"),
        ("komi 1e9", "? syntax error: komi must be in -400..400, got '1e9'"),
        ("known_command", "? syntax error: command is missing"),
    ],
)
def test_arguments_are_checked(line, reply):
    answer = replies_to("play b C3", line)[1]
    assert answer.startswith(reply) if reply != "=" else answer == reply


def test_a_new_size_clears_the_board_and_keeps_komi_and_rules():
    engine, _ = engine_with()
    talk(engine, "komi 3.5", "kata-set-rules aga", "play b C3", "boardsize 9")
    position = engine.board.position
    assert (position.board_size, position.komi, position.rules.name) == (9, 3.5, "aga")
    assert not position.board.stones.any()


def test_komi_counts_for_the_position_and_for_those_before_it():
    """Black has the whole board: 25 points."""
    lines = ("play b C3", "play w pass", "komi 3.5", "final_score", "undo", "final_score")
    assert replies_to(*lines)[3:] == ["= B+21.5", "=", "= B+21.5"]


@pytest.mark.parametrize(("komi", "score"), [("30", "W+5"), ("25", "0"), ("-0.5", "B+25.5")])
def test_final_score(komi, score):
    assert replies_to("play b C3", f"komi {komi}", "final_score")[2] == f"= {score}"


@pytest.mark.parametrize(
    ("status", "points"), [("alive", "C3"), ("dead", ""), ("seki", ""), ("white_territory", ""), ("dame", "")]
)
def test_final_status_list(status, points):
    assert replies_to("play b C3", f"final_status_list {status}")[1] == f"= {points}".rstrip()
    assert replies_to("final_status_list asleep")[0].startswith("? syntax error: status must be one of alive, dead")


def test_unconditional_status_is_what_holds_without_an_answer():
    """Black's wall with two eyes, a white stone inside one of them, and nobody's point outside."""
    wall = "b A2 b B2 b C2 b D2 b E2 b C1 w A1"
    lines = [f"unconditional_status {vertex}" for vertex in ("A2", "A1", "B1", "C5", "pass")]
    replies = replies_to(f"set_position {wall}", *lines)
    assert replies[1:4] == ["= alive", "= dead", "= black_territory"]
    assert replies_to("play w D4", "play b A1", *lines)[2:4] == ["= undecided"] * 2
    assert replies[5].startswith("? syntax error")


# White's last move takes away the liberty of both its stones, and the board has changed since there were none.
SUICIDE = ("play b A3", "play b B2", "play b B1", "play w A2", "play b D4", "play w A1")


def test_suicide_is_a_matter_of_the_rules():
    assert replies_to("kata-set-rules tromp-taylor", *SUICIDE)[-1] == "="
    assert replies_to("kata-set-rules cgos", *SUICIDE)[-1].startswith("? illegal move: A1 is illegal for white")


def test_superko_is_a_matter_of_the_rules():
    """A suicide of two stones that leaves the board as it was before they came."""
    repeating = [line for line in SUICIDE if line != "play b D4"]
    assert "superko" in replies_to("kata-set-rules tromp-taylor", *repeating)[-1]
    assert replies_to("kata-set-rules new-zealand", *repeating)[-1] == "="  # but now it is Black's turn


def test_rules_are_told_and_unknown_ones_refused():
    replies = replies_to("kata-get-rules", "kata-set-rules New-Zealand", "kata-get-rules", "kata-set-rules go")
    first, second = (json.loads(reply.removeprefix("= ")) for reply in (replies[0], replies[2]))
    assert (first["ko"], first["suicide"], first["scoring"]) == ("POSITIONAL", False, "AREA")
    assert (second["ko"], second["suicide"]) == ("SITUATIONAL", True)
    assert replies[3].startswith("? rules must be one of cgos, chinese")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("new_zealand", "new-zealand"),
        ("NZ", "new-zealand"),
        ("tromptaylor", "tromp-taylor"),
        ("Tromp Taylor", "tromp-taylor"),
        ("chineseogs", "chinese-ogs"),
        ("chinese_ogs", "chinese-ogs"),
        ("bga", "aga"),
        ('{"ko":"SIMPLE","whiteHandicapBonus":"N"}', "chinese"),
        ('{"ko":"SIMPLE","suicide":true}', "koSIMPLEscoreAREAtaxNONEsui1whb0"),
        ("koSIMPLEscoreAREAtaxNONEsui1", "koSIMPLEscoreAREAtaxNONEsui1whb0"),
        (
            '{"ko":"POSITIONAL","whiteHandicapBonus":"N-1","friendlyPassOk":true}',
            "koPOSITIONALscoreAREAtaxNONEsui0whbN-1",
        ),
    ],
)
def test_rules_are_the_same_to_both_of_our_engines(text, name):
    engine, _ = engine_with()
    assert talk(engine, f"kata-set-rules {text}", "clear_board") == "=\n\n=\n\n"
    request = {"id": "", "moves": [], "boardXSize": 5, "boardYSize": 5}
    (turn,) = query_from(request | {"rules": json.loads(text) if text[0] == "{" else text}, Settings()).turns
    assert engine.board.position.rules == turn.position.rules
    assert turn.position.rules.name == name


@pytest.mark.parametrize(
    "name", ["tromp-taylor", "chinese", "chinese-ogs", "chinese-kgs", "cgos", "aga", "new-zealand"]
)
def test_what_kata_get_rules_says_kata_set_rules_takes(name):
    told = replies_to(f"kata-set-rules {name}", "kata-get-rules")[1].removeprefix("= ")
    replies = replies_to("kata-set-rules tromp-taylor", f"kata-set-rules {told}", "kata-get-rules")
    assert replies[1:] == ["=", f"= {told}"]


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ('{"scoring":"TERRITORY"}', "scoring TERRITORY can not be played"),
        ('{"tax":"ALL"}', "tax ALL can not be played"),
        ('{"ko":"SPIGHT"}', "ko SPIGHT can not be played"),
        ('{"ko":["SIMPLE"]}', "rules ko must be SIMPLE, POSITIONAL"),
        ('{"suicide":1}', "rules suicide must be true or false"),
        ('{"whiteHandicapBonus":"2"}', "rules whiteHandicapBonus must be one of 0, N-1, N"),
        ('{"colour":1}', "colour 1 can not be played"),
        ("{", "rules must be a name or a JSON object"),
        ("[" * 20_000, "rules must be one of"),
        ("{" + '"a":[' * 10_000, "rules must be a name or a JSON object"),
        ("japanese", "rules with japanese can not be played"),
        ("goe", "rules with goe can not be played"),
    ],
)
def test_rules_that_can_not_be_played_are_refused(rules, reason):
    replies = replies_to(f"kata-set-rules {rules}", "kata-get-rules")
    assert reason in replies[0]
    assert replies[0].startswith("?")
    assert '"ko": "POSITIONAL"' in replies[1]


@pytest.mark.parametrize(
    ("name", "ko"), [("chinese", "POSITIONAL"), ("aga", "SITUATIONAL"), ("new_zealand", "SITUATIONAL")]
)
def test_kgs_names_its_rules_in_its_own_way(name, ko):
    assert f'"ko": "{ko}"' in replies_to(f"kgs-rules {name}", "kata-get-rules")[1]
    assert replies_to("kgs-rules japanese")[0].startswith("? rules must be one of chinese, aga, new_zealand")


def test_rules_that_forbid_a_move_already_played_are_refused():
    lines = ("kata-set-rules tromp-taylor", *SUICIDE, "kata-set-rules chinese", "kata-get-rules")
    replies = replies_to(*lines)
    assert replies[-2].startswith("? chinese rules forbid a move of this game: A1 is illegal for white")
    assert '"suicide": true' in replies[-1]


def test_rules_may_change_during_a_game():
    replies = replies_to("play b C3", "kata-set-rules aga", "undo", "play w C3", "undo", "undo")
    assert replies == ["=", "=", "=", "=", "=", "? cannot undo"]


def test_undo_brings_captured_stones_back():
    engine, _ = engine_with()
    talk(engine, "play w A1", "play b A2", "play b B1", "undo")
    assert diagram_from_stones(engine.board.position.board.stones).split("\n")[3:] == ["X . . . .", "O . . . ."]


# Handicaps.


def test_handicap_places_black_stones_and_leaves_the_move_to_white():
    engine, thinking = engine_with("C4")
    replies = talk(engine, "boardsize 9", "fixed_handicap 2", "play w C3", "genmove w", "undo", "undo").split("\n\n")
    assert replies[1] == "= C3 G7"
    assert replies[2].startswith("? illegal move: C3 is illegal for white")
    assert replies[3:] == ["= C4", "=", "? cannot undo", ""]
    assert thinking.seen[0].to_play == WHITE
    assert thinking.seen[0].board.stones.sum() == 2
    assert engine.board.position.to_play == WHITE
    assert engine.board.position.handicap == 2


@pytest.mark.parametrize(
    ("rules", "bonus", "komi"),
    [("chinese", "N", 8.5), ("chinese-kgs", "N", 8.5), ("aga", "N-1", 7.5), ("cgos", "0", 6.5)],
)
def test_white_gets_what_the_rules_give_for_a_handicap(rules, bonus, komi):
    engine, thinking = engine_with("E5")
    lines = ("boardsize 9", "komi 6.5", f"kata-set-rules {rules}", "kata-get-rules", "fixed_handicap 2", "genmove w")
    replies = talk(engine, *lines, "showboard").split("\n\n")
    told = json.loads(replies[3].removeprefix("= "))
    assert (f"komi holds {komi - 6.5:g} for the handicap" in replies[6]) == (bonus != "0")
    assert told["whiteHandicapBonus"] == bonus
    assert thinking.seen[0].komi == engine.board.position.komi == komi
    talk(engine, "komi 0.5", "undo", "undo")
    assert engine.board.position.komi == komi - 6
    talk(engine, "clear_board")
    assert engine.board.position.komi == 0.5


def test_black_s_moves_one_after_another_are_a_handicap_until_they_are_taken_back():
    engine, _ = engine_with()
    seen = []
    for line in ("kata-set-rules chinese", "komi 0.5", "play b C3", "play b D4", "play b A1", "play w B2", "play b E5"):
        talk(engine, line)
        seen.append(engine.board.position.komi)
    assert seen[2:] == [0.5, 2.5, 3.5, 3.5, 3.5]
    talk(engine, "undo", "undo", "undo", "undo")
    assert engine.board.position.komi == 0.5
    assert replies_to("kata-set-rules chinese", "komi 0.5", "set_free_handicap C3 D4", "final_score")[-1] == "= B+22.5"
    talk(engine, "clear_board", "set_free_handicap C3 D4", "kata-set-rules aga")
    assert engine.board.position.komi == 1.5


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (("fixed_handicap 2",), "? invalid number of stones: fixed handicap on 5x5 must be 0, got 2"),
        (("boardsize 9", "fixed_handicap"), "? syntax error: number of stones is missing"),
        (("boardsize 9", "play b C3", "fixed_handicap 2"), "? board not empty"),
        (("play b pass", "place_free_handicap 2"), "? board not empty"),
        (("place_free_handicap 2",), "= B2 D4"),
        (("place_free_handicap 1",), "? invalid number of stones: a handicap must be 2 stones or more, got 1"),
        (("set_free_handicap C3 D4 A1",), "="),
        (("set_free_handicap C3",), "? bad vertex list"),
        (("set_free_handicap C3 C3",), "? bad vertex list"),
        (("set_free_handicap C3 pass",), "? bad vertex list"),
        (("boardsize 2", "set_free_handicap A1 A2 B1 B2"), "? bad vertex list"),
    ],
)
def test_handicap_arguments(lines, reply):
    assert replies_to(*lines)[-1].startswith(reply)


# Positions that are set up.


def test_gogui_setup_puts_stones_on_and_takes_them_off_without_history():
    engine, _ = engine_with()
    text = talk(engine, "play b C3", "gogui-setup b A1 w B2 e C3", "undo")
    assert text == "=\n\n=\n\n? cannot undo\n\n"
    assert diagram_from_stones(engine.board.position.board.stones).split("\n")[2:] == [
        ". . . . .",
        ". O . . .",
        "X . . . .",
    ]
    assert engine.board.position.to_play == WHITE


@pytest.mark.parametrize(
    "line",
    [
        "gogui-setup b",
        "gogui-setup b pass",
        "gogui-setup x A1",
        "gogui-setup b A1 b B2 w",
        "set_position b A1 w A1",
        "set_position e A1",
        "set_position b Z9",
        "set_position w A1 b A2 b B1",  # no liberty
        "gogui-play_sequence b A1 w A1",
        "gogui-play_sequence b",
    ],
)
def test_set_ups_that_make_no_sense_change_nothing(line):
    replies = replies_to("play b C3", line, "printsgf", "undo", files=None)
    assert replies[1].startswith("?")
    assert replies[3] == "="


def test_set_position_is_an_empty_board_with_black_to_play():
    engine, _ = engine_with()
    talk(engine, "play b C3", "set_position b A1 w B2")
    position = engine.board.position
    assert (position.to_play, position.moves, int(abs(position.board.stones).sum())) == (BLACK, (), 2)
    talk(engine, "set_position")


def test_a_sequence_is_played_as_a_whole_and_undone_move_by_move():
    replies = replies_to("gogui-play_sequence b A1 w pass B B2", "undo", "undo", "undo", "undo")
    assert replies == ["=", "=", "=", "=", "? cannot undo"]


# Files.


def test_a_game_that_is_printed_can_be_loaded(tmp_path):
    lines = ("boardsize 9", "komi 5.5", "kata-set-rules aga", "fixed_handicap 2", "play w E5", "play b pass")
    first, second = engine_with(files=tmp_path)[0], engine_with(files=tmp_path)[0]
    printed = talk(first, *lines, "printsgf game.sgf", "printsgf").split("\n\n")[-2]
    assert (tmp_path / "game.sgf").read_bytes().decode().split() == printed.removeprefix("= ").split()
    assert talk(second, "loadsgf game.sgf", "undo", "undo", "undo") == "=\n\n=\n\n=\n\n? cannot undo\n\n"
    talk(second := engine_with(files=tmp_path)[0], "loadsgf game.sgf")
    assert second.board.position.board == first.board.position.board
    assert second.board.position.moves == first.board.position.moves
    assert (second.board.first.komi, second.board.position.rules.name) == (5.5, "aga")
    assert second.board.position.komi == first.board.position.komi == 6.5
    assert "HA[2]" in talk(second, "printsgf")


def test_what_a_file_does_not_say_stays_as_it_was(tmp_path):
    (tmp_path / "bare.sgf").write_text("(;SZ[5];B[cc])")
    (tmp_path / "odd.sgf").write_text("(;SZ[5]RU[Japanese]KM[many];B[cc])")
    (tmp_path / "large.sgf").write_text("(;SZ[5]RU[New Zealand]KM[1000];B[cc])")
    for name, komi, rules in (("bare", 3.5, "aga"), ("odd", 3.5, "aga"), ("large", 400.0, "new-zealand")):
        engine, _ = engine_with(files=tmp_path)
        talk(engine, "komi 3.5", "kata-set-rules aga", f"loadsgf {name}.sgf")
        assert (engine.board.position.komi, engine.board.position.rules.name) == (komi, rules)
        talk(engine, "clear_board")
        assert (engine.board.position.komi, engine.board.position.rules.name) == (komi, rules)


def test_loadsgf_sets_up_the_position_before_a_move(tmp_path):
    (tmp_path / "a game.sgf").write_text("(;SZ[5];B[aa];W[bb];B[cc])")
    for number, moves in ((1, 0), (2, 1), (4, 3), (99, 3)):
        engine, _ = engine_with(files=tmp_path)
        assert talk(engine, f"loadsgf a game.sgf {number}") == "=\n\n"
        assert len(engine.board.position.moves) == moves
    engine, _ = engine_with(files=tmp_path)
    talk(engine, "loadsgf a game.sgf")
    assert len(engine.board.position.moves) == 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("loadsgf", "syntax error: file and move number is missing"),
        ("loadsgf none.sgf", "cannot open file: No such file"),
        ("loadsgf .", "must be a file"),
        ("loadsgf pipe", "must be a file"),
        ("loadsgf ../outside.sgf", "outside of the folder"),
        ("loadsgf /etc/passwd", "outside of the folder"),
        ("loadsgf link.sgf", "outside of the folder"),
        ("loadsgf deep.sgf", "cannot load file: SGF variations must be 200 deep or less"),
        ("loadsgf bad.sgf", "cannot load file: not an SGF game"),
        ("loadsgf illegal.sgf", "cannot load file: after 1 moves: A5 is illegal"),
        ("loadsgf huge.sgf", "must be a file of 1000000 bytes or less"),
        ("loadsgf bad.sgf 0", "cannot open file"),
        ("loadsgf " + "x" * 5000, "cannot open file"),
        ("printsgf ../outside.sgf", "outside of the folder"),
        ("printsgf game.txt", "must end in .sgf"),
        ("printsgf none/game.sgf", "cannot write file"),
    ],
)
def test_files_that_can_not_be_read_or_must_not(tmp_path, line, reason):
    base = tmp_path / "base"
    base.mkdir()
    (tmp_path / "outside.sgf").write_text("(;SZ[5])")
    (base / "link.sgf").symlink_to(tmp_path / "outside.sgf")
    (base / "deep.sgf").write_text("(;SZ[5]" + "(;B[aa]" * 500 + ")" * 500 + ")")
    (base / "bad.sgf").write_bytes(b"\xff(;")
    (base / "illegal.sgf").write_text("(;SZ[5];B[aa];W[aa])")
    (base / "huge.sgf").write_bytes(b" " * 1_000_001)
    if sys.platform != "win32":
        os.mkfifo(base / "pipe")
    replies = replies_to("play b C3", line, "undo", files=base)
    assert replies[1].startswith("? ")
    assert reason in replies[1]
    assert replies[2] == "="
    assert (tmp_path / "outside.sgf").read_text() == "(;SZ[5])"


def test_without_a_folder_there_are_no_file_commands():
    replies = replies_to("known_command loadsgf", "printsgf", "loadsgf a.sgf")
    assert replies == ["= false", "? unknown command", "? unknown command"]
