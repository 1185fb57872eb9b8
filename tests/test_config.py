# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json

import pytest

from minigo.config import (
    SECTIONS,
    Config,
    ConfigError,
    GameConfig,
    LoopConfig,
    MachineConfig,
    NetworkConfig,
    SelfPlayConfig,
    TrainConfig,
)


def every_field():
    return [spec for section in SECTIONS.values() for spec in dataclasses.fields(section)]


def test_sections_are_the_fields_of_config():
    assert list(SECTIONS) == [spec.name for spec in dataclasses.fields(Config) if spec.name != "seed"]


@pytest.mark.parametrize("spec", every_field(), ids=lambda spec: spec.name)
def test_every_field_says_what_it_means(spec):
    assert len(spec.metadata["meaning"]) > 10


@pytest.mark.parametrize("spec", every_field(), ids=lambda spec: spec.name)
def test_every_number_has_a_range(spec):
    if type(spec.default) in (int, float):
        assert spec.metadata["low"] is not None


def test_a_value_outside_its_range_names_field_value_and_range():
    with pytest.raises(ConfigError, match=r"game.board_size must be in 2..19, got 20"):
        GameConfig(board_size=20)


def test_a_range_without_an_upper_end_is_closed_below():
    assert LoopConfig(minutes=0.0).minutes == 0.0
    with pytest.raises(ConfigError, match=r"must be in 0.0 or more, got -1"):
        LoopConfig(minutes=-1.0)


def test_not_a_number_is_in_no_range():
    with pytest.raises(ConfigError, match="komi"):
        GameConfig(komi=float("nan"))


def test_a_value_of_the_wrong_type_is_refused():
    with pytest.raises(ConfigError, match=r"network.blocks must be int, got '4'"):
        NetworkConfig(blocks="4")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"must be int, got True"):
        NetworkConfig(blocks=True)


def test_a_choice_outside_the_list_names_the_list():
    with pytest.raises(ConfigError, match=r"rules must be one of cgos, .*aga.*got 'japanese'"):
        GameConfig(rules="japanese")


def test_config_survives_json():
    config = Config(game=GameConfig(board_size=5, komi=24.5), seed=7)

    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_section_or_field_is_refused():
    with pytest.raises(ConfigError, match=r"no section 'games'; it has game, network"):
        Config.from_dict({"games": {}})
    with pytest.raises(ConfigError, match=r"game has no field size; it has board_size"):
        Config.from_dict({"game": {"size": 9}})
    with pytest.raises(ConfigError, match=r"game must be a table"):
        Config.from_dict({"game": 9})
    with pytest.raises(ConfigError, match=r"seed must be an integer"):
        Config.from_dict({"seed": "7"})


def test_learning_differences_name_both_values():
    other = Config(network=NetworkConfig(blocks=6), seed=1)

    assert Config().learning_differences(other) == ["network.blocks: 4, 6", "seed: 0, 1"]


def test_machine_and_length_do_not_change_what_is_learned():
    other = Config(machine=MachineConfig(threads=3), loop=LoopConfig(minutes=1.0, generations=2))

    assert Config().learning_differences(other) == []
    assert Config().learning_sha256() == other.learning_sha256()


def test_every_other_field_changes_the_hash():
    assert Config().learning_sha256() != Config(game=GameConfig(komi=7.0)).learning_sha256()
    assert Config().learning_sha256() != Config(seed=1).learning_sha256()


def test_a_field_that_came_later_leaves_the_hash_of_runs_before_it():
    before = "a57faf54c4c6c28130dfbd76631f4d1fc5d67f66e09c5f29d6ead88f412d144f"

    assert Config().learning_sha256() == before
    assert Config(train=TrainConfig(untargeted_positions=7)).learning_sha256() != before
    assert Config(selfplay=SelfPlayConfig(late_simulations=64)).learning_sha256() != before


@pytest.mark.parametrize("seed", [-1, 2**32, True])
def test_a_seed_outside_its_range_is_refused(seed):
    with pytest.raises(ConfigError, match=r"seed must be an integer in 0\.\.4294967295"):
        Config(seed=seed)


def test_a_full_search_is_told_by_the_number_of_its_network():
    selfplay = SelfPlayConfig(num_simulations=32, late_simulations=64, late_network=20)

    made = {name: selfplay.full_simulations(name) for name in ("000000", "000019", "000020", "000123", "benchmark")}
    assert made == {"000000": 32, "000019": 32, "000020": 64, "000123": 64, "benchmark": 32}
    assert selfplay.max_simulations == 64
    assert SelfPlayConfig(num_simulations=32).full_simulations("000020") == 32
    with pytest.raises(ConfigError, match=r"selfplay.late_simulations must be 0 or 2\.\.100000, got 1"):
        SelfPlayConfig(late_simulations=1)
