# SPDX-License-Identifier: Apache-2.0
"""Matches in which the first player gives stones."""

import os
import shutil

import pytest

from minigo.config import GameConfig, MatchConfig, SearchConfig
from minigo.go.handicap import fixed_handicap
from minigo.inference.evaluator import HashEvaluator
from minigo.match import play_match, with_handicap
from minigo.match_players import match_search
from minigo.players import GtpPlayer, RandomPlayer, SearchPlayer
from tests.support.match_players import PassingPlayer, moves_of, search_player

GNUGO = shutil.which("gnugo", path=os.environ["PATH"] + ":/usr/games")
MATCH = MatchConfig(opening_plies=2, temperature=0.5, temperature_plies=4)


def test_with_a_handicap_the_opponent_has_black_and_its_stones_in_all_games():
    game = GameConfig(board_size=7, komi=0.5)
    result = play_match(RandomPlayer(), search_player(), 10, game, MATCH, 1, handicap=2)
    first, second = fixed_handicap(7, 2)
    for each in result.games:
        assert (each.record.black, each.record.white) == ("search", "random")
        assert each.record.moves[:3].tolist() == [first, 49, second]  # White passes between
        assert each.record.start_ply == 5
        each.record.check()
    assert len({tuple(each.record.moves[:5].tolist()) for each in result.games}) >= 9


@pytest.mark.parametrize(("komi", "points"), [(0.5, 0.0), (100.5, 1.0)])
def test_with_a_handicap_a_win_is_one_of_white(komi: float, points: float):
    game = GameConfig(board_size=7, komi=komi)
    result = play_match(PassingPlayer(), PassingPlayer(), 4, game, MatchConfig(opening_plies=0), 1, handicap=3)
    assert [each.points for each in result.games] == [points] * 4
    assert result.to_dict()["handicap"] == 3
    assert str(result).startswith("passing against passing, giving 3 stones: ")


def test_moves_are_sampled_after_a_handicap_as_after_an_opening():
    game, match = GameConfig(board_size=7, komi=0.5), MatchConfig(opening_plies=0, temperature=1.0, temperature_plies=4)
    search = match_search(SearchConfig(num_simulations=16, algorithm="puct"), with_handicap(match, 4))
    players = (SearchPlayer(HashEvaluator(1), search), SearchPlayer(HashEvaluator(2), search))
    result = play_match(*players, 10, game, match, 1, handicap=4)
    assert len({tuple(moves[:11]) for moves in moves_of(result)}) >= 5


@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
def test_gnugo_takes_a_handicap():
    game = GameConfig(board_size=7, komi=0.5)
    engine = GtpPlayer(f"{GNUGO} --mode gtp --level 1 --seed 1 --chinese-rules", game)
    try:
        result = play_match(RandomPlayer(), engine, 2, game, MATCH, 1, handicap=2)
    finally:
        engine.close()
    assert result.score.failed == 0, [each.failure for each in result.games]
    for each in result.games:
        assert each.record.black == "GNU Go 3.8"
        each.record.check()
