# SPDX-License-Identifier: Apache-2.0
"""What a dashboard sees of a run that others work on: their book, their silence, their repairs."""

import contextlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from minigo.run import Run
from ratings.book import Book
from ratings.live import seen
from ratings.snapshot import FRESH_SECONDS, Snapshot
from ratings.views import FORGOTTEN_SECONDS
from ratings.watch import Watch
from tests.support.dashboards import beat, client, whole_run

MATCH = "000001-against-000000"


@pytest.fixture
def copy(shown_run, tmp_path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(shown_run.url, tmp_path / "copy"))


def add_match_games(run: Run, games: int) -> None:
    """Stores further games of a match: the first one again and again."""
    paths = run.matches.games(MATCH)
    for number in range(len(paths), len(paths) + games):
        run.matches.publish_game(MATCH, number, run.read(paths[0]))


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


PLAYED = {"selfplay": {"games": 50, "positions": 900, "evaluations": 9000}, "selfplay_seconds": 20.0}


def change(path: Path, **fields: Any) -> None:
    """Changes fields of a document."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def age(path: Path, seconds: float) -> None:
    """Makes a heartbeat older."""
    change(path, time=json.loads(path.read_text())["time"] - seconds)


def facts(page: str) -> dict[str, str]:
    """The numbers of the first page by their names."""
    pairs = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    return {name: re.sub("<[^>]*>", " ", value).strip() for name, value in pairs}


@pytest.fixture
def playing(copy) -> Path:
    """A run with one worker that plays; its heartbeat."""
    beat(Run.open(str(copy)), "w0", **PLAYED)
    return copy / "heartbeats/w0.json"


def is_shown_alive(copy: Path) -> bool:
    """Whether the pages speak of a game and a speed; they must agree."""
    asked = client(str(copy))
    page, metrics = asked.get("/").text, asked.get("/metrics").text
    snapshot: Snapshot = asked.app.state.watch.snapshot()  # type: ignore[attr-defined]
    signs = {
        "g1" in page,
        facts(page)["Games per hour"].startswith("9,000"),
        "minigo_selfplay_games_per_hour 9000" in metrics,
        "minigo_selfplay_evaluations_per_second" in metrics,
        asked.get("/api/status").json()["games_per_hour"] is not None,
        seen(snapshot)["game"] is not None,
    }
    assert len(signs) == 1
    return signs.pop()


@pytest.mark.usefixtures("playing")
def test_a_run_that_is_played_on_is_shown_with_game_and_speed(copy):
    assert is_shown_alive(copy)


@pytest.mark.parametrize("word", ["stopped", "finished"])
def test_a_run_that_ended_is_shown_as_ended_at_once(copy, playing, word):
    change(playing, doing=word)

    assert not is_shown_alive(copy)
    page = client(str(copy)).get("/").text
    assert re.search(f"The run (was )?{word} [0-9]+ s ago", page)
    assert facts(page)["Games per hour"].startswith("\N{EN DASH}")
    assert "last measured 9,000" in facts(page)["Games per hour"]
    assert "nobody works on this run" not in page


def test_a_run_whose_workers_all_fell_silent_rings(copy, playing):
    age(playing, 4000)

    assert not is_shown_alive(copy)
    page = client(str(copy)).get("/").text
    assert "nobody works on this run: the last word came 1 h 6 min ago" in page
    assert "No self-play game is being played at the moment" in page


@pytest.mark.usefixtures("playing")
def test_old_rows_are_no_speed_of_a_run_that_was_resumed(copy):
    for path in copy.glob("metrics/loop/*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({**row, "time": row["time"] - 7200}) + "\n" for row in rows))
    beat(Run.open(str(copy)), "w0")

    page = client(str(copy)).get("/").text

    assert "g1" in page
    assert facts(page)["Games per hour"].startswith("\N{EN DASH}")


def test_a_silent_worker_beside_one_that_works_rings(copy, playing):
    age(playing, FRESH_SECONDS + 50)
    beat(Run.open(str(copy)), "w1", game=None)

    page = client(str(copy)).get("/").text

    assert "1 of 2 workers have been silent for 150 s or more" in page
    assert not is_shown_alive(copy)


def test_a_worker_that_was_lost_long_ago_rings_no_more(copy, playing):
    age(playing, FORGOTTEN_SECONDS + 50)
    beat(Run.open(str(copy)), "w1", game=None)

    assert "have been silent" not in client(str(copy)).get("/").text


def test_a_worker_that_stopped_beside_one_that_works_does_not_ring(copy, playing):
    age(playing, FRESH_SECONDS + 50)
    change(playing, doing="stopped")
    beat(Run.open(str(copy)), "w1")

    assert "have been silent" not in client(str(copy)).get("/").text


@pytest.mark.usefixtures("playing")
def test_that_a_worker_falls_silent_is_seen(copy, monkeypatch):
    watch = Watch(str(copy), book=":memory:")
    before = watch.look(survey=True)

    monkeypatch.setattr("ratings.snapshot.FRESH_SECONDS", -1.0)

    assert watch.look(survey=True).version > before.version


def test_what_was_repaired_or_came_late_is_no_fault_of_the_run_any_more(copy):
    spec, game = copy / f"matches/{MATCH}/spec.json", copy / "matches/000002-against-000001/000001.parquet"
    whole = spec.read_bytes(), game.read_bytes()
    spec.unlink()
    game.write_bytes(b"torn")
    book = str(copy.parent / "book.sqlite")
    with contextlib.closing(Watch(str(copy), book=book)) as watch:
        before = watch.look(survey=True)
        spec.write_bytes(whole[0])
        assert watch.look(survey=True).match_games == before.match_games + 4
    game.write_bytes(whole[1])

    with contextlib.closing(Watch(str(copy), book=book)) as watch:
        after = watch.look(survey=True)

    assert "5 match games do not count" in before.problems[0]
    assert (before.match_games, after.match_games, after.problems) == (7, 12, ())


def test_a_run_that_was_replaced_by_another_is_seen_alone(copy, tmp_path):
    other = whole_run(tmp_path / "other", networks=2)
    asked = client(str(copy), str(tmp_path / "book.sqlite"))
    watch: Watch = asked.app.state.watch  # type: ignore[attr-defined]
    before = watch.snapshot()
    shutil.rmtree(copy)
    shutil.copytree(other.url, copy)

    after = watch.look(survey=True)

    assert len(before.networks) == 4
    assert after.version > before.version
    assert (after.networks, sorted(after.ratings)) == (("000000", "000001"), ["000000", "000001"])
    assert (after.about["created"], after.match_games) == (other.about()["created"], 4)
    assert list(after.verdicts) == ["000001"]
    assert len(after.loop) == 4
    assert after.problems == ()
    assert asked.get("/networks/000003").status_code == 404
    weights = asked.get("/networks/000001/weights")
    assert weights.content == other.network_files("000001")[0]


def test_a_run_that_is_gone_is_seen_no_more_until_there_is_one_again(copy, tmp_path):
    shutil.copytree(copy, tmp_path / "kept")
    watch = Watch(str(copy), book=":memory:")
    watch.look(survey=True)
    shutil.rmtree(copy)

    gone = watch.look(survey=True)
    assert (gone.networks, gone.champion, gone.workers, gone.matches) == ((), None, {}, {})
    assert "is not a run" in gone.problems[0]

    shutil.copytree(tmp_path / "kept", copy)
    assert len(watch.look(survey=True).networks) == 4
