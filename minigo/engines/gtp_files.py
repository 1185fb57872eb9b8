# SPDX-License-Identifier: Apache-2.0
"""GTP commands about SGF files: `loadsgf` and `printsgf`. Nothing outside the session's base folder is touched."""

import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from minigo.engines.gtp_game import MAX_KOMI
from minigo.engines.gtp_table import Entry, integer_from, words
from minigo.engines.gtp_text import GtpError, quoted

if TYPE_CHECKING:
    from minigo.engines.gtp_session import Session


def loadsgf(session: "Session", given: tuple[str, ...]) -> str:
    """The position of a file's main line before a move (1 is the first), or at its end."""
    from minigo.go.sgf import MAX_BYTES, SgfError, game_from_sgf

    *name, last = given
    number = None
    if name:
        try:
            number = integer_from(last, 1)
        except ValueError:
            name.append(last)  # a name with spaces
    path = _below(session, " ".join(name if name else given))
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode) or state.st_size > MAX_BYTES:
            raise GtpError(f"cannot load file: it must be a file of {MAX_BYTES} bytes or less")
        # What the file does not say, or not in a way that we know, is as it was.
        rules = session.board.first.rules
        first, moves = game_from_sgf(path.read_bytes(), number, rules=rules, komi=session.game.komi)
    except OSError as error:
        raise GtpError(f"cannot open file: {error.strerror}") from None
    except SgfError as error:
        raise GtpError(f"cannot load file: {error}") from None
    first = first.with_komi(min(max(first.komi, -MAX_KOMI), MAX_KOMI))
    session.game = replace(session.game, board_size=first.board_size, komi=first.komi)
    session.rules = first.rules
    session.clear_board()
    session.board.load(first, moves)
    session.prepare()
    return ""


def printsgf(session: "Session", given: tuple[str, ...]) -> str:
    """The game as SGF: the answer itself, or written to a file."""
    from minigo.go.sgf import sgf_from_game

    board = session.board
    data = sgf_from_game(board.first, board.position.moves)
    if not given:
        return data.decode()
    path = _below(session, " ".join(given))
    if path.suffix.lower() != ".sgf":
        raise GtpError("cannot write file: its name must end in .sgf")
    try:
        path.write_bytes(data)
    except OSError as error:
        raise GtpError(f"cannot write file: {error.strerror}") from None
    return ""


def _below(session: "Session", name: str) -> Path:
    """The path of a name, which must lead below the base folder, whatever links there are."""
    if session.files is None:
        raise GtpError("files are turned off")
    base = session.files.resolve()
    try:
        path = (base / name).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise GtpError(f"cannot open file: {error}") from None
    if not path.is_relative_to(base):
        raise GtpError(f"cannot open file: {quoted(name)} is outside of the folder for files (--files_dir)")
    return path


COMMANDS: Final = (
    Entry("loadsgf", (words("file and move number", 1),), "reads a game, up to a move", loadsgf, reads_files=True),
    Entry("printsgf", (words("file"),), "shows the game as SGF, or writes it", printsgf, reads_files=True),
)
