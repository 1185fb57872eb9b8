# SPDX-License-Identifier: Apache-2.0
"""Pairs of a match played by other processes, here by ones that do what they are told."""

import sys
import threading
import time
from pathlib import Path

import pytest

from minigo.config import Config, EvaluateConfig, GameConfig, MatchConfig, SearchConfig
from minigo.evaluate import evaluate_candidate, evaluate_worker, play_pair
from minigo.inference.evaluator import Evaluator, HashEvaluator
from minigo.launcher import FAIL_PAIR, LauncherError, LocalLauncher, Work
from minigo.run import Run, RunError
from tests.support.area_evaluator import AreaEvaluator

EVALUATE = EvaluateConfig(games=8, num_simulations=8)
CONFIG = Config(
    game=GameConfig(board_size=4, komi=0.5),
    search=SearchConfig(num_simulations=4),
    match=MatchConfig(opening_plies=2, temperature=0.5, temperature_plies=4),
    evaluate=EVALUATE,
    seed=1,
)
MATCH = "000001-against-000000"


def load(url: str) -> Evaluator:
    """Networks with an odd number know a little Go."""
    number = int(url.rpartition("/")[2])
    return AreaEvaluator() if number % 2 else HashEvaluator(number)


@pytest.fixture(autouse=True)
def _polls_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigo.launcher.POLL_SECONDS", 0.02)
    monkeypatch.setattr("minigo.launcher.STOP_SECONDS", 0.01)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose champion is 000000, and whose candidate is 000001."""
    made = Run.create(str(tmp_path / "run"), CONFIG)
    for _ in range(2):
        made.publish_network(b"weights", {})
    made.promote("000000", {"reason": "first"}, None)
    return made


class InnerLauncher:
    """Plays one pair at each poll, in this process; pairs in `broken` fail."""

    def __init__(self, run: Run, broken: set[int] | None = None) -> None:
        self.run = run
        self.broken = set() if broken is None else broken
        self.works: dict[str, list[int]] = {}
        self.started: list[str] = []
        self.kept: list[str | None] = []

    def start(self, match: str, pairs: int) -> None:
        if match not in self.works:
            self.works[match] = list(range(pairs))
            self.started.append(match)

    def poll(self, match: str) -> Work:
        waiting = self.works[match]
        if waiting:
            pair = waiting.pop(0)
            if pair not in self.broken:
                play_pair(self.run, match, pair, load)
        return Work(0, len(self.broken), is_over=not waiting)

    def keep_only(self, match: str | None) -> None:
        self.kept.append(match)
        self.works = {name: work for name, work in self.works.items() if name == match}


def test_a_launched_match_has_the_games_and_the_verdict_of_one_played_here(run, tmp_path):
    scores: list[int] = []
    verdict = evaluate_candidate(
        run,
        "000001",
        run.champion(),
        EVALUATE,
        load,
        launcher=InnerLauncher(run),
        progress=lambda score: scores.append(score.games),
    )
    other = Run.create(str(tmp_path / "other"), CONFIG)
    for _ in range(2):
        other.publish_network(b"weights", {})
    other.promote("000000", {"reason": "first"}, None)
    here = evaluate_candidate(other, "000001", other.champion(), EVALUATE, load)

    assert verdict == here
    assert verdict is not None
    assert verdict.promotes
    assert scores[-1] == 8
    games = [{index: r.read(path) for index, path in r.matches.games(MATCH).items()} for r in (run, other)]
    assert games[0] == games[1]


def test_a_pair_that_failed_for_good_counts_as_failed_games(run):
    verdict = evaluate_candidate(run, "000001", run.champion(), EVALUATE, load, launcher=InnerLauncher(run, {1, 2}))

    assert verdict is not None
    assert (verdict.score.games, verdict.score.failed) == (8, 4)


def test_a_match_whose_pairs_all_fail_promotes_nobody(run):
    verdict = evaluate_candidate(
        run, "000001", run.champion(), EVALUATE, load, launcher=InnerLauncher(run, {0, 1, 2, 3})
    )

    assert verdict is not None
    assert not verdict.promotes
    assert "none of 8 games has a result" in verdict.reason


def test_a_sequential_match_leaves_the_rest_of_its_pairs_unplayed(run):
    config = EvaluateConfig(gate="sprt", sprt_elo1=300.0, sprt_max_pairs=60, num_simulations=8)
    verdict = evaluate_candidate(run, "000001", run.champion(), config, load, launcher=InnerLauncher(run))

    assert verdict is not None
    assert verdict.gate == "sprt"
    assert len(run.matches.games(MATCH)) < 120


def test_a_controller_that_was_stopped_leaves_the_work_to_the_next_one(run):
    launcher, stop = InnerLauncher(run), threading.Event()
    stopped = evaluate_candidate(
        run, "000001", run.champion(), EVALUATE, load, launcher=launcher, stop=stop, progress=lambda _: stop.set()
    )
    assert stopped is None
    assert launcher.works[MATCH]
    verdict = evaluate_candidate(run, "000001", run.champion(), EVALUATE, load, launcher=launcher)

    assert verdict is not None
    assert launcher.started == [MATCH]
    assert verdict.score.games == 8


def test_a_worker_without_a_candidate_ends_work_that_is_of_no_use_any_more(run):
    run.promote("000001", {}, run.champion())
    launcher, stop = InnerLauncher(run), threading.Event()
    launcher.start("000009-against-000000", 4)
    evaluate_worker(run, load, stop, poll_seconds=0.01, launcher=launcher, beat=lambda _: stop.set())

    assert launcher.works == {}


def test_a_launcher_that_fails_while_there_is_nothing_to_do_ends_no_worker(run, monkeypatch):
    run.promote("000001", {}, run.champion())
    launcher, stop, asked = InnerLauncher(run), threading.Event(), []

    def failing(match: str | None) -> None:
        asked.append(match)
        raise LauncherError("no API server")

    def beat(_: str) -> None:
        if len(asked) == 3:
            stop.set()

    monkeypatch.setattr(launcher, "keep_only", failing)
    evaluate_worker(run, load, stop, poll_seconds=0.01, launcher=launcher, beat=beat)

    assert asked == [None, None, None]


def test_a_worker_tries_again_when_its_launcher_fails(run, monkeypatch):
    monkeypatch.setattr("minigo.evaluate.LAUNCHER_RETRY_SECONDS", 0.01)
    launcher, stop = InnerLauncher(run), threading.Event()
    failures = iter([True, True])
    start = launcher.start

    def failing(match: str, pairs: int) -> None:
        if next(failures, False):
            raise LauncherError("no API server")
        start(match, pairs)

    monkeypatch.setattr(launcher, "start", failing)

    def beat(_: str) -> None:
        if "000001" in run.matches.verdicts():
            stop.set()

    evaluate_worker(run, load, stop, poll_seconds=0.01, launcher=launcher, beat=beat)
    champion = run.champion()
    assert champion is not None
    assert champion.network == "000001"


# One pair.


def test_a_pair_is_two_games_and_playing_it_again_changes_nothing(run):
    spec_of = evaluate_candidate(run, "000001", run.champion(), EvaluateConfig(games=2, num_simulations=8), load)
    assert spec_of is not None
    before = {index: run.read(path) for index, path in run.matches.games(MATCH).items()}

    assert sorted(before) == [0, 1]
    assert play_pair(run, MATCH, 0, load) == []
    assert play_pair(run, MATCH, 3, load) == []
    after = {index: run.read(path) for index, path in run.matches.games(MATCH).items()}
    assert sorted(after) == [0, 1, 6, 7]
    assert before.items() <= after.items()


def test_a_pair_that_is_stopped_is_done_if_both_of_its_games_are_there(run):
    evaluate_candidate(run, "000001", run.champion(), EvaluateConfig(games=2, num_simulations=8), load)
    stop = threading.Event()
    stop.set()

    assert play_pair(run, MATCH, 0, load, stop=stop) == []
    assert play_pair(run, MATCH, 1, load, stop=stop) is None


def test_a_pair_of_an_unknown_match_is_an_error(run):
    with pytest.raises(RunError, match=f"has no match {MATCH}"):
        play_pair(run, MATCH, 0, load)


def test_a_stored_game_that_is_corrupt_is_told(run):
    evaluate_candidate(run, "000001", run.champion(), EvaluateConfig(games=2, num_simulations=8), load)
    run.matches.publish_game(MATCH, 4, b"torn")

    assert play_pair(run, MATCH, 2, load) == [f"game 4 of {MATCH} has no result"]


# Processes of this machine.


def launcher_of(script: str, tmp_path: Path, **options: int) -> LocalLauncher:
    """A launcher whose processes run a script with the pair's number and a folder."""
    return LocalLauncher(lambda _, pair: [sys.executable, "-c", script, str(pair), str(tmp_path)], **options)


def poll_until_over(launcher: LocalLauncher) -> Work:
    deadline = time.monotonic() + 60
    while not (work := launcher.poll("m")).is_over:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return work


def test_every_pair_gets_a_process_and_few_run_at_a_time(tmp_path):
    script = "import sys, pathlib, time; time.sleep(0.2); pathlib.Path(sys.argv[2], sys.argv[1]).touch()"
    launcher = launcher_of(script, tmp_path, parallelism=2)
    launcher.start("m", 5)
    assert launcher.poll("m").running == 2

    assert poll_until_over(launcher) == Work(0, 0, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "3", "4"]


def test_a_killed_process_is_started_again_and_a_hopeless_pair_is_not(tmp_path):
    script = f"""
import os, pathlib, signal, sys, uuid
pathlib.Path(sys.argv[2], sys.argv[1] + "-" + uuid.uuid4().hex).touch()
if sys.argv[1] == "0" and len(list(pathlib.Path(sys.argv[2]).glob("0-*"))) < 3:
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit({FAIL_PAIR} if sys.argv[1] == "1" else 0)
"""
    launcher = launcher_of(script, tmp_path, parallelism=3)
    launcher.start("m", 3)

    assert poll_until_over(launcher) == Work(0, 1, True)
    assert [len(list(tmp_path.glob(f"{pair}-*"))) for pair in range(3)] == [3, 1, 1]


def test_a_pair_that_fails_too_often_is_given_up(tmp_path):
    launcher = launcher_of("raise SystemExit(1)", tmp_path, max_retries=1)
    launcher.start("m", 1)

    assert poll_until_over(launcher) == Work(0, 1, True)


def test_closing_ends_every_process(tmp_path):
    launcher = launcher_of("import time; time.sleep(60)", tmp_path, parallelism=2)
    launcher.start("m", 2)
    processes = [*launcher._works["m"].running.values()]
    began = time.monotonic()
    launcher.close()

    assert all(process.poll() is not None for process in processes)
    assert time.monotonic() - began < 10


def test_a_program_that_can_not_be_started_is_a_launchers_error(tmp_path):
    launcher = LocalLauncher(lambda *_: [str(tmp_path / "nothing")])

    with pytest.raises(LauncherError, match=r"cannot start pair 0 of m: .*No such file"):
        launcher.start("m", 1)
