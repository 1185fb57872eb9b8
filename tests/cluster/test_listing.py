# SPDX-License-Identifier: Apache-2.0
"""How a run finds its new shards in a bucket that has a great many."""

import time
from collections.abc import Iterator

import pytest

from minigo.config import Config
from minigo.run import Run, directory
from tests.support.gcs_emulator import PAGE_SIZE, GcsEmulator
from tests.support.waiting import slack

SHARDS = 100_000


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsEmulator]:
    with GcsEmulator().running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


def put(emulator: GcsEmulator, hour: str, worker: str, sequence: int) -> str:
    path = f"games/{hour}/000001-{worker}-{sequence:06d}.parquet"
    emulator.put("bucket", {"name": f"run/{path}"}, b"", None)
    return path


def test_only_the_latest_hours_are_listed_between_audits(emulator):
    run = Run.create("gs://bucket/run", Config())
    old = put(emulator, "2024010100", "w", 0)
    assert run.shards() == [old]
    late = put(emulator, "2024010100", "w", 1)
    new = run.publish_shard(run.shard_name("000001", "w", 2), b"games")

    assert run.shards() == [old, new]
    assert Run.open(run.url).shards() == [old, late, new]


def test_an_audit_finds_what_was_published_late(emulator, monkeypatch):
    run = Run.create("gs://bucket/run", Config())
    assert run.shards() == []
    late = put(emulator, "2024010100", "w", 0)
    monkeypatch.setattr(directory, "AUDIT_SECONDS", 0.0)

    assert run.shards() == [late]


def test_looking_for_new_shards_stays_quick_at_a_hundred_thousand(emulator):
    run = Run.create("gs://bucket/run", Config())
    for number in range(SHARDS):
        put(emulator, f"2024{number // 500:06d}", f"w{number % 50}", number)
    audited = run.shards()
    assert len(audited) == SHARDS
    assert emulator.num_pages >= SHARDS // PAGE_SIZE
    new = run.publish_shard(run.shard_name("000001", "w", 0), b"games")
    emulator.num_pages = 0
    began = time.perf_counter()
    found = run.shards()
    seconds = time.perf_counter() - began

    assert set(found) - set(audited) == {new}
    assert emulator.num_pages == directory.LATEST_HOURS
    assert seconds < slack()
