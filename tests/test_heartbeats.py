# SPDX-License-Identifier: Apache-2.0
"""What a worker says of itself in its run: often enough to be seen alive, and no oftener."""

import itertools
import threading
from pathlib import Path
from typing import Any

import pytest

from minigo.config import Config
from minigo.heartbeats import Heartbeats
from minigo.run import Run
from minigo.train import train_worker
from ratings.snapshot import FRESH_SECONDS
from tests.support.training import CONFIG, publish_random_games


class Hours:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Listener:
    """A run that only listens."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.telemetry = self
        self.heard: list[dict[str, Any]] = []

    def heartbeat(self, worker: str, status: dict[str, Any]) -> None:
        self.heard.append({"worker": worker, **status})

    @property
    def words(self) -> list[str]:
        return [status["doing"] for status in self.heard]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Hours:
    hours = Hours()
    monkeypatch.setattr("minigo.heartbeats.time", hours)
    return hours


def beats(run: Listener) -> Heartbeats:
    return Heartbeats(run, "w0", "selfplay", lambda: {"games": len(run.heard)})  # type: ignore[arg-type]


@pytest.mark.parametrize(("url", "words"), [("gs://bucket/run", 11), ("runs/9x9", 61)])
def test_a_worker_that_gets_on_speaks_often_enough_to_be_seen_alive(clock: Hours, url: str, words: int) -> None:
    run = Listener(url)
    say = beats(run)
    times: list[float] = []
    for _ in range(601):
        before = len(run.heard)
        say("training")
        times += [clock.now] * (len(run.heard) - before)
        clock.now += 1.0

    assert len(times) == words
    longest = max(after - before for before, after in itertools.pairwise(times))
    assert longest <= FRESH_SECONDS / 2
    assert run.heard[-1] == {"worker": "w0", "role": "selfplay", "doing": "training", "games": words - 1}


@pytest.mark.usefixtures("clock")
def test_in_a_folder_what_is_new_is_said_at_once() -> None:
    folder, bucket = Listener("runs/9x9"), Listener("gs://bucket/run")
    for run in (folder, bucket):
        say = beats(run)
        for doing in ("waiting", "waiting", "training"):
            say(doing)

    assert folder.words == ["waiting", "training"]
    assert bucket.words == ["waiting"]


def break_down(say: Heartbeats) -> None:
    say("playing")
    raise ValueError("broken")


@pytest.mark.usefixtures("clock")
def test_the_end_is_said_unless_it_is_an_error() -> None:
    run = Listener("gs://bucket/run")
    with beats(run) as say:
        say("playing")
    with pytest.raises(ValueError, match="broken"), beats(run) as say:
        break_down(say)

    assert run.words == ["playing", "stopped", "playing"]


def test_a_trainer_speaks_while_it_trains(tmp_path: Path, clock: Hours, monkeypatch: pytest.MonkeyPatch) -> None:
    run, stop, heard = Run.create(str(tmp_path / "run"), CONFIG), threading.Event(), []

    def listen(_: str, status: dict[str, Any]) -> None:
        heard.append(status["doing"])
        clock.now += 100.0

    publish_random_games(run, 0, 1)
    monkeypatch.setattr(run.telemetry, "heartbeat", listen)
    monkeypatch.setattr("minigo.train.Run.publish_network", stopping(Run.publish_network, stop))
    train_worker(run, stop, poll_seconds=0.01)

    steps = run.telemetry.metrics("train")[0]["steps"]
    assert heard.count("training") >= steps
    assert heard[-1] == "stopped"


def stopping(publish: Any, stop: threading.Event) -> Any:
    """Stops the trainer once it has published what it trained."""

    def published(run: Run, weights: bytes, info: dict[str, Any]) -> Any:
        name = publish(run, weights, info)
        if name != "000000":
            stop.set()
        return name

    return published


def test_a_trainer_counts_the_time_of_those_before_it(tmp_path: Path) -> None:
    run, stop = Run.create(str(tmp_path / "run"), Config()), threading.Event()
    run.telemetry.heartbeat("trainer", {"elapsed_seconds": 1000.0})
    threading.Timer(0.3, stop.set).start()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minigo.train.RunTrainer", Idle)
        train_worker(run, stop, poll_seconds=0.05)

    last = run.telemetry.heartbeats()["trainer"]
    assert last["doing"] == "stopped"
    assert 1000.0 < last["elapsed_seconds"] < 1060.0


class Idle:
    """A trainer that never has games."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def publish_first_network(self) -> str:
        return "000000"

    def new_shards(self) -> list[str]:
        return []
