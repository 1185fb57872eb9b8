# SPDX-License-Identifier: Apache-2.0
"""What scripts that look at a run's own games share."""

from minigo.data.shards import read_shard, shard_age
from minigo.go.record import GameRecord
from minigo.run import Run


def latest_games(run: Run, count: int) -> list[GameRecord]:
    """A run's last self-play games, in whole shards, the latest first: so many or some more, or all there are."""
    records: list[GameRecord] = []
    for path in sorted(run.shards(), key=shard_age, reverse=True):
        records += read_shard(run.read(path))[1]
        if len(records) >= count:
            break
    return records
