# SPDX-License-Identifier: Apache-2.0
"""SIGTERM during a start ends the process there; afterwards it is told to the work."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from minigo.config import Config, EvaluateConfig, GameConfig
from minigo.stopping import STOPPED_EARLY, WRITE_FAILED, StopSignals, starting, unless_stopped
from tests.support.match_runs import run_with_networks
from tests.support.slow_framework import SlowFramework
from tests.support.waiting import wait_until

MATCH = "pair"
ROLES = {
    "loop": ("--dashboard_port=0",),
    "train": (),
    "selfplay": (),
    "evaluate": (),
    "match-pair": (f"--match={MATCH}", "--pair=0"),
    "rate": ("--games=4", "--book=BOOK"),
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_is_told_to_stop_while_it_imports_its_framework_ends_at_once(role, tmp_path):
    config = Config(game=GameConfig(board_size=5), evaluate=EvaluateConfig(games=2))
    run, slow = run_with_networks(tmp_path / "run", 2, config), SlowFramework(tmp_path)
    run.matches.publish_spec(MATCH, {"player": "000001", "opponent": "000000", "seed": 1, "evaluate": {}})
    flags = [flag.replace("BOOK", str(tmp_path / "book")) for flag in ROLES[role]]
    command = [sys.executable, "-m", "minigo", role, f"--run={run.url}", *flags]
    with subprocess.Popen(command, env=slow.environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: slow.importers() or process.poll() is not None, 60)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()

    assert process.returncode == STOPPED_EARLY, err
    assert time.monotonic() - began < 2
    assert "Traceback" not in err


def test_a_stop_from_before_the_start_ends_it_where_it_begins():
    script = """
import signal, time
from minigo.stopping import StopSignals, starting
with StopSignals().handled():
    signal.raise_signal(signal.SIGTERM)
    print("told", flush=True)
    with starting():
        print("started", flush=True)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout) == (STOPPED_EARLY, "told\n")
    assert "stopped while starting" in result.stderr


def test_after_the_start_the_work_is_told():
    signals = StopSignals()
    with signals.handled():
        with starting():
            assert not signals.stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert signals.stop.is_set()


def test_ctrl_c_during_a_start_is_told_to_the_work():
    signals = StopSignals()
    with signals.handled(), starting():
        signal.raise_signal(signal.SIGINT)

    assert signals.stop.is_set()


def test_a_start_beside_the_main_thread_does_not_end_the_main_work():
    signals = StopSignals()
    inside, told = threading.Event(), threading.Event()

    def load() -> None:
        with starting():
            inside.set()
            told.wait(10)

    with signals.handled():
        loader = threading.Thread(target=load)
        loader.start()
        inside.wait(10)
        signal.raise_signal(signal.SIGTERM)
        told.set()
        loader.join()

    assert signals.stop.is_set()


def test_other_programs_keep_their_own_handling():
    before = signal.getsignal(signal.SIGTERM)
    with starting():
        assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_ends_with_its_exit_handlers_and_its_output_whatever_work_it_left_behind():
    script = """
import atexit, threading, time
from minigo.stopping import end_process, unless_stopped
class Large:
    def __del__(self):
        time.sleep(60)
stop, large = threading.Event(), Large()
atexit.register(print, "handled")
threading.Timer(0.2, stop.set).start()
print(unless_stopped("sleep", lambda: time.sleep(60), stop))
print(unless_stopped("add", lambda: 1 + 1, threading.Event()))
end_process(7)
"""
    began = time.monotonic()
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout) == (7, "None\n2\nhandled\n"), result.stderr
    assert time.monotonic() - began < 10


def test_output_that_reaches_nobody_is_a_failure_that_is_told():
    script = "from minigo.stopping import end_process; print('result'); end_process(0)"
    command = [sys.executable, "-c", script]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)

    assert (result.returncode, result.stderr) == (WRITE_FAILED, "minigo: <stdout>: No space left on device\n")


@pytest.mark.parametrize("output", ["None", "open('/dev/null'); sys.stdout.close()"])
def test_a_process_without_output_ends_well(output):
    script = f"import sys; from minigo.stopping import end_process; sys.stdout = {output}; end_process(0)"
    result = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, check=False)

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("work", "code", "said"), [("return 5", 5, ""), ("raise KeyError('bug')", 1, "KeyError: 'bug'")]
)
def test_the_program_ends_so(work, code, said):
    script = f"""
import time
from minigo import __main__ as program
class Large:
    def __del__(self):
        time.sleep(60)
def main():
    {work}
program.main, large = main, Large()
program.run()
"""
    began = time.monotonic()
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert result.returncode == code
    assert said in result.stderr
    assert time.monotonic() - began < 10


def test_what_the_work_raises_reaches_who_waits_for_it():
    def fail() -> None:
        raise ValueError("no such network")

    with pytest.raises(ValueError, match="no such network"):
        unless_stopped("load", fail, threading.Event())
