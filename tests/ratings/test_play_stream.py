# SPDX-License-Identifier: Apache-2.0
"""The stream of events that a page of a game listens to."""

import asyncio

from ratings.play.game import Setting
from ratings.play.guard import Access
from ratings.play.pages import versions
from ratings.play.playground import Playground, opponents_of
from tests.support.playing import Networks, playing, settled
from tests.support.waiting import wait_until


def test_the_stream_tells_of_changes_and_of_the_end():
    with playing(Networks()) as sessions:
        playground = Playground(sessions, opponents_of(lambda: None), Access(None))
        game_id = sessions.create(Setting(board_size=5))

        async def listen() -> list[str]:
            stream = versions(playground, game_id)
            events = [await anext(stream)]
            sessions.play(game_id, 12)
            view = await asyncio.to_thread(settled, sessions, game_id)
            while events[-1] != f"data: {view.version}\n\n":
                events.append(await anext(stream))
            sessions.remove(game_id)
            events += [event async for event in stream]
            return events

        events = asyncio.run(listen())
    assert len(events) >= 3
    assert len(set(events)) == len(events)
    assert events[-1] == "event: gone\ndata: 0\n\n"


def test_streams_end_before_the_server_does():
    with playing(Networks()) as sessions:
        playground = Playground(sessions, opponents_of(lambda: None), Access(None))
        game_id = sessions.create(Setting(board_size=5))

        async def listen() -> list[str]:
            stream = versions(playground, game_id)
            await anext(stream)
            sessions.dismiss()
            return [event async for event in stream]

        assert asyncio.run(asyncio.wait_for(listen(), 5)) == []


def test_who_closes_the_stream_is_forgotten_and_the_engine_rests(monkeypatch):
    monkeypatch.setattr("ratings.play.pages.REST_SECONDS", 0.05)
    fakes = Networks()
    fakes.prepare = lambda network: network.answers.clear()
    with playing(fakes) as sessions:
        playground = Playground(sessions, opponents_of(lambda: None), Access(None))
        game_id = sessions.create(Setting("000001", 5))

        async def listen() -> None:
            stream = versions(playground, game_id)
            await anext(stream)
            sessions.play(game_id, 12)
            await asyncio.to_thread(wait_until, lambda: fakes.made and fakes.made[0].calls)
            await stream.aclose()
            assert sessions.view(game_id).is_busy
            await asyncio.sleep(0.2)
            assert not sessions.view(game_id).is_busy

        asyncio.run(listen())
        assert sessions._sessions[game_id].listeners == set()
