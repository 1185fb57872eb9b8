# SPDX-License-Identifier: Apache-2.0
"""What programs ask for: tables as JSON and CSV, the state in short, Prometheus' metrics, and their description."""

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel

from ratings import tables
from ratings.pages import AnySite
from ratings.snapshot import Snapshot

MOST_ROWS: Final = 10**9

TableName = Literal[
    "networks",
    "ratings",
    "matches",
    "match-games",
    "shards",
    "verdicts",
    "history",
    "workers",
    "loop-metrics",
    "train-metrics",
]
router = APIRouter(tags=["data"])


class Status(BaseModel):
    """A run in short."""

    run: str
    version: int
    generation: int
    champion: str | None
    champion_elo: float | None
    scale: str
    networks: int
    games: int
    match_games: int
    games_per_hour: float | None
    positions_per_hour: float | None
    evaluations_per_s: float | None
    last_promotion: float | None
    problems: list[str]


def status_of(snapshot: Snapshot) -> Status:
    """What there is to say about a run in short."""
    speed = snapshot.speed(time.time())
    rating = snapshot.ratings.get(snapshot.champion) if snapshot.champion is not None else None
    return Status(
        run=snapshot.name,
        version=snapshot.version,
        generation=snapshot.generation,
        champion=snapshot.champion,
        champion_elo=rating.elo if rating is not None else None,
        scale=snapshot.scale,
        networks=len(snapshot.networks),
        games=snapshot.games,
        match_games=snapshot.match_games,
        games_per_hour=speed.games_per_hour if speed is not None else None,
        positions_per_hour=speed.positions_per_hour if speed is not None else None,
        evaluations_per_s=speed.evaluations_per_s if speed is not None else None,
        last_promotion=snapshot.last_promotion,
        problems=list(snapshot.problems),
    )


@router.get("/api/status")
def status(site: AnySite) -> Status:
    """The run in short."""
    return status_of(site.snapshot)


Offset = Annotated[int, Query(ge=0, le=MOST_ROWS, description="how many rows to leave out")]
Limit = Annotated[int | None, Query(ge=1, le=MOST_ROWS, description="how many rows to give; all, if it is not said")]


@router.get("/api/tables/{table}.json", response_class=Response)
def table_json(site: AnySite, table: TableName, offset: Offset = 0, limit: Limit = None) -> Response:
    """A table as JSON: `total` rows, and those from `offset` on."""
    snapshot = site.snapshot
    total = tables.count(table, snapshot)
    rows = _cut(tables.TABLES[table](snapshot), offset, limit)
    return StreamingResponse(tables.json_parts(table, total, offset, rows), media_type="application/json")


@router.get("/api/tables/{table}.csv", response_class=PlainTextResponse)
def table_csv(site: AnySite, table: TableName, offset: Offset = 0, limit: Limit = None) -> Response:
    """A table as CSV with a header; X-Total-Count says how many rows the whole table has."""
    snapshot = site.snapshot
    parts = tables.csv_parts(lambda: _cut(tables.TABLES[table](snapshot), offset, limit))
    headers = {
        "content-disposition": f'attachment; filename="{table}.csv"',
        "x-total-count": str(tables.count(table, snapshot)),
    }
    data = (part.encode("utf-8", "replace") for part in parts)
    return StreamingResponse(data, media_type="text/csv; charset=utf-8", headers=headers)


def _cut(rows: Iterable[tables.Row], offset: int, limit: int | None) -> Iterator[tables.Row]:
    return itertools.islice(rows, offset, None if limit is None else offset + limit)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request, site: AnySite) -> Response:
    """The state in Prometheus' text format."""
    viewers = request.app.state.viewers.count
    text = "".join(f"{line}\n" for line in _prometheus(site.snapshot, viewers))
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _prometheus(snapshot: Snapshot, viewers: int) -> Iterator[str]:
    state = status_of(snapshot)
    gauges = {
        "generation": ("Networks trained so far.", state.generation),
        "networks": ("Networks published.", state.networks),
        "selfplay_games": ("Self-play games published, about: full shards are assumed.", state.games),
        "match_games": ("Match games that count.", state.match_games),
        "promotions": ("Promotions, the first network included.", len(snapshot.history)),
        "last_promotion_timestamp_seconds": ("When the champion was promoted.", state.last_promotion),
        "champion_elo": ("Elo of the champion.", state.champion_elo),
        "selfplay_games_per_hour": ("Speed of self-play.", state.games_per_hour),
        "selfplay_positions_per_hour": ("Speed of self-play.", state.positions_per_hour),
        "selfplay_evaluations_per_second": ("Evaluations of the network in self-play.", state.evaluations_per_s),
        "quarantined_files": ("Files that failed their checks.", len(snapshot.quarantined)),
        "dashboard_problems": ("Parts of the run that can not be shown.", len(state.problems)),
        "dashboard_viewers": ("Pages that are open and live.", viewers),
    }
    for name, (meaning, value) in gauges.items():
        if value is not None:
            yield f"# HELP minigo_{name} {meaning}"
            yield f"# TYPE minigo_{name} gauge"
            yield f"minigo_{name} {value!r}"  # all digits: a time has ten before the point
    if snapshot.workers:
        yield "# HELP minigo_worker_silence_seconds Seconds since the last word of a worker."
        yield "# TYPE minigo_worker_silence_seconds gauge"
        for worker in snapshot.workers.values():
            silence = max(0.0, time.time() - worker.time)
            yield f'minigo_worker_silence_seconds{{worker="{_label(worker.name)}"}} {silence:.1f}'


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@router.get("/data", response_class=HTMLResponse, tags=["pages"])
def data(request: Request, site: AnySite) -> Response:
    """Where all of this is to be had by programs."""

    def make(snapshot: Snapshot) -> dict[str, Any]:
        return {"meanings": tables.MEANINGS, "counts": {name: tables.count(name, snapshot) for name in tables.TABLES}}

    return site.page(request, "data.html", make)


@router.get("/docs", response_class=HTMLResponse, tags=["pages"])
def docs(request: Request, site: AnySite) -> Response:
    """The description of this interface, from /openapi.json, without anybody else's scripts."""
    schema: Mapping[str, Any] = request.app.openapi()
    return site.page(request, "docs.html", lambda _: {"operations": list(_operations(schema))})


def _operations(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield {
                "method": method.upper(),
                "path": path,
                "tag": operation.get("tags", [""])[0],
                "meaning": operation.get("description", operation.get("summary", "")),
                "parameters": [_parameter(parameter) for parameter in operation.get("parameters", [])],
            }


def _parameter(parameter: Mapping[str, Any]) -> Mapping[str, str]:
    schema = parameter.get("schema", {})
    choices: Sequence[Any] = schema.get("enum", ())
    facts = [str(schema.get("type", ""))] if not choices else [" | ".join(map(str, choices))]
    facts += [f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    facts += [f"by default {schema['default']}"] if schema.get("default") not in (None, "") else []
    return {"name": parameter["name"], "place": parameter["in"], "facts": ", ".join(fact for fact in facts if fact)}
