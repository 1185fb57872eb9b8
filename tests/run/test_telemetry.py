# SPDX-License-Identifier: Apache-2.0
"""What the roles of a run say of themselves."""

import math
import time
from pathlib import Path

import pytest

from minigo.run import CorruptError, Run
from tests.run.conftest import CONFIG, other


def test_metrics_come_back_in_the_order_of_their_times(run):
    run.telemetry.append_metrics("selfplay", "w0", [{"time": 3.0, "games": 1}, {"time": 1.0, "games": 2}])
    other(run).telemetry.append_metrics("selfplay", "w1", [{"time": 2.0, "games": 3}])
    other(run).telemetry.append_metrics("selfplay", "w0", [{"time": 0.5, "games": 4}])
    run.telemetry.append_metrics("selfplay", "w0", [])

    assert [row["games"] for row in run.telemetry.metrics("selfplay")] == [4, 2, 3, 1]
    assert run.telemetry.metrics("train") == []


def test_who_asks_is_told_of_damage_and_shown_the_rest(tmp_path):
    run = Run.create(str(tmp_path / "run"), CONFIG)
    run.telemetry.append_metrics("loop", "w0", [{"games": 1}])
    run.telemetry.append_metrics("loop", "w1", [{"games": 2}])
    run.telemetry.heartbeat("w0", {"doing": "playing"})
    run.telemetry.heartbeat("w1", {"doing": "playing"})
    for torn in ("metrics/loop/w0-000000.jsonl", "heartbeats/w1.json"):
        (tmp_path / "run" / torn).write_bytes(b"torn")
    told = {}

    shown = Run.open(run.url, lambda path, reason: told.update({path: reason}))

    assert [row["games"] for row in shown.telemetry.metrics("loop")] == [2]
    assert list(shown.telemetry.heartbeats()) == ["w0"]
    assert set(told) == {"metrics/loop/w0-000000.jsonl", "heartbeats/w1.json"}
    with pytest.raises(CorruptError, match=r"w1\.json"):
        Run.open(run.url).telemetry.heartbeats()


def test_metrics_without_a_time_get_one_and_nan_becomes_null(run):
    before = time.time()
    run.telemetry.append_metrics("train", "t", [{"loss": math.nan, "rate": math.inf, "step": 1}])

    (row,) = other(run).telemetry.metrics("train")
    assert before <= row["time"] <= time.time()
    assert (row["loss"], row["rate"], row["step"]) == (None, None, 1)


def test_many_chunks_of_one_worker_never_collide(run):
    workers = [run, other(run)]
    for number in range(6):
        workers[number % 2].telemetry.append_metrics("train", "t", [{"time": float(number)}])

    assert [row["time"] for row in run.telemetry.metrics("train")] == [0, 1, 2, 3, 4, 5]


def test_the_last_heartbeat_of_a_worker_counts(run):
    for games in (1, 2):
        run.telemetry.heartbeat("w0", {"games": games})
    other(run).telemetry.heartbeat("w1", {"loss": math.nan})

    beats = run.telemetry.heartbeats()
    assert {worker: beat.get("games") for worker, beat in beats.items()} == {"w0": 2, "w1": None}
    assert abs(beats["w0"]["time"] - time.time()) < 60


def test_a_report_is_written_over_the_one_before(run):
    assert run.telemetry.write_report("report.html", b"old") == f"{run.url}/report.html"
    other(run).telemetry.write_report("report.html", b"new")

    assert run.read("report.html") == b"new"


def test_tensorboard_events_lie_beside_a_local_run_alone(run):
    expected = Path(run.url) / "tensorboard" / "train" if not run.url.startswith("gs://") else None

    assert run.telemetry.tensorboard_folder("train") == expected
