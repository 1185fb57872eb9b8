# SPDX-License-Identifier: Apache-2.0
"""The command that analyses for other programs: `analysis`, an engine for KaTrain and its like."""

from threading import Event
from typing import TYPE_CHECKING

from absl.flags import DEFINE_boolean, DEFINE_enum, DEFINE_float, DEFINE_integer, DEFINE_string, FlagValues

from minigo import __version__
from minigo.commands.common import config_of_engine, start_network, threads_of
from minigo.flags import Command, resolve_config

if TYPE_CHECKING:
    from minigo.inference.evaluator import Evaluator


def _define_analysis(values: FlagValues) -> None:
    DEFINE_string("run", None, "a run, whose champion analyses", flag_values=values)
    DEFINE_string("network", None, "the folder of the network that analyses; instead of --run", flag_values=values)
    DEFINE_integer(
        "max_visits", 500, "visits of each position, where a request says nothing", lower_bound=1, flag_values=values
    )
    DEFINE_enum(
        "report_winrates_as",
        "BLACK",
        ["BLACK", "WHITE", "SIDETOMOVE"],
        "whose winrates, scores and ownership are reported, where a request says nothing; the default is that of "
        "KataGo's example configuration",
        flag_values=values,
    )
    DEFINE_float(
        "wide_root_noise",
        0.04,
        "flattens the policy at the root, so that more moves are looked at, where a request says nothing; 0: off",
        lower_bound=0.0,
        upper_bound=5.0,
        flag_values=values,
    )
    DEFINE_integer(
        "max_positions",
        64,
        "positions of one board size that are searched together; more wait",
        lower_bound=1,
        upper_bound=4096,
        flag_values=values,
    )
    DEFINE_boolean("quit_without_waiting", False, "the end of input ends searches too", flag_values=values)
    DEFINE_string("override_version", None, "what the `query_version` action answers", flag_values=values)


def _analysis(values: FlagValues, stop: Event) -> int:  # noqa: ARG001 (a command's signature)
    from minigo.engines.analysis import AnalysisEngine, Capacity, serve
    from minigo.engines.analysis_request import Settings

    place, stored = config_of_engine(values.run, values.network)
    config = resolve_config(values, stored)
    machine = config.machine

    def load_evaluator() -> "Evaluator":
        if place:
            evaluator = start_network(place, config)
            evaluator.wait_until_loaded()
            return evaluator
        from minigo.inference.evaluator import UniformEvaluator

        return UniformEvaluator()

    version = values.override_version
    serve(
        AnalysisEngine(
            load_evaluator,
            config.search,
            Settings(
                visits=values.max_visits,
                perspective=values.report_winrates_as,
                wide_root_noise=values.wide_root_noise,
            ),
            Capacity(
                positions=values.max_positions,
                batch_rows=machine.batch_rows,
                cached_positions=machine.cached_positions,
                threads=threads_of(machine),
            ),
            version=__version__ if version is None else version,
            quit_without_waiting=values.quit_without_waiting,
        )
    )
    return 0


ANALYSIS = Command(
    name="analysis",
    summary="KataGo's JSON analysis protocol on stdin and stdout, for KaTrain and other programs",
    description="""Reads requests for analysis, one JSON object a line, and writes replies in the same way, as
    `katago analysis` does; logs go to stderr. Positions of all requests are searched together, those of the highest
    priority first. Without --run and --network it knows nothing but the rules. docs/engines says how to set up
    KaTrain.""",
    examples=(
        "minigo analysis --run=runs/9x9",
        "minigo analysis --network=runs/9x9/networks/000012 --max_visits=1000 --report_winrates_as=WHITE",
    ),
    define=_define_analysis,
    run=_analysis,
    fields=(
        "machine.backend",
        "machine.precision",
        "machine.threads",
        "machine.batch_rows",
        "machine.cached_positions",
        "search.c_puct",
    ),
    stops_by_event=False,
)
