# SPDX-License-Identifier: Apache-2.0
"""Playing for programs: JSON below /api/play, described in the OpenAPI document."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Response

from ratings.play.game import RANDOM, PlayError
from ratings.play.guard import SmallBodyRoute
from ratings.play.models import GameModel, NewGame, NewMove, OpponentsModel, Wish
from ratings.play.playground import Playground
from ratings.play.session import NoGameError

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "the play token is missing"},
    403: {"description": "sent from another site's page"},
    404: {"description": "there is no such game"},
    409: {"description": "not possible now; the detail says why"},
    410: {"description": "the game has given way to newer ones"},
    411: {"description": "the length of the request is missing"},
    413: {"description": "the request is too long"},
}
GameId = Annotated[str, Path(max_length=64, description="what beginning the game returned")]


@contextmanager
def refusals() -> Iterator[None]:
    """Turns what can not be done into answers that say why."""
    try:
        yield
    except PlayError as error:
        raise HTTPException(409, str(error)) from None
    except NoGameError as error:
        raise HTTPException(410 if error.was_dropped else 404, str(error)) from None


def api_router(playground: Playground) -> APIRouter:
    """The programs' interface to a playground."""
    router = APIRouter(
        prefix="/api/play",
        tags=["play"],
        route_class=SmallBodyRoute,
        dependencies=[Depends(playground.check)],
        responses=REFUSALS,
    )
    sessions = playground.sessions

    def seen(game_id: str) -> GameModel:
        return GameModel.of(playground.view(game_id))

    @router.get("/opponents")
    async def opponents() -> OpponentsModel:
        """Whom one can play, and how strong they may be asked to be."""
        found, limits = playground.opponents(), sessions.limits
        return OpponentsModel(
            champion=found.champion,
            networks=list(found.networks),
            others=[RANDOM],
            max_visits=limits.visits,
            max_seconds=limits.seconds,
        )

    @router.post("/games", status_code=201)
    async def begin(game: NewGame) -> GameModel:
        """Begins a game."""
        with refusals():
            opponent = playground.opponents().default if game.opponent is None else game.opponent
            return seen(playground.create(game.setting(opponent)))

    @router.get("/games/{game_id}")
    async def show(game_id: GameId) -> GameModel:
        """The game as it stands."""
        with refusals():
            return seen(game_id)

    @router.post("/games/{game_id}/moves")
    async def play(game_id: GameId, move: NewMove) -> GameModel:
        """Plays a move; the opponent's answer comes later."""
        with refusals():
            playground.play_vertex(game_id, move.vertex, move.ply)
            return seen(game_id)

    @router.post("/games/{game_id}/undo")
    async def undo(game_id: GameId) -> GameModel:
        """Takes back your last move, and the answer to it."""
        with refusals():
            sessions.undo(game_id)
            return seen(game_id)

    @router.post("/games/{game_id}/resign")
    async def resign(game_id: GameId) -> GameModel:
        """Gives the game up."""
        with refusals():
            sessions.resign(game_id)
            return seen(game_id)

    @router.post("/games/{game_id}/analysis")
    async def analysis(game_id: GameId, wish: Wish) -> GameModel:
        """Shows what the engine thinks, or hides it."""
        with refusals():
            sessions.show_analysis(game_id, wish.wanted)
            return seen(game_id)

    @router.post("/games/{game_id}/restart")
    async def restart(game_id: GameId) -> GameModel:
        """Starts the engine again after trouble."""
        with refusals():
            sessions.restart(game_id)
            return seen(game_id)

    @router.get("/games/{game_id}/sgf", response_class=Response)
    async def sgf(game_id: GameId) -> Response:
        """The game in SGF."""
        with refusals():
            return sgf_response(playground, game_id)

    @router.delete("/games/{game_id}", status_code=204)
    async def remove(game_id: GameId) -> None:
        """Ends a game for good."""
        with refusals():
            sessions.remove(game_id)

    return router


def sgf_response(playground: Playground, game_id: str) -> Response:
    """A game to be downloaded in SGF. Raises NoGameError."""
    view = playground.sessions.view(game_id)
    name = f"minigo-{view.game.setting.board_size}x{view.game.setting.board_size}-{len(view.game.moves)}.sgf"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(view.game.sgf(), media_type="application/x-go-sgf", headers=headers)
