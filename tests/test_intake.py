# SPDX-License-Identifier: Apache-2.0
import dataclasses
import threading
from pathlib import Path
from typing import Any

import pytest

from cc_kernels import scoring
from minigo.data.shards import RANDOM_PLAYOUTS, write_shard
from minigo.gamepool import new_shard, play_random_shard
from minigo.run import Run
from minigo.train import RunTrainer
from tests.support.training import CONFIG, FakeTrainer, publish_random_games, train


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(str(tmp_path / "run"), CONFIG)


def test_bad_shards_go_into_quarantine_and_training_goes_on(run: Run) -> None:
    (good,) = publish_random_games(run, 0)
    foreign_config = dataclasses.replace(CONFIG, seed=6)
    (foreign,) = publish_random_games(run, 1, config=foreign_config)
    torn = run.publish_shard("2024010100/000000-x-000002", run.read(good)[:-100])
    trainer = RunTrainer(run, FakeTrainer)

    assert trainer.train(0.0, threading.Event()) == "000001"
    assert run.training.consumed_shards() == {good}
    assert run.quarantined().keys() == {foreign, torn}
    assert "foreign: board size, rules and config" in run.quarantined()[foreign]
    assert trainer.new_shards() == []
    assert run.telemetry.metrics("train")[0]["quarantined"] == 2


def test_nothing_but_bad_shards_is_nothing_to_train_on(run: Run) -> None:
    run.publish_shard("2024010100/000000-x-000000", b"junk")

    assert train(run) is None
    assert run.training.consumed_shards() == set()
    assert run.networks() == ["000000"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seed": 99}, "the run's seed is"),
        ({"network": "000099"}, "network 000099 is one that was never published"),
        ({"network": "000000"}, "network 000000 is one"),
        ({"sequence": 7}, "must be named random-tester-000007"),
    ],
)
def test_a_shard_that_is_not_what_it_says_goes_into_quarantine(run: Run, changes: dict[str, Any], reason: str) -> None:
    RunTrainer(run, FakeTrainer).publish_first_network()
    shard = new_shard(CONFIG, RANDOM_PLAYOUTS, "", None, "tester", 3)
    header = dataclasses.replace(shard.header, **changes)
    name = run.shard_name(header.network, "tester", 3, "2024010100")
    path = run.publish_shard(name, write_shard(header, play_random_shard(CONFIG, shard)))
    publish_random_games(run, 0)
    train(run)

    assert reason in run.quarantined()[path]
    assert len(run.training.consumed_shards()) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_shard_published_again_under_another_hour_is_not_trained_on_twice(run: Run, when: str) -> None:
    (path,) = publish_random_games(run, 0)
    if when == "after":
        train(run)
    copy = run.publish_shard("2024010199/" + Path(path).stem, run.read(path))
    publish_random_games(run, 1)
    train(run)

    assert "has been trained on" in run.quarantined()[copy]
    assert len(run.training.consumed_shards()) == 2


@pytest.mark.parametrize(
    ("changes", "reason"), [({"komi": -300.0}, "must have komi"), ({"end": "move_limit"}, "stops at move 2 of")]
)
def test_a_game_that_the_run_would_not_have_played_goes_into_quarantine(
    run: Run, changes: dict[str, Any], reason: str
) -> None:
    shard = new_shard(CONFIG, RANDOM_PLAYOUTS, "", None, "tester", 3)
    whole = play_random_shard(CONFIG, shard)[0]
    cut = 2 if "end" in changes else whole.num_moves
    board = dataclasses.replace(whole, moves=whole.moves[:cut], **{**changes, "start_ply": cut})
    final = board.empty_board()
    for move in board.moves.tolist():
        final.play(move)
    short = {name: getattr(board, name)[:cut] for name in ("root_values", "root_scores", "simulations")}
    record = dataclasses.replace(board, score_for_black=scoring.final_score_for_black(final), **short)
    path = run.publish_shard(
        run.shard_name(RANDOM_PLAYOUTS, "tester", 3, "2024010100"), write_shard(shard.header, [record])
    )
    publish_random_games(run, 0)
    train(run)

    assert reason in run.quarantined()[path]
