# SPDX-License-Identifier: Apache-2.0
"""Adds what a study has found to a folder without runs: what each network had cost, and who won every game.

The runs take gigabytes, their notes and games some hundred kilobytes. `report` tells the same from these, and the
seeds of several machines make one table, where each seed met none but its own base, chance or GNU Go.
"""

from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.learning.ladder import SCHEMA, read_games
from benchmarks.learning.runs import CHAMPIONS, costs, is_finished, read_note
from benchmarks.learning.study import GNUGO, PUBLISHED_GAMES, RANDOM, StudyError, Workplace, read_json, write_json
from minigo.run import Run, is_run

KEY: Final = ("player", "opponent", "handicap", "index")


def publish(place: Workplace, other: Workplace) -> int:
    """Adds the finished runs of a study, and the games between their networks; how many games are there then.

    Raises:
        StudyError: both are one folder; a run is no longer there; or another run of its variant and seed, or another
            game of the same networks, has been published before.
    """
    if place.folder.resolve() == other.folder.resolve():
        raise StudyError(f"--to must be another folder than --out, got {place.folder} for both")
    notes = {run: _note_of(place, *run) for run in place.study.runs() if is_finished(place, *run)}
    for (variant, seed), note in notes.items():
        path = other.run_path(variant, seed).with_suffix(".json")
        if path.exists() and read_json(path) != note:
            raise StudyError(f"{path} is of another run of {variant}, seed {seed}: publish elsewhere")
    names = {f"{variant}-{seed}" for variant, seed in notes}
    games = {_key(row): row for row in read_games(other)}
    for row in read_games(place):
        if _runs_of(row) <= names and games.setdefault(_key(row), row) != row:
            raise StudyError(f"{other.folder} has another game {_key(row)}: publish elsewhere")
    part = (other.folder / PUBLISHED_GAMES).with_suffix(".part")
    pq.write_table(pa.Table.from_pylist([games[key] for key in sorted(games)], schema=SCHEMA), part)
    part.replace(other.folder / PUBLISHED_GAMES)
    for (variant, seed), note in notes.items():
        write_json(other.run_path(variant, seed).with_suffix(".json"), note)
    return len(games)


def _note_of(place: Workplace, variant: str, seed: int) -> dict[str, Any]:
    path, note = place.run_path(variant, seed), read_note(place, variant, seed)
    if is_run(str(path)):
        champions = [cost._asdict() for cost in costs(place, variant, seed)]
        return {**note, CHAMPIONS: champions, "commit": Run.open(str(path)).about().get("commit")}
    if CHAMPIONS not in note:
        raise StudyError(f"{path} is no longer there, so what its networks had cost can not be published")
    return note


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def _runs_of(row: dict[str, Any]) -> set[str]:
    """The runs whose networks play a game, as "variant-seed"."""
    players = {row[name].rpartition(":")[2] for name in ("player", "opponent")} - {RANDOM, GNUGO}
    return {player.rpartition("-")[0] for player in players}
