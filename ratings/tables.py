# SPDX-License-Identifier: Apache-2.0
"""The run as tables, for programs: each a list of rows of plain values. `ratings.api` serves them as JSON and CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ratings.game_views import shard_row
from ratings.rating_views import match_row
from ratings.snapshot import Snapshot
from ratings.views import network_row

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute

Row = Mapping[str, Any]


def networks(snapshot: Snapshot) -> list[Row]:
    """Every network: where it comes from and how strong it is."""
    rows: list[Row] = []
    for name in snapshot.networks:
        row = network_row(snapshot, name)
        rating = row.rating
        rows.append(
            {
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
        )
    return rows


def ratings(snapshot: Snapshot) -> list[Row]:
    """Everybody who can be compared, the strongest first."""
    return [
        {
            "player": name,
            "elo": round(rating.elo, 1),
            "elo_low": round(rating.low, 1),
            "elo_high": round(rating.high, 1),
            "games": rating.games,
            "scale": snapshot.scale,
        }
        for name, rating in snapshot.ratings.items()
    ]


def matches(snapshot: Snapshot) -> list[Row]:
    """Every match with its score."""
    rows: list[Row] = []
    for match in snapshot.matches.values():
        row = match_row(match)
        wins, draws, losses = match.counts
        elo = tuple(round(value, 1) for value in row.elo) if row.elo is not None else (None, None, None)
        rows.append(
            {
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
        )
    return rows


def match_games(snapshot: Snapshot) -> list[Row]:
    """Every game of every match."""
    return [
        {"match": match.name, "number": number, "points": points, "fault": match.faults.get(number, "")}
        for match in snapshot.matches.values()
        for number, points in match.points.items()
    ]


def shards(snapshot: Snapshot) -> list[Row]:
    """Every shard of self-play games."""
    rows = (shard_row(snapshot, path) for path in (*snapshot.shards, *snapshot.holdout))
    return [
        {
            "path": row.path,
            "network": row.network,
            "worker": row.worker,
            "sequence": row.sequence,
            "hour": row.hour,
            "held_out": row.folder == "holdout",
            "quarantine": row.reason,
        }
        for row in rows
    ]


def verdicts(snapshot: Snapshot) -> list[Row]:
    """Every verdict, by candidate."""
    return [dict(verdict) for _, verdict in sorted(snapshot.verdicts.items())]


def history(snapshot: Snapshot) -> list[Row]:
    """Every promotion."""
    names = ("number", "network", "previous", "time")
    return [{name: entry.get(name) for name in names} for entry in snapshot.history]


def workers(snapshot: Snapshot) -> list[Row]:
    """The last word of every worker."""
    return [{"worker": w.name, "time": w.time, "status": w.status, **w.counts} for w in snapshot.workers.values()]


TABLES: Final[Mapping[str, Callable[[Snapshot], Sequence[Row]]]] = {
    "networks": networks,
    "ratings": ratings,
    "matches": matches,
    "match-games": match_games,
    "shards": shards,
    "verdicts": verdicts,
    "history": history,
    "workers": workers,
    "loop-metrics": lambda snapshot: list(snapshot.loop),
    "train-metrics": lambda snapshot: list(snapshot.train),
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


def to_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV with a header of all their names; text that a spreadsheet would compute gets an apostrophe."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([_cell(name) for name in names])
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return sink.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value
