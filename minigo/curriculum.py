# SPDX-License-Identifier: Apache-2.0
"""What a loop learns on a smaller board before its run begins: small games are short, and a network has no board size.

It is a run of its own, inside the other's folder, so that it can be resumed, looked at and checked like any run. Its
last champion is the other's first network. Start at `smaller_run`.
"""

import logging
from dataclasses import replace

from minigo.config import Config
from minigo.run import CURRICULUM, Run, RunError, is_run

_log = logging.getLogger(__name__)


def smaller_run(run: Run) -> Run | None:
    """The run on the smaller board, made if it is not there; None if none comes before this run, or it has begun.

    Raises:
        RunError: it is there, and learns something else.
    """
    if not _is_wanted(run):
        return None
    about = {name: value for name, value in run.about().items() if name in ("libraries", "commit")}
    return Run.create_or_resume(f"{run.url}/{CURRICULUM}", smaller_config(run.config), about)


def smaller_config(config: Config) -> Config:
    """What the run on the smaller board learns: all as in the other, but at the full rate to its end."""
    loop = config.loop
    generations = loop.curriculum_generations
    return replace(
        config,
        game=replace(config.game, board_size=loop.curriculum_size, komi=loop.curriculum_komi),
        train=replace(config.train, decay_share=0.0),
        loop=replace(loop, generations=generations, final_games=0, rating_games=0, curriculum_size=0),
    )


def begin(run: Run, smaller: Run, worker: str) -> bool:
    """Begins a run with what was learned on the smaller board, if that has come to its end; whether it has.

    The champion there becomes the first network, and the time that it took is charged to this run. Where no network
    was better than the untrained one, the run begins as one that had no smaller board.

    Args:
        run: has no network yet.
        smaller: its `smaller_run`.
        worker: whose time it was.
    """
    if len(smaller.networks()) <= run.config.loop.curriculum_generations:
        return False
    champion = smaller.champion()
    run.telemetry.heartbeat(worker, {"elapsed_seconds": smaller.seconds_used(worker)})
    if champion is not None and champion.network != smaller.untrained_network():
        run.publish_first_network(*smaller.network_files(champion.network))
    return True


def check_may_train(run: Run) -> None:
    """Says that a trainer by itself knows no smaller board.

    Raises:
        RunError: a loop has begun with it, and the run has no network yet.
    """
    if _is_wanted(run):
        if is_run(f"{run.url}/{CURRICULUM}"):
            raise RunError(f"{run.url} still learns on its smaller board: minigo loop goes on with that")
        _log.warning("a trainer skips the smaller board of loop.curriculum_size; --first_network can stand for it")


def _is_wanted(run: Run) -> bool:
    return 0 < run.config.loop.curriculum_size < run.config.game.board_size and not run.networks()
