# SPDX-License-Identifier: Apache-2.0
"""A run's shards, and their quarantine."""

import time

import pytest

from minigo.run import Run, RunError
from minigo.storage import NotFound, storage_at
from tests.run.conftest import other


def test_a_shard_is_named_by_hour_network_worker_and_sequence(run):
    name = Run.shard_name("000012", "w0-host", 3, "2024123123")

    assert name == "2024123123/000012-w0-host-000003"
    assert run.publish_shard(name, b"games") == f"games/{name}.parquet"
    assert run.read(f"games/{name}.parquet") == b"games"
    assert Run.shard_name("random", "w0", 0).startswith(time.strftime("%Y%m%d", time.gmtime()))


def test_held_out_shards_lie_apart(run):
    name = Run.shard_name("000001", "w0", 0, "2024123123")
    run.publish_shard(name, b"games", holdout=True)

    assert (run.shards(), run.shards(holdout=True)) == ([], [f"holdout/{name}.parquet"])


def test_publishing_the_same_shard_again_is_fine_and_another_one_is_not(run):
    name = Run.shard_name("000001", "w0", 0, "2024123123")
    run.publish_shard(name, b"games")
    run.publish_shard(name, b"games")

    with pytest.raises(RunError, match=f"games/{name}.parquet holds other games: two workers with one id"):
        run.publish_shard(name, b"other games")
    assert run.read(run.shards()[0]) == b"games"


def test_a_worker_goes_on_after_its_own_last_shard(run):
    assert run.next_sequence("w0") == 0
    run.publish_shard(Run.shard_name("000001", "w0", 0, "2024123122"), b"")
    run.publish_shard(Run.shard_name("000002", "w0", 1, "2024123123"), b"", holdout=True)
    run.publish_shard(Run.shard_name("000002", "w0-2", 7, "2024123123"), b"")
    run.publish_shard("2024123123/notes", b"")
    run.publish_shard("2024123123/000002-w0-notes", b"")

    assert [run.next_sequence(worker) for worker in ("w0", "w0-2", "2", "w1")] == [2, 8, 0, 0]


def test_names_that_would_leave_their_folder_are_refused(run):
    for name in ("../w0", "w/0", "", ".w0", "w 0", "w" * 101):
        with pytest.raises(RunError, match=r"a name must be letters, digits and ._-"):
            Run.shard_name("000001", name, 0)
        with pytest.raises(RunError, match=r"a name must be letters, digits and ._-"):
            run.telemetry.heartbeat(name, {})
    with pytest.raises(RunError, match="must have no dash"):
        Run.shard_name("0-1", "w0", 0)


def test_quarantine_copies_the_shard_and_keeps_the_first_reason(run):
    path = run.publish_shard(Run.shard_name("000001", "w0", 0, "2024123123"), b"torn")
    for reason in ("torn", "again"):
        other(run).quarantine(path, reason)

    assert run.quarantined() == {path: "torn"}
    assert run.read(f"quarantine/files/{path}") == run.read(path) == b"torn"


def test_a_quarantine_that_was_cut_off_is_completed(run):
    path = run.publish_shard(Run.shard_name("000001", "w0", 0, "2024123123"), b"torn")
    storage_at(run.url).create(f"quarantine/files/{path}", b"torn")

    assert run.quarantined() == {}
    run.quarantine(path, "torn")
    assert run.quarantined() == {path: "torn"}


def test_a_foreign_file_among_the_games_is_no_shard_and_harms_nothing(run):
    storage_at(run.url).create("games/2024010100/notes.json", b'{"a": 1}')

    assert run.shards() == []
    assert run.quarantined() == {}


def test_reading_what_is_not_there_names_it(run):
    with pytest.raises(NotFound, match=f"{run.url}/games/nothing does not exist"):
        run.read("games/nothing")
