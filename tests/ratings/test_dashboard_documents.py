# SPDX-License-Identifier: Apache-2.0
"""Documents that make no sense: one field missing or extreme, in every kind of document, on every page."""

import asyncio
import contextlib
import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minigo.run import Run
from ratings.export import _asked
from ratings.server import create_app
from ratings.snapshot import LARGEST, Snapshot, quantity
from ratings.watch import Watch
from tests.support.dashboards import beat, whole_run

MISSING = object()
VALUES = {
    "missing": MISSING,
    "huge": 10**400,
    "-1e308": -1e308,
    "tiny": 5e-324,
    "nan": [float("nan")],
    "text": "<b>",
}
QUICK = ("huge",)  # those of every test run
DOCUMENTS = (
    "run.json",
    "state/champion.json",
    "networks/000001/network.json",
    "matches/000001-against-000000/verdict.json",
    "matches/000001-against-000000/spec.json",
    "heartbeats/w0.json",
    "metrics/loop/loop-000001.jsonl",
    "metrics/loop/loop-000002.jsonl",
    "metrics/train/trainer-000001.jsonl",
    "metrics/alarms/loop-000000.jsonl",
)
ADDRESSES = (
    "/",
    "/ratings?axis=evaluations",
    "/ratings?axis=time",
    "/gate",
    "/networks/000001",
    "/matches",
    "/matches/000001-against-000000",
    "/matches/000001-against-000000/0?move=3",
    "/training",
    "/probes",
    "/metrics",
    "/api/status",
    *(f"/api/tables/{name}.json" for name in ("networks", "verdicts", "history", "workers", "matches")),
    *(f"/api/tables/{name}.csv" for name in ("networks", "loop-metrics", "train-metrics")),
)

UNREAD = ("config", "game", "search", "match", "evaluate")  # of run.json and of specs: no page reads what is in them

Place = tuple[Any, ...]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Run:
    """A run with a document of every kind."""
    run = whole_run(tmp_path_factory.mktemp("documents") / "run", networks=2)
    final = {"kind": "final", "network": "000001", "opponent": "random", "wins": 3, "games": 4}
    run.telemetry.append_metrics("loop", "loop", [{**final, "elo": 100.0, "elo_low": 1.0, "elo_high": 200.0}])
    alarm = {"kind": "one_color", "state": "begins", "since": 1.0, "evidence": "Black won", "advice": "look"}
    run.telemetry.append_metrics("alarms", "loop", [alarm])
    beat(run, selfplay={"games": 9, "positions": 90, "evaluations": 900}, selfplay_seconds=10.0, phase="self-play")
    return run


def places(document: Any, at: Place = ()) -> Iterator[Place]:
    """Where each field of a document is, those of documents in it included."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name != "format_version":
                yield (*at, name)
                yield from () if name in UNREAD else places(value, (*at, name))
    elif isinstance(document, list) and at == ():
        for number, row in enumerate(document):
            yield from places(row, (number,))


def with_value(document: Any, place: Place, value: Any) -> Any:
    """The document with another value in one place."""
    changed = copy.deepcopy(document)
    inner = changed
    for name in place[:-1]:
        inner = inner[name]
    if value is MISSING:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return changed


class Relay:
    """The watch of an application whose run is looked at afresh again and again."""

    def __init__(self, url: str, book: str) -> None:
        self.url = url
        self._book = book
        self.look()

    def look(self) -> None:
        with contextlib.closing(Watch(self.url, book=self._book)) as watch:
            self._snapshot, self.run = watch.look(survey=True), watch.run

    def snapshot(self) -> Snapshot:
        return self._snapshot


@pytest.mark.parametrize("value", [v if v in QUICK else pytest.param(v, marks=pytest.mark.slow) for v in VALUES])
@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_with_one_field_missing_or_extreme_breaks_no_page(made, tmp_path, path, value):
    run = Path(shutil.copytree(made.url, tmp_path / "run"))
    file, is_rows = run / path, path.endswith("jsonl")
    watch = Relay(str(run), str(tmp_path / "book.sqlite"))
    app = create_app(watch)  # type: ignore[arg-type]
    data = file.read_text()
    document = [json.loads(line) for line in data.splitlines()] if is_rows else json.loads(data)

    async def statuses() -> dict[str, int]:
        return {address: (await _asked(app, address))[0] for address in ADDRESSES}

    for place in places(document):
        changed = with_value(document, place, VALUES[value])
        file.write_text("".join(json.dumps(row) + "\n" for row in changed) if is_rows else json.dumps(changed))
        watch.look()
        app.state.site.forget()
        found = asyncio.run(statuses())
        assert found["/"] == 200, place
        assert {address: status for address, status in found.items() if status not in (200, 404)} == {}, place


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (-2.5, -2.5),
        (LARGEST, LARGEST),
        (10**400, None),
        (1e308, None),
        (-1e308, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("7", None),
        (None, None),
    ],
)
def test_a_quantity_is_a_number_of_sane_size(value, number):
    assert quantity({"value": value}, "value") == number
