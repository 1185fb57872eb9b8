# SPDX-License-Identifier: Apache-2.0
"""What the dashboard's commands share about playing in the browser: its flag, when it is on, and what plays.

The web process imports no framework: each network computes in a process of its own, as for `gtp` (docs/adr/0012).
"""

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from absl.flags import DEFINE_string, FlagValues

from minigo.commands.common import network_command
from minigo.config import Config
from minigo.flags import UsageError

if TYPE_CHECKING:
    from minigo.inference.process import ProcessEvaluator
    from minigo.run import Run
    from ratings.play.router import PlayRouter


def define_play(values: FlagValues) -> None:
    """Defines --play_token."""
    DEFINE_string(
        "play_token",
        None,
        "playing in the browser makes this machine compute: whoever names this token may, others may not; without it, "
        "one can play where the dashboard is served to this machine alone, and else not at all",
        flag_values=values,
    )


@contextmanager
def playing(
    find_run: "Callable[[], Run | None]", config: Config, *, host: str, token: str | None
) -> "Iterator[PlayRouter | None]":
    """The pages on which one plays, for as long as the dashboard is served; None where one may not.

    Args:
        find_run: gives the run whose networks play; None while there is none.
        config: how they search, and the machine's settings.
        host: the address that the dashboard is served on.
        token: what players must know.

    Raises:
        UsageError: the token is too short.
    """
    if token is None and not is_loopback(host):
        yield None
        return
    from minigo.run import RunError
    from ratings.play.limits import PlayLimits
    from ratings.play.router import play_router
    from ratings.play.sessions import PlaySessions

    def start(name: str) -> "ProcessEvaluator":
        from minigo.inference.process import ProcessEvaluator

        run = find_run()
        if run is None:
            raise RunError("the run is gone")
        return ProcessEvaluator(network_command(run.network_path(name), config), limits.threads)

    limits = PlayLimits()
    sessions = PlaySessions(start, config.search, limits)
    try:
        router = play_router(find_run, sessions, token=token)
    except ValueError as error:
        raise UsageError(f"--play_token: {error}") from None
    try:
        yield router
    finally:
        sessions.close()


def is_loopback(host: str) -> bool:
    """Whether an address is one that this machine alone reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
