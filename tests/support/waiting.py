# SPDX-License-Identifier: Apache-2.0
"""Waiting for what another thread or process does."""

import os
import time
from collections.abc import Callable
from typing import Any


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Waits, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def slack() -> float:
    """How many times as long as on an idle machine a thing may take here: as many as would run on each core."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
