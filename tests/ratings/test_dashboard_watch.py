# SPDX-License-Identifier: Apache-2.0
"""What a dashboard sees of a run that others work on: their book, their silence, their repairs."""

import contextlib
import shutil
from pathlib import Path

import pytest

from minigo.run import Run
from ratings.book import Book
from ratings.watch import Watch
from tests.support.dashboards import whole_run

MATCH = "000001-against-000000"


@pytest.fixture
def copy(shown_run, tmp_path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(shown_run.url, tmp_path / "copy"))


def add_match_games(run: Run, games: int) -> None:
    """Stores further games of a match: the first one again and again."""
    paths = run.match_games(MATCH)
    for number in range(len(paths), len(paths) + games):
        run.publish_match_game(MATCH, number, run.read(paths[0]))


def test_games_that_another_process_has_read_are_seen(tmp_path):
    run = whole_run(tmp_path / "run", networks=2)
    path = str(tmp_path / "book.sqlite")
    with contextlib.closing(Watch(run.url, book=path)) as watch:
        before = watch.look(survey=True)
        add_match_games(run, 4)
        with Book(path, Run.open(run.url)) as other:
            assert other.update() == 4

        after = watch.look(survey=True)

    assert (before.match_games, after.match_games) == (4, 8)
    assert after.ratings["000001"].games == 8
