# SPDX-License-Identifier: Apache-2.0
"""The command line as a person or script meets it: help, exit codes, streams, signals."""

import dataclasses
import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import absl
import pytest

from minigo import __main__ as program
from minigo import commands, flags
from minigo.child import child_module
from minigo.commands.common import open_run
from minigo.commands.learning import LOOP
from minigo.config import Config, ConfigError, GameConfig, NetworkConfig
from minigo.documents import CorruptError, RunError, StaleError
from minigo.run import Run
from minigo.storage import StorageError, Unavailable
from tests.support.fake_engine import command_line, heard
from tests.support.waiting import slack

NAMES = [command.name for command in commands.COMMANDS]
HEAVY = {"numpy", "pyarrow", "scipy", "keras", "tensorflow", "matplotlib", "tqdm", "sgfmill", "google.cloud"}


def run_minigo(*arguments, folder=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "minigo", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env={**os.environ, **environment},
    )


def answer(capsys, *arguments):
    """Exit code, stdout and stderr of a command line run in this process."""
    code = program.main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("flag", ["--help", "--helpfull", "--helpshort"])
def test_help_of_every_command_teaches(capsys, name, flag):
    code, out, err = answer(capsys, name, flag)

    assert (code, err) == (0, "")
    assert f"minigo {name}" in out
    assert "Examples:" in out
    assert "Flags:" in out


def test_help_lists_every_command(capsys):
    code, out, _ = answer(capsys, "--help")

    assert code == 0
    assert all(f"minigo {name} " in out for name in NAMES)


def test_no_command_shows_the_help_and_is_a_usage_error(capsys):
    code, out, _ = answer(capsys)

    assert code == 2
    assert "Commands:" in out


@pytest.mark.parametrize("name", NAMES)
def test_help_imports_nothing_heavy_and_answers_at_once(name):
    script = (
        "import sys; from minigo.__main__ import main; code = main(); "
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = subprocess.run(
            [sys.executable, "-c", script, name, "--help"], capture_output=True, text=True, check=False
        )
        seconds.append(time.perf_counter() - start)
        assert (result.returncode, result.stderr.strip()) == (0, "[]")

    assert min(seconds) < 0.5 * slack()


def test_contract_flags_exist():
    promised = {
        "loop": "run preset minutes generations seed dashboard_port",
        "selfplay": "run worker games health_port log_format wait",
        "train": "run",
        "evaluate": "run launcher parallelism worker health_port log_format wait",
        "rate": "run games opponent anchor json",
        "match": "player opponent games board_size komi rules search.num_simulations opening_plies sgf_dir json "
        "parallel handicap",
        "gtp": "run network search.num_simulations seconds_per_move resign_threshold override_version",
        "analysis": "run network",
        "dashboard": "run host port export play_token",
        "benchmark": "json board_size seconds network",
        "doctor": "json",
        "copy": "run to",
        "promote": "run network reason",
        "match-pair": "run match pair worker health_port log_format wait",
    }
    for command in commands.COMMANDS:
        assert set(promised[command.name].split()) <= set(flags.parse(command, ()))


def test_examples_are_command_lines_that_parse():
    for command in commands.COMMANDS:
        for example in command.examples:
            words = shlex.split(example.partition(" #")[0])
            assert words[:2] == ["minigo", command.name]
            flags.parse(command, words[2:])


def test_preset_help_lists_presets(capsys):
    for arguments in (("loop", "--preset=help"), ("loop", "--preset", "help")):
        code, out, _ = answer(capsys, *arguments)
        assert code == 0
        assert "demo" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lop",), "no command 'lop'; did you mean loop?"),
        (("loop", "--rum=x"), "minigo loop has no flag --rum; did you mean run"),
        (("loop", "--game.board_size=99"), "[2, 19]"),
        (("loop", "--run=x", "--preset=huge"), "no preset 'huge'"),
        (("loop",), "--run is required"),
        (("dashboard",), "--run is required"),
        (("dashboard", "--run=x", "--port=70000"), "[0, 65535]"),
        (("match", "--player=random"), "--opponent is required"),
        (
            ("match", "--player=random", "--opponent=random", "--board_size=5", "--handicap=2"),
            "--handicap: fixed handicap on 5x5 must be 0, got 2",
        ),
        (
            ("match", "--player=random", "--opponent=random", "--rules=chinese", "--handicap=2"),
            "--handicap: chinese rules give White points for the stones",
        ),
        (("gtp", "--run=x", "--network=y"), "either --run or --network"),
        (("analysis", "--run=x", "--network=y"), "either --run or --network"),
        (("doctor", "now"), "takes flags only"),
        (("rate", "again"), "takes flags only"),
        (("rate", "--run=x", "--opponent=gnugo=chess"), "--opponent=gnugo must be random, policy:FOLDER, averaged:"),
        (("rate", "--run=x", "--anchor=gnugo=strong"), "--anchor=gnugo must be a number of Elo in"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)

    code, out, err = answer(capsys, *arguments)

    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["selfplay", "evaluate", "rate"])
def test_a_folder_that_is_not_a_run_is_one_line_and_exit_1(capsys, tmp_path, name):
    code, _, err = answer(capsys, name, f"--run={tmp_path}")

    assert code == 1
    assert err == f"minigo: {tmp_path} is not a run (missing run.json)\n"
    assert list(tmp_path.iterdir()) == []


def test_waiting_is_for_a_run_that_is_not_there_not_for_one_that_cannot_be_opened(capsys, tmp_path):
    (tmp_path / "run.json").write_text('{"format_version": 1, "config": {"game": {"size": 9}}}')

    code, _, err = answer(capsys, "selfplay", f"--run={tmp_path}", "--wait")

    assert code == 1
    assert "was made by an incompatible version" in err


def test_in_json_logs_a_fatal_error_is_an_object_too(tmp_path):
    result = run_minigo("selfplay", f"--run={tmp_path / 'none'}", "--log_format=json")

    assert result.returncode == 1
    (line,) = map(json.loads, result.stderr.splitlines())
    assert line["severity"] == "ERROR"
    assert "is not a run" in line["message"]


def test_a_loop_in_a_folder_with_other_things_touches_nothing(capsys, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")

    code, _, err = answer(capsys, "loop", f"--run={tmp_path}")

    assert code == 1
    assert "thesis.txt" in err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_changed_learning_setting_is_refused_on_resume(capsys, tmp_path):
    Run.create(str(tmp_path / "run"), Config())

    code, _, err = answer(capsys, "selfplay", f"--run={tmp_path / 'run'}", "--network.blocks=7")

    assert code == 1
    assert "network.blocks" in err


def test_a_first_network_that_can_not_grow_to_the_shape_is_refused_before_there_is_a_run(capsys, tmp_path):
    large = Run.create(str(tmp_path / "large"), Config(network=NetworkConfig(blocks=2, channels=16)))
    large.publish_network(b"weights", {"network": dataclasses.asdict(large.config.network)})
    arguments = (f"--first_network={large.network_path('000000')}", "--network.blocks=1", "--network.channels=16")

    code, _, err = answer(capsys, "loop", f"--run={tmp_path / 'new'}", *arguments)
    assert code == 2
    assert "can not grow to that of this run's networks" in err
    assert "network.blocks must be 2 or more, got 1" in err
    assert not (tmp_path / "new").exists()


def test_a_run_begins_with_a_copy_and_the_same_command_resumes_it(tmp_path):
    old = Run.create(str(tmp_path / "old"), Config())
    old.publish_network(b"weights", {"network": dataclasses.asdict(old.config.network), "config_sha256": "theirs"})
    old.promote("000000", {}, None)
    arguments = (f"--run={tmp_path / 'new'}", f"--first_network={old.url}", "--game.board_size=13")
    values = flags.parse(LOOP, arguments)
    run = open_run(values, create=True)

    weights, info = run.network_files("000000")
    assert weights == b"weights"
    assert info["copy_of"] == {"name": "000000", "config_sha256": "theirs"}
    assert info["config_sha256"] == run.config.learning_sha256()
    assert (run.untrained_network(), run.random_games()) == (None, 0)
    assert (old.untrained_network(), old.random_games()) == ("000000", 500)
    old.publish_network(b"better", info)
    assert open_run(values, create=True).networks() == ["000000"]


def test_a_first_network_that_is_not_there_is_told_before_there_is_a_run(capsys, tmp_path):
    without = Run.create(str(tmp_path / "small"), Config())

    code, _, err = answer(capsys, "loop", f"--run={tmp_path / 'new'}", f"--first_network={without.url}")

    assert code == 1
    assert "has no champion yet" in err
    assert not (tmp_path / "new").exists()


def test_resuming_keeps_the_stored_settings_and_takes_new_machine_settings(tmp_path):
    url = str(tmp_path / "run")
    Run.create(url, Config(game=GameConfig(board_size=7)))
    values = flags.parse(LOOP, (f"--run={url}", "--machine.threads=1", "--minutes=9"))

    config = open_run(values, create=True).config

    assert (config.game.board_size, config.machine.threads, config.loop.minutes) == (7, 1, 9.0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (flags.UsageError("x"), 2),
        (ConfigError("x"), 1),
        (RunError("x"), 1),
        (CorruptError("x"), 3),
        (StaleError("x"), 75),
        (StorageError("x"), 1),
        (Unavailable("x"), 75),
        (PermissionError("x"), 1),
        (ValueError("x"), None),
        (AssertionError("x"), None),
    ],
)
def test_known_errors_have_exit_codes_and_others_are_bugs(error, code):
    assert program.exit_code(error) == code


def test_the_named_errors_exist():
    for name in program.EXIT_CODES:
        module, _, attribute = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), attribute), Exception), name


def test_doctor_finds_everything_that_is_needed_here():
    result = run_minigo("doctor", "--json")

    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert report["ok"]
    assert report["findings"]["kernels"]["ok"]
    assert report["findings"]["network, float32"]["ok"]


@pytest.mark.parametrize(("installed", "missing"), [(False, "absl"), (True, "cc_kernels.board")])
def test_a_checkout_that_was_not_built_says_how_to_build_it(tmp_path, installed, missing):
    (tmp_path / "minigo").symlink_to(Path(program.__file__).parent)
    (tmp_path / "cc_kernels").mkdir()
    (tmp_path / "cc_kernels" / "__init__.py").touch()
    libraries = Path(absl.__file__).parent.parent

    result = subprocess.run(
        [sys.executable, "-S", "-m", "minigo", "loop", "--help"],  # -S: as if nothing were installed
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{libraries}" if installed else str(tmp_path)},
    )

    assert result.returncode == 1
    assert f"{missing} is missing" in result.stderr
    assert "pip install" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_the_command_to_finish(monkeypatch, capfd, number):
    def run(values, stop):
        del values
        os.kill(os.getpid(), number)
        return 0 if stop.wait(10) else 1

    command = flags.Command("wait", "waits", "Waits.", (), define=lambda _: None, run=run)
    monkeypatch.setattr(commands, "COMMANDS", (command,))
    before = signal.getsignal(number)

    assert program.main(["wait"]) == 0
    assert "finishing safely" in capfd.readouterr().err
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_waiting_worker_says_what_it_waits_for_and_ends_when_told(tmp_path, number):
    Run.create(str(tmp_path / "run"), Config())
    command = [sys.executable, "-m", "minigo", "evaluate", f"--run={tmp_path / 'run'}"]

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        assert "waiting for a first network" in worker.stderr.readline()
        worker.send_signal(number)
        assert worker.wait(10) == 0


def test_the_second_ctrl_c_ends_a_command_that_does_not_finish():
    script = """
import os, signal, time
from minigo import __main__ as program, commands, flags

def run(values, stop):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
    return 0

commands.COMMANDS = (flags.Command("hang", "hangs", "Hangs.", (), define=lambda values: None, run=run),)
program.main(["hang"])
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=False)

    assert result.returncode == -signal.SIGINT


def test_results_go_to_stdout_and_logs_to_stderr():
    result = run_minigo(
        "match", "--player=random", "--opponent=random", "--games=4", "--board_size=3", "--komi=0", "--json"
    )

    assert result.returncode == 0
    assert set(json.loads(result.stdout)) >= {
        "games",
        "wins",
        "losses",
        "draws",
        "failed",
        "elo",
        "elo_low",
        "elo_high",
    }


def test_a_match_starts_an_outside_engine_as_often_as_games_go_on_at_once(tmp_path):
    engine = command_line(tmp_path / "log", "pass")
    result = run_minigo(
        "match", f"--player=gtp:{engine}", "--opponent=random", "--games=6", "--board_size=3", "--parallel=3", "--json"
    )

    assert json.loads(result.stdout)["games"] == 6
    assert heard(tmp_path / "log").count("start") == 3


def test_a_match_takes_board_size_and_komi_from_the_players_run(tmp_path):
    from minigo.commands.common import config_of_players

    url = str(tmp_path / "run")
    run = Run.create(url, Config(game=GameConfig(board_size=7, komi=9.0)))

    for player in (url, f"policy:{url}", f"averaged:{url}", f"{url}/networks/000000", f"{url}/networks/000000/"):
        assert config_of_players("random", player).game == run.config.game
    assert config_of_players("random", "gtp:engine").game == GameConfig()


def test_other_processes_run_the_same_code_in_a_folder_that_has_other_code(tmp_path):
    (tmp_path / "minigo").mkdir()
    (tmp_path / "minigo" / "__init__.py").write_text("raise ImportError('this one was never built')")
    command = [*child_module("minigo"), "match-pair", "--help"]

    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (0, "")
    assert "match-pair" in result.stdout
