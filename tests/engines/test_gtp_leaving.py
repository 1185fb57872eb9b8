# SPDX-License-Identifier: Apache-2.0
"""How a GTP conversation ends, also in the middle of a thought, and what goes on between its lines."""

import threading
import time

import pytest

from minigo.engines.gtp import GtpEngine
from minigo.engines.options import PlayOptions
from tests.support.gtp import (
    GAME,
    Conversation,
    ListedThinking,
    conversation,
    engine_with,
    talk,
    wait_until,
)


@pytest.mark.parametrize("ending", ["3 quit\n", ""])
def test_leaving_while_it_thinks_gets_the_move_so_far_and_then_the_end(ending):
    engine, thinking = engine_with("wait", "wait")
    talking = Conversation(engine)
    talking.write("1 genmove b\n2 genmove w\n")
    wait_until(lambda: bool(thinking.seen))
    time.sleep(0.15)
    talking.write(ending)
    rest = talking.close()  # the second search is broken off at once, too
    assert rest.startswith("=1 D4\n\n?2 illegal move: D4 is illegal for white")
    assert rest.endswith("occupied\n\n" + ("=3\n\n" if ending else ""))


def test_quit_that_was_sent_with_the_command_does_not_shorten_it():
    engine, thinking = engine_with("A1", "B1")
    interrupted = []
    decide = thinking.decide

    def spy(position, clock, **wishes):
        time.sleep(0.15)
        interrupted.append(wishes["interrupted"]())
        return decide(position, clock, **wishes)

    thinking.decide = spy  # type: ignore[method-assign]
    with conversation(engine) as talking:
        talking.write("genmove b\ngenmove w\nquit\n")
        assert [talking.reply() for _ in range(3)] == ["= A1", "= B1", "="]
    assert interrupted == [False, False]


def test_leaving_while_the_network_is_loaded_does_not_wait_for_it():
    never = threading.Event()

    def load() -> ListedThinking:
        never.wait(30)
        return ListedThinking([])

    with conversation(GtpEngine(load, GAME, version="1.0")) as talking:
        talking.send("genmove b")
        time.sleep(0.2)
        talking.send("lz-analyze")
        time.sleep(0.2)
        talking.send("quit")
        assert talking.reply() == "? interrupted while the network was being loaded"
        assert (talking.line(), talking.line(), talking.reply()) == ("=", "", "=")
    never.set()


def test_an_analysis_ends_though_the_network_is_still_being_loaded():
    ready = threading.Event()

    def load() -> ListedThinking:
        ready.wait(30)
        return ListedThinking(["C3"])

    with conversation(GtpEngine(load, GAME, version="1.0")) as talking:
        talking.send("kata-analyze 10")
        assert talking.line() == "="
        talking.send("name")
        assert (talking.line(), talking.reply()) == ("", "= MiniGo")
        ready.set()
        assert talking.ask("genmove b") == "= C3"


def test_whoever_does_not_hear_quit_is_abandoned():
    given_up = threading.Event()
    engine, thinking = engine_with("A1", abandon=given_up.set)

    def deaf(*_, **__):
        if not given_up.wait(20):
            raise OSError("nobody came")
        raise OSError("given up")

    thinking.decide = deaf  # type: ignore[method-assign]
    with conversation(engine) as talking:
        talking.send("genmove b")
        time.sleep(0.2)
        talking.send("quit")
        assert talking.reply() == "? interrupted"
        assert talking.reply() == "="


def test_failure_to_load_ends_the_conversation_with_its_reason():
    def load() -> ListedThinking:
        raise FileNotFoundError("no network here")

    engine = GtpEngine(load, GAME, version="1.0")
    with conversation(engine) as talking:
        wait_until(lambda: talking.error is not None)
    assert isinstance(talking.error, FileNotFoundError)


def test_it_ponders_after_its_own_move_until_the_next_line():
    engine, thinking = engine_with("A1", "B2", options=PlayOptions(ponder=True))
    with conversation(engine) as talking:
        assert talking.ask("play w C3") == "="
        assert talking.ask("genmove b") == "= A1"
        wait_until(lambda: len(thinking.pondered) == 1)
        assert talking.ask("time_left b 10 0") == "="
        wait_until(lambda: len(thinking.pondered) == 2)
        assert talking.ask("play w D4") == "="
        assert talking.ask("name") == "= MiniGo"
        assert talking.ask("genmove b") == "= B2"
        wait_until(lambda: len(thinking.pondered) == 3)
        assert talking.ask("undo") == "="
        assert talking.ask("name") == "= MiniGo"
        assert talking.ask("kata-set-param ponderingEnabled false") == "="
    assert [len(position.moves) for position in thinking.pondered] == [2, 2, 4]


def test_pondering_that_fails_ends_and_the_engine_lives_on(caplog):
    engine, thinking = engine_with("A1", "B2", options=PlayOptions(ponder=True))
    failed = []

    def fail(position, **_):
        failed.append(position)
        raise OSError("the network is gone")

    thinking.ponder = fail  # type: ignore[method-assign]
    with conversation(engine) as talking:
        assert talking.ask("genmove b") == "= A1"
        wait_until(lambda: "the network is gone" in caplog.text)
        assert talking.ask("name") == "= MiniGo"
        time.sleep(0.05)
        assert len(failed) == 1
        assert talking.ask("genmove w") == "= B2"
        wait_until(lambda: len(failed) == 2)


def test_processor_time_holds_that_of_other_processes():
    engine, _ = engine_with(helper_seconds=lambda: 1000.0)
    assert 1000 < float(talk(engine, "cputime").removeprefix("= ")) < 1000 + time.process_time() + 1
