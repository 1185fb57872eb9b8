# SPDX-License-Identifier: Apache-2.0
"""Lines and replies: what is cleaned, what is refused, and what a reply looks like."""

import io
import tracemalloc

import pytest

from minigo.engines.gtp_inbox import MAX_LINE, Inbox, line_from
from minigo.engines.gtp_text import Command, is_interrupt
from minigo.engines.lines import LineCutter
from tests.support.gtp import engine_with, replies_to, talk


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"name\r\n", ["= MiniGo"]),
        (b"  7\tname \t\n", ["=7 MiniGo"]),
        (b"na\x07me\x00\n", ["= MiniGo"]),
        (b"\x7fname\n", ["= MiniGo"]),
        (b"name # what is it?\n", ["= MiniGo"]),
        (b"#name\n", []),
        (b"\n\r\n \t \n# only this\n", []),
        (b"Name\n", ["? unknown command"]),
        (b"\xff\xfe name\n", ["? unknown command"]),
        (b"12\n", ["?12 unknown command"]),
        (b"name", ["= MiniGo"]),
        (b"0012 name\n", ["=0012 MiniGo"]),
        (b"-1 name\n", ["? unknown command"]),
        (b"\xd9\xa3 name\n", ["? unknown command"]),  # an Arabic three is no id
        (
            b"play b \xe2\x80\x83C3\n",
            ["? syntax error: vertex must be a vertex of the 5x5 board or pass, got '\\u2003C3'"],
        ),
    ],
)
def test_input_is_cleaned(line, reply):
    assert replies_to(line) == reply


def test_huge_words_are_repeated_shortened():
    (reply,) = replies_to("boardsize " + "9" * 60_000)
    assert reply.startswith("? syntax error: size must be an integer, got '999")
    assert len(reply) < 200


@pytest.mark.parametrize("word", ["1_0", "٣", "1e3", "0x10", "--3", "", "9" * 5000])
def test_only_plain_digits_are_integers(word):
    (reply,) = replies_to(f"boardsize {word}")
    assert reply.startswith("? syntax error: size")


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e999", "1_0", "five", "٣.5", "1,5"])
def test_only_plain_finite_numbers_are_numbers(word):
    (reply,) = replies_to(f"komi {word}")
    assert reply.startswith("? syntax error: komi must be a number, got")


def test_words_that_are_left_over_are_refused():
    (reply,) = replies_to("boardsize 9 13")
    assert reply == "? syntax error: '13' is one word too many; usage: boardsize SIZE"


def test_missing_words_are_named():
    assert replies_to("play b")[0] == "? syntax error: vertex is missing; usage: play COLOR VERTEX"


def test_a_line_of_the_largest_length_is_read():
    line = b"name #" + b"x" * (MAX_LINE - 6) + b"\n"
    assert replies_to(line) == ["= MiniGo"]


@pytest.mark.parametrize("size", [MAX_LINE + 1, 10 * MAX_LINE])
def test_a_line_that_is_too_long_gets_one_reply(size):
    line = b"17 name ".ljust(size, b"x") + b"\n"
    assert replies_to(line, "name") == ["?17 a line must have 65536 bytes or less", "= MiniGo"]


def test_a_comment_that_is_too_long_gets_none():
    assert replies_to(b"  # " + b"x" * 3 * MAX_LINE + b"\n", "name") == ["= MiniGo"]


def test_space_that_is_too_long_hides_no_command():
    line = b" " * 3 * MAX_LINE + b"5 name\n"
    assert replies_to(line, "name") == ["?5 a line must have 65536 bytes or less", "= MiniGo"]
    assert replies_to(b" " * 3 * MAX_LINE + b"\n", "name") == ["= MiniGo"]


def test_quit_in_a_line_that_is_too_long_does_not_quit():
    assert replies_to(b"quit ".ljust(2 * MAX_LINE, b"x") + b"\n", "name")[1] == "= MiniGo"


def test_a_line_without_end_takes_constant_memory():
    cutter = LineCutter(MAX_LINE)
    cutter.cut(b"x" * MAX_LINE)
    tracemalloc.start()
    for _ in range(1000):
        cutter.cut(b"x" * MAX_LINE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * MAX_LINE
    (line,) = cutter.cut(b"\n")
    assert (line.too_long, len(line.text)) == (True, MAX_LINE)


def test_lines_are_cut_wherever_the_pieces_end():
    text = b"1 name\r\nplay b C3\n\n# no\nquit"
    for size in range(1, len(text) + 1):
        cutter = LineCutter(MAX_LINE)
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        cuts = [line for piece in pieces for line in cutter.cut(piece)] + cutter.rest()
        lines = [line_from(cut) for cut in cuts]
        names = [line.command.name if line.command else None for line in lines]
        assert names == ["name", "play", None, None, "quit"]
        assert [line.is_urgent for line in lines] == [False] * 4 + [True]


def test_interrupt_is_a_comment_of_that_one_word():
    assert is_interrupt(b"# interrupt\r\n")
    assert is_interrupt(b"#interrupt")
    for line in (b"interrupt", b"name # interrupt", b"# interrupts", b"#", b""):
        assert not is_interrupt(line)


def test_what_follows_quit_is_not_read():
    inbox = Inbox()
    inbox.read_all(io.BytesIO(b"name\nquit\n"))
    assert [inbox.take().command for _ in range(2)] == [Command("", "name", ()), Command("", "quit", ())]
    assert inbox.is_empty


def test_replies_have_no_empty_line_but_the_last():
    engine, _ = engine_with("break")
    text = talk(engine, "genmove b")
    assert text == "? internal error: OSError: out of ideas\n(none left)\n\n"
