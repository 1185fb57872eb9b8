# SPDX-License-Identifier: Apache-2.0
"""Self-play games and their shards, as one thread plays them."""

import dataclasses
import itertools
import threading

import numpy as np
import pytest

from cc_kernels.cache import EvaluationCache
from minigo.config import Config, GameConfig, MachineConfig
from minigo.data.shards import RANDOM_PLAYOUTS
from minigo.gamepool import GamePool, Progress, Shard, new_shard, play_random_shard, play_shard
from minigo.go.record import GameRecord
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves
from tests.support.shards import CONFIG, shard


def pool_of(shards: list[Shard], finished: list[Shard], config: Config = CONFIG) -> GamePool:
    todo = list(reversed(shards))
    return GamePool(config, lambda: todo.pop() if todo else None, finished.append, Progress())


def simulations_of_fast_searches(played: Shard) -> set[int]:
    others = [[*range(record.start_ply), *record.target_plies] for record in played.records]
    fast = [np.delete(record.simulations, plies) for record, plies in zip(played.records, others, strict=True)]
    return set(np.concatenate(fast).tolist())


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


def test_full_searches_have_more_simulations_from_the_late_network_on_also_while_it_takes_over() -> None:
    selfplay = dataclasses.replace(CONFIG.selfplay, late_simulations=9, late_network=2)
    config = dataclasses.replace(CONFIG, selfplay=selfplay)
    shards = [shard(number, HashEvaluator(number), f"{number:06d}") for number in (1, 2, 3)]
    finished: list[Shard] = []
    pool_of(shards, finished, config).run(threading.Event())

    made = {}
    for played in finished:
        name = played.header.network
        full = [record.simulations[record.target_plies] for record in played.records]
        made[name] = (set(np.concatenate(full).tolist()), simulations_of_fast_searches(played))
        assert played.records == play_shard(config, shard(int(name), HashEvaluator(int(name)), name))
    fast = {CONFIG.selfplay.fast_simulations}
    early = ({CONFIG.selfplay.num_simulations}, fast)
    assert made == {"000001": early, "000002": ({9}, fast), "000003": ({9}, fast)}


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
