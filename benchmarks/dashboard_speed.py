# SPDX-License-Identifier: Apache-2.0
"""Claim: with 1,000 networks and 100,000 games the dashboard answers with its first page in under 0.3 s and with any in
under 1 s, and 20 live viewers cost self-play at most 5 %.

The run is made up: each network met its parent in a match, and played shards of self-play games. Files are links to a
few real ones, and the rating book is filled in beforehand, as it would be where the run had been watched as it grew.
The dashboard is a process of its own and niced, as in `minigo loop`. Every page is one that nobody has asked for yet:
each time another network, match, shard and part of a list.

Viewers listen to events and fetch the first page whenever something has changed, which is every two seconds. Self-play
without the cost of a network (a uniform evaluator: as much Python as can be) goes on meanwhile, in turns with and
without them; `--seconds` is the length of a turn.

    python benchmarks/dashboard_speed.py --seconds=15 --rounds=4
"""

import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from dashboard_viewers import get
from measure import Options, Ratio, Result, main

from minigo.config import Config, GameConfig, SearchConfig
from minigo.data.shards import ShardHeader, write_shard
from minigo.gamepool import new_shard, play_shard
from minigo.inference.evaluator import UniformEvaluator
from minigo.run import Run
from minigo.selfplay import BackgroundPlay
from ratings.book import open_book

GAMES_PER_SHARD: Final = 64
TEMPLATES: Final = 8  # a file can have 65,000 names at most
NICENESS: Final = 10
VIEWERS_NICENESS: Final = 19
BEAT_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 2.0  # before a turn is measured
CONFIG: Final = Config(game=GameConfig(board_size=9), search=SearchConfig(num_simulations=8))


def run(options: Options) -> Result:
    """Makes the run, serves it, and measures."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        made = _made_up(Path(folder), options.networks, options.games)
        with _served(made.url) as (address, process):
            figures, ratios = _pages(address, process, made, options)
            more_figures, more_ratios = _viewers(address, process, made, Path(folder), options)
    return Result({**figures, **more_figures}, {**ratios, **more_ratios})


def _made_up(folder: Path, networks: int, games: int) -> Run:
    """A run with so many networks, so many match games and so many self-play games."""
    run = Run.create(str(folder / "run"), CONFIG)
    root = Path(run.url)
    shards = _templates(folder, GAMES_PER_SHARD, "shard")
    singles = _templates(folder, 1, "game")
    each = max(2, games // max(1, networks - 1) // 2 * 2)
    book_rows: list[tuple[object, ...]] = []
    for number in range(networks):
        name = f"{number:06d}"
        _write(root / f"networks/{name}/weights.safetensors", b"w%d" % number)
        info = {"format_version": 1, "name": name, "parent": f"{number - 1:06d}" if number else None}
        counts = {"created": 1.8e9 + 60 * number, "step": 100 * number, "games_seen": 100 * number}
        _document(root / f"networks/{name}/network.json", {**info, **counts, "weights_sha256": "0" * 64})
        if number:
            book_rows += _match(root, name, f"{number - 1:06d}", each, singles)
        _generation(root, number)
    for number in range(games // GAMES_PER_SHARD):
        name = f"{number * networks * GAMES_PER_SHARD // games:06d}-w{number % 4}-{number:06d}.parquet"
        _link(shards[number % TEMPLATES], root / f"games/{2026010100 + number // 100}/{name}")
    run.promote(f"{networks - 1:06d}", {"reason": "the newest"}, None)
    with open_book(run) as book:
        place = book.path
    with contextlib.closing(sqlite3.connect(place)) as database, database:
        database.executemany("INSERT INTO games VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", book_rows)
    return run


def _templates(folder: Path, games: int, name: str) -> list[Path]:
    """A few real shards of games by the uniform evaluator."""
    made = []
    for number in range(TEMPLATES):
        document = CONFIG.to_dict()
        document["selfplay"] |= {"games_per_shard": games, "num_simulations": 4, "fast_simulations": 2}
        config = Config.from_dict(document)
        shard = new_shard(config, "000001", "0" * 64, UniformEvaluator(), "w0", number)
        header: ShardHeader = shard.header
        path = folder / f"{name}-{number}.parquet"
        path.write_bytes(write_shard(header, play_shard(config, shard)))
        made.append(path)
    return made


def _match(root: Path, player: str, opponent: str, games: int, singles: list[Path]) -> list[tuple[object, ...]]:
    """A gate's match as files; its rows in the rating book."""
    match = f"{player}-against-{opponent}"
    folder = root / "matches" / match
    spec = {"kind": "gate", "player": player, "opponent": opponent, "seed": 1}
    _document(folder / "spec.json", {"format_version": 1, "spec": spec})
    verdict = {"candidate": player, "champion": opponent, "promotes": True, "gate": "winrate", "reason": "made up"}
    counts = {"games": games, "wins": games // 2, "draws": 0, "losses": games - games // 2}
    elo = {"elo": 10.0, "elo_low": -20.0, "elo_high": 40.0}
    _document(folder / "verdict.json", {"format_version": 1, **verdict, **counts, **elo})
    rng = np.random.default_rng(int(player))
    rows: list[tuple[object, ...]] = []
    for number in range(games):
        path = folder / f"{number:06d}.parquet"
        _link(singles[number % TEMPLATES], path)
        black, white = (player, opponent) if number % 2 == 0 else (opponent, player)
        points = float(rng.random() < 0.5)
        rows.append((f"matches/{match}/{number:06d}.parquet", match, number, black, white, 9, 7.5, points, ""))
    return rows


def _generation(root: Path, number: int) -> None:
    """The metrics of a generation."""
    moment = 1.8e9 + 60 * number
    selfplay = {"kind": "selfplay", "network": f"{number:06d}", "games": 100, "positions": 4000, "evaluations": 50_000}
    speeds = {"seconds": 60.0, "black_win_share": 0.5, "moves_per_game": 60.0}
    opening = {"kind": "opening", "network": f"{number:06d}", "move": "E5", "policy": [1 / 82] * 82, "value": 0.1}
    rows = [{**selfplay, **speeds, "time": moment}, {**opening, "score_lead": 0.5, "time": moment}]
    losses = {
        f"{place}{head}_loss": 1.0 for place in ("", "holdout_") for head in ("policy", "value", "score", "ownership")
    }
    train = {"time": moment, "step": 100 * number, "steps": 100, "new_positions": 4000, "learning_rate": 0.01, **losses}
    _write(root / f"metrics/loop/loop-{number:06d}.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows).encode())
    _write(root / f"metrics/train/trainer-{number:06d}.jsonl", f"{json.dumps(train)}\n".encode())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _document(path: Path, document: dict[str, object]) -> None:
    _write(path, json.dumps(document).encode())


def _link(source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, path)


@contextlib.contextmanager
def _served(url: str) -> Iterator[tuple[str, int]]:
    """The address of the run's dashboard, once it has seen all of it, and its process."""
    command = [sys.executable, "-m", "minigo", "dashboard", f"--run={url}", "--port=0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.nice(NICENESS))
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        address = line.rpartition(": ")[2].split(" ")[0]
        while "networks" not in (state := json.loads(get(address, "/api/status")[1])) or not state["match_games"]:
            time.sleep(0.5)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait()


def _processor_seconds(process: int) -> float:
    """What a process has used so far. Unlike the time on the wall, it says something on a busy machine, too."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _pages(address: str, process: int, run: Run, options: Options) -> tuple[dict[str, float], dict[str, Ratio]]:
    """How long each kind of page takes, and how large it is."""
    shards, networks = run.shards(), options.networks
    kinds = {
        "first page": lambda k: f"/?fresh={k}",
        "ratings": lambda k: f"/ratings?axis={('generation', 'games', 'evaluations', 'time')[k % 4]}&fresh={k}",
        "gate": lambda k: f"/gate?page={k + 1}",
        "networks": lambda k: f"/networks?page={k + 1}&sort=elo",
        "network": lambda k: f"/networks/{networks - 1 - k:06d}",
        "matches": lambda k: f"/matches?page={k + 1}&table={k + 1}",
        "match": lambda k: f"/matches/{networks - 1 - k:06d}-against-{networks - 2 - k:06d}",
        "match game": lambda k: f"/matches/{networks - 1 - k:06d}-against-{networks - 2 - k:06d}/{k}",
        "games": lambda k: f"/games?page={k + 1}",
        "shard": lambda k: "/" + shards[k].removesuffix(".parquet"),
        "game": lambda k: "/" + shards[-1 - k].removesuffix(".parquet") + "/3?move=20",
        "training": lambda k: f"/training?fresh={k}",
        "probes": lambda k: f"/probes?fresh={k}",
        "data": lambda k: f"/data?fresh={k}",
    }
    figures, slowest, largest = {}, 0.0, 0
    for kind, path in kinds.items():
        before = _processor_seconds(process)
        answers = [get(address, path(k)) for k in range(options.rounds)]
        used = (_processor_seconds(process) - before) / options.rounds
        times = [seconds for seconds, _ in answers]
        figures[f"{kind}: median, ms"] = 1000 * statistics.median(times)
        figures[f"{kind}: longest, ms"] = 1000 * max(times)
        figures[f"{kind}: processor, ms"] = 1000 * used
        slowest = max(slowest, *times)
        largest = max(largest, *(len(body) for _, body in answers))
    figures["largest page, kB"] = largest / 1000
    first = figures["first page: longest, ms"] / 1000
    ratios = {
        "first page / s": Ratio(first, 0.3, 0.5, True),
        "slowest page / s": Ratio(slowest, 1.0, 0.5, True),
        "largest page / 300 kB": Ratio(largest / 300_000, 1.0, 0.1, True),
    }
    return figures, ratios


def _viewers(
    address: str, process: int, run: Run, folder: Path, options: Options
) -> tuple[dict[str, float], dict[str, Ratio]]:
    """How fast self-play is with and without viewers, in turns."""
    busy = Run.create(str(folder / "busy"), CONFIG)
    busy.promote(busy.publish_network(b"none", {}), {}, None)
    play = BackgroundPlay(busy, "w0", lambda _: UniformEvaluator())
    play.start()
    speeds: dict[bool, list[float]] = {False: [], True: []}
    fetched: list[float] = []
    used = 0.0
    try:
        for turn in range(2 * options.rounds):
            watched = turn % 2 == 1
            with _watching(address, run, options, fetched) if watched else contextlib.nullcontext():
                time.sleep(SETTLE_SECONDS)
                before, began = play.progress.searches, time.perf_counter()
                used -= _processor_seconds(process) if watched else 0.0
                time.sleep(options.seconds)
                used += _processor_seconds(process) if watched else 0.0
                speeds[watched].append((play.progress.searches - before) / (time.perf_counter() - began))
    finally:
        play.close()
    alone, together = statistics.median(speeds[False]), statistics.median(speeds[True])
    figures = {
        "self-play alone, positions/s": alone,
        f"self-play with {options.viewers} viewers, positions/s": together,
        "dashboard with viewers, % of one core": 100 * used / (options.rounds * options.seconds),
        "page for a viewer: median, ms": 1000 * statistics.median(fetched) if fetched else 0.0,
        "page for a viewer: longest, ms": 1000 * max(fetched, default=0.0),
        "pages for viewers": float(len(fetched)),
    }
    return figures, {"self-play with viewers / alone": Ratio(together / alone, 0.95, 0.05)}


@contextlib.contextmanager
def _watching(address: str, run: Run, options: Options, fetched: list[float]) -> Iterator[None]:
    """Live viewers in a process of their own, of a run that changes every two seconds."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            run.telemetry.heartbeat("w0", {"doing": "playing"})

    seconds = options.seconds + SETTLE_SECONDS
    script = str(Path(__file__).with_name("dashboard_viewers.py"))
    command = [sys.executable, script, address, f"--viewers={options.viewers}", f"--seconds={seconds}"]
    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    nice = ["nice", "-n", str(VIEWERS_NICENESS)]  # they stand for browsers on other machines
    with subprocess.Popen([*nice, *command], stdout=subprocess.PIPE, text=True) as viewers:
        yield
        told, _ = viewers.communicate()
    ended.set()
    beating.join()
    fetched += json.loads(told)


if __name__ == "__main__":
    main(__doc__ or "", run, networks=1000, games=100_000, viewers=20)
