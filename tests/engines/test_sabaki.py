# SPDX-License-Identifier: Apache-2.0
"""Sabaki's own libraries as judges: its controller drives our engine, its parser reads our files, its board our games.

They are installed with npm into a temporary folder.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cc_kernels.board import BLACK, KO_SIMPLE, WHITE, Board
from minigo.config import GameConfig, MatchConfig
from minigo.go.coords import sgf_from_move
from minigo.go.record import GameRecord
from minigo.go.sgf import sgf_from_record
from minigo.match import play_match
from minigo.players import RandomPlayer
from tests.support.gtp import replies_to
from tests.support.records import random_record

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parent / "sabaki"
NODE, NPM = shutil.which("node"), shutil.which("npm")
GAMES = 1000


@pytest.fixture(scope="module")
def sabaki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our scripts and the libraries that they use."""
    if NODE is None or NPM is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("npm") / "sabaki"
    shutil.copytree(SCRIPTS, folder)
    command = [NPM, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install Sabaki's libraries here: {installed.stderr.strip()[-300:]}")
    return folder


def run_script(folder: Path, *arguments: str, text: str = "") -> str:
    """What a script prints; it must end with 0."""
    result = subprocess.run(
        [str(NODE), *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_sabakis_controller_plays_undoes_and_analyzes(sabaki):
    """Start-up, a game with undos, analysis that is interrupted, and quit."""
    run_script(sabaki, "gtp_session.js", sys.executable, "-m", "minigo", "gtp")


# Files.


def written_files(folder: Path) -> Iterator[tuple[Path, GameRecord]]:
    """SGF files of many kinds of games, with what they should say."""
    awkward = ["a]b", "back\\slash", "semi;colon (and brackets)", "col:on", "two\nlines", "Ünïcödé 囲碁", " [x] "]
    for number in range(60):
        record = random_record(number, board_size=2 + number % 18, max_moves=120)
        if number < len(awkward):
            record = dataclasses.replace(record, game_id=awkward[number], black=awkward[number], white="\\")
        path = folder / f"{number}.sgf"
        path.write_bytes(sgf_from_record(record))
        yield path, record
    result = play_match(
        RandomPlayer(1),
        RandomPlayer(2),
        4,
        GameConfig(board_size=7, komi=3.5),
        MatchConfig(opening_plies=3),
        1,
        sgf_dir=folder / "match",
    )
    for game in result.games:
        yield folder / "match" / f"{game.index:06d}.sgf", game.record


def expected_moves(record: GameRecord) -> list[list[Any]]:
    """["B", x, y] of each move; -1 for a pass."""
    size = record.board_size
    points = [divmod(move, size)[::-1] if move < size * size else (-1, -1) for move in record.moves.tolist()]
    return [["BW"[ply % 2], x, y] for ply, (x, y) in enumerate(points)]


def test_sabakis_parser_reads_every_file_that_we_write(sabaki, tmp_path):
    files = list(written_files(tmp_path))
    lines = run_script(sabaki, "read_sgf.js", *(str(path) for path, _ in files)).splitlines()
    assert len(lines) == len(files)
    for line, (path, record) in zip(lines, files, strict=True):
        root, *nodes = json.loads(line)
        assert (root["SZ"], root["RU"], root["RE"]) == ([str(record.board_size)], [record.rules], [record.result]), path
        assert float(root["KM"][0]) == record.komi
        assert root["PB"][0].replace("\n", " ") == record.black.replace("\n", " ")
        assert [node["moves"] for node in nodes] == [[move] for move in expected_moves(record)], path
        assert [node.get("B", node.get("W")) for node in nodes] == [
            [sgf_from_move(move, record.board_size)] for move in record.moves.tolist()
        ]
        assert ["C" in node for node in nodes] == (record.simulations > 0).tolist()


GAMES_OF_THE_ENGINE = (
    (("set_free_handicap C3 G7 C7", "play w E5", "play b pass"), {"HA": ["3"], "AB": ["cg", "gc", "cc"], "PL": ["w"]}),
    (("gogui-setup b A1 w B2 w J9", "play w D4"), {"AB": ["ai"], "AW": ["bh", "ia"], "PL": ["b"]}),
    (("set_position w A1 b J1", "play b E5"), {"AB": ["ii"], "AW": ["ai"], "PL": ["b"]}),
    (("play w A1", "play w A2"), {"PL": None}),
    (("kata-set-rules chinese-ogs", "komi 0.5", "play b pass"), {"RU": ["chinese-ogs"], "KM": ["0.5"], "HA": None}),
)


def test_sabakis_parser_reads_what_printsgf_writes(sabaki, tmp_path):
    for number, (lines, _) in enumerate(GAMES_OF_THE_ENGINE):
        replies = replies_to("boardsize 9", *lines, f"printsgf {number}.sgf", files=tmp_path)
        assert replies == ["="] * len(replies)
    names = [str(tmp_path / f"{number}.sgf") for number in range(len(GAMES_OF_THE_ENGINE))]
    for line, (lines, expected) in zip(
        run_script(sabaki, "read_sgf.js", *names).splitlines(), GAMES_OF_THE_ENGINE, strict=True
    ):
        root, *nodes = json.loads(line)
        assert root["SZ"] == ["9"]
        for name, values in expected.items():
            found = root.get(name)
            assert (None if found is None else sorted(map(str.lower, found))) == (
                None if values is None else sorted(values)
            ), (lines, name)
        assert len(nodes) == sum(words.startswith("play") for words in lines)


# Rules.


def random_game(seed: int) -> dict[str, Any]:
    """A game of random legal moves under simple ko without suicide, until there is none or it is long enough."""
    rng = np.random.default_rng(seed)
    size = int(rng.choice([3, 5, 7, 9, 9, 9, 9, 13, 19], p=[0.1, 0.15, 0.15, 0.14, 0.14, 0.14, 0.13, 0.04, 0.01]))
    board = Board(size, 7.5, KO_SIMPLE, suicide=False)
    game: dict[str, Any] = {"size": size, "moves": [], "boards": [], "legal": {}}
    while len(game["moves"]) < 2 * size * size:
        legal = board.legal_moves()[:-1]
        points = np.flatnonzero(legal)
        if not len(points):
            break
        ply = len(game["moves"])
        if ply % 20 == 0 or board.ko_point is not None:
            game["legal"][ply] = "".join("01"[int(may)] for may in legal)
        point = int(rng.choice(points))
        y, x = divmod(point, size)
        game["moves"].append([board.to_play, x, y])
        board.play(point)
        game["boards"].append("".join(".XO"[stone] for stone in board.stones.ravel().tolist()))
    # For Sabaki's board captures belong to who made them, for ours to the colour that lost the stones.
    game["captures"] = [board.captured(WHITE), board.captured(BLACK)]
    return game


def test_sabakis_board_agrees_on_a_thousand_random_games(sabaki):
    games = [random_game(seed) for seed in range(GAMES)]
    assert sum(any(game["captures"]) for game in games) > GAMES / 2
    text = "".join(json.dumps(game) + "\n" for game in games)
    result = json.loads(run_script(sabaki, "replay_games.js", text=text))
    assert result == {"games": GAMES, "positions": sum(len(game["moves"]) for game in games)}
