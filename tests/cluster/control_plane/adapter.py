# SPDX-License-Identifier: Apache-2.0
"""Stands between today's clients and an API server of 2021: translates what has changed since, and nothing else.

* CronJobs are at batch/v1; the server has them at batch/v1beta1.
* Applying an object with ports takes a protocol, which is TCP unless something else is said.
* Indexed Jobs: the server does not know the fields, so they travel as an annotation, and come back as fields.

Whoever asks is passed on: the server decides what they may. What the fields mean is left to the nodes: see `indexes`.
"""

import contextlib
import copy
import json
import re
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import urllib3
import yaml

from tests.cluster.control_plane.api import Object

ANNOTATION: Final = "test.minigo/newer-fields"
_NEWER: Final = ("completionMode", "backoffLimitPerIndex", "maxFailedIndexes", "podFailurePolicy")
_PASSED: Final = ("Accept", "Authorization", "Content-Type", "User-Agent")
_APPLY: Final = "application/apply-patch+yaml"
_MAX_INT: Final = 2**31 - 1


def to_server(item: Object) -> Object:
    """An object of today as the server knows it; what is neither a Job nor a CronJob stays as it is."""
    spec = _job_spec(item)
    if spec is None:
        return item
    item = copy.deepcopy(item)
    spec = _job_spec(item)
    assert spec is not None
    newer = {name: spec.pop(name) for name in _NEWER if name in spec}
    if newer:
        item["metadata"].setdefault("annotations", {})[ANNOTATION] = json.dumps(newer, sort_keys=True)
    if "backoffLimitPerIndex" in newer:
        spec.setdefault("backoffLimit", _MAX_INT)  # as today's server does
    if item.get("apiVersion") == "batch/v1" and item["kind"] == "CronJob":
        item["apiVersion"] = "batch/v1beta1"
    return item


def from_server(item: Object) -> Object:
    """The other way round; changes the object in place. Lists too."""
    if item.get("kind") in ("CronJobList", "JobList"):
        for found in item["items"]:
            from_server(found)
    if item.get("apiVersion") == "batch/v1beta1":
        item["apiVersion"] = "batch/v1"
    spec = _job_spec(item)
    annotations = item.get("metadata", {}).get("annotations", {})
    if spec is not None and ANNOTATION in annotations:
        spec.update(json.loads(annotations.pop(ANNOTATION)))
    return item


def path_at_server(path: str) -> str:
    """Where the server has what is at this path today."""
    return re.sub(r"^/apis/batch/v1/((?:namespaces/[^/?]+/)?cronjobs)", r"/apis/batch/v1beta1/\1", path)


def _name_protocols(part: Any) -> None:
    """Says TCP wherever ports do not say another protocol."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "ports" and isinstance(value, list):
                for port in value:
                    port.setdefault("protocol", "TCP")
            _name_protocols(value)
    elif isinstance(part, list):
        for value in part:
            _name_protocols(value)


def _job_spec(item: Object) -> Object | None:
    spec: Any = item.get("spec")
    if isinstance(spec, dict) and "jobTemplate" in spec:
        spec = spec["jobTemplate"].get("spec")
        return spec if isinstance(spec, dict) else None
    is_job = isinstance(spec, dict) and item.get("kind", "Job") == "Job" and "template" in spec
    return spec if is_job else None


class Adapter:
    """The server of today's API, over TLS.

    Args:
        url: of the API server.
        authority: its certificate authority.
        certificate: this server's own.
        key: of the certificate.
        host: address to listen on, once it is `running`.
    """

    def __init__(self, url: str, authority: Path, certificate: Path, key: Path, host: str) -> None:
        self.url = url
        self.pool = urllib3.PoolManager(
            16, ca_certs=str(authority), timeout=urllib3.Timeout(5.0, 60.0), retries=False, maxsize=16
        )
        handler = type("BoundHandler", (_Handler,), {"adapter": self})
        self._server = _Server((host, 0), handler)
        self._server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.tls.load_cert_chain(certificate, key)
        self.port = int(self._server.server_port)

    @contextlib.contextmanager
    def running(self) -> Iterator["Adapter"]:
        """Answers while the block runs."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Asks the server: status, content type and content. Raises urllib3's HTTPError."""
        there = path_at_server(path)
        if body and headers.get("Content-Type") == _APPLY:
            item = yaml.safe_load(body)
            _name_protocols(item)
            body = json.dumps(to_server(item)).encode()
        elif body and "/apis/batch/v1" in there and method != "DELETE":
            body = json.dumps(to_server(json.loads(body))).encode()
        reply = self.pool.request(method, self.url + there, body=body if body else None, headers=headers)
        content, kind = reply.data, reply.headers.get("Content-Type", "")
        if "/apis/batch/v1" in there and kind.startswith("application/json"):
            content = json.dumps(self._answer(there, headers, json.loads(content))).encode()
        return reply.status, kind, content

    def _answer(self, path: str, headers: dict[str, str], found: Object) -> Object:
        if path.partition("?")[0] == "/apis/batch/v1" and found.get("kind") == "APIResourceList":
            older = self.pool.request("GET", f"{self.url}/apis/batch/v1beta1", headers=headers).json()
            return {**found, "resources": found["resources"] + older.get("resources", [])}
        return from_server(found)


class _Server(ThreadingHTTPServer):
    tls: ssl.SSLContext
    daemon_threads = True

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread, so that a client which is slow to shake hands keeps nobody waiting.
        request.settimeout(60)
        with self.tls.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that are killed in the middle of a request."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    adapter: Adapter

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        pass

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: self.headers[name] for name in _PASSED if name in self.headers}
        headers |= {name: value for name, value in self.headers.items() if name.startswith("Impersonate-")}
        try:
            status, kind, content = self.adapter.forward(self.command, self.path, headers, body)
        except urllib3.exceptions.HTTPError:
            self.close_connection = True  # as if there were nobody, which there is not
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815
