# SPDX-License-Identifier: Apache-2.0
"""A bucket that is out of reach is waited for; what does not pass by itself is an error at once."""

import threading
import time

import pytest

from minigo import patience, storage
from minigo.config import Config
from minigo.patience import PatientStorage, patiently
from minigo.run import Run
from minigo.storage import NotFound, StorageError, Unavailable


@pytest.fixture
def gcs(gcs, monkeypatch):
    """A storage whose client gives up soon."""
    monkeypatch.setattr(storage, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(patience, "MAX_DELAY_SECONDS", 0.2)
    monkeypatch.setattr(patience, "FIRST_DELAY_SECONDS", 0.1)
    return gcs


@pytest.mark.parametrize("fault", ["503", "429", "drop"])
def test_what_passes_by_itself_is_unavailable(gcs, emulator, fault):
    emulator.fail("GET", fault, times=50)

    with pytest.raises(Unavailable, match=f"cannot read {gcs.url}/object"):
        gcs.read("object")


@pytest.mark.parametrize("fault", ["401", "403", "400"])
def test_what_does_not_pass_is_an_error_at_once(gcs, emulator, fault):
    emulator.fail("GET", fault, times=50)

    with pytest.raises(StorageError) as caught:
        PatientStorage(gcs, threading.Event()).read("object")
    assert not isinstance(caught.value, Unavailable)
    assert len(emulator.faults) == 49


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("401", "gcloud auth application-default login"),
        ("403", "ask for the role roles/storage.objectUser on gs://buc"),
    ],
)
def test_an_error_that_does_not_pass_says_what_to_do(gcs, emulator, status, advice):
    emulator.fail("GET", status)

    with pytest.raises(StorageError, match=advice):
        gcs.read("object")


def test_a_storm_of_errors_is_waited_out_by_every_operation(gcs, emulator):
    retries = []
    patient = PatientStorage(gcs, threading.Event(), lambda: retries.append(1))
    for fault in ("503", "drop", "429", "commit-drop"):
        emulator.fail("POST", fault, times=4)
    version = patient.create("a", b"1")
    emulator.fail("POST", "commit-drop", times=4)
    second = patient.swap("a", b"2", expected=version)
    emulator.fail("GET", "503", times=8)
    assert patient.read("a") == (b"2", second)
    emulator.fail("GET", "drop", times=8)
    assert [*patient.list("")] == ["a"]
    emulator.fail("GET", "503", times=8)
    with patient.open("a") as stream:
        assert stream.read() == b"2"
    emulator.fail("DELETE", "503", times=8)
    patient.delete("a")

    assert [*gcs.list("")] == []
    assert len(retries) >= 6


def test_waiting_ends_when_told_with_the_error_that_began_it(gcs, emulator):
    emulator.fail("GET", "503", times=10_000)
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()

    with pytest.raises(Unavailable, match="cannot read"):
        PatientStorage(gcs, stop).read("a")
    assert 0.4 < time.monotonic() - began < 5
    emulator.faults.clear()


def test_other_errors_are_not_tried_again():
    attempts = []

    def action() -> None:
        attempts.append(1)
        raise NotFound("x")

    with pytest.raises(NotFound):
        patiently(action, threading.Event())
    assert len(attempts) == 1


def test_a_patient_run_publishes_through_a_storm(gcs, emulator):
    run = Run.create(gcs.url, Config())
    run.be_patient(threading.Event())
    emulator.fail("POST", "503", times=6)
    emulator.fail("GET", "drop", times=6)
    name = run.publish_network(b"weights", {})

    assert run.network_files(name)[0] == b"weights"
    assert run.networks() == ["000000"]
