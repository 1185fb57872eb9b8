# SPDX-License-Identifier: Apache-2.0
"""A run's directory, local or gs://: the one place where self-play, training and evaluation meet.

This package alone knows the paths inside a run. Files are written once; only `state/champion.json` and
`state/trainer.json` change, by compare-and-swap. docs/formats.md describes every file. Start at `Run`.
"""

from minigo.documents import CorruptError, NoRunError, RunError, StaleError
from minigo.run.directory import (
    CHAMPION_STATE,
    COPYING,
    CURRICULUM,
    HISTORY,
    NETWORK_MARKER,
    RUN_DOCUMENT,
    Champion,
    Run,
    is_network,
    is_passing,
    is_run,
    read_network,
    shard_stem,
)
from minigo.run.matches import Matches
from minigo.run.training import CHECKPOINTS, TRAINER_STATE, TrainerState

__all__ = [
    "CHAMPION_STATE",
    "CHECKPOINTS",
    "COPYING",
    "CURRICULUM",
    "HISTORY",
    "NETWORK_MARKER",
    "RUN_DOCUMENT",
    "TRAINER_STATE",
    "Champion",
    "CorruptError",
    "Matches",
    "NoRunError",
    "Run",
    "RunError",
    "StaleError",
    "TrainerState",
    "is_network",
    "is_passing",
    "is_run",
    "read_network",
    "shard_stem",
]
