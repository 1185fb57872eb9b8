# SPDX-License-Identifier: Apache-2.0
"""Pages from the templates of this package. What comes from a run is hostile text, and is escaped everywhere.

Start at `Renderer`; `templates/base.html` says which blocks a page fills.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

import jinja2
from fastapi.responses import HTMLResponse

from minigo.status import duration

NOTHING: Final = "\N{EN DASH}"  # stands where there is no number
DAY_SECONDS: Final = 86_400.0
MINUS: Final = "\N{MINUS SIGN}"


class Renderer:
    """Renders the templates of this package.

    Args:
        shared: what every template can use beside what a page gives it; functions are called for each page.
    """

    def __init__(self, shared: Mapping[str, Any]) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("ratings"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(shared)
        self._environment.filters.update(number=number, signed=signed, percent=percent, ago=ago, span=duration)

    def page(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """The page that a template makes.

        Args:
            template: its name, like "overview.html".
            status: of the answer.
            context: what the template is about.
        """
        return HTMLResponse(self._environment.get_template(template).render(**context), status)


def number(value: float | None, digits: int = 0) -> str:
    """A count or measurement as people read it: "12,345", or a dash where there is none."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def signed(value: float | None, digits: int = 0) -> str:
    """A difference with its sign, or a dash where there is none."""
    return NOTHING if value is None else f"{value:+,.{digits}f}".replace("-", MINUS)


def percent(share: float | None, digits: int = 0) -> str:
    """A share as percent, or a dash where there is none."""
    return NOTHING if share is None else f"{100 * share:.{digits}f} %"


def ago(moment: float | None) -> str:
    """How long ago a time in seconds since 1970 was: "45 s ago", "3 min ago", "2 h 5 min ago", "3 days ago"."""
    if moment is None:
        return NOTHING
    seconds = max(0.0, time.time() - moment)
    if seconds >= 2 * DAY_SECONDS:
        return f"{seconds // DAY_SECONDS:.0f} days ago"
    return f"{duration(seconds) if not 60 <= seconds < 3600 else f'{seconds // 60:.0f} min'} ago"
