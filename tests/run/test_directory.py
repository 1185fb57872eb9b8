# SPDX-License-Identifier: Apache-2.0
"""A run as it is made, found, resumed and refused."""

import dataclasses
import json

import pytest

from minigo.config import Config, LoopConfig, MachineConfig, TrainConfig
from minigo.run import CorruptError, Run, RunError, is_run
from minigo.storage import StorageError, storage_at
from tests.run.conftest import CONFIG


def test_a_run_keeps_the_config_it_was_made_with(url):
    Run.create(url, CONFIG, {"commit": "abc"})

    assert Run.open(url).config == CONFIG
    assert is_run(url)
    document = json.loads(storage_at(url).read("run.json")[0])
    assert (document["commit"], document["config_sha256"]) == ("abc", CONFIG.learning_sha256())


def test_a_folder_that_is_no_run_is_refused(url):
    assert not is_run(url)
    with pytest.raises(RunError, match=rf"{url} is not a run \(missing run.json\)"):
        Run.open(url)


def test_a_run_is_not_created_twice_nor_over_something_else(url):
    storage_at(url).create("notes/today.txt", b"mine")
    for make in (Run.create, Run.create_or_resume):
        with pytest.raises(
            RunError, match=r"not a run and not empty \(it has notes/today.txt\); choose an empty folder"
        ):
            make(url, CONFIG)
    assert list(storage_at(url).list("")) == ["notes/today.txt"]

    storage_at(url).delete("notes/today.txt")
    Run.create(url, CONFIG)
    with pytest.raises(RunError, match=f"{url} is a run already"):
        Run.create(url, CONFIG)


def test_resuming_with_another_learning_setting_is_refused_by_its_name(run):
    changed = dataclasses.replace(CONFIG, train=TrainConfig(batch_size=128), seed=3)

    with pytest.raises(
        RunError,
        match=f"^run at {run.url} was made with train.batch_size=256, now 128; seed=0, now 3: "
        "learning settings are fixed when a run starts$",
    ):
        Run.create_or_resume(run.url, changed)


def test_machine_settings_and_limits_may_change_on_resuming(run):
    machine, loop = MachineConfig(threads=7), LoopConfig(minutes=1.0, generations=3)
    resumed = Run.create_or_resume(run.url, dataclasses.replace(CONFIG, machine=machine, loop=loop))

    assert (resumed.config.machine, resumed.config.loop) == (machine, loop)
    assert Run.open(run.url).config == CONFIG


def test_a_run_that_keeps_its_settings_takes_those_of_the_machine_and_limits_alone(run, caplog):
    machine, loop = MachineConfig(threads=7), LoopConfig(minutes=777.0)
    asked = dataclasses.replace(CONFIG, train=TrainConfig(batch_size=128), machine=machine, loop=loop)
    with caplog.at_level("WARNING"):
        resumed = Run.create_or_resume(run.url, asked, keep_settings=True)

    kept = dataclasses.replace(CONFIG.loop, minutes=777.0)
    assert resumed.config == dataclasses.replace(CONFIG, machine=machine, loop=kept)
    assert f"run at {run.url} keeps its settings: it was made with train.batch_size=256, now 128" in caplog.text
    made = Run.create_or_resume(f"{run.url}-new", asked, keep_settings=True)
    assert made.config == asked


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"format_version": 2}, RunError, "run.json has format 2, expected 1"),
        ({"config": {"game": {"colour": 3}}}, RunError, "made by an incompatible version: game has no field colour"),
        ({"config": {"game": {"board_size": 99}}}, RunError, "incompatible version: game.board_size must be"),
        ({"config": None}, RunError, "made by an incompatible version"),
    ],
)
def test_a_run_of_another_version_is_refused(run, change, error, reason):
    storage = storage_at(run.url)
    document = json.loads(storage.read("run.json")[0])
    storage.delete("run.json")
    storage.create("run.json", json.dumps({**document, **change}).encode())

    with pytest.raises(error, match=reason):
        Run.open(run.url)


@pytest.mark.parametrize("data", [b"", b"[1]", b"{}", b'{"a', b"\xff"])
def test_a_foreign_run_json_is_refused(url, data):
    storage_at(url).create("run.json", data)

    with pytest.raises(CorruptError, match=r"run.json is not a run's document"):
        Run.open(url)


def test_an_unwritable_place_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match=r"cannot write .*file/run/run.json: Not a directory"):
        Run.create(str(tmp_path / "file" / "run"), CONFIG)


def test_a_run_whose_stored_config_was_changed_is_refused(tmp_path):
    url = str(tmp_path / "run")
    Run.create(url, Config(train=TrainConfig(warmup_steps=100)))
    path = tmp_path / "run" / "run.json"
    document = json.loads(path.read_text())
    del document["config"]["train"]["warmup_steps"]
    path.write_text(json.dumps(document))

    with pytest.raises(RunError, match="incompatible version: its config lacks learning settings"):
        Run.open(url)
