# SPDX-License-Identifier: Apache-2.0
"""The commands that learn: `loop`, and two of its roles as one process each: `selfplay`, `train`."""

import logging
import time
from threading import Event
from typing import TYPE_CHECKING, Any

from absl.flags import DEFINE_boolean, DEFINE_integer, FlagValues

from minigo.commands.common import define_first_network, define_run, evaluator_loader, open_run
from minigo.commands.dashboard import DEFAULT_PORT, loop_dashboard
from minigo.commands.role import define_role, patient_loader, role, wait_for
from minigo.flags import Command
from minigo.stopping import starting

if TYPE_CHECKING:
    from minigo.run import Run


def _define_loop(values: FlagValues) -> None:
    define_run(values)
    define_first_network(values)
    DEFINE_integer(
        "dashboard_port",
        DEFAULT_PORT,
        "port of the web dashboard, or a free one where that is taken; 0: none",
        lower_bound=0,
        upper_bound=65535,
        flag_values=values,
    )


def _loop(values: FlagValues, stop: Event) -> int:
    from minigo.inference.quiet import start_framework

    run = open_run(values, create=True)
    with starting():
        start_framework(run.config.machine.backend, run.config.machine.training_threads)
        from minigo.curriculum import begin, smaller_run
        from minigo.loop import WORKER, Services, run_loop
        from minigo.train import RunTrainer
        from ratings.ladder import rate_networks
        from ratings.rating_games import ChampionAgainstGnuGo
        from ratings.report import write_report
        from ratings.trend import rating_trend

    def work(run: "Run") -> str:
        load_evaluator = evaluator_loader(run.config)
        services = Services(
            load_evaluator=load_evaluator,
            trainer=RunTrainer(run),
            rate=lambda run: {name: rating.elo for name, rating in rate_networks(run).items()},
            report=write_report,
            play_rating_games=ChampionAgainstGnuGo(load_evaluator).play,
            trend=rating_trend,
        )
        with loop_dashboard(run.url, run.config, values.dashboard_port):
            return run_loop(run, services, stop)

    smaller = smaller_run(run)
    if smaller is not None:
        size = smaller.config.game.board_size
        logging.info("first on %dx%d, in %s", size, size, smaller.url)
        learned = work(smaller)
        if stop.is_set() or not begin(run, smaller, WORKER):
            print(learned)
            return 0
    print(work(run))
    return 0


LOOP = Command(
    name="loop",
    summary="the whole system on one machine: plays itself, trains, evaluates, promotes",
    description="""Starts from a network that knows nothing, and repeats: play games against itself, train
    on them, let the new network play the champion, promote it if it wins. Prints what it does and how far
    it is, and at the end what it learned; <run>/report.html has the curves. Meanwhile a web dashboard shows
    all of it live (--dashboard_port).

    A run is a folder. The same command resumes it after Ctrl-C, a crash or a power cut. Its learning
    settings are fixed when it starts; --machine.* settings, --minutes and --generations may change.
    Networks know no board size. So a loop may learn on a smaller board first (--loop.curriculum_size), in a
    run of its own inside the folder, or begin with what another run has learned (--first_network).

    Where GNU Go is installed, each champion plays a few games against it in the meantime
    (--loop.rating_games), so that its rating does not rest on its own family alone.""",
    examples=(
        "minigo loop --preset=demo --run=runs/demo          # 5x5, four minutes on two cores",
        "minigo loop --preset=9x9-cpu --run=runs/9x9 --minutes=120",
        "minigo loop --run=runs/9x9                         # resumes",
        "minigo loop --run=runs/13x13 --first_network=runs/9x9 --game.board_size=13",
    ),
    define=_define_loop,
    run=_loop,
    fields=(
        "game.board_size",
        "game.komi",
        "loop.curriculum_size",
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


# selfplay, train: the loop's roles, one process each; evaluate is in `judging`


def _define_selfplay(values: FlagValues) -> None:
    define_role(values)
    DEFINE_integer("games", 0, "stop after this many games; 0: go on", lower_bound=0, flag_values=values)


def _selfplay(values: FlagValues, stop: Event) -> int:
    from minigo.gamepool import Progress

    progress, games = Progress(), values.games

    def numbers() -> dict[str, float]:
        counts = ("games", "positions", "evaluations", "publish_seconds")
        return {f"selfplay_{name}_total": float(getattr(progress, name)) for name in counts}

    with role("selfplay", values, stop, create=False, numbers=numbers) as worker:
        if worker is None:
            return 0
        from minigo.selfplay import play_worker
        from minigo.status import StatusDisplay

        run, began = worker.run, time.monotonic()

        def details() -> dict[str, Any]:
            counts, seconds = progress.snapshot().counts(), round(time.monotonic() - began, 1)
            return {"selfplay": counts, "selfplay_seconds": seconds, "game": progress.current_game()}

        tell = worker.heartbeats(details)
        if values.wait and wait_for(run.champion, stop, worker.health) is None:
            return 0
        load = patient_loader(evaluator_loader(run.config), stop)  # later networks are loaded by threads that play
        last = -1

        def describe() -> tuple[float, str]:
            share = progress.games / games if games else 0.0
            return share, f"{worker.worker}: {progress.games} games, {progress.positions} positions"

        def publish(text: str) -> None:
            nonlocal last
            if progress.evaluations + progress.games != last:  # or it is stuck, and must not look alive
                last = progress.evaluations + progress.games
                tell(text)

        with tell, StatusDisplay(describe, publish):
            play_worker(
                run,
                worker.worker,
                lambda network: load(run.network_path(network)),
                num_games=games if games else None,
                stop=stop,
                progress=progress,
            )
    print(f"{worker.worker} played {progress.games} games with {progress.positions} positions")
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


def _define_train(values: FlagValues) -> None:
    define_role(values, worker="trainer")
    define_first_network(values)
    DEFINE_boolean(
        "keep_settings",
        False,
        "a run that is there goes on with its own learning settings: a preset and other flags are for a new one",
        flag_values=values,
    )


def _train(values: FlagValues, stop: Event) -> int:
    from minigo.inference.quiet import start_framework

    with role("train", values, stop, create=True) as trainer:
        if trainer is None:
            return 0
        machine = trainer.run.config.machine
        with starting():
            start_framework(machine.backend, machine.threads)
            from minigo.curriculum import check_may_train
            from minigo.train import train_worker

        check_may_train(trainer.run)
        train_worker(trainer.run, stop, beat=trainer.health.beat)
    return 0


TRAIN = Command(
    name="train",
    summary="the trainer of a run; waits for games, publishes candidate networks",
    description="""Creates the run if there is none, publishes its first, random network, and from then on
    trains on each new shard of games and publishes candidates for evaluation. It says what it waits for.
    Only one trainer's work counts: when another one starts, the older one stops. It knows no smaller board
    to begin on (--loop.curriculum_size): --first_network takes what a run there has learned.""",
    examples=("minigo train --preset=9x9-gpu --run=gs://bucket/run",),
    define=_define_train,
    run=_train,
    fields=(
        "train.batch_size",
        "train.learning_rate",
        "train.replay_ratio",
        "train.window_min",
        "machine.precision",
    ),
)
