# SPDX-License-Identifier: Apache-2.0
"""The rating book: that it says what the records say, however and whenever it was filled, and never more."""

import json
import shutil
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from minigo.data.shards import read_shard
from minigo.match import points_from_record
from minigo.run import Run
from ratings.book import Book, open_book
from ratings.elo import Result, Setting
from ratings.ladder import fit_ladder, rate_networks
from tests.support.match_runs import CONFIG, play_gate_matches, run_with_networks


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    made = run_with_networks(tmp_path_factory.mktemp("played") / "run", 3)
    play_gate_matches(made)
    return Path(made.url)


@pytest.fixture
def run(played, tmp_path):
    """A run of three networks with a gate match of each of the last two: 12 games."""
    return Run.open(str(shutil.copytree(played, tmp_path / "run")))


def counted_by_hand(run: Run) -> dict[tuple[str, str], list[int]]:
    counts: dict[tuple[str, str], list[int]] = {}
    for match, number, path in run.matches.all_games():
        spec = run.matches.spec(match)
        assert spec is not None
        players = [spec["player"], spec["opponent"]]
        points = points_from_record(number, read_shard(run.read(path))[1][0])
        black, white = players if number % 2 == 0 else players[::-1]
        of_black = points if number % 2 == 0 else 1 - points
        counts.setdefault((black, white), [0, 0, 0])[[1.0, 0.5, 0.0].index(of_black)] += 1
    return counts


def ratings_of(book: Book) -> tuple[np.ndarray, np.ndarray]:
    ratings = fit_ladder(book, 5).ratings
    return ratings.elo, ratings.covariance


def test_the_book_counts_every_game_of_the_run_by_colour(run):
    with open_book(run) as book:
        assert book.update() == 12
        results = book.results()

    assert {result[:2]: list(result[2:5]) for result in results} == counted_by_hand(run)
    assert {result.setting for result in results} == {Setting(5, 0.5)}
    assert sum(sum(result[2:5]) for result in results) == 12


def test_nothing_is_read_twice(run):
    with open_book(run) as book:
        book.update()
        assert book.update() == 0
    with open_book(run) as book:
        assert book.update() == 0
        assert len(book.results()) == 4


def test_a_book_that_grew_with_its_run_is_one_that_was_rebuilt(tmp_path):
    run = run_with_networks(tmp_path / "run", 4)
    grown = Book(":memory:", run)
    for games in (2, 6, 10):
        play_gate_matches_of_length(run, games)
        grown.update()
    rebuilt = Book(":memory:", Run.open(run.url))
    rebuilt.update()

    assert grown.results() == rebuilt.results()
    assert grown.parents() == rebuilt.parents()
    for mine, theirs in zip(ratings_of(grown), ratings_of(rebuilt), strict=True):
        assert np.array_equal(mine, theirs)
    before = grown.results()
    grown.clear()
    assert grown.results() == []
    grown.update()
    assert grown.results() == before


def play_gate_matches_of_length(run: Run, games: int) -> None:
    """Goes on with matches between the first network and the others."""
    from minigo.stored_match import StoredMatch, network_player
    from tests.support.match_runs import load_evaluator

    for name in run.networks()[1:]:
        spec = {"kind": "gate", "player": name, "opponent": "000000", "seed": 5}
        match = StoredMatch(run, f"{name}-against-000000", spec, load_evaluator)
        players = [network_player(run, who, 2, load_evaluator) for who in (name, "000000")]
        match.play(*players, range(games), stop=None)


def test_the_book_lies_in_the_cache_and_not_in_the_run(run, cache):
    before = sorted(path for path in Path(run.url).rglob("*"))
    with open_book(run) as book:
        book.update()
        assert Path(book.path).is_relative_to(cache)

    assert sorted(path for path in Path(run.url).rglob("*")) == before


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + b"\7" * 500])
def test_a_damaged_book_is_made_anew(run, tmp_path, content):
    path = tmp_path / "book.sqlite"
    path.write_bytes(content)

    with open_book(run, str(path)) as book:
        assert book.update() == 12


def test_a_book_of_another_run_in_the_same_place_is_made_anew(run, tmp_path):
    path = str(tmp_path / "book.sqlite")
    with open_book(run, path) as book:
        book.update()
    other = run_with_networks(tmp_path / "other", 2)

    with open_book(other, path) as book:
        assert book.results() == []
        assert book.update() == 0
        assert list(book.parents()) == ["000000", "000001"]


def test_where_the_cache_can_not_be_written_the_book_is_kept_in_memory(run, cache, caplog):
    cache.write_text("a file, where a folder should be")

    with open_book(run) as book:
        assert book.update() == 12
    assert "kept in memory" in caplog.text


def test_a_torn_game_does_not_count_and_is_named(run):
    run.matches.publish_game("000001-against-000000", 900, b"torn")
    with open_book(run) as book:
        book.update()
        assert sum(sum(result[2:5]) for result in book.results()) == 12
        (path,) = book.faults()
        assert path.endswith("000900.parquet")


def test_games_of_a_match_without_players_do_not_count(run):
    data = run.read(run.matches.games("000001-against-000000")[0])
    run.matches.publish_game("stray", 0, data)
    run.matches.publish_spec("odd", {"player": "000001", "opponent": 7})
    run.matches.publish_game("odd", 0, data)
    with open_book(run) as book:
        book.update()
        assert sum(sum(result[2:5]) for result in book.results()) == 12
        assert len(book.faults()) == 2


def test_a_game_counts_once_its_damage_is_repaired(run, monkeypatch):
    path = Path(run.url, run.matches.games("000001-against-000000")[3])
    data = path.read_bytes()
    path.write_bytes(b"torn")
    with open_book(run) as book:
        assert book.update() == 12
        assert book.update() == 0  # not at each look
        before, torn = book.state, book.results()
        monkeypatch.setattr("ratings.book.time", LaterClock())
        book.update()
        assert (book.state, book.results()) == (before, torn)
        path.write_bytes(data)
        assert book.update() == 1
        assert book.faults() == {}
        assert book.state != before
        assert sum(sum(result[2:5]) for result in book.results()) == 12


def test_a_book_that_is_opened_again_forgives_what_was_repaired(run):
    path = Path(run.url, run.matches.games("000001-against-000000")[3])
    data = path.read_bytes()
    path.write_bytes(b"torn")
    with open_book(run) as book:
        book.update()
    path.write_bytes(data)

    with open_book(run) as book:
        book.update()
        assert book.faults() == {}


def test_a_damaged_game_that_was_deleted_is_forgotten(run):
    run.matches.publish_game("000001-against-000000", 900, b"torn")
    with open_book(run) as book:
        book.update()
        assert len(book.faults()) == 1
    Path(run.url, "matches/000001-against-000000/000900.parquet").unlink()

    with open_book(run) as book:
        book.update()
        assert book.faults() == {}


@pytest.mark.parametrize("first", [None, {"player": "000001", "opponent": None}])
def test_games_count_once_the_spec_of_their_match_is_there(run, first):
    spec = Path(run.url, "matches/000001-against-000000/spec.json")
    data = spec.read_bytes()
    if first is None:
        spec.unlink()
    else:
        spec.write_text(json.dumps({**json.loads(data), "spec": first}))
    with open_book(run) as book:
        assert book.update() == 6
        assert len(book.faults()) == 6
        assert [fault for *_, fault in book.games() if fault] == ["its match has no two players"] * 6
        spec.write_bytes(data)

        assert book.update() == 6
        assert book.faults() == {}
        assert len(book.games()) == 12


class LaterClock:
    """Each look at it is an hour later."""

    def __init__(self) -> None:
        self._now = 1e6

    def monotonic(self) -> float:
        self._now += 3600
        return self._now


def test_an_update_that_is_stopped_goes_on_later(run, monkeypatch):
    monkeypatch.setattr("ratings.book.READ_TOGETHER", 5)
    stop = threading.Event()
    with open_book(run) as book:
        assert book.update(progress=lambda done, total: stop.set() if done < total else None, stop=stop) == 5
        assert book.update() == 7


def test_two_processes_may_write_the_same_book(run, tmp_path):
    path = str(tmp_path / "book.sqlite")
    with open_book(run, path) as first, open_book(run, path) as second:
        first.update()
        second.update()
        assert first.results() == second.results()
    assert sqlite3.connect(path).execute("SELECT COUNT(*) FROM games").fetchone() == (12,)


# The ladder.


def test_networks_are_rated_above_the_first(run):
    ratings = rate_networks(run)

    assert set(ratings) == {"000000", "000001", "000002"}
    assert ratings["000000"][:3] == (0.0, 0.0, 0.0)
    assert ratings["000001"].elo > 0  # it knows a little Go, and the others do not
    assert ratings["000001"].elo > ratings["000002"].elo


def test_a_run_without_matches_has_no_ratings(tmp_path):
    assert rate_networks(run_with_networks(tmp_path / "run", 2)) == {}
    assert rate_networks(Run.create(str(tmp_path / "empty"), CONFIG)) == {}


def test_the_best_is_the_reference_where_there_is_no_anchor(run):
    with open_book(run) as book:
        book.update()
        ladder = fit_ladder(book, 5)

    rows = ladder.rows()
    assert ladder.reference == "000001" == next(iter(rows))
    assert rows["000001"].elo == 0.0
    assert all(rating.elo <= 0 for rating in rows.values())
    assert list(rows) == sorted(rows, key=lambda name: -rows[name].elo)


def test_a_network_without_games_stands_apart(run):
    run.publish_network(b"newest", {"parent": "000002"})
    with open_book(run) as book:
        book.update()
        ladder = fit_ladder(book, 5, {"chance": "random"})

    assert ladder.apart() == ["000003", "chance"]


class ListedResults:
    """The part of a book that a ladder is made from."""

    def __init__(self, *results: Result) -> None:
        self._results = list(results)

    def results(self) -> list[Result]:
        return self._results

    def parents(self) -> dict[str, str | None]:
        return {"000000": None, "000001": "000000"}

    def outside_players(self) -> dict[str, str]:
        return {"gnugo": "gtp:gnugo --mode gtp --level 10 --capture-all-dead"}


@pytest.mark.parametrize(
    ("against_gnugo", "reference"),
    [
        (Result("000001", "gnugo", 0, 0, 4), "000001"),
        (Result("gnugo", "000001", 0, 0, 4), "000001"),
        (Result("000001", "gnugo", 1, 0, 3), "gnugo"),
        (Result("gnugo", "000001", 0, 1, 3), "gnugo"),
    ],
)
def test_an_anchor_that_only_ever_won_or_lost_fixes_no_scale(against_gnugo, reference):
    even = Result("000000", "000001", 10, 0, 30), Result("000001", "000000", 30, 0, 10)
    book = ListedResults(*even, against_gnugo)

    ladder = fit_ladder(book, 9)

    assert ladder.reference == reference
    rows = ladder.rows()
    assert rows["gnugo"].elo == 1800 or rows["000001"].elo == 0
    assert rows["000000"].high - rows["000000"].low < 2500
    assert rows["gnugo"].high - rows["gnugo"].low < 2500
