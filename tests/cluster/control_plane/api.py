# SPDX-License-Identifier: Apache-2.0
"""The API server as a kubelet sees it: plain dictionaries by path."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

Object = dict[str, Any]
MERGE = "application/merge-patch+json"


class ApiError(Exception):
    """The server refused, or is out of reach; `status` is HTTP's, or 0."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """One API server.

    Args:
        url: where.
        authority: its certificate authority.
        token: who asks.
    """

    def __init__(self, url: str, authority: Path, token: str) -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._pool = urllib3.PoolManager(
            8, headers, ca_certs=str(authority), timeout=10.0, retries=False, maxsize=8, block=False
        )

    def get(self, path: str, **query: str) -> Object | None:
        """One object, or None where there is none."""
        try:
            return self.send("GET", path, query=query)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, **query: str) -> list[Object]:
        """The objects of a list."""
        found: list[Object] = self.send("GET", path, query=query)["items"]
        return found

    def is_ready(self) -> bool:
        """Whether the server says that it can work."""
        try:
            return bool(self._pool.request("GET", f"{self.url}/readyz").status == 200)
        except urllib3.exceptions.HTTPError:
            return False

    def send(
        self, method: str, path: str, body: Any = None, *, content: str = "application/json", query: Any = None
    ) -> Object:
        """Makes a request. Raises ApiError."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {**self._pool.headers, "Content-Type": content}
        asked = f"?{urlencode(query)}" if query else ""
        try:
            reply = self._pool.request(method, f"{self.url}{path}{asked}", body=data, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, str(error)) from None
        if not 200 <= reply.status <= 299:
            raise ApiError(reply.status, reply.data.decode(errors="replace")[:500])
        answer: Object = json.loads(reply.data)
        return answer
