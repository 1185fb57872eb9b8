# SPDX-License-Identifier: Apache-2.0
"""Measures the networks of a study under strict Tromp-Taylor rules, played out.

The matches are those that the study names: against one fixed ladder for all networks, or for each the base run of its
seed. Every game is a row of a Parquet file of its part of a match; a part that is there is not played again. Start at
`measure_study`.
"""

import dataclasses
import functools
import importlib
import os
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.learning.runs import Point, is_finished, points
from benchmarks.learning.study import (
    BASE,
    GNUGO,
    OWN,
    POLICY,
    PUBLISHED_GAMES,
    RANDOM,
    SAME,
    StudyError,
    Workplace,
)
from minigo.commands.learning import LOOP
from minigo.config import Config
from minigo.flags import parse, resolve_config
from minigo.inference.evaluator import Evaluator
from minigo.match import MatchGame, derived_seed, play_games, with_handicap
from minigo.match_players import player_from_text
from minigo.players import Player, Team
from minigo.run import Run
from ratings.anchors import gnugo_player

RULES: Final = "tromp-taylor"
GAMES_PER_PART: Final = 20
ENGINES: Final = 8
"""Processes of an outside engine in each part: its games go on at once, and the network evaluates them together."""

SCHEMA: Final = pa.schema(
    [
        ("player", pa.string()),
        ("opponent", pa.string()),
        ("handicap", pa.int32()),  # stones that the player gave; 0: none
        ("index", pa.int32()),  # without handicap: the player has Black in even ones; 2k and 2k + 1 share an opening
        ("points", pa.float64()),  # for the player: 1, 0.5 or 0; null where the game failed
        ("score_for_black", pa.float64()),
        ("moves", pa.int32()),
        ("end", pa.string()),
        ("failure", pa.string()),
    ]
)


class Part(NamedTuple):
    """Some games of a match: who plays, and which games."""

    player: str  # a network as `name_of` names it, behind its kind, as in "policy:"
    opponent: str  # the same, or "random", or "gnugo"
    handicap: int  # stones that the player gives
    first: int
    games: int
    path: Path


def name_of(point: Point) -> str:
    """A measured network's name in games and ratings: "variant-seed-network"."""
    return f"{point.variant}-{point.seed}-{point.cost.network}"


def all_points(place: Workplace) -> list[Point]:
    """What there is to measure now, in all runs."""
    return [point for variant, seed in place.study.runs() for point in points(place, variant, seed)]


def opponents(place: Workplace, point: Point, kind: str) -> list[str]:
    """The names of those that a network meets; a name may be its own.

    Args:
        place: the study.
        point: the network.
        kind: one of `OPPONENTS`.

    Raises:
        StudyError: a base run that they come from has not finished, or GNU Go is not installed.
    """
    if kind == RANDOM:
        return [RANDOM]
    if kind == GNUGO:
        _gnugo(place)
        return [GNUGO]
    if kind == POLICY:
        return [f"{POLICY}:{name_of(_finished_base(place, place.study.seeds[0])[-1])}"]
    if kind == OWN:
        return [name_of(own) for own in _finished_base(place, place.study.seeds[0])]
    if kind == SAME:
        return [name_of(same) for same in _finished_base(place, point.seed)]
    peers = _finished_base(place, point.seed, point.unit)
    return [name_of(peer) for peer in peers if peer.budget == point.budget]


def _finished_base(place: Workplace, seed: int, unit: str = "seconds") -> list[Point]:
    if not is_finished(place, BASE, seed):
        raise StudyError(f"opponents are networks of {BASE}, seed {seed}, which has not finished: use the verb run")
    return [point for point in points(place, BASE, seed) if point.unit == unit]


def _gnugo(place: Workplace) -> str:
    player = gnugo_player(match_config(place).game)
    if player is None:
        raise StudyError(f"{place.name} measures against GNU Go, which is not installed: apt-get install gnugo")
    return player


def _player_text(place: Workplace, name: str) -> str:
    """A name in the games as a PLAYER of the command line."""
    if name == RANDOM:
        return RANDOM
    if name == GNUGO:
        return _gnugo(place)
    kind, separator, network = name.rpartition(":")
    return f"{kind}{separator}{_folder(place, network)}"


def match_config(place: Workplace) -> Config:
    """What measuring games are played with: the base's config under strict rules, and the study's simulations.

    The random opening makes the games differ; from there on each plays the best it knows.
    """
    study = place.study
    config = resolve_config(parse(LOOP, study.command_flags(BASE, study.seeds[0])), Config())
    return dataclasses.replace(
        config,
        game=dataclasses.replace(config.game, rules=RULES),
        search=dataclasses.replace(config.search, num_simulations=study.simulations),
        match=dataclasses.replace(config.match, opening_plies=study.opening_plies, temperature=0.0),
    )


def parts(place: Workplace) -> list[Part]:
    """Every part of every match of the study as it stands; networks that are measured at two points play once."""
    games, found = place.study.games, dict[Path, Part]()
    for point in all_points(place):
        name = name_of(point)
        for measure in place.study.measures:
            player = f"{measure.kind}:{name}" if measure.kind else name
            giving = f"-giving-{measure.handicap}" if measure.handicap else ""
            for opponent in opponents(place, point, measure.opponent):
                if name == opponent.removeprefix(f"{POLICY}:"):
                    continue
                for first in range(0, games, GAMES_PER_PART):
                    stem = f"{opponent}{giving}-{first:05d}".replace(":", "-")
                    path = place.folder / "matches" / player.replace(":", "-") / f"{stem}.parquet"
                    count = min(GAMES_PER_PART, games - first)
                    found[path] = Part(player, opponent, measure.handicap, first, count, path)
    return list(found.values())


def measure_study(place: Workplace, stop: threading.Event, threads: int = 0) -> None:
    """Plays the parts that are missing.

    Args:
        place: the study.
        stop: once set, unfinished parts are dropped.
        threads: that play parts at once; 0: one for each core.

    Raises:
        StudyError: there is nothing to measure yet, or an opponent is not there.
    """
    if not all_points(place):
        raise StudyError(f"no run in {place.folder} has reached a budget yet: use the verb run")
    todo = [part for part in parts(place) if not part.path.exists()]
    if not todo:
        return
    config = match_config(place)
    load, lock, done = _loader(config), threading.Lock(), [0]

    def work(part: Part) -> None:
        if stop.is_set():
            return
        texts = [_player_text(place, name) for name in (part.player, part.opponent)]
        sides: list[Player | Team] = []
        try:
            for text in texts:
                match = with_handicap(config.match, part.handicap)
                kind = {"game": config.game, "search": config.search, "match": match}
                make = functools.partial(player_from_text, text, **kind, load_evaluator=load, stop=stop)
                sides.append(Team.of(make, ENGINES))
            games = play_part(sides[0], sides[1], part, config, stop)
        finally:
            for side in sides:
                side.close()
        if not stop.is_set():
            _store(part, games)
            with lock:
                done[0] += 1
                won = sum(game.points or 0.0 for game in games)
                giving = f", giving {part.handicap} stones" if part.handicap else ""
                told = f"{part.player} against {part.opponent}{giving}: {won:g} of {len(games)}"
                print(f"part {done[0]} of {len(todo)}: {told}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
        for future in [pool.submit(work, part) for part in todo]:
            future.result()


def read_games(place: Workplace) -> list[dict[str, Any]]:
    """Every game that has been played or published, as `SCHEMA` has it."""
    files = [*place.folder.glob(PUBLISHED_GAMES), *sorted((place.folder / "matches").glob("*/*.parquet"))]
    return [row for file in files for row in pq.read_table(file, schema=SCHEMA).to_pylist()]


def _loader(config: Config) -> Callable[[str], Evaluator]:
    """Loads networks; the framework before any thread does, since they would lock each other out."""
    from minigo.commands.common import evaluator_loader
    from minigo.inference.quiet import start_framework

    start_framework(config.machine.backend)
    importlib.import_module("minigo.inference.backends")
    return evaluator_loader(config)


def play_part(
    player: Player | Team, opponent: Player | Team, part: Part, config: Config, stop: threading.Event
) -> list[MatchGame]:
    """The games of a part, in their order; those that were unfinished when it was stopped are missing."""
    games: list[MatchGame] = []
    indices = range(part.first, part.first + part.games)
    # All networks meet an opponent from the same openings.
    seed = derived_seed(config.seed, zlib.crc32(part.opponent.encode()))
    play_games(
        player,
        opponent,
        indices,
        config.game,
        config.match,
        seed,
        handicap=part.handicap,
        on_game=games.append,
        stop=stop,
    )
    return sorted(games, key=lambda game: game.index)


def _store(part: Part, games: Iterable[MatchGame]) -> None:
    rows: list[Mapping[str, Any]] = [
        {
            "player": part.player,
            "opponent": part.opponent,
            "handicap": part.handicap,
            "index": game.index,
            "points": game.points,
            "score_for_black": game.record.score_for_black,
            "moves": game.record.num_moves,
            "end": game.record.end,
            "failure": game.failure,
        }
        for game in games
    ]
    part.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = part.path.with_suffix(".part")
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), unfinished)
    unfinished.replace(part.path)


def _folder(place: Workplace, name: str) -> str:
    variant, seed, network = name.rsplit("-", 2)
    return Run.open(str(place.run_path(variant, int(seed)))).network_path(network)
