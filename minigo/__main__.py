# SPDX-License-Identifier: Apache-2.0
"""The process boundary of `minigo <command>`: help, logs, signals, and exit codes.

What each command does is in `minigo.commands`. Nothing heavy is imported before a command runs, so that
`--help` answers at once; nothing but the standard library before it is known that the package was built.
"""

import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from minigo.stopping import StopSignals, end_process

if TYPE_CHECKING:
    from minigo.flags import Command

DONE, FAILED, USAGE, REFUSED, RETRY_LATER = 0, 1, 2, 3, 75
EXIT_CODES = {
    "minigo.flags.UsageError": USAGE,
    "minigo.fields.ConfigError": FAILED,
    "minigo.documents.RunError": FAILED,
    "minigo.documents.CorruptError": REFUSED,
    "minigo.documents.StaleError": RETRY_LATER,
    "minigo.storage.StorageError": FAILED,
    "minigo.storage.Unavailable": RETRY_LATER,
    "minigo.storage.Conflict": RETRY_LATER,
    "minigo.network.network.NetworkError": REFUSED,
    "minigo.go.record.RecordError": REFUSED,
    "minigo.data.shards.ShardError": REFUSED,
    "minigo.engines.external.PlayerError": FAILED,
    "minigo.launcher.LauncherError": RETRY_LATER,
    "builtins.OSError": FAILED,
}
"""Errors that are not bugs, by qualified name so that none is imported: one line, then this code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line, without the program's name, and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    missing = _missing_module(built=given[:1] != ["doctor"])
    if missing:
        return _fail(f"{missing} is missing: minigo is not built here; {_remedy()}", FAILED)
    signals = StopSignals()
    try:
        with signals.handled():
            return _dispatch(given, signals)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        logging.getLogger(__name__).debug("the error was raised here", exc_info=True)
        return _fail(str(error), code)


def run() -> NoReturn:
    """The program: runs this process's command line, and ends with its exit code."""
    try:
        code = main()
    except Exception as error:  # a bug: told as Python would
        if _logs_json():
            logging.getLogger(__name__).critical("%s: %s", type(error).__name__, error, exc_info=True)
        else:
            sys.excepthook(*sys.exc_info())
        code = FAILED
    end_process(code)


def exit_code(error: BaseException) -> int | None:
    """The exit code for an error that is not a bug; None for one that is."""
    return next((EXIT_CODES[name] for name in _class_names(error) if name in EXIT_CODES), None)


def _class_names(error: BaseException) -> list[str]:
    here = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__]
    return [*getattr(error, "class_names", ()), *here]  # of what was raised in a process of ours


def _dispatch(given: list[str], signals: StopSignals) -> int:
    from minigo import __version__, commands, flags

    if not given or given[0] in (*flags.HELP_FLAGS, "help"):
        print(flags.general_help(commands.COMMANDS))
        return DONE if given else USAGE
    if given[0] == "--version":
        print(f"minigo {__version__}")
        return DONE
    command = next((command for command in commands.COMMANDS if command.name == given[0]), None)
    if command is None:
        raise flags.unknown_command(given[0], commands.COMMANDS)
    if any(argument in flags.HELP_FLAGS for argument in given):
        print(flags.command_help(command, full="--helpfull" in given))
        return DONE
    if command.fields and {"--preset=help", "--preset help"} & {*given, " ".join(given[1:])}:
        print(flags.preset_help())
        return DONE
    return _run(command, given[1:], signals)


def _run(command: "Command", arguments: list[str], signals: StopSignals) -> int:
    from minigo import flags, logs

    values = flags.parse(command, arguments)
    logs.start_logs(values.log_format if "log_format" in values else "text")
    if not command.stops_by_event:
        if signals.stop.is_set():
            return FAILED
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return command.run(values, signals.stop)
    except KeyboardInterrupt:
        return FAILED


def _missing_module(*, built: bool) -> str | None:
    """The first module without which the program cannot start; the kernels only if `built`."""
    modules = ("absl", "numpy", "cc_kernels.board") if built else ("absl", "numpy")
    return next((module for module in modules if not _is_importable(module)), None)


def _is_importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # its package is missing altogether


def _remedy() -> str:
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "setup.py").exists():
        return f"build it: cd {checkout} && python3 -m venv .venv && .venv/bin/pip install -e ."
    return "install it again: pip install --force-reinstall minigo"


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    if _logs_json():
        logging.getLogger(__name__).error("%s", line)
    else:
        print(f"minigo: {line}", file=sys.stderr)
    return code


def _logs_json() -> bool:
    logs = sys.modules.get("minigo.logs")  # not before a command has started them
    return logs is not None and logs.are_json()


if __name__ == "__main__":
    run()
