# SPDX-License-Identifier: Apache-2.0
"""Serves a web application from a socket until it is told to stop."""

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

SHUTDOWN_SECONDS = 1  # what is left to requests that are under way; pages that are live never end by themselves

_log = logging.getLogger(__name__)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on an address.

    Args:
        host: a name or address of this machine.
        port: 0 for a free one.

    Raises:
        OSError: the port is taken, or the address is not this machine's. The message names both.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise OSError(f"port {port} of {host} can not be listened on: {error.strerror}") from None
    return listener


def address_of(listener: socket.socket) -> str:
    """The address of what a socket serves, as one types it into a browser."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}/"


@contextlib.contextmanager
def served(app: FastAPI, listener: socket.socket) -> Iterator[None]:
    """Serves the application, in a thread of its own, until the block ends."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=SHUTDOWN_SECONDS, server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run([listener]), name="dashboard", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(SHUTDOWN_SECONDS + 5)
        listener.close()
