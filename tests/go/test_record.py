# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from minigo.go.record import RecordError
from minigo.go.rules import RULES
from tests.support.records import random_record, record_of


@pytest.mark.parametrize("rules", RULES)
def test_legal_games_pass_their_check_under_every_rule_set(rules):
    for seed in range(20):
        random_record(seed, board_size=4, rules=rules).check()


def test_a_game_of_no_moves_may_have_been_stopped():
    record_of("", end="move_limit").check()


def wrong(**changes):
    return dataclasses.replace(random_record(3), **changes)


def test_an_illegal_move_is_found_with_game_and_ply():
    moves = random_record(3).moves.copy()
    moves[5] = moves[4]

    with pytest.raises(RecordError, match=r"^game random-3: ply 5: .* is illegal for white"):
        wrong(moves=moves).check()


@pytest.mark.parametrize("move", [-1, 26, 30000])
def test_a_move_off_the_board_is_found(move):
    moves = random_record(3).moves.copy()
    moves[5] = move

    with pytest.raises(RecordError, match="game random-3: ply 5"):
        wrong(moves=moves).check()


def test_a_wrong_result_is_found():
    record = record_of("B2 pass pass")

    record.check()
    with pytest.raises(RecordError, match=r"game given: score for black must be 8.5 at the end, got -8.5"):
        dataclasses.replace(record, score_for_black=-8.5).check()


def test_a_result_without_komi_is_found():
    with pytest.raises(RecordError, match="score for black"):
        record_of("B2 pass pass", score_for_black=9.0).check()


@pytest.mark.parametrize(
    ("vertices", "actual"),
    [("B2 pass pass", "passes"), ("B2 A1", "move_limit"), ("B2 pass", "move_limit")],
)
def test_the_way_a_game_ended_is_checked(vertices, actual):
    for end in ("passes", "decided", "move_limit"):
        record = record_of(vertices, end=end)
        if end == actual:
            record.check()
        else:
            with pytest.raises(RecordError, match=f"the game must end by {actual}, got {end}"):
                record.check()


def test_moves_after_two_passes_are_found():
    with pytest.raises(RecordError, match="ply 3 of 4 follows the end of the game"):
        record_of("B2 pass pass B1").check()


def test_moves_after_everything_is_decided_are_found():
    decided = record_of("B2 pass B1 pass B3")  # the middle line lives, and both sides of it are its eyes

    decided.check()
    assert decided.end == "decided"
    with pytest.raises(RecordError, match="ply 5 of 6 follows the end of the game"):
        record_of("B2 pass B1 pass B3 A1").check()


def test_a_resigned_game_keeps_the_sign_of_its_score_alone():
    record_of("B2 C2", end="resign", score_for_black=1.0).check()
    with pytest.raises(RecordError, match="must have a winner"):
        record_of("B2 C2", end="resign", score_for_black=0.0).check()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"board_size": 1}, r"board size must be in 2..19, got 1"),
        ({"board_size": 20}, r"board size must be in 2..19, got 20"),
        ({"komi": float("nan")}, r"komi must be in -400..400, got nan"),
        ({"rules": "japanese"}, "rules must be one of"),
        ({"end": "time"}, "end must be one of passes"),
        ({"score_for_black": float("inf")}, "score must be finite"),
        ({"start_ply": 1000}, "start ply must be in"),
        ({"root_values": np.zeros(3, np.float32)}, "search results must be 44 long as moves are"),
        ({"simulations": np.zeros(0, np.int32)}, "search results must be 44 long as moves are"),
        (
            {"target_plies": np.array([0], np.int16)},
            r"policy targets must have shape \(1, 26\), got \(11, 26\)",
        ),
        ({"root_values": np.full(44, 1.5, np.float32)}, r"root values must be in -1..1"),
        ({"simulations": np.full(44, -1, np.int32)}, "simulations must be 0 or more"),
        ({"simulations": np.zeros(44, np.int32)}, "has a policy target but was not searched"),
    ],
)
def test_a_field_out_of_its_range_is_found(changes, reason):
    assert len(random_record(3).moves) == 44
    with pytest.raises(RecordError, match=f"game random-3: .*{reason}"):
        wrong(**changes).check()


@pytest.mark.parametrize("plies", [[4, 0], [0, 0], [-4, 4], [0, 44]])
def test_target_plies_increase_and_lie_in_the_game(plies):
    targets = random_record(3).policy_targets[:2]

    with pytest.raises(RecordError, match=r"target plies must increase in 0..43"):
        wrong(target_plies=np.array(plies, np.int16), policy_targets=targets).check()


def test_a_policy_target_before_the_first_searched_ply_is_found():
    with pytest.raises(RecordError, match=r"target plies must increase in 2..43"):
        wrong(start_ply=2).check()


def test_a_policy_target_that_does_not_sum_to_one_is_found():
    targets = random_record(3).policy_targets.copy()
    targets[2] //= 2

    with pytest.raises(RecordError, match=r"ply \[8\]: policy target must sum to 65535"):
        wrong(policy_targets=targets).check()


def test_a_policy_target_on_an_illegal_move_is_found():
    record = random_record(3)
    targets = record.policy_targets.copy()
    targets[1] = 0
    targets[1, record.moves[0]] = 65535  # ply 4 would play on the first stone

    with pytest.raises(RecordError, match="ply 4 has a policy target on an illegal move"):
        wrong(policy_targets=targets).check()


def test_records_are_equal_when_all_fields_are():
    assert random_record(3) == random_record(3)
    assert random_record(3) != random_record(4)
    assert random_record(3) != wrong(komi=6.5)
    assert random_record(3) != wrong(simulations=random_record(3).simulations + 1)


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"score_for_black": 8.5}, "B+8.5"),
        ({"score_for_black": -3.0}, "W+3"),
        ({"score_for_black": 0.0}, "0"),
        ({"score_for_black": -1.0, "end": "resign"}, "W+R"),
    ],
)
def test_the_result_is_written_as_in_sgf(changes, result):
    assert record_of("", **changes).result == result


def test_dead_stones_count_for_the_owner_of_a_decided_board():
    record = record_of("B2 A1 B1 pass B3")  # White's stone is dead in one of the two eyes

    assert (record.end, record.score_for_black) == ("decided", 9 - 0.5)
    record.check()
