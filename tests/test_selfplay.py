# SPDX-License-Identifier: Apache-2.0
import contextlib
import dataclasses
import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from cc_kernels.cache import EvaluationCache
from minigo.config import Config, GameConfig, MachineConfig, SelfPlayConfig
from minigo.data.shards import RANDOM_PLAYOUTS, read_shard
from minigo.gamepool import GamePool, Progress, Shard, new_shard, play_random_shard, play_shard
from minigo.go.record import GameRecord
from minigo.inference.evaluator import Evaluation, Evaluator, HashEvaluator, Leaves
from minigo.run import Run, RunError
from minigo.selfplay import BackgroundPlay, ChampionFollower, ShardSource, is_held_out, play_games, play_worker
from minigo.storage import Unavailable

CONFIG = Config(
    game=GameConfig(board_size=4, komi=1.5),
    selfplay=SelfPlayConfig(num_simulations=8, fast_simulations=2, games_per_shard=6, random_games=6),
    machine=MachineConfig(games_per_thread=5, batch_rows=3),
    seed=3,
)


def shard(sequence: int = 0, evaluator: Evaluator | None = None, network: str = "000000") -> Shard:
    return new_shard(CONFIG, network, "0" * 64, evaluator or HashEvaluator(1), "tester", sequence)


def pool_of(shards: list[Shard], finished: list[Shard]) -> GamePool:
    todo = list(reversed(shards))
    return GamePool(CONFIG, lambda: todo.pop() if todo else None, finished.append, Progress())


def run_with_champion(folder: Path) -> Run:
    run = Run.create(str(folder), CONFIG)
    run.publish_network(b"weights", {})
    run.promote("000000", {}, None)
    return run


def test_every_recorded_game_obeys_the_rules_and_its_result() -> None:
    for record in play_shard(CONFIG, shard()):
        record.check()


def test_a_shard_is_reproduced_bit_for_bit_from_its_header() -> None:
    assert play_shard(CONFIG, shard()) == play_shard(CONFIG, shard())


def test_shards_with_another_sequence_seed_or_worker_hold_other_games() -> None:
    first = play_shard(CONFIG, shard(0))

    assert play_shard(CONFIG, shard(1)) != first
    other = dataclasses.replace(CONFIG, seed=4)
    assert play_shard(other, new_shard(other, "000000", "", HashEvaluator(1), "tester", 0))[0].seed != first[0].seed
    assert play_shard(CONFIG, new_shard(CONFIG, "000000", "", HashEvaluator(1), "b", 0))[0].seed != first[0].seed


def test_a_game_does_not_depend_on_what_shares_its_batch() -> None:
    alone = [play_shard(CONFIG, shard(sequence)) for sequence in range(4)]
    together: list[Shard] = []
    pool_of([shard(sequence) for sequence in range(4)], together).run(threading.Event())

    by_sequence = {shard.header.sequence: shard.records for shard in together}
    assert [by_sequence[sequence] for sequence in range(4)] == alone


def test_each_shard_is_played_by_its_own_network_while_one_takes_over() -> None:
    shards = [shard(0, HashEvaluator(1)), shard(1, HashEvaluator(2), "000001")]
    finished: list[Shard] = []
    pool_of(shards, finished).run(threading.Event())

    for played in finished:
        seed = 1 + played.header.sequence
        alone = play_shard(CONFIG, shard(played.header.sequence, HashEvaluator(seed), played.header.network))
        assert played.records == alone


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


def test_a_stopped_pool_drops_unfinished_games_and_publishes_none_of_them() -> None:
    stop = threading.Event()

    class StopsAfterSome(HashEvaluator):
        calls = 0

        def evaluate(self, leaves: Leaves) -> Evaluation:
            self.calls += 1
            if self.calls == 10:
                stop.set()
            return super().evaluate(leaves)

    finished: list[Shard] = []
    pool_of([shard(0, StopsAfterSome(1))], finished).run(stop)

    assert finished == []


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


def test_full_searches_give_targets_and_fast_ones_do_not() -> None:
    for record in play_shard(CONFIG, shard()):
        full = set(record.target_plies.tolist())
        for ply in range(record.start_ply, record.num_moves):
            assert record.simulations[ply] <= (8 if ply in full else 2)
        assert np.isnan(record.root_values[: record.start_ply]).all()
        assert np.isfinite(record.root_values[record.start_ply :]).all()


def test_fast_searches_have_as_much_of_the_noise_as_the_config_says() -> None:
    def games(fast_noise: float, full_share: float) -> list[list[int]]:
        changes = {"fast_noise": fast_noise, "full_share": full_share, "random_share": 0.0}
        config = dataclasses.replace(CONFIG, selfplay=dataclasses.replace(CONFIG.selfplay, **changes))
        played = play_shard(config, new_shard(config, "000000", "", HashEvaluator(1), "tester", 0))
        return [record.moves.tolist() for record in played]

    assert all(game == games(0.0, 0.0)[0] for game in games(0.0, 0.0))
    assert any(game != games(0.5, 0.0)[0] for game in games(0.5, 0.0))
    assert any(game != games(0.0, 1.0)[0] for game in games(0.0, 1.0))


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.02, 5, 60)])
def test_random_games_hold_as_many_passes_as_the_config_says(share: float, least: int, most: int) -> None:
    selfplay = dataclasses.replace(CONFIG.selfplay, games_per_shard=64, random_passes=share)
    config = dataclasses.replace(CONFIG, game=GameConfig(board_size=7), selfplay=selfplay)
    records = play_random_shard(config, new_shard(config, RANDOM_PLAYOUTS, "", None, "tester", 0))

    opening = np.concatenate([record.moves[:20] for record in records])
    assert least <= np.count_nonzero(opening == 49) <= most


def test_random_playouts_are_reproduced_and_have_no_targets() -> None:
    def random_shard() -> list[GameRecord]:
        return play_random_shard(CONFIG, new_shard(CONFIG, RANDOM_PLAYOUTS, "", None, "tester", 0))

    records = random_shard()
    assert records == random_shard()
    for record in records:
        record.check()
        assert len(record.target_plies) == 0
        assert record.start_ply == record.num_moves


def test_komi_spread_draws_komi_around_the_games_own() -> None:
    selfplay = dataclasses.replace(CONFIG.selfplay, komi_spread=2.0, games_per_shard=64)
    config = dataclasses.replace(CONFIG, selfplay=selfplay)
    komi = [record.komi for record in play_shard(config, new_shard(config, "000000", "", HashEvaluator(1), "t", 0))]

    assert all((value - 1.5).is_integer() for value in komi)
    assert len(set(komi)) > 3
    assert abs(np.mean(komi) - 1.5) < 1.0


def test_about_the_configured_share_of_shards_is_held_out() -> None:
    config = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, holdout_share=0.1))
    held = sum(is_held_out(config, shard(sequence).header) for sequence in range(2000))

    assert 140 < held < 260


def test_a_cache_of_any_size_changes_no_game() -> None:
    games = [
        play_shard(CONFIG, new_shard(CONFIG, "000000", "0" * 64, HashEvaluator(1), "tester", 0, cache))
        for cache in (None, EvaluationCache(4, 7), EvaluationCache(4, 10_000))
    ]

    assert games[0] == games[1] == games[2]


def test_a_cache_saves_evaluations() -> None:
    progress = [Progress(), Progress()]
    for counts, cache in zip(progress, (None, EvaluationCache(4, 10_000)), strict=True):
        shards = [new_shard(CONFIG, "000000", "0" * 64, HashEvaluator(1), "tester", 0, cache)]
        GamePool(CONFIG, lambda todo=shards: todo.pop() if todo else None, lambda _: None, counts).run(
            threading.Event()
        )

    assert progress[0].searches == progress[1].searches
    assert progress[1].evaluations < 0.8 * progress[0].evaluations


def test_every_batch_is_full_while_there_are_more_games_than_rows() -> None:
    counts: list[int] = []

    class Counting(HashEvaluator):
        def evaluate(self, leaves: Leaves) -> Evaluation:
            counts.append(leaves.count)
            return super().evaluate(leaves)

    config = dataclasses.replace(CONFIG, machine=MachineConfig(games_per_thread=16, batch_rows=4))
    network = Counting(1)
    shards = [new_shard(config, "000000", "0" * 64, network, "tester", sequence) for sequence in range(10)]
    GamePool(config, lambda: shards.pop() if shards else None, lambda _: None, Progress()).run(threading.Event())

    first = counts[: int(0.7 * len(counts))]  # the last games end in smaller company
    assert sum(first) >= 0.99 * 4 * len(first)


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


def test_progress_counts_what_came_after_a_snapshot() -> None:
    progress = Progress()
    progress.add(play_shard(CONFIG, shard(0)))
    earlier = progress.snapshot()
    progress.add(play_shard(CONFIG, shard(1)))

    assert earlier.games == progress.since(earlier).games == CONFIG.selfplay.games_per_shard


def test_a_game_that_is_being_played_can_be_watched_until_it_ends() -> None:
    progress, seen = Progress(), []

    class Watching(HashEvaluator):
        def evaluate(self, leaves: Leaves) -> Evaluation:
            seen.append(progress.current_game())
            return super().evaluate(leaves)

    todo = [shard(evaluator=Watching(1))]
    GamePool(CONFIG, lambda: todo.pop() if todo else None, lambda _: None, progress).run(threading.Event())

    games = [game for game in seen if game is not None]
    assert progress.current_game() is None
    assert len({game["game_id"] for game in games}) > 1  # one after the other
    for before, after in itertools.pairwise(games):
        if before["game_id"] == after["game_id"]:
            assert after["moves"][: len(before["moves"])] == before["moves"]
    assert {game["network"] for game in games} == {"000000"}
