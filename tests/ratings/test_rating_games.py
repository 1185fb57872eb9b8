# SPDX-License-Identifier: Apache-2.0
"""Rating games: which are played, that they are stored once and whole, and what a broken engine costs."""

import logging
import threading

import pytest

from minigo.data.shards import read_shard
from minigo.run import Run, RunError
from ratings.anchors import GNUGO, conventional_anchors, gnugo_player
from ratings.book import Book
from ratings.rating_games import ChampionAgainstGnuGo, RatingGames
from tests.support.fake_engine import command_line, heard
from tests.support.match_runs import CONFIG, load_evaluator, run_with_networks


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return run_with_networks(tmp_path / "run", 3)


def rating_games(run: Run, outside: dict[str, str], **options: object) -> RatingGames:
    return RatingGames(run, Book(":memory:", run), outside, load_evaluator, **options)  # type: ignore[arg-type]


def test_games_are_stored_in_pairs_as_the_networks_play(run):
    with rating_games(run, {"chance": "random"}) as games:
        assert games.play(32) == 32
        ladder = games.ladder()

    stored = run.matches.all_games()
    assert len(stored) == 32
    assert {match for match, _, _ in stored} <= set(run.matches.names())
    for match, number, path in stored:
        header, (record,) = read_shard(run.read(path))
        spec = run.matches.spec(match)
        assert spec is not None
        assert (spec["kind"], header.sequence, header.network) == ("rating", number, spec["player"])
        names = [record.black, record.white]
        assert names[number % 2] == spec["player"]
        assert match == f"rating-{spec['player']}-against-{spec['opponent']}"
    against_chance = sum("chance" in match for match, _, _ in stored)
    assert against_chance >= 16  # half of the turns, and the first three of them
    assert ladder.apart() == []
    assert ladder.ratings.games.sum() == 64


def test_the_next_games_go_on_from_those_that_are_there(run):
    with rating_games(run, {}) as games:
        games.play(8)
    before = {path: run.read(path) for _, _, path in run.matches.all_games()}
    with rating_games(run, {}) as games:
        assert games.play(8) == 8

    after = {path: run.read(path) for _, _, path in run.matches.all_games()}
    assert len(after) == 16
    assert before.items() <= after.items()


def test_stopped_games_are_dropped_and_half_pairs_completed(run):
    stop = threading.Event()
    with rating_games(run, {"chance": "random"}, stop=stop) as games:
        played = games.play(100, on_game=lambda ended, _: stop.set() if ended >= 11 else None)
    assert 11 <= played < 100

    with rating_games(run, {"chance": "random"}) as games:
        games.play(40)
    for match in run.matches.names():
        indices = sorted(run.matches.games(match))
        assert indices[: 2 * (len(indices) // 2)] == list(range(2 * (len(indices) // 2)))


def test_one_network_alone_has_nobody_to_play(tmp_path):
    with rating_games(run_with_networks(tmp_path / "run", 1), {}) as games:
        assert games.play(4) == 0


def test_an_engine_that_breaks_down_is_dropped_and_the_rest_goes_on(run, tmp_path, caplog):
    engine = f"gtp:{command_line(tmp_path / 'log', '!die')}"
    with rating_games(run, {"broken": engine}) as games:
        assert games.play(16) == 8  # as many again have ended without a result
        assert games.outside_players == ()

    assert "no more rating games against broken: none of its games had a result" in caplog.text
    assert not any("broken" in match for match, _, _ in run.matches.all_games())


def test_an_engine_that_can_not_be_started_is_dropped(run, caplog):
    with rating_games(run, {"missing": "gtp:/no/such/engine"}) as games:
        assert games.play(8) == 8
    assert "no more rating games against missing" in caplog.text


def test_an_engine_is_started_once_and_plays_its_games(run, tmp_path):
    log = tmp_path / "log"
    with rating_games(run, {"engine": f"gtp:{command_line(log, 'resign')}"}, networks=["000002"]) as games:
        assert games.play(8) == 8
        ladder = games.ladder()
    assert heard(log).count("start") == 1
    assert ladder.rows()["engine"].games == 8
    assert ladder.rows()["engine"].elo < ladder.rows()["000002"].elo


def test_a_name_stands_for_one_player_for_ever(run):
    with rating_games(run, {"chance": "random"}) as games:
        games.play(2)
    with pytest.raises(RunError, match=r"chance is random in .*, got gtp:gnugo: give it another name"):
        rating_games(run, {"chance": "gtp:gnugo"})


@pytest.mark.parametrize("name", ["000001", "7"])
def test_an_outside_player_is_not_named_like_a_network(run, name):
    with pytest.raises(RunError, match="must not be named like a network"):
        rating_games(run, {name: "random"})


# GNU Go.


def test_gnugo_at_its_usual_level_is_an_anchor_on_9x9():
    players = {
        "default": "gtp:gnugo --mode gtp --capture-all-dead",
        "usual": "gtp:/usr/games/gnugo --mode gtp --level 10 --chinese-rules --capture-all-dead",
        "leaves dead stones": "gtp:gnugo --mode gtp --level 10 --chinese-rules",
        "other": "gtp:gnugo --mode gtp --level=8 --capture-all-dead",
        "weak": "gtp:gnugo --mode gtp --level 1 --capture-all-dead",
        "katago": "gtp:katago gtp",
        "odd": "gtp:gnugo 'unfinished",
        "chance": "random",
    }
    assert conventional_anchors(players, 9) == {"default": 1800.0, "usual": 1800.0}
    assert conventional_anchors(players, 5) == {}


def test_the_champion_meets_gnugo(run, caplog):
    caplog.set_level(logging.INFO)
    against = ChampionAgainstGnuGo(load_evaluator)
    if gnugo_player(run.config.game) is None:
        pytest.skip("GNU Go is not installed")

    assert against.play(run, 2, threading.Event()) == 2

    (match,) = {match for match, _, _ in run.matches.all_games()}
    assert match == "rating-000000-against-gnugo"
    spec = run.matches.spec(match)
    assert spec is not None
    assert spec["opponent_player"] == gnugo_player(CONFIG.game)
    assert "--capture-all-dead" in spec["opponent_player"]


def test_gnugo_goes_on_as_it_has_played_before(run, monkeypatch, tmp_path):
    first, later = "random", "gtp:/no/such/engine"
    commands = iter([first, later])
    monkeypatch.setattr("ratings.rating_games.gnugo_player", lambda _: next(commands))

    assert ChampionAgainstGnuGo(load_evaluator).play(run, 2, threading.Event()) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine's"))
    assert ChampionAgainstGnuGo(load_evaluator).play(run, 2, threading.Event()) == 2

    assert {run.matches.spec(match)["opponent_player"] for match in run.matches.names()} == {first}


def test_where_gnugo_is_missing_it_is_said_once_and_nothing_else_happens(run, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("ratings.rating_games.gnugo_player", lambda _: None)
    against = ChampionAgainstGnuGo(load_evaluator)

    for _ in range(3):
        assert against.play(run, 2, threading.Event()) == 0
    assert caplog.text.count("no rating games against GNU Go: it is not installed") == 1
    assert run.matches.names() == []


@pytest.mark.parametrize("command", ["gtp:/no/such/engine", "random nonsense", ""])
def test_a_broken_gnugo_breaks_nothing(run, caplog, monkeypatch, command):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("ratings.rating_games.gnugo_player", lambda _: command if ":" in command else f"gtp:{command}")
    against = ChampionAgainstGnuGo(load_evaluator)

    for _ in range(2):
        assert against.play(run, 2, threading.Event()) == 0
    assert caplog.text.count("no rating games against GNU Go") == 1
    assert GNUGO in caplog.text
