# SPDX-License-Identifier: Apache-2.0
"""The GTP client against GNU Go and against engines broken in every way, each a few lines of Python."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from minigo.engines.external import GtpClient, GtpCommandError, PlayerError

GNUGO = shutil.which("gnugo", path=os.environ["PATH"] + ":/usr/games")

# Answers `echo` with its arguments and `fail` with a refusal, as a sound engine does, else runs `{}`.
ENGINE = """
import os, signal, subprocess, sys, time
def reply(text, status="="):
    sys.stdout.write(f"{{status}}{{number}} {{text}}\\n\\n")
    sys.stdout.flush()
for line in iter(sys.stdin.readline, ""):
    number, _, command = line.strip().partition(" ")
    name, _, rest = command.partition(" ")
    if name == "quit":
        break
    elif name == "echo":
        reply(rest)
    elif name == "fail":
        reply(rest, "?")
    else:
        {}
"""


@pytest.fixture
def engine(tmp_path: Path):
    """Makes a client of an engine that answers an unknown command by running `code`."""
    clients = []

    def start(code: str, seconds: float = 5.0) -> GtpClient:
        script = tmp_path / f"engine{len(clients)}.py"
        script.write_text(ENGINE.format(code))
        clients.append(GtpClient(shlex.join([sys.executable, "-S", str(script)]), seconds=seconds))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def processes_with(marker: str) -> list[str]:
    """The living processes whose command line tells of `marker`, and our own children that nobody reaped."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            zombie = state == "Z" and int(parent) == os.getpid()
            if zombie or marker in (folder / "cmdline").read_text():
                found.append(folder.name)
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie that init has not reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def dies(pid: int) -> bool:
    """Whether the process ends soon: its killer does not wait for one that is not its child."""
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_reply_is_returned_without_status_and_id(engine):
    client = engine("pass")
    assert client.send("echo D4") == "D4"
    assert client.send("echo") == ""


def test_reply_may_have_several_lines_and_carriage_returns(engine):
    client = engine(r"reply('one\r\ntwo\r')")
    assert client.send("lines") == "one\ntwo"
    assert client.send("echo still in step") == "still in step"


def test_refused_command_names_the_reason_and_leaves_the_engine_running(engine):
    client = engine("pass")
    with pytest.raises(GtpCommandError, match="refused 'fail illegal move': illegal move"):
        client.send("fail illegal move")
    assert client.send("echo here") == "here"


def test_command_with_a_newline_is_not_sent(engine):
    client = engine("pass")
    with pytest.raises(ValueError, match="one line"):
        client.send("echo a\necho b")
    assert client.send("echo c") == "c"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("time.sleep(60)", "no reply to 'break' within 1 s"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", "no reply"),
        ("os.close(1); time.sleep(60)", "closed its pipe"),
        ("sys.exit(3)", "exited with status 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was killed by signal 11"),
        (
            "print('segmentation fault', flush=True); time.sleep(60)",
            "must begin with = or [?].*segmentation fault",
        ),
        ("number = '99'; reply('D4'); time.sleep(60)", "reply to command 2, 'break', is '=99 D4'"),
        ("print('= D4\\n', flush=True); time.sleep(60)", "reply to command 2, 'break', is '= D4'"),
        ("sys.stdout.write('=2 D4\\n'); sys.stdout.flush(); time.sleep(60)", "no reply"),
        ("while True: print('=2' + 'D4 ' * 1000, flush=True)", "more than 1048576 bytes without an end"),
        ("while True: os.write(1, b'\\n' * 65536)", "no reply"),
        ("while True: print('thinking', file=sys.stderr)", "no reply.*stderr ends with.*thinking"),
        ("os.write(1, bytes(range(128, 256))); time.sleep(60)", "must begin with|no reply"),
        (
            "print('out of memory', file=sys.stderr, flush=True); sys.exit(1)",
            "status 1; stderr ends with 'out of mem",
        ),
    ],
)
def test_broken_engine_raises_in_time_and_is_killed(engine, tmp_path, code, message):
    before = open_files()
    client = engine(code, seconds=1.0)
    assert client.send("echo ready", seconds=20.0) == "ready"
    assert len(processes_with(str(tmp_path))) == 1

    began = time.monotonic()
    with pytest.raises(PlayerError, match=message):
        client.send("break")

    assert time.monotonic() - began < 3.0
    assert processes_with(str(tmp_path)) == []
    assert open_files() <= before  # earlier tests may still be closing theirs
    with pytest.raises(PlayerError, match="not running"):
        client.send("echo again")


def test_engine_that_speaks_unasked_is_out_of_step(engine):
    client = engine("reply('D4'); reply('E5')")
    assert client.send("twice") == "D4"
    with pytest.raises(PlayerError, match="reply to command 2, 'echo x', is '=1 E5'"):
        client.send("echo x")
    assert not client.is_alive


def test_engine_that_does_not_read_is_given_up_in_time(engine):
    client = engine("time.sleep(60)", seconds=0.5)
    with pytest.raises(PlayerError, match="no reply"):
        client.send("break " + "x" * 200_000)


@pytest.mark.parametrize("ignored", ["signal.SIGTERM", "signal.SIGHUP"])
def test_children_of_the_engine_die_with_it(engine, ignored):
    child = f"import signal, time; signal.signal({ignored}, signal.SIG_IGN); time.sleep(60)"
    code = f"reply(subprocess.Popen([sys.executable, '-S', '-c', {child!r}]).pid)"
    client = engine(code)
    children = [int(client.send("spawn")) for _ in range(2)]
    assert all(is_alive(pid) for pid in children)

    client.close()

    assert all(dies(pid) for pid in children)


def test_children_that_hold_the_pipes_of_a_dead_engine_die_too(engine):
    code = "print(subprocess.Popen(['sleep', '60']).pid, file=sys.stderr, flush=True); sys.exit(5)"
    client = engine(code, seconds=1.0)
    with pytest.raises(PlayerError, match=r"stderr ends with '\d+'") as error:
        client.send("break")
    pid = int(str(error.value).rpartition("'")[0].rpartition("'")[2])
    assert dies(pid)


def test_close_lets_a_sound_engine_finish_and_may_be_called_again(engine, tmp_path):
    client = engine(f"open({str(tmp_path / 'said')!r}, 'w').write('x'); reply('')")
    client.send("write")
    began = time.monotonic()
    client.close()
    client.close()
    assert time.monotonic() - began < 1.0  # it left on "quit", not after the patience
    assert not client.is_alive
    assert processes_with(str(tmp_path)) == []


def test_close_does_not_wait_for_an_engine_that_ignores_quit(engine, tmp_path):
    client = engine("reply(''); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)")
    client.send("hang")
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 3.0
    assert processes_with(str(tmp_path)) == []


def test_forgotten_client_leaves_no_process(tmp_path):
    script = tmp_path / "forgetful.py"
    engine_command = shlex.join([sys.executable, "-S", "-c", "import time; time.sleep(60)", str(tmp_path)])
    script.write_text(
        f"from minigo.engines.external import GtpClient\nclient = GtpClient({engine_command!r})\nraise SystemExit(0)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, str(script)], check=True, timeout=60, env=environment)
    assert processes_with(str(tmp_path)) == []


def test_interrupt_while_waiting_ends_the_engine(engine, tmp_path):
    client = engine("time.sleep(60)", seconds=30.0)
    client.send("echo ready")
    previous = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            client.send("think")
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert processes_with(str(tmp_path)) == []


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/no/such/engine --gtp", "can not run .*No such file"),
        ("", "can not run .*empty"),
        ("gnugo 'unfinished", "can not run .*No closing quotation"),
    ],
)
def test_command_line_that_can_not_run_is_refused(command, message):
    before = open_files()
    with pytest.raises(PlayerError, match=message):
        GtpClient(command)
    assert open_files() <= before  # earlier tests may still be closing theirs


@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
def test_gnugo_answers():
    with GtpClient(f"{GNUGO} --mode gtp") as client:
        assert client.send("name") == "GNU Go"
        client.send("boardsize 5")
        assert client.send("genmove b") != ""
        with pytest.raises(GtpCommandError, match="invalid color or coordinate"):
            client.send("play black Z9")


def test_a_wait_for_a_silent_engine_ends_when_it_is_told_to_stop() -> None:
    stop = threading.Event()
    client = GtpClient("sleep 60", stop=stop)
    threading.Timer(0.5, stop.set).start()
    started = time.monotonic()
    with pytest.raises(PlayerError, match="stopped"):
        client.send("name")

    assert time.monotonic() - started < 5
    assert not client.is_alive
