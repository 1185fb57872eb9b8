# SPDX-License-Identifier: Apache-2.0
"""Server-sent events: tells every open page when the run has changed, and which game is being played."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from ratings.game_views import live_game
from ratings.snapshot import Snapshot
from ratings.watch import Watch

MAX_VIEWERS: Final = 200
POLL_SECONDS: Final = 0.5
QUIET_SECONDS: Final = 15.0  # after which something is said, so that a lost connection is noticed
RETRY_MILLISECONDS: Final = 3000

router = APIRouter(tags=["live"])


class Viewers:
    """Counts who is listening."""

    def __init__(self) -> None:
        self.count = 0


@router.get("/events", response_class=StreamingResponse)
async def events(request: Request) -> StreamingResponse:
    """An event "seen" for each new version of what is known of the run: `version`, and `game` if one is played."""
    viewers: Viewers = request.app.state.viewers
    if viewers.count >= MAX_VIEWERS:
        raise HTTPException(503, f"{MAX_VIEWERS} pages are open already; this one does not update itself")
    return StreamingResponse(
        _stream(request.app.state.watch, viewers), media_type="text/event-stream", headers={"cache-control": "no-store"}
    )


async def _stream(watch: Watch, viewers: Viewers) -> AsyncIterator[str]:
    viewers.count += 1
    try:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        told, quiet = None, 0.0
        while not watch.is_closed:
            snapshot = watch.snapshot()
            if snapshot.version != told:
                told, quiet = snapshot.version, 0.0
                yield f"event: seen\ndata: {json.dumps(seen(snapshot), allow_nan=False)}\n\n"
            elif quiet >= QUIET_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(POLL_SECONDS)
            quiet += POLL_SECONDS
    finally:
        viewers.count -= 1


def seen(snapshot: Snapshot) -> dict[str, Any]:
    """What an event says."""
    told = (worker.game for worker in snapshot.active_workers(time.time()))
    game = next((live_game(game) for game in told if game is not None), None)
    if game is not None:
        del game["stones"]
    return {"version": snapshot.version, "game": game}
