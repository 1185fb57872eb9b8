# SPDX-License-Identifier: Apache-2.0
"""Processes that end with the one that started them, however it ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.match_runs import run_with_networks
from tests.support.slow_framework import SlowFramework
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")


def is_running(process: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False


def test_a_process_ends_with_the_one_that_started_it():
    script = """
import subprocess, time
from minigo.child import child_module
child = subprocess.Popen([*child_module("http.server", ends_with_parent=True), "0"], stdout=subprocess.PIPE)
child.stdout.readline()  # it serves
print(child.pid, flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()

    wait_until(lambda: not is_running(child))


def test_a_process_whose_parent_has_ended_before_it_watched_ends_too():
    script = "import os; from minigo.child import end_with_parent; end_with_parent(os.getppid() + 1); print('lives')"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout) == (-signal.SIGTERM, "")


def test_a_killed_controller_leaves_no_pair_behind(tmp_path):
    run, slow = run_with_networks(tmp_path / "run", 2), SlowFramework(tmp_path)
    command = [sys.executable, "-m", "minigo", "evaluate", f"--run={run.url}", "--launcher=local", "--parallelism=2"]
    with subprocess.Popen(command, env=slow.environment()) as controller:
        wait_until(lambda: len(slow.importers()) == 2, 60)  # its pairs
        pairs = slow.importers()
        assert controller.pid not in pairs
        assert all(map(is_running, pairs))
        controller.kill()

    wait_until(lambda: not any(map(is_running, pairs)), 5)
