# SPDX-License-Identifier: Apache-2.0
"""A run's matches: who writes first is in force."""

import pytest

from minigo.run import RunError
from tests.run.conftest import other


def test_the_first_writer_of_a_match_game_wins(run):
    assert run.matches.publish_game("m", 3, b"mine")
    assert not other(run).matches.publish_game("m", 3, b"theirs")
    assert other(run).matches.publish_game("m", 10, b"theirs")

    games = run.matches.games("m")
    assert {index: run.read(path) for index, path in games.items()} == {3: b"mine", 10: b"theirs"}
    assert run.matches.games("other") == {}


def test_a_match_has_one_spec(run):
    run.matches.publish_spec("m", {"games": 4, "players": ("a", "b")})
    other(run).matches.publish_spec("m", {"games": 4, "players": ["a", "b"]})

    with pytest.raises(RunError, match="matches/m exists with another spec"):
        run.matches.publish_spec("m", {"games": 5, "players": ["a", "b"]})
    assert run.matches.spec("m") == {"games": 4, "players": ["a", "b"]}
    assert (run.matches.spec("n"), run.matches.names()) == (None, ["m"])


def test_the_first_verdict_of_a_match_is_in_force(run):
    run.matches.publish_verdict("m", {"candidate": "000001", "promotes": True})
    second = other(run).matches.publish_verdict("m", {"candidate": "000001", "promotes": False})

    assert second["promotes"]
    assert {name: verdict["promotes"] for name, verdict in run.matches.verdicts().items()} == {"000001": True}
    assert run.matches.games("m") == {}
