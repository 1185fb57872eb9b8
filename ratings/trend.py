# SPDX-License-Identifier: Apache-2.0
"""Whether a run still gets stronger: its networks in their order, rated together, for the alarm on a falling Elo."""

from minigo.alarms import Finding, falling_elo
from minigo.run import Run
from ratings.book import open_book
from ratings.ladder import fit_ladder


def rating_trend(run: Run) -> Finding | None:
    """What `minigo.alarms.falling_elo` says of the networks that games join with the newest one that has played."""
    with open_book(run) as book:
        book.update()
        ladder = fit_ladder(book, run.config.game.board_size)
    ratings = ladder.ratings
    rows = [ratings.index(name) for name in ladder.networks]
    played = [row for row in rows if ratings.games[row]]
    joined = [row for row in played if ratings.components[row] == ratings.components[played[-1]]]
    names = [ratings.names[row] for row in joined]
    return falling_elo(names, ratings.elo[joined], ratings.covariance[joined][:, joined])
