# SPDX-License-Identifier: Apache-2.0
"""Our GTP engine: what controllers rely on, in conversations and as a process of its own."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.config import GameConfig, MatchConfig
from minigo.engines.external import GtpClient
from minigo.engines.gtp import GtpEngine
from minigo.engines.handicap import fixed_handicap, free_handicap
from minigo.go.coords import move_from_vertex, vertex_from_move
from minigo.go.position import Position
from minigo.match import play_match
from minigo.players import Choice, GtpPlayer, PlayerError, RandomPlayer

GNUGO = shutil.which("gnugo", path=os.environ["PATH"] + ":/usr/games")
GAME = GameConfig(board_size=5, komi=0.5)


class ListedPlayer:
    """Plays the vertices that it was given, one after another, and remembers the positions."""

    name = "listed"

    def __init__(self, *vertices: str, value: float = 0.0) -> None:
        self.vertices = list(vertices)
        self.value = value
        self.seen: list[Position] = []

    def new_game(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Nothing to release."""

    def choose(self, position: Position) -> Choice:
        """The next vertex."""
        self.seen.append(position)
        vertex = self.vertices.pop(0)
        if vertex == "break":
            raise PlayerError("listed: out of ideas\n\n(none left)")
        if vertex == "resign":
            return Choice(position.board.pass_move, self.value, resign=True)
        return Choice(move_from_vertex(vertex, position.board_size), self.value)


def engine_with(*vertices: str, value: float = 0.0, **options: float) -> GtpEngine:
    player = ListedPlayer(*vertices, value=value)
    return GtpEngine(lambda: player, GAME, version="0.1.0", **options)  # type: ignore[arg-type]


def talk(engine: GtpEngine, *lines: str | bytes) -> str:
    """All that the engine replies to these lines."""
    data = b"".join(line if isinstance(line, bytes) else line.encode() + b"\n" for line in lines)
    replies = io.BytesIO()
    engine.run(io.BytesIO(data), replies)
    return replies.getvalue().decode()


def replies_to(*lines: str | bytes, moves: tuple[str, ...] = ()) -> list[str]:
    """The replies of a fresh engine, without the empty lines that end them."""
    text = talk(engine_with(*moves), *lines)
    assert text == "" or text.endswith("\n\n")
    return text.split("\n\n")[:-1]


# The form of replies (rules 1, 3, 5, 15, 19).


def test_reply_id_is_glued_and_one_empty_line_ends_a_reply():
    text = talk(engine_with("D4"), "12 genmove b", "12 nonsense", "genmove w", "quit")
    assert text == "=12 D4\n\n?12 unknown command\n\n? internal error: IndexError: pop from empty list\n\n=\n\n"


def test_unknown_command_without_id():
    assert replies_to("frobnicate 1 2") == ["? unknown command"]


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
    ],
)
def test_input_is_cleaned(line, reply):
    assert replies_to(line) == reply


def test_commands_that_arrive_at_once_are_answered_in_order():
    lines = [f"{number} {'genmove b' if number % 3 == 0 else 'name'}" for number in range(60)]
    replies = replies_to(*lines, moves=("pass",) * 20)
    assert [reply.split()[0] for reply in replies] == [f"={number}" for number in range(60)]


def test_nothing_is_answered_after_quit():
    assert replies_to("1 quit", "2 name") == ["=1"]


def test_end_of_input_is_quit():
    assert replies_to("name") == ["= MiniGo"]


def test_fixed_answers():
    assert replies_to("protocol_version", "version") == ["= 2", "= 0.1.0"]


def test_listed_commands_are_known_and_others_are_not():
    (listing,) = replies_to("list_commands")
    names = listing.removeprefix("= ").split("\n")
    required = """protocol_version name version known_command list_commands quit boardsize clear_board komi play
        genmove reg_genmove undo showboard final_score kata-set-rules kata-get-rules time_settings time_left
        fixed_handicap place_free_handicap set_free_handicap"""
    assert set(required.split()) <= set(names)
    assert replies_to(*(f"known_command {name}" for name in names)) == ["= true"] * len(names)
    assert replies_to("known_command analyze", "known_command Name") == ["= false"] * 2
    assert "analyze" not in names


def test_no_reply_has_an_empty_line_or_one_that_looks_like_analysis():
    """Every command, with sound arguments and with none."""
    arguments = {"boardsize": "5", "komi": "1", "play": "b C3", "genmove": "w", "reg_genmove": "w"}
    (listing,) = replies_to("list_commands")
    names = [name for name in listing.removeprefix("= ").split("\n") if name != "quit"]
    lines = [f"{name} {arguments.get(name, '')}" for name in names] + names
    engine = engine_with(*["pass"] * 9)
    for line in lines:
        reply = engine.answer(line.encode())
        assert reply.endswith("\n\n")
        assert reply.count("\n\n") == 1
        assert not any(part.startswith(("info ", "play ")) for part in reply.split("\n")[1:])


# The board (rules 18, 20).


def test_board_is_shown():
    (_, _, shown) = replies_to("play b C3", "play white a5", "showboard")
    rows = [line.split() for line in shown.split("\n")]
    assert ["5", "O", ".", ".", ".", "."] in rows
    assert ["3", ".", ".", "X", ".", "."] in rows


def test_one_color_may_move_twice():
    replies = replies_to("play b C3", "play B D4", "play black E5", "genmove b", moves=("A1",))
    assert replies == ["=", "=", "=", "= A1"]


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("play b C3", "? illegal move: C3 is illegal for black"),
        ("play b F1", "? syntax error: vertex must be A1..E5 or pass, got 'F1'"),
        ("play b", "? syntax error: vertex is missing"),
        ("play green D4", "? syntax error: color must be b, black, w or white, got 'green'"),
        ("play", "? syntax error: color is missing"),
        ("play w pass", "="),
        ("play w PASS", "="),
        ("boardsize 1", "? unacceptable size"),
        ("boardsize 20", "? unacceptable size"),
        ("boardsize nine", "? syntax error: board size must be an integer, got 'nine'"),
        ("komi nan", "? syntax error: komi must be a number, got 'nan'"),
        ("komi 1e9", "? syntax error: komi must be in -400..400, got 1e+09"),
        ("known_command", "? syntax error: command name is missing"),
        ("time_settings 0 5", "? syntax error: byo yomi stones is missing"),
        ("time_settings -1 5 1", "? syntax error: main time must be 0 or more, got -1"),
        ("time_settings 300 30 5", "="),
        ("time_left w 20 0", "="),
    ],
)
def test_arguments_are_checked(line, reply):
    answer = replies_to("play b C3", line)[1]
    assert answer.startswith(reply) if "illegal" in reply else answer == reply


def test_undo_takes_back_one_move_also_after_genmove():
    replies = replies_to(
        "play b C3", "genmove w", "undo", "play w D4", "undo", "undo", "play w C3", "undo", "undo", moves=("D4",)
    )
    assert replies == ["=", "= D4", "=", "=", "=", "=", "=", "=", "? cannot undo"]


def test_a_new_size_clears_the_board_and_keeps_komi_and_rules():
    engine = engine_with()
    talk(engine, "komi 3.5", "kata-set-rules aga", "play b C3", "boardsize 9")
    position = engine.board.position
    assert (position.board_size, position.komi, position.rules.name) == (9, 3.5, "aga")
    assert not position.board.stones.any()


def test_komi_counts_for_the_position_and_for_those_before_it():
    """Black has the whole board: 25 points."""
    lines = ("play b C3", "play w pass", "komi 3.5", "final_score", "undo", "final_score")
    assert replies_to(*lines)[3:] == ["= B+21.5", "=", "= B+21.5"]


@pytest.mark.parametrize(("komi", "score"), [("30", "W+5"), ("25", "0"), ("-0.5", "B+25.5")])
def test_final_score(komi, score):
    assert replies_to("play b C3", f"komi {komi}", "final_score")[2] == f"= {score}"


# White's last move takes away the liberty of both its stones, and the board has changed since there were none.
SUICIDE = ("play b A3", "play b B2", "play b B1", "play w A2", "play b D4", "play w A1")


def test_suicide_is_a_matter_of_the_rules():
    assert replies_to("kata-set-rules tromp-taylor", *SUICIDE)[-1] == "="
    assert replies_to("kata-set-rules cgos", *SUICIDE)[-1].startswith("? illegal move: A1 is illegal for white")


def test_superko_is_a_matter_of_the_rules():
    """A suicide of two stones that leaves the board as it was before they came."""
    repeating = [line for line in SUICIDE if line != "play b D4"]
    assert "superko" in replies_to("kata-set-rules tromp-taylor", *repeating)[-1]
    assert replies_to("kata-set-rules new-zealand", *repeating)[-1] == "="  # but now it is Black's turn


def test_rules_are_told_and_unknown_ones_refused():
    replies = replies_to("kata-get-rules", "kata-set-rules New-Zealand", "kata-get-rules", "kata-set-rules go")
    first, second = (json.loads(reply.removeprefix("= ")) for reply in (replies[0], replies[2]))
    assert (first["ko"], first["suicide"], first["scoring"]) == ("POSITIONAL", False, "AREA")
    assert (second["ko"], second["suicide"]) == ("SITUATIONAL", True)
    assert replies[3].startswith("? game.rules must be one of cgos, chinese")


def test_rules_that_forbid_a_move_already_played_are_refused():
    lines = ("kata-set-rules tromp-taylor", *SUICIDE, "kata-set-rules chinese", "kata-get-rules")
    replies = replies_to(*lines)
    assert replies[-2].startswith("? chinese rules forbid a move of this game: A1 is illegal for white")
    assert '"suicide": true' in replies[-1]


def test_rules_may_change_during_a_game():
    replies = replies_to("play b C3", "kata-set-rules aga", "undo", "play w C3", "undo", "undo")
    assert replies == ["=", "=", "=", "=", "=", "? cannot undo"]


# Moves of our own.


def test_genmove_plays_and_reg_genmove_does_not():
    replies = replies_to("reg_genmove b", "genmove b", "play w C3", moves=("C3", "C3"))
    assert replies[:2] == ["= C3", "= C3"]
    assert replies[2].startswith("? illegal move")


def test_genmove_is_for_the_color_that_is_named():
    player = ListedPlayer("A1", "B1")
    engine = GtpEngine(lambda: player, GAME, version="1.0")
    talk(engine, "genmove w", "genmove w")
    assert [position.to_play for position in player.seen] == [WHITE, WHITE]
    assert engine.board.position.to_play == BLACK
    assert (engine.board.position.board.stones < 0).sum() == 2


def test_genmove_passes_when_the_game_is_over():
    assert replies_to("play b pass", "play w pass", "genmove b") == ["=", "=", "= pass"]


@pytest.mark.parametrize(
    ("value", "threshold", "answer"),
    [(-0.95, 0.9, "= resign"), (-0.85, 0.9, "= D4"), (-1.0, 0.0, "= D4"), (0.95, 0.9, "= D4")],
)
def test_engine_resigns_below_its_threshold(value, threshold, answer):
    engine = engine_with("D4", value=value, resign_threshold=threshold)
    assert talk(engine, "genmove b") == f"{answer}\n\n"


def test_player_may_resign_by_itself():
    assert replies_to("genmove b", moves=("resign",)) == ["= resign"]


def test_broken_player_fails_the_command_not_the_conversation():
    replies = replies_to("genmove b", "genmove b", "genmove b", moves=("break", "C3", "C3"))
    assert replies[:2] == ["? listed: out of ideas\n(none left)", "= C3"]
    assert replies[2].startswith("? illegal move")


# Handicaps.


@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
def test_fixed_handicap_is_that_of_gnugo():
    with GtpClient(f"{GNUGO} --mode gtp") as gnugo:
        for size in range(7, 20):
            gnugo.send(f"boardsize {size}")
            for stones in range(2, (9 if size % 2 and size > 7 else 4) + 1):
                gnugo.send("clear_board")
                theirs = gnugo.send(f"fixed_handicap {stones}").split()
                ours = [vertex_from_move(point, size) for point in fixed_handicap(size, stones)]
                assert sorted(ours) == sorted(theirs), (size, stones)


@pytest.mark.parametrize(("size", "stones"), [(19, 1), (19, 10), (7, 5), (8, 5), (6, 2), (5, 2)])
def test_fixed_handicap_has_its_limits(size, stones):
    with pytest.raises(ValueError, match=f"{size}x{size} must be"):
        fixed_handicap(size, stones)


@pytest.mark.parametrize("size", range(4, 20))
def test_free_handicap_gives_distinct_points_up_to_what_was_asked(size):
    for stones in range(2, 40):
        points = free_handicap(size, stones)
        assert 2 <= len(points) <= stones
        assert len(set(points)) == len(points)
        assert all(0 <= point < size * size for point in points)


def test_handicap_places_black_stones_and_leaves_the_move_to_white():
    player = ListedPlayer("C3")
    engine = GtpEngine(lambda: player, GAME, version="1.0")
    text = talk(engine, "boardsize 9", "fixed_handicap 2", "genmove w", "undo", "undo")
    replies = text.split("\n\n")
    assert replies[1] == "= C3 G7"
    assert replies[2].startswith("? illegal move: C3 is illegal for white")
    assert replies[3:] == ["? cannot undo", "? cannot undo", ""]
    assert player.seen[0].to_play == WHITE
    assert player.seen[0].board.stones.sum() == 2
    assert engine.board.position.to_play == WHITE


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (("fixed_handicap 2",), "? invalid number of stones: fixed handicap on 5x5 must be 0, got 2"),
        (
            (
                "boardsize 9",
                "fixed_handicap",
            ),
            "? syntax error: number of stones is missing",
        ),
        (("boardsize 9", "play b C3", "fixed_handicap 2"), "? board not empty"),
        (("play b pass", "place_free_handicap 2"), "? board not empty"),
        (("place_free_handicap 2",), "= B2 D4"),
        (("place_free_handicap 1",), "? invalid number of stones: a handicap must be 2 stones or more, got 1"),
        (("set_free_handicap C3 D4 A1",), "="),
        (("set_free_handicap C3",), "? bad vertex list"),
        (("set_free_handicap C3 C3",), "? bad vertex list"),
        (("set_free_handicap C3 pass",), "? bad vertex list"),
        (("boardsize 2", "set_free_handicap A1 A2 B1 B2"), "? bad vertex list"),
    ],
)
def test_handicap_arguments(lines, reply):
    assert replies_to(*lines)[-1].startswith(reply)


# Loading in the background (rules 4 and 16).


def test_questions_are_answered_before_the_player_is_loaded(capfd):
    ready = threading.Event()

    def load() -> ListedPlayer:
        ready.wait(30)
        return ListedPlayer("C3")

    engine = GtpEngine(load, GAME, version="1.0")
    reader, writer = os.pipe()
    replies = io.BytesIO()
    lines = os.fdopen(reader, "rb")
    conversation = threading.Thread(target=engine.run, args=(lines, replies))
    conversation.start()
    os.write(writer, b"name\nversion\nprotocol_version\nboardsize 5\nclear_board\ngenmove b\n")
    wait_until(lambda: replies.getvalue().count(b"\n\n") == 5)
    time.sleep(0.1)
    assert replies.getvalue().count(b"\n\n") == 5
    assert "GTP ready" not in capfd.readouterr().err
    ready.set()
    os.close(writer)
    conversation.join(10)
    assert replies.getvalue().endswith(b"= C3\n\n")
    assert "GTP ready" in capfd.readouterr().err


def test_failure_to_load_ends_the_conversation_with_its_reason():
    def load() -> ListedPlayer:
        raise FileNotFoundError("no network here")

    reader, writer = os.pipe()
    lines = os.fdopen(reader, "rb")
    engine = GtpEngine(load, GAME, version="1.0")
    with pytest.raises(FileNotFoundError, match="no network here"):
        engine.run(lines, io.BytesIO())
    os.close(writer)


def wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# A process of its own (rules 2, 4, 16, 21).

PROGRAM = """
import os, sys, time
from minigo.config import GameConfig
from minigo.engines.gtp import GtpEngine, serve
class Slow:
    name = "slow"
    def new_game(self): pass
    def close(self): pass
    def choose(self, position):
        time.sleep(60)
def load():
    {load}
    print("a framework greets stdout")
    os.system("echo and so does its child")
    os.write(1, b"even by the descriptor\\n")
    from minigo.players import RandomPlayer
    return {player}
serve(GtpEngine(load, GameConfig(board_size=5, komi=0.5), version="0.1.0"))
"""


def program(player: str = "RandomPlayer(1)", load: str = "") -> list[str]:
    return [sys.executable, "-c", PROGRAM.format(player=player, load=load)]


@contextmanager
def running(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """The engine as a process; killed in the end if it still runs."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: "subprocess.Popen[bytes]", line: str) -> bytes:
    """Sends a line and reads one reply."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()
    reply = b""
    while not reply.endswith(b"\n\n"):
        piece = process.stdout.readline()
        assert piece, reply
        reply += piece
    return reply


def test_nothing_but_replies_is_written_to_stdout():
    with running(program()) as process:
        output, errors = process.communicate(b"name\ngenmove b\nquit\n", timeout=60)
    assert output.startswith(b"= MiniGo\n\n= ")
    assert output.endswith(b"\n\n=\n\n")
    assert output.count(b"\n") == 6
    for line in (b"a framework greets", b"and so does its child", b"even by the descriptor", b"GTP ready"):
        assert line in errors
    assert process.returncode == 0


def test_first_replies_come_at_once():
    """Within 300 ms of start-up, though loading keeps Python to itself, as the import of a framework does.

    The best of five, because other programs may keep the processor busy.
    """
    load = "import re; re.match('(a+)+$', 'a' * 40 + 'b')"
    times = []
    for _ in range(5):
        began = time.monotonic()
        with running(program(load=load)) as process:
            for question in ("name", "version", "protocol_version", "list_commands", "boardsize 9"):
                assert ask(process, question).startswith(b"=")
            times.append(time.monotonic() - began)
        if times[-1] < 0.3:
            break
    assert min(times) < 0.3


def test_quit_ends_the_process_within_half_a_second():
    with running(program(load="time.sleep(30)")) as process:
        assert ask(process, "name") == b"= MiniGo\n\n"
        time.sleep(0.5)  # it is loading now
        began = time.monotonic()
        assert ask(process, "quit") == b"=\n\n"
        assert process.wait(10) == 0
        assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("thinking", [False, True])
def test_sigterm_ends_the_process_within_half_a_second(thinking):
    with running(program(player="Slow()")) as process:
        assert ask(process, "name") == b"= MiniGo\n\n"
        if thinking:
            assert process.stdin is not None
            process.stdin.write(b"genmove b\n")
            process.stdin.flush()
            time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        assert time.monotonic() - began < 0.5


def test_end_of_input_ends_the_process():
    with running(program()) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def test_failure_to_load_is_an_error_of_the_process():
    with running(program(load="raise FileNotFoundError('no network here')")) as process:
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert b"FileNotFoundError: no network here" in process.stderr.read()


# Against ourselves and others.


def test_match_between_two_of_our_processes():
    """`minigo match` can play another process of ours, on its own rules and to the end."""
    environment = "PYTHONPATH=" + os.pathsep.join(sys.path)
    script = PROGRAM.format(player="RandomPlayer(1)", load="")
    engine = GtpPlayer(f"env '{environment}' {sys.executable} -c '{script}'".replace("\n\n", "\n"), GAME)
    try:
        result = play_match(engine, RandomPlayer(), 6, GAME, MatchConfig(), 1)
    finally:
        engine.close()
    assert result.player == "MiniGo 0.1.0"
    assert [game.failure for game in result.games] == [""] * 6
    for game in result.games:
        game.record.check()
