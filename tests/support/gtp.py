# SPDX-License-Identifier: Apache-2.0
"""Conversations with our GTP engine, in this process and as a process of its own, and a thinker that does as told."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigo.anytime import Analysis, MoveAnalysis
from minigo.config import GameConfig, SearchConfig
from minigo.engines.ending import Ending, ending_of
from minigo.engines.gtp import GtpEngine
from minigo.engines.options import PlayOptions
from minigo.engines.raw_network import RawEvaluation, evaluate_alone
from minigo.engines.thinking import Decision, Thinking
from minigo.go.coords import move_from_vertex
from minigo.go.position import Position
from minigo.inference.evaluator import HashEvaluator
from tests.support.waiting import wait_until

GAME = GameConfig(board_size=5, komi=0.5)


@dataclass
class ListedThinking:
    """Plays the vertices that it was given, one after another, and remembers the positions and all it was asked.

    "resign" resigns, "break" raises, "wait" goes on until it is interrupted and plays D4.
    """

    vertices: list[str]
    seen: list[Position] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    pondered: list[Position] = field(default_factory=list)
    options: PlayOptions = field(default_factory=PlayOptions)
    search: SearchConfig | None = None
    games: int = 0
    warmed_up: list[int] = field(default_factory=list)
    prepared: list[int] = field(default_factory=list)

    def set_options(self, options: PlayOptions, config: SearchConfig | None = None) -> None:
        self.options, self.search = options, config

    def new_game(self) -> None:
        self.games += 1

    def warm_up(self, board_size: int) -> None:
        self.warmed_up.append(board_size)

    def prepare(self, board_size: int) -> None:
        self.prepared.append(board_size)

    def decide(self, position: Position, clock: Any, **wishes: Any) -> Decision:
        self.seen.append(position)
        self.asked.append({"clock": clock, **wishes})
        vertex = self.vertices.pop(0)
        if vertex == "break":
            raise OSError("out of ideas\n\n(none left)")
        if vertex == "wait":
            wait_until(wishes["interrupted"])
            vertex = "D4"
        resign = vertex == "resign"
        move = position.board.pass_move if resign else move_from_vertex(vertex, position.board_size)
        if wishes["show"] is not None:
            wishes["show"](analysis_of(position, move))
        return Decision(move, resign, None)

    def analyze(self, position: Position, *, interrupted: Callable[[], bool], show: Any, **wishes: Any) -> Analysis:
        self.seen.append(position)
        self.asked.append(wishes)
        analysis = analysis_of(position, int(np.flatnonzero(position.legal_moves())[0]))
        show(analysis)
        wait_until(interrupted)
        return analysis

    def ponder(self, position: Position, *, interrupted: Callable[[], bool]) -> None:
        self.pondered.append(position)
        wait_until(interrupted)

    def evaluate(self, position: Position, symmetry: int | None) -> RawEvaluation:
        return evaluate_alone(HashEvaluator(), position, symmetry)

    def finished(self, position: Position) -> Ending:
        return ending_of(position, None)


def analysis_of(position: Position, *moves: int, ownership: bool = False, **numbers: float) -> Analysis:
    """An analysis that visited each of these moves, the first one most."""
    given = {"value": 0.25, "score_lead": 1.5, "utility": 0.3} | numbers
    size, board = position.board_size, position.board
    policy = np.where(position.legal_moves(), 1.0, 0.0).astype(np.float32)
    owner = np.linspace(-1, 1, size * size, dtype=np.float32).reshape(size, size) if ownership else None
    found = [
        MoveAnalysis(
            move, 10 - order, given["value"], given["score_lead"], given["utility"], 0.125, given["value"] - 0.5,
            (move, board.pass_move), (10 - order, 1), owner,
        )
        for order, move in enumerate(moves)
    ]  # fmt: skip
    return Analysis(
        position, 12, given["value"], given["score_lead"], given["utility"], 0.1, 0.75,
        policy / policy.sum(), tuple(found), owner,
    )  # fmt: skip


def hash_thinking(visits: int = 8, seed: int = 0) -> Thinking:
    """The real thing with a network that costs nothing."""
    config = SearchConfig(num_simulations=visits)
    return Thinking(HashEvaluator(seed), config, PlayOptions(), batch_rows=8, cached_positions=0)


def engine_with(*vertices: str, game: GameConfig = GAME, **options: Any) -> tuple[GtpEngine, ListedThinking]:
    """An engine whose moves are listed."""
    thinking = ListedThinking(list(vertices))
    return GtpEngine(lambda: thinking, game, version="0.1.0", **options), thinking


def talk(engine: GtpEngine, *lines: str | bytes) -> str:
    """All that the engine replies to these lines."""
    data = b"".join(line if isinstance(line, bytes) else line.encode() + b"\n" for line in lines)
    replies = io.BytesIO()
    engine.run(io.BytesIO(data), replies)
    return replies.getvalue().decode()


def replies_to(*lines: str | bytes, moves: tuple[str, ...] = (), files: Path | None = None) -> list[str]:
    """The replies of a fresh engine, without the empty lines that end them."""
    text = talk(engine_with(*moves, files=files)[0], *lines)
    assert text == "" or text.endswith("\n\n")
    return text.split("\n\n")[:-1]


class Conversation:
    """Talks with an engine that runs in a thread of this process, line by line."""

    def __init__(self, engine: GtpEngine) -> None:
        theirs, self._ours = os.pipe()
        ours, there = os.pipe()
        self._replies = os.fdopen(ours, "rb")
        self._out = os.fdopen(there, "wb")
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(engine, os.fdopen(theirs, "rb")), daemon=True)
        self._thread.start()

    def _run(self, engine: GtpEngine, lines: Any) -> None:
        try:
            engine.run(lines, self._out)
        except BaseException as error:  # noqa: BLE001 (for the test to look at)
            self.error = error
        self._out.close()

    def write(self, text: str | bytes) -> None:
        """Sends text as it is, in one piece."""
        os.write(self._ours, text.encode() if isinstance(text, str) else text)

    def write_all(self, data: bytes) -> None:
        """Sends as much data as one likes; whoever does so must not be the one who reads."""
        while data:
            data = data[os.write(self._ours, data) :]

    def send(self, line: str) -> None:
        """Sends a line."""
        self.write(line + "\n")

    def line(self) -> str:
        """The next line of a reply, without its end; fails where there is none."""
        line = self._replies.readline()
        assert line.endswith(b"\n"), f"the engine left with {line!r}"
        return line[:-1].decode()

    def reply(self) -> str:
        """The next whole reply."""
        lines = []
        while line := self.line():
            lines.append(line)
        return "\n".join(lines)

    def ask(self, line: str) -> str:
        """Sends a line and returns the reply."""
        self.send(line)
        return self.reply()

    def close(self) -> str:
        """Ends the input; returns what else was said."""
        os.close(self._ours)
        rest = self._replies.read().decode()
        self._thread.join(20)
        assert not self._thread.is_alive()
        return rest


@contextmanager
def conversation(engine: GtpEngine) -> Iterator[Conversation]:
    """A conversation that is closed in the end, and in which nothing may be left unread."""
    talking = Conversation(engine)
    yield talking
    assert talking.close() == ""


@contextmanager
def running(*arguments: str, script: str = "") -> Iterator["subprocess.Popen[bytes]"]:
    """`minigo gtp`, or a Python script, as a process; killed in the end if it still runs."""
    command = ["-c", script] if script else ["-m", "minigo", "gtp", *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, *command], stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: "subprocess.Popen[bytes]", line: str) -> None:
    """Sends a line."""
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()


def reply_of(process: "subprocess.Popen[bytes]") -> str:
    """Reads one reply, with all its lines."""
    assert process.stdout is not None
    reply = b""
    while not reply.endswith(b"\n\n"):
        piece = process.stdout.readline()
        assert piece, reply
        reply += piece
    return reply[:-2].decode()


def ask(process: "subprocess.Popen[bytes]", line: str) -> str:
    """Sends a line and reads one reply."""
    tell(process, line)
    return reply_of(process)
