# SPDX-License-Identifier: Apache-2.0
"""`Loader`: what an engine needs and takes seconds to make, made while it answers its first questions."""

import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

LOAD_DELAY: Final = 0.3  # seconds; the first questions come first

Loaded = TypeVar("Loaded")


class Loader(Generic[Loaded]):
    """Makes something in a thread of its own, once, and not before the first questions had their time.

    Args:
        load: makes it.
        when_done: is called in that thread when it is there, or will never be.
    """

    def __init__(self, load: Callable[[], Loaded], when_done: Callable[[], None]) -> None:
        self._load = load
        self._when_done = when_done
        self._wanted = threading.Event()  # do not put loading off any longer
        self._cancelled = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="loader")
        self.loaded: Loaded | None = None
        self.error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        """Whether it is there, or an error."""
        return self.loaded is not None or self.error is not None

    def start(self, *, at_once: bool = False) -> None:
        """Begins to load, after a little delay. May be called again."""
        if self._thread.ident is None:
            self._thread.start()
        if at_once:
            self._wanted.set()

    def cancel(self) -> None:
        """Does not begin if it has not begun."""
        self._cancelled = True
        self._wanted.set()

    def _run(self) -> None:
        self._wanted.wait(LOAD_DELAY)
        if self._cancelled:
            return
        try:
            self.loaded = self._load()
        except BaseException as error:  # noqa: BLE001 (handed to the thread that holds the conversation)
            self.error = error
        self._when_done()
