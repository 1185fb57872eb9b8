# SPDX-License-Identifier: Apache-2.0
"""Live progress of long work: a bar on a terminal, one line every ten seconds anywhere else; both on stderr."""

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from tqdm import tqdm

LINE_SECONDS: Final = 10.0
BAR_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class StatusDisplay:
    """Shows what `describe` says until the block ends, and hands the same to `publish`.

    Args:
        describe: (share of the work done, in 0..1; one line of text); called from another thread.
        publish: told the line every ten seconds, for those who watch from elsewhere.
    """

    def __init__(self, describe: Callable[[], tuple[float, str]], publish: Callable[[str], None]) -> None:
        self._describe = describe
        self._publish = publish
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name="status", daemon=True)
        self._bar: tqdm[None] | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=1000, bar_format="{percentage:3.0f} %|{bar:24}| {desc}", leave=False)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._bar is not None:
            self._bar.close()

    def _show(self) -> None:
        shown = 0.0
        while not self._ended.wait(LINE_SECONDS if self._bar is None else BAR_SECONDS):
            share, text = self._describe()
            if self._bar is not None:
                self._bar.n = round(1000 * share)
                self._bar.set_description_str(text)
            else:
                _log.info("%s", text)
            shown += LINE_SECONDS if self._bar is None else BAR_SECONDS
            if shown >= LINE_SECONDS:
                shown = 0.0
                try:
                    self._publish(text)
                except Exception as error:  # noqa: BLE001 (those who watch must not end the work; it meets the fault itself)
                    _log.warning("nobody can be told of the progress: %s", error)


def duration(seconds: float) -> str:
    """A span of time as people write it: "45 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
