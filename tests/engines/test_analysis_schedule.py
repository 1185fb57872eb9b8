# SPDX-License-Identifier: Apache-2.0
"""The JSON analysis engine: what it searches first, side by side and for how long, and how it is interrupted."""

import numpy as np
import pytest

from minigo.engines.analysis import Capacity
from tests.support.analysis_client import (
    ENDLESS,
    CountingEvaluator,
    conversation,
    moves,
    query,
)

# Many positions.


def test_every_turn_of_a_game_is_answered_once():
    game = moves("B C3 W D4 B B2 W D2 B B4 W E3 B A3 W pass B C5 W E1")
    with conversation() as client:
        client.send(query(moves=game, analyzeTurns=list(range(11))))
        replies = [client.result("q", turn) for turn in range(11)]
        assert [reply["rootInfo"]["currentPlayer"] for reply in replies] == ["B", "W"] * 5 + ["B"]
        assert all(reply["rootInfo"]["visits"] == 20 for reply in replies)
        assert client.close() == []


def test_a_hundred_positions_share_their_batches():
    """More than there are slots; full batches for most of the search, though each position has few visits."""
    evaluator = CountingEvaluator()
    points = [f"{column}{row}" for row in range(1, 10) for column in "ABCDEFGHJ"][:80]
    game = [["BW"[number % 2], "pass" if number % 7 == 6 else point] for number, point in enumerate(points)]
    with conversation(evaluator, capacity=Capacity(64, 64, 0)) as client:
        client.send(query(size=9, moves=game, analyzeTurns=list(range(81)), maxVisits=16))
        client.send(query("other", size=9, moves=game[:20], analyzeTurns=list(range(1, 20)), maxVisits=16))
        replies = [client.result("q", turn) for turn in range(81)]
        replies += [client.result("other", turn) for turn in range(1, 20)]
    assert [reply["rootInfo"]["visits"] for reply in replies] == [16] * 100
    counts = np.array(evaluator.counts)
    assert counts[counts >= 48].sum() > 0.6 * counts.sum()


def test_different_board_sizes_are_searched_side_by_side():
    with conversation() as client:
        sizes = [*range(2, 14), 5, 3, 7]
        client.send(*(query(f"{number}", size=size, includePolicy=True) for number, size in enumerate(sizes)))
        assert [len(client.result(f"{number}")["policy"]) for number in range(len(sizes))] == [
            size**2 + 1 for size in sizes
        ]


# Priorities.


def finished_first(first, second, capacity):
    """The ids in the order in which they end, where the first is being searched when the second comes."""
    with conversation(CountingEvaluator(0.001), capacity=capacity) as client:
        client.send(query("warm-up", maxVisits=2))
        client.result("warm-up")
        client.send(first)
        client.take(lambda reply: reply.get("isDuringSearch") is True)
        client.send(second)
        return [client.take(lambda reply: reply.get("isDuringSearch") is False)["id"] for _ in range(2)]


@pytest.mark.parametrize("slots", [4, 1])
def test_a_higher_priority_comes_first_even_if_it_comes_later(slots):
    """With one slot the first search has to make room, and begins anew."""
    capacity = Capacity(slots, 8, 1000)
    long = query("long", size=9, maxVisits=1000, firstReportDuringSearchAfter=0.001)
    assert finished_first(long, query("urgent", size=9, maxVisits=300, priority=1), capacity) == ["urgent", "long"]
    assert finished_first(long, query("urgent", size=7, maxVisits=300, priority=1), capacity) == ["urgent", "long"]


def test_a_lower_priority_waits():
    first = query("first", size=9, maxVisits=500, firstReportDuringSearchAfter=0.001)
    assert finished_first(first, query("idle", size=9, maxVisits=2, priority=-1), Capacity(4, 8, 0)) == [
        "first",
        "idle",
    ]


def test_equal_priorities_go_in_order_of_arrival_where_slots_are_few():
    with conversation(capacity=Capacity(1, 8, 0)) as client:
        client.send(*(query(f"{number}", maxVisits=30) for number in range(10)))
        assert [client.take()["id"] for _ in range(10)] == [f"{number}" for number in range(10)]


def test_priorities_of_turns():
    game = moves("B C3 W D4 B B2")
    with conversation(capacity=Capacity(1, 8, 0)) as client:
        client.send(query(moves=game, analyzeTurns=[0, 1, 2, 3], priorities=[0, 5, -3, 9]))
        assert [client.take()["turnNumber"] for _ in range(4)] == [3, 1, 0, 2]


def test_a_search_that_rests_keeps_what_it_has_and_gets_no_more():
    """And says so when it is given up while it rests."""
    with conversation(CountingEvaluator(0.001)) as client:
        client.send(query("pondering", maxVisits=ENDLESS, reportDuringSearchEvery=0.001, priority=-1000))
        before = client.take(lambda reply: reply.get("isDuringSearch") is True)["rootInfo"]["visits"]
        client.send(query("urgent", maxVisits=ENDLESS, reportDuringSearchEvery=0.001))
        client.take(lambda reply: reply["id"] == "urgent" and reply["rootInfo"]["visits"] > 10_000)
        client.send({"id": "t", "action": "terminate", "terminateId": "pondering"})
        assert before <= client.result("pondering")["rootInfo"]["visits"] < before + 5000


def test_reports_never_fall_back_though_a_search_begins_anew():
    with conversation(CountingEvaluator(0.001), capacity=Capacity(1, 8, 0)) as client:
        client.send(query("pondering", maxVisits=ENDLESS, reportDuringSearchEvery=0.001))
        visits = [client.take()["rootInfo"]["visits"] for _ in range(20)]
        client.send(query("urgent", maxVisits=20, priority=1))
        client.result("urgent")
        visits += [client.take(lambda reply: reply["id"] == "pondering")["rootInfo"]["visits"] for _ in range(20)]
    assert visits == sorted(set(visits))


def test_a_search_that_lost_its_slot_is_not_forgotten():
    with conversation(CountingEvaluator(0.001), capacity=Capacity(1, 8, 0)) as client:
        client.send(query("pondering", maxVisits=ENDLESS, reportDuringSearchEvery=0.001, priority=-1000))
        before = client.take(lambda reply: reply.get("isDuringSearch") is True)["rootInfo"]["visits"]
        client.send(query("urgent", maxVisits=ENDLESS, reportDuringSearchEvery=0.001))
        client.take(lambda reply: reply["id"] == "urgent")
        client.send({"id": "t", "action": "terminate", "terminateId": "pondering"})
        assert client.result("pondering")["rootInfo"]["visits"] >= before


# Streaming and time.


def test_reports_during_the_search_grow_and_one_last_reply_ends_it():
    with conversation(CountingEvaluator(0.001)) as client:
        client.send(query(size=9, maxVisits=2000, reportDuringSearchEvery=0.01, includeOwnership=True))
        replies = [client.take()]
        while replies[-1]["isDuringSearch"]:
            replies.append(client.take())
        assert client.close() == []
    visits = [reply["rootInfo"]["visits"] for reply in replies]
    assert len(visits) >= 4
    assert visits == sorted(visits)
    assert visits[-1] == 2000
    assert all(len(reply["ownership"]) == 81 for reply in replies)


def test_without_an_interval_there_is_one_reply():
    with conversation() as client:
        client.send(query(maxVisits=1000))
        client.result("q")
        assert client.close() == []


def test_a_search_ends_when_its_time_is_over():
    with conversation() as client:
        client.send(query(size=9, maxVisits=ENDLESS, overrideSettings={"maxTime": 0.05}))
        assert 1 <= client.result("q")["rootInfo"]["visits"] < ENDLESS


def test_time_over_at_once_still_gives_an_evaluation():
    with conversation() as client:
        client.send(query(maxVisits=ENDLESS, overrideSettings={"maxTime": 0}))
        assert client.result("q")["rootInfo"]["visits"] >= 1


# Interruption.


def test_terminate_ends_one_request_with_what_was_found():
    with conversation() as client:
        client.send(*(query(name, maxVisits=ENDLESS, reportDuringSearchEvery=0.001) for name in "ab"))
        for name in "ab":
            client.take(lambda reply, name=name: reply["id"] == name)
        action = {"id": "t", "action": "terminate", "terminateId": "a"}
        client.send(action)
        assert client.result("a")["rootInfo"]["visits"] >= 1
        assert client.take(lambda reply: reply["id"] == "t") == action
        client.send({"id": "u", "action": "terminate", "terminateId": "a"})
        client.take(lambda reply: reply["id"] == "u")
        client.take(lambda reply: reply["id"] == "b")  # which goes on


def test_terminate_may_be_for_some_turns():
    with conversation() as client:
        client.send(query(moves=moves("B C3 W D4"), analyzeTurns=[0, 1, 2], maxVisits=ENDLESS))
        client.send({"id": "t", "action": "terminate", "terminateId": "q", "turnNumbers": [0, 2, 9]})
        assert client.take(lambda reply: reply["id"] == "t")["turnNumbers"] == [0, 2, 9]
        assert {client.result("q")["turnNumber"] for _ in range(2)} == {0, 2}
        client.send({"id": "all", "action": "terminate_all", "turnNumbers": [1]})
        assert client.result("q")["turnNumber"] == 1


def test_terminate_all_ends_everything_and_what_was_not_begun_has_no_results():
    with conversation(CountingEvaluator(0.01), capacity=Capacity(2, 8, 0)) as client:
        client.send(*(query(f"{number}", maxVisits=ENDLESS) for number in range(5)))
        client.send({"id": "t", "action": "terminate_all"})
        replies = [client.result(f"{number}") for number in range(5)]
        assert client.take() == {"id": "t", "action": "terminate_all"}
        for reply in replies[2:]:
            assert reply == {"id": reply["id"], "turnNumber": 0, "isDuringSearch": False, "noResults": True}


def test_an_id_is_free_again_when_its_request_is_done():
    with conversation() as client:
        client.send(query())
        client.result("q")
        client.send(query())
        client.result("q")
        client.send(query(maxVisits=ENDLESS), query())
        assert client.take()["field"] == "id"
        client.send({"id": "t", "action": "terminate", "terminateId": "q"}, query())
        client.result("q")
        assert client.result("q")["rootInfo"]["visits"] == 20
