# SPDX-License-Identifier: Apache-2.0
"""The dashboard as a web application: who may ask, what an answer says about itself, and which pages there are.

It only reads the run. What the pages show is made from the `Snapshot` that `ratings.watch` keeps. Start at
`create_app`.
"""

import asyncio
import functools
import gzip
import hashlib
import importlib.resources
import ipaddress
import logging
import re
from collections.abc import Collection
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minigo import __version__
from ratings.api import router as api_router
from ratings.live import Viewers
from ratings.live import router as live_router
from ratings.pages import SHARED, Site
from ratings.pages import router as pages_router
from ratings.rendering import Renderer
from ratings.watch import Watch

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
"""With every answer: scripts and styles come from this server's files alone, whatever a player's name says."""

ASSET_SECONDS: Final = 31_536_000  # assets may be kept for a year: their links change with their contents
ASSET_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PLOTLY: Final = "plotly.min.js"  # of the plotly package

_log = logging.getLogger(__name__)


def create_app(watch: Watch, *, hosts: Collection[str] = (), play: APIRouter | None = None) -> FastAPI:
    """The dashboard of a run.

    Args:
        watch: keeps what there is to show.
        hosts: names under which this machine may be asked, beside its addresses and "localhost".
        play: the pages on which one plays against the networks, below /play; None: there are none. They find
            `app.state.renderer` and `app.state.watch`, and extend `base.html`.
    """
    app = FastAPI(
        title="MiniGo dashboard", version=__version__, docs_url=None, redoc_url=None, openapi_url="/openapi.json"
    )
    app.state.watch = watch
    shared = {**SHARED, "current": watch.snapshot, "asset": asset_link, "can_play": play is not None}
    app.state.renderer = Renderer(shared)
    app.state.site = Site(watch, app.state.renderer)
    app.state.viewers = Viewers()
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=4)
    app.add_middleware(Heads)
    app.add_middleware(Guard, hosts=hosts)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(Exception, _failed)
    app.include_router(_assets)
    if play is not None:
        app.include_router(play)
    for router in (live_router, api_router, pages_router):
        app.include_router(router)
    return app


class Guard:
    """Refuses requests for other hosts (a page of another site that a browser was led here by), and adds the headers.

    Args:
        app: what answers.
        hosts: names that are this machine's.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts) | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                added = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in given]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        app = self._app if self.is_ours(host) else _MISDIRECTED
        await app(scope, receive, send_with_headers)

    def is_ours(self, host: str) -> bool:
        """Whether a Host header means this machine: an address, which no other site's name can stand for, or a name."""
        name = re.sub(r":\d{1,5}$", "", host).lower()
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True


_MISDIRECTED: Final = PlainTextResponse("this dashboard is asked for by its address, or as localhost\n", 421)


class Heads:
    """Answers HEAD as GET is answered, without the body.

    Args:
        app: what answers GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        has_begun = asyncio.Event()

        async def gone() -> Message:
            await has_begun.wait()  # an endless answer ends when nobody listens any more
            return {"type": "http.disconnect"}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                has_begun.set()

        asgi = {**scope.get("asgi", {}), "spec_version": "2.0"}  # by which a stream asks whether somebody listens
        await self._app({**scope, "method": "GET", "asgi": asgi}, gone, send_head)


def wants_json(request: Request) -> bool:
    """Whether an answer is for a program: below /api, or asked for so."""
    return request.url.path.startswith("/api") or "application/json" in request.headers.get("accept", "")


def _error(request: Request, status: int, reason: str) -> Response:
    if wants_json(request):
        return JSONResponse({"detail": reason}, status)
    renderer: Renderer = request.app.state.renderer
    return renderer.page("error.html", status=status, number=status, reason=reason)


async def _refused(request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    response = _error(request, status, str(detail))
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


async def _misunderstood(request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    reasons = (f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in faults)
    return _error(request, 422, "; ".join(reasons))


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("%s could not be shown", request.url.path, exc_info=error)
    return _error(request, 500, "this page could not be made; the log of the dashboard says why")


# Assets: files of this package, and plotly's script out of its package.

_assets = APIRouter(include_in_schema=False)


@functools.cache
def asset_data(name: str) -> bytes:
    """The contents of an asset.

    Raises:
        KeyError: there is none of this name.
    """
    folder = importlib.resources.files("ratings") / "static"
    if name == PLOTLY:
        return (importlib.resources.files("plotly") / "package_data" / PLOTLY).read_bytes()
    if name not in {entry.name for entry in folder.iterdir()}:
        raise KeyError(name)
    return (folder / name).read_bytes()


@functools.cache
def asset_link(name: str) -> str:
    """Where an asset is to be had; the link changes with its contents."""
    return f"/static/{name}?v={hashlib.sha256(asset_data(name)).hexdigest()[:12]}"


@_assets.get("/static/{name}")
def _asset(request: Request, name: str) -> Response:
    suffix = name[name.rfind(".") :]
    try:
        data = asset_data(name)
    except KeyError:
        raise HTTPException(404, f"there is no asset {name}") from None
    headers = {"cache-control": f"public, max-age={ASSET_SECONDS}, immutable", "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        data, headers["content-encoding"] = _packed(name), "gzip"
    return Response(data, media_type=ASSET_TYPES.get(suffix, "application/octet-stream"), headers=headers)


@functools.cache
def _packed(name: str) -> bytes:
    """An asset compressed, once: plotly's script is large."""
    return gzip.compress(asset_data(name), 6)
