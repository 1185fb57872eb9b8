# SPDX-License-Identifier: Apache-2.0
"""The run as tables, for programs: each yields rows of plain values. `ratings.api` serves them as JSON and CSV."""

import csv
import io
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from ratings.game_views import shard_row
from ratings.rating_views import match_row
from ratings.snapshot import Snapshot
from ratings.views import network_row

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute

ROWS_TOGETHER: Final = 1000  # of a part of a long table

Row = Mapping[str, Any]


def networks(snapshot: Snapshot) -> Iterator[Row]:
    """Every network: where it comes from and how strong it is."""
    for name in snapshot.networks:
        row = network_row(snapshot, name)
        rating = row.rating
        yield {
            "network": name,
            "parent": row.parent,
            "created": row.created,
            "step": row.step,
            "games_seen": row.games_seen,
            "sha256": snapshot.infos.get(name, {}).get("weights_sha256"),
            "promoted": row.promoted,
            "champion": row.is_champion,
            "elo": round(rating.elo, 1) if rating is not None else None,
            "elo_low": round(rating.low, 1) if rating is not None else None,
            "elo_high": round(rating.high, 1) if rating is not None else None,
            "rated_games": rating.games if rating is not None else None,
        }


def ratings(snapshot: Snapshot) -> Iterator[Row]:
    """Everybody who can be compared, the strongest first."""
    for name, rating in snapshot.ratings.items():
        yield {
            "player": name,
            "elo": round(rating.elo, 1),
            "elo_low": round(rating.low, 1),
            "elo_high": round(rating.high, 1),
            "games": rating.games,
            "scale": snapshot.scale,
        }


def matches(snapshot: Snapshot) -> Iterator[Row]:
    """Every match with its score."""
    for match in snapshot.matches.values():
        row = match_row(match)
        wins, draws, losses = match.counts
        elo = tuple(round(value, 1) for value in row.elo) if row.elo is not None else (None, None, None)
        yield {
            "match": match.name,
            "kind": match.kind,
            "player": match.player,
            "opponent": match.opponent,
            "games": row.games,
            "wins": wins,
            "draws": draws,
            "losses": losses,
            "faults": len(match.faults),
            "elo": elo[0],
            "elo_low": elo[1],
            "elo_high": elo[2],
        }


def match_games(snapshot: Snapshot) -> Iterator[Row]:
    """Every game of every match."""
    for match in snapshot.matches.values():
        for number, points in match.points.items():
            yield {"match": match.name, "number": number, "points": points, "fault": match.faults.get(number, "")}


def shards(snapshot: Snapshot) -> Iterator[Row]:
    """Every shard of self-play games."""
    for path in itertools.chain(snapshot.shards, snapshot.holdout):
        row = shard_row(snapshot, path)
        yield {
            "path": row.path,
            "network": row.network,
            "worker": row.worker,
            "sequence": row.sequence,
            "hour": row.hour,
            "held_out": row.folder == "holdout",
            "quarantine": row.reason,
        }


def verdicts(snapshot: Snapshot) -> Iterator[Row]:
    """Every verdict, by candidate."""
    return (verdict for _, verdict in sorted(snapshot.verdicts.items()))


def history(snapshot: Snapshot) -> Iterator[Row]:
    """Every promotion."""
    names = ("number", "network", "previous", "time")
    return ({name: entry.get(name) for name in names} for entry in snapshot.history)


def workers(snapshot: Snapshot) -> Iterator[Row]:
    """The last word of every worker."""
    return ({"worker": w.name, "time": w.time, "status": w.status, **w.counts} for w in snapshot.workers.values())


TABLES: Final[Mapping[str, Callable[[Snapshot], Iterable[Row]]]] = {
    "networks": networks,
    "ratings": ratings,
    "matches": matches,
    "match-games": match_games,
    "shards": shards,
    "verdicts": verdicts,
    "history": history,
    "workers": workers,
    "loop-metrics": lambda snapshot: snapshot.loop,
    "train-metrics": lambda snapshot: snapshot.train,
}
"""Every table by name."""

MEANINGS: Final = {
    "networks": "every network: where it comes from and how strong it is",
    "ratings": "everybody who can be compared, the strongest first",
    "matches": "every match with its score",
    "match-games": "every game of every match",
    "shards": "every shard of self-play games",
    "verdicts": "what the gate decided about each candidate",
    "history": "every promotion",
    "workers": "the last word of every worker",
    "loop-metrics": "self-play, openings and closing matches, as the loop counted them",
    "train-metrics": "losses and speeds of training",
}


def count(table: str, snapshot: Snapshot) -> int:
    """How many rows a table has; of the long ones, without making them."""
    if table == "match-games":
        return sum(len(match.points) for match in snapshot.matches.values())
    if table == "shards":
        return len(snapshot.shards) + len(snapshot.holdout)
    return sum(1 for _ in TABLES[table](snapshot))


def csv_parts(rows: Callable[[], Iterable[Row]]) -> Iterator[str]:
    """Rows as CSV, part by part, with a header of all their names; what a spreadsheet would compute is quoted.

    Args:
        rows: gives the rows anew at each call: the names come from a first look at all of them.
    """
    names = list(dict.fromkeys(name for row in rows() for name in row))
    yield _csv([names])
    for part in _parts(rows()):
        yield _csv([row.get(name) for name in names] for row in part)


def json_parts(table: str, total: int, offset: int, rows: Iterable[Row]) -> Iterator[str]:
    """Rows as JSON, part by part."""
    head = json.dumps({"table": table, "total": total, "offset": offset, "rows": []})
    yield head.removesuffix("]}")
    comma = ""
    for part in _parts(rows):
        yield comma + ", ".join(json.dumps(_finite(row), allow_nan=False) for row in part)
        comma = ", "
    yield "]}"


def to_csv(rows: Iterable[Row]) -> str:
    """A few rows as `csv_parts` writes them."""
    kept = list(rows)
    return "".join(csv_parts(lambda: kept))


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while part := list(itertools.islice(left, ROWS_TOGETHER)):
        yield part


def _csv(lines: Iterable[Iterable[Any]]) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([_cell(value) for value in line] for line in lines)
    return sink.getvalue()


def _finite(value: Any) -> Any:
    """The value with None for infinity and NaN, which JSON does not have, wherever they are in it."""
    if isinstance(value, Mapping):
        return {str(name): _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value
