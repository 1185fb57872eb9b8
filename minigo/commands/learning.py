# SPDX-License-Identifier: Apache-2.0
"""The commands that learn: `loop`, and its roles as one process each: `selfplay`, `train`, `evaluate`."""

import os
import socket
from threading import Event

from absl.flags import DEFINE_integer, DEFINE_string, FlagValues

from minigo.commands.common import define_run, evaluator_loader, open_run
from minigo.flags import Command, UsageError, required


def _define_loop(values: FlagValues) -> None:
    define_run(values)
    DEFINE_integer(
        "dashboard_port",
        0,
        "port of the web dashboard; 0: none",
        lower_bound=0,
        upper_bound=65535,
        flag_values=values,
    )


def _loop(values: FlagValues, stop: Event) -> int:
    if values.dashboard_port:
        raise UsageError("--dashboard_port must be 0: this version has no dashboard")
    from minigo.inference.quiet import start_framework

    run = open_run(values, create=True)
    start_framework(run.config.machine.backend, run.config.machine.training_threads)
    from minigo.loop import Services, run_loop
    from minigo.train import RunTrainer
    from ratings.ladder import rate_networks
    from ratings.rating_games import ChampionAgainstGnuGo
    from ratings.report import write_report
    from ratings.trend import rating_trend

    load_evaluator = evaluator_loader(run.config)
    services = Services(
        load_evaluator=load_evaluator,
        trainer=RunTrainer(run),
        rate=lambda run: {name: rating.elo for name, rating in rate_networks(run).items()},
        report=write_report,
        play_rating_games=ChampionAgainstGnuGo(load_evaluator).play,
        trend=rating_trend,
    )
    print(run_loop(run, services, stop))
    return 0


LOOP = Command(
    name="loop",
    summary="the whole system on one machine: plays itself, trains, evaluates, promotes",
    description="""Starts from a network that knows nothing, and repeats: play games against itself, train
    on them, let the new network play the champion, promote it if it wins. Prints what it does and how far
    it is, and at the end what it learned; <run>/report.html has the curves.

    A run is a folder. The same command resumes it after Ctrl-C, a crash or a power cut. Its learning
    settings are fixed when it starts; --machine.* settings, --minutes and --generations may change.

    Where GNU Go is installed, each champion plays a few games against it in the meantime
    (--loop.rating_games), so that its rating does not rest on its own family alone.""",
    examples=(
        "minigo loop --preset=demo --run=runs/demo          # 5x5, four minutes on two cores",
        "minigo loop --preset=9x9-cpu --run=runs/9x9 --minutes=120",
        "minigo loop --run=runs/9x9                         # resumes",
    ),
    define=_define_loop,
    run=_loop,
    fields=(
        "game.board_size",
        "game.komi",
        "network.blocks",
        "network.channels",
        "selfplay.num_simulations",
        "train.learning_rate",
        "loop.games_per_generation",
        "machine.threads",
        "machine.games_per_thread",
    ),
    aliases={"minutes": "loop.minutes", "generations": "loop.generations"},
)


# selfplay, train, evaluate: the loop's roles, one process each


def _define_selfplay(values: FlagValues) -> None:
    define_run(values)
    worker = f"{socket.gethostname().split('.')[0]}-{os.getpid()}"
    DEFINE_string("worker", worker, "this worker's own name; no two running workers share one", flag_values=values)
    DEFINE_integer("games", 0, "stop after this many games; 0: go on", lower_bound=0, flag_values=values)


def _selfplay(values: FlagValues, stop: Event) -> int:
    run = open_run(values, create=False)
    from minigo.gamepool import Progress
    from minigo.selfplay import play_worker
    from minigo.status import StatusDisplay

    worker, games, progress = required(values, "worker"), values.games, Progress()
    load = evaluator_loader(run.config)

    def describe() -> tuple[float, str]:
        share = progress.games / games if games else 0.0
        return share, f"{worker}: {progress.games} games, {progress.positions} positions"

    with StatusDisplay(describe, lambda text: run.heartbeat(worker, {"role": "selfplay", "doing": text})):
        play_worker(
            run,
            worker,
            lambda network: load(run.network_path(network)),
            num_games=games if games else None,
            stop=stop,
            progress=progress,
        )
    print(f"{worker} played {progress.games} games with {progress.positions} positions")
    return 0


SELFPLAY = Command(
    name="selfplay",
    summary="one self-play worker of a run; follows its newest promoted network",
    description="""Plays games with the run's champion and publishes them as shards, until it is stopped.
    Start as many workers as there are machines; they meet only in the run. A stopped worker loses its
    unfinished games, nothing else.""",
    examples=(
        "minigo selfplay --run=runs/9x9 --games=1000",
        "minigo selfplay --run=gs://bucket/run --worker=node-7",
    ),
    define=_define_selfplay,
    run=_selfplay,
    fields=("machine.threads", "machine.games_per_thread", "machine.precision"),
)


def _train(values: FlagValues, stop: Event) -> int:
    from minigo.inference.quiet import start_framework

    run = open_run(values, create=True)
    start_framework(run.config.machine.backend, run.config.machine.threads)
    from minigo.train import train_worker

    train_worker(run, stop)
    return 0


TRAIN = Command(
    name="train",
    summary="the trainer of a run; waits for games, publishes candidate networks",
    description="""Creates the run if there is none, publishes its first, random network, and from then on
    trains on each new shard of games and publishes candidates for evaluation. It says what it waits for.
    Only one trainer's work counts: when another one starts, the older one stops.""",
    examples=("minigo train --preset=9x9-gpu --run=gs://bucket/run",),
    define=define_run,
    run=_train,
    fields=(
        "train.batch_size",
        "train.learning_rate",
        "train.replay_ratio",
        "train.window_min",
        "machine.precision",
    ),
)


def _evaluate(values: FlagValues, stop: Event) -> int:
    run = open_run(values, create=False)
    from minigo.evaluate import evaluate_worker

    evaluate_worker(run, evaluator_loader(run.config), stop)
    return 0


EVALUATE = Command(
    name="evaluate",
    summary="plays a run's candidates against its champion and promotes",
    description="""Lets each new candidate network play the champion in colour-swapped pairs from common
    openings, and promotes it if the gate says so (evaluate.gate, evaluate.threshold). Every game is stored
    in the run. With --evaluate.gate=sprt a match ends as soon as it is clear. Waits for the next candidate
    until it is stopped.""",
    examples=("minigo evaluate --run=runs/9x9",),
    define=define_run,
    run=_evaluate,
    fields=("machine.precision",),
)
