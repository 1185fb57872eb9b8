# SPDX-License-Identifier: Apache-2.0
"""What graphical programs rely on: one test for each numbered rule that was read out of their sources.

Sabaki, GoGui, Lizzie, LizGoban, q5Go, gtp2ogs, KGS and CGOS each depend on some of these; none is a matter of taste.
"""

import itertools
import re
import threading
import time

import pytest

from minigo.config import SearchConfig
from minigo.engines.gtp import GtpEngine
from tests.support.gtp import (
    GAME,
    ListedThinking,
    ask,
    conversation,
    engine_with,
    hash_thinking,
    replies_to,
    reply_of,
    running,
    talk,
    tell,
    wait_until,
)
from tests.support.waiting import slack


def real_engine(visits: int = 8) -> GtpEngine:
    search = SearchConfig(num_simulations=visits)
    return GtpEngine(hash_thinking, GAME, search=search, version="0.1.0")


def test_rule_1_a_reply_id_is_glued_and_one_empty_line_ends_a_reply():
    text = talk(engine_with("D4")[0], "12 genmove b", "12 nonsense", "protocol_version", "quit")
    assert text == "=12 D4\n\n?12 unknown command\n\n= 2\n\n=\n\n"


NOISY = """
import os, sys
from minigo.config import GameConfig
from minigo.config import SearchConfig
from minigo.engines.gtp import GtpEngine, serve
def load():
    print("a framework greets stdout")
    os.system("echo and so does its child")
    os.write(1, b"even by the descriptor\\n")
    from tests.support.gtp import hash_thinking
    return hash_thinking()
serve(GtpEngine(load, GameConfig(board_size=5, komi=0.5), version="0.1.0"))
"""


def test_rule_2_nothing_but_replies_is_written_to_stdout():
    with running(script=NOISY) as process:
        output, errors = process.communicate(b"name\ngenmove b\nquit\n", timeout=60)
    assert re.fullmatch(rb"= MiniGo\n\n= \w+\n\n=\n\n", output)
    for line in (b"a framework greets", b"and so does its child", b"even by the descriptor", b"GTP ready"):
        assert line in errors
    assert process.returncode == 0


def test_rule_3_input_is_cleaned_and_only_names_of_commands_depend_on_case():
    replies = replies_to("\x01na\x02me\r", "\t5\tname", "# name", "", "NAME", "PLAY b C3", "play B c3", "play White D4")
    assert replies == ["= MiniGo", "=5 MiniGo", "? unknown command", "? unknown command", "=", "="]


def test_rule_4_first_questions_are_answered_before_the_network_is_loaded():
    ready = threading.Event()

    def load() -> ListedThinking:
        ready.wait(30)
        return ListedThinking(["C3"])

    with conversation(GtpEngine(load, GAME, version="1.0")) as talking:
        for question in ("name", "version", "protocol_version", "list_commands", "known_command play", "boardsize 5"):
            assert talking.ask(question).startswith("=")
        talking.send("genmove b")
        time.sleep(0.05)
        ready.set()
        assert talking.reply() == "= C3"


def test_rule_5_commands_that_arrive_at_once_are_answered_in_order():
    lines = [f"{number} {'genmove b' if number % 3 == 0 else 'name'}" for number in range(300)]
    replies = replies_to(*lines, moves=("pass",) * 100)
    assert [reply.split()[0] for reply in replies] == [f"={number}" for number in range(300)]


@pytest.mark.parametrize("line", ["", "# what", "protocol_version", "name", "known_command undo", "stop", "nonsense"])
@pytest.mark.parametrize("command", ["lz-analyze 1", "kata-analyze 1"])
def test_rule_6_analysis_runs_until_any_line_arrives_and_closes_before_the_next_reply(command, line):
    with conversation(real_engine(10**6)) as talking:
        talking.send(f"7 {command}")
        assert talking.line() == "=7"
        for _ in range(3):
            assert talking.line().startswith("info move ")
        talking.send(line)
        while said := talking.line():
            assert said.startswith("info move ")
        assert talking.ask("8 name") == "=8 MiniGo" if line[:1] in ("", "#") else talking.reply()[:1] in "=?"


@pytest.mark.parametrize("command", ["lz-genmove_analyze", "kata-genmove_analyze"])
def test_rule_7_a_move_with_analysis_is_not_interrupted_and_ends_with_play(command):
    with conversation(real_engine(400)) as talking:
        talking.send(f"3 {command} b 1")
        assert talking.line() == "=3"
        talking.write("\n# what\nname\n")
        lines = talking.reply().split("\n")
        assert all(line.startswith("info move ") for line in lines[:-1])
        assert sum(map(int, re.findall(r" visits (\d+)", lines[-2]))) >= 390
        assert re.fullmatch(r"play ([A-E][1-5]|pass)", lines[-1])
        assert talking.reply() == "= MiniGo"
        without_interval = talking.ask(f"{command} w").split("\n")
        assert (len(without_interval), without_interval[1][:9]) == (3, "info move")


@pytest.mark.parametrize(
    "line",
    [
        "lz-analyze 10",
        "lz-analyze B 100",
        "kata-analyze interval 1",
        "kata-analyze 1 B",
        "lz-analyze w interval 1",
        "kata-analyze interval 1 w",
        "lz-analyze minmoves 2 B 10 maxmoves 3",
        "kata-analyze ownership true 2 b",
        "kata-analyze",
    ],
)
def test_rule_8_the_order_of_arguments_is_free(line):
    with conversation(real_engine()) as talking:
        talking.send(line)
        assert talking.line() == "="
        assert talking.line().startswith("info move ")
        talking.send("")
        while talking.line():
            pass


@pytest.mark.parametrize(
    "line",
    [
        "lz-analyze ownership true",
        "kata-analyze ownershipStdev true",
        "kata-analyze pvEdgeVisits true",
        "kata-analyze 10 nonsense",
        "kata-analyze Interval 1",
        "kata-analyze ownership maybe",
        "kata-analyze ownership",
        "lz-analyze interval",
        "lz-analyze maxmoves 0",
        "lz-analyze -5",
        "lz-analyze avoid b D4",
        "lz-analyze avoid b D4,Z9 1",
        "lz-analyze avoid b D4 0",
        "lz-analyze allow b D4 1 avoid w C3 1",
        "kata-genmove_analyze b ownershipStdev true",
        "kata-set-param playoutDoublingAdvantage 1",
        "kata-get-param nonsense",
        "lz-setoption name visits value 1",
    ],
)
def test_rule_9_what_is_not_supported_fails_with_a_question_mark(line):
    assert replies_to(line, "name")[0].startswith("? ")


def test_rule_10_leela_zeros_numbers_are_integers_and_lcb_is_not_negative():
    engine, _ = engine_with("C3")
    (info, *_) = talk(engine, "lz-genmove_analyze b").split("\n")[1:]
    assert info == "info move C3 visits 10 winrate 6250 prior 1250 lcb 3750 order 0 pv C3 pass"
    text = talk(real_engine(60), "lz-genmove_analyze b")
    assert not re.search(r"[-.]", text)
    assert " lcb 0 " in text


def test_rule_11_katagos_floats_carry_a_point_and_no_exponent():
    text = talk(real_engine(60), "kata-genmove_analyze b ownership true rootInfo true movesOwnership true")
    integers = {"visits", "order"}
    words = text.split()
    for before, word in itertools.pairwise(words):
        if re.match(r"[-+]?[\d.]", word) and before not in integers:
            assert re.fullmatch(r"-?\d+\.\d+", word), (before, word)


def test_rule_12_plain_analyze_is_not_listed():
    replies = replies_to("known_command analyze", "known_command genmove_analyze", "analyze", "list_commands")
    assert replies[:3] == ["= false", "= false", "? unknown command"]
    assert not {"analyze", "genmove_analyze", "lz-setoption"} & set(replies[3].split())


def test_rule_13_a_segment_ends_with_its_line_and_extras_come_only_when_asked_for():
    extras = ("pvVisits", "ownership", "movesOwnership", "rootInfo")
    plain = talk(real_engine(40), "kata-genmove_analyze b 1000")
    assert not any(word in plain for word in extras)
    for segment in plain.split("\n")[1].split("info ")[1:]:
        assert re.search(r" pv( [A-E][1-5]| pass)+ ?$", segment)
    for word in extras:
        assert word in talk(real_engine(40), f"kata-genmove_analyze b {word} true")
    full = talk(real_engine(40), "kata-genmove_analyze b " + " ".join(f"{word} true" for word in extras))
    line = full.split("\n")[1]
    assert line.index("info ") < line.index("rootInfo") < line.index(" ownership ")
    assert len(line.split(" ownership ")[1].split()) == 25


def test_rule_14_a_pass_is_never_the_only_line():
    engine, _ = engine_with("pass")
    text = talk(engine, "lz-genmove_analyze b")
    assert re.findall(r"info move (\w+)", text) == ["pass", "A5"]
    eyes = {"A1", "A2", "E4", "E5"}
    crowded = " ".join(
        f"b {vertex}" for vertex in (f"{x}{y}" for x in "ABCDE" for y in range(1, 6)) if vertex not in eyes
    )
    decided = talk(real_engine(), f"set_position {crowded}", "kata-genmove_analyze w")  # White has lost everything
    assert re.findall(r"info move (\w+)", decided)[0] == "pass"
    assert len(re.findall(r"info move (\w+)", decided)) == 2


@pytest.mark.parametrize("command", ["kata-genmove_analyze b", "lz-genmove_analyze b 10 minmoves 2"])
def test_rule_7_wins_over_rule_14_where_nothing_but_a_pass_is_legal(command):
    crowded = "set_position w B3 w C3 w A2 w B2 w C2 w A1 w B1"
    text = talk(real_engine(), "boardsize 3", crowded, command)
    assert re.findall(r"info move (\w+)", text) == ["pass"]
    assert text.endswith("play pass\n\n")
    assert "info" not in talk(real_engine(), "boardsize 3", crowded, "lz-analyze b 10")


def test_rule_15_no_other_reply_looks_like_analysis():
    """Every command, with sound arguments and with none."""
    arguments = {
        "boardsize": "5",
        "final_status_list": "alive",
        "genmove": "w",
        "kata-get-param": "maxVisits",
        "kata-raw-nn": "all",
        "kata-search": "b",
        "kgs-chat": "game joe info move play",
        "kgs-genmove_cleanup": "b",
        "komi": "1",
        "play": "b C3",
        "reg_genmove": "w",
        "restricted_genmove": "b A1 A2",
        "unconditional_status": "A1",
    }
    names = [name for name in replies_to("list_commands")[0].removeprefix("= ").split("\n") if name != "quit"]
    names = [name for name in names if "analyze" not in name.removeprefix("gogui-")]
    lines = [f"{name} {arguments.get(name, '')}" for name in names] + names
    replies = replies_to(*lines, moves=("pass",) * 20)
    assert len(replies) == len(lines)
    assert sum(reply.startswith("=") for reply in replies) > len(names)
    for reply in replies:
        assert not any(line.startswith(("info ", "play ")) for line in reply.split("\n"))
        assert not re.match(r"[=?]\d* (info|play) ", reply)


def test_rule_16_gtp_ready_goes_to_stderr_when_the_network_is_loaded(capfd):
    ready = threading.Event()

    def load() -> ListedThinking:
        ready.wait(30)
        return ListedThinking(["C3"])

    with conversation(GtpEngine(load, GAME, version="1.0")) as talking:
        assert talking.ask("name") == "= MiniGo"
        assert "GTP ready" not in capfd.readouterr().err
        ready.set()
        assert talking.ask("genmove b") == "= C3"
        heard = [""]

        def is_told() -> bool:  # the reply may come first
            heard[0] += capfd.readouterr().err
            return "GTP ready\n" in heard[0]

        wait_until(is_told, 30)
    assert (heard[0] + capfd.readouterr().err).count("GTP ready\n") == 1


def test_rule_17_the_version_has_a_dot_and_may_be_overridden():
    assert "." in replies_to("version")[0]
    with running("--override_version=0.17") as process:
        assert ask(process, "version") == "= 0.17"
    with running() as process:
        assert re.fullmatch(r"= \d+\.\d+(\.\d+)?", ask(process, "version"))


def test_rule_18_undo_takes_back_one_move_also_after_genmove():
    replies = replies_to(
        "play b C3", "genmove w", "undo", "play w D4", "undo", "undo", "play w C3", "undo", "undo", moves=("D4",)
    )
    assert replies == ["=", "= D4", "=", "=", "=", "=", "=", "=", "? cannot undo"]


def test_rule_19_known_command_says_true_or_false_and_the_protocol_is_2():
    names = replies_to("list_commands")[0].removeprefix("= ").split("\n")
    required = """protocol_version name version known_command list_commands quit boardsize clear_board komi play genmove
        reg_genmove undo fixed_handicap place_free_handicap set_free_handicap time_settings time_left final_score
        final_status_list showboard cputime lz-analyze lz-genmove_analyze kata-analyze kata-genmove_analyze kata-search
        kata-search_analyze kata-raw-nn kata-get-rules kata-set-rules kata-set-param kata-get-param kgs-time_settings
        kgs-rules kgs-chat kgs-game_over kgs-genmove_cleanup kata-time_settings kata-list_time_settings
        gogui-analyze_commands gogui-interrupt gogui-play_sequence gogui-setup set_position unconditional_status
        restricted_genmove"""
    assert set(required.split()) <= set(names)
    assert replies_to(*(f"known_command {name}" for name in names)) == ["= true"] * len(names)
    assert replies_to("known_command Name", "known_command x", "protocol_version") == ["= false", "= false", "= 2"]


def test_rule_20_one_color_may_move_twice():
    replies = replies_to("play b C3", "play B D4", "play black E5", "genmove b", "genmove b", moves=("A1", "A2"))
    assert replies == ["=", "=", "=", "= A1", "= A2"]


def test_rule_21_the_process_ends_at_quit_and_its_reply_comes_first():
    """Within half a second, also while it thinks; the same for SIGTERM is in `test_gtp_process`."""
    with running("--search.num_simulations=1000000") as process:
        assert ask(process, "name") == "= MiniGo"
        tell(process, "kata-analyze 1")
        assert process.stdout is not None
        assert process.stdout.readline() == b"=\n"
        assert process.stdout.readline().startswith(b"info")
        began = time.monotonic()
        tell(process, "9 quit")
        while process.stdout.readline() != b"\n":
            pass
        assert reply_of(process) == "=9"
        assert process.wait(10) == 0
        assert time.monotonic() - began < 0.5 * slack()


def test_rule_22_interrupt_ends_one_search_alone():
    engine, thinking = engine_with("wait", "wait", "wait")
    with conversation(engine) as talking:
        talking.write("genmove b\nundo\ngenmove b\nundo\ngenmove b\n")
        for number in (1, 2, 3):
            wait_until(lambda count=number: len(thinking.seen) == count)
            time.sleep(0.05)
            assert len(thinking.seen) == number  # the interruption before was not for this move
            talking.send("# interrupt")
            assert talking.reply() == "= D4"
            assert number == 3 or talking.reply() == "="


def test_rule_22_interrupt_is_noticed_while_thinking():
    engine, thinking = engine_with("wait", "wait")
    with conversation(engine) as talking:
        assert talking.ask("known_command gogui-interrupt") == "= true"
        talking.send("genmove b")
        wait_until(lambda: bool(thinking.seen))
        talking.write("name\n\n# not this\n")
        time.sleep(0.02)
        talking.send("# interrupt")
        assert talking.reply() == "= D4"
        assert talking.reply() == "= MiniGo"
        talking.send("undo")
        talking.send("genmove w")  # the interruption is over
        wait_until(lambda: len(thinking.seen) == 2)
        talking.send("# interrupt")
        assert (talking.reply(), talking.reply()) == ("=", "= D4")
