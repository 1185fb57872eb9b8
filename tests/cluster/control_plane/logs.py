# SPDX-License-Identifier: Apache-2.0
"""What the API server asks a kubelet for when somebody wants a pod's log. One server answers for all nodes."""

import contextlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.cluster.control_plane.network import HOST


class LogServer:
    """Answers over TLS while it is `running`.

    Args:
        certificate: its own.
        key: of the certificate.
        find: the log of a pod, by its name; None if no node has it.
    """

    def __init__(self, certificate: Path, key: Path, find: Callable[[str], Path | None]) -> None:
        self._server = ThreadingHTTPServer((HOST, 0), type("BoundHandler", (_Handler,), {"find": staticmethod(find)}))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_port)

    @contextlib.contextmanager
    def running(self) -> Iterator["LogServer"]:
        """Answers while the block runs."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    find: Callable[[str], Path | None]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = re.fullmatch(r"/containerLogs/[^/]+/([^/]+)/[^/]+", url.path)
        path = self.find(asked[1]) if asked is not None else None
        if path is None or not path.exists():
            self.send_error(404)
            return
        count = int(parse_qs(url.query).get("tailLines", ["0"])[0])
        lines = path.read_bytes().splitlines(keepends=True)
        body = b"".join(lines[-count:] if count else lines)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
