# SPDX-License-Identifier: Apache-2.0
"""The commands that decide which network plays: `evaluate`, `match-pair` (its work elsewhere), and `promote`."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from threading import Event
from typing import TYPE_CHECKING

from absl.flags import DEFINE_enum, DEFINE_integer, DEFINE_string, FlagValues

from minigo.child import child_module
from minigo.commands.common import define_run, evaluator_loader
from minigo.commands.role import define_role, patient_loader, role
from minigo.flags import Command, UsageError, required
from minigo.stopping import STOPPED_EARLY, starting

if TYPE_CHECKING:
    from minigo.launcher import Launcher


def _define_evaluate(values: FlagValues) -> None:
    define_role(values)
    DEFINE_enum(
        "launcher",
        "none",
        ("none", "local", "kubernetes"),
        "where the pairs of a match are played: none: in this process; local: in processes of this machine; "
        "kubernetes: in an Indexed Job of the namespace that this runs in",
        flag_values=values,
    )
    DEFINE_integer("parallelism", 2, "pairs that a launcher plays at a time", lower_bound=1, flag_values=values)


def _evaluate(values: FlagValues, stop: Event) -> int:
    with role("evaluate", values, stop, create=False) as evaluation:
        if evaluation is None:
            return 0
        from minigo.evaluate import evaluate_worker

        run = evaluation.run
        load = patient_loader(evaluator_loader(run.config), stop)
        with _launcher(values) as launcher, evaluation.heartbeats() as beat:
            evaluate_worker(run, load, stop, launcher=launcher, beat=beat)
    return 0


@contextlib.contextmanager
def _launcher(values: FlagValues) -> "Iterator[Launcher | None]":
    """The launcher that the flags name."""
    if values.launcher == "none":
        yield None
    elif values.launcher == "local":
        from minigo.launcher import LocalLauncher

        machine = [f"--{name}={values[name].value}" for name in values if name.startswith("machine.")]
        given = [flag for flag in machine if values[flag[2:].partition("=")[0]].present]

        def command(match: str, pair: int) -> list[str]:
            program = [*child_module("minigo", ends_with_parent=True), "match-pair", f"--run={values.run}"]
            return [*program, f"--match={match}", f"--pair={pair}", f"--log_format={values.log_format}", *given]

        with contextlib.closing(LocalLauncher(command, values.parallelism)) as launcher:
            yield launcher
    else:
        from cluster.jobs import launcher_of_this_pod

        yield launcher_of_this_pod(values.run, values.parallelism)


EVALUATE = Command(
    name="evaluate",
    summary="plays a run's candidates against its champion and promotes",
    description="""Lets each new candidate network play the champion in colour-swapped pairs from common
    openings, and promotes it if the gate says so (evaluate.gate, evaluate.threshold). Every game is stored
    in the run. Which gate decides is fixed when the run starts (minigo loop or train with
    --evaluate.gate=sprt: a match then ends as soon as it is clear). Waits for the next candidate until it is
    stopped.

    With --launcher it only controls: the pairs are played by other processes (minigo match-pair), their games
    are read from the run, and whoever is stopped, killed or started twice loses and changes nothing.""",
    examples=(
        "minigo evaluate --run=runs/9x9",
        "minigo evaluate --run=gs://bucket/run --launcher=local --parallelism=8",
    ),
    define=_define_evaluate,
    run=_evaluate,
    fields=("machine.precision",),
)


def _define_match_pair(values: FlagValues) -> None:
    define_role(values)
    DEFINE_string("match", None, "the match, whose spec is in the run", flag_values=values)
    index = os.environ.get("JOB_COMPLETION_INDEX", "")
    DEFINE_integer(
        "pair",
        int(index) if index.isdigit() else None,
        "which pair of games, from 0; default: $JOB_COMPLETION_INDEX",
        lower_bound=0,
        flag_values=values,
    )


def _match_pair(values: FlagValues, stop: Event) -> int:
    match = required(values, "match")
    if values.pair is None:
        raise UsageError(f"--pair is required: {values['pair'].help}")
    from minigo.launcher import FAIL_PAIR

    with role("match-pair", values, stop, create=False) as worker:
        if worker is None:
            return STOPPED_EARLY
        with starting():
            from minigo.inference.quiet import start_framework

            start_framework(worker.run.config.machine.backend)  # before what imports Keras
            from minigo.data.shards import ShardError
            from minigo.evaluate import play_pair
            from minigo.network.network import NetworkError
            from minigo.run import CorruptError

        doing = f"pair {values.pair} of {match}"
        worker.health.beat(doing)
        load = patient_loader(evaluator_loader(worker.run.config), stop)
        try:
            faults = play_pair(worker.run, match, values.pair, load, beat=lambda: worker.health.beat(doing), stop=stop)
        except (CorruptError, NetworkError, ShardError) as error:
            faults = [str(error)]
    if faults is None:
        return STOPPED_EARLY
    for fault in faults:
        print(f"minigo: {fault}", file=sys.stderr)
    return FAIL_PAIR if faults else 0


MATCH_PAIR = Command(
    name="match-pair",
    summary="plays one pair of a gate match; what `evaluate --launcher` starts",
    description="""Plays the two games of one colour-swapped pair of a match that `minigo evaluate` has
    begun, as far as they are not in the run yet, and stores them there. Exit code 42 means that this pair
    would fail again: a network is corrupt, or a game has no result.""",
    examples=("minigo match-pair --run=runs/9x9 --match=000012-against-000009 --pair=3",),
    define=_define_match_pair,
    run=_match_pair,
    fields=("machine.precision", "machine.backend"),
)


def _define_promote(values: FlagValues) -> None:
    define_run(values)
    DEFINE_string("network", None, "the network that shall play from now on, such as 000012", flag_values=values)
    DEFINE_string("reason", "by hand", "why, for the run's history", flag_values=values)


def _promote(values: FlagValues, stop: Event) -> int:
    del stop
    network = required(values, "network")
    from minigo.run import Run

    run = Run.open(required(values, "run"))
    before = run.champion()
    run.network_files(network)  # raises what is wrong with it
    verdict = {"candidate": network, "promotes": True, "gate": "person", "reason": values.reason, "time": time.time()}
    champion = run.promote(network, verdict, before)
    replaced = before.network if before is not None else "nobody"
    print(f"{run.url}: network {champion.network} plays instead of {replaced}: {values.reason}")
    return 0


PROMOTE = Command(
    name="promote",
    summary="makes a network the champion by hand; rolls back a bad one",
    description="""Self-play follows within half a minute. A network that has been champion once does not
    come back by its old verdict; candidates newer than the one given here are judged against it.""",
    examples=('minigo promote --run=gs://bucket/run --network=000012 --reason="000013 passes at move one"',),
    define=_define_promote,
    run=_promote,
)
