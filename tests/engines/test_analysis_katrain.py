# SPDX-License-Identifier: Apache-2.0
"""A session of KaTrain's (as of its version 1.20) with the JSON analysis engine as a process.

`KaTrain` sends what that program sends, in its order, and reads every field that it reads. Its numbers are Black's.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.analysis_client import Client, Reply, moves, process
from tests.support.waiting import slack

SIZE = 9
GAME_ANALYSIS, SWEEP, EXTRA, NEW_MOVE = -100, -10, 100, 1000  # its priorities
REPORT, PONDERING_REPORT = 1, 0.25  # seconds
PONDERING_VISITS = 10_000_000
MOVE_FIELDS = {"move": str, "order": int, "visits": int, "winrate": float, "scoreLead": float, "prior": float}
ROOT_FIELDS = {"visits": int, "winrate": float, "scoreLead": float}


class KaTrain:
    """Asks as KaTrain asks; a node of its game tree is the list of moves that lead there."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.base_priority = 0
        self.open: dict[str, tuple[list[list[str]], bool]] = {}
        self._count = 0

    def ask(self, node: list[list[str]], priority: int = NEW_MOVE, *, visits: int = 100, **options: Any) -> str:
        """Requests the analysis of a node; returns the request's id."""
        next_move: list[list[str]] = options.pop("next_move", [])
        region: list[str] = options.pop("avoid", [])
        report_every: float | None = options.pop("report_every", REPORT)
        played = node + next_move
        query = {
            "rules": "japanese",
            "priority": self.base_priority + priority,
            "analyzeTurns": [len(played)],
            "maxVisits": visits,
            "komi": 6.5,
            "boardXSize": SIZE,
            "boardYSize": SIZE,
            "includeOwnership": not next_move,
            "includeMovesOwnership": not next_move,
            "includePolicy": True,
            "initialStones": [],
            "initialPlayer": "B",
            "moves": played,
            "overrideSettings": {"reportAnalysisWinratesAs": "BLACK", "wideRootNoise": 0.04} | options,
        }
        if report_every is not None:
            query["reportDuringSearchEvery"] = report_every
        if region:
            query["avoidMoves"] = [{"moves": region, "player": player, "untilDepth": 1} for player in "BW"]
        return self._send(query, played, bool(next_move))

    def terminate(self, query_id: str) -> None:
        """Gives a request up."""
        self._send({"action": "terminate", "terminateId": query_id})

    def new_game(self) -> None:
        """Gives everything up; what comes from now on has a higher priority."""
        self.base_priority += 1
        for query_id in list(self.open):
            self.terminate(query_id)
        self.open = {}

    def read(self, query_id: str) -> Reply:
        """The last reply to a request, checked."""
        return next(reply for reply in self.replies(query_id) if not reply["isDuringSearch"])

    def replies(self, query_id: str) -> Iterator[Reply]:
        """The replies to a request, checked, as they come; the one warning is about its rules."""
        played, is_refined = self.open[query_id]
        while True:
            reply = self.client.take(lambda reply: reply["id"] == query_id)
            if "warning" in reply:
                assert reply["field"] == "rules"
                continue
            assert reply["turnNumber"] == len(played)
            if not reply.get("noResults"):
                check_fields(reply, played, is_refined=is_refined)
            yield reply
            if not reply["isDuringSearch"]:
                self.open.pop(query_id, None)
                return

    def _send(self, query: Reply, played: list[list[str]] | None = None, is_refined: bool = False) -> str:
        self._count += 1
        query_id = f"QUERY:{self._count}"
        self.client.send(query | {"id": query_id})
        if played is not None:
            self.open[query_id] = (played, is_refined)
        return query_id


def check_fields(reply: Reply, played: list[list[str]], *, is_refined: bool) -> None:
    """Everything that KaTrain takes out of a reply is there, of the right type and in its range."""
    root = reply["rootInfo"]
    check_types(root, ROOT_FIELDS)
    captured = {"E5", "E4", "E3"} if CAPTURE[0] in played else set()
    occupied = {vertex for _, vertex in played} - captured
    assert len(reply["policy"]) == SIZE**2 + 1
    legal = [share for share in reply["policy"] if share >= 0]
    assert sum(legal) == pytest.approx(1, abs=1e-3)
    assert all(share == -1 for share in reply["policy"] if share < 0)
    for row, column, vertex in points():
        if vertex in occupied:
            assert reply["policy"][row * SIZE + column] == -1
    if not is_refined:
        assert len(reply["ownership"]) == SIZE**2
        assert all(-1 <= owner <= 1 for owner in reply["ownership"])
    for number, info in enumerate(reply["moveInfos"]):
        check_types(info, MOVE_FIELDS)
        assert info["order"] == number
        assert info["pv"][0] == info["move"]
        assert info["move"] not in occupied
        assert "lcb" in info
        if not is_refined and info["visits"]:  # a report may come before any move has been searched
            assert len(info["ownership"]) == SIZE**2
    assert not reply["moveInfos"] or sum(info["visits"] for info in reply["moveInfos"]) <= root["visits"]


def check_types(info: Reply, fields: dict[str, type]) -> None:
    for name, kind in fields.items():
        assert type(info[name]) is kind, name
    assert 0 <= info["winrate"] <= 1
    assert info["visits"] >= 0


def points() -> Iterator[tuple[int, int, str]]:
    """Row and column from the top left, and the point's name."""
    for row in range(SIZE):
        for column in range(SIZE):
            yield row, column, f"{'ABCDEFGHJ'[column]}{SIZE - row}"


def owner_of(reply: Reply, vertex: str) -> float:
    row, column = next((row, column) for row, column, name in points() if name == vertex)
    return float(reply["ownership"][row * SIZE + column])


def points_lost(before: Reply, after: Reply, player: str) -> float:
    """What KaTrain says that a move has cost."""
    return {"B": 1, "W": -1}[player] * (before["rootInfo"]["scoreLead"] - after["rootInfo"]["scoreLead"])


@pytest.fixture
def katrain() -> Iterator[KaTrain]:
    with process() as running:
        assert running.stdin is not None
        assert running.stdout is not None
        yield KaTrain(Client(running.stdin, running.stdout))
        began = time.monotonic()
        running.terminate()
        running.wait(10)
        assert time.monotonic() - began < 0.5 * slack()


# White lets Black catch three stones, which Black takes with the next move.
CAPTURED = moves("B E6 W E5 B D5 W E4 B D4 W E3 B D3 W F9 B F5 W G9 B F4 W H9 B F3 W J9")
CAPTURE = moves("B E2")


def test_a_session_with_katrain(katrain):
    # A new game: its only node is analysed, with little priority, and then every move as it is played.
    root = katrain.read(katrain.ask([], GAME_ANALYSIS, maxTime=8.0))
    assert root["rootInfo"]["visits"] == 100
    assert abs(root["rootInfo"]["winrate"] - 0.5) < 0.4
    nodes = [CAPTURED[:length] for length in range(1, len(CAPTURED) + 1)]
    replies = [katrain.read(katrain.ask(node, maxTime=8.0)) for node in nodes]
    assert [reply["turnNumber"] for reply in replies] == list(range(1, len(nodes) + 1))

    # Black takes three stones: that is what the engine wants before, and good for Black afterwards.
    before, after = replies[-1], katrain.read(katrain.ask(CAPTURED + CAPTURE))
    more = katrain.read(katrain.ask(CAPTURED, EXTRA, visits=1000))
    assert more["rootInfo"]["visits"] == 1000
    best = more["moveInfos"][0]
    assert best["move"] == "E2"
    assert best["scoreLead"] == max(info["scoreLead"] for info in more["moveInfos"])
    for reply in (before, after):
        assert reply["rootInfo"]["winrate"] > 0.6
        assert reply["rootInfo"]["scoreLead"] > 2
    assert points_lost(before, after, "B") < 2
    assert owner_of(after, "E2") > 0.9
    assert owner_of(after, "F9") < -0.9

    # Had White not let it come to that, Black would have less: White's moves at the top have cost points.
    assert points_lost(replies[9], before, "W") > 1

    # A move that it may not look at by itself, and that is worse.
    refined = katrain.read(katrain.ask(CAPTURED, SWEEP, visits=25, next_move=moves("B A1")))
    assert refined["turnNumber"] == len(CAPTURED) + 1
    assert refined["rootInfo"]["scoreLead"] < best["scoreLead"]


def test_katrain_loads_a_game_and_looks_at_one_of_its_moves(katrain):
    """All nodes are asked for at once; a new move overtakes them."""
    nodes = [CAPTURED[:length] for length in range(len(CAPTURED) + 1)]
    queries = [katrain.ask(node, GAME_ANALYSIS, visits=600, report_every=0.05) for node in nodes]
    katrain.client.take(lambda reply: reply.get("isDuringSearch") is True)
    urgent = katrain.ask(CAPTURED + CAPTURE, visits=50)
    first = katrain.client.take(lambda reply: reply.get("isDuringSearch") is False)
    assert (first["id"], first["rootInfo"]["visits"]) == (urgent, 50)
    assert [katrain.read(query_id)["rootInfo"]["visits"] for query_id in queries] == [600] * len(queries)


def test_katrain_ponders_until_it_does_not_want_to_any_more(katrain):
    pondering = katrain.ask(CAPTURED, EXTRA, visits=PONDERING_VISITS, report_every=PONDERING_REPORT)
    replies = katrain.replies(pondering)
    visits = [next(replies)["rootInfo"]["visits"] for _ in range(3)]
    assert visits == sorted(set(visits))
    # A move is played meanwhile, and analysed at once.
    assert katrain.read(katrain.ask(CAPTURED + CAPTURE))["rootInfo"]["visits"] == 100
    katrain.terminate(pondering)
    *_, last = replies
    assert last["isDuringSearch"] is False
    assert visits[-1] <= last["rootInfo"]["visits"] < PONDERING_VISITS
    assert last["moveInfos"][0]["move"] == "E2"


def test_katrain_asks_for_other_moves_and_for_a_region(katrain):
    first = katrain.read(katrain.ask(CAPTURED))
    known = [info["move"] for info in first["moveInfos"]]
    others = katrain.read(katrain.ask(CAPTURED, EXTRA, avoid=known))
    assert not {info["move"] for info in others["moveInfos"]} & set(known)
    corner = {name for row, column, name in points() if row < 3 and column < 3}
    outside = [name for *_, name in points() if name not in corner]
    region = katrain.read(katrain.ask(CAPTURED, EXTRA, avoid=outside))
    assert {info["move"] for info in region["moveInfos"]} <= corner | {"pass"}
    assert corner & {info["move"] for info in region["moveInfos"]}


def test_katrain_sweeps_the_board_and_illegal_moves_are_called_that(katrain):
    """It tells a move that cannot be played from a fault by these two words."""
    queries = {name: katrain.ask(CAPTURED, SWEEP, visits=5, next_move=[["B", name]]) for *_, name in points()}
    taken = {vertex for _, vertex in CAPTURED}
    for name, query_id in queries.items():
        if name in taken:
            reply = katrain.client.take(lambda reply, query_id=query_id: reply["id"] == query_id)
            assert "Illegal move" in reply["error"]
        else:
            assert katrain.read(query_id)["rootInfo"]["visits"] == 5


def test_a_new_game_ends_all_requests_of_the_last_one(katrain):
    queries = [katrain.ask(CAPTURED[:length], visits=PONDERING_VISITS) for length in range(15)]
    katrain.new_game()
    fresh = katrain.ask([])
    seen = {}
    while len(seen) < len(queries) + 1:
        reply = katrain.client.take(lambda reply: reply.get("isDuringSearch") is False)
        seen[reply["id"]] = reply
    assert set(seen) == {*queries, fresh}
    assert seen[fresh]["rootInfo"]["visits"] == 100
    acknowledged = {katrain.client.take(lambda reply: "terminateId" in reply)["terminateId"] for _ in queries}
    assert acknowledged == set(queries)
