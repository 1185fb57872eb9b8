# SPDX-License-Identifier: Apache-2.0
"""The protocol of a run, on a folder and on an emulated bucket."""

import dataclasses
import hashlib
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigo.config import Config, GameConfig, LoopConfig, MachineConfig, TrainConfig
from minigo.run import Champion, CorruptError, Run, RunError, StaleError, TrainerState, is_network, is_run, read_network
from minigo.storage import NotFound, StorageError, storage_at
from tests.support.gcs_emulator import GcsEmulator

CONFIG = Config(game=GameConfig(board_size=5))


@pytest.fixture(scope="module")
def emulator():
    with GcsEmulator().running() as server:
        yield server


@pytest.fixture(params=["folder", "bucket"])
def url(request, tmp_path, monkeypatch):
    if request.param == "folder":
        return str(tmp_path / "run")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("emulator").url)
    return f"gs://bucket/{hashlib.sha256(request.node.name.encode()).hexdigest()[:16]}"


@pytest.fixture
def run(url):
    return Run.create(url, CONFIG)


def other(run):
    """The same run as another process sees it."""
    return Run.open(run.url)


def paths(run):
    return list(storage_at(run.url).list(""))


# Making and finding a run.


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


def test_a_run_that_keeps_its_settings_takes_those_of_the_machine_alone(run, caplog):
    asked = dataclasses.replace(CONFIG, train=TrainConfig(batch_size=128), machine=MachineConfig(threads=7))
    with caplog.at_level("WARNING"):
        resumed = Run.create_or_resume(run.url, asked, keep_settings=True)

    assert resumed.config == dataclasses.replace(CONFIG, machine=MachineConfig(threads=7))
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


# Networks.


def test_networks_are_numbered_in_the_order_of_publishing(run):
    names = [run.publish_network(f"weights {n}".encode(), {"parent": None, "step": n}) for n in range(3)]

    assert names == run.networks() == ["000000", "000001", "000002"]
    weights, info = other(run).network_files("000001")
    assert (weights, info["step"], info["name"]) == (b"weights 1", 1, "000001")
    assert info["weights_sha256"] == hashlib.sha256(b"weights 1").hexdigest()
    assert run.network_info("000001") == info


def test_a_network_folder_is_readable_by_its_url(run):
    url = run.network_path(run.publish_network(b"weights", {}))

    assert is_network(url)
    assert read_network(url)[0] == b"weights"
    assert not is_network(run.url)


def test_a_network_exists_only_when_its_marker_does(run):
    storage_at(run.url).create("networks/000000/weights.safetensors", b"torn")  # its trainer was killed

    assert run.networks() == []
    with pytest.raises(RunError, match=r"networks/000000 is not a network \(missing network.json\)"):
        run.network_files("000000")
    assert run.publish_network(b"weights", {}) == "000001"
    assert run.networks() == ["000001"]


def test_the_same_weights_may_be_published_again(run):
    assert [run.publish_network(b"weights", {}) for _ in range(2)] == ["000000", "000001"]


def test_a_number_taken_meanwhile_is_passed_over(run):
    rival = other(run)
    assert rival.networks() == []
    run.publish_network(b"mine", {})
    storage_at(run.url).create("networks/000001/weights.safetensors", b"on its way")

    assert rival.publish_network(b"theirs", {}) == "000002"


def test_changed_weights_are_refused(run):
    name = run.publish_network(b"weights", {})
    storage_at(run.url).delete(f"networks/{name}/weights.safetensors")
    with pytest.raises(CorruptError, match=f"network at .*{name} has no weights.safetensors"):
        run.network_files(name)

    storage_at(run.url).create(f"networks/{name}/weights.safetensors", b"weightS")
    with pytest.raises(CorruptError, match=f"weights of .*{name} must have sha256 .*, got"):
        run.network_files(name)


def test_a_network_that_is_not_there_is_named(run):
    with pytest.raises(RunError, match=r"networks/000012 is not a network \(missing network.json\)"):
        run.network_files("000012")


# The champion.


def test_promotion_moves_the_champion_and_is_written_down(run):
    first, second = (run.publish_network(weights, {}) for weights in (b"a", b"b"))
    assert run.champion() is None

    champion = run.promote(first, {"wins": 1}, None)
    assert champion == run.champion() == Champion("000000", 1, "")
    run.promote(second, {"wins": 2}, champion)

    assert other(run).champion() == Champion("000001", 2, "")
    entries = [(e["number"], e["network"], e["previous"], e["verdict"]) for e in run.history()]
    assert entries == [(1, "000000", None, {"wins": 1}), (2, "000001", "000000", {"wins": 2})]


def test_a_stale_verdict_does_not_promote(run):
    first, second, third = (run.publish_network(weights, {}) for weights in (b"a", b"b", b"c"))
    expected = run.promote(first, {}, None)
    other(run).promote(second, {}, expected)

    for stale in (expected, None):
        with pytest.raises(StaleError, match=r"state/champion.json"):
            run.promote(third, {}, stale)
    assert run.champion() == Champion(second, 2, "")
    assert len(run.history()) == 2


def test_an_unpublished_network_is_not_promoted(run):
    with pytest.raises(RunError, match="has no network 000005 to promote"):
        run.promote("000005", {}, None)
    assert run.champion() is None


def test_history_is_whole_when_the_promoter_was_killed_before_it_wrote_it(run):
    first, second = (run.publish_network(weights, {}) for weights in (b"a", b"b"))
    champion = run.promote(first, {}, None)
    storage_at(run.url).delete("state/history/000001.json")

    assert [entry["number"] for entry in run.history()] == [1]
    run.promote(second, {}, champion)
    assert [entry["number"] for entry in run.history()] == [1, 2]
    assert [path for path in paths(run) if "history" in path] == [
        "state/history/000001.json",
        "state/history/000002.json",
    ]


# Shards.


def test_a_shard_is_named_by_hour_network_worker_and_sequence(run):
    name = Run.shard_name("000012", "w0-host", 3, "2024123123")

    assert name == "2024123123/000012-w0-host-000003"
    assert run.publish_shard(name, b"games") == f"games/{name}.parquet"
    assert run.read(f"games/{name}.parquet") == b"games"
    assert Run.shard_name("random", "w0", 0).startswith(time.strftime("%Y%m%d", time.gmtime()))


def test_held_out_shards_lie_apart(run):
    name = Run.shard_name("000001", "w0", 0, "2024123123")
    run.publish_shard(name, b"games", holdout=True)

    assert (run.shards(), run.shards(holdout=True)) == ([], [f"holdout/{name}.parquet"])


def test_publishing_the_same_shard_again_is_fine_and_another_one_is_not(run):
    name = Run.shard_name("000001", "w0", 0, "2024123123")
    run.publish_shard(name, b"games")
    run.publish_shard(name, b"games")

    with pytest.raises(RunError, match=f"games/{name}.parquet holds other games: two workers with one id"):
        run.publish_shard(name, b"other games")
    assert run.read(run.shards()[0]) == b"games"


def test_a_worker_goes_on_after_its_own_last_shard(run):
    assert run.next_sequence("w0") == 0
    run.publish_shard(Run.shard_name("000001", "w0", 0, "2024123122"), b"")
    run.publish_shard(Run.shard_name("000002", "w0", 1, "2024123123"), b"", holdout=True)
    run.publish_shard(Run.shard_name("000002", "w0-2", 7, "2024123123"), b"")
    run.publish_shard("2024123123/notes", b"")
    run.publish_shard("2024123123/000002-w0-notes", b"")

    assert [run.next_sequence(worker) for worker in ("w0", "w0-2", "2", "w1")] == [2, 8, 0, 0]


def test_names_that_would_leave_their_folder_are_refused(run):
    for name in ("../w0", "w/0", "", ".w0", "w 0", "w" * 101):
        with pytest.raises(RunError, match=r"a name must be letters, digits and ._-"):
            Run.shard_name("000001", name, 0)
        with pytest.raises(RunError, match=r"a name must be letters, digits and ._-"):
            run.heartbeat(name, {})
    with pytest.raises(RunError, match="must have no dash"):
        Run.shard_name("0-1", "w0", 0)


def test_quarantine_copies_the_shard_and_keeps_the_first_reason(run):
    path = run.publish_shard(Run.shard_name("000001", "w0", 0, "2024123123"), b"torn")
    for reason in ("torn", "again"):
        other(run).quarantine(path, reason)

    assert run.quarantined() == {path: "torn"}
    assert run.read(f"quarantine/files/{path}") == run.read(path) == b"torn"


def test_a_quarantine_that_was_cut_off_is_completed(run):
    path = run.publish_shard(Run.shard_name("000001", "w0", 0, "2024123123"), b"torn")
    storage_at(run.url).create(f"quarantine/files/{path}", b"torn")

    assert run.quarantined() == {}
    run.quarantine(path, "torn")
    assert run.quarantined() == {path: "torn"}


# The trainer.


def committed(run, state, step, consumed, weights=b"w"):
    """One commit of a trainer that went on from `state`."""
    counts = dataclasses.replace(state, step=step, games_seen=step)
    return run.commit_trainer(counts, {"weights": weights, "optimizer": b"o"}, consumed, state)


def test_a_trainer_begins_with_nothing(run):
    assert run.trainer_state() is None
    state = run.start_trainer()

    assert state == other(run).trainer_state() == TrainerState(epoch=1)
    assert (run.read_checkpoint(state), run.consumed_shards()) == ({}, set())


def test_a_commit_moves_checkpoint_and_consumed_shards_together(run):
    state = committed(run, run.start_trainer(), 10, ["games/a", "games/b"])
    state = committed(run, state, 20, {"games/c"}, b"w2")

    again = other(run)
    found = again.trainer_state()
    assert found == state
    assert found.version == state.version
    assert (found.step, found.games_seen) == (20, 20)
    assert again.consumed_shards() == {"games/a", "games/b", "games/c"}
    assert again.read_checkpoint(found) == {"weights": b"w2", "optimizer": b"o"}


def test_a_commit_without_new_shards_keeps_the_consumed_ones(run):
    state = committed(run, run.start_trainer(), 10, ["games/a"])
    state = committed(run, state, 20, [])

    assert len(state.manifests) == 1
    assert run.consumed_shards() == {"games/a"}


def test_a_trainer_that_was_replaced_can_not_commit(run):
    zombie = run.start_trainer()
    successor = other(run).start_trainer()
    assert (zombie.epoch, successor.epoch) == (1, 2)

    with pytest.raises(StaleError, match=r"state/trainer.json"):
        committed(run, zombie, 10, ["games/a"])
    assert run.trainer_state() == successor
    assert run.consumed_shards() == set()
    committed(run, successor, 10, ["games/a"])
    assert run.consumed_shards() == {"games/a"}


def test_what_a_killed_commit_left_behind_does_not_count(run, monkeypatch):
    state = run.start_trainer()

    class KilledError(Exception):
        pass

    def die(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(run, "_move_trainer", die)
        with pytest.raises(KilledError):
            committed(run, state, 10, ["games/a"], b"lost")

    assert other(run).trainer_state() == state
    assert other(run).consumed_shards() == set()
    after = committed(run, other(run).start_trainer(), 10, ["games/b"], b"kept")
    assert run.consumed_shards() == {"games/b"}
    assert run.read_checkpoint(after)["weights"] == b"kept"


def test_the_last_two_checkpoints_are_kept(run):
    state = run.start_trainer()
    folders = []
    for step in (1, 2, 3, 4):
        state = committed(run, state, step, [], f"w{step}".encode())
        folders.append(state.checkpoint)

    assert sorted({path.rpartition("/")[0] for path in paths(run) if path.startswith("checkpoints/")}) == folders[2:]


def test_pruning_spares_what_another_trainer_is_writing(run):
    state = committed(run, run.start_trainer(), 1, [], b"w1")
    storage_at(run.url).create("checkpoints/0000000001-e000002-abc/weights", b"on its way")
    committed(run, committed(run, state, 2, [], b"w2"), 3, [], b"w3")
    storage_at(run.url).create("checkpoints/0000000002-e000002-abc/weights", b"on its way")
    assert not any("0000000001-e000001" in path for path in paths(run))

    state = run.trainer_state()
    committed(run, state, 3, [], b"w3b")
    assert "checkpoints/0000000002-e000002-abc/weights" not in paths(run)


def test_a_changed_checkpoint_is_refused(run):
    state = committed(run, run.start_trainer(), 1, [])
    storage_at(run.url).delete(f"{state.checkpoint}/optimizer")

    with pytest.raises(CorruptError, match=f"{state.checkpoint} is not the checkpoint that was committed"):
        run.read_checkpoint(state)


# Matches.


def test_the_first_writer_of_a_match_game_wins(run):
    assert run.publish_match_game("m", 3, b"mine")
    assert not other(run).publish_match_game("m", 3, b"theirs")
    assert other(run).publish_match_game("m", 10, b"theirs")

    games = run.match_games("m")
    assert {index: run.read(path) for index, path in games.items()} == {3: b"mine", 10: b"theirs"}
    assert run.match_games("other") == {}


def test_a_match_has_one_spec(run):
    run.publish_match_spec("m", {"games": 4, "players": ("a", "b")})
    other(run).publish_match_spec("m", {"games": 4, "players": ["a", "b"]})

    with pytest.raises(RunError, match="matches/m exists with another spec"):
        run.publish_match_spec("m", {"games": 5, "players": ["a", "b"]})
    assert run.match_spec("m") == {"games": 4, "players": ["a", "b"]}
    assert (run.match_spec("n"), run.matches()) == (None, ["m"])


def test_the_first_verdict_of_a_match_is_in_force(run):
    run.publish_verdict("m", {"candidate": "000001", "promotes": True})
    second = other(run).publish_verdict("m", {"candidate": "000001", "promotes": False})

    assert second["promotes"]
    assert {name: verdict["promotes"] for name, verdict in run.verdicts().items()} == {"000001": True}
    assert run.match_games("m") == {}


# Metrics, heartbeats, reports.


def test_metrics_come_back_in_the_order_of_their_times(run):
    run.append_metrics("selfplay", "w0", [{"time": 3.0, "games": 1}, {"time": 1.0, "games": 2}])
    other(run).append_metrics("selfplay", "w1", [{"time": 2.0, "games": 3}])
    other(run).append_metrics("selfplay", "w0", [{"time": 0.5, "games": 4}])
    run.append_metrics("selfplay", "w0", [])

    assert [row["games"] for row in run.metrics("selfplay")] == [4, 2, 3, 1]
    assert run.metrics("train") == []


def test_who_asks_is_told_of_damage_and_shown_the_rest(tmp_path):
    run = Run.create(str(tmp_path / "run"), CONFIG)
    run.append_metrics("loop", "w0", [{"games": 1}])
    run.append_metrics("loop", "w1", [{"games": 2}])
    run.heartbeat("w0", {"doing": "playing"})
    run.heartbeat("w1", {"doing": "playing"})
    for torn in ("metrics/loop/w0-000000.jsonl", "heartbeats/w1.json"):
        (tmp_path / "run" / torn).write_bytes(b"torn")
    told = {}

    shown = Run.open(run.url, lambda path, reason: told.update({path: reason}))

    assert [row["games"] for row in shown.metrics("loop")] == [2]
    assert list(shown.heartbeats()) == ["w0"]
    assert set(told) == {"metrics/loop/w0-000000.jsonl", "heartbeats/w1.json"}
    with pytest.raises(CorruptError, match=r"w1\.json"):
        Run.open(run.url).heartbeats()


def test_metrics_without_a_time_get_one_and_nan_becomes_null(run):
    before = time.time()
    run.append_metrics("train", "t", [{"loss": math.nan, "rate": math.inf, "step": 1}])

    (row,) = other(run).metrics("train")
    assert before <= row["time"] <= time.time()
    assert (row["loss"], row["rate"], row["step"]) == (None, None, 1)


def test_many_chunks_of_one_worker_never_collide(run):
    workers = [run, other(run)]
    for number in range(6):
        workers[number % 2].append_metrics("train", "t", [{"time": float(number)}])

    assert [row["time"] for row in run.metrics("train")] == [0, 1, 2, 3, 4, 5]


def test_the_last_heartbeat_of_a_worker_counts(run):
    for games in (1, 2):
        run.heartbeat("w0", {"games": games})
    other(run).heartbeat("w1", {"loss": math.nan})

    beats = run.heartbeats()
    assert {worker: beat.get("games") for worker, beat in beats.items()} == {"w0": 2, "w1": None}
    assert abs(beats["w0"]["time"] - time.time()) < 60


def test_a_report_is_written_over_the_one_before(run):
    assert run.write_report("report.html", b"old") == f"{run.url}/report.html"
    other(run).write_report("report.html", b"new")

    assert run.read("report.html") == b"new"


def test_tensorboard_events_lie_beside_a_local_run_alone(run):
    expected = Path(run.url) / "tensorboard" / "train" if not run.url.startswith("gs://") else None

    assert run.tensorboard_folder("train") == expected


def test_reading_what_is_not_there_names_it(run):
    with pytest.raises(NotFound, match=f"{run.url}/games/nothing does not exist"):
        run.read("games/nothing")


# Killed at any moment.

TRAINER = """
import dataclasses, hashlib, sys
from minigo.run import Run
run = Run.open(sys.argv[1])
state = run.start_trainer()
number = len(run.networks())
while True:
    shard = run.publish_shard(run.shard_name("000000", "w0", run.next_sequence("w0")), b"games" * 1000)
    waiting = sorted(set(run.shards()) - run.consumed_shards())
    weights = hashlib.sha256(str(state.step + 1).encode()).digest() * 3000
    state = run.commit_trainer(
        dataclasses.replace(state, step=state.step + 1, games_seen=state.games_seen + len(waiting)),
        {"weights": weights}, waiting, state)
    name = run.publish_network(weights, {"step": state.step})
    champion = run.champion()
    run.promote(name, {}, champion)
    print(state.step, flush=True)
"""


@pytest.mark.parametrize("kills", [5, pytest.param(40, marks=pytest.mark.slow)])
def test_a_loop_killed_at_any_moment_loses_nothing_and_counts_nothing_twice(tmp_path, kills):
    run = Run.create(str(tmp_path / "run"), CONFIG)
    for kill in range(kills):
        with subprocess.Popen([sys.executable, "-c", TRAINER, run.url], stdout=subprocess.PIPE) as trainer:
            assert trainer.stdout.readline()
            time.sleep(0.0013 * (kill % 31))
            trainer.kill()

    state = run.trainer_state()
    assert state.epoch == kills
    assert state.games_seen == len(run.consumed_shards()) <= len(run.shards())
    assert sum(len(run._documents.require(path)["shards"]) for path in state.manifests) == state.games_seen
    assert run.read_checkpoint(state)["weights"][:32] == hashlib.sha256(str(state.step).encode()).digest()
    for name in run.networks():
        weights, info = run.network_files(name)
        assert weights[:32] == hashlib.sha256(str(info["step"]).encode()).digest()
    assert [entry["number"] for entry in run.history()] == list(range(1, run.champion().number_of_promotions + 1))
    assert all(run.read(path) == b"games" * 1000 for path in run.shards())


def test_a_foreign_file_among_the_games_is_no_shard_and_harms_nothing(run):
    storage_at(run.url).create("games/2024010100/notes.json", b'{"a": 1}')

    assert run.shards() == []
    assert run.quarantined() == {}


def test_a_run_whose_stored_config_was_changed_is_refused(tmp_path):
    url = str(tmp_path / "run")
    Run.create(url, Config(train=TrainConfig(warmup_steps=100)))
    path = tmp_path / "run" / "run.json"
    document = json.loads(path.read_text())
    del document["config"]["train"]["warmup_steps"]
    path.write_text(json.dumps(document))

    with pytest.raises(RunError, match="incompatible version: its config lacks learning settings"):
        Run.open(url)
