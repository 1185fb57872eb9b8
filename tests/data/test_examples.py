# SPDX-License-Identifier: Apache-2.0
import dataclasses
import threading
import time

import numpy as np
import pytest

from cc_kernels.features import NUM_PLANES, NUM_SCALARS, NUM_SYMMETRIES, write_features
from minigo.config import GameConfig, TrainConfig
from minigo.data import examples
from minigo.data.examples import Batch, ExampleStream, make_batch
from minigo.data.window import Window
from minigo.go.record import POLICY_SCALE, GameRecord
from minigo.go.symmetry import transform_planes, transform_policy
from tests.support.records import random_record

CONFIG = TrainConfig(batch_size=16, value_from_search=0.4)
RECORDS = [random_record(seed, max_moves=25) for seed in range(6)]


def window_of(records: list[GameRecord]) -> Window:
    window = Window(GameConfig(board_size=5), TrainConfig(window_min=100_000, untargeted_positions=1000))
    window.add(records)
    return window


def batch_of(window: Window, symmetry: int, value_from_search: float = 0.0) -> Batch:
    """Every position of the window under one symmetry."""
    positions = np.arange(window.num_positions)
    return make_batch(window, positions, np.full(len(positions), symmetry, np.uint8), value_from_search)


def test_inputs_are_the_features_of_the_recorded_positions() -> None:
    window = window_of(RECORDS)
    batch, row = batch_of(window, symmetry=0), 0
    for record in RECORDS:
        board = record.empty_board()
        for ply, move in enumerate(record.moves.tolist()):
            if ply in record.target_plies:
                planes, scalars = np.zeros((5, 5, NUM_PLANES), np.uint8), np.zeros(NUM_SCALARS, np.float32)
                write_features(board, planes, scalars)
                np.testing.assert_array_equal(batch.inputs["planes"][row], planes)
                np.testing.assert_array_equal(batch.inputs["scalars"][row], scalars)
                row += 1
            board.play(move)
    assert row == window.num_positions


@pytest.mark.parametrize("symmetry", range(NUM_SYMMETRIES))
def test_planes_and_targets_are_seen_under_the_same_symmetry(symmetry: int) -> None:
    window = window_of(RECORDS)
    plain, turned = batch_of(window, 0), batch_of(window, symmetry)

    for row in range(window.num_positions):
        planes = transform_planes(plain.inputs["planes"][row], symmetry)
        np.testing.assert_array_equal(turned.inputs["planes"][row], planes)
        ownership = transform_planes(plain.targets["ownership"][row], symmetry)
        np.testing.assert_array_equal(turned.targets["ownership"][row], ownership)
        policy = transform_policy(plain.targets["policy"][row], 5, symmetry)
        np.testing.assert_array_equal(turned.targets["policy"][row], policy)
    for same in ("outcome", "score_lead", "policy_weight"):
        np.testing.assert_array_equal(turned.targets[same], plain.targets[same])


def test_policy_targets_lie_on_empty_points_under_every_symmetry() -> None:
    window = window_of(RECORDS)
    for symmetry in range(NUM_SYMMETRIES):
        batch = batch_of(window, symmetry)
        stones = batch.inputs["planes"][..., :2].any(axis=-1).reshape(-1, 25)

        assert stones.any()
        assert not batch.targets["policy"][:, :25][stones].any()
        np.testing.assert_allclose(batch.targets["policy"].sum(axis=1), 1.0, rtol=1e-5)


def test_policy_is_the_recorded_distribution() -> None:
    batch = batch_of(window_of(RECORDS), symmetry=0)
    recorded = np.concatenate([record.policy_targets for record in RECORDS]) / POLICY_SCALE

    np.testing.assert_allclose(batch.targets["policy"], recorded, atol=1e-3)


def test_targets_are_for_the_player_to_move() -> None:
    window = window_of([without_targets(RECORDS[0])])
    targets = batch_of(window, symmetry=0).targets
    score = np.float32(RECORDS[0].score_for_black)
    black, white = slice(0, None, 2), slice(1, None, 2)

    assert (targets["score_lead"][black] == score).all()
    assert (targets["score_lead"][white] == -score).all()
    assert (targets["outcome"][black, 0] == (score > 0)).all()
    assert (targets["outcome"][white, 0] == (score < 0)).all()
    np.testing.assert_array_equal(targets["ownership"][0], -targets["ownership"][1])
    assert targets["ownership"][0].sum() == pytest.approx(score + RECORDS[0].komi)


def without_targets(record: GameRecord) -> GameRecord:
    """As if its moves had been random."""
    return dataclasses.replace(
        record,
        target_plies=record.target_plies[:0],
        policy_targets=record.policy_targets[:0],
        simulations=np.zeros_like(record.simulations),
    )


def test_games_without_policy_targets_have_weight_zero_in_the_policy() -> None:
    window = window_of([RECORDS[0], without_targets(RECORDS[1])])
    targets = batch_of(window, symmetry=3).targets
    first = len(RECORDS[0].target_plies)

    assert (targets["policy_weight"][:first] == 1).all()
    assert (targets["policy_weight"][first:] == 0).all()
    assert not targets["policy"][first:].any()


def test_the_outcome_mixes_the_result_with_the_search_where_there_was_one() -> None:
    record = without_targets(RECORDS[0])
    values = np.array([np.nan, -1.0, 0.5, 1.0], np.float32)
    root_values = np.full(record.num_moves, np.nan, np.float32)
    root_values[:4] = values
    record = dataclasses.replace(record, root_values=root_values)
    outcome = batch_of(window_of([record]), symmetry=0, value_from_search=0.4).targets["outcome"]

    black_wins = float(record.score_for_black > 0)
    win = np.array([black_wins, 1 - black_wins] * 2)
    expected = np.where(np.isnan(values), win, 0.6 * win + 0.4 * (1 + values) / 2)
    np.testing.assert_allclose(outcome[:4, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(outcome.sum(axis=1), 1.0, rtol=1e-6)
    assert not outcome[:, 1].any()


def test_an_even_score_is_a_draw() -> None:
    record = without_targets(RECORDS[0])
    even = dataclasses.replace(record, score_for_black=0.0)

    assert (batch_of(window_of([even]), 0).targets["outcome"] == [0, 1, 0]).all()


def test_a_stream_follows_from_its_generator() -> None:
    window = window_of(RECORDS)
    batches = []
    for seed in (1, 1, 2):
        with ExampleStream(window, CONFIG, np.random.default_rng(seed), 3) as stream:
            batches.append(list(stream))

    first, again, other = ([batch.inputs["planes"].tobytes() for batch in each] for each in batches)
    assert len(first) == len(set(first)) == 3
    assert first == again != other
    assert batches[0][0].inputs["planes"].shape == (16, 5, 5, NUM_PLANES)


def test_a_stream_draws_from_all_positions_and_symmetries() -> None:
    window = window_of(RECORDS[:1])
    with ExampleStream(window, CONFIG, np.random.default_rng(0), 40) as stream:
        seen = {row.tobytes() for batch in stream for row in batch.targets["policy"]}

    everything = {row.tobytes() for s in range(NUM_SYMMETRIES) for row in batch_of(window, s).targets["policy"]}
    assert seen == everything


def test_a_stream_that_is_left_early_ends_its_thread() -> None:
    before = threading.active_count()
    with ExampleStream(window_of(RECORDS), CONFIG, np.random.default_rng(0), 10_000) as stream:
        next(iter(stream))
        time.sleep(0.05)

    assert threading.active_count() == before


def test_an_error_in_the_stream_reaches_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no examples today")

    monkeypatch.setattr(examples, "write_examples", fail)
    stream = ExampleStream(window_of(RECORDS), CONFIG, np.random.default_rng(0), 2)
    with stream, pytest.raises(ValueError, match="no examples today"):
        list(stream)


def test_an_empty_window_has_no_examples() -> None:
    with pytest.raises(ValueError, match="must hold positions"):
        ExampleStream(window_of([]), CONFIG, np.random.default_rng(0), 1)
