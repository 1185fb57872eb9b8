# SPDX-License-Identifier: Apache-2.0
"""The network's own process, which engines start for themselves: `python -m minigo.commands.evaluating`.

Its arguments are the network's folder or a run, the config as JSON, and numbers of sockets. People have no use for it.
"""

import json
import logging
import signal
import sys


def main(arguments: list[str]) -> None:
    """Loads the network and evaluates for the process that started this one."""
    from minigo.commands.common import evaluator_loader
    from minigo.config import Config
    from minigo.inference.process import serve

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever has a person's attention
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    place, config, *descriptors = arguments
    load = evaluator_loader(Config.from_dict(json.loads(config)))
    serve(lambda: load(place), [int(number) for number in descriptors], logging.getLogger(__name__).info)


if __name__ == "__main__":
    main(sys.argv[1:])
