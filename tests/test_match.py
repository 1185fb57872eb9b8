# SPDX-License-Identifier: Apache-2.0
"""Matches: pairs and openings, results, what becomes of broken players, and a real match against GNU Go."""

import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sgfmill import sgf

from minigo.config import GameConfig, MatchConfig, SearchConfig
from minigo.go.position import Position
from minigo.go.sgf import record_from_sgf
from minigo.match import (
    FAILED,
    MAX_FAILURES,
    MatchGame,
    MatchResult,
    play_games,
    play_match,
    points_from_record,
)
from minigo.players import (
    MAX_GAMES_TOGETHER,
    Choice,
    GtpPlayer,
    PlayerError,
    RandomPlayer,
    SearchPlayer,
    Team,
)
from tests.support.area_evaluator import AreaEvaluator
from tests.support.fake_engine import command_line, heard
from tests.support.match_players import PassingPlayer, moves_of, search_player

GNUGO = shutil.which("gnugo", path=os.environ["PATH"] + ":/usr/games")
GAME = GameConfig(board_size=5, komi=0.5)
MATCH = MatchConfig(opening_plies=2, temperature=0.5, temperature_plies=4)


class ScriptedPlayer:
    """Chooses by a function of the position, one game at a time."""

    name = "scripted"

    def __init__(self, choose: Callable[[Position], Choice]) -> None:
        self._choose = choose
        self.new_games = 0

    def new_game(self) -> None:
        self.new_games += 1

    def choose(self, position: Position) -> Choice:
        return self._choose(position)

    def close(self) -> None:
        pass


# Pairs.


def test_games_of_a_pair_share_their_opening_with_colors_swapped():
    player, opponent = RandomPlayer(), search_player()
    result = play_match(player, opponent, 20, GAME, MatchConfig(opening_plies=3), 1)
    assert [game.index for game in result.games] == list(range(20))
    openings = set()
    for even, odd in zip(result.games[::2], result.games[1::2], strict=True):
        assert even.record.start_ply == odd.record.start_ply == 3
        assert even.record.moves[:3].tolist() == odd.record.moves[:3].tolist()
        assert (even.record.black, even.record.white) == ("random", "search")
        assert (odd.record.black, odd.record.white) == ("search", "random")
        openings.add(tuple(even.record.moves[:3].tolist()))
    assert len(openings) >= 9


def test_the_first_player_has_black_in_even_games():
    won = MatchGame(0, play_match(PassingPlayer(), PassingPlayer(), 1, GAME, MATCH, 1).games[0].record, 0.0)
    assert won.record.score_for_black < 0 or won.record.score_for_black > 0
    black = float(won.record.score_for_black > 0)
    assert points_from_record(0, won.record) == points_from_record(2, won.record) == black
    assert points_from_record(1, won.record) == points_from_record(3, won.record) == 1 - black


def test_an_opening_of_no_plies_is_the_empty_board():
    result = play_match(PassingPlayer(), PassingPlayer(), 2, GAME, MatchConfig(opening_plies=0), 1)
    assert moves_of(result) == [[25, 25], [25, 25]]


# Results.


def test_chance_against_chance_is_even():
    """400 games: 200 points expected, standard deviation at most 10; allowed are 4.5 of them."""
    result = play_match(RandomPlayer(), RandomPlayer(), 400, GAME, MATCH, 1)
    score = result.score
    assert (score.games, score.failed) == (400, 0)
    assert abs(score.wins + score.draws / 2 - 200) < 45
    low, high = score.elo_interval
    assert low < score.elo < high
    assert high - low < 120


def test_the_stronger_player_wins_from_either_side():
    strong = SearchPlayer(AreaEvaluator(), SearchConfig(num_simulations=64, gumbel_scale=0.0))
    forward = play_match(strong, RandomPlayer(), 20, GAME, MATCH, 1).score
    backward = play_match(RandomPlayer(), strong, 20, GAME, MATCH, 1).score
    assert forward.wins >= 18
    assert backward.losses >= 18
    assert forward.elo > 300 > -300 > backward.elo


def test_every_record_follows_the_rules_and_knows_how_it_ended():
    result = play_match(search_player(), RandomPlayer(), 40, GAME, MATCH, 1)
    for game in result.games:
        game.record.check()
        assert points_from_record(game.index, game.record) == game.points
    assert len({game.record.game_id for game in result.games}) == 40
    searched = result.games[0].record
    assert searched.simulations[2] == 8
    assert -1 <= searched.root_values[2] <= 1
    assert (searched.simulations[:2] == 0).all()
    assert np.isnan(searched.root_values[:2]).all()
    assert np.isnan(searched.root_scores[:2]).all()


def test_a_draw_is_half_a_point():
    """On an empty board without komi, two passes are a draw."""
    game = GameConfig(board_size=3, komi=0.0)
    result = play_match(PassingPlayer(), PassingPlayer(), 2, game, MatchConfig(opening_plies=0), 1)
    assert [game.points for game in result.games] == [0.5, 0.5]
    assert (result.score.draws, result.score.elo) == (2, 0.0)


def test_a_game_is_scored_as_it_stands_after_its_most_moves():
    game = GameConfig(board_size=5, komi=0.5, max_moves_per_point=1.0)
    result = play_match(RandomPlayer(), RandomPlayer(), 10, game, MATCH, 1)
    assert {game.record.end for game in result.games} == {"move_limit"}
    for finished in result.games:
        assert finished.record.num_moves == 25
        finished.record.check()


def test_who_resigns_loses():
    player = ScriptedPlayer(lambda position: Choice(position.board.pass_move, resign=True))
    result = play_match(player, PassingPlayer(), 2, GAME, MATCH, 1)
    assert (result.score.losses, result.score.failed) == (2, 0)
    assert [game.record.end for game in result.games] == ["resign", "resign"]
    assert [game.record.score_for_black for game in result.games] == [-1, 1]
    for game in result.games:
        game.record.check()


# Seeds and batches.


def test_the_seed_decides_every_game():
    def moves(seed: int) -> list[list[int]]:
        return moves_of(play_match(search_player(), RandomPlayer(), 10, GAME, MATCH, seed))

    assert moves(1) == moves(1)
    assert moves(1) != moves(2)
    assert len({tuple(game) for game in moves(1)}) == 10


def test_a_game_is_the_same_whatever_else_is_played():
    whole = play_match(search_player(), search_player("other", 2), 12, GAME, MATCH, 5)
    part: list[MatchGame] = []
    play_games(search_player(), search_player("other", 2), [7, 2], GAME, MATCH, 5, on_game=part.append)
    assert sorted(game.index for game in part) == [2, 7]
    for game in part:
        assert game.record.moves.tolist() == whole.games[game.index].record.moves.tolist()


def test_every_choice_has_a_seed_of_its_own():
    player = PassingPlayer()
    match = MatchConfig(opening_plies=1)
    result = play_match(player, ScriptedPlayer(lambda _: Choice(0)), 20, GAME, match, 1)
    assert result.score.games == 20
    assert len(player.seeds) >= 20
    assert len(set(player.seeds)) == len(player.seeds)


def test_games_go_on_together_and_make_room_for_others():
    player = PassingPlayer()
    result = play_match(player, PassingPlayer(), 150, GAME, MATCH, 1)
    assert result.score.games == 150
    assert max(player.batches) <= MAX_GAMES_TOGETHER
    assert len(player.batches) < 10


def test_players_from_outside_play_one_game_at_a_time():
    current: list[tuple[tuple[int, int], ...]] = []

    def choose(position: Position) -> Choice:
        current.append(position.moves)
        return Choice(position.board.pass_move)

    player = ScriptedPlayer(choose)
    result = play_match(player, RandomPlayer(), 4, GAME, MATCH, 1)
    assert player.new_games == 4
    starts = [index for index, moves in enumerate(current) if len(moves) <= 3]
    assert len(starts) == 4
    for before, moves in itertools.pairwise(current):
        assert len(moves) <= 3 or moves[: len(before)] == before
    assert result.score.games == 4


def test_a_player_may_meet_itself():
    player = search_player()
    result = play_match(player, player, 4, GAME, MATCH, 1)
    assert result.score.games == 4
    for game in result.games:
        game.record.check()


def test_a_stopped_match_keeps_the_games_that_ended():
    stop = threading.Event()
    told: list[int] = []

    def progress(result: MatchResult) -> None:
        told.append(result.score.games)
        if len(told) == 3:
            stop.set()

    player = ScriptedPlayer(lambda position: Choice(position.board.pass_move))
    result = play_match(player, PassingPlayer(), 10, GAME, MATCH, 1, progress=progress, stop=stop)
    assert told == [1, 2, 3]
    assert result.score.games == 3


# Broken players.


def test_an_illegal_move_fails_the_game_with_its_reason():
    player = ScriptedPlayer(lambda position: Choice(position.moves[0][1]))
    result = play_match(player, PassingPlayer(), 2, GAME, MATCH, 1)
    assert (result.score.failed, result.score.games) == (2, 2)
    for game in result.games:
        assert game.points is None
        assert game.record.end == FAILED
        assert "scripted: ply" in game.failure
        assert "is illegal for" in game.failure
        assert game.record.num_moves >= 2


@pytest.mark.parametrize("move", [-1, 26, 10_000])
def test_a_move_off_the_board_fails_the_game(move):
    result = play_match(ScriptedPlayer(lambda _: Choice(move)), PassingPlayer(), 2, GAME, MATCH, 1)
    assert result.score.failed == 2


def test_a_player_that_fails_now_and_then_finishes_its_other_games():
    count = iter(range(100))

    def choose(position: Position) -> Choice:
        if next(count) in (2, 3):
            raise PlayerError("scripted: tired")
        return Choice(position.board.pass_move)

    result = play_match(ScriptedPlayer(choose), PassingPlayer(), 6, GAME, MatchConfig(opening_plies=0), 1)
    assert result.score.failed == 2
    assert [game.index for game in result.games if game.failure] == [2, 3]
    assert result.score.wins + result.score.losses == 4
    assert sum(result.score.pairs) == 2


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (["!hang"], "no reply to 'genmove"),
        (["!die"], "exited with status 3"),
        (["!garbage"], "must begin with"),
        (["A1", "A1"], "is illegal for"),
        (["Q99"], "no move"),
    ],
)
def test_a_broken_engine_fails_its_games_and_leaves_no_process(tmp_path, answers, reason):
    log = tmp_path / "log"
    engine = GtpPlayer(command_line(log, *answers), GAME, seconds_per_move=0.3)
    match = MatchConfig(opening_plies=0)
    player = ScriptedPlayer(lambda position: Choice(int(position.legal_moves().argmax())))
    try:
        result = play_match(engine, player, 4, GAME, match, 1)
    finally:
        engine.close()

    assert result.score.failed == 4
    for game in result.games:
        assert reason in game.failure
    starts = heard(log).count("start")
    assert starts == (1 if "illegal" in reason else 4)
    assert processes_with(str(log)) == []


def processes_with(marker: str) -> list[str]:
    commands = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            commands[folder.name] = (folder / "cmdline").read_text()
        except OSError:  # it ended meanwhile
            continue
    return [pid for pid, command in commands.items() if marker in command]


def test_an_engine_that_breaks_once_plays_on(tmp_path):
    """It dies in its second game, and plays the others as a new process."""
    engine = GtpPlayer(command_line(tmp_path / "log", "pass", "!die"), GAME)
    match = MatchConfig(opening_plies=0)
    try:
        result = play_match(engine, PassingPlayer(), 3, GAME, match, 1)
    finally:
        engine.close()
    assert [bool(game.failure) for game in result.games] == [False, True, False]
    assert heard(tmp_path / "log").count("start") == 2


# Teams.


def first_legal(position: Position) -> Choice:
    return Choice(int(position.legal_moves().argmax()))


def test_a_team_plays_the_same_games_as_one_of_its_members():
    one = play_match(search_player(), ScriptedPlayer(first_legal), 12, GAME, MATCH, 5)
    team = play_match(search_player(), Team([ScriptedPlayer(first_legal) for _ in range(5)]), 12, GAME, MATCH, 5)
    assert moves_of(team) == moves_of(one)
    assert team.score == one.score


def test_members_of_a_team_think_at_the_same_time_each_in_a_game_of_its_own():
    together = threading.Barrier(4)

    def choose(position: Position) -> Choice:
        together.wait(timeout=20.0)  # breaks unless all four are asked at once
        return Choice(position.board.pass_move)

    members = [ScriptedPlayer(choose) for _ in range(4)]
    result = play_match(Team(members), Team([ScriptedPlayer(choose) for _ in range(4)]), 4, GAME, MATCH, 1)
    assert result.score.failed == 0
    assert [member.new_games for member in members] == [1, 1, 1, 1]


def test_a_member_that_goes_on_failing_is_left_out(tmp_path):
    """One of the two dies whenever it is asked for a move, long before a game of the other ends."""
    team = Team([GtpPlayer(command_line(tmp_path / answer, answer), GAME) for answer in ("pass", "!die")])
    try:
        result = play_match(team, search_player(), 12, GAME, MatchConfig(opening_plies=0), 1)
    finally:
        team.close()
    assert result.score.failed == MAX_FAILURES
    assert all("exited with status 3" in game.failure for game in result.games if game.failure)
    assert processes_with(str(tmp_path)) == []


def test_the_last_member_plays_on_however_often_it_fails(tmp_path):
    team = Team([GtpPlayer(command_line(tmp_path / str(number), "!die"), GAME) for number in range(2)])
    try:
        result = play_match(team, PassingPlayer(), 10, GAME, MatchConfig(opening_plies=0), 1)
    finally:
        team.close()
    assert result.score.failed == 10


def test_a_match_that_is_stopped_waits_for_no_member_of_a_team(tmp_path):
    stop, finished = threading.Event(), list[MatchGame]()
    lines = [command_line(tmp_path / answer, answer) for answer in ("!hang", "pass")]
    team = Team([GtpPlayer(line, GAME, stop=stop) for line in lines])
    threading.Timer(1.0, stop.set).start()
    began = time.monotonic()
    try:
        match = MatchConfig(opening_plies=0)
        play_games(team, search_player(), range(4), GAME, match, 1, on_game=finished.append, stop=stop)
    finally:
        team.close()
    assert time.monotonic() - began < 10
    assert not any(game.failure for game in finished)
    assert processes_with(str(tmp_path)) == []


# Files and numbers.


def test_every_game_is_written_as_sgf(tmp_path):
    folder = tmp_path / "new" / "games"
    result = play_match(search_player("a [player]\\"), RandomPlayer(), 4, GAME, MATCH, 1, sgf_dir=folder)
    assert sorted(path.name for path in folder.iterdir()) == [f"{index:06d}.sgf" for index in range(4)]
    for game in result.games:
        data = (folder / f"{game.index:06d}.sgf").read_bytes()
        record = record_from_sgf(data, "copy")
        assert record.moves.tolist() == game.record.moves.tolist()
        assert record.score_for_black == game.record.score_for_black
        assert {record.black, record.white} == {"a [player]\\", "random"}


def test_sgf_of_a_failed_game_is_void_and_says_why(tmp_path):
    def choose(_: Position) -> Choice:
        raise PlayerError("scripted: no [idea]")

    play_match(ScriptedPlayer(choose), PassingPlayer(), 2, GAME, MATCH, 1, sgf_dir=tmp_path)
    root = sgf.Sgf_game.from_bytes((tmp_path / "000000.sgf").read_bytes()).get_root()
    assert root.get("RE") == "Void"
    assert root.get("C") == "scripted: no [idea]"


def test_result_has_the_keys_of_the_command_line():
    result = play_match(RandomPlayer(), PassingPlayer(), 4, GAME, MATCH, 1)
    keys = ["games", "wins", "losses", "draws", "failed", "elo", "elo_low", "elo_high"]
    assert list(result.to_dict()) == keys
    assert str(result).startswith("random against passing: ")


@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
def test_gnugo_beats_chance_and_ends_its_games_properly():
    """It passes at the end of a game and removes nothing: what is left is scored by area."""
    command = f"{GNUGO} --mode gtp --level 1 --seed 1 --chinese-rules --positional-superko --forbid-suicide"
    engine = GtpPlayer(command, GAME)
    try:
        result = play_match(engine, RandomPlayer(), 6, GAME, MATCH, 1)
    finally:
        engine.close()
    assert result.player == "GNU Go 3.8"
    assert result.score.failed == 0, [game.failure for game in result.games]
    assert result.score.wins >= 5
    for game in result.games:
        game.record.check()
