# SPDX-License-Identifier: Apache-2.0
"""What a worker says of itself over HTTP, its log lines and its name."""

import json
import logging
import re
import socket
import urllib.error
import urllib.request

import pytest

from minigo.health import Health, serving, worker_name
from minigo.logs import JsonFormatter


def answer(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_worker_is_ready_once_it_has_begun_to_work():
    health = Health("train", "w")
    with serving(health, 0, "127.0.0.1") as port:
        assert answer(port, "/healthz")[0] == 200
        assert answer(port, "/readyz")[0] == 503
        health.beat("training")
        status, text = answer(port, "/readyz")

    assert status == 200
    assert "train w: training" in text


def test_a_worker_that_does_not_get_on_is_not_alive_until_it_does():
    health = Health("train", "w", stall_seconds=0.0)
    with serving(health, 0, "127.0.0.1") as port:
        assert answer(port, "/healthz")[0] == 503
    assert Health("train", "w").is_alive()


def test_waiting_for_others_is_no_reason_to_end_a_worker_and_makes_none_ready():
    health = Health("selfplay", "w")
    before = health.metrics()
    health.wait("waiting: it is not there yet")

    assert health.metrics() != before  # it got on
    assert not health.is_ready()
    assert "it is not there yet" in health.describe()


def test_waiting_for_storage_is_no_reason_to_end_a_worker():
    health = Health("train", "w", stall_seconds=0.5)
    health._last_beat -= 1.0
    assert not health.is_alive()
    health.count_retry()

    assert health.is_alive()
    assert not health.is_ready()


METRIC = re.compile(r'# TYPE \w+ (gauge|counter)|\w+\{(\w+="[^"]*",?)+\} [0-9.e+-]+')


def test_metrics_are_in_prometheus_format():
    health = Health("selfplay", "w-1", lambda: {"selfplay_games_total": 12.0})
    health.beat()
    health.count_retry()
    with serving(health, 0, "127.0.0.1") as port:
        status, text = answer(port, "/metrics")

    assert status == 200
    assert all(METRIC.fullmatch(line) for line in text.splitlines()), text
    assert '\nminigo_selfplay_games_total{role="selfplay",worker="w-1"} 12.0\n' in text
    assert "# TYPE minigo_selfplay_games_total counter\n" in text
    assert 'minigo_storage_retries_total{role="selfplay",worker="w-1"} 1.0\n' in text


def test_other_paths_are_not_found():
    with serving(Health("train", "w"), 0, "127.0.0.1") as port:
        assert answer(port, "/")[0] == 404


def test_a_taken_port_is_one_clear_error():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="cannot listen on health port"),
        serving(Health("train", "w"), taken.getsockname()[1], "127.0.0.1"),
    ):
        pass


def test_no_port_is_opened_unless_asked_for():
    with serving(Health("train", "w"), None) as port:
        assert port is None


def test_a_container_that_starts_again_in_its_pod_is_another_worker(monkeypatch):
    monkeypatch.setenv("POD_UID", "3e2f1a90-aaaa-bbbb")
    monkeypatch.setattr(socket, "gethostname", lambda: "selfplay-7d-abc.local")
    first = worker_name()
    names = {worker_name() for _ in range(10_000)}

    assert first.startswith("selfplay-7d-abc-3e2f1a90-")
    assert len(names) > 1
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) for name in names)


def test_a_json_line_says_time_severity_and_message():
    record = logging.LogRecord("minigo.train", logging.WARNING, "f.py", 1, "step %d", (3,), None)
    line = JsonFormatter().format(record)

    assert "\n" not in line
    document = json.loads(line)
    assert (document["severity"], document["message"], document["logger"]) == ("WARNING", "step 3", "minigo.train")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document["time"])
