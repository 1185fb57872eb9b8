# SPDX-License-Identifier: Apache-2.0
"""A run that moves to a bucket and back: nothing lost, nothing twice, and never two that both went on."""

import hashlib
import threading
from pathlib import Path

import pytest

from minigo.evaluate import evaluate_candidate
from minigo.run import Run, RunError
from minigo.run_copy import CopyCount, copy_run
from minigo.storage import LocalStorage, StorageError
from ratings.ladder import rate_networks
from tests.support.gcs_emulator import GcsEmulator
from tests.support.match_runs import load_evaluator, play_gate_matches, run_with_networks


@pytest.fixture
def bucket(emulator: GcsEmulator, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A prefix of its own."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    return f"gs://bucket/{hashlib.sha256(request.node.name.encode()).hexdigest()[:16]}"


@pytest.fixture
def local(tmp_path: Path) -> Run:
    """A run with a few networks, their matches, games, and a trainer that has consumed some of the games."""
    run = run_with_networks(tmp_path / "run", 3)
    play_gate_matches(run)
    publish(run, "home", 4)
    consume(run, 2)
    run.telemetry.heartbeat("home", {"doing": "nothing"})
    run.telemetry.write_report("report.html", b"page")
    return run


def publish(run: Run, worker: str, shards: int) -> None:
    for sequence in range(shards):
        run.publish_shard(run.shard_name("000001", worker, sequence), f"{worker} {sequence}".encode())


def consume(run: Run, shards: int) -> None:
    """One commit of a trainer that starts now."""
    state = run.training.start()
    new = sorted(set(run.shards()) - run.training.consumed_shards())[:shards]
    run.training.commit(state, {"weights": f"{state.epoch}".encode()}, new, state)


def elos(run: Run) -> dict[str, float]:
    return {name: rating.elo for name, rating in rate_networks(run).items()}


def test_a_copy_is_the_same_run(local, bucket):
    count = copy_run(local.url, bucket)
    there = Run.open(bucket)

    assert count is not None
    assert count.copied > 20
    assert there.identity() == local.identity()
    assert there.champion() == local.champion()
    assert there.training.state() == local.training.state()
    assert there.training.consumed_shards() == local.training.consumed_shards()
    assert there.history() == local.history()
    assert elos(there) == elos(local)
    assert there.telemetry.heartbeats() == {}
    assert copy_run(local.url, bucket) == CopyCount(0, count.copied)


def test_a_run_goes_on_in_a_bucket_and_comes_back_with_every_shard_trained_once(local, bucket):
    copy_run(local.url, bucket)
    there = Run.open(bucket)
    publish(there, "away", 3)
    consume(there, 4)
    candidate = there.publish_network(b"new", {"parent": "000002"})
    verdict = evaluate_candidate(there, candidate, there.champion(), there.config.evaluate, load_evaluator)
    copy_run(bucket, local.url)
    back = Run.open(local.url)
    consume(back, 10)

    assert verdict is not None
    assert verdict.promotes
    champion = back.champion()
    assert champion is not None
    assert champion.network == candidate
    assert elos(back) == elos(there)
    order = back.training.consumption_order()
    assert len(order) == len(set(order)) == 7
    assert set(order) == set(back.shards())
    with pytest.raises(RunError, match="both went on since they were one run: the trainer is at step"):
        copy_run(bucket, local.url)  # which the trainer at home has left behind


def test_an_interrupted_copy_is_no_run_and_the_same_copy_again_goes_on(local, bucket):
    stop = threading.Event()

    def progress(done: int, _: int) -> None:
        if done == 7:
            stop.set()

    assert copy_run(local.url, bucket, stop=stop, progress=progress) is None
    with pytest.raises(RunError, match="is not a run"):
        Run.open(bucket)
    count = copy_run(local.url, bucket)

    assert count is not None
    assert count.there_already == 7
    assert Run.open(bucket).training.state() == local.training.state()


def test_a_run_that_was_copied_to_but_not_to_the_end_is_opened_by_nobody(local, bucket, tmp_path):
    copy_run(local.url, bucket)
    publish(Run.open(bucket), "cloud", 3)
    stop = threading.Event()

    assert copy_run(bucket, local.url, stop=stop, progress=lambda *_: stop.set()) is None
    with pytest.raises(RunError, match="has been copied to, not to the end"):
        Run.open(local.url)
    with pytest.raises(RunError, match="has been copied to, not to the end"):
        copy_run(local.url, str(tmp_path / "third"))
    assert copy_run(bucket, local.url) is not None
    assert len(Run.open(local.url).shards()) == 7


def test_a_copy_interrupted_at_any_write_leaves_no_run_that_lacks_something(local, tmp_path, monkeypatch):
    """The disk fails at each write in turn; whatever is a run by then is whole."""
    left = [0]  # writes that succeed
    create = LocalStorage.create

    def failing(self: LocalStorage, path: str, data: bytes) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise StorageError("the disk is gone")
        return create(self, path, data)

    monkeypatch.setattr(LocalStorage, "create", failing)
    target = str(tmp_path / "copy")
    for limit in range(0, 60, 7):
        left[0] = limit
        try:
            copy_run(local.url, target)
        except StorageError:
            with pytest.raises(RunError, match="is not a run"):
                Run.open(target)
    monkeypatch.undo()
    copy_run(local.url, target)
    assert Run.open(target).training.consumed_shards() == local.training.consumed_shards()


def test_two_runs_that_both_promoted_are_not_mixed(local, tmp_path):
    copy_run(local.url, str(tmp_path / "copy"))
    other = Run.open(str(tmp_path / "copy"))
    for run, network in ((local, "000000"), (other, "000002")):
        run.promote(network, {"reason": "by hand"}, run.champion())
    before = other.champion()

    with pytest.raises(RunError, match="both went on since they were one run: promotion"):
        copy_run(local.url, other.url)
    assert Run.open(other.url).champion() == before


def test_another_run_is_not_written_over(local, tmp_path):
    other = run_with_networks(tmp_path / "other", 1)

    with pytest.raises(RunError, match="is another run"):
        copy_run(local.url, other.url)


def test_what_is_no_run_is_not_copied(tmp_path):
    with pytest.raises(RunError, match=r"is not a run \(missing run\.json\)"):
        copy_run(str(tmp_path), str(tmp_path / "copy"))
    assert list(tmp_path.iterdir()) == []
