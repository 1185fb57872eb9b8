# SPDX-License-Identifier: Apache-2.0
"""What a loop learns on a smaller board before its run begins: small games are short, and a network has no board size.

It is a run of its own, inside the other's folder, so that it can be resumed, looked at and checked like any run. Its
last champion is the other's first network. Start at `smaller_run`.
"""

from dataclasses import replace
from typing import Final

from minigo.config import Config
from minigo.run import Run, RunError, is_run

FOLDER: Final = "curriculum"


def smaller_run(run: Run) -> Run | None:
    """The run on the smaller board, made if it is not there yet; None if none comes before this run.

    Raises:
        RunError: it is there, and learns something else.
    """
    url = f"{run.url}/{FOLDER}"
    is_wanted = run.config.loop.curriculum_size > 0 and not run.networks()
    if not is_wanted and not is_run(url):
        return None
    about = {name: value for name, value in run.about().items() if name in ("libraries", "commit")}
    return Run.create_or_resume(url, smaller_config(run.config), about)


def smaller_config(config: Config) -> Config:
    """What the run on the smaller board learns: all as in the other, but at the full rate to its end."""
    loop = config.loop
    return replace(
        config,
        game=replace(config.game, board_size=loop.curriculum_size, komi=loop.curriculum_komi),
        train=replace(config.train, decay_share=0.0),
        loop=replace(loop, generations=loop.curriculum_generations, final_games=0, rating_games=0, curriculum_size=0),
    )


def begin_with_champion(run: Run, smaller: Run) -> None:
    """Makes the smaller run's champion the first network of a run that has none, as a copy."""
    champion = smaller.champion()
    if champion is None:
        raise RunError(f"{smaller.url} must have a champion by now, and has none")
    if not run.networks():
        run.publish_first_network(*smaller.network_files(champion.network))
