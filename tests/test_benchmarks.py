# SPDX-License-Identifier: Apache-2.0
"""That the scripts in benchmarks/ run and the comparison judges; their figures are no matter for a test."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minigo.config import Config, GameConfig, NetworkConfig, SelfPlayConfig, TrainConfig
from minigo.data.shards import RANDOM_PLAYOUTS, write_shard
from minigo.gamepool import new_shard, play_random_shard, play_shard
from minigo.inference.evaluator import HashEvaluator
from minigo.match import MatchGame
from minigo.run import Run

FOLDER = Path(__file__).parent.parent / "benchmarks"
SMALL = ("--blocks=1", "--channels=8")
SCRIPTS = {
    "kernels": ("--games=2",),
    "inference": (*SMALL, "--board_size=5", "--rows=8"),
    "selfplay": (*SMALL, "--board_size=5", "--rows=8"),
    "memory": (*SMALL, "--games=8", "--visits=100"),
    "shards": ("--shards=50", "--board_size=5", "--window=100"),
    "training": (*SMALL, "--board_size=5", "--batch=8"),
    "katago": (*SMALL, "--rows=8"),
    "analysis": (*SMALL, "--board_size=5", "--rows=8", "--visits=10"),
}
QUICK = ("kernels",)
GNUGO = shutil.which("gnugo", path=os.environ["PATH"] + ":/usr/games")


@pytest.fixture
def compare(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("compare")


def test_every_script_is_run_here_and_by_the_comparison(compare):
    others = {"compare", "measure", "latest_games"}
    others |= {"perfect_play", "root_targets", "offline"}  # of a run's own games and network
    others |= {"second_count"}  # of games that were played
    others |= {"precision_match", "gnugo_clocks", "duel"}  # matches take hours, and have other results than a ratio
    others |= {"gate_errors", "ratings_coverage", "ratings_pairing"}  # simulations: no machine changes what they find
    others |= {"dashboard_speed", "dashboard_viewers", "dashboard_pictures"}  # of the pages, in seconds
    others |= {"play_sessions"}  # a bound on what idle games cost
    others |= {"gtp_latency"}  # of an engine's replies, in seconds
    others |= {"cluster_workers"}  # takes ten minutes, and has bounds
    files = {path.stem for path in FOLDER.glob("*.py")} - others

    assert files == set(SCRIPTS) == set(compare.SCRIPTS)


@pytest.mark.parametrize(
    "script", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SCRIPTS]
)
def test_a_script_runs_and_prints_its_ratios(script):
    command = [sys.executable, FOLDER / f"{script}.py", "--json", "--seconds=0.02", "--rounds=1", *SCRIPTS[script]]

    answer = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout)
    assert result["ratios"]
    assert all(ratio["value"] > 0 for ratio in result["ratios"].values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("gate_errors", ("--matches=20",)),
        ("ratings_coverage", ("--ladders=2", "--networks=10", "--large=30", "--large_games=100", "--rounds=1")),
        ("ratings_pairing", ("--ladders=1", "--networks=12", "--games=80")),
        ("cluster_workers", ("--workers=2", "--seconds=20", "--shards=2000")),
        ("play_sessions", ("--games=3", "--blocks=1", "--channels=8", "--seconds=0.1", "--rounds=1")),
        ("gtp_latency", ("--rounds=1", "--commands=40")),
    ],
)
def test_a_simulation_runs_and_prints_its_ratios(script, options):
    command = [sys.executable, FOLDER / f"{script}.py", "--json", *options]

    answer = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["ratios"]


@pytest.mark.parametrize(
    ("value", "lower_is_better", "expected"),
    [
        (1.0, False, "ok"),
        (0.91, False, "ok"),
        (0.89, False, "worse"),
        (1.11, False, "better"),
        (1.11, True, "worse"),
        (0.89, True, "better"),
        (float("nan"), False, "worse"),
    ],
)
def test_a_ratio_is_judged_against_the_reference_within_its_tolerance(compare, value, lower_is_better, expected):
    ratio = compare.Ratio(value, tolerance=0.1, lower_is_better=lower_is_better)

    assert compare.verdict(ratio, 1.0) == expected
    assert compare.verdict(ratio, None) == "new"


def test_the_comparison_fails_only_if_something_got_worse(compare, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(compare, "REFERENCE", tmp_path / "reference.json")
    ratios = {"speed": compare.Ratio(2.0)}
    monkeypatch.setattr(compare, "measured", lambda *_: dict(ratios))

    assert compare.main(["--only=kernels"]) == 0  # new
    assert not compare.REFERENCE.exists()
    assert compare.main(["--only=kernels,shards", "--update"]) == 0
    ratios["speed"] = compare.Ratio(1.0)
    assert compare.main(["--only=kernels"]) == 1
    assert "worse" in capsys.readouterr().out
    assert compare.main(["--only=kernels", "--update"]) == 0
    assert compare.main(["--only=kernels"]) == 0
    assert compare.main(["--only=shards"]) == 1  # an update of one leaves the others
    stored = json.loads(compare.REFERENCE.read_text())
    assert set(stored["kernels"]) == {"cpu", "cores", "date", "commit", "ratios"}


def test_a_bound_is_a_floor_or_a_ceiling(compare):
    assert compare.Ratio(1.0, bound=1.0).holds()
    assert not compare.Ratio(0.99, bound=1.0).holds()
    assert compare.Ratio(0.99, bound=1.0, lower_is_better=True).holds()
    assert not compare.Ratio(1.01, bound=1.0, lower_is_better=True).holds()


def published_games(run, network, sequence):
    """A shard of random games under a network's name."""
    shard = new_shard(run.config, network, "", None, "worker", sequence)
    records = play_random_shard(run.config, shard)
    run.publish_shard(run.shard_name(network, "worker", sequence), write_shard(shard.header, records))
    return records


def test_a_run_is_held_against_perfect_play_by_its_latest_games(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    perfect_play = importlib.import_module("perfect_play")
    config = Config(game=GameConfig(board_size=5, komi=24.5), selfplay=SelfPlayConfig(games_per_shard=4))
    run = Run.create(str(tmp_path / "run"), config)
    first = published_games(run, RANDOM_PLAYOUTS, 1)
    latest = published_games(run, "000002", 2)

    found = perfect_play.selfplay_results(run, 4)

    points = [record.score_for_black + 24.5 for record in latest]
    assert (found["games"], found["median"]) == (4, float(np.median(points)))
    everything = perfect_play.selfplay_results(run, 500)
    assert everything["games"] == len(first) + len(latest)

    won = [MatchGame(2 * i, record, 1.0) for i, record in enumerate(latest)]
    results = perfect_play.black_results(won, config)
    assert (results["games"], results["failed"], results["different"]) == (4, 0, 4)
    assert results["won_by_as_much_as_perfect_play"] == sum(point >= 25 for point in points)
    assert results["open_in_the_centre"] == sum(int(record.moves[0]) == 12 for record in latest)


def test_root_targets_are_judged_by_a_long_search_and_by_the_results(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    root_targets = importlib.import_module("root_targets")
    config = Config(
        game=GameConfig(board_size=4, komi=1.5),
        selfplay=SelfPlayConfig(num_simulations=8, full_share=0.5, games_per_shard=6),
    )
    run = Run.create(str(tmp_path / "run"), config)
    shard = new_shard(config, "000001", "", HashEvaluator(1), "worker", 1)
    run.publish_shard(run.shard_name("000001", "worker", 1), write_shard(shard.header, play_shard(config, shard)))

    cases = root_targets.drawn_cases(run, 6, 10)
    worth = root_targets.move_worth(config.search, HashEvaluator(1), [case.board for case in cases], 200)
    few, many = (
        root_targets.judged(
            replace(config.search, num_simulations=n, considered_moves=17), HashEvaluator(1), cases, worth, 2
        )
        for n in (4, 200)
    )

    assert len(cases) == 10
    assert {case.result for case in cases} == {-1.0, 1.0}
    assert 0 <= many["target_regret"] < few["target_regret"]
    assert 0 <= many["move_regret"] < few["move_regret"]
    assert few["network_alone_bias"] == pytest.approx(many["network_alone_bias"])
    assert few["network_alone_error"] == pytest.approx(many["network_alone_error"])


def test_a_new_network_learns_offline_from_the_newest_positions_but_those_held_out(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    offline = importlib.import_module("offline")
    config = Config(
        game=GameConfig(board_size=4, komi=1.5),
        network=NetworkConfig(blocks=1, channels=8, head_channels=8),
        selfplay=SelfPlayConfig(num_simulations=8, full_share=0.5, games_per_shard=6),
        train=TrainConfig(batch_size=16, learning_rate=0.005, warmup_steps=10, average_decay=0.9),
    )
    run = Run.create(str(tmp_path / "run"), config)
    for sequence in range(12):
        shard = new_shard(config, "000001", "", HashEvaluator(1), "worker", sequence)
        name = run.shard_name("000001", "worker", sequence)
        run.publish_shard(name, write_shard(shard.header, play_shard(config, shard)))
    kept, held = offline.windows(run, config, 1_000_000)
    few, many = (offline.losses(config, kept, held, examples, "float32") for examples in (16, 3200))

    assert (kept.num_games, held.num_games) == (66, 6)
    assert (few["steps"], many["steps"]) == (1, 200)
    assert many["learned_losses"]["total_loss"] < few["learned_losses"]["total_loss"]
    assert set(many["held_out_losses"]) == set(many["learned_losses"])
    assert offline.windows(run, config, 10)[0].num_games < 66
    with pytest.raises(SystemExit, match="too few games"):
        offline.windows(Run.create(str(tmp_path / "new"), config), config, 10)


def test_players_of_a_duel_may_search_differently_and_its_games_are_all_played(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    duel = importlib.import_module("duel")
    arguments = ["random", "random", "--games=6", "--first=--search.c_puct=0.7", f"--sgf_dir={tmp_path / 'games'}"]
    options = duel.parser().parse_args(arguments)
    first, second = duel.configs(options)
    score = duel.play(options, (first, second))

    assert (first.search.c_puct, second.search.c_puct) == (0.7, 1.1)
    assert first.search.num_simulations == second.search.num_simulations == 64
    assert first.game.rules == "tromp-taylor"
    assert score.games == 6
    assert score.failed == 0
    assert len(list((tmp_path / "games").glob("*.sgf"))) == 6
    with pytest.raises(SystemExit, match="must differ in how players search"):
        duel.configs(duel.parser().parse_args(["random", "random", "--second=--game.komi=5.5"]))


@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
def test_a_second_count_takes_dead_stones_off(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    second_count = importlib.import_module("second_count")
    stones = "AB[ac][bc][cc][dc][ec][ad][bd][dd][ed]AW[ea][ca]"  # Black has all but two dead stones
    left, drawn, resigned = (tmp_path / f"{name}.sgf" for name in ("left", "drawn", "resigned"))
    for path, komi, result in ((left, 20, "W+7"), (drawn, 25, "0"), (resigned, 20, "W+R")):
        path.write_text(f"(;FF[4]GM[1]SZ[5]KM[{komi}]RE[{result}]{stones};B[];W[])", encoding="utf-8")

    count = second_count.counted(GNUGO, left)

    assert (count.recorded, count.counted) == ("W", "B")
    assert second_count.counted(GNUGO, drawn) == (drawn, "", "")
    assert [second_count.is_counted(path) for path in (left, drawn, resigned)] == [True, True, False]
    assert second_count.summary([count, count._replace(recorded="B")]) == {"games": 2, "agree": 1}
