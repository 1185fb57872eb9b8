# SPDX-License-Identifier: Apache-2.0
"""Requests to the JSON analysis engine: what is read, what is refused, and what is passed over with a warning."""

import io
import math
import tracemalloc

import pytest

from cc_kernels.board import BLACK, KO_POSITIONAL, KO_SIMPLE, KO_SITUATIONAL, WHITE
from minigo.engines.analysis import lines_of
from minigo.engines.analysis_request import (
    MAX_MOVES,
    RequestError,
    Settings,
    identifier,
    query_from,
    request_from_line,
    turn_numbers,
)
from minigo.go.coords import move_from_vertex
from minigo.roots import Avoid
from tests.support.analysis_client import moves, query

DEFAULTS = Settings()


def read(**fields):
    return query_from(query(**fields), DEFAULTS)


def warnings(**fields):
    return [tuple(warned) for warned in read(**fields).warnings]


def test_a_request_without_options_has_the_defaults():
    found = read()
    (turn,) = found.turns
    assert (found.id, turn.number, turn.priority) == ("q", 0, 0)
    assert found.settings == DEFAULTS == Settings(500, "BLACK", 0.04, 15, math.inf)
    assert (found.ownership, found.moves_ownership, found.policy, found.pv_visits) == (False, False, False, False)
    assert (found.report_every, found.first_report, found.warnings) == (math.inf, math.inf, ())
    assert (turn.position.board_size, turn.position.komi, turn.position.to_play) == (5, 0.5, BLACK)


def test_the_last_position_is_analyzed_unless_turns_are_named():
    game = moves("B C3 W D4 B pass")
    assert [turn.number for turn in read(moves=game).turns] == [3]
    found = read(moves=game, analyzeTurns=[2, 0, 2])
    assert [turn.number for turn in found.turns] == [0, 2]
    assert [len(turn.position.moves) for turn in found.turns] == [0, 2]
    assert [turn.position.to_play for turn in found.turns] == [BLACK, BLACK]


def test_priorities_belong_to_turns():
    game = moves("B C3 W D4")
    assert [turn.priority for turn in read(moves=game, analyzeTurns=[0, 1], priority=-7).turns] == [-7, -7]
    assert [turn.priority for turn in read(moves=game, analyzeTurns=[1, 0], priorities=[5, -2]).turns] == [-2, 5]


@pytest.mark.parametrize(
    ("fields", "to_play"),
    [
        ({}, BLACK),
        ({"moves": moves("W C3"), "analyzeTurns": [0]}, WHITE),
        ({"moves": moves("W C3")}, BLACK),
        ({"moves": moves("B C3 B D4")}, WHITE),
        ({"initialStones": moves("B C3")}, BLACK),
        ({"initialStones": moves("B C3 B D4")}, WHITE),
        ({"initialStones": moves("B C3 B D4 W E5")}, BLACK),
        ({"initialStones": moves("B C3 B D4"), "initialPlayer": "B"}, BLACK),
        ({"initialPlayer": "white"}, WHITE),
        ({"initialPlayer": "w", "moves": moves("B C3"), "analyzeTurns": [0]}, WHITE),
    ],
)
def test_who_plays(fields, to_play):
    assert read(**fields).turns[0].position.to_play == to_play


def test_vertices_may_be_pairs_of_numbers_from_the_top_left():
    (turn,) = read(moves=[["B", "(0,0)"], ["W", "(3, 1)"]]).turns
    assert turn.position.moves == ((BLACK, 0), (WHITE, move_from_vertex("D4", 5)))


@pytest.mark.parametrize(
    ("rules", "ko_rule", "suicide"),
    [
        ("tromp-taylor", KO_POSITIONAL, True),
        ("Tromp_Taylor", KO_POSITIONAL, True),
        ("chinese", KO_SIMPLE, False),
        ("chinese-ogs", KO_POSITIONAL, False),
        ("ChineseKGS", KO_POSITIONAL, False),
        ("cgos", KO_POSITIONAL, False),
        ("aga", KO_SITUATIONAL, False),
        ("bga", KO_SITUATIONAL, False),
        ("french", KO_SITUATIONAL, False),
        ("new zealand", KO_SITUATIONAL, True),
        ({}, KO_POSITIONAL, False),
        ({"ko": "SIMPLE", "suicide": True, "tax": "NONE", "scoring": "AREA", "hasButton": False}, KO_SIMPLE, True),
        ({"ko": "SITUATIONAL", "friendlyPassOk": True, "whiteHandicapBonus": "0"}, KO_SITUATIONAL, False),
    ],
)
def test_rules_that_we_can_play(rules, ko_rule, suicide):
    found = read(rules=rules)
    position = found.turns[0].position
    assert (position.rules.ko_rule, position.rules.suicide) == (ko_rule, suicide)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("rules", "ko_rule", "words"),
    [
        ("japanese", KO_SIMPLE, "area scoring"),
        ("korean", KO_SIMPLE, "area scoring"),
        ("stone_scoring", KO_SIMPLE, "area scoring"),
        ("aga-button", KO_SITUATIONAL, "using aga and area scoring"),
        ({"ko": "SPIGHT"}, KO_SITUATIONAL, "ko SPIGHT"),
        ({"scoring": "TERRITORY", "tax": "SEKI", "ko": "SIMPLE"}, KO_SIMPLE, "scoring TERRITORY, tax SEKI is not"),
    ],
)
def test_rules_that_we_cannot_play_become_the_nearest_with_a_warning(rules, ko_rule, words):
    found = read(rules=rules)
    ((field, message),) = found.warnings
    assert found.turns[0].position.rules.ko_rule == ko_rule
    assert field == "rules"
    assert words in message


def test_komi_is_that_of_the_rules_unless_given():
    request = {name: value for name, value in query().items() if name != "komi"}
    komi = {
        rules: query_from(request | {"rules": rules}, DEFAULTS).turns[0].position.komi for rules in ("aga", "japanese")
    }
    assert komi == {"aga": 7.5, "japanese": 6.5}


@pytest.mark.parametrize(
    ("fields", "komi"),
    [
        ({"whiteHandicapBonus": "N"}, 3.5),
        ({"whiteHandicapBonus": "N-1"}, 2.5),
        ({"whiteHandicapBonus": "0"}, 0.5),
        ({"rules": {"whiteHandicapBonus": "N"}}, 3.5),
        ({"rules": {"whiteHandicapBonus": "N"}, "whiteHandicapBonus": "0"}, 0.5),
        ({"whiteHandicapBonus": "N", "initialStones": moves("B C3")}, 0.5),
        ({"whiteHandicapBonus": "N", "initialStones": moves("B C3 B D4 W E5")}, 0.5),
        ({"rules": "chinese"}, 3.5),
        ({"rules": "chinese-kgs"}, 3.5),
        ({"rules": "aga"}, 2.5),
        ({"rules": "new-zealand"}, 0.5),
        ({"rules": "chinese", "moves": moves("B E5 W A1"), "initialPlayer": "B"}, 4.5),
        ({"rules": "chinese", "moves": moves("B E5 B A1 W B1"), "initialStones": []}, 2.5),
        ({"rules": "chinese", "moves": moves("B E5 W B1 B A1"), "initialStones": []}, 0.5),
        ({"rules": "chinese", "moves": moves("B E5 B A1 W B1"), "initialStones": [], "analyzeTurns": [1]}, 0.5),
    ],
)
def test_white_may_get_points_for_handicap_stones(fields, komi):
    stones = {"initialStones": moves("B C3 B B2 B D4")}
    assert read(**stones | fields).turns[0].position.komi == komi


def test_options_are_read():
    found = read(
        includeOwnership=True,
        includeMovesOwnership=True,
        includePolicy=True,
        includePVVisits=True,
        reportDuringSearchEvery=0.5,
        maxVisits=10_000_000,
        analysisPVLen=3,
        overrideSettings={"reportAnalysisWinratesAs": "white", "wideRootNoise": "0.1", "maxTime": 2, "maxVisits": 7},
    )
    assert found.settings == Settings(10_000_000, "WHITE", 0.1, 3, 2.0)
    assert (found.ownership, found.moves_ownership, found.policy, found.pv_visits) == (True, True, True, True)
    assert (found.report_every, found.first_report) == (0.5, 0.5)
    assert found.options.wide_root_noise == 0.1
    assert read(firstReportDuringSearchAfter=0.25).first_report == 0.25
    assert read(overrideSettings={"maxVisits": 7, "analysisPVLen": 2}).settings == Settings(7, pv_moves=2)


def test_avoided_moves_are_for_one_color_and_some_plies():
    groups = [
        {"player": "B", "moves": ["A1", "pass"], "untilDepth": 1},
        {"player": "W", "moves": ["B2"], "untilDepth": 3},
    ]
    a1, b2 = (move_from_vertex(vertex, 5) for vertex in ("A1", "B2"))
    assert set(read(avoidMoves=groups).options.avoid) == {
        Avoid(BLACK, a1, 1),
        Avoid(BLACK, 25, 1),
        Avoid(WHITE, b2, 3),
    }


def test_allowed_moves_leave_out_all_others():
    found = read(allowMoves=[{"player": "W", "moves": ["C3", "D4"], "untilDepth": 2}]).options.avoid
    allowed = {move_from_vertex(vertex, 5) for vertex in ("C3", "D4")}
    assert {avoid.move for avoid in found} == set(range(26)) - allowed
    assert {(avoid.color, avoid.until_depth) for avoid in found} == {(WHITE, 2)}


AVOID = {"player": "B", "moves": ["A1"], "untilDepth": 1}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"boardXSize": None}, "boardXSize", "from 2 to 19"),
        ({"boardXSize": 1, "boardYSize": 1}, "boardXSize", "from 2 to 19"),
        ({"boardXSize": 20, "boardYSize": 20}, "boardXSize", "from 2 to 19"),
        ({"boardXSize": 5.0}, "boardXSize", "integer"),
        ({"boardXSize": True}, "boardXSize", "integer"),
        ({"boardYSize": 6}, "boardYSize", "only square boards are supported, got 5x6"),
        ({"moves": None}, "moves", "pairs"),
        ({"moves": [["B"]]}, "moves", "pairs"),
        ({"moves": [["G", "A1"]]}, "moves", "player"),
        ({"moves": [["B", "F1"]]}, "moves", "could not parse board location: F1"),
        ({"moves": [["B", "(5,0)"]]}, "moves", "could not parse board location"),
        ({"moves": [["B", 3]]}, "moves", "could not parse board location: 3"),
        ({"moves": moves("B C3 W C3")}, "moves", "Illegal move 1: C3"),
        ({"moves": moves("B C3 W C3"), "analyzeTurns": [0]}, "moves", "Illegal move 1: C3"),
        ({"moves": [["B", "pass"]] * 10_001}, "moves", "10000"),
        ({"initialStones": "B C3"}, "initialStones", "pairs"),
        ({"initialStones": [["B", "pass"]]}, "initialStones", "pass"),
        ({"initialStones": moves("B A1 W A2 W B1")}, "initialStones", "liberty"),
        ({"initialPlayer": None}, "initialPlayer", "player"),
        ({"initialPlayer": 1}, "initialPlayer", "player"),
        ({"rules": None}, "rules", "name"),
        ({"rules": "calvinball"}, "rules", "got 'calvinball'"),
        ({"rules": {"ko": "NEVER"}}, "rules", "ko must be"),
        ({"rules": {"ko": []}}, "rules", "ko must be"),
        ({"rules": {"suicide": 1}}, "rules", "suicide"),
        ({"rules": {"whiteHandicapBonus": {}}}, "rules", "whiteHandicapBonus"),
        ({"whiteHandicapBonus": "2N"}, "whiteHandicapBonus", "N-1"),
        ({"komi": "7.5"}, "komi", "number"),
        ({"komi": 151}, "komi", "-150 to 150"),
        ({"komi": 0.3}, "komi", "half-integer"),
        ({"analyzeTurns": [0, 1]}, "analyzeTurns", "invalid turn number: 1"),
        ({"analyzeTurns": [-1]}, "analyzeTurns", "invalid turn number"),
        ({"analyzeTurns": [0.0]}, "analyzeTurns", "list of integers"),
        ({"analyzeTurns": 0}, "analyzeTurns", "list of integers"),
        ({"analyzeTurns": []}, "analyzeTurns", "must name a turn"),
        ({"maxVisits": 0}, "maxVisits", "from 1"),
        ({"maxVisits": 2**51}, "maxVisits", "from 1"),
        ({"maxVisits": "9"}, "maxVisits", "integer"),
        ({"priority": 2**63}, "priority", "integer"),
        ({"priority": 1, "priorities": [1], "analyzeTurns": [0]}, "priority", "together"),
        ({"priorities": [1]}, "priorities", "as many"),
        ({"priorities": [1, 2], "analyzeTurns": [0]}, "priorities", "as many"),
        ({"priorities": [2**63], "analyzeTurns": [0]}, "priorities", "2^62"),
        ({"includeOwnership": 1}, "includeOwnership", "true or false"),
        ({"includePolicy": None}, "includePolicy", "true or false"),
        ({"reportDuringSearchEvery": 0}, "reportDuringSearchEvery", "from 0.001"),
        ({"analysisPVLen": 0}, "analysisPVLen", "from 1"),
        ({"overrideSettings": []}, "overrideSettings", "object"),
        ({"overrideSettings": {"reportAnalysisWinratesAs": "RED"}}, "overrideSettings", "SIDETOMOVE"),
        ({"overrideSettings": {"reportAnalysisWinratesAs": 1}}, "overrideSettings", "SIDETOMOVE"),
        ({"overrideSettings": {"wideRootNoise": -1}}, "overrideSettings", "wideRootNoise must be a number"),
        ({"overrideSettings": {"maxTime": "soon"}}, "overrideSettings", "maxTime must be a number"),
        ({"avoidMoves": AVOID}, "avoidMoves", "list of objects"),
        ({"avoidMoves": [AVOID | {"player": "R"}]}, "avoidMoves", "player"),
        ({"avoidMoves": [AVOID | {"moves": "A1"}]}, "avoidMoves", "list of vertices"),
        ({"avoidMoves": [AVOID | {"moves": ["Z9"]}]}, "avoidMoves", "Z9"),
        ({"avoidMoves": [AVOID | {"untilDepth": 0}]}, "avoidMoves", "untilDepth"),
        ({"avoidMoves": [{}]}, "avoidMoves", "player"),
        ({"allowMoves": [AVOID, AVOID]}, "allowMoves", "one entry"),
        ({"allowMoves": [AVOID], "avoidMoves": [AVOID]}, "allowMoves", "together"),
    ],
)
def test_a_refused_request_names_its_field(fields, field, words):
    with pytest.raises(RequestError) as caught:
        query_from(query(**fields), DEFAULTS)
    assert caught.value.field == field
    assert words in str(caught.value)


@pytest.mark.parametrize("field", ["moves", "rules", "boardXSize", "boardYSize"])
def test_required_fields_are_required(field):
    request = query()
    del request[field]
    with pytest.raises(RequestError) as caught:
        query_from(request, DEFAULTS)
    assert caught.value.field == field


def test_unknown_fields_and_settings_are_told_and_passed_over():
    assert warnings(maxvisits=5) == [("maxvisits", "Unexpected or unused field")]
    assert warnings(overrideSettings={"humanSLProfile": "rank_5k", "cpuct": 1}) == [
        ("overrideSettings", "Unknown config params: humanSLProfile,cpuct")
    ]
    many = warnings(**{f"field{number}": 0 for number in range(500)})
    assert len(many) == 11
    assert many[-1][1].startswith("and 490 more")


# Lines.


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"nonsense",
        b"{'id': 1}",
        b'{"id": NaN}',
        b'{"id": -Infinity}',
        b'{"id": 1e999}',
        b"\xff\xfe",
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="deep"),
        pytest.param(b"9" * 5000, id="a long number"),
    ],
)
def test_a_line_that_is_no_json_is_refused(line):
    with pytest.raises(RequestError, match="could not parse the line as JSON") as caught:
        request_from_line(line)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("line", [b"", b"\r", b" \t"])
def test_a_blank_line_is_no_request(line):
    assert request_from_line(line) is None


@pytest.mark.parametrize("line", [b"null", b"[]", b"7", b'"id"', b"true"])
def test_a_line_that_is_no_object_is_refused(line):
    with pytest.raises(RequestError, match="must be a JSON object"):
        request_from_line(line)


@pytest.mark.parametrize("request_", [{}, {"id": 7}, {"id": None}, {"id": ["a"]}])
def test_an_id_is_a_text(request_):
    with pytest.raises(RequestError, match='"id"'):
        identifier(request_)


def test_turn_numbers_of_an_action():
    assert turn_numbers({}) is None
    assert turn_numbers({"turnNumbers": [3, 1]}) == {1, 3}
    with pytest.raises(RequestError, match="list of integers"):
        turn_numbers({"turnNumbers": ["1"]})


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"\n\na\r\n", [b"", b"", b"a\r"]),
        (b"12345\n123456\n1\n", [b"12345", None, b"1"]),
        (b"123456", [None]),
        (b"1" * 1_000_000 + b"\nab\n", [None, b"ab"]),
    ],
)
def test_lines_are_cut_out_of_a_stream(data, lines):
    assert list(lines_of(io.BytesIO(data), limit=5)) == lines


class Dripping(io.RawIOBase):
    """Gives one byte at a time, as a slow pipe may."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def read(self, size=-1):
        del size
        return self._data.read(1)


def test_lines_that_come_in_pieces_are_put_together():
    assert list(lines_of(Dripping(b"ab\n123456\n\ncd"), limit=5)) == [b"ab", None, b"", b"cd"]


def test_a_thousand_positions_of_a_long_game_take_little_memory():
    tracemalloc.start()
    game = [["BW"[ply % 2], "pass"] for ply in range(MAX_MOVES)]
    found = read(moves=game, analyzeTurns=list(range(MAX_MOVES + 1)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.turns) == MAX_MOVES + 1
    assert most < 20 << 20
    assert len(found.turns[-1].position.moves) == MAX_MOVES
