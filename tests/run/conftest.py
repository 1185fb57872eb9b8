# SPDX-License-Identifier: Apache-2.0
"""A run in a folder and in an emulated bucket: every test of the protocol has both."""

import hashlib

import pytest

from minigo.config import Config, GameConfig
from minigo.run import Run
from minigo.storage import storage_at

CONFIG = Config(game=GameConfig(board_size=5))


@pytest.fixture(params=["folder", "bucket"])
def url(request, tmp_path, monkeypatch):
    if request.param == "folder":
        return str(tmp_path / "run")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("emulator").url)
    return f"gs://bucket/{hashlib.sha256(request.node.name.encode()).hexdigest()[:16]}"


@pytest.fixture
def run(url):
    return Run.create(url, CONFIG)


def other(run):
    """The same run as another process sees it."""
    return Run.open(run.url)


def paths(run):
    return list(storage_at(run.url).list(""))
