# SPDX-License-Identifier: Apache-2.0
"""Gate matches in a run: promotion, resumption at every point where a kill may strike, and the worker that follows."""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from minigo.config import Config, EvaluateConfig, GameConfig, MatchConfig, SearchConfig
from minigo.data.shards import read_shard, write_shard
from minigo.evaluate import evaluate_candidate, evaluate_worker, next_candidate
from minigo.gates import Score, Verdict
from minigo.inference.evaluator import Evaluator, HashEvaluator, UniformEvaluator
from minigo.run import Champion, Run, StaleError
from tests.support.area_evaluator import AreaEvaluator

EVALUATE = EvaluateConfig(games=8, threshold=0.5, num_simulations=16)
CONFIG = Config(
    game=GameConfig(board_size=5, komi=0.5),
    search=SearchConfig(num_simulations=4),
    match=MatchConfig(opening_plies=2, temperature=0.5, temperature_plies=4),
    evaluate=EVALUATE,
    seed=1,
)
STRONG, WEAK = b"strong", b"weak"  # what the fake weights say of a network


class Loader:
    """Loads evaluators by what the weights say, and notes which."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.loaded: list[str] = []

    def __call__(self, url: str) -> Evaluator:
        name = url.rpartition("/")[2]
        self.loaded.append(name)
        weights, _ = self.run.network_files(name)
        return AreaEvaluator() if weights == STRONG else HashEvaluator(int(name))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose champion is the weak network 000000."""
    made = Run.create(str(tmp_path / "run"), CONFIG)
    made.publish_network(WEAK, {})
    made.promote("000000", {"reason": "first"}, None)
    return made


def champion_of(run: Run) -> Champion:
    champion = run.champion()
    assert champion is not None
    return champion


def judge(run: Run, candidate: str, config: EvaluateConfig = EVALUATE, **options: object) -> Verdict:
    verdict = evaluate_candidate(
        run,
        candidate,
        champion_of(run),
        config,
        Loader(run),
        **options,  # type: ignore[arg-type]
    )
    assert verdict is not None
    return verdict


def stored_games(run: Run, match: str) -> dict[int, bytes]:
    return {index: run.read(path) for index, path in run.matches.games(match).items()}


def stop_after(games: int) -> tuple[threading.Event, Callable[[Score], None]]:
    """An event, and a progress callback that sets it once that many games are there."""
    stop = threading.Event()

    def progress(score: Score) -> None:
        if score.games >= games:
            stop.set()

    return stop, progress


# One candidate.


def test_a_better_candidate_is_promoted_after_its_match(run):
    candidate = run.publish_network(STRONG, {})
    scores: list[int] = []
    verdict = judge(run, candidate, progress=lambda score: scores.append(score.games))

    assert verdict.promotes
    assert verdict.gate == "winrate"
    assert verdict.score.games == 8
    assert verdict.score.wins >= 7
    assert scores == [1, 2, 3, 4, 5, 6, 7, 8]
    assert champion_of(run).network == candidate
    assert champion_of(run).number_of_promotions == 2
    assert run.history()[-1]["verdict"]["wins"] == verdict.score.wins
    assert run.matches.verdicts()[candidate]["promotes"] is True


def test_a_worse_candidate_is_not_promoted_and_not_judged_again(run):
    strong = run.publish_network(STRONG, {})
    judge(run, strong)
    weak = run.publish_network(WEAK, {})
    verdict = judge(run, weak)

    assert not verdict.promotes
    assert "is below 50.0%" in verdict.reason
    assert champion_of(run).network == strong
    assert run.matches.verdicts()[weak]["promotes"] is False
    assert next_candidate(run, champion_of(run)) is None


def test_every_game_of_the_match_is_in_the_run(run):
    candidate = run.publish_network(STRONG, {})
    judge(run, candidate)

    games = stored_games(run, f"{candidate}-against-000000")
    assert sorted(games) == list(range(8))
    for index, data in games.items():
        header, records = read_shard(data)  # which replays them
        assert (header.network, header.sequence, header.board_size) == (candidate, index, 5)
        names = [records[0].black, records[0].white]
        assert names == [candidate, "000000"][:: 1 if index % 2 == 0 else -1]
        assert max(records[0].simulations) == 16
    spec = run.matches.spec(f"{candidate}-against-000000")
    assert spec is not None
    assert (spec["player"], spec["opponent"], spec["evaluate"]["games"]) == (candidate, "000000", 8)


def test_the_first_network_needs_no_match(tmp_path):
    run = Run.create(str(tmp_path / "run"), CONFIG)
    name = run.publish_network(WEAK, {})
    loader = Loader(run)
    verdict = evaluate_candidate(run, name, None, EVALUATE, loader)
    assert verdict is not None
    assert verdict.promotes
    assert champion_of(run).network == name
    assert loader.loaded == []


def test_an_open_gate_promotes_without_a_game(run):
    candidate = run.publish_network(WEAK, {})
    verdict = judge(run, candidate, EvaluateConfig(gate="none"))
    assert verdict.promotes
    assert verdict.score.games == 0
    assert champion_of(run).network == candidate


SEQUENTIAL = EvaluateConfig(gate="sprt", sprt_elo1=200.0, sprt_max_pairs=60, num_simulations=16)


def test_a_sequential_match_ends_when_it_is_clear(run):
    candidate = run.publish_network(STRONG, {})
    verdict = judge(run, candidate, SEQUENTIAL)

    assert verdict.promotes
    assert verdict.gate == "sprt"
    assert 8 <= verdict.score.games < 60
    stored = run.matches.verdicts()[candidate]
    assert stored["llr"] >= stored["llr_high"]
    assert stored["pairs"][4] >= stored["games"] / 2 - 2
    assert len(stored_games(run, f"{candidate}-against-000000")) < 120


def test_a_sequential_match_that_was_stopped_ends_with_the_verdict_of_an_unbroken_one(run, tmp_path):
    candidate = run.publish_network(STRONG, {})
    stop, progress = stop_after(4)
    stopped = evaluate_candidate(
        run, candidate, champion_of(run), SEQUENTIAL, Loader(run), stop=stop, progress=progress
    )
    verdict = judge(run, candidate, SEQUENTIAL)

    other = Run.create(str(tmp_path / "other"), CONFIG)
    other.publish_network(WEAK, {})
    other.promote("000000", {}, None)
    other.publish_network(STRONG, {})
    assert stopped is None
    assert judge(other, candidate, SEQUENTIAL) == verdict


# Interruptions.


@pytest.mark.parametrize("games", [1, 5])
def test_a_stopped_match_goes_on_where_it_was(run, games):
    candidate = run.publish_network(STRONG, {})
    match = f"{candidate}-against-000000"
    stop, progress = stop_after(games)
    stopped = evaluate_candidate(run, candidate, champion_of(run), EVALUATE, Loader(run), stop=stop, progress=progress)
    before = stored_games(run, match)
    assert stopped is None
    assert games <= len(before) < 8
    assert champion_of(run).network == "000000"
    assert run.matches.verdicts() == {}

    scores: list[int] = []
    verdict = judge(run, candidate, progress=lambda score: scores.append(score.games))

    assert scores == list(range(len(before) + 1, 9))
    assert verdict.score.games == 8
    after = stored_games(run, match)
    assert {index: after[index] for index in before} == before


def test_a_resumed_match_has_the_same_games_as_an_unbroken_one(run, tmp_path):
    candidate = run.publish_network(STRONG, {})
    match = f"{candidate}-against-000000"
    stop, progress = stop_after(3)
    evaluate_candidate(run, candidate, champion_of(run), EVALUATE, Loader(run), stop=stop, progress=progress)
    judge(run, candidate)

    other = Run.create(str(tmp_path / "other"), CONFIG)
    other.publish_network(WEAK, {})
    other.promote("000000", {}, None)
    other.publish_network(STRONG, {})
    judge(other, candidate)
    assert stored_games(run, match) == stored_games(other, match)


def test_a_kill_between_verdict_and_promotion_is_made_good(run, monkeypatch):
    candidate = run.publish_network(STRONG, {})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run, "promote", killed)
        with pytest.raises(KeyboardInterrupt):
            judge(run, candidate)
    assert run.matches.verdicts()[candidate]["promotes"]
    assert champion_of(run).network == "000000"
    assert next_candidate(run, champion_of(run)) == candidate

    loader = Loader(run)
    verdict = evaluate_candidate(run, candidate, champion_of(run), EVALUATE, loader)
    assert verdict is not None
    assert loader.loaded == []  # nothing was played again
    assert champion_of(run).network == candidate


def test_a_verdict_against_a_former_champion_does_not_promote(run):
    old = champion_of(run)
    first, second = run.publish_network(STRONG, {}), run.publish_network(STRONG, {})
    run.promote(second, {}, old)
    with pytest.raises(StaleError):
        evaluate_candidate(run, first, old, EVALUATE, Loader(run))
    assert champion_of(run).network == second


def test_after_a_rollback_in_a_match_a_candidate_is_judged_by_who_is_champion_now(run):
    old = champion_of(run)
    middle, strong = run.publish_network(STRONG, {}), run.publish_network(STRONG, {})
    run.promote(middle, {}, old)
    run.promote("000000", {"reason": "by hand"}, champion_of(run))
    run.matches.publish_verdict(f"{strong}-against-{middle}", {"candidate": strong, "promotes": True})

    assert next_candidate(run, champion_of(run)) == strong
    run.matches.publish_verdict(f"{strong}-against-000000", {"candidate": strong, "promotes": False})

    assert next_candidate(run, champion_of(run)) is None  # not `middle`, which was replaced by hand, either


def test_a_match_beats_in_the_middle_of_its_games(run):
    beats: list[int] = []
    candidate = run.publish_network(STRONG, {})

    evaluate_candidate(
        run, candidate, champion_of(run), EVALUATE, Loader(run), beat=lambda: beats.append(len(run.matches.names()))
    )

    assert len(beats) > EVALUATE.games


def test_a_corrupt_game_is_quarantined_and_counts_as_failed(run):
    candidate = run.publish_network(STRONG, {})
    match = f"{candidate}-against-000000"
    run.matches.publish_game(match, 3, b"torn")
    verdict = judge(run, candidate)
    assert (verdict.score.games, verdict.score.failed) == (8, 1)
    (reason,) = run.quarantined().values()
    assert "torn" in reason or "foreign" in reason


def test_another_workers_game_counts_if_it_came_first(run):
    """A game that we win appears in the run as a loss while we play it."""
    candidate = run.publish_network(STRONG, {})
    match = f"{candidate}-against-000000"
    alone = judge(run, candidate)
    header, (record,) = read_shard(stored_games(run, match)[0])
    assert record.score_for_black > 0

    shared = Run.create(run.url + "-shared", CONFIG)
    shared.publish_network(WEAK, {})
    shared.promote("000000", {}, None)
    shared.publish_network(STRONG, {})
    theirs = dataclasses.replace(record, score_for_black=-1.0, end="resign", game_id="theirs")
    intruded: list[int] = []

    def intrude(_: Score) -> None:
        missing = sorted(set(range(0, 8, 2)) - set(shared.matches.games(match)))
        if missing and not intruded:
            intruded.append(missing[0])
            shared.matches.publish_game(match, missing[0], write_shard(header, [theirs]))

    verdict = judge(shared, candidate, progress=intrude)
    assert verdict.score.games == 8
    assert verdict.score.losses == alone.score.losses + 1
    _, (stored,) = read_shard(stored_games(shared, match)[intruded[0]])
    assert stored.game_id == "theirs"


# The worker.


def test_the_newest_candidate_is_judged_first(run):
    names = [run.publish_network(weights, {}) for weights in (STRONG, WEAK, WEAK)]
    assert next_candidate(run, champion_of(run)) == names[2]
    judge(run, names[2], EvaluateConfig(games=8, threshold=1.0, num_simulations=4))
    assert next_candidate(run, champion_of(run)) == names[1]
    judge(run, names[1], EvaluateConfig(games=8, threshold=1.0, num_simulations=4))
    assert next_candidate(run, champion_of(run)) == names[0]


def test_a_run_starts_with_its_oldest_network(tmp_path):
    run = Run.create(str(tmp_path / "run"), CONFIG)
    assert next_candidate(run, None) is None
    names = [run.publish_network(WEAK, {}) for _ in range(2)]
    assert next_candidate(run, None) == names[0]


def test_a_network_that_was_promoted_once_is_no_candidate_again(run):
    """After a roll-back the network that failed in play must not come back by its old verdict."""
    candidate = run.publish_network(STRONG, {})
    judge(run, candidate)
    run.promote("000000", {"reason": "rolled back"}, champion_of(run))
    assert next_candidate(run, champion_of(run)) is None


def test_worker_follows_the_run_until_stopped_and_says_what_it_waits_for(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run = Run.create(str(tmp_path / "run"), CONFIG)
    stop = threading.Event()
    worker = threading.Thread(
        target=evaluate_worker,
        args=(Run.open(run.url), lambda _: UniformEvaluator(), stop),
        kwargs={"poll_seconds": 0.02},
    )
    worker.start()
    try:
        wait_until(lambda: "waiting for a first network" in caplog.text)
        first = run.publish_network(WEAK, {})
        wait_until(lambda: run.champion() is not None)
        assert champion_of(run).network == first
        wait_until(lambda: f"waiting for a network newer than {first}" in caplog.text)
        second = run.publish_network(WEAK, {})
        wait_until(lambda: second in run.matches.verdicts())
    finally:
        stop.set()
        worker.join(10)
    assert not worker.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
