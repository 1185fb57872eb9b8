# SPDX-License-Identifier: Apache-2.0
"""The dashboard's own process, which a loop starts for itself: `python -m minigo.commands.showing`.

Its arguments are the run, the config as JSON, and the number of a socket that listens. It ends when its standard input
does, and so with the loop, however that ends. People use `minigo dashboard`.
"""

import json
import logging
import os
import socket
import sys
import threading
from typing import Final

NICENESS: Final = 10  # it shall take no time from self-play


def main(arguments: list[str]) -> None:
    """Serves until the loop that started this process closes its pipe, or is no more."""
    from minigo.commands.dashboard import LOOPBACK, serve
    from minigo.config import Config

    os.nice(NICENESS)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="dashboard: %(message)s")
    url, config, descriptor = arguments
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.buffer.read()
        stop.set()

    threading.Thread(target=wait, name="parent", daemon=True).start()
    listener = socket.socket(fileno=int(descriptor))
    serve(url, Config.from_dict(json.loads(config)), listener, [LOOPBACK], LOOPBACK, None, stop)


if __name__ == "__main__":
    main(sys.argv[1:])
