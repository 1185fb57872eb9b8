# SPDX-License-Identifier: Apache-2.0
"""What the drills have shown: every outcome, a table of recovery times, and a JSON file."""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.control_plane.drills import Outcome


@dataclass
class Report:
    """The outcomes by failure, and what else was measured."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    faults: list[str] = field(default_factory=list)  # of failures that the system did not recover from
    facts: dict[str, Any] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each failure: how often, and seconds until the system worked again."""
        rows = []
        for name, outcomes in list(self.outcomes.items()):
            seconds = sorted(round(outcome.recovered - outcome.began, 1) for outcome in outcomes)
            notes = sorted({key for outcome in outcomes for key in outcome.notes})
            further = {
                key: [round(outcome.notes[key], 1) for outcome in outcomes if key in outcome.notes] for key in notes
            }
            rows.append(
                {
                    "failure": name,
                    "times": len(outcomes),
                    "median": round(statistics.median(seconds), 1),
                    "max": seconds[-1],
                    "seconds": seconds,
                    **further,
                }
            )
        return rows

    def table(self) -> str:
        """The rows for people."""
        lines = [f"{'failure':34} {'times':>5} {'median':>7} {'max':>6}   seconds until it worked again"]
        for row in self.rows():
            seconds = ", ".join(f"{value:.0f}" for value in row["seconds"])
            lines.append(f"{row['failure']:34} {row['times']:5d} {row['median']:6.1f}s {row['max']:5.1f}s   {seconds}")
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Writes everything as JSON."""
        path.write_text(
            json.dumps({"failures": self.rows(), "faults": self.faults, **self.facts}, indent=1) + "\n",
            encoding="utf-8",
        )

    def add_progress(self, progress: Mapping[str, Iterable[float]]) -> None:
        """Notes for each outcome when the next shard, commit and verdict came, whatever else had failed by then.

        Args:
            progress: when there was one, by what it is called.
        """
        for outcome in (outcome for outcomes in self.outcomes.values() for outcome in outcomes):
            for what, times in progress.items():
                after = [moment for moment in times if moment > outcome.began]
                if after:
                    outcome.notes[f"next {what}"] = min(after) - outcome.began
