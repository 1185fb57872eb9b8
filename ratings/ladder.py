# SPDX-License-Identifier: Apache-2.0
"""The ladder of a run: its networks rated from the matches that judged them, generation 0 being zero."""

from minigo.run import Run
from ratings.elo import Rating, Result, fit_ratings


def rate_networks(run: Run) -> dict[str, Rating]:
    """Rates every network that has met a champion, by name; empty before the first match."""
    verdicts = [verdict for verdict in run.verdicts().values() if verdict["champion"] is not None]
    results = [
        Result(
            verdict["candidate"],
            verdict["champion"],
            verdict["wins"] + verdict["draws"] / 2,
            verdict["games"] - verdict["failed"],
        )
        for verdict in verdicts
    ]
    if not results:
        return {}
    parents: dict[str, str | None] = {verdict["candidate"]: verdict["champion"] for verdict in verdicts}
    first = min(result.opponent for result in results)
    return fit_ratings(results, parents, anchor=first)
