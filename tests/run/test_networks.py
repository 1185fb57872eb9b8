# SPDX-License-Identifier: Apache-2.0
"""A run's networks and its champion."""

import hashlib

import pytest

from minigo.run import Champion, CorruptError, RunError, StaleError, is_network, read_network
from minigo.storage import storage_at
from tests.run.conftest import other, paths

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
