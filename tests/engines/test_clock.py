# SPDX-License-Identifier: Apache-2.0
"""The clock against its rules, and whole games on every clock, in which the engine must never lose on time."""

import math

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.engines.clock import MOVE_SECONDS, Budget, Clock, TimeControl, TimeLeft, moves_left
from minigo.go.position import Position

INF = math.inf


def kata(text: str) -> TimeControl:
    return TimeControl.from_kata(text.split())


def after(plies: int, board_size: int = 9) -> Position:
    """A position that so many moves were made in; which ones does not matter to a clock."""
    empty = Position.empty(board_size, 7.5, "cgos")
    return Position(empty.board, empty.rules, tuple((BLACK if ply % 2 == 0 else WHITE, 0) for ply in range(plies)))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("0 1 0", TimeControl()),
        ("300 60 0", TimeControl()),
        ("300 0 0", TimeControl("absolute", 300)),
        ("300 0 5", TimeControl("absolute", 300)),
        ("0 0 0", TimeControl("absolute", 0)),
        ("300 60 25", TimeControl("canadian", 300, 60, 25)),
        ("0 2.5 1", TimeControl("canadian", 0, 2.5, 1)),
    ],
)
def test_time_settings_are_read_as_gtp_defines_them(words: str, expected: TimeControl):
    assert TimeControl.from_gtp(words.split()) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("none", TimeControl()),
        ("absolute 300", TimeControl("absolute", 300)),
        ("canadian 300 60 25", TimeControl("canadian", 300, 60, 25)),
        ("byoyomi 300 30 5", TimeControl("byoyomi", 300, 30, 5)),
        ("byoyomi 300 30 0", TimeControl("absolute", 300)),
        ("BYOYOMI 300 30 5", TimeControl("byoyomi", 300, 30, 5)),
    ],
)
def test_settings_of_kgs_and_kata_agree_where_both_have_them(words: str, expected: TimeControl):
    assert TimeControl.from_kgs(words.split()) == expected
    assert TimeControl.from_kata(words.split()) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fischer 60 5", TimeControl("fischer", 60, increment=5)),
        (
            "fischer-capped 60 5 90 20",
            TimeControl("fischer-capped", 60, increment=5, most_seconds=90, most_per_move=20),
        ),
        ("fischer-capped 60 5 -1 -1", TimeControl("fischer-capped", 60, increment=5)),
    ],
)
def test_only_kata_has_fischer(words: str, expected: TimeControl):
    assert TimeControl.from_kata(words.split()) == expected
    with pytest.raises(ValueError, match="must be one of none, absolute, canadian, byoyomi, got"):
        TimeControl.from_kgs(words.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "must be one of"),
        ("sandglass 5", "got 'sandglass'"),
        ("absolute", "needs main time; got nothing"),
        ("none 5", "needs no numbers"),
        ("absolute ten", "main time must be a number, got 'ten'"),
        ("absolute -1", "main time must be in 0.."),
        ("absolute nan", "main time must be a number"),
        ("absolute inf", "main time must be a number"),
        ("absolute 1_0", "main time must be a number, got '1_0'"),
        ("canadian 5 5 2.5", "stones must be an integer"),
        ("canadian 5 5 1e9", "stones must be an integer in 0..100000"),
        ("byoyomi 5 5 inf", "periods must be a number"),
        ("fischer 60", "needs main time, increment"),
    ],
)
def test_settings_that_mean_nothing_are_errors(words: str, message: str):
    with pytest.raises(ValueError, match=message):
        TimeControl.from_kata(words.split())


@pytest.mark.parametrize("words", ["", "1 2", "1 2 3 4", "-1 0 0", "a b c"])
def test_time_settings_must_be_three_numbers(words: str):
    with pytest.raises(ValueError, match=r"main time|time control needs"):
        TimeControl.from_gtp(words.split())


@pytest.mark.parametrize(
    ("control", "moves", "expected"),
    [
        ("none", [50.0], (0, 0)),
        ("absolute 10", [4.0, 1.0], (5, 0)),
        ("absolute 10", [11.0], (0, 0)),
        ("fischer 10 2", [4.0], (8, 0)),
        ("fischer 10 2", [0.5], (11.5, 0)),
        ("fischer-capped 10 2 11 -1", [0.5], (11, 0)),
        ("canadian 10 5 3", [4.0], (6, 0)),
        ("canadian 10 5 3", [11.0], (4, 2)),  # one second of the period and one of its stones
        ("canadian 10 5 3", [11.0, 1.0], (3, 1)),
        ("canadian 10 5 3", [11.0, 1.0, 1.0], (5, 3)),  # a new period
        ("canadian 0 5 1", [3.0], (5, 1)),
        ("canadian 0 5 1", [6.0], (0, 1)),  # lost
        ("byoyomi 10 5 3", [9.0], (1, 0)),
        ("byoyomi 10 5 3", [12.0], (5, 3)),  # within the first period, which is whole again
        ("byoyomi 10 5 3", [16.0], (5, 2)),
        ("byoyomi 0 5 3", [4.9, 4.9], (5, 3)),
        ("byoyomi 0 5 3", [14.0], (5, 1)),
        ("byoyomi 0 5 3", [16.0], (0, 1)),  # lost
    ],
)
def test_a_clock_counts_down_by_its_rules(control: str, moves: list[float], expected: tuple[float, int]):
    clock = Clock.started(kata(control))
    for seconds in moves:
        clock = clock.spent(WHITE, seconds, unseen_seconds=0.0)

    assert clock.white == pytest.approx(expected)
    assert clock.black == Clock.started(kata(control)).black
    assert clock.has_run_out(WHITE) == (expected[0] == 0 and control != "none")


@pytest.mark.parametrize(
    ("control", "words", "expected"),
    [
        ("absolute 10", (7, 0), (7, 0)),
        ("absolute 10", (7, 3), (7, 0)),
        ("canadian 10 5 3", (7, 0), (7, 0)),
        ("canadian 10 5 3", (4, 2), (4, 2)),
        ("canadian 10 5 3", (0, 0), (5, 3)),  # main time is over
        ("byoyomi 10 5 3", (3, 2), (3, 2)),
        ("byoyomi 10 5 3", (0, 0), (5, 3)),
        ("fischer 10 5", (-1, 0), (0, 0)),
    ],
)
def test_the_controller_knows_what_is_left(control: str, words: tuple[int, int], expected: tuple[float, int]):
    clock = Clock.started(kata(control)).spent(BLACK, 1.0).updated(BLACK, *words)

    assert clock.left(BLACK) == expected
    assert clock.left(WHITE) == Clock.started(kata(control)).white


def test_what_is_left_must_be_a_number():
    with pytest.raises(ValueError, match="time left must be"):
        Clock.started(kata("absolute 10")).updated(BLACK, math.nan, 0)


def test_overtime_begins_at_once_where_there_is_no_main_time():
    assert Clock.started(kata("canadian 0 5 3")).black == TimeLeft(5, 3)
    assert Clock.started(kata("byoyomi 0 5 3")).white == TimeLeft(5, 3)


def test_without_a_clock_there_is_no_limit():
    assert Clock.started(TimeControl()).budget(after(0)) == Budget(INF, INF)
    assert not Clock.started(TimeControl()).is_limited


def test_later_moves_get_a_larger_share_of_the_same_time():
    clock = Clock.started(kata("absolute 60"))

    assert clock.budget(after(60)).soft > clock.budget(after(20)).soft > clock.budget(after(0)).soft > 0
    assert moves_left(after(1000)) >= 4


def test_a_larger_board_gets_a_smaller_share():
    clock = Clock.started(kata("absolute 600"))

    assert clock.budget(after(0, 19)).soft < clock.budget(after(0, 9)).soft


@pytest.mark.parametrize(
    ("control", "left", "soft", "hard"),
    [
        ("canadian 0 10 10", (10, 10), 0.9, 2.7),
        ("canadian 0 10 10", (10, 1), 9.9, 9.9),  # all the rest belongs to the last stone
        ("canadian 0 10 10", (2, 2), 0.9, 1.75),  # the last stone needs some, too
        ("byoyomi 0 5 1", (5, 1), 4.9, 4.9),
        ("byoyomi 0 5 3", (5, 3), 4.9, 9.9),  # two periods are kept, the third may be given up
        ("byoyomi 0 5 5", (2, 2), 1.9, 1.9),
        ("fischer-capped 100 5 100 3", (100, 0), 2.9, 2.9),
        ("absolute 10", (0, 0), 0, 0),
    ],
)
def test_budget_of_a_move_with_a_tenth_of_a_second_of_lag(
    control: str, left: tuple[float, int], soft: float, hard: float
):
    clock = Clock.started(kata(control)).updated(BLACK, *left)

    assert clock.budget(after(0), BLACK, lag_seconds=0.1) == pytest.approx((soft, hard))


CONTROLS = (
    "absolute 60",
    "absolute 300",
    "canadian 10 10 10",
    "canadian 0 5 25",
    "canadian 60 30 1",
    "byoyomi 5 2 3",
    "byoyomi 0 1 1",
    "byoyomi 60 10 5",
    "fischer 10 0.5",
    "fischer 5 2",
    "fischer-capped 20 1 25 3",
)


@pytest.mark.parametrize("board_size", [2, 9, 19])
@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("told", [True, False])
def test_no_game_of_any_length_is_lost_on_time(control: str, board_size: int, told: bool):
    """Moves take all that they may, and the controller counts some more; it says what is left, or does not."""
    rng = np.random.default_rng(7)
    clock = known = Clock.started(kata(control))
    for ply in range(0, 2 * board_size**2, 2):
        budget = known.budget(after(ply, board_size), BLACK, lag_seconds=0.3)
        greedy = rng.random() < 0.7
        used = (budget.hard if greedy else rng.uniform(0, budget.hard)) + 0.002
        assert used - 0.002 <= clock.control.most_per_move
        clock = clock.spent(BLACK, used + rng.uniform(0, 0.09), unseen_seconds=0.0)
        known = clock if told else known.spent(BLACK, used)

        assert not clock.has_run_out(BLACK), f"at ply {ply}"


LAGS = (0.05, 0.3, 1.0, 2.5)
TIGHT = (
    *CONTROLS,
    "absolute 30",
    "absolute 29",
    "absolute 600",
    "absolute 3000",
    "fischer 10 0.2",
    "fischer 30 0.2",
    "fischer 300 0",
    "fischer 1000 1",
    "fischer-capped 300 0.2 300 5",
    "canadian 300 2 10",
    "canadian 5 10 3",
    "byoyomi 300 0.2 3",
    "byoyomi 60 1 2",
    "byoyomi 10 5 1",
)


def can_be_kept(control: TimeControl, lag: float, moves: int) -> bool:
    """Whether there is time for so many moves without any thought, each with its lag."""
    each = lag + MOVE_SECONDS
    if control.kind == "absolute":
        return moves * each <= control.main_seconds
    if control.kind == "canadian":
        in_main = moves * each <= control.main_seconds
        return in_main or control.stones * each <= control.period_seconds
    if control.kind == "byoyomi":
        return moves * each <= control.main_seconds or each <= control.period_seconds
    first = each <= min(control.main_seconds, control.most_seconds)
    return first and (
        moves * (each - control.increment) <= control.main_seconds - each and control.most_per_move > each
    )


@pytest.mark.parametrize("board_size", [5, 19])
@pytest.mark.parametrize("text", sorted(set(TIGHT)))
@pytest.mark.parametrize("thought", ["soft", "hard"])
def test_the_lag_of_every_move_is_kept_wherever_that_is_possible(text: str, board_size: int, thought: str):
    """Each move takes its budget and then the whole lag, in a game as long as the board has points for each player."""
    control, moves = kata(text), board_size**2
    possible = [lag for lag in LAGS if can_be_kept(control, lag, moves)]
    for lag in possible:
        clock = Clock.started(control)
        for ply in range(0, 2 * moves, 2):
            budget = clock.budget(after(ply, board_size), BLACK, lag_seconds=lag)
            clock = clock.spent(BLACK, getattr(budget, thought) + lag - 0.001, unseen_seconds=0.0)
            assert not clock.has_run_out(BLACK), f"at ply {ply} with a lag of {lag:g} s"


def test_the_shorter_the_lag_the_more_time_there_is_to_think():
    for text in ("absolute 300", "fischer 100 1", "byoyomi 60 5 3"):
        budgets = [Clock.started(kata(text)).budget(after(10), lag_seconds=lag).soft for lag in LAGS]
        assert budgets == sorted(budgets, reverse=True)
        assert budgets[0] > budgets[2]


def test_where_the_lag_of_the_longest_game_is_not_to_be_had_that_of_a_usual_one_is_kept():
    clock = Clock.started(kata("absolute 20"))

    assert 0 < clock.budget(after(0), lag_seconds=0.3).soft < 0.3


@pytest.mark.parametrize("control", ["absolute 60", "canadian 60 10 10", "byoyomi 60 5 3", "fischer 60 1"])
@pytest.mark.parametrize("board_size", [9, 19])
def test_most_of_the_main_time_is_used_in_a_game_of_usual_length(control: str, board_size: int):
    clock = Clock.started(kata(control.replace("60", str(60 * board_size))))
    main = clock.control.main_seconds
    for ply in range(0, int(0.75 * board_size**2), 2):
        clock = clock.spent(BLACK, clock.budget(after(ply, board_size)).soft)

    left = clock.black
    assert left.stones > 0 or left.seconds < 0.4 * main


@pytest.mark.parametrize("control", ["canadian 10 10 10", "canadian 0 5 5", "canadian 60 30 1", "canadian 3 20 25"])
@pytest.mark.parametrize("lag", [0.0, 0.15, 0.28])
def test_a_period_that_began_another_move_than_we_think_is_not_lost(control: str, lag: float):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        clock = known = Clock.started(kata(control))
        for ply in range(0, 160, 2):
            budget = known.budget(after(ply), BLACK, lag_seconds=0.3)
            used = (budget.hard if rng.random() < 0.5 else rng.uniform(0, budget.hard)) + 0.002
            clock = clock.spent(BLACK, used + rng.uniform(0.5, 1) * lag, unseen_seconds=0.0)
            known = known.spent(BLACK, used)

            assert not clock.has_run_out(BLACK), f"seed {seed}, ply {ply}"
