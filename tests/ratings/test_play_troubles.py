# SPDX-License-Identifier: Apache-2.0
"""Games in browsers whose engine breaks down, hangs or can not be started: what the player sees, and the ways out."""

import os
import signal

from minigo.config import SearchConfig
from ratings.play.game import RANDOM
from ratings.play.limits import PlayLimits
from ratings.play.sessions import PlaySessions
from tests.support.playing import Networks, playing, point, setting, settled, start_process
from tests.support.waiting import wait_until


def test_a_network_that_breaks_down_is_reported_and_can_be_started_again():
    networks = Networks()
    with playing(networks) as sessions:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        moves = settled(sessions, game_id).game.moves
        networks.made[0].error = OSError("out of memory")
        sessions.play(game_id, point("D4") if moves[1].move != point("D4") else point("D3"))
        view = settled(sessions, game_id)
        assert view.phase == "broken"
        assert "out of memory" in view.trouble
        assert len(view.game.moves) == 3
        sessions.wake(game_id)
        assert sessions.view(game_id).phase == "broken"
        sessions.restart(game_id)
        view = settled(sessions, game_id)
        assert (view.phase, view.trouble, len(view.game.moves)) == ("your_turn", None, 4)
    assert len(networks.made) == 2


def test_undo_is_another_way_out_of_trouble():
    networks = Networks()
    networks.prepare = lambda network: setattr(network, "error", OSError("broken"))
    with playing(networks) as sessions:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        assert settled(sessions, game_id).phase == "broken"
        sessions.undo(game_id)
        view = sessions.view(game_id)
    assert (view.phase, view.trouble, view.game.moves) == ("your_turn", None, ())


def test_a_network_that_does_not_answer_is_ended():
    networks = Networks()
    networks.prepare = lambda network: network.answers.clear()
    with playing(networks, answer_seconds=0.4) as sessions:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        view = settled(sessions, game_id)
        assert view.phase == "broken"
        assert "network 000001 did not answer for 0.4 s" in view.trouble
        assert networks.live == []


def test_a_network_that_does_not_load_is_given_up():
    networks = Networks()
    networks.prepare = lambda network: network.loads.clear()
    with playing(networks, load_seconds=0.4) as sessions:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        wait_until(lambda: sessions.view(game_id).phase == "starting")
        view = settled(sessions, game_id)
        assert "network 000001 was not loaded after 0.4 s" in view.trouble
        wait_until(lambda: networks.live == [])


def test_a_network_that_can_not_be_started_is_reported():
    networks = Networks()

    def prepare(_):
        raise FileNotFoundError("no weights")

    networks.prepare = prepare
    with playing(networks) as sessions:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        view = settled(sessions, game_id)
    assert "network 000001 could not be loaded: no weights" in view.trouble


def test_who_undoes_while_a_network_loads_keeps_no_thread():
    networks = Networks()
    networks.prepare = lambda network: network.loads.clear()
    with playing(networks, threads=1) as sessions:
        game_id, other = sessions.create(setting()), sessions.create(setting(opponent=RANDOM))
        sessions.play(game_id, point("C3"))
        wait_until(lambda: sessions.view(game_id).phase == "starting")
        sessions.undo(game_id)
        sessions.play(other, point("C3"))
        assert len(settled(sessions, other).game.moves) == 2


def test_a_killed_process_is_reported_and_a_new_one_plays_on():
    sessions = PlaySessions(start_process, SearchConfig(), PlayLimits())
    try:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        moves = settled(sessions, game_id).game.moves
        assert len(moves) == 2
        process = sessions._networks._live["000001"]._process._process
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        free = next(move for move in range(25) if move not in {moves[0].move, moves[1].move})
        sessions.play(game_id, free)
        view = settled(sessions, game_id)
        assert view.phase == "broken"
        assert "ended with status -9" in view.trouble
        sessions.restart(game_id)
        assert len(settled(sessions, game_id).game.moves) == 4
    finally:
        sessions.close()


def test_a_stopped_process_is_ended_and_reported():
    sessions = PlaySessions(start_process, SearchConfig(), PlayLimits(answer_seconds=0.5))
    try:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        moves = settled(sessions, game_id).game.moves
        process = sessions._networks._live["000001"]._process._process
        os.kill(process.pid, signal.SIGSTOP)
        sessions.play(game_id, next(move for move in range(25) if move not in {moves[0].move, moves[1].move}))
        assert "did not answer for 0.5 s" in settled(sessions, game_id).trouble
        assert process.wait(10) == -signal.SIGKILL
    finally:
        sessions.close()
