# SPDX-License-Identifier: Apache-2.0
"""`Watch`: looks at a run from time to time and keeps what it saw as a `Snapshot`. It never writes to the run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Snapshot:
    """A run as it was seen at one moment.

    Attributes:
        url: where the run is.
        name: the last part of that, for titles.
        problems: what can not be shown, and why.
    """

    url: str
    name: str
    problems: tuple[str, ...] = ()


class Watch:
    """Watches a run.

    Args:
        url: the run.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def snapshot(self) -> Snapshot:
        """What was seen last."""
        return Snapshot(self.url, self.url.rstrip("/").rpartition("/")[2] or self.url)
