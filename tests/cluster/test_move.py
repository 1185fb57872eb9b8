# SPDX-License-Identifier: Apache-2.0
"""A run that learns at home, moves to an emulated bucket, learns there, and comes back, by its own commands."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minigo.run import Run
from tests.cluster.test_system import ROLES, fleet, opened, promotions, wait_for
from tests.support.gcs_emulator import GcsEmulator
from tests.support.loops import check_run

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]


@pytest.fixture(autouse=True)
def _emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with GcsEmulator().running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield


def minigo(*arguments: str) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "minigo", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def ratings(url: str, book: Path) -> list[dict[str, Any]]:
    """What `minigo rate` finds in all games of a run."""
    found = json.loads(minigo("rate", f"--run={url}", "--games=0", "--json", f"--book={book}"))
    assert found["games"] > 0
    return list(found["ratings"])


def steps(url: str) -> int:
    """How far the run's trainer has committed."""
    run = opened(url)
    state = run.training.state() if run is not None else None
    return state.step if state is not None else 0


def learn(url: str, folder: Path, generations: int) -> Run:
    """Lets the roles work until so many networks more have been promoted and the trainer has gone on.

    The first of them may be one that was trained in another place. Ends the roles as Kubernetes does.
    """
    folder.mkdir()
    before, step = promotions(url), steps(url)
    with fleet(url, folder) as system:
        for name, command in ROLES.items():
            system.start(name, *command)
        wait_for(lambda: promotions(url) >= before + generations and steps(url) > step, system, 900)
        ends = {name: system.end(name)[0] for name in ROLES}
    assert ends == dict.fromkeys(ROLES, 0)
    return Run.open(url)


def test_a_run_goes_on_in_a_bucket_and_at_home_again_with_the_same_ratings_and_no_shard_trained_twice(
    tmp_path: Path,
) -> None:
    home, away = str(tmp_path / "run"), "gs://bucket/moved"
    first = learn(home, tmp_path / "first", 3)  # the network that knows nothing is the first of them
    at_home, seen = ratings(home, tmp_path / "home.book"), first.training.consumption_order()
    minigo("copy", f"--run={home}", f"--to={away}")
    assert ratings(away, tmp_path / "away.book") == at_home

    second = learn(away, tmp_path / "second", 2)
    there, seen_there = ratings(away, tmp_path / "away.book"), second.training.consumption_order()
    minigo("copy", f"--run={away}", f"--to={home}")
    assert ratings(home, tmp_path / "home.book") == there
    assert {row["name"] for row in at_home} < {row["name"] for row in there}

    third = learn(home, tmp_path / "third", 1)
    check_run(third)  # no game and no shard is there twice
    assert seen == seen_there[: len(seen)]
    assert seen_there == third.training.consumption_order()[: len(seen_there)]
    assert len(seen) < len(seen_there) < len(third.training.consumption_order())
    history = third.history()
    assert [entry["number"] for entry in history] == list(range(1, len(history) + 1))
    assert len(history) >= 6
