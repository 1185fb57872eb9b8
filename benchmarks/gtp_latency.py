# SPDX-License-Identifier: Apache-2.0
"""Claim: `minigo gtp` replies within 300 ms of its start, also while its network loads; quits within 0.5 s at any
moment; answers 99 % of the commands that do not search within 50 ms; loses and adds no reply whenever an analysis is
interrupted; and grows by less than 50 MB in 10,000 commands.

With a network of one block, or with that of `--network_of=RUN`. Every figure is seen from the other end of the pipe.

    python benchmarks/gtp_latency.py --rounds=20
"""

import argparse
import contextlib
import json
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from measure import Ratio, Result

from minigo.child import child_module

FIRST_QUESTIONS: Final = ("name", "version", "protocol_version", "list_commands", "known_command x", "boardsize 9")
COMMANDS: Final = (
    "play b C3",
    "play w D4",
    "undo",
    "showboard",
    "time_left b 10 0",
    "play w pass",
    "list_commands",
    "kata-get-rules",
    "kata-raw-nn 0",
    "undo",
    "undo",
    "play b Z99",
    "set_position b A1 w B2",
    "unconditional_status A1",
    "printsgf",
    "clear_board",
)
ANALYSIS: Final = "kata-analyze 1 ownership true"
QUIT_MOMENTS: Final = ("while it loads", "while it moves", "while it analyses", "while it waits")


class Engine:
    """A running `minigo gtp`; use it in a `with` statement.

    Args:
        arguments: of its command line.
    """

    def __init__(self, *arguments: str) -> None:
        self.began = time.perf_counter()
        command = [*child_module("minigo"), "gtp", *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the engine has no pipes")
        self._input, self._output = self.process.stdin, self.process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()

    def tell(self, line: str) -> None:
        """Sends a line and waits for nothing."""
        self._input.write(line.encode() + b"\n")
        self._input.flush()

    def line(self) -> bytes:
        """The next line, without its end.

        Raises:
            RuntimeError: there will be none.
        """
        if not (line := self._output.readline()):
            raise RuntimeError("the engine has closed its output")
        return line.rstrip(b"\n")

    def reply(self) -> bytes:
        """The first line of the next reply; the rest is read and dropped."""
        first = self.line()
        while self.line():
            pass
        return first

    def ask(self, line: str) -> bytes:
        """Sends a line and waits for its reply."""
        self.tell(line)
        return self.reply()

    def read_to_the_end(self) -> None:
        """Waits until it has said all and is gone."""
        self._output.read()
        self.process.wait(60)

    def memory(self) -> float:
        """Resident MB (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6


def first_replies(arguments: list[str]) -> float:
    """Seconds from the process's start until its first questions are answered."""
    with Engine(*arguments) as engine:
        for question in FIRST_QUESTIONS:
            engine.ask(question)
        return time.perf_counter() - engine.began


def quit_seconds(arguments: list[str], moment: str, wait: float) -> float:
    """Seconds from `quit` to the end of the process."""
    with Engine(*arguments, "--search.num_simulations=1000000") as engine:
        engine.ask("name")
        if moment != "while it loads":
            engine.ask("kata-raw-nn 0")  # which waits for the network
        if moment == "while it analyses":
            engine.tell(ANALYSIS)
        elif moment != "while it waits":
            engine.tell("genmove b")
        time.sleep(wait)
        began = time.perf_counter()
        engine.tell("quit")
        engine.read_to_the_end()
        return time.perf_counter() - began


def soak(arguments: list[str], commands: int, rng: random.Random) -> tuple[list[float], float]:
    """(seconds of each command, MB that the process grew by); some commands come in an analysis and end it."""
    taken = []
    with Engine(*arguments, "--search.num_simulations=64") as engine:
        for line in (*COMMANDS, "genmove b", "kata-genmove_analyze w"):
            engine.ask(line)
        before = engine.memory()
        for number in range(commands):
            if number % 500 == 0:
                engine.ask("kata-genmove_analyze b ownership true")
            analyses = number % 40 == 0
            if analyses:
                engine.tell(ANALYSIS)
                engine.line()
                time.sleep(0.01)
            began = time.perf_counter()
            engine.tell(rng.choice(COMMANDS))
            while analyses and engine.line():
                pass
            engine.reply()
            taken.append(time.perf_counter() - began)
        return taken, engine.memory() - before


def wrong_replies(arguments: list[str], rounds: int, rng: random.Random) -> int:
    """How many of so many interrupted analyses got a reply that was lost, added, or of another command."""
    wrong = 0
    with Engine(*arguments) as engine:
        for number in range(rounds):
            first, second = 2 * number, 2 * number + 1
            engine.tell(f"{first} {ANALYSIS}")
            time.sleep(rng.choice((0.0, rng.uniform(0, 0.03))))
            engine.tell(f"{second} {rng.choice(COMMANDS[:5])}")
            wrong += engine.reply() != b"=%d" % first
            wrong += engine.reply().split(b" ")[0][1:] != b"%d" % second
        wrong += engine.ask("7 protocol_version") != b"=7 2"
    return wrong


@contextlib.contextmanager
def small_run() -> Iterator[str]:
    """A run with a champion of one block."""
    from minigo.config import Config, NetworkConfig
    from minigo.network.network import Network
    from minigo.run import Run

    with tempfile.TemporaryDirectory() as folder:
        config = Config(network=NetworkConfig(blocks=1, channels=16))
        run = Run.create(f"{folder}/run", config)
        network = Network.create(config.network, seed=1)
        run.promote(run.publish_network(network.to_bytes(), network.description()), {}, expected=None)
        yield run.url


def measured(arguments: list[str], rounds: int, commands: int) -> Result:
    """All figures."""
    rng = random.Random(0)  # noqa: S311 (nothing here is secret)
    first = {
        name: [first_replies(given) for _ in range(rounds)]
        for name, given in (("without a network", []), ("while a network loads", arguments))
    }
    quits = {
        moment: [quit_seconds(arguments, moment, rng.uniform(0.0, 2.0)) for _ in range(rounds)]
        for moment in QUIT_MOMENTS
    }
    taken, grown = soak(arguments, commands, rng)
    wrong = wrong_replies(arguments, commands // 10, rng)
    figures: dict[str, float] = {}
    for name, times in first.items():
        figures[f"first replies {name}: median, ms"] = 1000 * statistics.median(times)
        figures[f"first replies {name}: longest, ms"] = 1000 * max(times)
    for moment, times in quits.items():
        figures[f"quit {moment}: longest, ms"] = 1000 * max(times)
    figures["a command: median, ms"] = 1000 * statistics.median(taken)
    figures["a command: 99th percentile, ms"] = 1000 * sorted(taken)[len(taken) * 99 // 100]
    figures["a command: longest, ms"] = 1000 * max(taken)
    figures[f"{commands:,} commands: growth, MB"] = grown
    figures[f"{commands // 10:,} interruptions: wrong replies"] = wrong
    return Result(
        figures,
        {
            "first replies / s": Ratio(max(map(statistics.median, first.values())), 0.3, 0.5, True),
            "quit / s": Ratio(max(max(times) for times in quits.values()), 0.5, 0.5, True),
            "99th percentile / s": Ratio(sorted(taken)[len(taken) * 99 // 100], 0.05, 0.5, True),
            "growth / 50 MB": Ratio(grown / 50, 1.0, 0.5, True),
            "replies that are right": Ratio(1 - wrong / (commands / 5 + 1), 1.0, 0.0),
        },
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network_of", metavar="RUN", help="whose champion plays")
    parser.add_argument("--rounds", type=int, default=10, help="how often it is started for each figure")
    parser.add_argument("--commands", type=int, default=10_000, help="of the soak; a tenth as many interruptions")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with contextlib.nullcontext(options.network_of) if options.network_of else small_run() as url:
        result = measured([f"--run={url}"], options.rounds, options.commands)
    print(json.dumps(result.to_dict()) if options.json else result.to_table())


if __name__ == "__main__":
    main()
