# SPDX-License-Identifier: Apache-2.0
"""`minigo match-pair`, `promote` and `copy` as command lines: exit codes, and what they say."""

import signal
from pathlib import Path

import pytest

from minigo import __main__ as program
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves
from minigo.run import CorruptError, Run
from tests.support.match_runs import CONFIG, load_evaluator, run_with_networks

MATCH = "000001-against-000000"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of two networks whose gate match has begun."""
    made = run_with_networks(tmp_path / "run", 2)
    made.matches.publish_spec(
        MATCH, {"player": "000001", "opponent": "000000", "seed": 1, "evaluate": {"num_simulations": 4}}
    )
    return made


@pytest.fixture(autouse=True)
def _without_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigo.commands.judging.evaluator_loader", lambda _: load_evaluator)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = program.main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_pair_is_played_and_stored(capsys, run):
    code, _, _ = answer(capsys, "match-pair", f"--run={run.url}", f"--match={MATCH}", "--pair=2")

    assert code == 0
    assert sorted(run.matches.games(MATCH)) == [4, 5]


def test_a_pod_takes_its_pair_from_its_index(capsys, run, monkeypatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "7")

    assert answer(capsys, "match-pair", f"--run={run.url}", f"--match={MATCH}")[0] == 0
    assert sorted(run.matches.games(MATCH)) == [14, 15]


def test_without_an_index_the_pair_is_required(capsys, run, monkeypatch):
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    code, _, err = answer(capsys, "match-pair", f"--run={run.url}", f"--match={MATCH}")

    assert code == 2
    assert "--pair is required" in err


def test_a_corrupt_network_fails_its_index_for_good(capsys, run, monkeypatch):
    def corrupt(url: str) -> HashEvaluator:
        raise CorruptError(f"weights of {url} must have sha256 1…, got 2…")

    monkeypatch.setattr("minigo.commands.judging.evaluator_loader", lambda _: corrupt)
    code, _, err = answer(capsys, "match-pair", f"--run={run.url}", f"--match={MATCH}", "--pair=0")

    assert code == 42
    assert "must have sha256" in err
    assert run.matches.games(MATCH) == {}


def test_a_game_without_a_result_fails_its_index_for_good(capsys, run):
    run.matches.publish_game(MATCH, 1, b"torn")
    code, _, err = answer(capsys, "match-pair", f"--run={run.url}", f"--match={MATCH}", "--pair=0")

    assert code == 42
    assert f"game 1 of {MATCH} has no result" in err


def test_a_pair_that_is_told_to_stop_asks_for_another_try(capsys, run, monkeypatch):
    class Reclaimed(HashEvaluator):
        def evaluate(self, leaves: Leaves) -> Evaluation:
            signal.raise_signal(signal.SIGTERM)
            return super().evaluate(leaves)

    monkeypatch.setattr("minigo.commands.judging.evaluator_loader", lambda _: lambda _: Reclaimed(1))

    assert answer(capsys, "match-pair", f"--run={run.url}", f"--match={MATCH}", "--pair=0")[0] == 75
    assert run.matches.games(MATCH) == {}


def test_an_unknown_match_is_an_error(capsys, run):
    code, _, err = answer(capsys, "match-pair", f"--run={run.url}", "--match=000009-against-000000", "--pair=0")

    assert code == 1
    assert "has no match 000009-against-000000 (missing spec.json)" in err


def test_a_person_rolls_back_a_bad_network(capsys, run):
    run.promote("000001", {"reason": "won"}, run.champion())
    code, out, _ = answer(capsys, "promote", f"--run={run.url}", "--network=000000", "--reason=it passes")

    champion = run.champion()
    assert code == 0
    assert champion is not None
    assert champion.network == "000000"
    assert "network 000000 plays instead of 000001: it passes" in out
    assert run.history()[-1]["verdict"]["reason"] == "it passes"


def test_a_network_that_is_not_there_or_corrupt_is_not_promoted(capsys, run):
    assert answer(capsys, "promote", f"--run={run.url}", "--network=000009")[0] == 1
    (Path(run.url) / "networks/000001/weights.safetensors").write_bytes(b"other")
    code, _, err = answer(capsys, "promote", f"--run={run.url}", "--network=000001")

    assert code == 3
    assert "must have sha256" in err
    assert len(run.history()) == 1


def test_a_run_is_copied_and_says_how_much(capsys, run, tmp_path):
    target = str(tmp_path / "copy")
    code, out, _ = answer(capsys, "copy", f"--run={run.url}", f"--to={target}")

    assert code == 0
    assert f"{target} is {run.url}: " in out
    assert Run.open(target).config == CONFIG
