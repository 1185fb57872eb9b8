# SPDX-License-Identifier: Apache-2.0
"""Who may play: whoever knows the token, from pages of this dashboard alone, in requests of a sensible size.

Start at `Access`. Which hosts this server answers for is `ratings.server`'s concern.
"""

import hashlib
import hmac
from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

COOKIE: Final = "minigo_play"
LEAST_TOKEN: Final = 12  # characters
MAX_BODY: Final = 8192  # bytes; the largest form has a tenth of that
MAX_FIELDS: Final = 20
SAFE_METHODS: Final = ("GET", "HEAD")


class Access:
    """Whether a request may play.

    Args:
        token: what a player must know; None: nothing, as where only this machine is served.

    Raises:
        ValueError: the token is too short.
    """

    def __init__(self, token: str | None) -> None:
        if token is not None and len(token) < LEAST_TOKEN:
            raise ValueError(f"a token must have {LEAST_TOKEN} characters or more, got {len(token)}")
        self._token = token
        self.cookie = "" if token is None else hashlib.sha256(f"minigo play {token}".encode()).hexdigest()
        """What a browser keeps once its player has named the token."""

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return self._token is None or hmac.compare_digest(token.encode(), self._token.encode())

    def allows(self, request: Request) -> bool:
        """Whether a request comes from somebody who has named the token, in a cookie or as a bearer's."""
        if self._token is None:
            return True
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.knows(token.strip()):
            return True
        return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self.cookie.encode())

    def admit(self, response: Response) -> None:
        """Has a browser remember that its player has named the token."""
        response.set_cookie(COOKIE, self.cookie, httponly=True, samesite="strict", max_age=30 * 86400)


def check_origin(request: Request) -> None:
    """Refuses what another site's page has made a browser send (cross-site request forgery).

    Raises:
        HTTPException: 403; it comes from elsewhere.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    if site not in ("same-origin", "none") or (origin is not None and _place(origin) != host.lower()):
        raise HTTPException(403, "this must be sent from a page of this dashboard")


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


class SmallBodyRoute(APIRoute):
    """A route that refuses large bodies before it reads them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind a look at the length."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            if request.method not in SAFE_METHODS:
                length = request.headers.get("content-length", "0")
                if "transfer-encoding" in request.headers or not (length.isascii() and length.isdigit()):
                    raise HTTPException(411, "the request must say how long it is")
                if len(length) > 9 or int(length) > MAX_BODY:
                    raise HTTPException(413, f"a request must have {MAX_BODY} bytes or less")
            return await handle(request)

        return checked


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; of several of one name, the last.

    Raises:
        HTTPException: 400; it has too many.
    """
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace")
    except ValueError:
        raise HTTPException(400, f"a form must have {MAX_FIELDS} fields or less") from None
    return {name: values[-1] for name, values in fields.items()}
