# SPDX-License-Identifier: Apache-2.0
"""Claim: a hundred open games in which nobody moves cost the dashboard no process, under 2 % of a core and 20 MB.

A dashboard of a run with one network is started as a person would. A hundred games are begun against the network, and
each has a page listening to its event stream. What the dashboard's process uses is read from /proc, before and with
them. Then one of the games is played: how long the first answer takes, which waits for the network's process, and the
others; and how fast pages come. That engines are put away once games are left alone, the tests show.
"""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from measure import Options, Ratio, Result, main

from minigo.config import Config, NetworkConfig
from minigo.network.network import Network
from minigo.run import Run

TICK: Final = os.sysconf("SC_CLK_TCK")
PAGE_ROUNDS: Final = 20
MOST_SHARE: Final = 0.02  # of a core
MOST_MEGABYTES: Final = 20.0


class Use(NamedTuple):
    """What a process uses."""

    cpu_seconds: float
    megabytes: float
    threads: int
    children: int


def run(options: Options) -> Result:
    """Starts the dashboard, opens the games, waits, and plays."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        made = _run_with_network(f"{folder}/run", NetworkConfig(blocks=options.blocks, channels=options.channels))
        pid, port = stack.enter_context(_dashboard(made.url))
        _ask(port, "GET", "/play")
        before, share_before = _idle(pid, options)
        games = [_ask(port, "POST", "/api/play/games", {"board_size": 19, "visits": 100}) for _ in range(options.games)]
        streams = [stack.enter_context(_stream(port, game["id"])) for game in games]
        during, share = _idle(pid, options)
        if not all(stream.recv(4096) for stream in streams):
            raise RuntimeError("a page does not hear of its game")
        first = _seconds_to_answer(port, games[0]["id"], "D4")
        later = float(np.median([_seconds_to_answer(port, game["id"], "Q16") for game in games[1:6]]))
        place = f"/play/{games[0]['id']}"
        began = time.perf_counter()
        sizes = [len(_raw(port, "GET", place)) for _ in range(PAGE_ROUNDS)]
        seconds = (time.perf_counter() - began) / PAGE_ROUNDS
        played = _use(pid)
    return Result(
        {
            "processes with idle games, beside the dashboard's own": during.children,
            "processes while a game is played": played.children,
            "threads before": before.threads,
            "threads with idle games": during.threads,
            "share of a core before": share_before,
            "share of a core with idle games": share,
            "memory before, MB": before.megabytes,
            "memory with idle games, MB": during.megabytes,
            "first answer, the network is started, s": first,
            "later answers, 100 visits on 19x19, s": later,
            "page of a game on 19x19, ms": 1000 * seconds,
            "page of a game on 19x19, kB": max(sizes) / 1000,
        },
        {
            "idle games: share of a core": Ratio(max(share - share_before, 1e-6), MOST_SHARE, 1.0, True),
            "idle games: MB": Ratio(max(during.megabytes - before.megabytes, 1e-6), MOST_MEGABYTES, 1.0, True),
            "idle games: processes + 1": Ratio(1.0 + during.children, 1.0, 0.0, True),
        },
    )


def _run_with_network(url: str, config: NetworkConfig) -> Run:
    """A run whose champion has opinions, though wild ones: one that is new thinks nothing of any move but the pass."""
    run = Run.create(url, Config(network=config))
    fresh, rng = Network.create(config, seed=0), np.random.default_rng(0)
    weights = {name: (w + rng.normal(0, 0.1, w.shape)).astype(np.float32) for name, w in fresh.weights.items()}
    network = Network(config, weights, {})
    run.promote(run.publish_network(network.to_bytes(), network.description()), {}, expected=None)
    return run


@contextmanager
def _dashboard(url: str) -> Iterator[tuple[int, int]]:
    """The process and the port of a run's dashboard."""
    command = [sys.executable, "-m", "minigo", "dashboard", f"--run={url}", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline() if process.stdout is not None else ""
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
            if found is None:
                raise RuntimeError(f"the dashboard must say where it is, got {said!r}")
            yield process.pid, int(found[1])
        finally:
            process.terminate()


def _idle(pid: int, options: Options) -> tuple[Use, float]:
    """What a process uses while nobody does anything, and its share of a core."""
    time.sleep(1.0)
    began, before = time.monotonic(), _use(pid)
    time.sleep(options.seconds * options.rounds)
    after = _use(pid)
    return after, (after.cpu_seconds - before.cpu_seconds) / (time.monotonic() - began)


def _use(pid: int) -> Use:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    resident, threads = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmRSS", "Threads"))  # type: ignore[index]
    children = [
        entry for task in Path(f"/proc/{pid}/task").iterdir() for entry in (task / "children").read_text().split()
    ]
    return Use((int(words[11]) + int(words[12])) / TICK, resident / 1000, threads, len(children))


@contextmanager
def _stream(port: int, game_id: str) -> Iterator[socket.socket]:
    """A connection that listens to a game."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"GET /play/{game_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield connection


def _raw(port: int, method: str, path: str, body: Any = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, {"content-type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    if response.status >= 300:
        raise RuntimeError(f"{method} {path} was answered with {response.status}: {answer[:200]!r}")
    return answer


def _ask(port: int, method: str, path: str, body: Any = None) -> Any:
    answer = _raw(port, method, path, body)
    return json.loads(answer) if path.startswith("/api") else answer


def _seconds_to_answer(port: int, game_id: str, vertex: str) -> float:
    """From a person's move until the opponent's is there."""
    place = f"/api/play/games/{game_id}"
    began = time.monotonic()
    _ask(port, "POST", f"{place}/moves", {"vertex": vertex})
    while (state := _ask(port, "GET", place))["phase"] != "your_turn":
        if state["phase"] == "broken":
            raise RuntimeError(state["trouble"])
        time.sleep(0.01)
    return time.monotonic() - began


if __name__ == "__main__":
    main(__doc__, run, games=100, blocks=4, channels=32)
