# SPDX-License-Identifier: Apache-2.0
"""That the benchmark counts what it says it counts. How fast this machine is is no matter for a test."""

import dataclasses
import json
import threading
import time

import pytest

from minigo import benchmark
from minigo.benchmark import Backend
from minigo.config import Config, GameConfig, MachineConfig, NetworkConfig, SelfPlayConfig, TrainConfig
from minigo.inference.evaluator import HashEvaluator
from minigo.measures import SelfPlay, Span, interleaved, median_span, searches_per_game

TINY = Config(
    game=GameConfig(board_size=4, komi=0.5),
    network=NetworkConfig(blocks=1, channels=8, head_channels=8, value_hidden=8),
    selfplay=SelfPlayConfig(num_simulations=4, fast_simulations=2, games_per_shard=4),
    train=TrainConfig(batch_size=8),
    machine=MachineConfig(
        threads=2, games_per_thread=8, batch_rows=4, backend="tensorflow", precision="float32", cached_positions=0
    ),
)


class CountingEvaluator(HashEvaluator):
    """Counts the positions that it is asked for, and can fail."""

    def __init__(self, seconds=0.0, calls_before_failure=None):
        super().__init__(0)
        self.seconds = seconds
        self.calls_left = calls_before_failure
        self.positions = 0
        self.lock = threading.Lock()

    def evaluate(self, leaves):
        with self.lock:
            self.positions += leaves.count
            if self.calls_left is not None:
                self.calls_left -= 1
                if self.calls_left < 0:
                    raise RuntimeError("the network is gone")
        time.sleep(self.seconds)
        return super().evaluate(leaves)


def test_measurements_take_turns_and_the_median_counts():
    calls = []
    figures = {"a": [1.0, 9.0, 2.0], "b": [5.0, 4.0, 6.0]}

    def measure(name):
        def take(seconds):
            calls.append((name, seconds))
            return figures[name][sum(name == called for called, _ in calls) - 1]

        return take

    found = interleaved({"a": measure("a"), "b": measure("b")}, 0.5, 3)

    assert calls == [("a", 0.5), ("b", 0.5)] * 3
    assert found == {"a": 2.0, "b": 5.0}


def test_the_median_of_spans_is_that_of_each_figure():
    spans = [Span(1, 30, 3, 0.5), Span(2, 10, 2, 0.9), Span(3, 20, 1, 0.7)]

    assert median_span(spans) == Span(2, 20, 2, 0.7)


def test_self_play_pauses_between_spans():
    evaluator = CountingEvaluator()

    with SelfPlay(TINY, evaluator, threads=2) as selfplay:
        selfplay.play(0.05)
        before = evaluator.positions
        time.sleep(0.1)
        paused = evaluator.positions
        selfplay.play(0.05)
        after = evaluator.positions

    assert paused == before > 0
    assert after > paused


def test_self_play_counts_every_position_of_both_threads():
    evaluator = CountingEvaluator(seconds=0.002)

    with SelfPlay(TINY, evaluator, threads=2) as selfplay:
        started = time.perf_counter()
        span = selfplay.play(0.5)
        passed = time.perf_counter() - started

    assert span.evaluations_per_s == pytest.approx(evaluator.positions / passed, rel=0.2)
    assert span.positions_per_s == span.evaluations_per_s  # without a cache


@pytest.mark.parametrize(("games_per_network", "networks"), [(None, [0, 0, 0, 0, 0]), (8, [0, 0, 1, 1, 2])])
def test_a_network_takes_over_from_itself_after_so_many_games(games_per_network, networks):
    selfplay = SelfPlay(TINY, HashEvaluator(1), 1, games_per_network)  # of four games a shard

    evaluators = [selfplay._next_shard().evaluator for _ in networks]

    found = [evaluators.index(evaluator) for evaluator in evaluators]
    assert [sorted(set(found)).index(first) for first in found] == networks


def test_what_the_cache_knows_is_counted_beside_the_evaluations():
    config = dataclasses.replace(TINY, machine=dataclasses.replace(TINY.machine, cached_positions=10_000))

    with SelfPlay(config, CountingEvaluator(), threads=1) as selfplay:
        span = selfplay.play(0.3)

    assert span.positions_per_s > span.evaluations_per_s  # 4x4 openings come again and again


def test_threads_that_only_wait_are_not_busy():
    with SelfPlay(TINY, CountingEvaluator(seconds=0.05), threads=2) as selfplay:
        assert selfplay.play(0.5).busy < 0.3


def test_an_evaluator_that_fails_ends_self_play_with_its_error():
    with SelfPlay(TINY, CountingEvaluator(calls_before_failure=3), threads=2) as selfplay:  # noqa: SIM117
        with pytest.raises(RuntimeError, match="the network is gone"):
            selfplay.play(30)


def test_the_length_of_a_game_is_its_searched_moves():
    one_move = dataclasses.replace(
        TINY,
        game=dataclasses.replace(TINY.game, max_moves_per_point=1.0),
        selfplay=dataclasses.replace(TINY.selfplay, random_share=0.0),
    )

    assert 2 <= searches_per_game(one_move, HashEvaluator(0)) <= 16  # two passes; the limit of moves


def test_a_back_end_that_does_not_work_here_is_left_out(monkeypatch):
    def load(network, machine, board_size):
        del network, board_size
        if machine.precision == "int8":
            raise ImportError("no such library")
        return HashEvaluator(0)

    monkeypatch.setattr(benchmark, "load_evaluator", load)
    backends = (Backend("openvino", "int8"), Backend("tensorflow", "float32"))

    assert list(benchmark.load_backends(None, TINY, backends)) == [Backend("tensorflow", "float32")]
    with pytest.raises(RuntimeError, match="none of these back ends works here: openvino int8"):
        benchmark.make_subject(TINY, None, backends=backends[:1])


def test_a_back_end_that_disagrees_with_float32_is_found_out():
    evaluators = {
        Backend("tensorflow", "float32"): HashEvaluator(0),
        Backend("tensorflow", "bfloat16"): HashEvaluator(0),
        Backend("openvino", "int8"): HashEvaluator(1),
    }

    broken = benchmark.broken_limits(evaluators, TINY)

    assert broken[Backend("tensorflow", "bfloat16")] == []
    assert any("win_rate" in limit for limit in broken[Backend("openvino", "int8")])


def test_without_float32_nothing_is_found_out():
    backend = Backend("openvino", "int8")

    assert benchmark.broken_limits({backend: HashEvaluator(1)}, TINY) == {backend: []}


def test_the_machine_settings_choose_what_is_measured():
    every = dataclasses.replace(TINY, machine=dataclasses.replace(TINY.machine, backend="auto"))

    assert benchmark.wanted_backends(TINY) == (Backend("tensorflow", "float32"),)
    assert set(benchmark.wanted_backends(every)) >= {Backend("tensorflow", "bfloat16"), Backend("openvino", "int8")}


def test_a_benchmark_reports_what_scripts_rely_on():
    told = []

    result = benchmark.run_benchmark(TINY, 0.02, None, rounds=2, say=lambda share, text: told.append((share, text)))

    json.dumps(result)
    assert set(result["playouts_per_s"]) == {"9", "19"}
    numbers = (
        "null_search_simulations_per_s",
        "bare_evaluations_per_s",
        "selfplay_evaluations_per_s",
        "selfplay_games_per_hour",
        "selfplay_share",
        "training_examples_per_s",
    )
    assert all(result[name] > 0 for name in numbers)
    assert (result["backend"], result["precision"], result["threads"]) == ("tensorflow", "float32", 2)
    assert result["network"] == "1 blocks x 8 channels"
    assert result["cpu"]
    recommended = result["recommended"]
    assert recommended["machine.games_per_thread"] >= 2 * recommended["machine.batch_rows"]  # or batches run half empty
    MachineConfig(**{name.partition(".")[2]: value for name, value in recommended.items()})
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] < 1.0
    table = benchmark.to_table(result)
    assert f"--machine.batch_rows={recommended['machine.batch_rows']}" in table
