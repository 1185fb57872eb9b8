# SPDX-License-Identifier: Apache-2.0
"""Many games at once on few engines: what is bounded, who gives way, and who is watched while nobody looks."""

import threading
import time

import numpy as np
import pytest

from minigo.inference.evaluator import HashEvaluator
from ratings.play.game import RANDOM, PlayError
from ratings.play.limits import PlayLimits
from ratings.play.session import NoGameError
from tests.support.playing import Networks, playing, playing_threads, point, setting, settled
from tests.support.waiting import wait_until

# Bounds.


def test_the_game_that_was_idle_for_longest_gives_way():
    with playing(Networks(), games=3) as sessions:
        first, second, third = (sessions.create(setting()) for _ in range(3))
        sessions.view(first)
        sessions.create(setting())
        assert sessions.live["games"] == 3
        sessions.view(first)
        sessions.view(third)
        with pytest.raises(NoGameError, match="newer games needed its place") as dropped:
            sessions.view(second)
        assert dropped.value.was_dropped
        with pytest.raises(NoGameError, match="no such game") as unknown:
            sessions.view("nobody-knows")
        assert not unknown.value.was_dropped


def test_ids_are_not_to_be_guessed():
    with playing(Networks()) as sessions:
        ids = {sessions.create(setting(opponent=RANDOM)) for _ in range(50)}
    assert len(ids) == 50
    assert min(map(len, ids)) >= 22


def test_few_engines_serve_many_games_and_a_game_goes_on_with_a_new_one():
    networks = Networks()
    with playing(networks, engines=2) as sessions:
        ids = [sessions.create(setting()) for _ in range(5)]
        for game_id in ids:
            sessions.play(game_id, point("C3"))
            settled(sessions, game_id)
            assert sessions.live["engines"] <= 2
        moves = sessions.view(ids[0]).game.position.legal_moves()
        sessions.play(ids[0], int(np.flatnonzero(moves)[0]))
        assert len(settled(sessions, ids[0]).game.moves) == 4
    assert len(networks.made) == 1


def test_few_networks_are_alive_at_once():
    networks = Networks()
    with playing(networks, networks=2) as sessions:
        for number in range(4):
            game_id = sessions.create(setting(opponent=f"{number:06d}"))
            sessions.play(game_id, point("C3"))
            settled(sessions, game_id)
            assert len(networks.live) <= 2
        assert [network.name for network in networks.live] == ["000002", "000003"]
    assert networks.live == []


def test_a_game_whose_network_gave_way_to_others_gets_it_back():
    networks = Networks()
    with playing(networks, networks=2, engines=4) as sessions:
        ids = [sessions.create(setting(opponent=f"{number:06d}")) for number in range(3)]
        for game_id in ids:
            sessions.play(game_id, point("C3"))
            moves = settled(sessions, game_id).game.moves
        first = sessions.view(ids[0]).game.moves
        sessions.play(ids[0], next(move for move in range(25) if move not in {move.move for move in first}))
        view = settled(sessions, ids[0])
    assert len(moves) == 2
    assert (view.trouble, len(view.game.moves)) == (None, 4)


def test_a_hundred_idle_games_cost_no_process_and_no_thread():
    networks = Networks()
    with playing(networks, engine_idle_seconds=0.2) as sessions:
        ids = [sessions.create(setting()) for _ in range(100)]
        for game_id in ids:
            sessions.watch(game_id, lambda: None)
        for game_id in ids[:5]:
            sessions.play(game_id, point("C3"))
            settled(sessions, game_id)
        assert len(networks.live) == 1
        wait_until(lambda: not playing_threads())
        assert networks.live == []
        assert sessions.live == {"games": 100, "engines": 0, "networks": 0, "waiting": 0}
        sessions.play(ids[7], point("C3"))
        assert len(settled(sessions, ids[7]).game.moves) == 2


def test_as_many_games_think_at_once_as_there_are_threads():
    most = [0]
    thinking = [0]
    lock = threading.Lock()

    class Counting(HashEvaluator):
        def evaluate(self, leaves):
            with lock:
                thinking[0] += 1
                most[0] = max(most[0], thinking[0])
            time.sleep(0.002)
            with lock:
                thinking[0] -= 1
            return super().evaluate(leaves)

    with playing(Networks(Counting), threads=2) as sessions:
        ids = [sessions.create(setting(visits=30)) for _ in range(8)]
        for game_id in ids:
            sessions.play(game_id, point("C3"))
        assert all(len(settled(sessions, game_id).game.moves) == 2 for game_id in ids)
    assert most[0] == 2


def test_who_comes_when_too_many_wait_is_told_and_may_ask_again():
    networks = Networks()
    networks.prepare = lambda network: network.answers.clear()
    with playing(networks, threads=1, waiting=2) as sessions:
        ids = [sessions.create(setting()) for _ in range(5)]
        sessions.play(ids[0], point("C3"))
        wait_until(lambda: networks.made and networks.made[0].calls > 0)
        for game_id in ids[1:]:
            sessions.play(game_id, point("C3"))
        views = [sessions.view(game_id) for game_id in ids]
        assert [view.phase for view in views] == ["thinking", "waiting", "waiting", "broken", "broken"]
        assert "busy with other games" in views[3].trouble
        networks.made[0].answers.set()
        settled(sessions, ids[2])
        sessions.restart(ids[3])
        assert len(settled(sessions, ids[3]).game.moves) == 2


# Who looks on.


def test_watchers_hear_of_every_change_until_they_leave():
    heard = []
    with playing(Networks()) as sessions:
        game_id = sessions.create(setting())

        def listener() -> None:
            heard.append(sessions.view(game_id).version)

        sessions.watch(game_id, listener)
        sessions.play(game_id, point("C3"))
        settled(sessions, game_id)
        assert heard == sorted(set(heard))
        assert heard[-1] == sessions.view(game_id).version
        sessions.leave(game_id, listener)
        heard.clear()
        sessions.undo(game_id)
        assert heard == []


def test_looking_at_a_game_does_not_change_it():
    with playing(Networks()) as sessions:
        game_id = sessions.create(setting())
        version = sessions.view(game_id).version
        sessions.wake(game_id)
        sessions.wake(game_id)
        assert sessions.view(game_id).version == version


def test_a_game_has_only_so_many_watchers():
    with playing(Networks(), watchers=2) as sessions:
        game_id = sessions.create(setting())
        sessions.watch(game_id, [].clear)
        sessions.watch(game_id, {}.clear)
        with pytest.raises(PlayError, match="open in 2 places"):
            sessions.watch(game_id, lambda: None)


def test_nothing_is_thought_when_all_have_left_and_goes_on_when_one_comes_back():
    networks = Networks()
    networks.prepare = lambda network: network.answers.clear()
    with playing(networks) as sessions:
        game_id = sessions.create(setting())

        def listener() -> None:
            pass

        sessions.watch(game_id, listener)
        sessions.play(game_id, point("C3"))
        wait_until(lambda: networks.made and networks.made[0].calls > 0)
        sessions.rest(game_id)
        assert sessions.view(game_id).is_busy  # somebody watches
        sessions.leave(game_id, listener)
        sessions.rest(game_id)
        assert not sessions.view(game_id).is_busy
        networks.made[0].answers.set()
        wait_until(lambda: "playing" not in playing_threads())
        assert len(sessions.view(game_id).game.moves) == 1
        sessions.wake(game_id)
        assert len(settled(sessions, game_id).game.moves) == 2


def test_a_removed_game_is_gone_with_its_engine():
    with playing(Networks()) as sessions:
        game_id = sessions.create(setting())
        sessions.play(game_id, point("C3"))
        settled(sessions, game_id)
        sessions.remove(game_id)
        assert sessions.live["engines"] == 0
        with pytest.raises(NoGameError):
            sessions.play(game_id, point("D4"))


def test_limits_that_can_deadlock_are_refused():
    with pytest.raises(ValueError, match="got 1 networks and 4 engines for 2 threads"):
        PlayLimits(networks=1, threads=2)
    with pytest.raises(ValueError, match="games must be 1 or more"):
        PlayLimits(games=0)


def test_many_hands_at_once_leave_every_game_whole():
    networks = Networks()
    failures: list[BaseException] = []
    with playing(networks, games=12, engines=3, networks=2, threads=2, waiting=4) as sessions:
        ids = [sessions.create(setting(opponent=f"{number % 3:06d}")) for number in range(8)]

        def meddle(seed: int) -> None:
            rng = np.random.default_rng(seed)
            try:
                for _ in range(150):
                    game_id = ids[rng.integers(len(ids))]
                    deed = rng.integers(8)
                    try:
                        if deed < 4:
                            sessions.play(game_id, int(rng.integers(26)))
                        elif deed == 4:
                            sessions.undo(game_id)
                        elif deed == 5:
                            sessions.show_analysis(game_id, bool(rng.integers(2)))
                        elif deed == 6:
                            sessions.rest(game_id)
                            sessions.wake(game_id)
                        else:
                            sessions.restart(game_id)
                            if networks.live and rng.random() < 0.1:
                                networks.live[-1].error = OSError("gone")
                    except PlayError:
                        pass
            except BaseException as error:  # noqa: BLE001 (told below)
                failures.append(error)

        hands = [threading.Thread(target=meddle, args=(seed,)) for seed in range(6)]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join(60)
        assert failures == []
        for game_id in ids:
            sessions.restart(game_id)
            view = settled(sessions, game_id)
            while view.phase == "broken":  # a network that was broken before, or too many who wait
                sessions.restart(game_id)
                view = settled(sessions, game_id)
            assert view.phase in ("your_turn", "over")
            assert len(view.game.moves) % 2 == 0 or view.game.outcome is not None
            assert len(networks.live) <= 2
        assert sessions.live["engines"] <= 3
