# SPDX-License-Identifier: Apache-2.0
"""Clients as they really behave: each function holds the conversation that one program holds with its engine.

They were written from the programs' own sources: what each asks first, how it ends an analysis, what it makes of the
replies, and what would break it.
"""

import re
import time

from tests.engines.conformance.kit import Engine, NonconformError

MOVE = r"([A-HJ-T]\d{1,2}|pass|PASS|resign)"


def expect(pattern: str, said: str) -> "re.Match[str]":
    """What the client would parse."""
    found = re.fullmatch(pattern, said, re.DOTALL)
    if found is None:
        raise NonconformError(f"the client expects {pattern!r}, got {said!r}")
    return found


def begin_analysis(engine: Engine, line: str, end: str = "\n", number: str = "") -> list[str]:
    """Starts an analysis and reads its first three lines."""
    engine.send(f"{number} {line}".lstrip(), end)
    expect(f"={number}", engine.line().rstrip())
    lines = [engine.line() for _ in range(3)]
    for text in lines:
        expect(r"info move .+ pv .+", text)
    return lines


def sabaki(engine: Engine) -> None:
    """Ids on every command, lists commands, replays by `play`, and ends analyses with `protocol_version`."""
    numbers = iter(range(1, 1000))

    def ask(line: str) -> str:
        number = next(numbers)
        engine.send(f"{number} {line}")
        return expect(rf"={number}( (.*))?", engine.reply()).group(2) or ""

    assert [bool(ask(line)) for line in ("name", "version")] == [True, True]
    expect("2", ask("protocol_version"))
    commands = ask("list_commands").split("\n")
    assert {"kata-analyze", "kata-genmove_analyze", "lz-analyze", "undo", "loadsgf"} <= set(commands)
    assert not {"analyze", "genmove_analyze"} & set(commands)
    for line in ("boardsize 9", "clear_board", "komi 6.5", "play B E5", "play W E4"):
        expect("", ask(line))
    expect(MOVE, ask("genmove B"))
    expect("", ask("undo"))
    for color in "BW":
        number = next(numbers)
        begin = begin_analysis(engine, f"kata-analyze {color} 5", number=str(number))
        for segment in " ".join(begin).split("info ")[1:]:
            expect(rf"move {MOVE} visits \d+ .*winrate \d\.\d+ .*pv( {MOVE})+ *", segment)
        number = next(numbers)
        engine.send(f"{number} protocol_version")
        engine.rest_of_reply()
        expect(f"={number} 2", engine.reply())
    number = next(numbers)
    engine.send(f"{number} kata-genmove_analyze B 5")
    expect(rf"={number}\n(info .+\n)+play {MOVE}", engine.reply())
    expect("", ask("quit"))


def lizzie(engine: Engine) -> None:
    """No ids; reads the version's parts, analyses with centiseconds, avoids moves, and stops with `name`."""
    engine.ask("name")
    parts = engine.ask("version").split(".")
    assert len(parts) >= 2
    assert all(part.isdigit() for part in parts[:2])
    for line in ("boardsize 9", "komi 7.5", "clear_board"):
        engine.ask(line)
    for move in ("B E5", "W C3", "B G7"):
        for analysis in ("lz-analyze 10", "lz-analyze 10 avoid b D4,C4 1 avoid w D4,C4 1"):
            for text in begin_analysis(engine, analysis):
                for segment in text.split("info ")[1:]:
                    expect(rf"move {MOVE} visits \d+ winrate \d+ prior \d+ lcb \d+ order \d+ pv( {MOVE})+ *", segment)
            engine.send("name")
            engine.rest_of_reply()
            engine.reply()
        engine.ask(f"play {move}")
    begin_analysis(engine, "kata-analyze 10 ownership true")
    engine.send("undo")
    engine.rest_of_reply()
    expect("=", engine.reply())
    engine.send("lz-genmove_analyze B 10")
    expect(rf"=\n(info .+\n)+play {MOVE}", engine.reply())
    engine.ask("time_settings 0 3 1")
    expect(MOVE, engine.ask("genmove W"))


def lizgoban(engine: Engine) -> None:
    """Tries features by asking for them, analyses with all that did not fail, stops by `name` or a new analysis."""
    engine.ask("name")
    for line in ("kata-get-rules", "known_command kata-analyze"):
        engine.ask(line)
    keys = []
    for key in ("ownership true", "ownershipStdev true", "pvVisits true", "movesOwnership true", "pvEdgeVisits true"):
        engine.send(f"kata-analyze 1 {key}")
        if engine.line().startswith("="):
            keys.append(key)
            engine.send("name")
            engine.rest_of_reply()
            engine.reply()
        else:
            engine.rest_of_reply()
    assert keys == ["ownership true", "pvVisits true", "movesOwnership true"]
    engine.send("kata-get-param playoutDoublingAdvantage")
    expect(r"\? .+", engine.reply())
    for line in ("boardsize 9", "clear_board", "komi 5.5", "kata-set-rules chinese"):
        engine.ask(line)
    for number in range(4):
        engine.send(f"play {'bw'[number % 2]} {'CDEF'[number]}{number + 3}")
        engine.reply()
        (text, *_) = begin_analysis(engine, f"kata-analyze interval 5 {' '.join(keys)} minmoves 5 rootInfo true")
        assert text.count("info move") >= 5
        assert len(text.partition(" ownership ")[2].split()) == 81
        engine.send("lz-analyze interval 5")
        engine.rest_of_reply()
        expect("=", engine.line())
        engine.send("name")
        engine.rest_of_reply()
        engine.reply()


def q5go(engine: Engine) -> None:
    """Ids, a list of commands, and analyses ended by `known_command`; it closes the pipe at the end."""
    engine.send("1 protocol_version")
    expect("=1 2", engine.reply())
    engine.send("2 known_command kata-analyze")
    expect("=2 true", engine.reply())
    for number, line in enumerate(("boardsize 9", "clear_board", "komi 7.5", "play black D4"), 3):
        engine.send(f"{number} {line}")
        expect(f"={number}", engine.reply())
    engine.send("7 kata-analyze 10")
    expect("=7", engine.line())
    assert " winrate 0." in engine.line() + engine.line()
    engine.send("8 known_command play")
    engine.rest_of_reply()
    expect("=8 true", engine.reply())
    for color in ("white", "black"):
        engine.send(f"9 genmove {color}")
        expect(rf"=9 {MOVE}", engine.reply())


def gtp2ogs(engine: Engine) -> None:
    """Ends lines with CR LF, sends clocks without waiting, knows Fischer's, and replays whole games."""
    end = "\r\n"
    commands = engine.ask("list_commands", end).split("\n")
    assert {"kgs-time_settings", "kata-list_time_settings", "showboard", "set_free_handicap"} <= set(commands)
    assert "fischer-capped" in engine.ask("kata-list_time_settings", end)
    for line in ("boardsize 9", "clear_board", "komi 5.5", "set_free_handicap C3 G7", "play white E5"):
        expect("", engine.ask(line, end))
    clocks = (
        ("kgs-time_settings byoyomi 300 30 5", "time_left black 251 0", "time_left white 30 4"),
        ("kgs-time_settings canadian 600 180 10", "time_left black 170 7", "time_left white 550 0"),
        ("kata-time_settings fischer-capped 120 30 300 -1", "time_left black 90 0", "time_left white 120 0"),
        ("time_settings 0 10 1", "time_left black 9 1", "time_left white 10 1"),
        ("time_settings 600 0 0", "time_left black 500 0", "time_left white 510 0"),
    )
    for number, clock in enumerate(clocks):
        for line in (*clock, f"genmove {'black' if number % 2 == 0 else 'white'}"):
            engine.send(line, end)
        for _ in clock:
            expect("=", engine.reply())
        expect(rf"= {MOVE}", engine.reply())
    engine.send("quit", end)
    expect("=", engine.reply())


def kgs(engine: Engine) -> None:
    """As kgsGtp: rules and time by KGS's names, two passes, dead stones, clean-up, and talk."""
    commands = engine.ask("list_commands").split("\n")
    needed = "kgs-time_settings kgs-rules kgs-genmove_cleanup final_status_list kgs-game_over kgs-chat time_left"
    assert set(needed.split()) <= set(commands)
    engine.send("kgs-rules japanese")
    expect(r"\? .+", engine.reply())
    start = ("kgs-rules chinese", "boardsize 9", "clear_board", "komi 7.5", "kgs-time_settings byoyomi 60 10 3")
    for line in (*start, "time_left b 60 0", "time_left w 60 0"):
        engine.ask(line)
    for number in range(6):
        color = "bw"[number % 2]
        expect(MOVE, engine.ask(f"genmove {color}"))
        engine.ask(f"time_left {color} {10 - number} {3 if number > 2 else 0}")
    assert engine.ask("kgs-chat private joe what do you think?")
    for color in "bw":
        engine.ask(f"play {color} pass")
    expect(rf"({MOVE}[ \n]?)*", engine.ask("final_status_list dead"))
    expect(MOVE, engine.ask("kgs-genmove_cleanup b"))
    engine.ask("kgs-game_over")
    engine.quit()


def cgos(engine: Engine) -> None:
    """Absolute time in seconds, one analysing move at a time, and its score read from the last line."""
    for line in ("name", "version"):
        engine.ask(line)
    commands = engine.ask("list_commands").split("\n")
    assert {"time_settings", "time_left", "kata-genmove_analyze"} <= set(commands)
    for line in ("boardsize 9", "clear_board", "komi 7", "time_settings 300 0 0"):
        engine.ask(line)
    left = {"b": 300, "w": 300}
    for number in range(6):
        color = "bw"[number % 2]
        engine.ask(f"time_left {color} {left[color]} 0")
        began = time.monotonic()
        engine.send(f"kata-genmove_analyze {color}")
        reply = engine.reply()
        left[color] -= int(time.monotonic() - began) + 1
        *infos, played = reply.split("\n")[1:]
        expect(rf"play {MOVE}", played)
        expect(r"info move .+ winrate \d\.\d+ .+ scoreLead -?\d+\.\d+ .+", infos[-1])
    engine.ask("play b pass")
    engine.ask("play w pass")
    engine.quit()


PROFILES = {
    "sabaki": sabaki,
    "lizzie": lizzie,
    "lizgoban": lizgoban,
    "q5go": q5go,
    "gtp2ogs": gtp2ogs,
    "kgs": kgs,
    "cgos": cgos,
}
