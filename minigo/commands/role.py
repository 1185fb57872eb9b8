# SPDX-License-Identifier: Apache-2.0
"""What the roles of a run share as processes: their flags, their health, and waiting for what is not there yet."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from absl.flags import DEFINE_boolean, DEFINE_enum, DEFINE_integer, DEFINE_string, FlagValues

from minigo.commands.common import define_run, open_run, starting_loader
from minigo.flags import required

if TYPE_CHECKING:
    from minigo.health import Health
    from minigo.heartbeats import Heartbeats
    from minigo.inference.evaluator import Evaluator
    from minigo.run import Run

WAIT_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


def define_role(values: FlagValues, worker: str = "") -> None:
    """Defines --run and what every role takes.

    Args:
        values: where.
        worker: the default of --worker; by default a name that no other process has.
    """
    from minigo.health import worker_name
    from minigo.logs import FORMATS

    define_run(values)
    name = worker if worker else worker_name()
    DEFINE_string("worker", name, "this worker's own name; no two running workers share one", flag_values=values)
    DEFINE_integer(
        "health_port",
        None,
        "answer /healthz, /readyz and Prometheus' /metrics on this port; default: on none",
        lower_bound=0,
        upper_bound=65535,
        flag_values=values,
    )
    DEFINE_enum("log_format", "text", FORMATS, "how log lines look on stderr", flag_values=values)
    DEFINE_boolean("wait", False, "wait for a run that is not there yet rather than fail", flag_values=values)


@dataclass
class Role:
    """One role at work on a run."""

    run: "Run"
    health: "Health"

    @property
    def worker(self) -> str:
        """The worker's own name."""
        return self.health.worker

    def heartbeats(self, details: Callable[[], Mapping[str, Any]] = dict) -> "Heartbeats":
        """What says to the run what the worker does, and at the end of its block that it has stopped.

        Args:
            details: what is said besides.
        """
        from minigo.heartbeats import Heartbeats

        return Heartbeats(self.run, self.worker, self.health.role, details, self.health.beat)


@contextlib.contextmanager
def role(
    name: str,
    values: FlagValues,
    stop: threading.Event,
    *,
    create: bool,
    numbers: Callable[[], Mapping[str, float]] = dict,
) -> Iterator[Role | None]:
    """A role's run, opened as its flags ask, with its health on the port that they ask for.

    The run is patient: a bucket that is out of reach is waited for until `stop` is set.

    Args:
        name: what it does.
        values: the command's flags; see `define_role`.
        stop: ends the waiting.
        create: whether a run that is not there is made.
        numbers: the role's own numbers, for /metrics.

    Yields:
        The role; None if it was stopped while it waited for its run.
    """
    from minigo.health import Health, serving
    from minigo.patience import patiently

    health = Health(name, required(values, "worker"), numbers)
    with serving(health, values.health_port):

        def opened() -> "Run":
            return patiently(lambda: open_run(values, create=create), stop, on_retry=health.count_retry)

        run = wait_for(opened, stop, health) if values.wait and not create else opened()
        if run is not None:
            run.be_patient(stop, health.count_retry)
        yield Role(run, health) if run is not None else None


def wait_for(look: Callable[[], _T | None], stop: threading.Event, health: "Health") -> _T | None:
    """What `look` finds, asked again and again while it finds None or no run; None if stopped before."""
    from minigo.run import NoRunError

    said = ""
    while not stop.is_set():
        reason = "it is not there yet"
        try:
            found = look()
            if found is not None:
                return found
        except NoRunError as error:
            reason = str(error)
        if reason != said:
            _log.info("waiting: %s", reason)
            said = reason
        health.wait(f"waiting: {reason}")
        stop.wait(WAIT_SECONDS)
    return None


def patient_loader(load: "Callable[[str], Evaluator]", stop: threading.Event) -> "Callable[[str], Evaluator]":
    """Loads networks, and waits for a bucket that is out of reach."""
    from minigo.patience import patiently

    return starting_loader(lambda url: patiently(lambda: load(url), stop))
