# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest
from absl import flags as absl_flags

from minigo import flags
from minigo.config import SECTIONS, Config, GameConfig, NetworkConfig
from minigo.flags import Command, UsageError


def _define(values):
    absl_flags.DEFINE_string("run", None, "the run's folder", flag_values=values)


COMMAND = Command(
    name="study",
    summary="studies",
    description="Studies games.",
    examples=("minigo study --run=runs/demo",),
    define=_define,
    run=lambda values, stop: 0,  # noqa: ARG005 (a command's signature)
    fields=("search.num_simulations", "seed"),
    aliases={"minutes": "loop.minutes"},
)
PLAIN = dataclasses.replace(COMMAND, fields=(), aliases={})


def config_of(*arguments, base=None):
    return flags.resolve_config(flags.parse(COMMAND, arguments), base if base is not None else Config())


def error_of(*arguments, command=COMMAND):
    with pytest.raises(UsageError) as caught:
        flags.parse(command, arguments)
    return str(caught.value)


def test_without_flags_the_config_is_the_default():
    assert config_of() == Config()


def test_every_field_of_the_config_has_a_flag():
    values = flags.parse(COMMAND, ())

    for section, config_class in SECTIONS.items():
        for spec in dataclasses.fields(config_class):
            assert values[f"{section}.{spec.name}"].value == spec.default


def test_flags_set_fields_of_every_type():
    config = config_of(
        "--network.blocks=7",
        "--game.komi=6.5",
        "--game.rules=aga",
        "--search.prune_pass_alive=false",
        "--seed=3",
    )

    assert (config.network.blocks, config.game.komi, config.game.rules) == (7, 6.5, "aga")
    assert not config.search.prune_pass_alive
    assert config.seed == 3


def test_a_boolean_is_unset_by_no():
    assert not config_of("--nosearch.prune_pass_alive").search.prune_pass_alive


def test_an_alias_sets_its_field():
    assert config_of("--minutes=3").loop.minutes == 3.0


def test_of_alias_and_field_the_last_wins():
    assert config_of("--minutes=3", "--loop.minutes=5").loop.minutes == 5.0
    assert config_of("--loop.minutes=5", "--minutes=3").loop.minutes == 3.0


def test_the_base_wins_over_defaults_and_flags_win_over_the_base():
    base = Config(game=GameConfig(board_size=7, komi=9.0), seed=5)

    config = config_of("--game.komi=8.5", base=base)

    assert config == Config(game=GameConfig(board_size=7, komi=8.5), seed=5)


def test_a_preset_wins_over_the_base_and_flags_win_over_the_preset():
    base = Config(game=GameConfig(board_size=7), network=NetworkConfig(value_hidden=99))

    config = config_of("--network.blocks=2", "--preset=demo", base=base)

    assert config.game.board_size == 5
    assert config.network.blocks == 2
    assert config.network.value_hidden == 99


def test_a_flag_that_repeats_the_default_still_wins_over_the_preset():
    assert config_of("--preset=demo", "--game.board_size=9").game.board_size == 9


def test_a_flagfile_can_be_given(tmp_path):
    file = tmp_path / "mine.flags"
    file.write_text("# a comment\n--network.blocks=3\n")

    assert config_of(f"--flagfile={file}").network.blocks == 3


@pytest.mark.parametrize("name", flags.preset_names())
def test_every_preset_is_a_valid_config_for_its_board(name):
    config = config_of(f"--preset={name}")

    assert config != Config()
    if name[0].isdigit():
        assert config.game.board_size == int(name.partition("x")[0])


def test_the_promised_presets_exist():
    assert set(flags.preset_names()) >= {"demo", "9x9-cpu", "9x9-gpu", "19x19-cluster"}


def test_preset_help_names_and_explains_each():
    text = flags.preset_help()

    for name in flags.preset_names():
        assert f"  {name} " in text
    assert all(line.endswith((".", ":")) for line in text.splitlines())  # whole sentences
    assert "four minutes" in text


def test_an_unknown_preset_gets_a_suggestion():
    assert "no preset 'demp'; did you mean demo?" in error_of("--preset=demp")


@pytest.mark.parametrize(
    ("given", "suggested"),
    [
        ("--search.num_simulation=8", "search.num_simulations"),
        ("--num_simulations=8", "search.num_simulations or selfplay.num_simulations"),
        ("--serach.num_simulations=8", "search.num_simulations"),
        ("--minuets=8", "minutes"),
        ("--bord_size=9", "game.board_size"),
    ],
)
def test_an_unknown_flag_gets_a_suggestion(given, suggested):
    assert f"did you mean {suggested}" in error_of(given)


def test_an_unknown_flag_like_no_other_gets_none():
    assert error_of("--xyzzy=1") == "minigo study has no flag --xyzzy"


def test_a_value_outside_its_range_names_flag_and_range():
    message = error_of("--game.board_size=20")

    assert "--game.board_size" in message
    assert "20" in message
    assert "[2, 19]" in message


def test_not_a_number_is_refused():
    with pytest.raises(UsageError, match=r"game.komi must be in -400.*got nan"):
        config_of("--game.komi=nan")


def test_a_value_of_the_wrong_type_or_choice_is_refused():
    assert "--network.blocks" in error_of("--network.blocks=many")
    assert "cgos" in error_of("--game.rules=japanese")


def test_an_argument_that_is_no_flag_is_refused():
    assert error_of("runs/demo") == "minigo study takes flags only, got 'runs/demo'"


def test_a_command_without_fields_takes_no_config():
    assert "has no flag --network.blocks" in error_of("--network.blocks=3", command=PLAIN)


def test_a_required_flag_that_is_missing_is_named():
    values = flags.parse(COMMAND, ())

    with pytest.raises(UsageError, match="--run is required: the run's folder"):
        flags.required(values, "run")
    assert flags.required(flags.parse(COMMAND, ("--run=here",)), "run") == "here"


def test_help_explains_own_flags_aliases_and_main_fields():
    text = " ".join(flags.command_help(COMMAND, full=False).split())  # lines are as long as the terminal is wide

    assert "Studies games." in text
    assert "minigo study --run=runs/demo" in text
    assert "--run " in text
    assert "--minutes=60.0" in text
    assert "short for --loop.minutes" in text
    assert "--search.num_simulations=64" in text
    assert "--network.blocks" not in text


def test_full_help_explains_every_field_with_its_range():
    text = flags.command_help(COMMAND, full=True)

    for section, config_class in SECTIONS.items():
        for spec in dataclasses.fields(config_class):
            assert f"{section}.{spec.name}" in text
    assert "[2..19]" in text


def test_two_commands_do_not_share_flags():
    first = flags.parse(COMMAND, ("--network.blocks=3",))
    second = flags.parse(COMMAND, ())

    assert (first["network.blocks"].value, second["network.blocks"].value) == (3, 4)
