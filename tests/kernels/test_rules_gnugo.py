# SPDX-License-Identifier: Apache-2.0
"""GNU Go 3.8, driven over GTP, agrees on which moves are legal, on captures and on the final area.

What one has to know of GNU Go: `all_legal` and `is_legal` heed superko and suicide as the command line says, for
either color whoever's turn it is, and `all_legal` never lists the pass. It forgets what lies 500 moves back, where
its superko ends, so these games are shorter. `final_score` judges life and death: that is plain area only where a
game has been played out.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass, field

import numpy as np
import pytest

from cc_kernels import scoring
from cc_kernels.board import BLACK, KO_POSITIONAL, WHITE, Board
from cc_kernels.playouts import random_game
from tests.support.diagrams import vertex
from tests.support.scale import seeds

GAMES = {5: 16, 6: 5, 7: 8, 9: 16, 13: 3, 19: 2}
FINAL_POSITIONS = {5: 20, 7: 10, 9: 20, 13: 5, 19: 2}
MAX_MOVES = 480
NAMES = {BLACK: "black", WHITE: "white"}
GNUGO = shutil.which("gnugo", path=os.pathsep.join([*os.get_exec_path(), "/usr/games"]))
RULES = ("--chinese-rules", "--positional-superko", "--forbid-suicide")

pytestmark = pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed (Debian: apt-get install gnugo)")


@dataclass
class Session:
    """GTP commands with the replies we expect. All are sent at once; `None` expects nothing but success."""

    commands: list[str] = field(default_factory=list)
    expected: list[set[str] | None] = field(default_factory=list)

    def send(self, command: str, reply: set[str] | None = None) -> None:
        """Adds a command and the set of words its reply must have."""
        self.commands.append(command)
        self.expected.append(reply)

    def start_game(self, board: Board) -> None:
        """Adds the commands that clear the board."""
        for command in (f"boardsize {board.board_size}", "clear_board", f"komi {board.komi}"):
            self.send(command)

    def check(self) -> None:
        """Runs GNU Go. Fails at the first reply that differs, with the game up to there."""
        assert GNUGO is not None
        text = "\n".join([*self.commands, "quit", ""])
        command = [GNUGO, "--mode", "gtp", "--level", "1", *RULES]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=250)
        replies = done.stdout.split("\n\n")
        assert len(replies) > len(self.expected)
        for index, (reply, expected) in enumerate(zip(replies, self.expected, strict=False)):
            status, *words = reply.split()
            if status != "=" or (expected is not None and set(words) != expected):
                pytest.fail(f"{self.game_before(index)} replied {reply}, not {expected}")

    def game_before(self, index: int) -> str:
        """The commands of one game up to an index, without questions."""
        first = max(i for i in range(index + 1) if self.commands[i].startswith("boardsize"))
        told = [c for c in self.commands[first:index] if c.startswith(("boardsize", "komi", "play"))]
        return "; ".join([*told, self.commands[index]])


def expect_same_position(session: Session, board: Board) -> None:
    """Adds commands that compare stones and captures."""
    for color in (BLACK, WHITE):
        points = np.flatnonzero(board.stones == color).tolist()
        session.send(f"list_stones {NAMES[color]}", {vertex(p, board.board_size) for p in points})
        session.send(f"captures {NAMES[color]}", {str(board.captured(-color))})


def expect_same_legal_moves(session: Session, board: Board, legal: dict[int, list[int]]) -> None:
    """Adds commands that compare the legal moves of both colors."""
    for color in (BLACK, WHITE):
        names = {vertex(p, board.board_size) for p in legal[color]}
        session.send(f"all_legal {NAMES[color]}", names)


def play_random_game(rng: np.random.Generator, board: Board, session: Session) -> int:
    """Plays legal moves, a few out of turn; in every second game the greediest of three, which makes kos.

    Returns:
        How many moves superko alone had forbidden.
    """
    session.start_game(board)
    fresh, greedy, forbidden = board.copy(), rng.random() < 0.5, 0
    for _ in range(min(MAX_MOVES, 3 * board.num_points)):
        legal = {color: np.flatnonzero(board.legal_moves(color)[:-1]).tolist() for color in (BLACK, WHITE)}
        expect_same_legal_moves(session, board, legal)
        fresh.setup(board.stones)
        forbidden += int((fresh.legal_moves(board.to_play) & ~board.legal_moves()).sum())
        color = board.to_play * (-1 if rng.random() < 0.05 else 1)
        moves = rng.choice(legal[color], 3 if greedy else 1).tolist() if legal[color] else [board.pass_move]
        move = max(moves, key=lambda move: stones_captured_by(board, move, color))
        if rng.random() < 0.02:
            move = board.pass_move
        board.play(move, color)
        session.send(f"play {NAMES[color]} {vertex(move, board.board_size)}")
    expect_same_position(session, board)
    return forbidden


def stones_captured_by(board: Board, move: int, color: int) -> int:
    """How many enemy stones a legal move captures."""
    after = board.copy()
    after.play(move, color)
    return after.captured(-color) - board.captured(-color)


@pytest.mark.parametrize("seed", seeds())
def test_legal_moves_of_random_games_agree_at_every_move(seed: int) -> None:
    rng, session, forbidden = np.random.default_rng(seed), Session(), 0
    for board_size, num_games in GAMES.items():
        for _ in range(num_games):
            forbidden += play_random_game(rng, Board(board_size, 7.5, KO_POSITIONAL, False), session)

    session.check()
    assert forbidden > 40


@pytest.mark.parametrize("seed", seeds())
def test_the_final_area_of_played_out_games_agrees(seed: int) -> None:
    session = Session()
    for board_size, num_games in FINAL_POSITIONS.items():
        for game in range(num_games):
            board = Board(board_size, 7.5 - game % 2, KO_POSITIONAL, False)
            start = board.copy()
            session.start_game(board)
            for move in random_game(board, 1000 * seed + game, 10 * board.num_points).tolist():
                session.send(f"play {NAMES[start.to_play]} {vertex(move, board_size)}")
                start.to_play = -start.to_play
            expect_same_position(session, board)
            session.send("final_score", {score_text(scoring.score_for_black(board))})

    session.check()


def score_text(score_for_black: float) -> str:
    """A score as GTP writes it."""
    if score_for_black == 0:
        return "0"
    return f"{'B' if score_for_black > 0 else 'W'}+{abs(score_for_black):.1f}"
