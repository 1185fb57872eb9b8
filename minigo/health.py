# SPDX-License-Identifier: Apache-2.0
"""What a worker says of itself to whoever keeps it running: alive, ready, and its numbers, over HTTP.

/healthz fails when the worker has not got on for long, /readyz until it can work, /metrics is for Prometheus.
Start at `Health`; `serving` opens the port. The dashboard reads the run, not this.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from minigo import __version__

STALL_SECONDS: Final = 1800.0  # a worker that has not got on for so long is stuck
_PREFIX: Final = "minigo_"


class Health:
    """The health of one worker. Any thread may call it.

    Args:
        role: what it does, such as "selfplay".
        worker: its own name.
        numbers: counts and gauges by name, asked whenever somebody looks; those that end in `_total` only rise.
        stall_seconds: a worker that has not got on for so long counts as stuck.
    """

    def __init__(
        self,
        role: str,
        worker: str,
        numbers: Callable[[], Mapping[str, float]] = dict,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self.role = role
        self.worker = worker
        self._numbers = numbers
        self._stall_seconds = stall_seconds
        self._lock = threading.Lock()
        self._last_beat = time.time()
        self._is_ready = False
        self._doing = "starting"
        self._retries = 0

    def beat(self, doing: str = "") -> None:
        """Says that the worker got on with its work, which also means that it can work."""
        with self._lock:
            self._last_beat = time.time()
            self._is_ready = True
            self._doing = doing if doing else self._doing

    def wait(self, for_what: str) -> None:
        """Says that the worker waits for others before it can begin: it is alive, and no more ready than before."""
        with self._lock:
            self._last_beat = time.time()
            self._doing = for_what

    def count_retry(self) -> None:
        """Says that storage was out of reach and is tried again: no progress, but no reason to end the worker."""
        with self._lock:
            self._retries += 1
            self._last_beat = time.time()

    def is_alive(self) -> bool:
        """Whether the worker has got on lately."""
        return time.time() - self._last_beat < self._stall_seconds

    def is_ready(self) -> bool:
        """Whether the worker has begun to work."""
        return self._is_ready

    def describe(self) -> str:
        """One line for people."""
        with self._lock:
            return f"{self.role} {self.worker}: {self._doing}; got on {time.time() - self._last_beat:.0f} s ago\n"

    def metrics(self) -> str:
        """All numbers as Prometheus reads them (text format 0.0.4)."""
        own = {
            "ready": float(self._is_ready),
            "last_progress_timestamp_seconds": self._last_beat,
            "storage_retries_total": float(self._retries),
        }
        labels = f'{{role="{self.role}",worker="{self.worker}"}}'
        lines = [
            f"# TYPE {_PREFIX}info gauge",
            f'{_PREFIX}info{{role="{self.role}",worker="{self.worker}",version="{__version__}"}} 1',
        ]
        for name, value in {**own, **self._numbers()}.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# TYPE {_PREFIX}{name} {kind}", f"{_PREFIX}{name}{labels} {value!r}"]
        return "\n".join(lines) + "\n"


@contextlib.contextmanager
def serving(health: Health, port: int | None, host: str = "") -> Iterator[int | None]:
    """Answers on a port while the block runs; yields the port.

    Args:
        health: what is told.
        port: 0 takes a free one; None opens none.
        host: the address to listen on; by default all of this machine's, for a kubelet comes from outside.

    Raises:
        OSError: the port is taken.
    """
    if port is None:
        yield None
        return
    handler = type("BoundHandler", (_Handler,), {"health": health})
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on health port {port}: {error.strerror}") from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    health: Health

    def do_GET(self) -> None:
        """Answers one request."""
        health = self.health
        kind = "text/plain; charset=utf-8"
        if self.path == "/healthz":
            self._reply(200 if health.is_alive() else 503, kind, health.describe())
        elif self.path == "/readyz":
            self._reply(200 if health.is_ready() else 503, kind, health.describe())
        elif self.path == "/metrics":
            self._reply(200, "text/plain; version=0.0.4; charset=utf-8", health.metrics())
        else:
            self._reply(404, kind, "there are /healthz, /readyz and /metrics\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        """Nothing: probes come every few seconds."""

    def _reply(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)


def worker_name() -> str:
    """A name for this process that no other has, before or after: its pod or host, and when it started.

    A container that is started again is another worker; it has the pod's name and the same process number.
    """
    host = socket.gethostname().split(".")[0][:60]
    pod = os.environ.get("POD_UID", "").partition("-")[0]
    return "-".join(part for part in (host, pod if pod else str(os.getpid()), _base36(time.time_ns() // 10**6)) if part)


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return (_base36(number // 36) if number >= 36 else "") + digits[number % 36]
