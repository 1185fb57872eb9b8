# SPDX-License-Identifier: Apache-2.0
"""Workers and the loop's own play: what is published, whom they follow, and how they stop."""

import contextlib
import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from minigo.data.shards import RANDOM_PLAYOUTS, read_shard
from minigo.gamepool import Progress, new_shard, play_shard
from minigo.inference.evaluator import Evaluation, Evaluator, HashEvaluator, Leaves
from minigo.run import Run, RunError
from minigo.selfplay import BackgroundPlay, ChampionFollower, ShardSource, is_held_out, play_games, play_worker
from minigo.storage import Unavailable
from tests.support.shards import CONFIG, shard


def run_with_champion(folder: Path) -> Run:
    run = Run.create(str(folder), CONFIG)
    run.publish_network(b"weights", {})
    run.promote("000000", {}, None)
    return run


def test_published_shards_are_the_same_at_any_number_of_threads(tmp_path: Path) -> None:
    published = []
    for threads in (1, 3):
        run = run_with_champion(tmp_path / str(threads))
        source = ShardSource(run, "w", lambda: ("000000", "", HashEvaluator(1)), 30)
        play_games(run, source.next, num_threads=threads, stop=threading.Event(), progress=Progress())
        paths = run.shards() + run.shards(holdout=True)
        published.append({Path(path).name: run.read(path) for path in paths})

    assert len(published[0]) == 5
    assert published[0] == published[1]


def test_a_worker_goes_on_with_the_sequence_after_its_published_shards(tmp_path: Path) -> None:
    run = run_with_champion(tmp_path / "run")
    for _ in range(2):
        play_worker(run, "w", lambda _: HashEvaluator(1), num_games=10, stop=threading.Event(), progress=Progress())

    sequences = [read_shard(run.read(path))[0].sequence for path in run.shards() + run.shards(holdout=True)]
    assert sorted(sequences) == [0, 1, 2, 3, 4]  # the first holds random playouts


def test_a_worker_gives_an_untrained_run_its_random_playouts_once(tmp_path: Path) -> None:
    run = run_with_champion(tmp_path / "run")
    for worker in ("a", "b"):
        play_worker(run, worker, lambda _: HashEvaluator(1), num_games=6, stop=threading.Event(), progress=Progress())

    shards = [read_shard(run.read(path)) for path in run.shards() + run.shards(holdout=True)]
    assert sum(header.network == RANDOM_PLAYOUTS for header, _ in shards) == 1
    assert sum(header.network == "000000" for header, _ in shards) == 2


def test_a_worker_of_a_trained_run_plays_nothing_at_random(tmp_path: Path) -> None:
    run = run_with_champion(tmp_path / "run")
    run.publish_network(b"trained", {})
    play_worker(run, "a", lambda _: HashEvaluator(1), num_games=6, stop=threading.Event(), progress=Progress())

    assert [read_shard(run.read(path))[0].network for path in run.shards() + run.shards(holdout=True)] == ["000000"]


def test_a_worker_without_a_champion_says_what_is_missing(tmp_path: Path) -> None:
    run = Run.create(str(tmp_path / "run"), CONFIG)

    with pytest.raises(RunError, match="has no champion yet: start its trainer first"):
        play_worker(run, "w", lambda _: HashEvaluator(1), num_games=1, stop=threading.Event(), progress=Progress())


class StopsAfter(HashEvaluator):
    """Sets an event at its so many-th batch."""

    def __init__(self, batches: int, stop: threading.Event) -> None:
        super().__init__(1)
        self._left = batches
        self._stop = stop

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self._left -= 1
        if self._left == 0:
            self._stop.set()
        return super().evaluate(leaves)


def test_a_stopped_worker_publishes_the_games_that_have_ended_as_they_would_have_been(tmp_path: Path) -> None:
    config = dataclasses.replace(
        CONFIG,
        selfplay=dataclasses.replace(CONFIG.selfplay, games_per_shard=40, random_games=0),
        machine=dataclasses.replace(CONFIG.machine, threads=1),
    )
    run = Run.create(str(tmp_path / "run"), config)
    run.publish_network(b"weights", {})
    run.promote("000000", {}, None)
    stop, progress = threading.Event(), Progress()
    play_worker(run, "w", lambda _: StopsAfter(600, stop), num_games=None, stop=stop, progress=progress)

    paths = run.shards() + run.shards(holdout=True)
    header, records = read_shard(run.read(paths[-1]))
    assert 0 < len(records) < 40
    assert progress.games == sum(len(read_shard(run.read(path))[1]) for path in paths)
    whole = new_shard(config, "000000", header.network_sha256, HashEvaluator(1), "w", header.sequence)
    games = {record.game_id: record for record in play_shard(config, whole)}
    for record in records:
        assert np.array_equal(record.moves, games[record.game_id].moves)
        assert np.array_equal(record.policy_targets, games[record.game_id].policy_targets)
    assert run.next_sequence("w") == header.sequence + 1


def test_the_time_that_publishing_takes_is_counted_for_random_and_searched_games(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, progress = run_with_champion(tmp_path / "run"), Progress()
    publish_shard = run.publish_shard

    def slow(name: str, data: bytes, *, holdout: bool) -> str:
        time.sleep(0.1)
        return publish_shard(name, data, holdout=holdout)

    monkeypatch.setattr(run, "publish_shard", slow)
    play_worker(run, "w", lambda _: HashEvaluator(1), num_games=12, stop=threading.Event(), progress=progress)

    assert progress.publish_seconds >= 0.3  # one shard of random games, two of others, by several threads


def test_a_worker_that_ends_by_an_error_publishes_no_half_shards(tmp_path: Path) -> None:
    class Breaks(HashEvaluator):
        calls = 0

        def evaluate(self, leaves: Leaves) -> Evaluation:
            self.calls += 1
            if self.calls == 200:
                raise RuntimeError("no such device")
            return super().evaluate(leaves)

    config = dataclasses.replace(CONFIG, selfplay=dataclasses.replace(CONFIG.selfplay, games_per_shard=1000))
    run = Run.create(str(tmp_path / "run"), config)
    source = ShardSource(run, "w", lambda: ("000000", "", Breaks(1)), None)

    with pytest.raises(RuntimeError, match="no such device"):
        play_games(
            run,
            source.next,
            num_threads=1,
            stop=threading.Event(),
            progress=Progress(),
            keeps_ended_games=True,
        )
    assert run.shards() == []


def test_an_evaluators_error_reaches_the_caller(tmp_path: Path) -> None:
    class Broken(HashEvaluator):
        def evaluate(self, leaves: Leaves) -> Evaluation:  # noqa: ARG002
            raise RuntimeError("no such device")

    run = run_with_champion(tmp_path / "run")
    source = ShardSource(run, "w", lambda: ("000000", "", Broken(1)), None)

    with pytest.raises(RuntimeError, match="no such device"):
        play_games(run, source.next, num_threads=2, stop=threading.Event(), progress=Progress())


def test_a_follower_loads_each_champion_once_and_keeps_the_old_one_when_the_new_is_corrupt(tmp_path: Path) -> None:
    run = run_with_champion(tmp_path / "run")
    loaded: list[str] = []

    def load(name: str) -> Evaluator:
        loaded.append(name)
        return HashEvaluator(int(name))

    follower = ChampionFollower(run, load, threading.Event(), poll_seconds=0.0)
    assert [follower()[0], follower()[0]] == ["000000", "000000"]
    run.publish_network(b"better", {})
    run.promote("000001", {}, run.champion())
    assert follower()[0] == "000001"
    run.publish_network(b"torn", {})
    run.promote("000002", {}, run.champion())
    (tmp_path / "run/networks/000002/weights.safetensors").write_bytes(b"tor")

    assert follower()[0] == "000001"
    assert loaded == ["000000", "000001"]


def test_a_follower_goes_on_with_its_network_while_storage_is_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with_champion(tmp_path / "run")
    follower = ChampionFollower(run, lambda name: HashEvaluator(int(name)), threading.Event(), poll_seconds=0.0)
    assert follower()[0] == "000000"

    def out_of_reach() -> None:
        raise Unavailable("503")

    monkeypatch.setattr(run, "champion", out_of_reach)
    assert follower()[0] == "000000"
    monkeypatch.undo()
    run.publish_network(b"better", {})
    run.promote("000001", {}, run.champion())
    assert follower()[0] == "000001"


def test_play_ends_at_once_while_the_next_champion_is_loaded(tmp_path: Path) -> None:
    run, stop, loading, may_end = run_with_champion(tmp_path / "run"), *(threading.Event() for _ in range(3))

    def load(name: str) -> Evaluator:
        if name != "000000":
            loading.set()
            assert may_end.wait(60), "the worker waited for its network"
        return HashEvaluator(int(name))

    follower = ChampionFollower(run, load, stop, poll_seconds=0.0)
    follower()
    run.publish_network(b"better", {})
    run.promote("000001", {}, run.champion())
    source = ShardSource(run, "w", follower, None)
    threading.Thread(target=lambda: (loading.wait(60), stop.set())).start()
    try:
        play_games(run, source.next, num_threads=2, stop=stop, progress=Progress())
        assert loading.is_set()
        assert run.shards() == []
    finally:
        may_end.set()


def test_about_the_configured_share_of_shards_is_held_out() -> None:
    config = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, holdout_share=0.1))
    held = sum(is_held_out(config, shard(sequence).header) for sequence in range(2000))

    assert 140 < held < 260


def background(folder: Path) -> BackgroundPlay:
    return BackgroundPlay(run_with_champion(folder), "w", lambda _: HashEvaluator(1))


def test_play_in_the_background_pauses_when_it_is_far_enough_ahead_and_goes_on(tmp_path: Path) -> None:
    play, stop = background(tmp_path / "run"), threading.Event()
    play.start()
    with contextlib.closing(play):
        play.lend(1, shard_limit=2)
        play.wait(2, 20.0, stop)
        assert play.shards >= 2
        time.sleep(0.3)  # the threads come to rest, which takes them a batch
        evaluations = play.progress.evaluations
        time.sleep(0.3)
        assert play.progress.evaluations == evaluations

        play.take_back()
        play.wait(play.shards + 2, 20.0, stop)
        assert play.progress.evaluations > evaluations


def test_lending_all_threads_pauses_play(tmp_path: Path) -> None:
    play = background(tmp_path / "run")
    play.lend(64, shard_limit=1000)
    play.start()
    with contextlib.closing(play):
        time.sleep(0.3)
        assert play.progress.evaluations == 0


def test_an_error_in_the_background_reaches_whoever_waits(tmp_path: Path) -> None:
    class Broken(HashEvaluator):
        def evaluate(self, leaves: Leaves) -> Evaluation:  # noqa: ARG002
            raise RuntimeError("no such device")

    play = BackgroundPlay(run_with_champion(tmp_path / "run"), "w", lambda _: Broken(1))
    play.start()
    with pytest.raises(RuntimeError, match="no such device"):
        play.wait(1, 20.0, threading.Event())
