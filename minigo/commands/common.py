# SPDX-License-Identifier: Apache-2.0
"""What several commands share: the flags of a run, opening it, and loading its networks."""

import functools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from absl.flags import DEFINE_boolean, DEFINE_string, FlagValues

from minigo.child import child_module
from minigo.config import Config, ConfigError, MachineConfig, NetworkConfig
from minigo.flags import UsageError, required, resolve_config
from minigo.stopping import starting

if TYPE_CHECKING:
    from minigo.inference.evaluator import Evaluator
    from minigo.inference.process import LastingEvaluator
    from minigo.run import Run

LOADED_NETWORKS: Final = 4


def define_run(values: FlagValues) -> None:
    """Defines --run."""
    DEFINE_string("run", None, "the run: a folder, or gs://bucket/prefix", flag_values=values)


def define_json(values: FlagValues) -> None:
    """Defines --json."""
    DEFINE_boolean("json", False, "print the result as one JSON object", flag_values=values)


def open_run(values: FlagValues, *, create: bool) -> "Run":
    """The run that --run names, with the machine settings and limits that the flags ask for.

    With --keep_settings, where a command has it, the flags say nothing about what a run that is there learns.

    Raises:
        RunError: there is no such run and none is to be created, or the flags change what it learns.
    """
    from minigo.run import Run, is_run

    url = required(values, "run")
    stored = Run.open(url) if not create or is_run(url) else None
    config = resolve_config(values, stored.config if stored is not None else Config())
    keep = "keep_settings" in values and values.keep_settings
    first = None
    if stored is None or not stored.networks():
        first = _first_network(values, stored.config if stored is not None and keep else config)
    run = Run.create_or_resume(url, config, _versions(), keep_settings=keep)
    if first is not None:
        run.publish_first_network(*first)
    return run


def define_first_network(values: FlagValues) -> None:
    """Defines --first_network."""
    DEFINE_string(
        "first_network",
        None,
        "a new run begins with a copy of this network (its folder, or a run: its champion), of whatever board size, "
        "instead of one that knows nothing, of random games and of a smaller board (--loop.curriculum_size); where the "
        "run's networks are larger, it grows before it is trained",
        flag_values=values,
    )


def _first_network(values: FlagValues, config: Config) -> "tuple[bytes, dict[str, Any]] | None":
    """Weights and info of the network that a new run is to begin with, None where it is not asked for.

    Raises:
        RunError, CorruptError: there is no such network, or it is damaged.
        UsageError: the run's networks have a shape that it can not grow to.
    """
    url = values.first_network if "first_network" in values else None
    if not url:
        return None
    from minigo.run import read_network

    weights, info = read_network(_network_url(url))
    try:
        config.network.places_for(NetworkConfig(**info.get("network", {})))
    except (ConfigError, TypeError) as error:
        raise UsageError(
            f"--first_network={url} has a shape that can not grow to that of this run's networks: {error}"
        ) from None
    return weights, info


def _versions() -> dict[str, Any]:
    """What a run says about the software that started it; the commit where that is known."""
    from importlib.metadata import distributions

    names = ("jax", "keras", "numpy", "openvino", "tensorflow")
    libraries = {found.name: found.version for found in distributions() if found.name in names}
    checkout, git = Path(__file__).parent.parent.parent, shutil.which("git")
    if git is None or not (checkout / ".git").exists():
        return {"libraries": libraries, "commit": None}
    command = [git, "-C", str(checkout), "rev-parse", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"libraries": libraries, "commit": answer.stdout.strip() if answer.returncode == 0 else None}


def evaluator_loader(config: Config) -> "Callable[[str], Evaluator]":
    """A function that loads the network in a folder, or a run's champion, for inference on this machine.

    The last few are kept: a network is compiled for each shape of batch, which takes seconds. Who asks for one that
    another thread is loading waits for that.
    """
    lock = threading.Lock()

    @functools.lru_cache(maxsize=LOADED_NETWORKS)
    def load_network(url: str) -> "Evaluator":
        from minigo.inference.quiet import start_framework

        start_framework(config.machine.backend)
        from minigo.inference.backends import load_evaluator
        from minigo.network.network import Network
        from minigo.run import read_network

        network, game = Network.from_bytes(*read_network(url)), config.game
        return load_evaluator(network, config.machine, game.board_size, komi=game.komi)

    def load(url: str) -> "Evaluator":
        with lock:
            return load_network(_network_url(url))

    return load


def _network_url(url: str) -> str:
    """The folder of the network that a person means: itself, or that of a run's champion.

    Raises:
        RunError: the run has no champion.
    """
    from minigo.run import Run, RunError, is_run

    if not is_run(url):
        return url
    run = Run.open(url)
    champion = run.champion()
    if champion is None:
        raise RunError(f"{url} has no champion yet")
    return run.network_path(champion.network)


def starting_loader(load: "Callable[[str], Evaluator]") -> "Callable[[str], Evaluator]":
    """For a role, which has nothing to lose while its main thread loads a network: SIGTERM ends it there."""

    def load_starting(url: str) -> "Evaluator":
        with starting():
            return load(url)

    return load_starting


def network_command(place: str, config: Config) -> list[str]:
    """The command line of a process that computes the network in a folder, or a run's champion: docs/adr/0012.

    Args:
        place: the network's folder, or the run.
        config: of the machine, and of the game that the network is made ready for.
    """
    return [*child_module("minigo.commands.evaluating"), place, json.dumps(config.to_dict())]


def start_network(place: str, config: Config) -> "LastingEvaluator":
    """Starts a process that loads the network in a folder, or a run's champion. Returns at once."""
    from minigo.inference.process import LastingEvaluator

    return LastingEvaluator(network_command(place, config), threads_of(config.machine))


def threads_of(machine: MachineConfig) -> int:
    """The threads that the settings ask for, or as many as there are cores."""
    return machine.threads if machine.threads else os.cpu_count() or 1


def config_of_engine(run: str | None, network: str | None) -> tuple[str | None, Config]:
    """What --run or --network names, of which there may be one or none, and the config that belongs to it.

    Raises:
        UsageError: there are both.
        RunError: there is no such run or network.
    """
    if run and network:
        raise UsageError("give either --run or --network, or neither for an engine without a network")
    from minigo.run import RunError, is_network, is_run

    place = run if run else network
    if not place:
        return None, Config()
    if not (is_run(place) if run else is_network(place)):
        raise RunError(f"{place} is not a {'run (missing run.json)' if run else 'network (missing network.json)'}")
    return place, config_of_players(place)


def config_of_players(*players: str) -> Config:
    """The config of the first player that belongs to a run; the defaults if none does."""
    from minigo.match_players import folder_of
    from minigo.run import Run, is_run

    for player in players:
        url = folder_of(player)
        for place in (url, url.rpartition("/networks/")[0]):
            if place and is_run(place):
                return Run.open(place).config
    return Config()
