# SPDX-License-Identifier: Apache-2.0
"""Players: what they choose, that chance is what it should be, and how an outside engine is led through a game."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from cc_kernels.features import position_key, position_symmetry
from minigo.config import GameConfig, MatchConfig, SearchConfig
from minigo.go.coords import move_from_vertex, vertex_from_move
from minigo.go.position import Position
from minigo.go.symmetry import transform_policy
from minigo.inference.evaluator import Evaluation, HashEvaluator, Leaves, UniformEvaluator
from minigo.match_players import match_search, player_from_text
from minigo.players import (
    BatchPlayer,
    Choice,
    GtpPlayer,
    PlayerError,
    PolicyPlayer,
    RandomPlayer,
    SearchPlayer,
    leaves_of,
)
from minigo.search import Search
from tests.support.area_evaluator import AreaEvaluator
from tests.support.diagrams import stones_from_diagram
from tests.support.fake_engine import command_line, heard

GAME = GameConfig(board_size=5, komi=0.5)
SEARCH = SearchConfig(num_simulations=16, gumbel_scale=0.0)
EMPTY_BOARD = Position.initial(GAME)

# White's two eyes are A5 and C5; Black may enter neither, and every other point is taken or suicide.
ONLY_EYES_LEFT = """
    . O . O O
    O O O O X
    X X X X X
    X . X . X
    X X X X X
"""


def position_of(diagram: str, to_play: int = BLACK, komi: float = 0.5) -> Position:
    return Position.from_stones(stones_from_diagram(diagram), to_play, komi, "cgos")


def after(vertices: str, position: Position = EMPTY_BOARD) -> Position:
    for vertex in vertices.split():
        position = position.play(move_from_vertex(vertex, position.board_size))
    return position


def vertex_of(choice: Choice, board_size: int = 5) -> str:
    return vertex_from_move(choice.move, board_size)


class FixedEvaluator:
    """Gives every position the same policy, as {vertex: probability}, and value.

    A row does not tell its symmetry: a policy is turned with the positions that are named here.
    """

    name, backend, precision = "fixed", "none", "float32"

    def __init__(
        self, policy: dict[str, float], value: float = 0.0, positions: tuple[Position, ...] = (EMPTY_BOARD,)
    ) -> None:
        self.symmetries = {position_key(shown.board): position_symmetry(shown.board) for shown in positions}
        self.policy = np.zeros(26, np.float32)
        for vertex, probability in policy.items():
            self.policy[move_from_vertex(vertex, 5)] = probability
        self.value = value
        self.batches: list[tuple[int, int]] = []

    def evaluate(self, leaves: Leaves) -> Evaluation:
        batch = len(leaves.planes)
        self.batches.append((leaves.count, batch))
        values = np.full(batch, self.value, np.float32)
        rows = [transform_policy(self.policy, 5, self.symmetries.get(int(key), 0)) for key in leaves.keys]
        return Evaluation(np.array(rows), values, values * 10, None)


# Chance.


def test_random_player_plays_every_legal_move_about_equally_often():
    position = after("C3")
    choices = RandomPlayer().choose_many([position] * 4800, range(4800))
    counts = Counter(choice.move for choice in choices)
    legal = set(np.flatnonzero(position.legal_moves())) - {25}
    assert set(counts) == legal
    assert max(abs(count - 200) for count in counts.values()) < 75  # more than 5 standard deviations


def test_random_player_passes_rather_than_fill_its_eyes():
    for color in (BLACK, WHITE):
        position = position_of(ONLY_EYES_LEFT, to_play=color)
        assert {vertex_of(RandomPlayer(seed).choose(position)) for seed in range(20)} == {"pass"}


def test_random_player_repeats_itself_with_its_seed():
    def choices(seed: int) -> list[int]:
        player = RandomPlayer(seed)
        return [player.choose(EMPTY_BOARD).move for _ in range(10)]

    assert choices(1) == choices(1)
    assert choices(1) != choices(2)


# The raw policy.


def test_policy_player_takes_the_likeliest_legal_move():
    without_c3 = tuple(after(vertices) for vertices in ("C3", "C3 A2", "C3 A2 E1", "C3 B2 D1", "B4 C3"))
    evaluator = FixedEvaluator({"C3": 0.6, "D5": 0.3, "A1": 0.1}, positions=(EMPTY_BOARD, *without_c3))
    player = PolicyPlayer(evaluator)
    assert len(set(evaluator.symmetries.values())) > 2
    assert vertex_of(player.choose(EMPTY_BOARD)) == "C3"
    for position in without_c3:
        assert vertex_of(player.choose(position)) == "D5"


@pytest.mark.parametrize("vertices", ["", "C3", "C3 A2", "C3 A2 E1", "pass"])
def test_policy_player_shows_positions_as_a_search_does(vertices):
    position = after(vertices)
    leaves = leaves_of([position], 1)
    search = Search(SEARCH, 5, 1)
    search.reset(0, position)
    root = search.select_leaves()
    assert leaves.keys == root.keys
    assert np.array_equal(leaves.planes, root.planes)
    assert np.array_equal(leaves.scalars, root.scalars)


def test_policy_player_passes_where_the_policy_has_no_legal_move():
    player = PolicyPlayer(FixedEvaluator({"C3": 1.0}))
    assert vertex_of(player.choose(after("C3"))) == "pass"


def test_policy_player_tells_value_and_lead():
    choice = PolicyPlayer(FixedEvaluator({"C3": 1.0}, value=0.25)).choose(EMPTY_BOARD)
    assert choice.value == 0.25
    assert choice.score_lead == 2.5


def test_policy_player_samples_its_first_moves_at_its_temperature():
    """At temperature 0.5 probabilities 0.6 and 0.3 are squared: C3 four times as often as D4."""
    evaluator = FixedEvaluator({"C3": 0.6, "D4": 0.3}, positions=(EMPTY_BOARD, after("A1 B1")))
    player = PolicyPlayer(evaluator, temperature=0.5, temperature_plies=2)
    choices = player.choose_many([EMPTY_BOARD] * 2000, range(2000))
    counts = Counter(vertex_of(choice) for choice in choices)
    assert set(counts) == {"C3", "D4"}
    assert counts["C3"] == pytest.approx(1600, abs=90)  # 5 standard deviations
    later = player.choose_many([after("A1 B1")] * 50, range(50))
    assert {vertex_of(choice) for choice in later} == {"C3"}


def test_policy_player_keeps_to_few_batch_shapes():
    evaluator = FixedEvaluator({"C3": 1.0})
    player = PolicyPlayer(evaluator)
    for count in (1, 2, 8, 9, 64, 65):
        assert len(player.choose_many([EMPTY_BOARD] * count, range(count))) == count
    assert evaluator.batches == [(1, 1), (2, 8), (8, 8), (9, 64), (64, 64), (64, 64), (1, 1)]


# Search.


@pytest.mark.parametrize("algorithm", ["gumbel", "puct"])
def test_search_player_captures(algorithm):
    position = position_of(
        """
        . O X . .
        O O X . .
        O O X . .
        O O X . .
        O O X . .
        """
    )
    config = SearchConfig(num_simulations=64, gumbel_scale=0.0, algorithm=algorithm)
    choice = SearchPlayer(AreaEvaluator(), config).choose(position)
    assert vertex_of(choice) == "A5"
    assert choice.value is not None
    assert choice.value > 0  # and without the capture, White is ahead
    assert 0 < choice.simulations <= 64


def test_search_player_chooses_the_same_alone_and_in_company():
    positions = [after(moves) for moves in ("", "C3", "C3 D4", "A1 B2 C3", "E5 D2", "B4")]
    alone = [
        SearchPlayer(HashEvaluator(1), SEARCH).choose_many([position], [seed])[0]
        for seed, position in enumerate(positions)
    ]
    together = SearchPlayer(HashEvaluator(1), SEARCH).choose_many(positions, range(6))
    assert together == alone


def test_search_player_serves_more_games_than_fit_in_one_batch():
    player = SearchPlayer(HashEvaluator(1), SEARCH)
    choices = player.choose_many([EMPTY_BOARD, after("C3")] * 70, [0] * 140)
    assert choices[:2] * 70 == choices


def test_search_player_goes_on_with_fewer_games_and_other_boards():
    player = SearchPlayer(HashEvaluator(1), SEARCH)
    many = player.choose_many([after("C3")] * 20, range(20))
    assert player.choose_many([after("C3")], [0]) == many[:1]
    assert player.choose(Position.empty(7, 0.5, "cgos")).move <= 49
    assert player.choose_many([after("C3")], [0]) == many[:1]


def test_search_player_varies_its_opening_only():
    config = dataclasses.replace(SEARCH, temperature=1.0, temperature_plies=2)
    player = SearchPlayer(UniformEvaluator(), config)
    first = {choice.move for choice in player.choose_many([EMPTY_BOARD] * 30, range(30))}
    later = {choice.move for choice in player.choose_many([after("C3 D4")] * 30, range(30))}
    assert len(first) > 3
    assert len(later) == 1


def test_matches_are_searched_without_noise_and_sampled_after_the_opening():
    match = MatchConfig(opening_plies=3, temperature=0.7, temperature_plies=5)
    config = match_search(SearchConfig(num_simulations=9, dirichlet_alpha=10.0), match)
    assert (config.num_simulations, config.gumbel_scale, config.dirichlet_alpha) == (9, 0.0, 0.0)
    assert (config.temperature, config.temperature_plies) == (0.7, 8)


# Outside engines.


@pytest.fixture
def engine(tmp_path):
    """Starts GtpPlayers on fake engines; `heard(engine.log)` is what they were told."""
    players: list[GtpPlayer] = []

    def start(*answers: str, game: GameConfig = GAME, seconds: float = 20.0, **options: Any) -> GtpPlayer:
        line = command_line(start.log, *answers, **options)  # type: ignore[attr-defined]
        players.append(GtpPlayer(line, game, seconds_per_move=seconds))
        return players[-1]

    start.log = tmp_path / "log"  # type: ignore[attr-defined]
    yield start
    for player in players:
        player.close()


SET_UP = ["boardsize 5", "clear_board", "komi 0.5"]


def test_engine_is_shown_only_the_moves_that_it_has_not_seen(engine):
    player = engine("D4", "pass")
    player.new_game()
    position = after("C3")
    choice = player.choose(position)
    position = after("B2", position.play(choice.move))
    last = player.choose(position)

    assert player.name == "Fake 1.0"
    assert [vertex_of(choice), vertex_of(last)] == ["D4", "pass"]
    assert heard(engine.log)[1 + len(SET_UP) :] == [
        *SET_UP,
        "play black C3",
        "genmove white",
        "play black B2",
        "genmove white",
    ]


def test_engine_starts_over_for_a_new_game_or_another_line_of_play(engine):
    player = engine("pass")
    player.choose(after("C3"))
    player.choose(after("D4"))
    player.new_game()
    player.choose(after("D4 pass"))  # as if the last game went on
    assert heard(engine.log).count("clear_board") == 4  # one of them when it was started
    moves = ["play black D4", "play white pass"]
    assert heard(engine.log)[-7:] == ["genmove white", *SET_UP, *moves, "genmove black"]


def test_engine_is_told_the_rules_if_it_can_be(engine):
    engine("pass", rules=True, game=GameConfig(board_size=9, komi=-3.0, rules="aga"))
    assert heard(engine.log)[1:] == ["boardsize 9", "clear_board", "komi -3", "kata-set-rules aga"]


@pytest.mark.parametrize("refused", ["boardsize", "komi", "kata-set-rules"])
def test_engine_that_refuses_the_game_is_refused(engine, refused):
    with pytest.raises(PlayerError, match=f"refused '{refused} .*: no"):
        engine("pass", refuses=refused, rules=True)


def test_engine_may_resign(engine):
    assert engine("Resign").choose(EMPTY_BOARD).resign


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("!hang", "no reply to 'genmove black' within 0.5 s"),
        ("!die", "exited with status 3"),
        ("!garbage", "must begin with = or [?].*Segmentation fault"),
        ("Z9", r"answered genmove with no move: vertex must be A1\.\.E5 or pass, got 'Z9'"),
        ("", "answered genmove with no move"),
    ],
)
def test_broken_engine_raises_and_runs_again_for_the_next_game(engine, answer, message):
    player = engine(answer, seconds=0.5)
    for _ in range(2):
        player.new_game()
        with pytest.raises(PlayerError, match=message):
            player.choose(EMPTY_BOARD)
    assert heard(engine.log).count("start") == 2
    with pytest.raises(PlayerError, match="not running"):
        player.choose(EMPTY_BOARD)


def test_engine_is_not_shown_positions_that_were_set_up(engine):
    player = engine("pass")
    with pytest.raises(PlayerError, match="did not start from the empty board"):
        player.choose(position_of(ONLY_EYES_LEFT))


def test_engine_follows_captures(engine):
    """C3 is captured and retaken: stones on the board are fewer than moves, yet nothing was set up."""
    position = after("C3 C4 A1 B3 A2 D3 A3 C2")
    assert position.board.captured(BLACK) == 1
    assert vertex_of(engine("E5").choose(position)) == "E5"


# What people write.


def from_text(text: str) -> Any:
    return player_from_text(
        text,
        game=GAME,
        search=SEARCH,
        match=MatchConfig(opening_plies=1, temperature=1.0, temperature_plies=2, seconds_per_move=7.0),
        load_evaluator=lambda url: FixedEvaluator({"C3": 1.0}, value=float(len(url))),
        seed=3,
    )


def test_text_means_a_player(tmp_path):
    assert isinstance(from_text("random"), RandomPlayer)
    assert isinstance(from_text("policy:some/folder"), PolicyPlayer)
    assert isinstance(from_text("some/folder"), SearchPlayer)
    averaged = from_text("averaged:some/folder")
    assert isinstance(averaged, SearchPlayer)
    assert averaged.name == "averaged:fixed"
    choices = averaged.choose_many([after("C3 C4"), after("B2")], [1, 2])
    assert [choice.simulations for choice in choices] == [SEARCH.num_simulations] * 2
    engine = from_text(f"gtp:{command_line(tmp_path / 'log', 'pass')}")
    assert isinstance(engine, GtpPlayer)
    assert not isinstance(engine, BatchPlayer)
    engine.close()


def test_policy_in_text_is_that_of_the_folder():
    assert from_text("policy:abc").choose(EMPTY_BOARD).value == 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "must be random, policy:FOLDER"), ("gtp:", "empty"), ("gtp:/no/such/engine", "No such file")],
)
def test_text_without_a_player_is_refused(text, message):
    with pytest.raises(PlayerError, match=message):
        from_text(text)
