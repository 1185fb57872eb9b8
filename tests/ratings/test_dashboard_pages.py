# SPDX-License-Identifier: Apache-2.0
"""What the dashboard's pages say about a small run, an empty one, a damaged one and one that grows."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest

from minigo.config import Config
from minigo.run import Run
from ratings.watch import Watch
from tests.support.dashboards import add_generation, add_shard, beat, client, look_again, pages_of, whole_run
from tests.support.match_runs import CONFIG, play_gate_matches

MAX_BYTES = 300_000


@pytest.fixture
def asked(shown_run):
    beat(shown_run)  # its worker has spoken lately, whenever the run was made
    return client(shown_run.url)


@pytest.fixture
def copy(shown_run, tmp_path) -> Path:
    """A copy of the run, to be damaged."""
    return Path(shutil.copytree(shown_run.url, tmp_path / "copy"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_page_is_shown_and_small(shown_run, asked):
    for page in pages_of(shown_run):
        answer = asked.get(page)

        assert answer.status_code == 200, page
        assert answer.headers["content-type"].startswith("text/html")
        assert len(answer.content) < MAX_BYTES, page
        assert 'class="banner"' not in answer.text, page


def test_looking_changes_nothing_in_the_run(copy):
    before = files(copy)
    asked = client(str(copy))

    for page in pages_of(Run.open(str(copy))):
        asked.get(page)

    assert files(copy) == before


def test_the_overview_says_how_the_run_is(asked):
    page = asked.get("/").text

    assert "000003" in page or "000001" in page
    assert "<dt>Self-play games</dt><dd>about " in page  # as on the page of games: shards are not opened for it
    assert "g1" in page  # the game that is being played
    assert page.count('class="stone black"') == 3


def test_alarms_are_on_the_first_page_as_long_as_they_ring(copy):
    run, asked = Run.open(str(copy)), client(str(copy))
    row = {"kind": "one_color", "since": 0.0, "evidence": "Black won <i>95 %</i>", "advice": "look at the komi"}
    for state, is_shown in (("begins", True), ("ends", False)):
        run.telemetry.append_metrics("alarms", "loop", [{**row, "state": state}])
        look_again(asked)

        shown = "one color: Black won &lt;i&gt;95 %&lt;/i&gt;; look at the komi" in asked.get("/").text
        assert shown is is_shown


def test_the_elo_page_has_a_point_for_every_network_and_its_interval(asked):
    page = asked.get("/ratings").text
    figure = json.loads(page.split('<script type="application/json">')[1].split("</script>")[0])

    names = [name for trace in figure["traces"] for name in trace["text"]]
    assert sorted(names) == ["000000", "000001", "000002", "000003"]
    assert all(len(trace["above"]) == len(trace["x"]) for trace in figure["traces"])
    assert "<details" in page
    assert ">000002</td>" in page  # the same as a table


def test_the_gate_page_shows_the_newest_match_and_every_verdict(asked):
    page = asked.get("/gate").text

    assert "Share of the points so far" in page
    for name in ("000001", "000002", "000003"):
        assert f'href="/networks/{name}"' in page


def test_a_sequential_gate_shows_its_ratio_between_its_bounds(tmp_path):
    document = CONFIG.to_dict()
    document["evaluate"] |= {"gate": "sprt", "sprt_max_pairs": 3}
    run = whole_run(tmp_path / "run", 2, Config.from_dict(document))

    page = client(run.url).get("/gate").text

    assert "Log-likelihood ratio between its bounds" in page
    assert "promoted at 2.94" in page
    assert "refused at -2.94" in page


def test_the_cross_table_has_both_sides_of_a_match(shown_run, asked):
    match = client(shown_run.url).app.state.watch.snapshot().matches["000001-against-000000"]
    wins, draws, losses = match.counts
    page = asked.get("/matches").text

    assert f"{wins + draws / 2:g}<small>/4</small>" in page
    assert f"{losses + draws / 2:g}<small>/4</small>" in page


def test_a_network_can_be_had_with_its_hash(shown_run, asked):
    info = shown_run.network_info("000001")

    assert info["weights_sha256"] in asked.get("/networks/000001").text
    assert asked.get("/networks/000001/weights").content == b"weights 1"


def test_a_game_is_shown_at_the_move_that_the_link_names(asked):
    page = asked.get("/matches/000001-against-000000/0?move=3").text

    assert 'id="move-number" aria-live="polite">3 /' in page
    assert page.count('class="stone ') == 3
    assert "?move=4" in page
    assert "?move=2" in page
    assert asked.get("/matches/000001-against-000000/0?move=999999").status_code == 200
    assert asked.get("/matches/000001-against-000000/0?move=-5").status_code == 200


def test_a_game_shows_the_policy_that_its_record_keeps(shown_run, asked):
    shard = "/" + shown_run.shards()[0].removesuffix(".parquet")

    assert 'class="heat"' in asked.get(f"{shard}/0?move=4").text  # every fourth move has a target
    assert 'class="heat"' not in asked.get(f"{shard}/0?move=5").text
    assert 'class="heat"' not in asked.get(f"{shard}/0?move=4&heat=0").text
    assert 'class="owner' in asked.get(f"{shard}/0").text  # the final area


def test_games_are_to_be_had_as_sgf(shown_run, asked):
    shard = "/" + shown_run.shards()[0].removesuffix(".parquet")

    for game in (f"{shard}/0", "/matches/000001-against-000000/1"):
        answer = asked.get(f"{game}/game.sgf")
        assert answer.content.startswith(b"(;")
        assert answer.headers["content-disposition"].startswith("attachment;")


def test_tables_are_the_same_as_json_and_csv(asked):
    description = asked.get("/openapi.json").json()
    names = description["paths"]["/api/tables/{table}.json"]["get"]["parameters"][0]["schema"]["enum"]

    for name in names:
        rows = asked.get(f"/api/tables/{name}.json").json()
        lines = list(csv.reader(io.StringIO(asked.get(f"/api/tables/{name}.csv").text)))
        assert rows["total"] == len(rows["rows"]) == max(0, len(lines) - 1), name
        part = asked.get(f"/api/tables/{name}.json?offset=1&limit=1").json()
        assert part["rows"] == rows["rows"][1:2]


def test_prometheus_reads_the_metrics(shown_run, asked):
    lines = asked.get("/metrics").text.splitlines()

    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values["minigo_networks"] == "4"
    assert values["minigo_match_games"] == "12"
    assert float(values["minigo_last_promotion_timestamp_seconds"]) == shown_run.history()[-1]["time"]
    assert float(values['minigo_worker_silence_seconds{worker="w0"}']) >= 0


def test_an_event_says_what_is_being_played(shown_run):
    from ratings.live import seen

    beat(shown_run)
    watch = Watch(shown_run.url, book=":memory:")

    event = seen(watch.look(survey=True))

    assert event["game"]["size"] == 5
    assert len(event["game"]["moves"]) == 5
    assert event["game"]["removed"] == [[]] * 5


@pytest.mark.parametrize("kind", ["missing", "empty folder", "foreign folder", "new run"])
def test_a_run_without_anything_says_so_on_every_page(shown_run, tmp_path, kind):
    folder = tmp_path / "run"
    if kind == "new run":
        Run.create(str(folder), CONFIG)
    elif kind != "missing":
        folder.mkdir()
        if kind == "foreign folder":
            (folder / "thesis.txt").write_text("precious")
    asked = client(str(folder))

    for page in pages_of(shown_run):
        answer = asked.get(page)
        is_of_something = page.count("/") > 1
        assert answer.status_code == (404 if is_of_something else 200), page
        assert ("is not a run" in answer.text) == (kind != "new run"), page
    assert asked.get("/metrics").status_code == 200
    assert asked.get("/api/status").json()["networks"] == 0


DAMAGE = {
    "run.json": "run.json",
    "state/champion.json": "the champion",
    "networks/000002/network.json": "000002/network.json",
    "matches/000002-against-000001/verdict.json": "verdict.json",
    "heartbeats/w0.json": "w0.json",
    "state/history/000001.json": "000001.json",
    "metrics/loop/loop-000001.jsonl": "loop-000001.jsonl",
    "matches/000001-against-000000/000000.parquet": "1 match games do not count",
}


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff\xfe\x00garbage", b'{"format_version": 99}'])
@pytest.mark.parametrize("path", DAMAGE)
def test_a_damaged_file_is_named_and_hides_nothing_else(shown_run, copy, path, data):
    (copy / path).write_bytes(data)
    asked = client(str(copy))

    answers = {page: asked.get(page) for page in pages_of(shown_run) if "?" not in page}

    assert {answer.status_code for answer in answers.values()} <= {200, 404}
    assert answers["/"].status_code == 200
    assert 'href="/networks/000003"' in answers["/networks"].text
    is_harmless = path.endswith("jsonl") and data == b""  # no rows
    assert is_harmless or DAMAGE[path] in answers["/"].text


@pytest.mark.parametrize("path", [path for path in DAMAGE if path.endswith("json")])
def test_a_document_without_its_fields_breaks_no_page(shown_run, copy, path):
    (copy / path).write_bytes(b'{"format_version": 1}')
    asked = client(str(copy))

    for page in pages_of(shown_run):
        assert asked.get(page).status_code in (200, 404), page


def test_a_damaged_game_is_a_page_that_says_so(copy):
    run = Run.open(str(copy))
    path = run.shards()[0]
    (copy / path).write_bytes(b"torn")
    asked = client(str(copy))

    answer = asked.get("/" + path.removesuffix(".parquet") + "/0")

    assert answer.status_code == 404
    assert "can not be read" in answer.text


def test_a_file_that_vanishes_after_it_was_listed_is_a_page_that_says_so(copy):
    run = Run.open(str(copy))
    shard = "/" + run.shards()[0].removesuffix(".parquet")
    asked = client(str(copy))
    shutil.rmtree(copy / "games")
    shutil.rmtree(copy / "networks/000001")

    assert asked.get(shard).status_code == 404
    assert asked.get("/networks/000001/weights").status_code == 404


def test_what_grows_is_seen(tmp_path):
    run = whole_run(tmp_path / "run", networks=2)
    asked = client(run.url)
    before = asked.app.state.watch.snapshot()
    run.publish_network(b"weights of the third", {"parent": "000001"})
    play_gate_matches(run, games=4)
    add_generation(run, 2)
    path = add_shard(run, 9)
    beat(run, "w1", "A1 B1")

    look_again(asked)

    after = asked.app.state.watch.snapshot()
    assert after.version > before.version
    assert asked.get("/networks/000002").status_code == 200
    assert "000002-against-" in asked.get("/matches").text
    assert asked.get("/" + path.removesuffix(".parquet")).status_code == 200
    assert "w1" in asked.get("/").text


def test_a_run_that_did_not_change_is_the_same_version(shown_run):
    watch = Watch(shown_run.url, book=":memory:")

    first = watch.look(survey=True)

    assert watch.look(survey=True) is first


def test_a_run_is_shown_once_it_is_there(tmp_path):
    asked = client(str(tmp_path / "run"))
    assert "is not a run" in asked.get("/").text
    whole_run(tmp_path / "run", networks=2)

    look_again(asked)

    assert "is not a run" not in asked.get("/").text
    assert asked.get("/networks/000001").status_code == 200


def test_a_worker_that_is_silent_is_late(copy):
    beat_file = copy / "heartbeats/w0.json"
    document = json.loads(beat_file.read_text())
    beat_file.write_text(json.dumps({**document, "time": document["time"] - 3600}))

    page = client(str(copy)).get("/").text

    assert re.search('<span class="tag bad">1 h [0-9] min ago', page)
