# SPDX-License-Identifier: Apache-2.0
"""`minigo rate` as a person or script meets it, on a run of tiny networks."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigo import __main__ as program
from minigo.config import Config, EvaluateConfig, GameConfig, NetworkConfig
from minigo.data.shards import read_shard
from minigo.run import Run
from ratings.anchors import gnugo_player
from ratings.book import Book
from ratings.rating_games import RatingGames
from tests.support.fake_engine import command_line
from tests.support.match_runs import load_evaluator
from tests.support.waiting import slack


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A run with two networks of chance, and 24 rating games."""
    from minigo.inference.quiet import start_tensorflow

    start_tensorflow()
    from minigo.network.network import Network

    config = Config(
        game=GameConfig(board_size=5, komi=0.5),
        network=NetworkConfig(blocks=1, channels=8, head_channels=8),
        evaluate=EvaluateConfig(num_simulations=2),
    )
    run = Run.create(str(tmp_path_factory.mktemp("rate") / "run"), config)
    for seed in range(2):
        network = Network.create(config.network, seed=seed)
        run.publish_network(network.to_bytes(), {**network.description(), "parent": "000000" if seed else None})
    with RatingGames(run, Book(":memory:", run), {"chance": "random"}, load_evaluator) as games:
        games.play(24)
    return run.url


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def answer(capsys, *arguments):
    code = program.main(["rate", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_rating_games_are_played_stored_and_rated(capsys, url):
    code, out, _ = answer(capsys, f"--run={url}", "--games=2", "--opponent=chance=random", "--json")

    assert code == 0
    report = json.loads(out)
    assert report["played"] == 2
    assert report["games"] == len(Run.open(url).matches.all_games()) == 26
    assert report["reference"] in ("000000", "000001")
    assert {row["name"] for row in report["ratings"]} == {"000000", "000001", "chance"}
    assert report["not_comparable"] == []
    for row in report["ratings"]:
        assert row["low"] <= row["elo"] <= row["high"]
    assert [setting["board_size"] for setting in report["settings"]] == [5]


def test_rebuilding_from_the_records_gives_the_same_ratings(capsys, url):
    anchor = "--anchor=chance=100"
    incremental = json.loads(answer(capsys, f"--run={url}", "--games=0", anchor, "--json")[1])
    rebuilt = json.loads(answer(capsys, "rebuild", f"--run={url}", anchor, "--json")[1])

    assert rebuilt == incremental
    assert rebuilt["played"] == 0
    assert rebuilt["reference"] == "chance"
    assert {row["name"]: row["elo"] for row in rebuilt["ratings"]}["chance"] == 100.0


def test_the_table_says_what_intervals_are_measured_from(capsys, url):
    _, alone, _ = answer(capsys, f"--run={url}", "--games=0")
    _, anchored, _ = answer(capsys, f"--run={url}", "--games=0", "--anchor=chance=0")

    assert "the best, 00000" in alone
    assert "chance is fixed at 0; 95 % intervals of the difference from it" in anchored
    assert "moving first on 5x5, komi 0.5:" in alone


def test_an_anchor_that_nobody_is_is_a_usage_error(capsys, url):
    code, _, err = answer(capsys, f"--run={url}", "--games=0", "--anchor=nobody=5")

    assert code == 2
    assert "--anchor must name a player of the run, got nobody" in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--anchor=chanec=1800"], "--anchor must name a player of the run, got chanec"),
        (["--anchor=chance=nan"], "--anchor=chance must be a number of Elo in -10000..10000, got 'nan'"),
        (["--anchor=chance=inf"], "got 'inf'"),
        (["--anchor=chance=1e300"], "got '1e300'"),
        (["--anchor=chance=much"], "got 'much'"),
        (["--anchor=chance=1", "--anchor=chance=2"], "--anchor must name each player once"),
        (["--opponent=GNU Go=random"], "a name must be letters, digits, '.', '_' and '-'"),
        (["--opponent=../x=random"], "a name must be letters"),
        (["--opponent=7=random"], "and no number; got '7'"),
        ([f"--opponent={'x' * 65}=random"], "at most 64"),
        (["--opponent=x=nonsense:x"], "--opponent=x must be random, policy:FOLDER, averaged:FOLDER, gtp:"),
        (["--opponent=x="], "--opponent=x must be random"),
        (["--opponent=x=gtp:"], "got 'gtp:'"),
        (["--opponent=x=gtp:'unfinished"], "--opponent=x must be random"),
        (["--opponent=x=policy:/no/such/folder"], "--opponent=x must be random"),
        (["--opponent=x=averaged:/no/such/folder"], "--opponent=x must be random"),
        (["--opponent=unmet"], "or the name of a player that the run has met, got 'unmet'"),
        (["--opponent=chance=gtp:gnugo"], "--opponent=chance is random in"),
        (["rebuild", "--opponent=chance"], "rebuild plays nothing"),
        (["rebuild"], "rebuild plays nothing"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_before_any_game(capsys, url, arguments, reason):
    before = Run.open(url).matches.all_games()

    code, out, err = answer(capsys, *arguments, f"--run={url}", "--games=2")

    assert code == 2, err
    assert reason in err
    assert "Traceback" not in err
    assert out == ""
    assert Run.open(url).matches.all_games() == before


def test_a_player_that_the_run_has_met_is_called_by_its_name_alone(capsys, url, tmp_path):
    copy = shutil.copytree(url, tmp_path / "copy")

    for opponent in ("chance", "chance=random"):
        code, out, err = answer(capsys, f"--run={copy}", "--games=2", f"--opponent={opponent}", "--json")
        assert code == 0, err
        assert json.loads(out)["played"] == 2


@pytest.mark.skipif(gnugo_player(GameConfig()) is None, reason="GNU Go is not installed")
def test_gnugo_alone_is_the_runs_own_gnugo_before_and_after_the_loop_met_it(capsys, url, tmp_path):
    copy = shutil.copytree(url, tmp_path / "copy")
    shutil.rmtree(copy / "matches")  # outside players come first

    for games in (2, 0):
        code, _, err = answer(capsys, f"--run={copy}", f"--games={games}", "--opponent=gnugo")
        assert code == 0, err

    run = Run.open(str(copy))
    specs = [run.matches.spec(name) for name in run.matches.names() if name.endswith("-against-gnugo")]
    assert {spec["opponent_player"] for spec in specs if spec} == {gnugo_player(run.config.game)}


def test_ctrl_c_ends_it_within_ten_seconds_even_if_an_engine_hangs(url, tmp_path):
    log = tmp_path / "log"
    engine = f"--opponent=hanging=gtp:{command_line(log, '!hang')}"
    command = [sys.executable, "-m", "minigo", "rate", f"--run={url}", "--games=50", engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 90
        while not (log.exists() and "genmove" in log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        stopped = time.monotonic()
        out, err = process.communicate(timeout=60)

    assert time.monotonic() - stopped < 10 * slack()
    assert process.returncode == 0, err
    assert "the same command goes on" in err
    assert url in out
    for path in Path(url).rglob("rating-*/*.parquet"):
        read_shard(path.read_bytes())
