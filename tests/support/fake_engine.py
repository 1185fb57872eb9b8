# SPDX-License-Identifier: Apache-2.0
"""A GTP engine without a board, for tests: it answers `genmove` as it is told to and writes down what it hears.

Run as a program: `fake_engine.py LOG ANSWER…`. Each `genmove` takes the next ANSWER, over and over: a vertex,
"resign", any nonsense, or one of `!hang`, `!die`, `!garbage`. Use `command_line` to start it.
"""

import shlex
import sys
import time
from pathlib import Path

COMMANDS = "name version list_commands boardsize clear_board komi play genmove quit"


def command_line(log: Path, *answers: str, refuses: str = "", rules: bool = False) -> str:
    """The command line of an engine.

    Args:
        log: the file where it writes the commands it hears; "start" at every start.
        answers: what it answers to `genmove`, in turn.
        refuses: a command that it answers with `?`.
        rules: whether it knows kata-set-rules.
    """
    options = [f"--refuses={refuses}", f"--rules={int(rules)}"]
    return shlex.join([sys.executable, "-S", __file__, str(log), *options, *answers])


def heard(log: Path) -> list[str]:
    """The commands that the engine heard, without its start-up."""
    lines = log.read_text().splitlines()
    return [line for line in lines if line not in ("name", "version", "list_commands")]


def main(log: str, refuses: str, rules: str, *answers: str) -> None:
    """Answers until `quit` or the end of input."""
    refused = refuses.removeprefix("--refuses=")
    known = COMMANDS + " kata-set-rules" * int(rules.removeprefix("--rules="))
    note(log, "start")
    moves = 0
    for line in iter(sys.stdin.readline, ""):
        number, _, command = line.strip().partition(" ")
        note(log, command)
        name, text, status = command.split()[0], "", "="
        if name == "quit":
            return
        if name == refused:
            text, status = "no", "?"
        elif name == "genmove":
            text = answers[moves % len(answers)]
            moves += 1
            misbehave(text)
        elif name == "list_commands":
            text = known.replace(" ", "\n")
        elif name in ("name", "version"):
            text = {"name": "Fake", "version": "1.0"}[name]
        sys.stdout.write(f"{status}{number} {text}\n\n")
        sys.stdout.flush()


def misbehave(text: str) -> None:
    """Hangs, dies or talks garbage, if that is what the answer says."""
    if text == "!hang":
        time.sleep(600)
    if text == "!die":
        sys.exit(3)
    if text == "!garbage":
        sys.stdout.write("Segmentation fault\n")
        sys.stdout.flush()
        time.sleep(600)


def note(log: str, text: str) -> None:
    """Appends a line to the log."""
    with open(log, "a") as file:
        file.write(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
