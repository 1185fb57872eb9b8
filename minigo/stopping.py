# SPDX-License-Identifier: Apache-2.0
"""How SIGTERM and Ctrl-C reach a command: by an event that its work watches, and at once while it only starts.

A start watches nothing: importing a framework and compiling a network take from seconds to a minute, longer than a
reclaimed node waits, and nothing is lost by ending there. A network that is loaded later, beside games that go on, is
left behind by a program that ends. Start at `StopSignals`.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from types import FrameType
from typing import Final, NoReturn, TypeVar

STOPPED_EARLY: Final = 75  # exit code: nothing has been done, the same again may do it
WRITE_FAILED: Final = 1  # exit code: what was printed last has reached nobody
LOOK_SECONDS: Final = 0.1

_T = TypeVar("_T")


class StopSignals:
    """The handler of SIGTERM and Ctrl-C: each sets `stop`; a second Ctrl-C ends the process where it stands.

    Attributes:
        stop: what the work watches.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._is_told = False  # by SIGTERM
        self._starts = 0  # blocks of `starting` that are open

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Handles both signals while the block runs, in the main thread.

        The first process of a container needs this early, since a signal that it does not handle is lost to it.
        """
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """While the block runs, SIGTERM ends the process at once with `STOPPED_EARLY`, and so does one from before."""
        self._starts += 1
        self._end_a_start()
        try:
            yield
        finally:
            self._starts -= 1

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.stop.is_set():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
        self.stop.set()
        self._is_told = self._is_told or number == signal.SIGTERM
        self._end_a_start()
        # Not logging: its locks may be held by the very code that this handler interrupts.
        os.write(2, b"\nfinishing safely; Ctrl-C again to end at once\n")

    def _end_a_start(self) -> None:
        if self._is_told and self._starts:
            os.write(2, b"\nstopped while starting\n")
            os._exit(STOPPED_EARLY)


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Marks a block that only starts something: see `StopSignals.starting`.

    Beside the main thread it does nothing, because the main work may have begun; nor in a program that handles signals
    in another way.
    """
    owner = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(owner, StopSignals) and threading.current_thread() is threading.main_thread():
        with owner.starting():
            yield
    else:
        yield


def in_background(name: str, work: Callable[[], _T]) -> Future[_T]:
    """Starts work in a thread of its own that does not keep the program from ending."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised again by whoever asks for the result)
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def unless_stopped(name: str, work: Callable[[], _T], stop: threading.Event) -> _T | None:
    """What the work returns; None as soon as `stop` is set, while the work goes on and is left behind.

    Only for work whose end nobody needs. Raises what the work raises.
    """
    if stop.is_set():
        return None
    future = in_background(name, work)
    while not stop.is_set():
        if wait([future], LOOK_SECONDS).done:
            return future.result()
    return None


def end_process(code: int) -> NoReturn:
    """Ends this process with an exit code when its work is done, exit handlers included.

    Python's own end would go on to take apart all that a framework has made: seconds on a busy machine, for which a
    reclaimed node does not wait; and foreign code of a thread that was left behind may not survive it.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 (the only way to them)
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError as error:
            code = code if code else WRITE_FAILED
            with contextlib.suppress(OSError):
                os.write(2, f"minigo: {stream.name}: {error.strerror}\n".encode())
    os._exit(code)
