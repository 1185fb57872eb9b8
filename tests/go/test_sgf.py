# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.go.coords import vertex_from_move
from minigo.go.rules import RULES
from minigo.go.sgf import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    SgfError,
    game_from_sgf,
    position_from_sgf,
    record_from_sgf,
    sgf_from_game,
    sgf_from_record,
)
from tests.support.diagrams import diagram_from_stones
from tests.support.records import random_record, record_of


def named(position):
    return [(color, vertex_from_move(move, position.board_size)) for color, move in position.moves]


def read_game(data, move_number=None, *, rules="cgos", komi=0.0):
    return game_from_sgf(data, move_number, rules=RULES[rules], komi=komi)


@pytest.mark.parametrize("rules", ["cgos", "tromp-taylor"])
@pytest.mark.parametrize("board_size", [2, 5, 19])
def test_a_game_survives_the_round_trip(board_size, rules):
    record = random_record(5, board_size, rules)
    read = record_from_sgf(sgf_from_record(record), record.game_id)

    assert (read.moves == record.moves).all()
    for name in ("game_id", "board_size", "komi", "rules", "score_for_black", "end", "black", "white"):
        assert getattr(read, name) == getattr(record, name)


def test_a_resignation_survives_the_round_trip():
    record = record_of("B2 C2", end="resign", score_for_black=-1.0)

    read = record_from_sgf(sgf_from_record(record), "g")
    assert (read.end, read.score_for_black, read.result) == ("resign", -1.0, "W+R")


def test_what_the_search_thought_is_a_comment():
    record = record_of("B2 C2", root_values=np.array([np.nan, -0.5], np.float32))
    record = dataclasses.replace(
        record, root_scores=np.array([np.nan, -2.25], np.float32), simulations=np.array([0, 16], np.int32)
    )
    text = sgf_from_record(record).decode().replace("\n", "")

    assert "C[value for white -0.500, score lead -2.2, 16 simulations]" in text
    assert text.count("C[") == 1


def test_names_with_brackets_are_escaped():
    record = record_of("B2", black="a]b\\c", white="ü")

    read = record_from_sgf(sgf_from_record(record), "g")
    assert (read.black, read.white) == ("a]b\\c", "ü")


def test_handicap_stones_are_set_up_with_white_to_play():
    position = position_from_sgf(b"(;SZ[5]KM[0.5]HA[2]AB[bb][dd])")

    assert diagram_from_stones(position.board.stones) == ". . . . .\n. X . . .\n. . . . .\n. . . X .\n. . . . ."
    assert (position.to_play, position.komi, position.moves) == (WHITE, 0.5, ())


def test_the_player_property_says_who_moves():
    assert position_from_sgf(b"(;SZ[5]PL[W])").to_play == WHITE
    assert position_from_sgf(b"(;SZ[5]AB[bb]PL[B])").to_play == BLACK


@pytest.mark.parametrize(
    ("move_number", "moves"),
    [(1, []), (2, [(BLACK, "C3")]), (3, [(BLACK, "C3"), (WHITE, "pass")]), (None, 3), (9, 3)],
)
def test_a_position_is_the_one_before_a_move(move_number, moves):
    data = b"(;SZ[5];B[cc];W[];C[no move here];B[dd])"
    everything = [(BLACK, "C3"), (WHITE, "pass"), (BLACK, "D2")]

    assert named(position_from_sgf(data, move_number)) == (everything if moves == 3 else moves)


def test_a_set_up_in_the_middle_replaces_the_position():
    position = position_from_sgf(b"(;SZ[5];B[cc];W[dd];AE[cc]AW[aa]PL[W];W[bb])")

    assert named(position) == [(WHITE, "B4")]
    assert diagram_from_stones(position.board.stones) == "O . . . .\n. O . . .\n. . . . .\n. . . O .\n. . . . ."


def test_the_first_variation_is_read():
    position = position_from_sgf(b"(;SZ[5](;B[cc];W[dd])(;B[aa]))")

    assert named(position) == [(BLACK, "C3"), (WHITE, "D2")]


def test_an_unknown_rule_set_is_read_as_cgos_unless_one_is_asked_for():
    assert position_from_sgf(b"(;SZ[5]RU[Japanese])").rules.name == "cgos"
    assert position_from_sgf(b"(;SZ[5]RU[AGA])").rules.name == "aga"
    assert position_from_sgf(b"(;SZ[5]RU[AGA])", rules="chinese").rules.name == "chinese"


@pytest.mark.parametrize(
    "data",
    [
        b"(;SZ[5];B[cc];W[];B[dd])",
        b"(;SZ[5]KM[3.5]RU[tromp-taylor]HA[2]AB[bb][dd];W[cc];W[aa])",
        b"(;SZ[19]PL[W];W[pd])",
        b"(;SZ[2]AW[aa]PL[W])",
    ],
)
def test_a_game_survives_the_round_trip_with_what_was_set_up(data):
    first, moves = read_game(data)
    again = read_game(sgf_from_game(first, moves))

    assert again[0].board == first.board
    assert (again[0].rules, again[1]) == (first.rules, moves)
    assert position_from_sgf(data).moves == moves
    assert (b"HA[2]" in sgf_from_game(first, moves)) == (b"HA[2]" in data)


@pytest.mark.parametrize(
    ("written", "rules", "expected"),
    [
        ("", "aga", "aga"),
        ("RU[Japanese]", "aga", "aga"),
        ("RU[New Zealand]", "cgos", "new-zealand"),
        ("RU[NZ]", "cgos", "new-zealand"),
        ("RU[ tromp_taylor ]", "cgos", "tromp-taylor"),
        ("RU[Chinese]", "cgos", "chinese"),
        ("RU[Chinese]", "chinese-ogs", "chinese-ogs"),  # of which a file says no more
        ("RU[chinese-kgs]", "chinese-ogs", "chinese-kgs"),
        ("RU[koSIMPLEscoreAREAtaxNONEsui1whbN-1]", "cgos", "koSIMPLEscoreAREAtaxNONEsui1whbN-1"),
    ],
)
def test_rules_that_a_file_does_not_name_are_those_that_were_in_force(written, rules, expected):
    first, _ = read_game(f"(;SZ[5]{written};B[cc])".encode(), rules=rules)

    assert first.rules.name == expected
    assert read_game(sgf_from_game(first, ()), rules="tromp-taylor")[0].rules == first.rules


@pytest.mark.parametrize(("written", "expected"), [("", 6.5), ("KM[x]", 6.5), ("KM[7,5]", 6.5), ("KM[0]", 0.0)])
def test_komi_that_a_file_does_not_give_is_that_which_was_in_force(written, expected):
    assert read_game(f"(;SZ[5]{written};B[cc])".encode(), komi=6.5)[0].komi == expected


def test_a_game_is_written_with_its_players_and_result_if_it_has_any():
    first, moves = read_game(b"(;SZ[5];B[cc];W[])")
    data = sgf_from_game(first, moves, players=("you] (;B[aa])", "000012"), result="B+24.5")

    assert b"RE[B+24.5]" in data
    assert b"PW[000012]" in data
    assert read_game(data)[1] == moves  # whatever a player is called
    assert not any(name in sgf_from_game(first, moves) for name in (b"RE[", b"PB[", b"PW["))


def test_a_game_begins_where_it_was_set_up_last():
    first, moves = read_game(b"(;SZ[5];B[cc];W[dd];AE[cc]AW[aa]PL[W];W[bb];B[ee])", 4)

    assert diagram_from_stones(first.board.stones) == "O . . . .\n. . . . .\n. . . . .\n. . . O .\n. . . . ."
    assert (first.to_play, moves) == (WHITE, ((WHITE, 6),))


def nested(depth):
    return b"(;SZ[5]" + b"(;B[cc]" * depth + b")" * depth + b")"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an SGF game"),
        (b"hello", "not an SGF game"),
        (b"(;SZ[5];B[cc]", "not an SGF game"),
        (b"(;SZ[5]CA[nonsense];B[cc])", "not an SGF game"),
        (b"(;SZ[five])", "not an SGF game"),
        (b"(;SZ[20])", "after 0 moves: "),
        (b"(;SZ[26])", "after 0 moves: "),
        (b"(;SZ[5]KM[lots])", "after 0 moves: "),
        (b"(;SZ[5];B[cc];W[cc])", "after 1 moves: C3 is illegal for white"),
        (b"(;SZ[5];B[zz])", "after 0 moves: SGF point"),
        (b"(;SZ[5];B[\xff\xff])", "after 0 moves: "),
        (b"(;SZ[2]AB[aa][ab][ba][bb])", "after 0 moves: "),
        (b" " * (MAX_BYTES + 1), "bytes or less, got 1000001"),
        (b"(" + b";" * (MAX_NODES + 1) + b")", "nodes or less, got 20001"),
        (nested(MAX_DEPTH), "deep or less, got 201"),
    ],
)
def test_what_is_no_readable_game_is_refused_with_its_reason(data, reason):
    with pytest.raises(SgfError, match=reason):
        position_from_sgf(data)


@pytest.mark.timeout(20)
def test_many_unclosed_brackets_do_not_stall():
    with pytest.raises(SgfError, match="not an SGF game"):
        position_from_sgf(b"(;C" + b"[" * 900_000)


@pytest.mark.timeout(20)
def test_a_long_game_at_the_cap_is_read():
    passes = b";B[];W[]" * ((MAX_NODES - 2) // 2)

    assert len(position_from_sgf(b"(;SZ[19]" + passes + b")").moves) == MAX_NODES - 2


def test_brackets_and_semicolons_in_comments_do_not_count():
    comment = b"C[" + b"(;" * MAX_NODES + b"\\]]"

    assert named(position_from_sgf(b"(;SZ[5]" + comment + b";B[cc])")) == [(BLACK, "C3")]


@pytest.mark.parametrize("data", [b"(;SZ[5];W[cc])", b"(;SZ[5];B[cc];B[dd])", b"(;SZ[5]AB[aa];B[cc];W[dd])"])
def test_a_record_must_alternate_from_black_on_the_empty_board(data):
    with pytest.raises(SgfError, match="must alternate from Black on the empty board"):
        record_from_sgf(data, "g")


def test_a_record_with_moves_after_its_end_is_refused():
    with pytest.raises(SgfError, match="follows the end of the game"):
        record_from_sgf(b"(;SZ[5];B[cc];W[];B[];W[dd])", "g")
