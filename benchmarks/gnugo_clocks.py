# SPDX-License-Identifier: Apache-2.0
"""Fast games between our engine and GNU Go under every kind of clock: nobody may lose on time or play illegal moves.

Our engine runs as a process of its own, as any program would start it, and its time is measured here, at the other
end of the pipe. The referee plays every move on our own rules. After two passes both engines take dead stones off
(`kgs-genmove_cleanup`) until they pass again; then both are asked for the score.

    python benchmarks/gnugo_clocks.py --out=games --engine="python -m minigo gtp --run=runs/9x9" --games=200

A game that is there already is not played again. `--json` prints the summary as one JSON object. The exit status is 1
if a game was lost on time, was illegal or failed, or if the scores of fewer than 95 % of the games agree.
"""

import argparse
import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from sgfmill import sgf

from cc_kernels.board import BLACK, WHITE, IllegalMoveError
from cc_kernels.playouts import random_game
from minigo.engines.clock import Clock, TimeControl
from minigo.engines.external import GtpClient, PlayerError
from minigo.go.coords import color_name, move_from_vertex, sgf_from_move, vertex_from_move
from minigo.go.position import Position

CONTROLS: Final = ("absolute 30", "canadian 10 10 10", "byoyomi 5 2 3", "fischer 10 0.5")
"""In the words of `kata-time_settings`; game k has the k-th, over and over, two games of a pair the same."""
BOARD_SIZE: Final = 9
KOMI: Final = 7.5
RULES: Final = "cgos"
OPENING_PLIES: Final = 2
MAX_MOVES_PER_POINT: Final = 4
MUST_AGREE: Final = 0.95
_PROGRAM: Final = shutil.which("gnugo") or shutil.which("gnugo", path="/usr/games") or "gnugo"  # where Debian has it
GNUGO: Final = f"{_PROGRAM} --mode gtp --chinese-rules --positional-superko --forbid-suicide --never-resign --level 1"
START_SECONDS: Final = 120.0
PATIENCE_SECONDS: Final = 60.0  # a move that takes longer is a breakdown, whatever the clock says
SILENT: Final = 4  # every so many pairs, the last one is played without `time_left`


@dataclass
class Game:
    """A game as it went.

    Attributes:
        index: which of the games.
        control: the clock.
        color: what our engine played.
        told: whether our engine was told what time was left.
        end: "passes", "moves" (too many of them), "resign", "time" (ours ran out), "illegal" (ours), "theirs"
            (GNU Go's fault) or "failed".
        reason: why it did not end by passes.
        moves: vertices, from the first.
        times: seconds that each of our moves took, with `kgs-genmove_cleanup` left out.
        left: seconds and stones that our clock then showed.
        scores: Black's points: ours and GNU Go's before dead stones were taken off, then both afterwards, then the
            referee's.
        score: the result for Black.
    """

    index: int
    control: str
    color: int
    told: bool
    end: str = "passes"
    reason: str = ""
    moves: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    left: list[tuple[float, int]] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    score: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether both engines gave the same score after playing out."""
        return len(self.scores) >= 4 and self.scores[2] is not None and self.scores[2] == self.scores[3]

    @property
    def agreed_before(self) -> bool:
        """Whether they did right after the passes."""
        return len(self.scores) >= 2 and self.scores[0] is not None and self.scores[0] == self.scores[1]


class GameOverError(Exception):
    """A game ends before its passes: (end, reason)."""


class Referee:
    """Plays one game between two engines and writes down what happens.

    Args:
        index: which of the games; decides clock, colours and opening.
        ours: our engine.
        theirs: GNU Go.
        controls: the clocks, as `CONTROLS` has them.
    """

    def __init__(self, index: int, ours: GtpClient, theirs: GtpClient, controls: tuple[str, ...] = CONTROLS) -> None:
        pair = index // 2
        color = BLACK if index % 2 == 0 else WHITE
        told = pair // len(controls) % SILENT != SILENT - 1
        self.game = Game(index, controls[pair % len(controls)], color, told)
        self.position = Position.empty(BOARD_SIZE, KOMI, RULES)
        self._engines = {color: ours, -color: theirs}
        self._clock = Clock.started(TimeControl.from_kata(self.game.control.split()))

    def play(self) -> Game:
        """Plays to the end, whatever that is."""
        try:
            self._set_up()
            self._play_until_passes("genmove", timed=True)
            self.game.scores = [self._asked(self.game.color), self._asked(-self.game.color)]
            self._play_until_passes("kgs-genmove_cleanup", timed=False)
            self.game.scores += [self._asked(self.game.color), self._asked(-self.game.color)]
            self.game.scores.append(self.position.score_for_black())
            self.game.score = self.game.scores[-1]
        except GameOverError as over:
            self.game.end, self.game.reason = over.args
        except PlayerError as error:
            self.game.end, self.game.reason = "failed", str(error)
        return self.game

    def _set_up(self) -> None:
        for engine in self._engines.values():
            engine.send(f"boardsize {BOARD_SIZE}", seconds=START_SECONDS)
            engine.send("clear_board")
            engine.send(f"komi {KOMI:g}")
        ours = self._engines[self.game.color]
        ours.send(f"kata-set-rules {RULES}")
        ours.send("kata-time_settings none")
        ours.send("reg_genmove b", seconds=START_SECONDS)  # waits until the network is loaded
        kind, *numbers = self.game.control.split()
        if kind in ("absolute", "canadian"):
            ours.send("time_settings " + " ".join([*numbers, "0", "0"][:3]))
        elif kind == "byoyomi":
            ours.send(f"kgs-time_settings {self.game.control}")
        else:
            ours.send(f"kata-time_settings {self.game.control}")
        for move in random_game(self.position.board.copy(), self.game.index // 2, OPENING_PLIES).tolist():
            for engine in self._engines.values():
                self._show(engine, move)
            self._play(move)

    def _play_until_passes(self, command: str, *, timed: bool) -> None:
        passes, first = 0, len(self.game.moves)
        while passes < 2:
            color = self.position.to_play
            mine = color == self.game.color
            answer = self._timed(command) if mine and timed else self._ask(f"{command} {color_name(color)}")
            if answer == "resign":
                self.game.score = -float(color)
                raise GameOverError("resign", color_name(color))
            try:
                move = move_from_vertex(answer, BOARD_SIZE)
                self._play(move)
            except (IllegalMoveError, ValueError) as error:
                raise GameOverError("illegal" if mine else "theirs", f"{answer}: {error}") from None
            self._show(self._engines[-color], move, color)
            passes = passes + 1 if move == BOARD_SIZE**2 else 0
            if len(self.game.moves) - first > MAX_MOVES_PER_POINT * BOARD_SIZE**2:
                self.game.score = self.position.score_for_black()
                raise GameOverError("moves", f"no two passes in {len(self.game.moves)} moves")

    def _timed(self, command: str) -> str:
        """Asks our engine for a move and lets its clock run."""
        game, color = self.game, self.game.color
        left = self._clock.left(color)
        if game.told:
            self._ask(f"time_left {color_name(color)} {int(left.seconds)} {left.stones}")
        before = time.monotonic()
        answer = self._ask(f"{command} {color_name(color)}")
        seconds = time.monotonic() - before
        self._clock = self._clock.spent(color, seconds, unseen_seconds=0.0)
        left = self._clock.left(color)
        game.times.append(round(seconds, 4))
        game.left.append((round(left.seconds, 3), left.stones))
        if self._clock.has_run_out(color):
            raise GameOverError("time", f"move {len(game.moves) + 1} took {seconds:.3f} s")
        return answer

    def _ask(self, command: str) -> str:
        color = WHITE if command.split()[-1] == "white" or " white " in command else BLACK
        return self._engines[color].send(command, seconds=PATIENCE_SECONDS).lower()

    def _asked(self, color: int) -> float | None:
        """What an engine says the score is, for Black; None if it can not say."""
        try:
            words = self._engines[color].send("final_score", seconds=PATIENCE_SECONDS).split()
        except PlayerError:
            return None
        return score_from_text(words[0] if words else "")

    def _show(self, engine: GtpClient, move: int, color: int | None = None) -> None:
        color = self.position.to_play if color is None else color
        engine.send(f"play {color_name(color)} {vertex_from_move(move, BOARD_SIZE)}")

    def _play(self, move: int) -> None:
        self.position = self.position.play(move)
        self.game.moves.append(vertex_from_move(move, BOARD_SIZE))


def score_from_text(text: str) -> float | None:
    """Black's points of a score like "W+7.5" or "0"; None where it is none."""
    if text == "0":
        return 0.0
    try:
        points = float(text[2:])
    except ValueError:
        return None
    return {"b+": points, "w+": -points}.get(text[:2].lower())


def play_games(
    indices: Iterable[int], engine: str, out: Path, *, gnugo: str = GNUGO, controls: Iterable[str] = CONTROLS
) -> list[Game]:
    """Plays games and writes each as SGF and JSON; those that are there are read instead.

    Args:
        indices: which games.
        engine: our engine's command line.
        out: the folder of the games.
        gnugo: GNU Go's command line, to which a seed is added.
        controls: the clocks, as `CONTROLS` has them.
    """
    controls = tuple(controls)
    out.mkdir(parents=True, exist_ok=True)
    games, ours = [], None
    try:
        for index in indices:
            file = out / f"{index:06d}.json"
            if file.exists():
                games.append(Game(**json.loads(file.read_text())))
                continue
            if ours is None or not ours.is_alive:
                ours = GtpClient(engine, seconds=PATIENCE_SECONDS)
            with GtpClient(f"{gnugo} --seed {index + 1}", seconds=PATIENCE_SECONDS) as theirs:
                game = Referee(index, ours, theirs, controls).play()
            file.with_suffix(".sgf").write_bytes(sgf_of(game))
            file.write_text(json.dumps(asdict(game)))
            games.append(game)
            print(f"{index}: {described(game)}", file=sys.stderr, flush=True)
    finally:
        if ours is not None:
            ours.close()
    return games


def described(game: Game) -> str:
    """One line about a game."""
    slowest = max(game.times, default=0.0)
    least = min((seconds for seconds, stones in game.left if stones == 0), default=0.0)
    return (
        f"{game.control}, {color_name(game.color)}, {'told' if game.told else 'not told'}: {game.end} {game.reason} "
        f"after {len(game.moves)} moves, scores {game.scores}, slowest {slowest:.2f} s, least main time {least:.2f} s"
    )


def sgf_of(game: Game) -> bytes:
    """The game as SGF, with the time that our engine had left after each of its timed moves."""
    tree = sgf.Sgf_game(size=BOARD_SIZE)
    root = tree.get_root()
    names = {game.color: "MiniGo", -game.color: "GNU Go"}
    result = "Void" if game.score is None else "0" if game.score == 0 else f"{'BW'[game.score < 0]}+{abs(game.score):g}"
    for name, value in {
        "KM": KOMI,
        "RU": RULES,
        "PB": names[BLACK],
        "PW": names[WHITE],
        "RE": result,
        "GN": f"{game.index:06d} {game.control}",
        "C": f"{game.end} {game.reason}; scores for Black: {game.scores}",
    }.items():
        root.set(name, value)
    left = iter(game.left)
    for ply, vertex in enumerate(game.moves):
        color = BLACK if ply % 2 == 0 else WHITE
        node = tree.extend_main_sequence()
        move = move_from_vertex(vertex, BOARD_SIZE)
        node.set_raw("B" if color == BLACK else "W", sgf_from_move(move, BOARD_SIZE).encode())
        if color == game.color and ply >= OPENING_PLIES and (shown := next(left, None)) is not None:
            letter = "B" if color == BLACK else "W"
            node.set_raw(f"{letter}L", f"{shown[0]:g}".encode())
            if shown[1]:
                node.set_raw(f"O{letter}", str(shown[1]).encode())
    serialised: bytes = tree.serialise()
    return serialised


def summary_of(games: list[Game]) -> dict[str, Any]:
    """What all games say together, and those of each clock."""
    return {"all": _counted(games)} | {
        control: _counted([game for game in games if game.control == control])
        for control in dict.fromkeys(game.control for game in games)
    }


def _counted(games: list[Game]) -> dict[str, Any]:
    ends = {end: sum(game.end == end for game in games) for end in ("passes", "resign", "moves")}
    faults = {end: sum(game.end == end for game in games) for end in ("time", "illegal", "theirs", "failed")}
    played_out = [game for game in games if game.end == "passes"]
    times = np.array([seconds for game in games for seconds in game.times] or [0.0])
    won = sum(game.score is not None and game.score * game.color > 0 for game in games)
    return {
        "games": len(games),
        **ends,
        **faults,
        "won": won,
        "agree": sum(game.agrees for game in played_out),
        "agree_before_playing_out": sum(game.agreed_before for game in played_out),
        "agree_share": sum(game.agrees for game in played_out) / max(1, len(played_out)),
        "seconds_per_move_mean": round(float(times.mean()), 3),
        "seconds_per_move_max": round(float(times.max()), 3),
    }


def is_good(summary: dict[str, Any]) -> bool:
    """Whether the engine kept to its clocks and the rules, and agreed on the scores."""
    everything = summary["all"]
    faultless = not any(everything[fault] for fault in ("time", "illegal", "failed"))
    return faultless and everything["agree_share"] >= MUST_AGREE


def main() -> int:
    """Plays the games and prints the summary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", default=shlex.join([sys.executable, "-m", "minigo", "gtp"]))
    parser.add_argument("--gnugo", default=GNUGO)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--games", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="index of the first game")
    parser.add_argument("--controls", default=",".join(CONTROLS), help="clocks, in the words of kata-time_settings")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    indices = range(options.first, options.first + options.games)
    controls = options.controls.split(",")
    games = play_games(indices, options.engine, options.out, gnugo=options.gnugo, controls=controls)
    summary = summary_of(games)
    if options.json:
        print(json.dumps(summary))
    else:
        for name, counts in summary.items():
            print(name, *(f"{key}={value}" for key, value in counts.items()))
    return 0 if is_good(summary) else 1


if __name__ == "__main__":
    sys.exit(main())
