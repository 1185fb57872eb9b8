# SPDX-License-Identifier: Apache-2.0
"""The runner of the learning experiments: what it does once, what it does not do twice, and what it computes."""

import dataclasses
import itertools
import math
import shutil
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import benchmarks.learning.study as studies
from benchmarks.learning import ladder, report, runs
from benchmarks.learning.__main__ import main
from benchmarks.learning.publish import publish
from benchmarks.learning.study import (
    BASE,
    OPPONENTS,
    STUDIES,
    Measure,
    Study,
    StudyError,
    Variant,
    Workplace,
    read_json,
    write_json,
)
from minigo.commands.learning import LOOP
from minigo.config import Config, GameConfig, MatchConfig
from minigo.flags import parse, resolve_config
from minigo.go.handicap import fixed_handicap
from minigo.players import RandomPlayer
from minigo.run import CURRICULUM, Run

TINY = STUDIES["tiny"]


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace.open("tiny", tmp_path)


def made_run(place: Workplace, variant: str, seed: int, *, is_finished: bool = True) -> Run:
    """A run that was at work for 200 and 400 seconds; three champions were promoted after the first 100."""
    path = place.run_path(variant, seed)
    run = Run.create(str(path), Config(game=GameConfig(board_size=3, komi=8.5)))
    start = None
    for number in range(3):
        run.publish_network(b"weights %d" % number, {})
        run.promote(f"{number:06d}", {}, run.champion())
        start = start if start is not None else run.history()[0]["time"] - 100.0
        row = {"kind": "selfplay", "evaluations": 60, "games": 10, "time": run.history()[-1]["time"] - 1e-6}
        run.telemetry.append_metrics("loop", "loop", [row])
    spans = [(start, start + 200.0), (start + 500.0, start + 900.0)]
    flags = place.study.command_flags(variant, seed)
    write_json(path.with_suffix(".json"), {"spans": spans, "finished": is_finished, "pid": None, "flags": flags})
    return run


def config_of(study: Study, variant: str) -> Config:
    return resolve_config(parse(LOOP, study.command_flags(variant, 0)), Config())


def made_games(place: Workplace, player: str, opponent: str, won: int, games: int, handicap: int = 0) -> None:
    rows = [
        {
            "player": player,
            "opponent": opponent,
            "handicap": handicap,
            "index": i,
            "points": float(i % games < won),
            "score_for_black": 1.0,
        }
        | {"moves": 9, "end": "passes", "failure": ""}
        for i in range(games)
    ]
    path = place.folder / "matches" / player / f"{opponent}-{handicap}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=ladder.SCHEMA), path)


def stop_when_there(path: Path, stop: threading.Event) -> None:
    while not path.exists():
        time.sleep(0.05)
    stop.set()


def test_every_study_has_a_base_and_budgets_that_its_minutes_reach():
    for study in STUDIES.values():
        assert BASE in study.variants
        assert len(study.seeds) == len(set(study.seeds))
        assert list(study.seconds) == sorted(study.seconds)
        assert study.seconds[-1] == 60 * study.minutes
        assert study.games % 2 == 0
        assert {measure.opponent for measure in study.measures} <= set(OPPONENTS)


def test_results_against_another_gnugo_are_of_another_study(monkeypatch):
    half_hour, ablations = STUDIES["half-hour"].digest(), STUDIES["ablations"].digest()
    monkeypatch.setattr(studies, "TAKES_DEAD_STONES", "")

    assert STUDIES["half-hour"].digest() != half_hour
    assert STUDIES["ablations"].digest() == ablations


@pytest.mark.parametrize("name", STUDIES)
def test_every_variant_is_a_config_that_differs_from_the_others(name):
    study = STUDIES[name]
    hashes = {variant: config_of(study, variant).learning_sha256() for variant in study.variants}

    assert len(set(hashes.values())) == len(study.variants)


def test_the_ablations_are_the_five_that_are_asked_for():
    base = config_of(STUDIES["ablations"], BASE)
    changed = {}
    for variant in set(STUDIES["ablations"].variants) - {BASE}:
        config = config_of(STUDIES["ablations"], variant)
        changed[variant] = {line.partition(":")[0] for line in config.learning_differences(base)}

    assert changed["no-ownership-score"] == {"train.ownership_weight", "train.score_weight"}
    searches = {"selfplay.num_simulations", "selfplay.late_simulations", "selfplay.full_share"}
    as_many_games = {"train.replay_ratio", "train.window_min", "train.untargeted_positions"}
    assert changed["no-playout-caps"] == searches | as_many_games
    assert changed["low-replay-small-window"] == {"train.replay_ratio", "train.window_growth"}
    assert changed["no-averaging-no-drop"] == {"train.average_decay", "train.decay_share"}
    assert changed["no-pooling"] == {"network.pooling_blocks"}


def test_runs_come_seed_by_seed():
    assert TINY.runs() == [(BASE, 0), ("no-score", 0), (BASE, 1), ("no-score", 1)]


def test_a_folder_belongs_to_one_study(tmp_path, monkeypatch):
    Workplace.open("tiny", tmp_path)
    Workplace.open("tiny", tmp_path)
    with pytest.raises(StudyError, match="must be one of"):
        Workplace.open("huge", tmp_path)
    monkeypatch.setitem(studies.STUDIES, "tiny", dataclasses.replace(TINY, seeds=(0, 1, 2)))
    Workplace.open("tiny", tmp_path)  # one may add seeds
    monkeypatch.setitem(studies.STUDIES, "tiny", dataclasses.replace(TINY, minutes=5.0))
    with pytest.raises(StudyError, match="with other settings"):
        Workplace.open("tiny", tmp_path)


def test_a_network_costs_the_seconds_at_work_and_the_evaluations_before_it(place):
    made_run(place, BASE, 0)
    costs = runs.costs(place, BASE, 0)

    assert [cost.network for cost in costs] == ["000000", "000001", "000002"]
    assert all(
        cost.seconds == pytest.approx(100.0, abs=1.0) for cost in costs
    )  # made at once, while the first span ran
    assert [cost.evaluations for cost in costs] == [60, 120, 180]
    assert runs.seconds_used(place, BASE, 0) == pytest.approx(600.0)


def test_a_run_costs_what_it_took_on_a_smaller_board_too(place):
    run = made_run(place, BASE, 0)
    row = {"kind": "selfplay", "evaluations": 1000, "games": 10, "time": run.history()[0]["time"] - 1.0}
    Run.create(f"{run.url}/{CURRICULUM}", run.config).telemetry.append_metrics("loop", "loop", [row])

    assert [cost.evaluations for cost in runs.costs(place, BASE, 0)] == [1060, 1120, 1180]


def test_a_point_is_the_last_champion_within_its_budget(place):
    made_run(place, BASE, 0)
    found = runs.points(place, BASE, 0)

    assert [(p.unit, p.budget, p.cost.network) for p in found] == [
        ("seconds", 600.0, "000002"),
        ("evaluations", 100.0, "000000"),
    ]


def test_an_unfinished_run_is_not_measured_at_its_end(place):
    made_run(place, BASE, 0, is_finished=False)
    note = place.run_path(BASE, 0).with_suffix(".json")
    write_json(note, {**read_json(note), "spans": [(0.0, 10.0)]})

    assert [p.unit for p in runs.points(place, BASE, 0)] == ["evaluations"]


def opponents_of(place: Workplace, variant: str, seed: int, kind: str) -> list[str]:
    last = [point for point in runs.points(place, variant, seed) if point.unit == "seconds"][-1]
    return ladder.opponents(place, last, kind)


def test_opponents_need_the_base_run_that_they_come_from(place):
    made_run(place, "no-score", 1)
    for kind, seed in (("own", 0), ("policy", 0), ("same", 1), ("peer", 1)):
        with pytest.raises(StudyError, match=f"seed {seed}, which has not finished: use the verb run"):
            opponents_of(place, "no-score", 1, kind)
    for seed in TINY.seeds:
        made_run(place, BASE, seed)

    found = {kind: opponents_of(place, "no-score", 1, kind) for kind in ("random", "policy", "own", "same", "peer")}
    own, peer = "base-0-000002", "base-1-000002"
    assert found == {"random": ["random"], "policy": [f"policy:{own}"], "own": [own], "same": [peer], "peer": [peer]}


def test_matches_are_under_strict_rules_from_random_openings(place):
    config = ladder.match_config(place)

    assert config.game == GameConfig(board_size=3, komi=8.5, rules="tromp-taylor")
    assert (config.match.opening_plies, config.match.temperature) == (place.study.opening_plies, 0.0)


def test_networks_meet_the_same_opponents_but_for_themselves(place):
    made_run(place, BASE, 0)
    made_run(place, "no-score", 0)
    met = {(part.player, part.opponent) for part in ladder.parts(place)}

    last, first, other = "base-0-000002", "base-0-000000", "no-score-0-000002"  # the first: at its evaluations
    common = {"random", f"policy:{last}", last}
    assert {opponent for player, opponent in met if player == last} == {"random"}
    assert {opponent for player, opponent in met if player == first} == common
    assert {opponent for player, opponent in met if player == other} == common
    assert {opponent for player, opponent in met if player == "no-score-0-000000"} == {*common, first}  # its peer
    assert {player for player, opponent in met if player.startswith("policy:")} == {
        f"policy:{name}" for name in (last, first, other, "no-score-0-000000")
    }


def test_the_half_hour_is_measured_with_single_and_with_averaged_evaluations(tmp_path, monkeypatch):
    monkeypatch.setattr(ladder, "gnugo_player", lambda _: "gtp:gnugo")
    place = Workplace.open("half-hour", tmp_path)
    made_run(place, BASE, 1)
    met = {(part.player, part.opponent) for part in ladder.parts(place)}

    assert met == {("base-1-000002", "gnugo"), ("averaged:base-1-000002", "gnugo")}
    assert ladder._player_text(place, "averaged:base-1-000002") == f"averaged:{place.run_path(BASE, 1)}/networks/000002"


def test_without_gnugo_a_study_that_needs_it_says_so(place, monkeypatch):
    made_run(place, BASE, 0)
    monkeypatch.setattr(ladder, "gnugo_player", lambda _: None)
    needy = dataclasses.replace(place, study=dataclasses.replace(TINY, measures=(Measure("gnugo"),)))

    with pytest.raises(StudyError, match="apt-get install gnugo"):
        ladder.parts(needy)


def test_stones_are_given_in_matches_of_their_own(place):
    made_run(place, BASE, 0)
    measures = (Measure("random"), Measure("random", handicap=2))
    giving = dataclasses.replace(place, study=dataclasses.replace(TINY, measures=measures))
    parts = [part for part in ladder.parts(giving) if part.player == "base-0-000002"]
    assert [(part.handicap, part.path.name) for part in parts] == [
        (0, "random-00000.parquet"),
        (2, "random-giving-2-00000.parquet"),
    ]

    config = dataclasses.replace(Config(), game=GameConfig(board_size=9), match=MatchConfig(opening_plies=0))
    games = ladder.play_part(RandomPlayer(0), RandomPlayer(1), parts[1], config, threading.Event())

    stones = fixed_handicap(9, 2)
    assert len(games) == TINY.games
    assert all(game.record.moves[[0, 2]].tolist() == stones for game in games)
    assert all(game.record.white == RandomPlayer(0).name for game in games)


def test_a_variant_with_other_flags_needs_another_name(place, monkeypatch):
    made_run(place, "no-score", 0)
    variants = {**TINY.variants, "no-score": Variant("changed", ("--train.score_weight=1",))}
    monkeypatch.setitem(studies.STUDIES, "tiny", dataclasses.replace(TINY, variants=variants))

    with pytest.raises(StudyError, match="give the variant another name"):
        runs.is_finished(Workplace.open("tiny", place.folder.parent), "no-score", 0)


def test_a_report_has_differences_with_intervals_over_seeds(place):
    for (variant, seed), won in zip(itertools.product(TINY.variants, TINY.seeds), (30, 32, 20, 18), strict=True):
        made_run(place, variant, seed)
        for network in ("000000", "000002"):
            made_games(place, f"{variant}-{seed}-{network}", "random", won, 40)
        made_games(place, f"{variant}-{seed}-000002", "random", 0, 40, handicap=2)  # no game of the ratings
    measured = report.rate(place)
    base, other = (report.summaries(place, measured)["seconds", 600.0][name] for name in (BASE, "no-score"))
    first, second = (other.ratings[seed].elo - base.ratings[seed].elo for seed in TINY.seeds)

    assert base.ratings[0].elo == pytest.approx(400 * math.log10(30.0 / 10.0), abs=40)
    assert other.difference == pytest.approx((first + second) / 2)
    assert other.margin == pytest.approx(12.706 * abs(first - second) / 2, rel=1e-3)  # t of one degree of freedom
    text = report.write_report(place)
    assert "| base-0-000002 | random | 30 won, 10 lost of 40: Elo +" in text
    assert "| base-0-000002 | random, given 2 stones | 0 won, 40 lost of 40: Elo -" in text
    assert "## After 600 seconds" in text
    assert "no-score: without score" in text
    assert (place.folder / "curve_seconds.png").read_bytes().startswith(b"\x89PNG")
    assert pq.read_table(place.folder / "results.parquet").num_rows == 8


def test_variants_that_met_their_peers_alone_are_compared_seed_by_seed(place):
    for (variant, seed), won in zip(itertools.product(TINY.variants, TINY.seeds), (0, 0, 30, 10), strict=True):
        made_run(place, variant, seed)
        if variant != BASE:
            made_games(place, f"{variant}-{seed}-000002", f"base-{seed}-000002", won, 40)
    found = report.summaries(place, report.rate(place))["seconds", 600.0]
    base, other = found[BASE], found["no-score"]

    assert [rating.elo for rating in base.ratings.values()] == [0.0, 0.0]
    assert other.ratings[0].elo == pytest.approx(400 * math.log10(3.0), abs=15)
    assert other.ratings[0].elo == pytest.approx(-other.ratings[1].elo, abs=1e-3)
    assert other.ratings[0].high - other.ratings[0].low < 260  # of forty games, not of two drawn ones elsewhere
    assert other.difference == pytest.approx(0.0, abs=1e-3)


def test_what_is_published_gives_the_same_report_without_the_runs(place, tmp_path, capsys):
    published = tmp_path / "published"
    for seed in TINY.seeds:  # as on two machines
        source = Workplace.open("tiny", tmp_path / f"machine-{seed}")
        for variant in TINY.variants:
            for folder in (place, source):
                made_run(folder, variant, seed)
                made_games(folder, f"{variant}-{seed}-000002", "random", 20 + seed, 40)
        arguments = ["publish", "--study=tiny", f"--out={source.folder.parent}", f"--to={published}"]
        assert main(arguments) == 0
        assert main(arguments) == 0  # adds nothing

    other = Workplace.open("tiny", published)
    assert report.write_report(other) == report.write_report(place)
    assert [point.cost.games for point in ladder.all_points(other)] == [
        point.cost.games for point in ladder.all_points(place)
    ]
    assert "160 games" in capsys.readouterr().out
    assert not list(other.folder.glob("*/networks"))


def test_another_run_of_a_seed_is_not_published_over_the_first(place, tmp_path):
    made_run(place, BASE, 0)
    other = Workplace.open("tiny", tmp_path / "published")
    publish(place, other)
    again = Workplace.open("tiny", tmp_path / "again")
    made_run(again, BASE, 0)

    with pytest.raises(StudyError, match="is of another run of base, seed 0"):
        publish(again, other)
    with pytest.raises(StudyError, match="another folder than --out"):
        publish(place, place)
    shutil.rmtree(place.run_path(BASE, 0))
    with pytest.raises(StudyError, match="base-0 is no longer there"):
        publish(place, Workplace.open("tiny", tmp_path / "third"))


def test_unfinished_runs_and_their_games_are_not_published(place, tmp_path, capsys):
    made_run(place, BASE, 0)
    made_run(place, "no-score", 0, is_finished=False)
    made_games(place, "base-0-000002", "random", 3, 4)
    made_games(place, "no-score-0-000002", "base-0-000002", 3, 4)
    other = Workplace.open("tiny", tmp_path / "published")

    assert publish(place, other) == 4
    assert not runs.is_finished(other, "no-score", 0)
    third = Workplace.open("tiny", tmp_path / "third")
    assert publish(other, third) == 4  # with the note as it was
    assert ladder.all_points(third) == ladder.all_points(other)
    assert main(["measure", "--study=tiny", f"--out={other.folder.parent}"]) == 1
    assert "holds what was published: measure wants another --out" in capsys.readouterr().err


def test_a_study_may_be_measured_by_more_matches_later(place, monkeypatch):
    more = dataclasses.replace(TINY, measures=(*TINY.measures, Measure("random", handicap=2)))
    monkeypatch.setitem(studies.STUDIES, "tiny", more)

    assert Workplace.open("tiny", place.folder.parent).study == more


def test_mistakes_are_one_line(tmp_path, capsys):
    out = f"--out={tmp_path}"
    assert main(["report", "--study=tiny", out]) == 1
    assert "use the verb measure" in capsys.readouterr().err
    assert main(["measure", "--study=tiny", out]) == 1
    assert "has reached a budget yet: use the verb run" in capsys.readouterr().err
    assert main(["run", "--study=tiny", out, "--variants=none"]) == 1
    assert "--variants must be among base, no-score, got none" in capsys.readouterr().err


def test_a_loop_that_fails_says_why(place):
    broken = dataclasses.replace(TINY, flags=("--no_such_flag=1",))

    with pytest.raises(StudyError, match="no_such_flag"):
        runs.run_study(dataclasses.replace(place, study=broken), threading.Event(), [(BASE, 0)])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tiny_study_goes_through_all_verbs_and_does_nothing_twice(tmp_path, capsys):
    place, stop = Workplace.open("tiny", tmp_path), threading.Event()
    first = place.run_path(BASE, 0) / "networks" / "000000" / "network.json"
    threading.Thread(target=stop_when_there, args=(first, stop), daemon=True).start()
    runs.run_study(place, stop, [(BASE, 0)])
    assert not runs.is_finished(place, BASE, 0)
    used = runs.seconds_used(place, BASE, 0)
    assert used > 0

    options = ["--study=tiny", f"--out={tmp_path}", "--seeds=0"]
    for verb in ("run", "measure", "report"):
        assert main([verb, *options]) == 0
    assert runs.seconds_used(place, BASE, 0) > used
    assert len(read_json(place.run_path(BASE, 0).with_suffix(".json"))["spans"]) == 2
    table = (place.folder / "report.md").read_text()
    assert "| no-score: without score |" in table
    files = [path for path in place.folder.rglob("*.parquet") if path.name != "results.parquet"]
    before = {path: path.stat().st_mtime_ns for path in files}
    assert len(before) > 10
    capsys.readouterr()
    for verb in ("run", "measure", "report", "plan"):
        assert main([verb, *options]) == 0

    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "2 runs to do" in capsys.readouterr().out  # those of the other seed
    assert (place.folder / "report.md").read_text() == table
