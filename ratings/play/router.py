# SPDX-License-Identifier: Apache-2.0
"""`play_router`: playing in the browser, ready to be mounted into the dashboard."""

from fastapi import APIRouter

from ratings.play.api import api_router
from ratings.play.guard import Access
from ratings.play.pages import pages_router
from ratings.play.playground import FindRun, Playground, opponents_of
from ratings.play.sessions import PlaySessions


class PlayRouter(APIRouter):
    """The routes of playing.

    Args:
        sessions: the games.
    """

    def __init__(self, sessions: PlaySessions) -> None:
        super().__init__()
        self._sessions = sessions

    def end_streams(self) -> None:
        """Ends the event streams, which else would keep a server from ending; browsers ask again later."""
        self._sessions.dismiss()


def play_router(find_run: FindRun, sessions: PlaySessions, *, token: str | None = None) -> PlayRouter:
    """The pages below /play and the programs' interface below /api/play.

    Args:
        find_run: gives the run whose networks are the opponents, and whose game is offered first.
        sessions: the games; whoever made them closes them.
        token: what a player must know; None: nothing, for a server that this machine alone reaches.

    Raises:
        ValueError: the token is too short.
    """
    playground = Playground(sessions, opponents_of(find_run), Access(token))
    router = PlayRouter(sessions)
    router.include_router(api_router(playground))
    router.include_router(pages_router(playground))
    return router
