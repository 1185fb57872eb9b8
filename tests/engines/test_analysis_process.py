# SPDX-License-Identifier: Apache-2.0
"""The JSON analysis engine as a process: how it begins, how it ends, and what it writes where."""

import io
import json
import os
import signal
import sys
import threading
import time

import pytest

from minigo.config import SearchConfig
from minigo.engines.analysis import AnalysisEngine, Capacity
from tests.support.analysis_client import (
    DEFAULTS,
    ENDLESS,
    OwningEvaluator,
    conversation,
    process,
    query,
)
from tests.support.waiting import slack

# The beginning and the end.


def test_requests_that_come_before_the_network_are_kept(capfd):
    ready = threading.Event()

    def load():
        ready.wait(30)
        return OwningEvaluator()

    with conversation(load=load) as client:
        client.send({"id": "m", "action": "query_models"}, query("a"), query("b"), query("a"))
        assert client.take()["field"] == "id"
        client.send({"id": "t", "action": "terminate", "terminateId": "b"}, {"id": "v", "action": "query_version"})
        assert client.take() == {"id": "b", "turnNumber": 0, "isDuringSearch": False, "noResults": True}
        assert [client.take()["id"] for _ in range(2)] == ["t", "v"]
        assert "Started, ready to begin handling requests" not in capfd.readouterr().err
        ready.set()
        assert client.take()["models"][0]["name"] == "area"
        client.result("a")
    assert "Started, ready to begin handling requests" in capfd.readouterr().err


def test_failure_to_load_ends_the_conversation_with_its_reason():
    def load():
        raise FileNotFoundError("no network here")

    reader, writer = os.pipe()
    lines = os.fdopen(reader, "rb", buffering=0)
    engine = AnalysisEngine(load, SearchConfig(), DEFAULTS, Capacity(), version="1.2.3")
    with pytest.raises(FileNotFoundError, match="no network here"):
        engine.run(lines, io.BytesIO())
    os.close(writer)


def test_end_of_input_finishes_what_is_open():
    with conversation() as client:
        client.send(*(query(f"{number}", maxVisits=200) for number in range(5)))
        assert sorted(reply["id"] for reply in client.close()) == [f"{number}" for number in range(5)]


# A process of its own.


def test_a_process_writes_nothing_but_replies_to_stdout():
    lines = [{"id": "v", "action": "query_version"}, query()]
    with process() as running:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        output, errors = running.communicate(text.encode(), timeout=60)
    assert [json.loads(line)["id"] for line in output.splitlines()] == ["v", "q"]
    assert b"a framework greets stdout" in errors
    assert b"Started, ready to begin handling requests" in errors
    assert running.returncode == 0


def test_version_is_told_while_the_network_loads():
    with process(load="import time; time.sleep(30)") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(b'{"id": "v", "action": "query_version"}\n')
        running.stdin.flush()
        assert json.loads(running.stdout.readline())["version"] == "1.2.3"


def test_sigterm_ends_a_search_at_once():
    with process(command=[sys.executable, "-m", "minigo", "analysis"]) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(json.dumps(query(maxVisits=ENDLESS, reportDuringSearchEvery=0.01)).encode() + b"\n")
        running.stdin.flush()
        running.stdout.readline()
        began = time.monotonic()
        running.terminate()
        assert running.wait(10) == -signal.SIGTERM
        assert time.monotonic() - began < 0.5 * slack()


def test_a_process_ends_when_nobody_reads_it():
    """KaTrain's shell may be gone while a search goes on that would never end."""
    with process() as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(json.dumps(query(maxVisits=ENDLESS, reportDuringSearchEvery=0.01)).encode() + b"\n")
        running.stdin.flush()
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(10) == 1
