# SPDX-License-Identifier: Apache-2.0
"""As much of Google Cloud Storage's JSON API as `GcsStorage` uses, on loopback, with faults on request.

What a protocol depends on is exact: preconditions are checked and committed under one lock, an upload is visible
only when it is whole, listings come in sorted pages, checksums are verified, a version is a generation. Buckets
exist when they are first written to; reading another one finds nothing, but for the one that is said to be missing.
"""

import base64
import bisect
import contextlib
import itertools
import json
import random
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import google_crc32c

PAGE_SIZE = 1000
SMALL = 10_000  # bytes of an object that is taken down whole
MISSING_BUCKET = "missing"
STORM = ("503", "429", "drop", "commit-drop")


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Acknowledged:
    """A write whose reply has been sent."""

    time: float
    name: str
    crc32c: str
    data: bytes  # of small objects only


@dataclass(frozen=True)
class StoredObject:
    name: str
    data: bytes
    generation: int

    @property
    def crc32c(self) -> str:
        return base64.b64encode(google_crc32c.Checksum(self.data).digest()).decode()

    def resource(self, bucket: str) -> dict[str, Any]:
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": self.name,
            "generation": str(self.generation),
            "metageneration": "1",
            "size": str(len(self.data)),
            "crc32c": self.crc32c,
            "etag": str(self.generation),
        }


class GcsEmulator:
    """The server. `faults` holds what happens to the next requests of a method: see `fail`.

    Args:
        host: the address to listen on.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.faults: list[tuple[str, str]] = []
        self.acknowledged: list[Acknowledged] = []  # in their order
        self.num_pages = 0
        self.num_faults = 0  # of storms
        self.lock = threading.Lock()
        self._objects: dict[tuple[str, str], StoredObject] = {}
        self._sorted: list[tuple[str, str]] = []  # their names, as of the last listing
        self._uploads: dict[str, tuple[str, dict[str, Any], str | None]] = {}
        self._numbers = itertools.count(1_700_000_000_000_000)
        self._storm = (0.0, random.Random(0), STORM)  # noqa: S311
        handler = type("BoundHandler", (Handler,), {"emulator": self})
        self._server = Server((host, 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator["GcsEmulator"]:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def fail(self, method: str, fault: str, times: int = 1) -> None:
        """Makes the next requests of an HTTP method for objects go wrong.

        Faults are "drop" (the connection closes, nothing happened), "commit-drop" (it happened, the reply is lost)
        and a status such as "503".
        """
        self.faults += [(method, fault)] * times

    @contextlib.contextmanager
    def storm(self, share: float, seed: int, faults: tuple[str, ...] = STORM) -> Iterator[None]:
        """While the block runs, this share of all requests for objects goes wrong, each in one of these ways."""
        with self.lock:
            self._storm = (share, random.Random(seed), faults)  # noqa: S311
        try:
            yield
        finally:
            self._storm = (0.0, *self._storm[1:])

    def take_fault(self, method: str) -> str | None:
        with self.lock:
            for fault in self.faults:
                if fault[0] == method:
                    self.faults.remove(fault)
                    return fault[1]
            share, chance, faults = self._storm
            if chance.random() >= share:
                return None
            self.num_faults += 1
            return chance.choice(faults)

    def get(self, bucket: str, name: str) -> StoredObject:
        with self.lock:
            found = self._objects.get((bucket, name))
        if found is None:
            raise ApiError(404, f"No such object: {bucket}/{name}")
        return found

    def put(self, bucket: str, meta: dict[str, Any], data: bytes, match: str | None) -> StoredObject:
        if bucket == MISSING_BUCKET:
            raise ApiError(404, "The specified bucket does not exist.")
        with self.lock:
            current = self._objects.get((bucket, meta["name"]))
            if match is not None and int(match) != (current.generation if current else 0):
                raise ApiError(412, "At least one of the pre-conditions you specified did not hold.")
            stored = StoredObject(meta["name"], data, next(self._numbers))
            if meta.get("crc32c", stored.crc32c) != stored.crc32c:
                raise ApiError(400, "Provided CRC32C does not match.")
            self._objects[bucket, meta["name"]] = stored
        return stored

    def note_acknowledged(self, resource: dict[str, Any]) -> None:
        """Takes down that whoever wrote an object knows that it is there; other replies are passed over."""
        if resource.get("kind") == "storage#object":
            bucket, name = resource["bucket"], resource["name"]
            with self.lock:
                stored = self._objects.get((bucket, name))
                data = stored.data if stored is not None and len(stored.data) < SMALL else b""
                self.acknowledged.append(Acknowledged(time.monotonic(), name, resource["crc32c"], data))

    def delete(self, bucket: str, name: str) -> None:
        self.get(bucket, name)
        with self.lock:
            self._objects.pop((bucket, name), None)
            self._sorted = []

    def page(self, bucket: str, prefix: str, after: str) -> dict[str, Any]:
        if bucket == MISSING_BUCKET:
            raise ApiError(404, "The specified bucket does not exist.")
        with self.lock:
            self.num_pages += 1
            if len(self._sorted) != len(self._objects):
                self._sorted = sorted(self._objects)
            start = bisect.bisect_left(self._sorted, (bucket, max(prefix, after)))
            found = self._sorted[start : start + PAGE_SIZE + 2]
        names = [name for place, name in found if place == bucket and name.startswith(prefix) and name > after]
        page = {"kind": "storage#objects", "items": [{"name": name} for name in names[:PAGE_SIZE]]}
        return {**page, "nextPageToken": names[PAGE_SIZE - 1]} if len(names) > PAGE_SIZE else page

    def begin_upload(self, bucket: str, meta: dict[str, Any], match: str | None) -> str:
        with self.lock:
            upload_id = str(next(self._numbers))
            self._uploads[upload_id] = (bucket, meta, match)
        return upload_id

    def end_upload(self, upload_id: str, data: bytes) -> StoredObject:
        bucket, meta, match = self._uploads[upload_id]
        return self.put(bucket, meta, data, match)


class Server(ThreadingHTTPServer):
    """Says nothing of clients that are killed in the middle of a request."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    """Translates HTTP into calls of the emulator."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    emulator: GcsEmulator

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_bucket = re.fullmatch(r"/storage/v1/b/[^/]+", urlsplit(self.path).path)
        if is_bucket:  # the client asks for it by itself, from a thread of its own
            self.reply(*json_reply({"kind": "storage#bucket", "location": "US", "projectNumber": "1"}))
            return
        fault = self.emulator.take_fault(self.command)
        if fault == "drop":
            self.close_connection = True
            return
        try:
            if fault is not None and fault.isdigit():
                raise ApiError(int(fault), "injected")
            status, headers, content = self.route(urlsplit(self.path), body)
        except ApiError as error:
            status, headers = error.status, {}
            content = json.dumps({"error": {"code": status, "message": str(error)}}).encode()
        if fault == "commit-drop":
            self.close_connection = True
            return
        self.reply(status, headers, content)
        if status == 200 and self.command in ("POST", "PUT"):
            self.emulator.note_acknowledged(json.loads(content) if content else {})

    def reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 (http.server calls these names)

    def route(self, url: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match = re.fullmatch(r"(/upload|/download)?/storage/v1/b/([^/]+)/o(?:/(.+))?", url.path)
        if match is None:
            raise ApiError(404, f"no route {self.command} {url.path}")
        door, bucket, name = match[1], match[2], unquote(match[3]) if match[3] else ""
        if door == "/upload":
            return self.upload(bucket, query, body)
        if self.command == "DELETE":
            self.emulator.delete(bucket, name)
            return 204, {}, b""
        if not name:
            page = self.emulator.page(bucket, query.get("prefix", ""), query.get("pageToken", ""))
            return json_reply(page)
        stored = self.emulator.get(bucket, name)
        if query.get("alt") == "media":
            return self.download(stored)
        return json_reply(stored.resource(bucket))

    def download(self, stored: StoredObject) -> tuple[int, dict[str, str], bytes]:
        headers = {"X-Goog-Hash": f"crc32c={stored.crc32c}", "X-Goog-Generation": str(stored.generation)}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            return 200, headers, stored.data
        size, start = len(stored.data), int(wanted[1])
        end = min(int(wanted[2]) + 1, size) if wanted[2] else size
        if start >= size:
            raise ApiError(416, "range")
        return 206, {"Content-Range": f"bytes {start}-{end - 1}/{size}"}, stored.data[start:end]

    def upload(self, bucket: str, query: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        match = query.get("ifGenerationMatch")
        if "upload_id" in query:
            return json_reply(self.emulator.end_upload(query["upload_id"], body).resource(bucket))
        if query["uploadType"] == "resumable":
            upload_id = self.emulator.begin_upload(bucket, json.loads(body), match)
            base = f"{self.emulator.url}/upload/storage/v1/b/{quote(bucket)}/o"
            return 200, {"Location": f"{base}?uploadType=resumable&upload_id={upload_id}"}, b""
        boundary = b"--" + self.headers["Content-Type"].split("boundary=")[1].strip('"').encode()
        _, head, rest = body.split(boundary, 2)
        meta = json.loads(head.split(b"\r\n\r\n", 1)[1])
        data = rest.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n" + boundary, 1)[0]
        return json_reply(self.emulator.put(bucket, meta, data, match).resource(bucket))


def json_reply(document: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()


def main() -> None:
    """Serves in a process of its own until its standard input ends: says its address, and answers each line.

    A line is a number: so many shards, empty ones, are put into gs://bucket/run.
    """
    with GcsEmulator().running() as emulator:
        print(emulator.url, flush=True)  # noqa: T201 (whoever started this reads it)
        for line in sys.stdin:
            for number in range(int(line)):
                name = f"run/games/2024{number // 500:06d}/000001-w{number % 50}-{number:06d}.parquet"
                emulator.put("bucket", {"name": name}, b"", None)
            print("there", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
