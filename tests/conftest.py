# SPDX-License-Identifier: Apache-2.0
"""Lets tests import `tests.support`: for this file, pytest puts the parent of `tests` on the path."""

import hashlib
import os

import pytest

import minigo  # noqa: F401 (settles what TensorFlow reads, before a test imports it)
from minigo.storage import GcsStorage
from tests.support.gcs_emulator import GcsEmulator


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory):
    """What programs keep in the user's cache goes into a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def emulator():
    """A server that speaks for the buckets."""
    with GcsEmulator().running() as server:
        yield server


@pytest.fixture
def gcs(emulator, monkeypatch, request):
    """A storage in a bucket, in a prefix of its own."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    emulator.faults.clear()
    return GcsStorage("bucket", hashlib.sha256(request.node.name.encode()).hexdigest()[:16])


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """All tests are run by one process more than there are cores, at most four; a choice of files by this one alone.

    So a debugger, `-s` and times that are printed work as ever where somebody looks at a few tests.
    """
    chosen = config.args_source is pytest.Config.ArgsSource.ARGS or config.option.capture == "no"
    workers = 0 if chosen else min(4, 1 + (os.cpu_count() or 1))
    config.option.dist = "worksteal" if workers else "no"
    return workers
