# SPDX-License-Identifier: Apache-2.0
"""The command that shows: `dashboard`, and the dashboard that `loop` serves while it works.

The loop's dashboard is a process of its own (`minigo.commands.showing`), so that it takes little time from self-play,
and whatever befalls it does not end the loop.
"""

import contextlib
import json
import logging
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from threading import Event
from typing import Any, Final

from absl.flags import DEFINE_integer, DEFINE_multi_string, DEFINE_string, FlagValues

from minigo.child import child_module
from minigo.commands.browser import define_play, playing
from minigo.commands.common import define_run
from minigo.config import Config
from minigo.flags import Command, UsageError, required, resolve_config
from minigo.stopping import starting

LOOPBACK: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8080
END_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


def _define_dashboard(values: FlagValues) -> None:
    define_run(values)
    DEFINE_string("host", LOOPBACK, "the address to serve on; 0.0.0.0: all of this machine's", flag_values=values)
    DEFINE_integer(
        "port",
        DEFAULT_PORT,
        "the port to serve on; 0: a free one",
        lower_bound=0,
        upper_bound=65535,
        flag_values=values,
    )
    DEFINE_multi_string(
        "allow_host",
        None,
        "a name under which browsers may ask, beside addresses, localhost and --host; may be repeated",
        flag_values=values,
    )
    DEFINE_string(
        "export", None, "serve nothing, and write the pages as a static site into this new folder", flag_values=values
    )
    define_play(values)


def _dashboard(values: FlagValues, stop: Event) -> int:
    url = required(values, "run")
    if values.export:
        from ratings.export import export_site

        pages = export_site(url, values.export)
        print(f"{values.export}: {pages} pages; open {os.path.join(values.export, 'index.html')}")
        return 0
    with starting():
        from ratings.serving import address_of, listening

    try:
        listener = listening(values.host, values.port)
    except OSError as error:
        raise UsageError(f"{error}; choose another with --port") from None
    names = [values.host, *(values.allow_host or ())]

    def tell() -> None:
        print(f"{url}: {address_of(listener)} (Ctrl-C ends it)", flush=True)

    config = resolve_config(values, _stored_config(url))
    serve(url, config, listener, names, values.host, values.play_token, stop, tell)
    return 0


def _stored_config(url: str) -> Config:
    """The config of a run; the defaults where that can not be read."""
    from minigo.run import Run, RunError

    try:
        return Run.open(url).config
    except RunError as error:
        _log.warning("%s", error)
        return Config()


def serve(
    url: str,
    config: Config,
    listener: socket.socket,
    names: list[str],
    host: str,
    token: str | None,
    stop: Event,
    tell: Any = lambda: None,
) -> None:
    """Serves the dashboard of a run, with playing where one may, until it is told to stop.

    Args:
        url: the run, which may not be there yet.
        config: how its networks play, and the machine's settings.
        listener: where to serve.
        names: under which this machine may be asked, beside its addresses.
        host: the address that is served on.
        token: what players must know; None: there is none.
        stop: ends it.
        tell: called once it serves.
    """
    with starting():
        from ratings.server import create_app
        from ratings.serving import served
        from ratings.watch import Watch

    with contextlib.ExitStack() as stack:
        watch = stack.enter_context(contextlib.closing(Watch(url)))
        watch.start()
        play = stack.enter_context(playing(lambda: watch.run, config, host=host, token=token))
        stack.enter_context(served(create_app(watch, hosts=names, play=play), listener))
        tell()
        stop.wait()
        if play is not None:
            play.end_streams()  # which else would keep the server from ending


@contextlib.contextmanager
def loop_dashboard(url: str, config: Config, port: int) -> Iterator[None]:
    """Serves a run's dashboard to this machine, in a process of its own, for as long as the block takes.

    Args:
        url: the run.
        config: how its networks play, and the machine's settings.
        port: where to serve it, or another one where that is taken; 0: no dashboard.
    """
    if not port:
        yield
        return
    from ratings.serving import address_of, listening

    try:
        listener = listening(LOOPBACK, port)
    except OSError as error:
        _log.info("%s; taking a free port", error)
        listener = listening(LOOPBACK, 0)
    with listener:
        arguments = [url, json.dumps(config.to_dict()), str(listener.fileno())]
        command = [*child_module("minigo.commands.showing"), *arguments]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], start_new_session=True)
        _log.info("dashboard: %s", address_of(listener))
    ended = Event()
    threading.Thread(target=_report_end, args=(child, ended), name="dashboard", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        _end(child)


def _report_end(child: "subprocess.Popen[bytes]", ended: Event) -> None:
    code = child.wait()
    if not ended.is_set():
        _log.warning("the dashboard has ended with code %d; the loop goes on", code)


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.stdin is not None:
        child.stdin.close()  # which is how it knows
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


DASHBOARD = Command(
    name="dashboard",
    summary="a web dashboard of a run: ratings, gate, networks, games, training; never writes to it",
    description="""Serves web pages about a run, which may grow meanwhile, to this machine's browsers: how strong
    its networks are, what the gate decides, losses, every game move by move, and games against its networks. They
    update themselves, and work without scripts, on a phone and in the dark. `minigo loop` serves the same while it
    works.

    Beyond this machine (--host) everybody who reaches the port can read; playing, which costs computation, then takes
    a token. With --export the pages are written as a static site.""",
    examples=(
        "minigo dashboard --run=runs/9x9",
        "minigo dashboard --run=gs://bucket/run --host=0.0.0.0 --port=80 --allow_host=go.example.org",
        "minigo dashboard --run=runs/9x9 --export=site",
    ),
    define=_define_dashboard,
    run=_dashboard,
    fields=("machine.backend", "machine.precision", "machine.threads", "search.c_puct"),
)
