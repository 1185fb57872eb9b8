# SPDX-License-Identifier: Apache-2.0
"""`Networks`: the processes in which networks compute, each shared by all games against it, and only a few at once.

A process is started when a game first needs it, ended when none has for a while, and given up when it does not answer.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from minigo.inference.evaluator import Evaluation, Evaluator, Leaves
from ratings.play.workers import Cancelled

POLL_SECONDS: Final = 0.05  # between two looks at whether somebody still waits for a network


class EngineError(Exception):
    """The engine can not think: its network did not load, broke down, or did not answer. The message says which."""


class NetworkProcess(Evaluator, Protocol):
    """A network that computes elsewhere, as `minigo.inference.process.ProcessEvaluator` does."""

    def wait_until_loaded(self) -> None:
        """Waits for the network, and learns what it is; raises what kept it from loading."""
        ...

    def close(self) -> None:
        """Ends it at once; whoever waits for an evaluation gets an error."""
        ...


StartNetwork = Callable[[str], NetworkProcess]
"""Starts the process of the network of this name, and returns at once."""


class LiveNetwork:
    """A network's process as an evaluator that knows how long it has been waited for.

    Args:
        name: of the network.
        start: starts it.
        now: tells the time in seconds; only differences matter.
    """

    backend = precision = ""  # known to the process, and of no interest here

    def __init__(self, name: str, start: StartNetwork, now: Callable[[], float]) -> None:
        self.name = name
        self.users = 0
        """Games that think with it at this moment; kept by `Networks`."""
        self.idle_since = now()
        """When it was last used; kept by `Networks`."""
        self._now = now
        self._start = start
        self._lock = threading.Lock()
        self._process: NetworkProcess | None = None
        self._failure: str | None = None
        self._calls: dict[int, float] = {}  # when the evaluations that are awaited were asked for
        self._loaded = threading.Event()
        self._loading_since = now()
        threading.Thread(target=self._load, daemon=True, name=f"loading {name}").start()

    @property
    def failure(self) -> str | None:
        """Why it can not be used any more; None: it can."""
        return self._failure

    def wait_until_loaded(self, cancelled: Cancelled) -> bool:
        """Waits until it can evaluate; False if that is wanted no more.

        Raises:
            EngineError: it could not be loaded, or has been ended.
        """
        while not self._loaded.wait(POLL_SECONDS):
            if cancelled():
                return False
        if self._failure is not None:
            raise EngineError(self._failure)
        return True

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluates every row over there.

        Raises:
            EngineError: it broke down, was ended, or did not answer.
        """
        process, caller = self._process, threading.get_ident()
        if process is None or self._failure is not None:
            raise EngineError(str(self._failure))
        self._calls[caller] = self._now()
        try:
            return process.evaluate(leaves)
        except Exception as error:
            self.end(str(error))
            raise EngineError(str(self._failure)) from error
        finally:
            del self._calls[caller]

    def awaited_seconds(self) -> tuple[float, float]:
        """For how long its loading, and the longest of its evaluations, have been awaited; 0: they are not."""
        now = self._now()
        loading = 0.0 if self._loaded.is_set() else now - self._loading_since
        return loading, max((now - since for since in list(self._calls.values())), default=0.0)

    def end(self, reason: str) -> None:
        """Ends the process; the first reason stays."""
        with self._lock:
            if self._failure is None:
                self._failure = reason
            process = self._process
        if process is not None:
            process.close()
        self._loaded.set()

    def _load(self) -> None:
        try:
            process = self._start(self.name)
            with self._lock:
                self._process = process
                is_unwanted = self._failure is not None
            if is_unwanted:
                process.close()
                return
            process.wait_until_loaded()
        except Exception as error:  # noqa: BLE001 (told to whoever waits)
            self.end(f"network {self.name} could not be loaded: {error}")
        self._loaded.set()


class Networks:
    """The live networks. Methods may be called from several threads at once.

    Args:
        start: starts a network's process.
        most: processes at the same time.
        idle_seconds: a process that no game has used for so long is ended.
        load_seconds: a network that has not loaded after so long is given up.
        answer_seconds: so is one that lets an evaluation wait for so long.
        now: tells the time in seconds; only differences matter.
    """

    def __init__(
        self,
        start: StartNetwork,
        *,
        most: int,
        idle_seconds: float,
        load_seconds: float,
        answer_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._most = most
        self._idle_seconds = idle_seconds
        self._load_seconds = load_seconds
        self._answer_seconds = answer_seconds
        self._now = now
        self._lock = threading.Lock()
        self._live: dict[str, LiveNetwork] = {}

    def borrow(self, name: str) -> LiveNetwork:
        """The network, which may still be loading; give it back when the game has stopped thinking.

        Raises:
            EngineError: as many others as there may be are thinking.
        """
        with self._lock:
            network = self._live.get(name)
            if network is None or network.failure is not None:
                self._make_room(name)
                network = self._live[name] = LiveNetwork(name, self._start, self._now)
            network.users += 1
            return network

    def give_back(self, network: LiveNetwork) -> None:
        """Says that a game that borrowed the network has stopped thinking."""
        with self._lock:
            network.users -= 1
            network.idle_since = self._now()

    def sweep(self) -> int:
        """Ends what is idle, hangs or has failed. Returns how many networks are alive afterwards."""
        now = self._now()
        with self._lock:
            networks = list(self._live.values())
        for network in networks:
            loading, answering = network.awaited_seconds()
            if loading > self._load_seconds:
                network.end(f"network {network.name} was not loaded after {self._load_seconds:g} s, and was given up")
            if answering > self._answer_seconds:
                network.end(f"network {network.name} did not answer for {self._answer_seconds:g} s, and was ended")
            with self._lock:
                if network.failure is None and not network.users and now - network.idle_since >= self._idle_seconds:
                    network.end("it was not in use")
                if network.failure is not None and self._live.get(network.name) is network:
                    del self._live[network.name]
        with self._lock:
            return len(self._live)

    def close(self) -> None:
        """Ends all of them."""
        with self._lock:
            for network in self._live.values():
                network.end("the dashboard was closed")
            self._live.clear()

    @property
    def names(self) -> list[str]:
        """Of the networks that are alive, or loading."""
        with self._lock:
            return list(self._live)

    def _make_room(self, name: str) -> None:
        """Ends the network that has been idle for longest, where there would be too many."""
        failed = [other for other, network in self._live.items() if network.failure is not None]
        for other in failed:
            del self._live[other]
        while len(self._live) >= self._most:
            idle = [network for network in self._live.values() if not network.users]
            if not idle:
                raise EngineError(f"network {name} has to wait: {len(self._live)} others are thinking")
            oldest = min(idle, key=lambda network: network.idle_since)
            oldest.end("another network was needed")
            del self._live[oldest.name]
