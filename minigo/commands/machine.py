# SPDX-License-Identifier: Apache-2.0
"""The commands about this machine: `benchmark` and `doctor`."""

import contextlib
import json
from threading import Event
from typing import Final

from absl.flags import DEFINE_float, DEFINE_integer, DEFINE_string, FlagValues

from minigo.commands.common import define_json
from minigo.config import Config, MachineConfig, NetworkConfig
from minigo.flags import Command, resolve_config

_BENCHMARK_DEFAULTS: Final = Config(network=NetworkConfig(blocks=6, channels=64), machine=MachineConfig(backend="auto"))


def _define_benchmark(values: FlagValues) -> None:
    DEFINE_float("seconds", 5.0, "how long each measurement takes", lower_bound=0.01, flag_values=values)
    DEFINE_integer(
        "rounds", 3, "how often the network alone and self-play take turns", lower_bound=1, flag_values=values
    )
    DEFINE_string("network", None, "measure with this network's folder; default: a random one", flag_values=values)
    define_json(values)


def _benchmark(values: FlagValues, stop: Event) -> int:  # noqa: ARG001 (a command's signature)
    from minigo.inference.quiet import start_framework

    config = resolve_config(values, _BENCHMARK_DEFAULTS)
    start_framework(config.machine.backend)
    from minigo.benchmark import run_benchmark, to_table
    from minigo.status import StatusDisplay

    now = [(0.0, "starting")]  # what the display shows; the benchmark moves it on

    def say(share: float, text: str) -> None:
        now[0] = (share, text)

    with StatusDisplay(lambda: now[0], publish=lambda _: None):
        result = run_benchmark(config, values.seconds, values.network, rounds=values.rounds, say=say)
    print(json.dumps(result) if values.json else to_table(result))
    return 0


BENCHMARK = Command(
    name="benchmark",
    summary="measures kernels, inference, search, self-play and training on this machine",
    description="""Measures each part alone and inside self-play, so that it shows where the time goes, and
    recommends settings for this machine. Without flags: 9x9, a network of 6 blocks of 64 channels, every back end
    that works here (--machine.backend and --machine.precision measure one). The network alone and self-play take
    turns, and medians are printed: a busy machine slows both. Self-play searches as it does
    before selfplay.late_network. Takes three minutes or so.""",
    examples=(
        "minigo benchmark",
        "minigo benchmark --board_size=19 --seconds=10 --json",
        "minigo benchmark --machine.backend=tensorflow --machine.precision=bfloat16 --seconds=2",
    ),
    define=_define_benchmark,
    run=_benchmark,
    fields=(
        "network.blocks",
        "network.channels",
        "machine.threads",
        "machine.games_per_thread",
        "machine.backend",
        "machine.precision",
    ),
    aliases={"board_size": "game.board_size"},
    stops_by_event=False,
)


def _doctor(values: FlagValues, stop: Event) -> int:  # noqa: ARG001 (a command's signature)
    from minigo.doctor import examine, to_dict, to_table, works
    from minigo.inference.quiet import start_tensorflow

    with contextlib.suppress(Exception):  # what is broken there is reported by `examine`
        start_tensorflow()
    findings = examine()
    print(json.dumps(to_dict(findings)) if values.json else to_table(findings))
    return 0 if works(findings) else 1


DOCTOR = Command(
    name="doctor",
    summary="what this machine has, and whether each part works",
    description="""Looks at the processor, memory, accelerators, libraries, the compiled kernels and outside
    programs, tries what can be tried, and says for everything that is missing what to do. Exit code 1 when
    something that every command needs does not work.""",
    examples=("minigo doctor", "minigo doctor --json"),
    define=define_json,
    run=_doctor,
    stops_by_event=False,
)
