# SPDX-License-Identifier: Apache-2.0
"""What must hold of a run after all failures, whatever was killed and when."""

import itertools
import re
from typing import Any, Final

from minigo.data.shards import read_shard
from minigo.run import Run
from tests.support.gcs_emulator import GcsEmulator
from tests.support.loops import check_run

_BUCKET: Final = "bucket"


def check_nothing_lost(run: Run, bucket: GcsEmulator) -> dict[str, Any]:
    """Asserts that no acknowledged game is missing, none counted twice, and no promotion was stale; returns counts.

    Args:
        run: the run, with nobody at work on it any more.
        bucket: where it is, with the log of what was acknowledged.
    """
    shards = check_run(run)  # readable, no game twice, no shard trained on twice, counts add up
    acknowledged = {
        write.name.removeprefix("run/"): write.crc32c
        for write in bucket.acknowledged
        if re.search(r"/(games|holdout)/|/matches/.*parquet$", f"/{write.name}")
    }
    for name, checksum in acknowledged.items():
        stored = bucket.get(_BUCKET, f"run/{name}")
        assert stored.crc32c == checksum, f"{name} is not what was acknowledged"
    missing = {name for name in acknowledged if name.startswith(("games/", "holdout/"))} - shards.keys()
    assert not missing, f"shards are missing that were acknowledged: {sorted(missing)}"
    history = check_history(run)
    state = run.training.state()
    return {
        "shards": len(shards),
        "shards acknowledged": sum(name.startswith(("games/", "holdout/")) for name in acknowledged),
        "games": sum(len(read_shard(data)[1]) for data in shards.values()),
        "games trained on": state.games_seen if state is not None else 0,
        "trainers that have started": state.epoch if state is not None else 0,
        "networks": len(run.networks()),
        "matches": len(run.matches.names()),
        "match games acknowledged": sum(name.startswith("matches/") for name in acknowledged),
        "promotions": len(history),
    }


def check_history(run: Run) -> list[dict[str, Any]]:
    """Asserts that each promotion followed from a verdict against the champion in force; returns the promotions."""
    history = run.history()
    assert [entry["number"] for entry in history] == list(range(1, len(history) + 1))
    for earlier, later in itertools.pairwise(history):
        assert later["previous"] == earlier["network"], (
            f"{later['network']} followed another than it was measured against"
        )
        assert later["verdict"]["champion"] == earlier["network"], "a verdict against a former champion promoted"
        assert later["verdict"]["promotes"]
    champion = run.champion()
    assert champion is not None
    assert champion.network == history[-1]["network"]
    return history
