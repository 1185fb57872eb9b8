# SPDX-License-Identifier: Apache-2.0
"""The run as tables: that long ones are whole, and are never held as one text."""

import csv
import io
import json

import pytest
from starlette.testclient import TestClient

from ratings import tables
from ratings.server import create_app
from ratings.snapshot import Match, Snapshot

GAMES = 25_000


class Still:
    """A watch of a run that does not change."""

    url, run, is_closed = "x", None, False

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def snapshot(self) -> Snapshot:
        return self._snapshot


@pytest.fixture(scope="module")
def long() -> Snapshot:
    """A run with one match of very many games."""
    match = Match("m", "gate", "a", "b", None, dict.fromkeys(range(GAMES), 1.0), {})
    return Snapshot("x", "x", matches={"m": match})


@pytest.fixture(scope="module")
def asked(long) -> TestClient:
    return TestClient(create_app(Still(long)), base_url="http://localhost")  # type: ignore[arg-type]


def test_a_long_table_is_whole(asked):
    answer = asked.get("/api/tables/match-games.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    document = asked.get("/api/tables/match-games.json").json()

    assert [int(row["number"]) for row in rows] == list(range(GAMES))
    assert answer.headers["x-total-count"] == str(GAMES)
    assert (document["total"], document["offset"], len(document["rows"])) == (GAMES, 0, GAMES)
    assert document["rows"][-1] == {"match": "m", "number": GAMES - 1, "points": 1.0, "fault": ""}
    assert "25,000" in asked.get("/data").text


def test_a_part_of_a_table_says_how_much_there_is(asked):
    answer = asked.get("/api/tables/match-games.csv?offset=24990&limit=100")
    document = asked.get("/api/tables/match-games.json?offset=10&limit=2").json()

    assert len(answer.text.splitlines()) == 11
    assert answer.headers["x-total-count"] == str(GAMES)
    assert [row["number"] for row in document["rows"]] == [10, 11]
    assert document["total"] == GAMES


def test_long_tables_are_made_in_parts(long):
    parts = tables.csv_parts(lambda: tables.match_games(long))

    assert next(parts) == "match,number,points,fault\n"
    assert len(next(parts).splitlines()) == tables.ROWS_TOGETHER
    documents = list(tables.json_parts("match-games", GAMES, 0, tables.match_games(long)))
    assert max(map(len, documents)) < 100_000
    assert json.loads("".join(documents))["total"] == GAMES


def test_what_json_does_not_have_is_null_wherever_it_is():
    rows = [{"a": float("nan"), "b": [float("inf"), {"c": float("nan")}], "d": 10**400}]

    (row,) = json.loads("".join(tables.json_parts("x", 1, 0, rows)))["rows"]

    assert row == {"a": None, "b": [None, {"c": None}], "d": 10**400}
