# SPDX-License-Identifier: Apache-2.0
"""What analyses look like, for whom their numbers are, and that breaking them off loses no reply."""

import random
import re

import numpy as np
import pytest

from cc_kernels.board import BLACK, WHITE
from minigo.config import SearchConfig
from minigo.engines.gtp import GtpEngine
from minigo.engines.gtp_formats import Shape, _numbers, info_line, raw_network_text
from minigo.engines.options import PlayOptions
from minigo.engines.raw_network import evaluate_alone
from minigo.engines.thinking import Thinking
from minigo.go.coords import move_from_vertex
from minigo.go.position import Position
from minigo.inference.evaluator import HashEvaluator
from minigo.roots import Avoid, RootOptions
from tests.support.gtp import (
    GAME,
    Conversation,
    analysis_of,
    conversation,
    engine_with,
    hash_thinking,
    replies_to,
    talk,
)

LZ, KATA = Shape("lz"), Shape("kata")
EMPTY = Position.empty(5, 0.5, "cgos")


def moves_shown(line: str) -> list[str]:
    return re.findall(r"info move (\w+)", line)


def test_a_line_of_leela_zero():
    assert info_line(analysis_of(EMPTY, 0, 1, value=-0.5), LZ) == (
        "info move A5 visits 10 winrate 2500 prior 1250 lcb 0 order 0 pv A5 pass "
        "info move B5 visits 9 winrate 2500 prior 1250 lcb 0 order 1 pv B5 pass"
    )


def test_a_line_of_katago():
    assert info_line(analysis_of(EMPTY, 0, score_lead=-2.0), KATA) == (
        "info move A5 visits 10 utility 0.300000 winrate 0.625000 scoreMean -2.000000 scoreLead -2.000000 "
        "prior 0.125000 lcb 0.375000 utilityLcb -0.200000 order 0 pv A5 pass"
    )


def test_everything_that_can_be_asked_for_comes_in_katagos_order():
    analysis = analysis_of(EMPTY, 0, ownership=True)
    line = info_line(analysis, Shape("kata", pv_visits=True, root_info=True))
    order = [
        "info move A5",
        "pv A5 pass pvVisits 10 1 movesOwnership -1.000000",
        "rootInfo visits 12",
        " ownership -1.0",
    ]
    places = [line.index(words) for words in order]
    assert places == sorted(places)
    assert line.endswith(" 1.000000")
    root = line.partition("rootInfo ")[2].partition(" ownership")[0].split()
    assert dict(zip(root[::2], root[1::2], strict=True)) == {
        "visits": "12",
        "utility": "0.300000",
        "winrate": "0.625000",
        "scoreMean": "1.500000",
        "scoreLead": "1.500000",
        "rawWinrate": "0.550000",
        "rawLead": "0.750000",
    }


@pytest.mark.parametrize(
    ("least", "most", "count"), [(0, 100, 2), (5, 100, 5), (100, 100, 26), (5, 3, 3), (0, 1, 1), (100, 4, 4)]
)
def test_minmoves_adds_moves_by_policy_and_maxmoves_cuts(least, most, count):
    shown = moves_shown(info_line(analysis_of(EMPTY, 7, 8), Shape("lz", least, most)))
    assert len(shown) == len(set(shown)) == count
    assert shown[:2] == ["C4", "D4"][:count]


def test_numbers_are_never_exponents_and_zero_has_no_sign():
    line = info_line(analysis_of(EMPTY, 0, score_lead=-1e-9, utility=1e-12), KATA)
    assert "scoreLead 0.000000" in line
    assert "utility 0.000000" in line


def test_probabilities_stay_in_their_range():
    line = info_line(analysis_of(EMPTY, 0, value=1.0000001), LZ)
    assert "winrate 10000 " in line


def test_the_raw_network_speaks_for_white():
    """The same position with the other colour to move has the numbers of that colour."""
    black = Position.empty(5, 0.5, "cgos").play(move_from_vertex("C3", 5))
    raw = evaluate_alone(HashEvaluator(), black, 3)
    words = raw_network_text(black, raw, 3).split()
    assert black.to_play == WHITE
    assert words[:2] == ["symmetry", "3"]
    assert float(words[words.index("whiteWin") + 1]) == pytest.approx((1 + raw.value) / 2, abs=1e-6)
    assert float(words[words.index("whiteLead") + 1]) == pytest.approx(raw.score_lead, abs=1e-6)
    start = words.index("policy") + 1
    policy = words[start : start + 25]
    assert policy[12] == "NAN"
    assert float(policy[0]) == pytest.approx(float(raw.policy[0]), abs=1e-6)
    assert words[start + 25] == "policyPass"
    owners = np.array(words[words.index("whiteOwnership") + 1 :], float)
    assert raw.ownership is not None
    assert owners == pytest.approx(raw.ownership.ravel(), abs=1e-6)

    raw = evaluate_alone(HashEvaluator(), EMPTY, 0)
    words = raw_network_text(EMPTY, raw, 0).split()
    assert float(words[words.index("whiteWin") + 1]) == pytest.approx((1 - raw.value) / 2, abs=1e-6)


def test_raw_network_in_all_symmetries():
    (text,) = replies_to("kata-raw-nn all")
    assert re.findall(r"symmetry (\d)", text) == list("01234567")
    for wrong in ("8", "-1", "x", ""):
        assert replies_to(f"kata-raw-nn {wrong}")[0].startswith("? syntax error: symmetry")


def test_analysis_is_for_the_side_to_move():
    """A win for Black is one for the side to move where that is Black, and a loss where it is White."""

    class BlackWins:
        name = backend = precision = "black"

        def evaluate(self, leaves):
            found = HashEvaluator().evaluate(leaves)
            to_play = np.where(leaves.scalars[:, 0] < 0, 1.0, -1.0)  # komi, for the player to move
            return found._replace(
                value=(0.8 * to_play).astype(np.float32),
                score_lead=(9 * to_play).astype(np.float32),
                ownership=np.tile(to_play[:, None, None].astype(np.float32), (1, 5, 5)),
            )

    def load() -> Thinking:
        return Thinking(BlackWins(), SearchConfig(), PlayOptions(), cached_positions=0)

    for color, sign in (("b", 1), ("w", -1)):
        engine = GtpEngine(load, GAME, version="1.0")
        line = talk(engine, f"kata-genmove_analyze {color} ownership true rootInfo true").split("\n")[1]
        assert (float(re.findall(r"rootInfo.* winrate ([\d.]+)", line)[0]) > 0.5) == (sign > 0)
        assert float(re.findall(r"rootInfo.* scoreLead ([-\d.]+)", line)[0]) * sign > 0
        assert float(line.split()[-1]) * sign > 0.5


def test_a_color_that_is_not_to_move_may_be_analysed():
    engine, thinking = engine_with()
    with conversation(engine) as talking:
        for line in ("lz-analyze w 10", "lz-analyze b 10", "lz-analyze 10 avoid w C3 2"):
            talking.send(line)
            assert (talking.line(), talking.line()[:5]) == ("=", "info ")
            assert talking.ask("") == ""
    assert [position.to_play for position in thinking.seen] == [WHITE, BLACK, BLACK]
    assert thinking.asked[2]["root"] == RootOptions(avoid=(Avoid(WHITE, move_from_vertex("C3", 5), 2),))
    assert thinking.asked[0]["interval"] == 0.1


INTERRUPTIONS = ("", "name", "# nothing", "protocol_version", "known_command undo", "stop", "lz-analyze 1", "play b Z9")
COMMANDS = ("genmove b", "genmove w", "lz-genmove_analyze b 1", "undo", "showboard", "clear_board", "kata-raw-nn 0")


def test_interleavings_of_analysis_and_interruption_lose_and_add_no_reply():
    """1,000 random ones, in pieces that end anywhere, over a few conversations."""
    rng = random.Random(7)  # noqa: S311 (nothing here is secret)
    for _ in range(5):
        engine = GtpEngine(lambda: hash_thinking(4), GAME, version="1.0")
        talking = Conversation(engine)
        number = 0
        for _ in range(200):
            lines, numbers = [], []
            for line in (
                f"{rng.choice(('lz', 'kata'))}-analyze {rng.choice(('', 'b ', 'w '))}{rng.randint(0, 3)}",
                *rng.choices(INTERRUPTIONS, k=rng.randint(1, 3)),
                *rng.choices(COMMANDS, k=rng.randint(0, 2)),
                "name",
            ):
                if not line or line.startswith("#"):
                    lines.append(line)
                    continue
                number += 1
                numbers.append(number)
                lines.append(f"{number} {line}")
            text = "\n".join(lines) + "\n"
            while text:
                cut = rng.randint(1, len(text)) if rng.random() < 0.5 else len(text)
                talking.write(text[:cut])
                text = text[cut:]
            for expected in numbers:
                reply = talking.reply()
                assert re.match(rf"[=?]{expected}( |$|\n)", reply), (lines, expected, reply)
        assert talking.close() == ""


DECIDED = """
    set_position b A2 b B2 b C2 b D2 b E2 b A4 b B4 b C4 b D4 b E4 b A1 b C1 b E1 b A5 b C5 b E5
"""


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", (0, 0)),
        ("ownership true", (0, 1)),
        ("movesOwnership true", (1, 0)),
        ("ownership true movesOwnership true", (1, 1)),
    ],
)
def test_a_decided_game_shows_the_ownership_that_was_asked_for(asked, expected):
    engine = GtpEngine(hash_thinking, GAME, version="1.0")
    text = talk(engine, DECIDED.strip(), f"kata-genmove_analyze b {asked} minmoves 3")
    assert (text.count("movesOwnership"), text.count(" ownership")) == expected
    lines = re.findall(r"move (\w+) .*?winrate (\S+) .*?lcb (\S+)", text)
    assert [(winrate, lcb) for _, winrate, lcb in lines] == [("1.000000", "1.000000")] * 3


def test_many_numbers_are_written_as_one_is():
    numbers = np.array([[-1.0, -1e-9, 0.0], [0.25, 1 / 3, -2 / 3]], np.float32)
    assert _numbers(numbers) == "-1.000000 0.000000 0.000000 0.250000 0.333333 -0.666667"
