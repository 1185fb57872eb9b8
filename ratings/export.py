# SPDX-License-Identifier: Apache-2.0
"""The dashboard as a static site: the same pages, as files whose links lead to each other.

It follows the links of the pages from the first one on. Of games, which are many, the newest are written, each with a
page for every move; a link to what is not written is no link any more. Start at `export_site`.
"""

import asyncio
import html
import logging
import posixpath
import re
from collections import Counter, deque
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from fastapi import FastAPI

from minigo.run import RunError
from ratings.server import create_app
from ratings.watch import Watch

MAX_SHARDS: Final = 60
MAX_GAMES: Final = 12  # of each kind
_LINK: Final = re.compile(r' (href|src|data-plotly)="(/[^"]*)"')
_EVENTS: Final = re.compile(r'<meta name="events"[^>]*>\n?')
_BASE: Final = re.compile(r' data-base="[^"]*"')
_SHARD: Final = re.compile(r"/(?:games|holdout)/[^/]+/[^/]+")
_SELFPLAY_GAME: Final = re.compile(r"(/(?:games|holdout)/[^/]+/[^/]+/\d+)(/game\.sgf)?")
_MATCH_GAME: Final = re.compile(r"(/matches/[^/]+/\d+)(/game\.sgf)?")
_LEFT_OUT: Final = re.compile(r"/(events|play)\b.*|.*/weights")

_log = logging.getLogger(__name__)


def export_site(url: str, folder: str) -> int:
    """Writes the pages of a run.

    Args:
        url: the run.
        folder: where to; made here.

    Returns:
        How many files were written.

    Raises:
        RunError: something is in the folder already.
    """
    root = Path(folder)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise RunError(f"{folder} must be a new or empty folder for the pages, and is not")
    watch = Watch(url)
    try:
        snapshot = watch.look(survey=True)
        while snapshot.notices:
            _log.info("%s", snapshot.notices[0])
            snapshot = watch.look(survey=True)
        return asyncio.run(_Site(create_app(watch), root).write())
    finally:
        watch.close()


class _Site:
    """A site while it is written."""

    def __init__(self, app: FastAPI, root: Path) -> None:
        self._app = app
        self._root = root
        self._files: dict[str, str | None] = {}  # address -> file, or None where it is left out
        self._todo: deque[str] = deque()
        self._taken: dict[str, set[str]] = {"shard": set(), "selfplay game": set(), "match game": set()}
        self._statuses: Counter[int] = Counter()

    async def write(self) -> int:
        """Writes everything that can be reached; how many files that are."""
        self._file_of("/")
        while self._todo:
            target = self._todo.popleft()
            status, kind, body = await _asked(self._app, target)
            self._statuses[status] += 1
            file = self._files[target]
            if file is None:
                continue
            if kind.startswith("text/html"):
                body = self._rewritten(body.decode(), file).encode()
            path = self._root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        return sum(self._statuses.values())

    def _rewritten(self, page: str, file: str) -> str:
        """The page with links that lead from its file to others."""

        def link(found: re.Match[str]) -> str:
            target = self._file_of(html.unescape(found[2]))
            if target is None:
                return ""
            relative = posixpath.relpath(target, posixpath.dirname(file) or ".")
            return f' {found[1]}="{html.escape(relative)}"'

        return _LINK.sub(link, _BASE.sub(' data-base=""', _EVENTS.sub("", page)))

    def _file_of(self, target: str) -> str | None:
        """The file of an address, which is written in its turn; None where it is left out."""
        if target not in self._files:
            self._files[target] = _file_name(target) if self._is_wanted(target) else None
            if self._files[target] is not None:
                self._todo.append(target)
        return self._files[target]

    def _is_wanted(self, target: str) -> bool:
        path = urlsplit(target).path
        if _LEFT_OUT.fullmatch(path) or "heat=0" in target:
            return False
        for kind, pattern, most in (
            ("shard", _SHARD, MAX_SHARDS),
            ("selfplay game", _SELFPLAY_GAME, MAX_GAMES),
            ("match game", _MATCH_GAME, MAX_GAMES),
        ):
            found = pattern.fullmatch(path)
            if found:
                name = found[1] if found.groups() else path
                taken = self._taken[kind]
                if name not in taken and len(taken) < most:
                    taken.add(name)
                return name in taken
        return True


def _file_name(target: str) -> str:
    """The file of an address: "/games?page=2" is "games-page-2.html"."""
    parts = urlsplit(target)
    path = unquote(parts.path).strip("/")
    if path.startswith("static/"):
        return path
    words = "".join(f"-{name}-{value}" for name, value in sorted(parse_qsl(parts.query)))
    name = (path if path else "index") + words
    if path in ("metrics", "api/status"):
        return f"{name}.{'txt' if path == 'metrics' else 'json'}"
    return name if re.search(r"\.(sgf|csv|json)$", path) else f"{name}.html"


async def _asked(app: FastAPI, target: str) -> tuple[int, str, bytes]:
    """What the application answers: status, kind and body."""
    parts = urlsplit(target)
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
    status, kind, body = 0, "", bytearray()
    requests = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (request := next(requests, None)) is None:
            await asyncio.Event().wait()  # we listen to the end: an answer that is streamed asks whether we do
        return request or {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, kind
        if message["type"] == "http.response.start":
            status = message["status"]
            kind = next((value.decode() for name, value in message["headers"] if name == b"content-type"), "")
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, send)
    return status, kind, bytes(body)
