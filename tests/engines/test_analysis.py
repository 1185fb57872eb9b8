# SPDX-License-Identifier: Apache-2.0
"""The JSON analysis engine: whose numbers it reports, and what it says of bad requests."""

import pytest

from cc_kernels.board import BLACK
from minigo.config import SearchConfig
from minigo.engines.options import PlayOptions
from minigo.engines.thinking import Thinking
from minigo.go.coords import vertex_from_move
from minigo.go.position import Position
from minigo.inference.evaluator import HashEvaluator, UniformEvaluator
from tests.support.analysis_client import (
    DEFAULTS,
    ENDLESS,
    CountingEvaluator,
    Settings,
    conversation,
    moves,
    query,
)
from tests.support.area_evaluator import AreaEvaluator
from tests.support.diagrams import stones_from_diagram
from tests.support.thinking import LibertyEvaluator

# Black has the left, which is more than White's right.
BLACK_AHEAD = moves("B C5 B C4 B C3 B C2 B C1 B A5 W E1 W E2 W D2")


class FailingEvaluator(UniformEvaluator):
    """Fails once."""

    def __init__(self):
        self.has_failed = False

    def evaluate(self, leaves):
        if not self.has_failed:
            self.has_failed = True
            raise RuntimeError("out of memory")
        return super().evaluate(leaves)


def analyzed(evaluator=None, settings=DEFAULTS, **fields):
    """The reply to one request."""
    with conversation(evaluator, settings) as client:
        client.send(query(**fields))
        return client.result("q")


# Fields, signs and shapes.


def test_a_reply_has_every_field():
    reply = analyzed(
        moves=BLACK_AHEAD,
        includePolicy=True,
        includeOwnership=True,
        includeMovesOwnership=True,
        includePVVisits=True,
    )
    assert {"id", "turnNumber", "isDuringSearch", "moveInfos", "rootInfo", "policy", "ownership"} == set(reply)
    assert (reply["id"], reply["turnNumber"], reply["isDuringSearch"]) == ("q", 9, False)
    root = reply["rootInfo"]
    assert (root["visits"], root["currentPlayer"]) == (20, "B")
    assert {"winrate", "scoreLead", "utility", "rawWinrate", "rawLead"} <= set(root)
    infos = reply["moveInfos"]
    assert [info["order"] for info in infos] == list(range(len(infos)))
    assert sum(info["visits"] for info in infos) == 19
    for info in infos:
        numbers = ["visits", "winrate", "scoreLead", "scoreMean", "prior", "lcb", "utility", "order"]
        assert {"move", "pv", "pvVisits", "ownership", *numbers} == set(info)
        assert all(isinstance(info[name], int | float) for name in numbers)
        assert info["pv"][0] == info["move"]
        assert len(info["pvVisits"]) == len(info["pv"])
        assert info["pvVisits"][0] == info["visits"]
        assert len(info["ownership"]) == 25
        assert 0 <= info["winrate"] <= 1


def test_what_is_not_asked_for_is_not_sent():
    reply = analyzed(includeOwnership=False)
    assert set(reply) == {"id", "turnNumber", "isDuringSearch", "moveInfos", "rootInfo"}
    assert not {"ownership", "pvVisits"} & set(reply["moveInfos"][0])


@pytest.mark.parametrize("to_play", "BW")
@pytest.mark.parametrize("perspective", ["BLACK", "WHITE", "SIDETOMOVE"])
@pytest.mark.parametrize("by_default", [False, True])
def test_numbers_are_for_whom_the_request_says(to_play, perspective, by_default):
    """Black is ahead, and owns the top left; White owns the bottom right."""
    overrides = {} if by_default else {"reportAnalysisWinratesAs": perspective}
    settings = Settings(20, perspective if by_default else "BLACK", 0.0)
    reply = analyzed(
        settings=settings,
        initialStones=BLACK_AHEAD,
        initialPlayer=to_play,
        includeOwnership=True,
        includeMovesOwnership=True,
        overrideSettings=overrides,
    )
    sign = {"BLACK": 1, "WHITE": -1, "SIDETOMOVE": 1 if to_play == "B" else -1}[perspective]
    root, infos = reply["rootInfo"], reply["moveInfos"]
    assert root["currentPlayer"] == to_play
    for info in (root, *infos[:1]):
        assert (info["winrate"] - 0.5) * sign > 0.1
        assert info["scoreLead"] * sign > 1
        assert info["utility"] * sign > 0.1
    assert (root["rawWinrate"] - 0.5) * sign > 0.1
    assert root["rawLead"] * sign > 1
    for ownership in (reply["ownership"], infos[0]["ownership"]):
        assert ownership[0] * sign > 0.5
        assert ownership[-1] * sign < -0.5
    mover = sign if to_play == "B" else -sign  # the bound is on the mover's side of the winrate
    assert all((info["winrate"] - info["lcb"]) * mover > 0 for info in infos)


def test_the_best_move_is_first_whoever_plays():
    """A capture of four stones in the corner."""
    for color, other in ("BW", "WB"):
        game = moves(
            " ".join(f"{other} A{row}" for row in (5, 4, 3)) + "".join(f" {color} B{row}" for row in (5, 4, 3))
        )
        reply = analyzed(AreaEvaluator(), Settings(200, "BLACK", 0.0), initialStones=game, initialPlayer=color)
        assert reply["moveInfos"][0]["move"] == "A2"
        visits = [info["visits"] for info in reply["moveInfos"]]
        assert visits[0] == max(visits)


def test_policy_is_over_all_moves_and_minus_one_where_illegal():
    policy = analyzed(HashEvaluator(), moves=moves("B A5 W C3"), includePolicy=True)["policy"]
    assert len(policy) == 26
    assert [number for number, share in enumerate(policy) if share < 0] == [0, 12]
    assert sum(share for share in policy if share >= 0) == pytest.approx(1, abs=1e-5)


def test_lines_are_no_longer_than_asked_for():
    reply = analyzed(HashEvaluator(), Settings(300, wide_root_noise=0.0), analysisPVLen=2, includePVVisits=True)
    assert max(len(info["pv"]) for info in reply["moveInfos"]) == 2


def test_one_visit_gives_the_networks_opinion():
    reply = analyzed(moves=BLACK_AHEAD, maxVisits=1, includePolicy=True)
    assert reply["rootInfo"]["visits"] == 1
    assert reply["rootInfo"]["winrate"] > 0.6
    assert len(reply["policy"]) == 26


DECIDED = moves("B A2 B B2 B C2 B D2 B E2 B A1 B C1 B E1 B A4 B B4 B C4 B D4 B E4 B A5 B C5 B E5")


def test_a_decided_game_has_its_exact_result():
    reply = analyzed(initialStones=DECIDED, moves=moves("W C3"), includePolicy=True, includeOwnership=True)
    assert reply["rootInfo"]["scoreLead"] == 24.5
    assert reply["rootInfo"]["winrate"] == 1.0
    assert [(info["move"], info["winrate"], info["lcb"]) for info in reply["moveInfos"]] == [("pass", 1.0, 1.0)]
    assert reply["ownership"] == [1.0] * 25


@pytest.mark.parametrize(("whole", "by_move"), [(True, False), (False, True), (True, True)])
def test_a_decided_game_has_the_ownership_that_was_asked_for(whole, by_move):
    reply = analyzed(initialStones=DECIDED, includeOwnership=whole, includeMovesOwnership=by_move)
    assert ("ownership" in reply, "ownership" in reply["moveInfos"][0]) == (whole, by_move)


def test_a_decided_game_shows_a_move_where_the_pass_is_to_be_avoided():
    avoid = {"player": "B", "moves": ["pass"], "untilDepth": 1}
    reply = analyzed(initialStones=DECIDED, initialPlayer="B", avoidMoves=[avoid])
    assert [info["move"] for info in reply["moveInfos"]] == ["B5"]


def test_a_game_that_two_passes_ended_is_searched_on_as_our_other_engine_does():
    dead = moves("B A3 B B3 B C3 B D3 B E3 W C1")
    reply = analyzed(
        LibertyEvaluator(), initialStones=dead, moves=moves("B pass W pass"), maxVisits=50, includePolicy=True
    )
    assert reply["rootInfo"]["visits"] >= 50
    assert len(reply["moveInfos"]) > 1
    assert reply["turnNumber"] == 2
    position = Position.from_stones(stones_from_diagram("""
        . . . . .
        . . . . .
        X X X X X
        . . . . .
        . . O . .
    """), BLACK, 0.5, "tromp-taylor").play(25).play(25)  # fmt: skip
    thinking = Thinking(LibertyEvaluator(), SearchConfig(), PlayOptions(), batch_rows=8, cached_positions=0)
    found = thinking.analyze(position, interrupted=lambda: False, show=lambda _: None, interval=9.0, visits=50)
    assert reply["moveInfos"][0]["move"] == vertex_from_move(found.moves[0].move, 5)
    assert reply["rootInfo"]["rawLead"] == pytest.approx(found.raw_score_lead, abs=1e-5)


def test_an_evaluator_without_ownership_leaves_it_out():
    assert "moveInfos" in analyzed(AreaEvaluator(), includeOwnership=True, includeMovesOwnership=True)


@pytest.mark.parametrize("size", [2, 3, 9, 19])
def test_boards_of_every_size(size):
    reply = analyzed(size=size, includePolicy=True, includeOwnership=True)
    assert (len(reply["policy"]), len(reply["ownership"])) == (size**2 + 1, size**2)


# Avoided and allowed moves.


def test_avoided_moves_are_not_searched():
    avoid = {"player": "B", "moves": ["C3", "A1", "pass"], "untilDepth": 1}
    reply = analyzed(maxVisits=300, avoidMoves=[avoid])
    names = {info["move"] for info in reply["moveInfos"]}
    assert names
    assert not names & set(avoid["moves"])


def test_moves_of_the_other_color_are_not_avoided_at_the_root():
    reply = analyzed(size=2, maxVisits=100, avoidMoves=[{"player": "W", "moves": ["A1"], "untilDepth": 1}])
    assert "A1" in {info["move"] for info in reply["moveInfos"]}


def test_only_allowed_moves_are_searched():
    allow = {"player": "W", "moves": ["B2", "D4"], "untilDepth": 1}
    reply = analyzed(maxVisits=100, moves=moves("B C3"), allowMoves=[allow])
    assert {info["move"] for info in reply["moveInfos"]} == {"B2", "D4"}


def test_where_every_move_is_avoided_the_evaluation_is_all_there_is():
    everything = [f"{column}{row}" for column in "AB" for row in (1, 2)] + ["pass"]
    avoid = [{"player": "B", "moves": everything, "untilDepth": 1}]
    reply = analyzed(size=2, maxVisits=ENDLESS, avoidMoves=avoid)
    assert reply["moveInfos"] == []
    assert reply["rootInfo"]["visits"] == 1


# Other actions, and errors.


def test_version_is_told_with_all_that_was_asked():
    with conversation() as client:
        client.send({"id": "v", "action": "query_version", "note": [1]})
        assert client.take() == {
            "id": "v",
            "action": "query_version",
            "note": [1],
            "version": "1.2.3",
            "git_hash": "<omitted>",
        }


def test_models_are_told():
    with conversation(HashEvaluator(7)) as client:
        client.send({"id": "m", "action": "query_models"})
        (model,) = client.take()["models"]
        assert model["name"] == "hash-7"


def test_a_cleared_cache_is_empty_and_searches_go_on():
    evaluator = CountingEvaluator()
    with conversation(evaluator) as client:

        def evaluations(name):
            before = sum(evaluator.counts)
            client.send(query(name, maxVisits=50))
            client.result(name)
            return sum(evaluator.counts) - before

        assert evaluations("first") > 20
        assert evaluations("again") <= 1  # of the root
        client.send({"id": "c", "action": "clear_cache"})
        assert client.take() == {"id": "c", "action": "clear_cache"}
        assert evaluations("anew") > 20
        client.send(query("endless", maxVisits=ENDLESS, reportDuringSearchEvery=0.001))
        client.take(lambda reply: reply["id"] == "endless")
        client.send({"id": "c", "action": "clear_cache"})
        client.take(lambda reply: reply["id"] == "c")
        client.take(lambda reply: reply["id"] == "endless")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"nonsense\n", {"error": "could not parse the line as JSON: Expecting value: line 1 column 1 (char 0)"}),
        (b"[]\n", {"error": "a request must be a JSON object, got []"}),
        (b'{"moves": []}\n', {"error": 'a request must have a text as its "id"', "field": "id"}),
        (b"1" * 1_100_000 + b"\n", {"error": "a line must have 1000000 bytes or fewer"}),
    ],
)
def test_a_bad_line_is_told_without_an_id(line, reply):
    with conversation() as client:
        client.send(b"\n \r\n", line)
        assert client.take() == reply
        client.send(query())
        client.result("q")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (query(boardYSize=7), "boardYSize"),
        ({"id": "q", "action": "dance"}, "action"),
        ({"id": "q", "action": None}, "action"),
        ({"id": "q", "action": "terminate"}, "terminateId"),
        ({"id": "q", "action": "terminate", "terminateId": "a", "turnNumbers": 1}, "turnNumbers"),
        ({"id": "q", "action": "terminate_all", "turnNumbers": [None]}, "turnNumbers"),
    ],
)
def test_a_refused_request_is_told_with_its_id_and_field(request_, field):
    with conversation() as client:
        client.send(request_)
        reply = client.take()
        assert set(reply) == {"error", "field", "id"}
        assert (reply["id"], reply["field"]) == ("q", field)
        assert client.close() == []


def test_a_warning_comes_before_the_analysis():
    with conversation() as client:
        client.send(query(rules="japanese", surprise=1))
        replies = [client.take() for _ in range(3)]
    assert [sorted(reply)[:3] for reply in replies[:2]] == [["field", "id", "warning"]] * 2
    assert [reply["field"] for reply in replies[:2]] == ["rules", "surprise"]
    assert "rootInfo" in replies[2]


def test_a_failed_search_is_told_and_the_conversation_goes_on():
    with conversation(FailingEvaluator()) as client:
        client.send(query(moves=moves("B C3"), analyzeTurns=[0, 1]))
        for _ in range(2):
            assert client.take() == {"error": "internal error: RuntimeError: out of memory", "id": "q"}
        client.send(query())
        assert client.result("q")["rootInfo"]["visits"] == 20
