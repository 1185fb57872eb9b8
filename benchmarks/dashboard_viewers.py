# SPDX-License-Identifier: Apache-2.0
"""Live viewers of a dashboard, for `dashboard_speed.py`: each listens to events and fetches the first page at each.

    python benchmarks/dashboard_viewers.py http://127.0.0.1:8080/ --viewers=20 --seconds=60

Prints, as JSON, how many seconds each page took. It imports nothing heavy: it stands for browsers on other machines.
"""

import argparse
import http.client
import json
import threading
import time
from urllib.parse import urlsplit


def get(address: str, path: str) -> tuple[float, bytes]:
    """(seconds, body) of an answer.

    Raises:
        RuntimeError: the answer is no success.
    """
    began = time.perf_counter()
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path} must be answered with 200, got {answer.status}")
    return time.perf_counter() - began, body


def view(address: str, deadline: float, fetched: list[float]) -> None:
    """One viewer, until its time is over and something more is heard."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    while time.monotonic() < deadline:
        if answer.readline().startswith(b"event: seen"):
            fetched.append(get(address, "/")[0])
    connection.close()


def main() -> None:
    """Lets them view, and prints how long they waited."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    fetched: list[float] = []
    deadline = time.monotonic() + options.seconds
    arguments = (options.address, deadline, fetched)
    threads = [threading.Thread(target=view, args=arguments, daemon=True) for _ in range(options.viewers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(options.seconds + 20)
    print(json.dumps(fetched))


if __name__ == "__main__":
    main()
