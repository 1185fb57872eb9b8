# SPDX-License-Identifier: Apache-2.0
"""Playing for people: pages below /play that need no script, and an event stream for those who have one.

Everything one does is a form that is sent, after which one is led back to the game's page. What a script adds: the
same page fetched whenever the event stream says that the game has changed (static/play.js).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import ValidationError

from cc_kernels.board import BLACK, WHITE
from minigo.go.coords import color_name, vertex_from_move
from minigo.go.rules import RULES
from ratings.board_svg import board_svg
from ratings.play.api import GameId, sgf_response
from ratings.play.game import BOARD_SIZES, MAX_KOMI, RANDOM, PlayedGame, PlayError
from ratings.play.guard import SmallBodyRoute, check_origin, form_of
from ratings.play.models import NewGame
from ratings.play.overlay import captures, overlay_svg, playable_points
from ratings.play.playground import Playground
from ratings.play.session import NoGameError, SessionView
from ratings.rendering import Renderer

LEVELS: Final = (1, 10, 30, 100, 300, 1000)
"""Visits that the form offers."""
REST_SECONDS: Final = 10.0  # after which nothing more is thought about a game that nobody watches
STILL_HERE_SECONDS: Final = 20.0  # between two signs of life on a stream
LEAST_BETWEEN_SECONDS: Final = 0.15  # two events
STATUS: Final = {
    "your_turn": "Your turn",
    "waiting": "Waiting for a free engine…",
    "starting": "Starting the network, which takes a while…",
    "thinking": "{opponent} is thinking…",
    "counting": "Counting the game…",
    "broken": "The engine has stopped",
}
"""A game's phase in words; when it is over, its outcome says more."""


def pages_router(playground: Playground) -> APIRouter:
    """The pages of a playground."""
    router = APIRouter(route_class=SmallBodyRoute, include_in_schema=False)
    sessions, access = playground.sessions, playground.access
    guarded = [Depends(playground.check)]

    def form_page(request: Request, chosen: NewGame | None = None, notice: str = "", status: int = 200) -> Response:
        default = playground.default()
        if chosen is None:
            chosen = NewGame(
                opponent=default.opponent,
                board_size=default.board_size,
                komi=default.komi,
                rules=default.rules,  # type: ignore[arg-type]  # one of these, which the model checks
                color="black",
                visits=default.visits,
                seconds=default.seconds,
                may_resign=default.may_resign,
            )
        renderer: Renderer = request.app.state.renderer
        limits = sessions.limits
        return renderer.page(
            "play.html",
            status=status,
            chosen=chosen,
            notice=notice,
            opponents=playground.opponents(),
            sizes=list(BOARD_SIZES),
            rules=list(RULES),
            levels=[level for level in LEVELS if level <= limits.visits],
            max_seconds=limits.seconds,
            max_komi=MAX_KOMI,
        )

    def game_page(request: Request, game_id: str, notice: str = "", status: int = 200) -> Response:
        renderer: Renderer = request.app.state.renderer
        view = playground.view(game_id)
        response = renderer.page("play_game.html", status=status, notice=notice, **game_context(view))
        response.headers["cache-control"] = "no-store"
        return response

    def gone_page(request: Request, error: NoGameError) -> Response:
        renderer: Renderer = request.app.state.renderer
        return renderer.page("play_gone.html", status=410 if error.was_dropped else 404, reason=str(error))

    @router.get("/play", response_class=HTMLResponse)
    async def new_game(request: Request, token: str = "") -> Response:
        if token and access.knows(token):  # so that a link with the token is all one needs
            response = RedirectResponse("/play", 303)
            access.admit(response)
            return response
        if not access.allows(request):
            return token_page(request)
        return form_page(request)

    @router.post("/play/token", response_class=HTMLResponse)
    async def name_token(request: Request) -> Response:
        check_origin(request)
        fields = await form_of(request)
        if not access.knows(fields.get("token", "")):
            return token_page(request, "That is not the token.")
        response = RedirectResponse("/play", 303)
        access.admit(response)
        return response

    @router.post("/play", dependencies=guarded, response_class=HTMLResponse)
    async def begin(request: Request) -> Response:
        fields = await form_of(request)
        try:
            wanted = NewGame.model_validate({name: value for name, value in fields.items() if value != ""})
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            return form_page(request, notice=faults, status=422)
        try:
            opponent = playground.opponents().default if wanted.opponent is None else wanted.opponent
            game_id = playground.create(wanted.setting(opponent))
        except PlayError as error:
            return form_page(request, wanted, notice=str(error), status=422)
        return RedirectResponse(f"/play/{game_id}", 303)

    @router.get("/play/{game_id}", dependencies=guarded, response_class=HTMLResponse)
    async def show(request: Request, game_id: GameId) -> Response:
        try:
            return game_page(request, game_id)
        except NoGameError as error:
            return gone_page(request, error)

    @router.get("/play/{game_id}/events", dependencies=guarded)
    async def events(game_id: GameId) -> Response:
        try:
            sessions.view(game_id)
        except NoGameError as error:
            raise HTTPException(410 if error.was_dropped else 404, str(error)) from None
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(versions(playground, game_id), media_type="text/event-stream", headers=headers)

    @router.get("/play/{game_id}/sgf", dependencies=guarded)
    async def sgf(request: Request, game_id: GameId) -> Response:
        try:
            return sgf_response(playground, game_id)
        except NoGameError as error:
            return gone_page(request, error)

    @router.post("/play/{game_id}/{deed}", dependencies=guarded, response_class=HTMLResponse)
    async def act(request: Request, game_id: GameId, deed: str) -> Response:
        fields = await form_of(request)
        try:
            _do(playground, game_id, deed, fields)
        except PlayError as error:
            return game_page(request, game_id, notice=str(error), status=409)
        except NoGameError as error:
            return gone_page(request, error)
        return RedirectResponse(f"/play/{game_id}", 303)

    def token_page(request: Request, notice: str = "") -> Response:
        renderer: Renderer = request.app.state.renderer
        return renderer.page("play_token.html", status=401, notice=notice)

    return router


def _do(playground: Playground, game_id: str, deed: str, fields: dict[str, str]) -> None:
    """Does what a form asks for. Raises PlayError, NoGameError, and HTTPException where there is no such form."""
    sessions = playground.sessions
    if deed == "move":
        playground.play_vertex(game_id, fields.get("vertex", ""), _ply(fields))
    elif deed == "undo":
        sessions.undo(game_id)
    elif deed == "resign":
        sessions.resign(game_id)
    elif deed == "analysis":
        sessions.show_analysis(game_id, fields.get("wanted") == "yes")
    elif deed == "restart":
        sessions.restart(game_id)
    else:
        raise HTTPException(404, "there is no such page")


def _ply(fields: dict[str, str]) -> int | None:
    text = fields.get("ply", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise PlayError("ply must be a number of moves")
    return int(text)


def game_context(view: SessionView) -> dict[str, Any]:
    """What the page of a game is made from."""
    game, setting, insight = view.game, view.game.setting, view.insight
    size = setting.board_size
    opponent = setting.opponent if setting.opponent == RANDOM else f"network {setting.opponent}"
    last = game.moves[-1].move if game.moves else None
    status = game.described() if view.phase == "over" else STATUS[view.phase].format(opponent=opponent)
    status = status[0].upper() + status[1:]
    return {
        "view": view,
        "game": game,
        "setting": setting,
        "size": size,
        "opponent": opponent,
        "can_analyze": setting.opponent != RANDOM,
        "state": status,
        "board": board_svg(game.position.board.stones, last_move=last, label=_label(game, status)),
        "overlay": overlay_svg(game, insight),
        "cells": [(vertex_from_move(p, size), can_play) for p, can_play in enumerate(playable_points(game))],
        "players": [_player(game, color) for color in (BLACK, WHITE)],
        "human_color": color_name(setting.human),
        "moves": [vertex_from_move(move.move, size) for move in game.moves],
        "history": _history(game),
        "candidates": []
        if insight is None
        else [
            {
                "vertex": vertex_from_move(c.move, size),
                "winrate": c.winrate,
                "score": c.score_lead,
                "visits": c.visits,
                "line": [vertex_from_move(move, size) for move in c.line],
            }
            for c in insight.candidates
        ],
        "area": _area(game),
        "insight": insight,
        "insight_color": None if insight is None else color_name(insight.to_play),
    }


def _player(game: PlayedGame, color: int) -> dict[str, Any]:
    is_human = color == game.setting.human
    return {
        "color": color_name(color),
        "name": "You" if is_human else game.setting.opponent,
        "captures": captures(game)[color],
        "is_to_play": game.outcome is None and not game.is_to_be_counted and game.to_play == color,
    }


def _label(game: PlayedGame, status: str) -> str:
    size, last = game.setting.board_size, game.last_vertex
    return f"Board of {size} lines after {len(game.moves)} moves{f', the last at {last}' if last else ''}. {status}."


def _area(game: PlayedGame) -> dict[str, int] | None:
    """Points of each colour, by its name; None where nothing was counted."""
    if game.outcome is None or not game.outcome.owner:
        return None
    return {color_name(color): game.outcome.owner.count(color) for color in (BLACK, WHITE)}


def _history(game: PlayedGame) -> list[tuple[int, float]]:
    """(ply, Black's win rate in 0..1) as the opponent saw it at each of its moves."""
    return [
        (ply, (1 + move.value_for_black) / 2)
        for ply, move in enumerate(game.moves, 1)
        if move.value_for_black is not None
    ]


async def versions(playground: Playground, game_id: str) -> AsyncIterator[str]:
    """The event stream of a game: its version at once and after each change, and a sign of life now and then.

    While somebody listens, the engine goes on; some time after the last one has left, it rests.
    """
    sessions, loop, changed = playground.sessions, asyncio.get_running_loop(), asyncio.Event()

    def listener() -> None:
        with contextlib.suppress(RuntimeError):  # the server is being closed
            loop.call_soon_threadsafe(changed.set)

    try:
        sessions.watch(game_id, listener)
        while not sessions.is_dismissed:
            changed.clear()
            yield f"data: {sessions.view(game_id).version}\n\n"
            await asyncio.sleep(LEAST_BETWEEN_SECONDS)
            while not changed.is_set():
                try:
                    await asyncio.wait_for(changed.wait(), STILL_HERE_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
    except NoGameError:
        yield "event: gone\ndata: 0\n\n"
    except PlayError:
        yield "event: crowded\ndata: 0\n\n"
    finally:
        sessions.leave(game_id, listener)
        with contextlib.suppress(RuntimeError):
            loop.call_later(REST_SECONDS, sessions.rest, game_id)
