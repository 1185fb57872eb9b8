# SPDX-License-Identifier: Apache-2.0
"""`Playground`: what the pages and the programs' interface share: the games, the opponents, and who may play."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from fastapi import HTTPException, Request

from cc_kernels.board import MAX_BOARD_SIZE
from minigo.config import GameConfig
from minigo.documents import RunError
from minigo.engines.options import AGREED_RULES
from minigo.go.coords import move_from_vertex
from minigo.run import Run
from minigo.storage import StorageError
from ratings.play.game import BOARD_SIZES, MAX_KOMI, RANDOM, PlayError, Setting
from ratings.play.guard import Access, check_origin
from ratings.play.session import SessionView
from ratings.play.sessions import PlaySessions

FRESH_SECONDS: Final = 5.0


class Opponents(NamedTuple):
    """The networks one can play, besides `RANDOM`, and what they learned to play."""

    champion: str | None = None
    networks: tuple[str, ...] = ()
    """Oldest first."""
    game: GameConfig = GameConfig()
    """The run's own board, komi and rules."""

    @property
    def default(self) -> str:
        """Whom one plays who names nobody: the champion, else the newest network, else chance."""
        if self.champion is not None:
            return self.champion
        return self.networks[-1] if self.networks else RANDOM


FindRun = Callable[[], Run | None]
"""Gives the run; None while there is none."""


def opponents_of(find_run: FindRun, now: Callable[[], float] = time.monotonic) -> Callable[[], Opponents]:
    """A function that says whom one can play; a run is looked at every few seconds at most.

    A run that is not there, or can not be read, has no opponents to offer but chance.
    """
    seen: list[tuple[float, Opponents]] = []

    def look() -> Opponents:
        run = find_run()
        if run is None:
            return Opponents()
        try:
            champion = run.champion()
            name = None if champion is None else champion.network
            return Opponents(name, tuple(run.networks()), run.config.game)
        except (RunError, StorageError, OSError, KeyError, TypeError, ValueError):
            return Opponents(game=run.config.game)

    def opponents() -> Opponents:
        if not seen or now() - seen[0][0] > FRESH_SECONDS:
            seen[:] = [(now(), look())]
        return seen[0][1]

    return opponents


@dataclass(frozen=True)
class Playground:
    """What playing on the web is made of.

    Attributes:
        sessions: the games.
        opponents: whom one can play now.
        access: who may play.
    """

    sessions: PlaySessions
    opponents: Callable[[], Opponents]
    access: Access

    def default(self) -> Setting:
        """The game that is offered first: the champion, at what it learned to play.

        Rules by which one may leave dead stones on the board are offered in place of those that have them captured,
        which are meant for programs.
        """
        opponents = self.opponents()
        game = opponents.game
        size = min(max(game.board_size, BOARD_SIZES[0]), MAX_BOARD_SIZE)
        rules = game.rules if game.rules in AGREED_RULES else "chinese-ogs"
        komi = min(max(round(2 * game.komi) / 2, -MAX_KOMI), MAX_KOMI)
        visits, seconds = min(100, self.sessions.limits.visits), min(5.0, self.sessions.limits.seconds)
        return Setting(opponents.default, size, komi, rules, visits=visits, seconds=seconds)

    async def check(self, request: Request) -> None:
        """Refuses whoever may not play.

        Raises:
            HTTPException: 401 without the token, 403 from another site's page.
        """
        check_origin(request)
        if not self.access.allows(request):
            raise HTTPException(401, "playing here needs the dashboard's play token", {"www-authenticate": "Bearer"})

    def create(self, setting: Setting) -> str:
        """Begins a game, and returns its id.

        Raises:
            PlayError: there is no such opponent, or the limits do not allow it.
        """
        opponents = self.opponents()
        if setting.opponent != RANDOM and setting.opponent not in opponents.networks:
            raise PlayError("there is no such network in this run")
        return self.sessions.create(setting)

    def play_vertex(self, game_id: str, vertex: str, ply: int | None) -> None:
        """Plays a move by its name.

        Raises:
            PlayError: it is no vertex of this board, is illegal, or it is not the player's turn.
            NoGameError: there is no such game.
        """
        size = self.sessions.view(game_id).game.setting.board_size
        try:
            move = move_from_vertex(vertex, size)
        except ValueError as error:
            raise PlayError(str(error)) from None
        self.sessions.play(game_id, move, ply)

    def view(self, game_id: str) -> SessionView:
        """What there is to see of a game, whose player has come back if it was away. Raises NoGameError."""
        self.sessions.wake(game_id)
        return self.sessions.view(game_id)
