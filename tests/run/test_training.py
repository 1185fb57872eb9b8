# SPDX-License-Identifier: Apache-2.0
"""How far training has come: commits, and what is left by those that were cut off."""

import dataclasses
import hashlib
import json
import subprocess
import sys
import time

import pytest

from minigo.run import CorruptError, Run, StaleError, TrainerState
from minigo.storage import storage_at
from tests.run.conftest import CONFIG, other, paths


def committed(run, state, step, consumed, weights=b"w"):
    """One commit of a trainer that went on from `state`."""
    counts = dataclasses.replace(state, step=step, games_seen=step)
    return run.training.commit(counts, {"weights": weights, "optimizer": b"o"}, consumed, state)


def test_a_trainer_begins_with_nothing(run):
    assert run.training.state() is None
    state = run.training.start()

    assert state == other(run).training.state() == TrainerState(epoch=1)
    assert (run.training.read_checkpoint(state), run.training.consumed_shards()) == ({}, set())


def test_a_commit_moves_checkpoint_and_consumed_shards_together(run):
    state = committed(run, run.training.start(), 10, ["games/a", "games/b"])
    state = committed(run, state, 20, {"games/c"}, b"w2")

    again = other(run)
    found = again.training.state()
    assert found == state
    assert found.version == state.version
    assert (found.step, found.games_seen) == (20, 20)
    assert again.training.consumed_shards() == {"games/a", "games/b", "games/c"}
    assert again.training.read_checkpoint(found) == {"weights": b"w2", "optimizer": b"o"}


def test_a_commit_without_new_shards_keeps_the_consumed_ones(run):
    state = committed(run, run.training.start(), 10, ["games/a"])
    state = committed(run, state, 20, [])

    assert len(state.manifests) == 1
    assert run.training.consumed_shards() == {"games/a"}


def test_a_trainer_that_was_replaced_can_not_commit(run):
    zombie = run.training.start()
    successor = other(run).training.start()
    assert (zombie.epoch, successor.epoch) == (1, 2)

    with pytest.raises(StaleError, match=r"state/trainer.json"):
        committed(run, zombie, 10, ["games/a"])
    assert run.training.state() == successor
    assert run.training.consumed_shards() == set()
    committed(run, successor, 10, ["games/a"])
    assert run.training.consumed_shards() == {"games/a"}


def test_what_a_killed_commit_left_behind_does_not_count(run, monkeypatch):
    state = run.training.start()

    class KilledError(Exception):
        pass

    def die(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(run.training, "_move", die)
        with pytest.raises(KilledError):
            committed(run, state, 10, ["games/a"], b"lost")

    assert other(run).training.state() == state
    assert other(run).training.consumed_shards() == set()
    after = committed(run, other(run).training.start(), 10, ["games/b"], b"kept")
    assert run.training.consumed_shards() == {"games/b"}
    assert run.training.read_checkpoint(after)["weights"] == b"kept"


def test_the_last_two_checkpoints_are_kept(run):
    state = run.training.start()
    folders = []
    for step in (1, 2, 3, 4):
        state = committed(run, state, step, [], f"w{step}".encode())
        folders.append(state.checkpoint)

    assert sorted({path.rpartition("/")[0] for path in paths(run) if path.startswith("checkpoints/")}) == folders[2:]


def test_pruning_spares_what_another_trainer_is_writing(run):
    state = committed(run, run.training.start(), 1, [], b"w1")
    storage_at(run.url).create("checkpoints/0000000001-e000002-abc/weights", b"on its way")
    committed(run, committed(run, state, 2, [], b"w2"), 3, [], b"w3")
    storage_at(run.url).create("checkpoints/0000000002-e000002-abc/weights", b"on its way")
    assert not any("0000000001-e000001" in path for path in paths(run))

    state = run.training.state()
    committed(run, state, 3, [], b"w3b")
    assert "checkpoints/0000000002-e000002-abc/weights" not in paths(run)


def test_a_changed_checkpoint_is_refused(run):
    state = committed(run, run.training.start(), 1, [])
    storage_at(run.url).delete(f"{state.checkpoint}/optimizer")

    with pytest.raises(CorruptError, match=f"{state.checkpoint} is not the checkpoint that was committed"):
        run.training.read_checkpoint(state)


# Killed at any moment.

TRAINER = """
import dataclasses, hashlib, sys
from minigo.run import Run
run = Run.open(sys.argv[1])
state = run.training.start()
number = len(run.networks())
while True:
    shard = run.publish_shard(run.shard_name("000000", "w0", run.next_sequence("w0")), b"games" * 1000)
    waiting = sorted(set(run.shards()) - run.training.consumed_shards())
    weights = hashlib.sha256(str(state.step + 1).encode()).digest() * 3000
    state = run.training.commit(
        dataclasses.replace(state, step=state.step + 1, games_seen=state.games_seen + len(waiting)),
        {"weights": weights}, waiting, state)
    name = run.publish_network(weights, {"step": state.step})
    champion = run.champion()
    run.promote(name, {}, champion)
    print(state.step, flush=True)
"""


@pytest.mark.parametrize("kills", [5, pytest.param(40, marks=pytest.mark.slow)])
def test_a_loop_killed_at_any_moment_loses_nothing_and_counts_nothing_twice(tmp_path, kills):
    run = Run.create(str(tmp_path / "run"), CONFIG)
    for kill in range(kills):
        with subprocess.Popen([sys.executable, "-c", TRAINER, run.url], stdout=subprocess.PIPE) as trainer:
            assert trainer.stdout.readline()
            time.sleep(0.0013 * (kill % 31))
            trainer.kill()

    state = run.training.state()
    assert state.epoch == kills
    assert state.games_seen == len(run.training.consumed_shards()) <= len(run.shards())
    assert sum(len(json.loads(run.read(path))["shards"]) for path in state.manifests) == state.games_seen
    assert run.training.read_checkpoint(state)["weights"][:32] == hashlib.sha256(str(state.step).encode()).digest()
    for name in run.networks():
        weights, info = run.network_files(name)
        assert weights[:32] == hashlib.sha256(str(info["step"]).encode()).digest()
    assert [entry["number"] for entry in run.history()] == list(range(1, run.champion().number_of_promotions + 1))
    assert all(run.read(path) == b"games" * 1000 for path in run.shards())
