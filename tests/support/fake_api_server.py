# SPDX-License-Identifier: Apache-2.0
"""As much of a Kubernetes API server as `cluster.api` uses, on loopback: objects by path, no controllers behind them.

Applying replaces an object but for its status. Refusals are on request: see `refuse`.
"""

import contextlib
import copy
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: fake, cluster: {server: "%s"}}]
users: [{name: fake, user: {token: secret}}]
contexts: [{name: fake, context: {cluster: fake, user: fake}}]
current-context: fake
"""


def write_kubeconfig(path: Path, url: str) -> None:
    """A kubeconfig whose only context is the server at this URL."""
    path.write_text(KUBECONFIG % url, encoding="utf-8")


class FakeApiServer:
    """The server. `objects` are by path; `writes` are the requests that changed something, in their order."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, str] = {}  # by pod
        self.writes: list[str] = []
        self.forbidden_resources: set[str] = set()  # what an access review denies
        self.lock = threading.Lock()
        self._refusals: list[tuple[str, str, int, str]] = []
        handler = type("BoundHandler", (Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator["FakeApiServer"]:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def refuse(self, method: str, path: str, status: int, message: str) -> None:
        """Answers every request of this method whose path matches with a status; with 200, the message is the reply."""
        self._refusals.append((method, path, status, message))

    def add_namespace(self, name: str) -> None:
        self.objects[f"/api/v1/namespaces/{name}"] = {"kind": "Namespace", "metadata": {"name": name}}

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        for verb, pattern, status, message in self._refusals:
            if verb == method and re.search(pattern, path):
                return status, message if status == 200 else {"kind": "Status", "message": message}
        if path.endswith("/selfsubjectaccessreviews"):
            denied = body["spec"]["resourceAttributes"]["resource"] in self.forbidden_resources
            return 201, {"status": {"allowed": not denied}}
        if path.endswith("/log"):
            pod = path.split("/")[-2]
            return (200, self.logs[pod]) if pod in self.logs else (404, {"message": f'pods "{pod}" not found'})
        with self.lock:
            return self._object(method, path, query, body)

    def _object(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        namespace = re.match(r"(/api/v1/namespaces/[^/]+)/|/apis/[^/]+/v1/namespaces/([^/]+)/", path)
        if namespace and method != "GET":
            place = namespace[1] if namespace[1] else f"/api/v1/namespaces/{namespace[2]}"
            if place not in self.objects:
                return 404, {"message": f'namespaces "{place.rpartition("/")[2]}" not found'}
        if method == "PATCH" and path.endswith("/scale"):
            return self._scale(path.removesuffix("/scale"), body)
        if method == "POST":
            name = f"{path}/{body['metadata']['name']}"
            if name in self.objects:
                return 409, {"message": f"{name} already exists"}
            return self._store(name, body)
        if method == "PATCH":
            after = {**{k: v for k, v in self.objects.get(path, {}).items() if k == "status"}, **body}
            return (200, after) if "dryRun" in query else self._store(path, after)
        if path in self.objects:
            if method == "DELETE":
                self.writes.append(f"DELETE {path}")
                return 200, self.objects.pop(path)
            return 200, self.objects[path]
        if method == "GET" and re.fullmatch(r"(/api/v1|/apis/[^/]+/v1)/namespaces/[^/]+/[^/]+", path):
            return 200, {"items": [found for found in self._below(path) if _has(found, query.get("labelSelector", ""))]}
        return 404, {"message": f"{path} not found"}

    def _below(self, path: str) -> list[dict[str, Any]]:
        return [found for name, found in sorted(self.objects.items()) if name.rpartition("/")[0] == path]

    def _store(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.objects[path] = copy.deepcopy(body)
        self.writes.append(f"PUT {path}")
        return 200, body

    def _scale(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path not in self.objects:
            return 404, {"message": f"{path} not found"}
        self.objects[path]["spec"]["replicas"] = body["spec"]["replicas"]
        self.writes.append(f"SCALE {path}")
        return 200, {}


def _has(found: dict[str, Any], selector: str) -> bool:
    """Whether an object has the labels of a selector: "a=b,c"."""
    labels = found["metadata"].get("labels", {})
    terms = [term.partition("=") for term in selector.split(",") if term]
    return all(name in labels and (not equals or labels[name] == value) for name, equals, value in terms)


class Handler(BaseHTTPRequestHandler):
    """Translates HTTP into calls of the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake: FakeApiServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def handle_any(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self.headers.get("Authorization") != "Bearer secret":
            status, answer = 401, {"message": "Unauthorized"}
        else:
            status, answer = self.fake.answer(self.command, url.path, query, json.loads(data) if data else None)
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815
