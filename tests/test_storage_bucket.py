# SPDX-License-Identifier: Apache-2.0
"""What a bucket survives: lost replies, refusals, many pages, and errors that pass by themselves or do not."""

import pytest
from google.api_core.exceptions import Forbidden
from google.auth.exceptions import RefreshError, TransportError
from google.cloud.storage import Blob
from google.cloud.storage.exceptions import DataCorruption

from minigo.storage import (
    AlreadyExists,
    GcsStorage,
    StorageError,
    Unavailable,
)
from tests.support.gcs_emulator import MISSING_BUCKET, PAGE_SIZE


def refresh_error(cause):
    """As google-auth raises it when it can not renew a token."""
    error = RefreshError("Failed to retrieve a token")
    error.__cause__ = cause
    return error


def raising(error):
    def raise_it(*_args, **_options):
        raise error

    return raise_it


@pytest.mark.parametrize("fault", ["drop", "503", "commit-drop"])
def test_a_create_survives_a_fault_once(gcs, emulator, fault):
    emulator.fail("POST", fault)
    version = gcs.create("object", b"mine")

    assert emulator.faults == []
    assert gcs.read("object") == (b"mine", version)


def test_a_swap_whose_reply_was_lost_is_known_to_have_won(gcs, emulator):
    first = gcs.create("state", b"1")
    emulator.fail("POST", "commit-drop")
    second = gcs.swap("state", b"2", expected=first)

    assert gcs.read("state") == (b"2", second)


def test_who_may_replace_nothing_still_learns_that_a_create_whose_reply_was_lost_has_won(gcs, monkeypatch):
    gcs.create("object", b"mine")

    def refuse(*_: object, **__: object) -> None:
        raise Forbidden("does not have storage.objects.delete access")

    monkeypatch.setattr(Blob, "upload_from_string", refuse)
    gcs.create("object", b"mine")
    with pytest.raises(AlreadyExists):
        gcs.create("object", b"other")
    with pytest.raises(StorageError, match="delete access"):
        gcs.create("another", b"mine")
    with pytest.raises(StorageError, match="delete access"):
        gcs.swap("object", b"mine", expected="1")


def test_a_large_upload_keeps_its_precondition(gcs):
    gcs.create("object", b"first")

    with pytest.raises(AlreadyExists):
        gcs.create("object", bytes(9_000_000))
    assert gcs.read("object")[0] == b"first"


def test_listing_goes_on_over_all_pages(gcs, emulator):
    names = [f"many/{number:05d}" for number in range(PAGE_SIZE + 1)]
    prefix = gcs.url.removeprefix("gs://bucket/")
    for name in names:
        emulator.put("bucket", {"name": f"{prefix}/{name}"}, b"", None)
    emulator.num_pages = 0

    assert list(gcs.list("many/")) == names
    assert emulator.num_pages == 2


def test_a_missing_bucket_is_an_error_of_writing(emulator, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)

    with pytest.raises(StorageError, match=f"cannot write gs://{MISSING_BUCKET}/a/object: .*does not exist"):
        GcsStorage(MISSING_BUCKET, "a").create("object", b"")


def test_a_refusal_is_one_clear_error(gcs, emulator):
    emulator.fail("GET", "403")

    with pytest.raises(StorageError, match=f"cannot read {gcs.url}/object: 403"):
        gcs.read("object")


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (DataCorruption(None, "checksum mismatch"), True),
        (refresh_error(TransportError("no answer from the metadata server")), True),
        (refresh_error(None), False),
    ],
)
def test_what_passes_by_itself_is_told_from_what_does_not(gcs, monkeypatch, error, passes):
    monkeypatch.setattr(Blob, "download_as_bytes", raising(error))

    with pytest.raises(StorageError, match=f"cannot read {gcs.url}/object: ") as caught:
        gcs.read("object")

    assert isinstance(caught.value, Unavailable) == passes
    assert ("credentials are missing or have expired" in str(caught.value)) != passes
