# SPDX-License-Identifier: Apache-2.0
"""Plays rating games: chooses the most informative matchups, plays them, stores every game in the run, and refits.

Whatever is interrupted leaves whole games in the run; the next call goes on from them. Which games say most is the
business of `ratings.pairing`. Start at `RatingGames`.
"""

import dataclasses
import functools
import logging
import re
import sqlite3
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from minigo.inference.evaluator import Evaluator
from minigo.match import derived_seed
from minigo.match_players import player_from_text
from minigo.players import Player, PlayerError
from minigo.run import Run, RunError
from minigo.stored_match import StoredMatch, network_player
from ratings.anchors import GNUGO, gnugo_player
from ratings.book import Book, open_book
from ratings.ladder import Ladder, fit_ladder
from ratings.pairing import Matchup, plan_pairs

PAIRS_TOGETHER: Final = 4  # of one matchup: networks play these at once, and loading one takes longer than a game

OUTSIDE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # a part of the names of its matches

_log = logging.getLogger(__name__)


def is_outside_name(name: str) -> bool:
    """Whether an outside player may have this name; numbers are networks."""
    return OUTSIDE_NAME.fullmatch(name) is not None and not name.isdigit()


class RatingGames:
    """The rating games of a run: outside players are started when they are first needed, and kept.

    Args:
        run: the run.
        book: its book.
        outside: outside players by name, each as a PLAYER of the command line.
        load_evaluator: the network in a folder.
        anchors: fixed ratings by name, in Elo, over those of convention.
        stop: once set, unfinished games are dropped and outside engines are waited for no longer.
        networks: those of the run's networks that may play; None: all.

    Raises:
        RunError: an outside player has a name that the run knows otherwise.
    """

    def __init__(
        self,
        run: Run,
        book: Book,
        outside: Mapping[str, str],
        load_evaluator: Callable[[str], Evaluator],
        *,
        anchors: Mapping[str, float] | None = None,
        stop: threading.Event | None = None,
        networks: Sequence[str] | None = None,
    ) -> None:
        self._run = run
        self._book = book
        self._outside = dict(outside)
        self._load_evaluator = load_evaluator
        self._anchors = anchors
        self._stop = stop
        self._networks = networks
        self._players: dict[str, Player] = {}
        self._book.update(stop=stop)
        self._turn = book.rating_pairs()
        self._check_names()

    @property
    def outside_players(self) -> tuple[str, ...]:
        """Names of the outside players that still play: those that broke down are dropped."""
        return tuple(self._outside)

    def ladder(self) -> Ladder:
        """The ratings of all games that the book has now."""
        return fit_ladder(self._book, self._run.config.game.board_size, self._outside, self._anchors)

    def play(
        self,
        games: int,
        *,
        on_game: Callable[[int, Matchup], None] = lambda *_: None,
        on_moves: Callable[[], object] = lambda: None,
    ) -> int:
        """Plays so many games, in pairs, unless it is stopped or nobody is left to play; how many have a result.

        Args:
            games: how many.
            on_game: told how many games have ended, and in which matchup.
            on_moves: called whenever the games that are played have got on.
        """
        ended = finished = 0
        while ended < games and not self._is_stopped():
            pairs = min(PAIRS_TOGETHER, -(-(games - ended) // 2))
            plan = self._plan(2 * pairs)
            if plan is None:
                break
            points = self._play(plan, pairs, functools.partial(_tell, on_game, ended, plan), on_moves)
            ended += len(points)
            finished += sum(value is not None for value in points)
            self._turn += pairs
            if points and plan.opponent in self._outside and all(value is None for value in points):
                self._drop(plan.opponent, "none of its games had a result")
            self._book.update(stop=self._stop)
        return finished

    def close(self) -> None:
        """Ends the outside players."""
        for player in self._players.values():
            player.close()
        self._players.clear()

    def __enter__(self) -> "RatingGames":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _plan(self, games: int) -> Matchup | None:
        ladder, turn = self.ladder(), self._turn // PAIRS_TOGETHER
        networks = ladder.networks if self._networks is None else self._networks
        plan = plan_pairs(ladder.ratings, networks, sorted(self._outside), 1, turn=turn, games_for_each=games)
        return plan[0] if plan else None

    def _play(
        self, plan: Matchup, pairs: int, on_game: Callable[[int], None], on_moves: Callable[[], object]
    ) -> list[float | None]:
        """Plays the first pairs of a matchup that are missing: the points of those games that ended."""
        name = f"rating-{plan.player}-against-{plan.opponent}"
        match = StoredMatch(self._run, name, self._spec(plan), self._load_evaluator)
        before = set(match.points)
        indices: list[int] = []
        pair = 0
        while len(indices) < 2 * pairs:  # the other half of a pair that was interrupted is among them
            indices += [index for index in (2 * pair, 2 * pair + 1) if index not in before]
            pair += 1
        indices = indices[: 2 * pairs]
        simulations = self._run.config.evaluate.num_simulations
        try:
            player = network_player(self._run, plan.player, simulations, self._load_evaluator)
            opponent = self._opponent(plan.opponent, simulations)
            if opponent is not None:
                match.play(
                    player,
                    opponent,
                    indices,
                    stop=self._stop,
                    on_game=lambda: on_game(len(match.points.keys() - before)),
                    on_moves=on_moves,
                )
        except PlayerError as error:
            if not self._is_stopped():
                self._drop(plan.opponent, str(error))
        return [match.points[index] for index in indices if index in match.points]

    def _opponent(self, name: str, simulations: int) -> Player | None:
        """A network, or an outside player, which is started if it does not run yet."""
        if name not in self._outside:
            return network_player(self._run, name, simulations, self._load_evaluator)
        if name not in self._players:
            config = self._run.config
            self._players[name] = player_from_text(
                self._outside[name],
                game=config.game,
                search=dataclasses.replace(config.search, num_simulations=simulations),
                match=config.match,
                load_evaluator=self._load_evaluator,
                seed=config.seed,
                stop=self._stop,
            )
        return self._players[name]

    def _drop(self, name: str, reason: str) -> None:
        _log.warning("no more rating games against %s: %s", name, reason)
        self._outside.pop(name, None)
        player = self._players.pop(name, None)
        if player is not None:
            player.close()

    def _spec(self, plan: Matchup) -> dict[str, Any]:
        config = self._run.config
        outside = self._outside.get(plan.opponent)
        number = int(plan.opponent) if outside is None else zlib.crc32(plan.opponent.encode())
        return {
            "kind": "rating",
            "player": plan.player,
            "opponent": plan.opponent,
            "opponent_player": outside,
            "seed": derived_seed(config.seed, int(plan.player), number, 1 if outside is None else 2),
            "game": dataclasses.asdict(config.game),
            "search": dataclasses.asdict(config.search),
            "match": dataclasses.asdict(config.match),
            "num_simulations": config.evaluate.num_simulations,
        }

    def _check_names(self) -> None:
        known = self._book.outside_players()
        for name, player in self._outside.items():
            if name in known and known[name] != player:
                raise RunError(f"{name} is {known[name]} in {self._run.url}, got {player}: give it another name")
            if name in self._book.parents() or name.isdigit():
                raise RunError(f"an outside player must not be named like a network, got {name}")
            if not is_outside_name(name):
                raise RunError(f"the name of an outside player must be letters, digits, '.', '_' and '-', got {name!r}")

    def _is_stopped(self) -> bool:
        return self._stop is not None and self._stop.is_set()


def _tell(on_game: Callable[[int, Matchup], None], before: int, plan: Matchup, count: int) -> None:
    on_game(before + count, plan)


class ChampionAgainstGnuGo:
    """Lets a run's champion meet GNU Go now and then; whatever is wrong with GNU Go is said once and ends nothing."""

    def __init__(self, load_evaluator: Callable[[str], Evaluator]) -> None:
        self._load_evaluator = load_evaluator
        self._is_over = False

    def play(self, run: Run, games: int, stop: threading.Event) -> int:
        """Plays so many games, unless it is stopped; how many have a result."""
        champion = run.champion()
        if self._is_over or champion is None:
            return 0
        try:
            with open_book(run) as book:
                book.update(stop=stop)
                known = book.outside_players().get(GNUGO)  # it goes on as it has played before
                command = known if known is not None else gnugo_player(run.config.game)
                if command is None:
                    self._end("it is not installed (Debian: apt-get install gnugo)")
                    return 0
                players, networks = {GNUGO: command}, [champion.network]
                with RatingGames(
                    run, book, players, self._load_evaluator, stop=stop, networks=networks
                ) as rating_games:
                    finished = rating_games.play(games)
                    if rating_games.outside_players == ():
                        self._end("it does not play here")
                    return finished
        except (RunError, PlayerError, sqlite3.Error, OSError) as error:
            self._end(str(error))
            return 0

    def _end(self, reason: str) -> None:
        self._is_over = True
        _log.info("no rating games against GNU Go: %s", reason)
