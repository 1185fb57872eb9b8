# SPDX-License-Identifier: Apache-2.0
"""Nonsense by the hundred thousand lines: every line that holds a command gets exactly one reply."""

import random
import re
import threading
from pathlib import Path

import pytest

from minigo.engines.gtp import COMMANDS, GtpEngine
from minigo.engines.gtp_inbox import MAX_LINE
from tests.support.gtp import GAME, Conversation, hash_thinking

LINES = 100_000
CONTROLS = bytes(range(32)) + b"\x7f"
ARGUMENTS = """
    b w black pass A1 C3 D4 T19 Z99 resign 0 1 2 9 19 -1 1e9 nan inf 999999999999999999999999 0x10 1_0 true false
    interval avoid allow minmoves maxmoves ownership rootInfo chinese aga none absolute byoyomi fischer e empty
    alive dead seki maxVisits ponderingEnabled deep.sgf wide.sgf odd.sgf game.sgf ../x /etc/passwd {} {"ko":
    resignThreshold resignConsecTurns lagBuffer analysisWideRootNoise -0.5
    {"ko":"SIMPLE"} [[[[ all 7 8 D4,C3 \u4e94 \u00df \u202e # , ; ( ) = ?
    """
QUIET = [entry.name for entry in COMMANDS if entry.name not in ("quit",)]


def holds_a_command(line: bytes) -> bool:
    """As GTP says it: without control characters and comment, is there anything but space?"""
    return bool(line.replace(b"\t", b" ").translate(None, CONTROLS).partition(b"#")[0].strip(b" "))


def random_line(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.2:  # bytes
        return rng.randbytes(rng.randint(0, 60)).replace(b"\n", b"")
    name = rng.choice(QUIET)
    if kind < 0.22:  # huge
        return f"{name} ".encode() + rng.choice((b"9", b"A", b"x ", b"\xff", b"(;")) * rng.randint(1000, MAX_LINE)
    words = [name, *rng.choices(ARGUMENTS.split(), k=rng.randint(0, 5))]
    if rng.random() < 0.3:
        words.insert(0, str(rng.randint(0, 10**30)))
    line = rng.choice((" ", "  ", "\t")).join(words).encode()
    if rng.random() < 0.2:  # broken
        place = rng.randint(0, len(line))
        line = (
            line[:place] + rng.choice((b"\xc3", b"\xed\xa0\x80", b"\x00", b"\r", b"\xf8\x88", b"\x1b[")) + line[place:]
        )
    return line


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_line_that_holds_a_command_gets_exactly_one_reply(tmp_path: Path):
    """100,000 lines of random bytes, huge words, broken UTF-8 and deep SGFs, sent and answered at the same time.

    No line begins an analysis that nothing ends: the next line always does. Of the replies only their number and
    form are looked at; an internal error would be a defect, however.
    """
    (tmp_path / "deep.sgf").write_bytes(b"(;SZ[5]" + b"(;B[aa]" * 50_000 + b")" * 50_000 + b")")
    (tmp_path / "wide.sgf").write_bytes(b"(;SZ[19]" + b";B[];W[]" * 2000 + b")")
    (tmp_path / "odd.sgf").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "game.sgf").write_bytes(b"(;SZ[5];B[aa];W[bb];B[cc])")
    rng = random.Random(11)  # noqa: S311 (nothing here is secret)
    engine = GtpEngine(lambda: hash_thinking(2), GAME, version="1.0", files=tmp_path)
    talking = Conversation(engine)
    expected = 0

    def write() -> None:
        nonlocal expected
        for _ in range(LINES // 500):
            lines = [random_line(rng) for _ in range(500)]
            lines = [line for line in lines if not re.match(rb"[\x00-\x20]*\d*[\x00-\x20]*quit\b", line)]
            lines += [b"name"] * (500 - len(lines))
            expected += sum(map(holds_a_command, lines))
            talking.write_all(b"\n".join(lines) + b"\n")
        talking.write_all(b"4711 boardsize 5\n")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    count = 0
    while True:
        reply = talking.reply()
        if reply == "=4711":
            break
        count += 1
        assert re.match(r"[=?]\d*( |$|\n)", reply), reply
        assert "internal error" not in reply, reply
    writer.join(10)
    assert count == expected
    assert talking.close() == ""
