# SPDX-License-Identifier: Apache-2.0
"""What `Storage` promises, on a folder and on an emulated bucket, and what a folder survives."""

import hashlib
import os
import resource
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from minigo.storage import (
    STALE_SECONDS,
    AlreadyExists,
    Conflict,
    GcsStorage,
    LocalStorage,
    NotFound,
    StorageError,
    storage_at,
)


@pytest.fixture
def local(tmp_path):
    return LocalStorage(tmp_path / "store")


@pytest.fixture(params=["local", "gcs"])
def storage(request):
    return request.getfixturevalue(request.param)


def files_below(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def test_what_is_created_is_read_back(storage):
    version = storage.create("a/b/c", b"data")

    assert storage.read("a/b/c") == (b"data", version)


@pytest.mark.parametrize("size", [0, 1, 10_000_000])
def test_objects_of_every_size_survive(storage, size):
    data = os.urandom(size)
    storage.create("object", data)

    assert storage.read("object")[0] == data
    with storage.open("object") as stream:
        assert stream.read() == data


def test_a_stream_can_be_read_in_parts(storage):
    storage.create("object", bytes(range(100)))

    with storage.open("object") as stream:
        stream.seek(50)
        assert stream.read(3) == bytes([50, 51, 52])


def test_an_object_is_not_created_over_another(storage):
    storage.create("object", b"first")

    with pytest.raises(AlreadyExists, match="object exists with other content"):
        storage.create("object", b"second")
    assert storage.read("object")[0] == b"first"


def test_creating_the_same_bytes_again_succeeds(storage):
    version = storage.create("object", b"data")

    assert storage.create("object", b"data") == version


def test_swap_replaces_the_expected_version(storage):
    first = storage.create("state", b"1")
    second = storage.swap("state", b"2", expected=first)

    assert storage.read("state") == (b"2", second)
    assert first != second


def test_swap_from_an_old_version_is_a_conflict(storage):
    first = storage.create("state", b"1")
    storage.swap("state", b"2", expected=first)

    with pytest.raises(Conflict, match="state has moved on from version"):
        storage.swap("state", b"3", expected=first)
    assert storage.read("state")[0] == b"2"


def test_swap_of_a_deleted_object_is_a_conflict(storage):
    version = storage.create("state", b"1")
    storage.delete("state")

    with pytest.raises(Conflict):
        storage.swap("state", b"2", expected=version)
    assert list(storage.list("")) == []


def test_repeating_a_swap_whose_reply_was_lost_succeeds(storage):
    first = storage.create("state", b"1")
    second = storage.swap("state", b"2", expected=first)

    assert storage.swap("state", b"2", expected=first) == second


def test_what_is_missing_is_not_found_by_its_full_name(storage):
    storage.create("file", b"")
    for path in ("nothing", "no/thing", "file/below"):
        with pytest.raises(NotFound, match=f"{storage.url}/{path} does not exist"):
            storage.read(path)
        with pytest.raises(NotFound, match=f"{storage.url}/{path} does not exist"):
            storage.open(path)


def test_listing_is_by_string_prefix_and_sorted_as_strings(storage):
    names = ["a/1", "a-b/1", "a/b/2", "a.txt", "b", "a/10", "ab"]
    for name in names:
        storage.create(name, b"")

    assert list(storage.list("")) == sorted(names)
    assert list(storage.list("a")) == ["a-b/1", "a.txt", "a/1", "a/10", "a/b/2", "ab"]
    assert list(storage.list("a/")) == ["a/1", "a/10", "a/b/2"]
    assert list(storage.list("a/1")) == ["a/1", "a/10"]
    assert list(storage.list("nothing/")) == []


def test_deleting_is_final_and_may_be_repeated(storage):
    storage.create("a/b", b"")
    storage.delete("a/b")
    storage.delete("a/b")

    assert list(storage.list("")) == []
    storage.create("a/b", b"again")


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/../b", ".tmp/a", "a/.hidden"])
def test_paths_that_are_empty_hidden_or_lead_outside_are_refused(storage, path):
    for action in (storage.read, storage.open, storage.delete, lambda path: storage.create(path, b"")):
        with pytest.raises(ValueError, match="must have no empty or hidden part"):
            action(path)


def test_of_many_writers_of_one_name_exactly_one_wins(storage):
    start = threading.Barrier(8)

    def write(number):
        start.wait()
        try:
            storage.create("object", str(number).encode())
        except AlreadyExists:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        (winner,) = [number for number in pool.map(write, range(8)) if number is not None]
    assert storage.read("object")[0] == str(winner).encode()


def test_no_update_by_swap_is_lost(storage):
    storage.create("counter", b"0")

    def count(thread):
        done = 0
        while done < 10:
            data, version = storage.read("counter")
            changed = f"{int(data.split()[0]) + 1} by {thread}"  # unique, or two writers of the same both win
            try:
                storage.swap("counter", changed.encode(), expected=version)
            except Conflict:
                continue
            done += 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    assert storage.read("counter")[0].startswith(b"40 by ")


# A folder.


def test_a_folder_is_made_at_the_first_write_alone(tmp_path):
    storage = LocalStorage(tmp_path / "runs" / "a")
    assert list(storage.list("")) == []
    with pytest.raises(NotFound):
        storage.read("object")

    assert list(tmp_path.iterdir()) == []
    storage.create("object", b"")
    assert (tmp_path / "runs" / "a" / "object").exists()


def test_temporary_files_are_not_listed_and_swept_when_stale(local):
    local.create("object", b"")
    left, fresh = local.root / ".tmp" / "left", local.root / ".tmp" / "fresh"
    for file in (left, fresh):
        file.write_bytes(b"torn")
    os.utime(left, (0, time.time() - STALE_SECONDS - 60))

    assert list(local.list("")) == ["object"]
    local.create("other", b"")
    assert (left.exists(), fresh.exists()) == (False, True)


def test_writing_leaves_no_temporary_files(local):
    version = local.create("object", b"1")
    local.create("object", b"1")
    local.swap("object", b"2", expected=version)
    for action in (lambda: local.create("object", b"3"), lambda: local.swap("object", b"3", expected=version)):
        with pytest.raises(StorageError):
            action()

    assert [path.name for path in files_below(local.root)] == ["object"]


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(local):
    local.create("object", b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # stands for a disk with no more space
    try:
        with pytest.raises(StorageError, match=f"cannot write {local.url}/big: File too large"):
            local.create("big", bytes(2_000_000))
        with pytest.raises(StorageError, match=f"cannot write {local.url}/object: File too large"):
            local.swap("object", bytes(2_000_000), expected=local.read("object")[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert [path.name for path in files_below(local.root)] == ["object"]
    assert local.read("object")[0] == b"before"


def test_no_permission_is_one_clear_error(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    root = Path("/sys") if os.geteuid() == 0 else folder  # no mode bits stop root, but sysfs does

    with pytest.raises(StorageError, match=rf"cannot write {root}/run/object: \S+"):
        LocalStorage(root / "run").create("object", b"")
    assert not (root / "run").exists()


def test_a_file_in_the_way_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match=f"cannot write {tmp_path}/file/object: Not a directory"):
        LocalStorage(tmp_path / "file").create("object", b"")


def test_a_folder_is_no_object(local):
    local.create("a/b", b"")

    with pytest.raises(StorageError, match=f"cannot read {local.url}/a: Is a directory"):
        local.read("a")


WRITER = """
import hashlib, sys
from minigo.storage import LocalStorage
storage = LocalStorage(sys.argv[1])
number = len(list(storage.list("objects/")))
version = storage.read("state")[1]
while True:
    body = hashlib.sha256(str(number).encode()).digest() * 20_000
    storage.create(f"objects/{number:06d}", body)
    version = storage.swap("state", f"{number:06d}".encode() + body, expected=version)
    print(number, flush=True)
    number += 1
"""


def kill_writers(root, times):
    """Kills a writer at a moment after its start; returns the last number that one of them acknowledged."""
    acknowledged = -1
    for kill in range(times):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE) as writer:
            first = writer.stdout.readline()
            time.sleep(0.0007 * (kill % 29))
            writer.kill()
            lines = [first, *writer.stdout.read().splitlines()]
        acknowledged = int(lines[-1])
    return acknowledged


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_a_writer_killed_at_any_moment_leaves_only_whole_objects(local, kills):
    local.create("state", b"")
    last = kill_writers(local.root, kills)

    names = list(local.list("objects/"))
    assert len(names) > last
    for number, name in enumerate(names):
        body = hashlib.sha256(str(number).encode()).digest() * 20_000
        assert (name, local.read(name)[0]) == (f"objects/{number:06d}", body)
    state = local.read("state")[0]
    assert last <= int(state[:6]) < len(names)
    assert state[6:] == hashlib.sha256(str(int(state[:6])).encode()).digest() * 20_000


# URLs.


@pytest.mark.usefixtures("gcs")
def test_a_url_chooses_the_storage(tmp_path):
    assert isinstance(storage_at(str(tmp_path)), LocalStorage)
    bucket = storage_at("gs://bucket/a/b/")

    assert isinstance(bucket, GcsStorage)
    assert bucket.url == "gs://bucket/a/b"
    assert storage_at("gs://bucket").url == "gs://bucket"


@pytest.mark.parametrize("url", ["s3://bucket/a", "gs://", "http://example.org/run"])
def test_other_urls_are_refused(url):
    with pytest.raises(StorageError, match="storage must be a folder or gs://bucket/prefix"):
        storage_at(url)
