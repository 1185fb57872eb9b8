# SPDX-License-Identifier: Apache-2.0
"""`ProcessEvaluator`: a network in a process of its own, behind the same verb as one in this process.

Importing a framework and compiling a network keep a Python process from doing anything else for up to seconds. An
engine that must answer at once keeps them out of its process. Start at `ProcessEvaluator`; `serve` is the other end,
and `LastingEvaluator` survives it.
Leaves and evaluations cross as plain arrays; nothing is pickled.
"""

import contextlib
import json
import logging
import os
import queue
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from minigo.inference.evaluator import Evaluation, Evaluator, Leaves

_REQUEST: Final = struct.Struct("<5I")  # rows, board size, planes, scalars, count
_REPLY: Final = struct.Struct("<?I")  # whether there is ownership; length of an error that comes instead
_HELLO: Final = struct.Struct("<I")  # length of a JSON object
_KILL_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class RemoteError(Exception):
    """The network's process could not load it, or broke down.

    Attributes:
        class_names: of what was raised there and its bases; what it means to the command line is looked up by them.
    """

    def __init__(self, message: str, class_names: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.class_names = list(class_names)


class BrokenProcessError(RemoteError):
    """The network's process is no more."""


class ProcessEvaluator:
    """A network in a process that has been started for it. Safe to call from several threads at once.

    Args:
        command: the command line; numbers of sockets are added to it, for `serve`.
        channels: how many callers can be evaluated for at the same time.
    """

    def __init__(self, command: Sequence[str], channels: int = 1) -> None:
        pairs = [socket.socketpair() for _ in range(1 + channels)]
        self._lifeline, *self._sockets = (ours for ours, _ in pairs)
        theirs = [their.fileno() for _, their in pairs]
        self._process = subprocess.Popen(
            [*command, *map(str, theirs)], stdin=subprocess.DEVNULL, stdout=2, pass_fds=theirs
        )
        for _, their in pairs:
            their.close()
        self._free: queue.LifoQueue[socket.socket] = queue.LifoQueue()
        for ours in self._sockets:
            self._free.put(ours)
        self._closed = False
        self.name = self.backend = self.precision = ""

    def wait_until_loaded(self) -> None:
        """Waits for the network, and learns what it is.

        Raises:
            RemoteError: it could not be loaded.
        """
        channel = self._sockets[0]
        (length,) = _HELLO.unpack(self._received(channel, _HELLO.size))
        hello = json.loads(bytes(self._received(channel, length)))
        if "error" in hello:
            raise RemoteError(hello["error"], hello["class_names"])
        self.name, self.backend, self.precision = (hello[key] for key in ("name", "backend", "precision"))

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates every row over there.

        Raises:
            RemoteError: it broke down, or was closed.
        """
        rows, size, _, planes = leaves.planes.shape
        channel = self._free.get()
        try:
            header = _REQUEST.pack(rows, size, planes, leaves.scalars.shape[1], leaves.count)
            arrays = (leaves.planes, leaves.scalars, leaves.keys)
            try:
                channel.sendall(b"".join([header, *(array.tobytes() for array in arrays)]))
            except OSError:
                raise self._death() from None
            has_ownership, error = _REPLY.unpack(self._received(channel, _REPLY.size))
            if error:
                raise RemoteError(bytes(self._received(channel, error)).decode())
            moves, points = size * size + 1, size * size if has_ownership else 0
            numbers = np.frombuffer(self._received(channel, 4 * rows * (moves + 2 + points)), np.float32)
        finally:
            self._free.put(channel)
        policy, value, score, ownership = np.split(numbers, np.cumsum([rows * moves, rows, rows]))
        return Evaluation(
            policy.reshape(rows, moves),
            value,
            score,
            ownership.reshape(rows, size, size) if has_ownership else None,
        )

    def cpu_seconds(self) -> float:
        """The processor time that the process has taken so far; 0 where the system does not tell."""
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return 0.0
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Ends the process at once; whoever waits for an evaluation gets a RemoteError. May be called again."""
        self._closed = True
        self._process.kill()
        for channel in (self._lifeline, *self._sockets):
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)

    def _received(self, channel: socket.socket, length: int) -> bytearray:
        data = bytearray(length)
        view, done = memoryview(data), 0
        while done < length:
            try:
                count = channel.recv_into(view[done:])
            except OSError:
                count = 0
            if not count:
                raise self._death()
            done += count
        return data

    def _death(self) -> BrokenProcessError:
        if self._closed:
            return BrokenProcessError("the network's process was ended")  # and nobody waits until it has gone
        try:
            status = self._process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return BrokenProcessError("the network's process closed its connection")
        return BrokenProcessError(f"the network's process ended with status {status}")


class LastingEvaluator:
    """A network in a process of its own, which is started again when it has broken down: once, so that no game is lost.

    Args:
        command: as for `ProcessEvaluator`.
        channels: as for `ProcessEvaluator`.
    """

    def __init__(self, command: Sequence[str], channels: int = 1) -> None:
        self._command, self._channels = command, channels
        self._current = ProcessEvaluator(command, channels)
        self._restarting = threading.Lock()
        self._was_restarted = self._closed = False
        self.name = self.backend = self.precision = ""

    def wait_until_loaded(self) -> None:
        """As `ProcessEvaluator.wait_until_loaded`."""
        self._current.wait_until_loaded()
        self.name, self.backend = self._current.name, self._current.backend
        self.precision = self._current.precision

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates every row over there. Raises RemoteError: the second process broke down, too, or was closed."""
        used = self._current
        try:
            return used.evaluate(leaves)
        except BrokenProcessError as error:
            self._restart(used, error)
            return self._current.evaluate(leaves)

    def cpu_seconds(self) -> float:
        """As `ProcessEvaluator.cpu_seconds`."""
        return self._current.cpu_seconds()

    def close(self) -> None:
        """As `ProcessEvaluator.close`."""
        self._closed = True
        self._current.close()

    def _restart(self, broken: ProcessEvaluator, error: BrokenProcessError) -> None:
        """Starts another process in place of this one, unless another caller has done so."""
        with self._restarting:
            if self._current is not broken:
                return
            if self._was_restarted or self._closed:
                raise error
            self._was_restarted = True
            _log.warning("%s; it is started again", error)
            broken.close()
            self._current = ProcessEvaluator(self._command, self._channels)
            if self._closed:  # meanwhile
                self._current.close()
            self._current.wait_until_loaded()


def serve(load: Callable[[], Evaluator], descriptors: Sequence[int], describe: Callable[[str], None]) -> None:
    """The other end: loads a network and evaluates until the connections are closed, then ends the process.

    Args:
        load: makes the evaluator. What it raises is told over there.
        descriptors: of the sockets: the lifeline, and one for each thread that evaluates.
        describe: logs one line.
    """
    lifeline, *channels = (socket.socket(fileno=descriptor) for descriptor in descriptors)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True, name="lifeline").start()
    try:
        evaluator = load()
    except BaseException as error:  # noqa: BLE001 (the boundary of the process)
        names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__]
        _hello(channels[0], {"error": str(error), "class_names": names})
        return
    describe(f"evaluating with {evaluator.name} ({evaluator.backend}, {evaluator.precision})")
    _hello(channels[0], {"name": evaluator.name, "backend": evaluator.backend, "precision": evaluator.precision})
    threads = [threading.Thread(target=_evaluate_for, args=(evaluator, channel), daemon=True) for channel in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _end_with(lifeline: socket.socket) -> None:
    """Ends this process when the other one has gone, whatever is being done here."""
    with contextlib.suppress(OSError):
        lifeline.recv(1)  # nothing is ever sent
    os._exit(1)


def _hello(channel: socket.socket, words: dict[str, Any]) -> None:
    data = json.dumps(words).encode()
    with contextlib.suppress(OSError):  # nobody is interested any more
        channel.sendall(_HELLO.pack(len(data)) + data)


def _evaluate_for(evaluator: Evaluator, channel: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while (leaves := _read_leaves(channel)) is not None:
            try:
                found = evaluator.evaluate(leaves)
            except Exception as error:  # noqa: BLE001 (told over there)
                text = f"{type(error).__name__}: {error}".encode()
                channel.sendall(_REPLY.pack(False, len(text)) + text)
                continue
            arrays: list[NDArray[np.float32] | None] = [found.policy, found.value, found.score_lead, found.ownership]
            parts = [np.ascontiguousarray(array, np.float32).tobytes() for array in arrays if array is not None]
            channel.sendall(b"".join([_REPLY.pack(found.ownership is not None, 0), *parts]))


def _read_leaves(channel: socket.socket) -> Leaves | None:
    """The next request; None when the connection has been closed."""
    header = _read(channel, _REQUEST.size)
    if header is None:
        return None
    rows, size, planes, scalars, count = _REQUEST.unpack(header)
    num_planes, num_scalars = rows * size * size * planes, rows * scalars
    data = _read(channel, num_planes + 4 * num_scalars + 8 * rows)
    if data is None:
        return None
    return Leaves(
        np.frombuffer(data, np.uint8, num_planes).reshape(rows, size, size, planes),
        np.frombuffer(data, np.float32, num_scalars, num_planes).reshape(rows, scalars),
        np.frombuffer(data, np.uint64, rows, num_planes + 4 * num_scalars),
        count,
    )


def _read(channel: socket.socket, length: int) -> bytearray | None:
    data = bytearray(length)
    view, done = memoryview(data), 0
    while done < length:
        count = channel.recv_into(view[done:])
        if not count:
            return None
        done += count
    return data
