# SPDX-License-Identifier: Apache-2.0
"""Runs to be looked at: a small one with everything in it, and what makes it grow; and asking the dashboard of one."""

import dataclasses
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.testclient import TestClient

from minigo.config import Config
from minigo.data.shards import write_shard
from minigo.go.coords import vertex_from_move
from minigo.run import Run
from ratings.server import create_app
from ratings.watch import Watch
from tests.support.match_runs import CONFIG, play_gate_matches, run_with_networks
from tests.support.records import header, random_record

GAMES_PER_SHARD = 4
MOVES = "C3 B3 C4 B4 C2"


def whole_run(folder: Path, networks: int = 4, config: Config = CONFIG) -> Run:
    """A run with networks, matches, games, metrics and a worker that plays."""
    run = run_with_networks(folder, networks, config)
    play_gate_matches(run, games=4)
    for sequence in range(3):
        add_shard(run, sequence, holdout=sequence == 2)
    for number in range(networks):
        add_generation(run, number)
    beat(run)
    return run


def add_shard(run: Run, sequence: int, *, holdout: bool = False, worker: str = "w0") -> str:
    """Publishes a shard of random games of network 000001; its path."""
    records = [random_record(GAMES_PER_SHARD * sequence + i) for i in range(GAMES_PER_SHARD)]
    data = write_shard(dataclasses.replace(header(sequence=sequence), worker=worker), records)
    return run.publish_shard(run.shard_name("000001", worker, sequence), data, holdout=holdout)


def add_generation(run: Run, number: int) -> None:
    """The metrics of a generation."""
    policy = [1 / 26] * 26
    loop = [
        {"kind": "selfplay", "network": f"{number:06d}", "games": 50, "positions": 900, "evaluations": 9000}
        | {"seconds": 20.0, "black_win_share": 0.5, "moves_per_game": 20.0 + number},
        {
            "kind": "opening",
            "network": f"{number:06d}",
            "move": "C3",
            "policy": policy,
            "value": 0.1,
            "score_lead": 1.0,
        },
    ]
    run.telemetry.append_metrics("loop", "loop", loop)
    heads = ("policy", "value", "score", "ownership")
    losses = {f"{head}_loss": 2.0 / (number + 1) for head in heads}
    held_out = {f"holdout_{head}_loss": 2.2 / (number + 1) for head in heads}
    train = {
        "step": 100 * (number + 1),
        "steps": 100,
        "new_positions": 900,
        "learning_rate": 0.01,
        **losses,
        **held_out,
    }
    run.telemetry.append_metrics("train", "trainer", [{**train, "examples_per_s": 500.0, "window_positions": 9000}])


def beat(run: Run, worker: str = "w0", moves: str = MOVES, **status: Any) -> None:
    """A heartbeat with a game that is being played."""
    game = {"game_id": "g1", "network": "000001", "board_size": 5, "komi": 0.5, "rules": "cgos", "moves": moves.split()}
    run.telemetry.heartbeat(worker, {"role": "selfplay", "doing": "playing", "game": game, **status})


def longer(moves: int) -> str:
    """So many moves, in rows that do not capture."""
    points = [row * 5 + column for row in (0, 2, 4) for column in range(5)]
    return " ".join(vertex_from_move(point, 5) for point in points[:moves])


def client(url: str, book: str = ":memory:", play: APIRouter | None = None) -> TestClient:
    """Asks the dashboard of a run, which has been looked at once. Errors of the server are answers, not raised."""
    watch = Watch(url, book=book)
    watch.look(survey=True)
    app = create_app(watch, play=play)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


def look_again(asked: TestClient) -> None:
    """Lets the dashboard see what is new."""
    asked.app.state.watch.look(survey=True)  # type: ignore[attr-defined]
    asked.app.state.site.forget()  # type: ignore[attr-defined]


def pages_of(run: Run) -> list[str]:
    """An address of every kind of page that the dashboard has for a run."""
    shard = "/" + run.shards()[0].removesuffix(".parquet")
    held_out = "/" + run.shards(holdout=True)[0].removesuffix(".parquet")
    return [
        "/",
        "/ratings",
        "/ratings?axis=games",
        "/ratings?axis=evaluations",
        "/ratings?axis=time",
        "/gate",
        "/networks",
        "/networks?sort=elo",
        "/networks/000001",
        "/matches",
        "/matches/000001-against-000000",
        "/matches/000001-against-000000/0?move=3",
        "/games",
        "/games?network=000001",
        shard,
        f"{shard}/1",
        f"{shard}/1?move=4",
        f"{held_out}/0?move=0&heat=0",
        "/training",
        "/probes",
        "/data",
        "/docs",
    ]
