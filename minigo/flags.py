# SPDX-License-Identifier: Apache-2.0
"""How a command's flags are defined, parsed, resolved to a `Config`, and explained.

Dotted flags (`--search.num_simulations=64`) are generated from the fields of `minigo.config`; presets are
flagfiles in the package. What a command does with its flags is in `minigo.commands`. Start at `parse`.
"""

import dataclasses
import difflib
import importlib.resources
import shutil
import textwrap
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from absl import flags as absl_flags
from absl.flags import FlagValues

from minigo.config import MAX_SEED, SECTIONS, Config, ConfigError

HELP_FLAGS = ("--help", "--helpshort", "--helpfull", "-help", "-h", "-?")


class UsageError(Exception):
    """The command line makes no sense. The message says what was expected and what came."""


@dataclass(frozen=True)
class Command:
    """One verb of the command line.

    Attributes:
        name: the word after `minigo`.
        summary: one line for `minigo --help`.
        description: what it does and what to expect, for `minigo <name> --help`.
        examples: command lines to copy.
        define: defines the command's own flags.
        run: does the work; ends soon after the event is set; returns the exit code.
        fields: config fields to explain in `--help`; the rest are in `--helpfull`. Empty: takes no config.
        aliases: short names of config fields, such as `minutes` for `loop.minutes`.
        words: words that may stand for a flag of the same name, as in `minigo rate rebuild`.
        stops_by_event: whether `run` watches the event; if not, Ctrl-C and SIGTERM end the process at once.
    """

    name: str
    summary: str
    description: str
    examples: tuple[str, ...]
    define: Callable[[FlagValues], None]
    run: Callable[[FlagValues, threading.Event], int]
    fields: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    stops_by_event: bool = True


def parse(command: Command, arguments: Sequence[str]) -> FlagValues:
    """Parses what follows `minigo <command>`. A preset's flags come first, so that explicit ones win.

    Raises:
        UsageError: a flag is unknown, out of its range or of the wrong type; or an argument is no flag.
    """
    values = _parsed(command, arguments)
    if "preset" in values and values["preset"].value is not None:
        values = _parsed(command, [*preset_arguments(values["preset"].value), *arguments])
    return values


def resolve_config(values: FlagValues, base: Config) -> Config:
    """The config: `base`, and over it every field that a preset or a flag has given.

    Raises:
        UsageError: the fields contradict each other.
    """
    data = base.to_dict()
    for name in _config_names():
        if values[name].present:
            section, _, field_name = name.rpartition(".")
            table = data[section] if section else data
            table[field_name] = values[name].value
    try:
        return Config.from_dict(data)
    except ConfigError as error:
        raise UsageError(str(error)) from error


def required(values: FlagValues, name: str) -> str:
    """The value of a flag that has no default.

    Raises:
        UsageError: the flag was not given.
    """
    value = values[name].value
    if not value:
        raise UsageError(f"--{name} is required: {values[name].help}")
    return str(value)


def define_preset(values: FlagValues) -> None:
    """Defines --preset."""
    absl_flags.DEFINE_string(
        "preset", None, "start from these settings; --preset=help lists what there is", flag_values=values
    )


def preset_names() -> list[str]:
    """The presets in the package, by name."""
    folder = importlib.resources.files("minigo") / "presets"
    return sorted(entry.name.removesuffix(".flags") for entry in folder.iterdir() if entry.name.endswith(".flags"))


def preset_text(name: str) -> str:
    """The text of a preset, comments included.

    Raises:
        UsageError: there is no such preset.
    """
    names = preset_names()
    if name not in names:
        raise UsageError(f"no preset {name!r}{_suggestion(difflib.get_close_matches(name, names))}; {_listing(names)}")
    return (importlib.resources.files("minigo") / "presets" / f"{name}.flags").read_text(encoding="utf-8")


def preset_arguments(name: str) -> list[str]:
    """The flags that a preset stands for.

    Raises:
        UsageError: there is no such preset.
    """
    lines = (line.strip() for line in preset_text(name).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def preset_help() -> str:
    """What each preset is, from the first line below its license."""
    summaries = {name: preset_text(name).splitlines()[1].lstrip("# ") for name in preset_names()}
    width = max(map(len, summaries))
    lines = [f"  {name:{width}}  {summary}" for name, summary in summaries.items()]
    return "\n".join(["Presets (flagfiles in the package; explicit flags win over them):", *lines])


def command_help(command: Command, *, full: bool) -> str:
    """What `minigo <command> --help` prints; `full` adds every config field with its range."""
    values = _defined(command)
    names = [name for name in _own_names(command, values) if name not in command.aliases]
    parts = [
        f"minigo {command.name} [flags]",
        _wrapped(command.description),
        "Examples:\n" + "\n".join(f"  {example}" for example in command.examples),
        "Flags:\n" + "\n".join([*_flag_lines(values, names), *_alias_lines(values, command.aliases)]),
    ]
    if command.fields and full:
        parts += [_section_help(values, section) for section in SECTIONS]
    elif command.fields:
        parts.append("Config fields used most here:\n" + "\n".join(_flag_lines(values, command.fields)))
        parts.append(f"Every field of the config is a flag: minigo {command.name} --helpfull lists them all.")
    return "\n\n".join(parts)


def general_help(commands: Iterable[Command]) -> str:
    """What `minigo --help` prints."""
    lines = [f"  minigo {command.name:10}  {command.summary}" for command in commands]
    return "\n".join(
        [
            "MiniGo learns Go by playing itself.",
            "",
            "Commands:",
            *lines,
            "",
            "Start with:",
            "  minigo loop --preset=demo --run=runs/demo",
            "",
            "minigo <command> --help explains a command, --helpfull every number it depends on.",
        ]
    )


def unknown_command(name: str, commands: Iterable[Command]) -> UsageError:
    """The error for a command that does not exist, with a suggestion where one is near."""
    names = [command.name for command in commands]
    return UsageError(f"no command {name!r}{_suggestion(difflib.get_close_matches(name, names))}; {_listing(names)}")


def _defined(command: Command) -> FlagValues:
    make_values: Callable[[], FlagValues] = FlagValues
    values = make_values()
    values.set_gnu_getopt(True)
    if command.fields:
        define_preset(values)
    command.define(values)
    if command.fields:
        _define_config(values)
    for alias, name in command.aliases.items():
        absl_flags.DEFINE_alias(alias, name, flag_values=values)
    return values


def _define_config(values: FlagValues) -> None:
    for section, config_class in SECTIONS.items():
        for spec in dataclasses.fields(config_class):
            _define_field(values, f"{section}.{spec.name}", spec)
    meaning = "the same seed gives the same games on one machine"
    absl_flags.DEFINE_integer("seed", 0, meaning, lower_bound=0, upper_bound=MAX_SEED, flag_values=values)


def _define_field(values: FlagValues, name: str, spec: dataclasses.Field[Any]) -> None:
    meaning, low, high, choices = (spec.metadata[key] for key in ("meaning", "low", "high", "choices"))
    default: Any = spec.default
    if choices:
        absl_flags.DEFINE_enum(name, default, choices, meaning, flag_values=values)
    elif isinstance(default, bool):
        absl_flags.DEFINE_boolean(name, default, meaning, flag_values=values)
    elif isinstance(default, int):
        absl_flags.DEFINE_integer(name, default, meaning, low, high, flag_values=values)
    elif isinstance(default, float):
        absl_flags.DEFINE_float(name, default, meaning, low, high, flag_values=values)
    else:
        absl_flags.DEFINE_string(name, default, meaning, flag_values=values)


def _config_names() -> list[str]:
    names = [f"{section}.{spec.name}" for section, cls in SECTIONS.items() for spec in dataclasses.fields(cls)]
    return [*names, "seed"]


def _own_names(command: Command, values: FlagValues) -> list[str]:
    generated = set(_config_names()) - {"seed"}
    return [name for name in values if name not in generated and (name != "seed" or "seed" not in command.fields)]


def _parsed(command: Command, arguments: Sequence[str]) -> FlagValues:
    values = _defined(command)
    arguments = [f"--{argument}" if argument in command.words else argument for argument in arguments]
    try:
        rest = values([command.name, *arguments])[1:]
    except absl_flags.UnrecognizedFlagError as error:
        near = _near_names(error.flagname, list(values))
        raise UsageError(f"minigo {command.name} has no flag --{error.flagname}{_suggestion(near)}") from error
    except absl_flags.Error as error:
        raise UsageError(str(error)) from error
    if rest:
        raise UsageError(f"minigo {command.name} takes flags only, got {rest[0]!r}")
    return values


def _near_names(name: str, known: list[str]) -> list[str]:
    """Flags that may have been meant: of the same last part, or spelled like the whole or the last part."""
    last = {other: other.rpartition(".")[2] for other in known}
    same = [other for other in known if last[other] == name.rpartition(".")[2]]
    whole = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    similar = difflib.get_close_matches(name, last.values(), n=1, cutoff=0.75)
    return list(dict.fromkeys([*same, *whole, *(other for other in known if last[other] in similar)]))[:3]


def _suggestion(near: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _listing(names: Sequence[str]) -> str:
    return f"there are {', '.join(names)}"


def _section_help(values: FlagValues, section: str) -> str:
    config_class = SECTIONS[section]
    names = [f"{section}.{spec.name}" for spec in dataclasses.fields(config_class)]
    heading = f"{section}: {config_class.__doc__}"
    return _wrapped(heading) + "\n" + "\n".join(_flag_lines(values, names))


def _flag_lines(values: FlagValues, names: Iterable[str]) -> list[str]:
    return [line for name in names for line in _explained(_spelled(values, name), _meaning(values, name))]


def _alias_lines(values: FlagValues, aliases: Mapping[str, str]) -> list[str]:
    return [
        line
        for alias, name in aliases.items()
        for line in _explained(_spelled(values, alias, name), f"{_meaning(values, name)}; short for --{name}")
    ]


def _spelled(values: FlagValues, name: str, source: str | None = None) -> str:
    flag = values[source] if source is not None else values[name]
    if flag.boolean:
        return f"--[no]{name}" if flag.default else f"--{name}"
    return f"--{name}" if flag.default is None else f"--{name}={flag.default}"


def _meaning(values: FlagValues, name: str) -> str:
    flag = values[name]
    section, _, field_name = name.rpartition(".")
    if not section:
        return str(flag.help)
    metadata = {spec.name: spec.metadata for spec in dataclasses.fields(SECTIONS[section])}[field_name]
    low, high, choices = metadata["low"], metadata["high"], metadata["choices"]
    if choices:
        return f"{metadata['meaning']} [{', '.join(choices)}]"
    if low is not None and high is not None:
        return f"{metadata['meaning']} [{_number(low)}..{_number(high)}]"
    return f"{metadata['meaning']} [{_number(low)} or more]" if low is not None else str(metadata["meaning"])


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _explained(flag: str, meaning: str) -> list[str]:
    column = 34
    lines = textwrap.wrap(meaning, _width() - column, break_on_hyphens=False)
    first = f"  {flag}"
    head = [f"{first:{column}}{lines[0]}"] if len(first) < column else [first, " " * column + lines[0]]
    return head + [" " * column + line for line in lines[1:]]


def _wrapped(text: str) -> str:
    return "\n\n".join(
        textwrap.fill(" ".join(part.split()), _width(), break_on_hyphens=False) for part in text.split("\n\n")
    )


def _width() -> int:
    return max(70, min(110, shutil.get_terminal_size((100, 24)).columns))
