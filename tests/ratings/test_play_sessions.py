# SPDX-License-Identifier: Apache-2.0
"""A game against an engine: moves, undo, the end, and what is shown of the analysis."""

import time

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.inference.evaluator import HashEvaluator, UniformEvaluator
from ratings.play.game import RANDOM, PlayError
from tests.support.playing import Networks, playing, playing_threads, point, setting, settled
from tests.support.thinking import LibertyEvaluator
from tests.support.waiting import wait_until

# A game.


def test_the_opponent_answers():
    with playing(Networks()) as sessions:
        game_id = sessions.create(setting())
        assert sessions.view(game_id).phase == "your_turn"
        sessions.play(game_id, point("C3"), ply=0)
        view = settled(sessions, game_id)
    assert view.phase == "your_turn"
    assert len(view.game.moves) == 2
    assert view.game.moves[1].visits >= 8
    assert -1 <= view.game.moves[1].value_for_black <= 1


def test_the_opponent_begins_where_it_has_black():
    with playing(Networks()) as sessions:
        view = settled(sessions, sessions.create(setting(human=WHITE)))
    assert len(view.game.moves) == 1
    assert view.phase == "your_turn"


@pytest.mark.parametrize("board_size", [5, 6, 13, 19])
def test_one_network_plays_boards_of_every_size(board_size):
    networks = Networks()
    with playing(networks) as sessions:
        for size in (board_size, 9):
            game_id = sessions.create(setting(board_size=size))
            sessions.play(game_id, 2 * size + 2)
            assert len(settled(sessions, game_id).game.moves) == 2
    assert len(networks.made) == 1


def test_chance_plays_without_any_network():
    networks = Networks()
    with playing(networks) as sessions:
        game_id = sessions.create(setting(opponent=RANDOM))
        sessions.play(game_id, point("C3"))
        assert len(settled(sessions, game_id).game.moves) == 2
        with pytest.raises(PlayError, match="no thoughts"):
            sessions.show_analysis(game_id, True)
        sessions.play(game_id, 25)
        view = settled(sessions, game_id)
        while view.phase != "over":
            sessions.play(game_id, 25)
            view = settled(sessions, game_id)
    assert networks.made == []


def test_what_can_not_be_done_changes_nothing():
    networks = Networks()
    with playing(networks, visits=100, seconds=10.0) as sessions:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        before = settled(sessions, game_id)
        with pytest.raises(PlayError, match="C3 is illegal for black: the point is occupied"):
            sessions.play(game_id, point("C3"))
        with pytest.raises(PlayError, match="the game has moved on: it has 2 moves, not 0"):
            sessions.play(game_id, point("D4"), ply=0)
        assert sessions.view(game_id) == before
        with pytest.raises(PlayError, match=r"visits must be in 1..100, got 101"):
            sessions.create(setting(visits=101))
        with pytest.raises(PlayError, match=r"seconds must be in 0..10, got 11"):
            sessions.create(setting(seconds=11.0))


def test_nobody_plays_while_the_opponent_thinks():
    networks = Networks()
    networks.prepare = lambda network: network.answers.clear()
    with playing(networks) as sessions:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        with pytest.raises(PlayError, match="not your turn"):
            sessions.play(game_id, point("D4"))


def test_undo_stops_the_opponent_and_its_move_never_comes():
    networks = Networks()
    networks.prepare = lambda network: network.answers.clear()
    with playing(networks) as sessions:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        wait_until(lambda: networks.made and networks.made[0].calls > 0)
        sessions.undo(game_id)
        networks.made[0].answers.set()
        assert sessions.view(game_id).phase == "your_turn"
        wait_until(lambda: not [name for name in playing_threads() if name == "playing"])
        assert sessions.view(game_id).game.moves == ()
        sessions.play(game_id, point("D4"))
        assert settled(sessions, game_id).game.moves[0].move == point("D4")


def test_a_move_takes_no_longer_than_it_may():
    class Slow(HashEvaluator):
        def evaluate(self, leaves):
            time.sleep(0.02)
            return super().evaluate(leaves)

    with playing(Networks(Slow), visits=1_000_000) as sessions:
        game_id = sessions.create(setting(visits=1_000_000, seconds=0.5))
        started = time.monotonic()
        sessions.play(game_id, point("C3"))
        view = settled(sessions, game_id)
    assert time.monotonic() - started < 2.0
    assert len(view.game.moves) == 2


def test_two_passes_are_counted_with_dead_stones_taken_off():
    with playing(Networks(LibertyEvaluator)) as sessions:
        game_id = sessions.create(setting(komi=-10.5))
        moves = iter(("A2", "C3", "D4", "B3", "C4", "D2", "B4", "E4"))
        view = sessions.view(game_id)
        while view.phase != "over" and len(view.game.moves) < 20:
            stones = view.game.position.board.stones
            has_passed = view.game.last_vertex == "pass"
            free = [move for move in map(point, moves) if not stones.flat[move]][:1]
            sessions.play(game_id, 25 if has_passed or not free else free[0])
            view = settled(sessions, game_id)
        assert view.trouble is None
    assert view.game.outcome is not None
    assert view.game.outcome.kind in ("passes", "decided")


def test_a_hopeless_opponent_resigns_if_it_may():
    class Hopeless(UniformEvaluator):
        def evaluate(self, leaves):
            found = super().evaluate(leaves)
            whites = leaves.scalars[:, 0] > 0  # komi is for white
            return found._replace(value=np.where(whites, -1, 1).astype(np.float32))

    moves = {}
    for may_resign in (True, False):
        with playing(Networks(Hopeless)) as sessions:
            game_id = sessions.create(setting(may_resign=may_resign, visits=2, komi=7.5))
            view = sessions.view(game_id)
            while view.phase == "your_turn" and len(view.game.moves) < 24:
                legal = np.flatnonzero(view.game.position.legal_moves()[:-1])
                sessions.play(game_id, int(legal[0]))
                view = settled(sessions, game_id)
            moves[may_resign] = view.game.outcome
    assert moves[True].result == "B+R"
    assert moves[False] is None or moves[False].kind != "resign"


def test_analysis_is_shown_for_black_and_hidden_again():
    with playing(Networks(), analysis_visits=60) as sessions:
        game_id = sessions.create(setting(human=WHITE))
        settled(sessions, game_id)
        assert sessions.view(game_id).insight is None
        sessions.show_analysis(game_id, True)
        wait_until(lambda: (seen := sessions.view(game_id).insight) is not None and seen.is_complete)
        view = settled(sessions, game_id)
        insight = view.insight
        assert insight.to_play == WHITE
        assert insight.visits >= 60
        assert insight.winrate_for_black == pytest.approx(1 - insight.candidates[0].winrate, abs=0.5)
        assert insight.ownership_for_black.shape == (5, 5)
        assert insight.policy.sum() == pytest.approx(1)
        sessions.show_analysis(game_id, False)
        assert sessions.view(game_id).insight is None


def test_ownership_is_blacks_whoever_is_to_play():
    class Stones(UniformEvaluator):
        def evaluate(self, leaves):
            own, other = leaves.planes[..., 0], leaves.planes[..., 1]
            return super().evaluate(leaves)._replace(ownership=own.astype(np.float32) - other)

    owners = []
    with playing(Networks(Stones), analysis_visits=10) as sessions:
        for human in (BLACK, WHITE):
            game_id = sessions.create(setting(human=human))
            if human == BLACK:
                sessions.play(game_id, point("C3"))
            view = settled(sessions, game_id)
            sessions.show_analysis(game_id, True)
            wait_until(lambda game_id=game_id: sessions.view(game_id).insight is not None)
            insight = settled(sessions, game_id).insight
            stones = view.game.position.board.stones
            owners.append(np.sign(insight.ownership_for_black[stones != 0]) == np.sign(stones[stones != 0]))
    assert all(agree.all() for agree in owners)
