# SPDX-License-Identifier: Apache-2.0
"""The ladder of a run: its networks and those that they met, rated from the run's match records."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from minigo.run import Run
from ratings.anchors import conventional_anchors
from ratings.book import Book, open_book
from ratings.elo import Rating, Ratings, Result, fit_ratings


@dataclass(frozen=True)
class Ladder:
    """All players of a run, rated together.

    Attributes:
        ratings: of networks and outside players.
        networks: the run's networks, oldest first.
        outside: the outside players by name, each as a PLAYER of the command line.
        reference: whom the intervals are measured from: the anchor with the most games, or without one the network
            with the highest rating among those that most networks can be compared with; None where nobody has played.
    """

    ratings: Ratings
    networks: tuple[str, ...]
    outside: Mapping[str, str]
    reference: str | None

    def rows(self) -> dict[str, Rating]:
        """Everybody who can be compared with the reference, the strongest first, in Elo.

        An anchor's scale is kept; without one the reference is zero. The interval is that of the difference from it.
        """
        if self.reference is None:
            return {}
        base = self.ratings.anchors.get(self.reference, 0.0)
        above = self.ratings.above(self.reference)
        shifted = {n: Rating(base + r.elo, base + r.low, base + r.high, r.games) for n, r in above.items()}
        return dict(sorted(shifted.items(), key=lambda row: (-row[1].elo, row[0])))

    def apart(self) -> list[str]:
        """The players that no game joins with the reference: they can not be compared."""
        joined = self.rows()
        return [name for name in (*self.networks, *sorted(self.outside)) if name not in joined]


def fit_ladder(
    book: Book, board_size: int, outside: Mapping[str, str] | None = None, anchors: Mapping[str, float] | None = None
) -> Ladder:
    """Fits the ratings of all games in the book.

    A player of conventional strength fixes the scale only once it has both won and lost something: how far away one is
    that has always won, nobody knows, and every interval would say so. An outside player without a fixed rating has the
    prior that a network has with its parent, with whom it met most often.

    Args:
        book: of the run, up to date.
        board_size: of the run's games.
        outside: further outside players, which may not have played yet.
        anchors: fixed ratings by name, in Elo; they win over those of convention.
    """
    parents = book.parents()
    everybody = {**book.outside_players(), **(outside if outside is not None else {})}
    results = book.results()
    usual = {n: elo for n, elo in conventional_anchors(everybody, board_size).items() if _won_and_lost(n, results)}
    fixed = {**usual, **(anchors if anchors is not None else {})}
    known = {name: elo for name, elo in fixed.items() if name in everybody or name in parents}
    near = {name: None if name in known else _usual_opponent(name, results) for name in everybody}
    ratings = fit_ratings(results, {**parents, **near}, known)
    networks = tuple(parents)
    return Ladder(ratings, networks, everybody, _reference(ratings, networks))


def rate_networks(run: Run, book: Book | None = None) -> dict[str, Rating]:
    """The networks that games join with the first one, as differences from it; empty before the first match."""
    with contextlib.ExitStack() as stack:
        if book is None:
            book = stack.enter_context(open_book(run))
        book.update()
        ladder = fit_ladder(book, run.config.game.board_size)
    if not ladder.networks or not ladder.ratings.games.any():
        return {}
    above = ladder.ratings.above(ladder.networks[0])
    return {name: above[name] for name in ladder.networks if name in above}


def _won_and_lost(name: str, results: Iterable[Result]) -> bool:
    won = lost = False
    for result in results:
        if name in (result.black, result.white):
            good, bad = (result.wins, result.losses) if result.black == name else (result.losses, result.wins)
            won |= good + result.draws > 0
            lost |= bad + result.draws > 0
    return won and lost


def _usual_opponent(name: str, results: Iterable[Result]) -> str | None:
    games: Counter[str] = Counter()
    for result in results:
        if name in (result.black, result.white):
            games[result.white if result.black == name else result.black] += result.wins + result.draws + result.losses
    return min(games, key=lambda other: (-games[other], other), default=None)


def _reference(ratings: Ratings, networks: tuple[str, ...]) -> str | None:
    games = dict(zip(ratings.names, ratings.games.tolist(), strict=True))
    anchors = [name for name in ratings.anchors if games[name]]
    if anchors:
        return max(sorted(anchors), key=lambda name: games[name])
    component = dict(zip(ratings.names, ratings.components.tolist(), strict=True))
    elo = dict(zip(ratings.names, ratings.elo.tolist(), strict=True))
    size = {number: sum(component[name] == number for name in networks) for number in component.values()}
    played = [name for name in networks if games[name]]
    return max(played, key=lambda name: (size[component[name]], elo[name]), default=None)
