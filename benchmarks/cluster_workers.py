# SPDX-License-Identifier: Apache-2.0
"""Claim: sixteen self-play workers at one bucket spend under 2 % of their time on publishing, one trainer keeps up with
them, nothing is lost or trained on twice, and new shards are found within a second among 100,000.

Everything is real but the bucket: workers and trainer are processes, as on a cluster, and the bucket is the tests'
emulator, in a process of its own. The network is tiny, and nobody judges candidates, so that the workers share the
machine's cores with the trainer alone. What publishing costs is each worker's own count of the seconds that its
thread spent on it (`minigo_selfplay_publish_seconds_total`), as a share of the seconds that passed.

The lag is the number of shards that are published and not in the trainer's latest commit. It rises and falls with
every commit; where the trainer keeps up, its mean in the last third of the time is that of the second.
"""

import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from measure import Options, Ratio, Result, main

from minigo.child import child_module
from minigo.config import Config, GameConfig, LoopConfig, NetworkConfig, SearchConfig, SelfPlayConfig, TrainConfig
from minigo.data.shards import read_shard
from minigo.run import Run

ROOT: Final = Path(__file__).parent.parent
URL: Final = "gs://bucket/run"
START_SECONDS: Final = 1800.0  # until every worker has finished a shard
END_SECONDS: Final = 300.0  # all of them, on few cores
SAMPLE_SECONDS: Final = 5.0
TELL_SECONDS: Final = 30.0
MOST_PUBLISHING: Final = 0.02
MOST_GROWTH: Final = 1.5  # of the lag from the second third to the last one
CONFIG: Final = Config(
    game=GameConfig(board_size=5, komi=0.5),
    network=NetworkConfig(blocks=1, channels=8),
    search=SearchConfig(num_simulations=16),
    selfplay=SelfPlayConfig(num_simulations=64, fast_simulations=16, games_per_shard=32, random_games=0),
    train=TrainConfig(replay_ratio=1.0, window_min=5000, holdout_share=0.0),
    loop=LoopConfig(games_per_generation=512),
)


class Sample(NamedTuple):
    """What the run holds at one moment."""

    seconds: float
    published: int
    trained: int

    @property
    def lag(self) -> int:
        """Shards that the trainer has yet to train on."""
        return self.published - self.trained


def run(options: Options) -> Result:
    """Lets the workers work, counts what they made, and looks for new shards in a bucket that has a great many."""
    with tempfile.TemporaryDirectory() as folder, _emulator(), contextlib.ExitStack() as stack:
        made = Run.create(URL, CONFIG)
        trainer = stack.enter_context(_role("train", Path(folder), "trainer"))
        _wait_until(lambda: made.networks(), "the first network")
        made.promote("000000", {"reason": "first"}, None)
        ports = [_free_port() for _ in range(options.workers)]
        workers = [
            stack.enter_context(_role("selfplay", Path(folder), f"worker-{port}", f"--health_port={port}"))
            for port in ports
        ]
        _wait_until(lambda: all(_games(port) for port in ports), "a shard of each worker")
        samples, shares = _watch(made, ports, options.seconds)
        _tell("the workers are told to stop")
        for worker in workers:
            worker.terminate()
        ends = [_end_of(worker) for worker in workers]
        trainer.terminate()
        _end_of(trainer)
        played = sum(int(found[0]) for found in (re.findall(r"played (\d+) games", text) for text in ends))
        figures, ratios = _speed(samples, shares)
        counts = _counts(made, played)
    figures |= counts | _listing(options.shards)
    ratios["listing of new shards: 1 s"] = Ratio(figures["new shards found, s"], 1.0, 0.5, lower_is_better=True)
    if counts["games lost"] or counts["games twice"] or counts["shards trained on twice"]:
        raise RuntimeError(f"games were lost or are there twice: {counts}")
    return Result(figures, ratios)


def _watch(made: Run, ports: list[int], seconds: float) -> tuple[list[Sample], list[float]]:
    """What the run held meanwhile, and the share of each worker's time that it spent on publishing."""
    before = [(time.monotonic(), _publishing(port)) for port in ports]
    began, told, samples = time.monotonic(), -TELL_SECONDS, list[Sample]()
    while not samples or samples[-1].seconds < seconds:
        samples.append(Sample(time.monotonic() - began, len(made.shards()), len(made.training.consumed_shards())))
        if samples[-1].seconds - told >= TELL_SECONDS:
            told = samples[-1].seconds
            _tell(f"{told:.0f} s: {samples[-1].published} shards published, {samples[-1].lag} to be trained on")
        time.sleep(min(SAMPLE_SECONDS, max(0.1, seconds / 20)))
    after = [(time.monotonic(), _publishing(port)) for port in ports]
    return samples, [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(before, after, strict=True)]


def _speed(samples: list[Sample], shares: list[float]) -> tuple[dict[str, float], dict[str, Ratio]]:
    """Figures and ratios of the workers and the trainer at work."""
    seconds = samples[-1].seconds - samples[0].seconds
    published = samples[-1].published - samples[0].published
    thirds = [
        [sample.lag for sample in samples if low <= 3 * sample.seconds / samples[-1].seconds <= low + 1]
        for low in range(3)
    ]
    lags = [statistics.mean(third) for third in thirds]
    figures = {
        "seconds": seconds,
        "shards published a minute": 60 * published / seconds,
        "shards trained on a minute": 60 * (samples[-1].trained - samples[0].trained) / seconds,
        "commits": float(len({sample.trained for sample in samples}) - 1),
        "time spent on publishing, median, %": 100 * statistics.median(shares),
        "time spent on publishing, worst, %": 100 * max(shares),
        "lag, mean of the first third, shards": lags[0],
        "lag, mean of the second third, shards": lags[1],
        "lag, mean of the last third, shards": lags[2],
        "lag, worst, shards": float(max(sample.lag for sample in samples)),
    }
    ratios = {
        "worst share of a worker's time for publishing": Ratio(max(shares), MOST_PUBLISHING, 1.0, lower_is_better=True),
        "lag of the last third over that of the second": Ratio(
            lags[2] / max(1.0, lags[1]), MOST_GROWTH, 0.5, lower_is_better=True
        ),
    }
    return figures, ratios


def _counts(made: Run, played: int) -> dict[str, float]:
    """How much is in the run, against what the workers say that they published."""
    shards = {path: read_shard(made.read(path))[1] for path in made.shards() + made.shards(holdout=True)}
    games = [record.game_id for records in shards.values() for record in records]
    order = made.training.consumption_order()
    return {
        "shards published": float(len(shards)),
        "shards trained on": float(len(order)),
        "games published": float(len(games)),
        "games lost": float(played - len(games)),
        "games twice": float(len(games) - len(set(games))),
        "shards trained on twice": float(len(order) - len(set(order))),
        "shards in quarantine": float(len(made.quarantined())),
    }


def _listing(shards: int) -> dict[str, float]:
    """How long it takes to list all shards of a run, and to find a new one among them."""
    with _emulator() as fill:
        made = Run.create(URL, CONFIG)
        fill(shards)
        began = time.perf_counter()
        found = len(made.shards())
        all_seconds = time.perf_counter() - began
        made.publish_shard(made.shard_name("000000", "benchmark", 0), b"games")
        began = time.perf_counter()
        if (found, len(made.shards())) != (shards, shards + 1):
            raise RuntimeError(f"a run of {shards} shards must list them and then one more, got {found} at first")
    return {"all shards listed, s": all_seconds, "new shards found, s": time.perf_counter() - began}


@contextlib.contextmanager
def _emulator() -> Iterator[Callable[[int], None]]:
    """A bucket in a process of its own, for this process and those that it starts; yields what puts shards there."""
    command = [sys.executable, "-m", "tests.support.gcs_emulator"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the emulator must have its pipes")
        asked, answers = process.stdin, process.stdout
        os.environ["STORAGE_EMULATOR_HOST"] = answers.readline().strip()

        def fill(shards: int) -> None:
            asked.write(f"{shards}\n")
            asked.flush()
            answers.readline()

        try:
            yield fill
        finally:
            asked.close()  # which is how it knows


@contextlib.contextmanager
def _role(role: str, folder: Path, name: str, *flags: str) -> Iterator["subprocess.Popen[str]"]:
    """A role of the run as a process of one thread, in a session of its own, among which Linux shares out the cores.

    What it logs goes to a file.
    """
    command = [*child_module("minigo", ends_with_parent=True), role, f"--run={URL}", f"--worker={name}"]
    command += ["--machine.threads=1", "--machine.precision=float32", *flags]
    with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
    try:
        yield process
    except BaseException:
        _tell((folder / f"{name}.log").read_text(encoding="utf-8")[-1000:])
        raise
    finally:
        process.kill()
        process.wait()


def _end_of(process: "subprocess.Popen[str]") -> str:
    """What a role that was told to stop has printed."""
    out, _ = process.communicate(timeout=END_SECONDS)
    if process.returncode != 0:
        raise RuntimeError(f"{process.args!r} must end with 0, got {process.returncode}")
    return str(out)


def _wait_until(condition: Callable[[], object], what: str) -> None:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > START_SECONDS:
            raise RuntimeError(f"waited {START_SECONDS:.0f} s for {what}")
        time.sleep(1.0)
    _tell(f"there is {what}, after {time.monotonic() - began:.0f} s")


def _metric(port: int, name: str) -> float:
    """One of a worker's numbers; 0 where it does not answer yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as reply:
            found = re.search(rf"^{name}\{{.*\}} (\S+)$", reply.read().decode(), re.MULTILINE)
    except OSError:
        return 0.0
    return float(found[1]) if found is not None else 0.0


def _games(port: int) -> float:
    return _metric(port, "minigo_selfplay_games_total")


def _publishing(port: int) -> float:
    return _metric(port, "minigo_selfplay_publish_seconds_total")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(__doc__, run, seconds=600.0, workers=16, shards=100_000)
