# SPDX-License-Identifier: Apache-2.0
"""Playing on the web without a browser: pages and JSON, who is let in, and that no input breaks anything."""

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from minigo.config import Config, GameConfig
from minigo.run import Run
from ratings.play.guard import MAX_BODY, Access
from ratings.play.router import play_router
from ratings.play.sessions import PlaySessions
from ratings.server import create_app
from ratings.watch import Watch
from tests.support.playing import Networks, playing, settled
from tests.support.waiting import wait_until

FORM = {"opponent": "000001", "board_size": "5", "komi": "0.5", "color": "black", "visits": "8", "seconds": "2"}
TOKEN = "a-long-secret-word"  # noqa: S105 (of a test)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.create(str(tmp_path / "run"), Config(game=GameConfig(board_size=6, komi=4.5)))
    for number in range(3):
        made.publish_network(b"%d" % number, {})
    made.promote("000001", {}, None)
    return made


@contextmanager
def served(
    run: Run | None, token: str | None = None, fakes: Networks | None = None, **limits: Any
) -> Iterator[tuple[TestClient, PlaySessions]]:
    with playing(Networks() if fakes is None else fakes, **limits) as sessions:
        router = play_router(lambda: run, sessions, token=token)
        app = create_app(Watch(run.url if run is not None else "nowhere"), play=router)
        with TestClient(app, base_url="http://localhost:8080", follow_redirects=False) as client:
            yield client, sessions


def begun(client: TestClient, **more: str) -> str:
    reply = client.post("/play", data={**FORM, **more})
    assert reply.status_code == 303, reply.text
    return str(reply.headers["location"])


def notice(text: str) -> str:
    found = re.search(r'class="play-notice"[^>]*>(?:<span>)?([^<]*)', text)
    assert found is not None
    return found[1]


# Pages.


def test_the_champion_and_the_runs_game_are_offered_first(run):
    with served(run) as (client, _):
        page = client.get("/play").text
    assert '<option value="000001" selected>000001 (champion)</option>' in page
    assert [*re.findall(r'<option value="(\d{6}|random)"', page)] == ["000001", "000002", "000000", "random"]
    assert '<option value="6" selected>' in page
    assert 'value="4.5"' in page
    assert '<option value="chinese-ogs" selected>' in page


def test_without_a_run_there_is_chance():
    with served(None) as (client, _):
        page = client.get("/play").text
        assert '<option value="random" selected>' in page
        assert client.get(begun(client, opponent="random")).status_code == 200


def test_a_damaged_run_offers_chance(run):
    Path(run.url, "state", "champion.json").write_text("{")
    with served(run) as (client, _):
        assert '<option value="random" selected>' in client.get("/play").text


def test_a_game_is_played_by_forms_alone(run):
    with served(run) as (client, sessions):
        place = begun(client)
        page = client.get(place).text
        assert page.count('name="vertex" value="') == 26  # every point, and the pass
        reply = client.post(f"{place}/move", data={"vertex": "C3", "ply": "0"})
        assert (reply.status_code, reply.headers["location"]) == (303, place)
        settled(sessions, place.rpartition("/")[2])
        page = client.get(place).text
        assert "Your turn" in page
        assert 'value="C3"' not in page
        assert client.post(f"{place}/undo").status_code == 303
        assert client.get(place).text.count('name="vertex" value="') == 26
        assert client.post(f"{place}/resign").status_code == 303
        page = client.get(place).text
        assert "White wins: Black resigned" in page
        assert "RE[W+R]" in client.get(f"{place}/sgf").text


def test_a_page_without_script_reloads_itself_while_something_is_being_thought(run):
    fakes = Networks()
    fakes.prepare = lambda network: network.answers.clear()
    with served(run, fakes=fakes) as (client, sessions):
        place = begun(client)
        refreshing = '<noscript><meta http-equiv="refresh"'
        assert refreshing not in client.get(place).text
        client.post(f"{place}/move", data={"vertex": "C3"})
        assert refreshing in client.get(place).text
        wait_until(lambda: fakes.made)
        fakes.made[0].answers.set()
        settled(sessions, place.rpartition("/")[2])
        assert refreshing not in client.get(place).text


def test_what_can_not_be_done_is_said_on_the_page(run):
    with served(run) as (client, sessions):
        place = begun(client)
        client.post(f"{place}/move", data={"vertex": "C3"})
        settled(sessions, place.rpartition("/")[2])
        for form, words in (
            ({"vertex": "C3"}, "C3 is illegal for black: the point is occupied"),
            ({"vertex": "Z9"}, "vertex must be A1..E5 or pass"),
            ({}, "vertex must be A1..E5 or pass"),
            ({"vertex": "D4", "ply": "0"}, "the game has moved on: it has 2 moves, not 0"),
            ({"vertex": "D4", "ply": "x"}, "ply must be a number of moves"),
        ):
            reply = client.post(f"{place}/move", data=form)
            assert reply.status_code == 409
            assert words in notice(reply.text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("board_size", "4"),
        ("board_size", "20"),
        ("board_size", "nine"),
        ("komi", "nan"),
        ("komi", "1e400"),
        ("komi", "0.3"),
        ("visits", "0"),
        ("visits", "1000001"),
        ("visits", "2001"),
        ("seconds", "-1"),
        ("seconds", "21"),
        ("rules", "japanese"),
        ("color", "green"),
        ("opponent", "../../etc/passwd"),
        ("opponent", "000009"),
        ("more", "1"),
    ],
)
def test_a_form_out_of_range_comes_back_with_the_reason(run, field, value):
    with served(run) as (client, sessions):
        reply = client.post("/play", data={**FORM, field: value})
        assert reply.status_code == 422
        assert notice(reply.text)
        assert sessions.live["games"] == 0


def test_a_broken_engine_has_a_button(run):
    fakes = Networks()
    fakes.prepare = lambda network: setattr(network, "error", OSError("<b>out</b> of memory"))
    with served(run, fakes=fakes) as (client, sessions):
        place = begun(client)
        client.post(f"{place}/move", data={"vertex": "C3"})
        settled(sessions, place.rpartition("/")[2])
        page = client.get(place).text
        assert "&lt;b&gt;out&lt;/b&gt; of memory" in page
        assert f'action="{place}/restart"' in page
        fakes.prepare = lambda _: None
        client.post(f"{place}/restart")
        assert settled(sessions, place.rpartition("/")[2]).trouble is None


def test_a_game_that_gave_way_says_so(run):
    with served(run, games=1) as (client, _):
        first, second = begun(client), begun(client)
        reply = client.get(first)
        assert reply.status_code == 410
        assert "newer games needed its place" in reply.text
        assert client.post(f"{first}/move", data={"vertex": "C3"}).status_code == 410
        assert client.get(f"{first}/sgf").status_code == 410
        assert client.get("/play/unknown").status_code == 404
        assert client.get("/play/unknown/events").status_code == 404
        assert client.post(f"{second}/dance").status_code == 404


def test_pages_are_small(run):
    with served(run) as (client, sessions):
        place = begun(client, board_size="19")
        sessions.show_analysis(place.rpartition("/")[2], True)
        settled(sessions, place.rpartition("/")[2])
        assert len(client.get(place).content) < 150_000


# JSON.


def test_a_program_plays_a_game_to_its_end(run):
    with served(run) as (client, sessions):
        game = client.post("/api/play/games", json={"board_size": 5, "komi": 0.5, "visits": 4, "opponent": None})
        assert game.status_code == 201
        state = game.json()
        assert state["opponent"] == "000001"
        place = f"/api/play/games/{state['id']}"
        for _ in range(80):
            settled(sessions, state["id"])
            state = client.get(place).json()
            if state["phase"] == "over":
                break
            passes = state["moves"][-1:] == ["pass"] or len(state["moves"]) > 20
            board, columns = state["stones"], "ABCDE"
            free = [f"{columns[p % 5]}{5 - p // 5}" for p in range(25) if not board[p]]
            for vertex in ["pass"] if passes else [*free, "pass"]:
                reply = client.post(f"{place}/moves", json={"vertex": vertex, "ply": len(state["moves"])})
                if reply.status_code == 200:
                    break
                assert reply.status_code == 409
        assert state["phase"] == "over"
        assert state["outcome"]["kind"] in ("passes", "decided")
        assert re.fullmatch(r"[BW]\+\d+(\.5)?|0", state["outcome"]["result"])
        assert len(state["outcome"]["owner"]) == 25
        assert client.delete(place).status_code == 204
        assert client.get(place).status_code == 410


def test_a_program_gets_the_analysis(run):
    with served(run, analysis_visits=40) as (client, sessions):
        state = client.post("/api/play/games", json={"board_size": 5}).json()
        place = f"/api/play/games/{state['id']}"
        assert client.post(f"{place}/analysis", json={"wanted": True}).status_code == 200
        settled(sessions, state["id"])
        insight = client.get(place).json()["insight"]
        assert insight["visits"] >= 40
        assert len(insight["policy"]) == 26
        assert len(insight["ownership_for_black"]) == 25
        assert insight["candidates"][0]["line"][0] == insight["candidates"][0]["vertex"]


def test_the_openapi_document_has_it_all(run):
    with served(run) as (client, _):
        document = client.get("/openapi.json").json()
        assert client.get("/api/play/opponents").json()["networks"] == ["000000", "000001", "000002"]
    paths = [path for path in document["paths"] if path.startswith("/api/play")]
    assert len(paths) == 9
    new = document["components"]["schemas"]["NewGame"]["properties"]["board_size"]
    assert (new["minimum"], new["maximum"]) == (5, 19)


# Who is let in.


def test_pages_of_other_sites_can_not_play(run):
    with served(run) as (client, sessions):
        place = begun(client)
        for headers in (
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": "http://localhost:9"},
            {"origin": "http://[::1"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ):
            undo = "/api" + place.replace("play/", "play/games/") + "/undo"
            for url, body in (("/play", FORM), (f"{place}/resign", {}), (undo, {})):
                assert client.post(url, data=body, headers=headers).status_code == 403, (url, headers)
        assert sessions.live["games"] == 1
        assert client.post(f"{place}/resign", headers={"origin": "http://localhost:8080"}).status_code == 303


def test_without_the_token_nothing_is_played(run):
    with served(run, token=TOKEN) as (client, sessions):
        page = client.get("/play")
        assert page.status_code == 401
        assert 'action="/play/token"' in page.text
        for reply in (
            client.post("/play", data=FORM),
            client.get("/play/anything"),
            client.get("/play/anything/events"),
            client.post("/api/play/games", json={}),
            client.get("/api/play/opponents"),
            client.get("/api/play/opponents", headers={"authorization": "Bearer wrong"}),
            client.get("/api/play/opponents", headers={"cookie": "minigo_play=wrong"}),
        ):
            assert reply.status_code == 401
        assert sessions.live["games"] == 0


def test_the_token_lets_in_by_form_link_and_header(run):
    with served(run, token=TOKEN) as (client, _):
        assert client.get("/api/play/opponents", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.post("/play/token", data={"token": "wrong"}).status_code == 401
        assert client.get("/play", params={"token": "wrong"}).status_code == 401
        reply = client.post("/play/token", data={"token": TOKEN})
        assert reply.status_code == 303
        cookie = reply.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert begun(client)
        client.cookies.clear()
        reply = client.get("/play", params={"token": TOKEN})
        assert (reply.status_code, reply.headers["location"]) == (303, "/play")
        assert begun(client)


def test_a_short_token_is_refused():
    with pytest.raises(ValueError, match="12 characters or more, got 5"):
        Access("short")


# Hostile input.


def test_long_requests_are_refused_unread(run):
    with served(run) as (client, _):
        place = begun(client)
        assert client.post(f"{place}/move", data={"vertex": "D" * MAX_BODY}).status_code == 413
        assert client.post("/api/play/games", content=b"[" * 10_000_000).status_code == 413
        assert client.post(f"{place}/move", content=iter([b"vertex=", b"D4"])).status_code == 411
        assert client.post(f"{place}/move", headers={"content-length": "9" * 30}).status_code == 413
        assert client.post("/play", content="&".join(f"f{n}=1" for n in range(100))).status_code == 400


STRINGS = (
    "", "D4", "pass", "<script>alert(1)</script>", "\x00", "\ud7ff", "💥" * 3, "'; DROP TABLE games; --", "{{7*7}}",
    "%s%n", "../" * 5, "A" * 500, "-1", "1e999", "NaN", "٣", "D٣", "T20", "0x10", "null", "\r\nset-cookie: a=b",
)  # fmt: skip
VALUES = (*STRINGS, None, True, -1, 0, 5, 19, 10**30, 0.5, 1e300, [], {}, ["D4"], {"a": 1})


def quoted(text: str) -> str:
    return quote(text, safe="")


def test_no_form_breaks_a_page(run):
    draw = random.Random(1)  # noqa: S311 (of a test)
    with served(run) as (client, _):
        place = begun(client)
        deeds = ["move", "undo", "analysis", "restart", "resign", *STRINGS[3:6]]
        names = [*FORM, "vertex", "ply", "wanted", "rules", "may_resign", "token"]
        for _ in range(300):
            form = {name: draw.choice(STRINGS) for name in draw.sample(names, draw.randrange(6))}
            url = draw.choice(("/play", "/play/token", *(f"{place}/{deed}" for deed in map(quoted, deeds))))
            reply = client.post(url, data=form)
            assert reply.status_code < 500, (url, form)
            assert "<script>alert" not in reply.text
        assert client.get(place).status_code == 200


def test_no_json_breaks_the_interface(run):
    draw = random.Random(2)  # noqa: S311 (of a test)
    with served(run) as (client, _):
        game_id = client.post("/api/play/games", json={"board_size": 5, "opponent": "random"}).json()["id"]
        place = f"/api/play/games/{game_id}"
        urls = ("/api/play/games", *(f"{place}/{deed}" for deed in ("moves", "undo", "analysis", "restart", "resign")))
        names = ("opponent", "board_size", "komi", "rules", "color", "visits", "seconds", "vertex", "ply", "wanted")
        bodies = [b"", b"{", b"\xff\xfe", b'"\\ud800"', b'{"vertex": "\\ud800"}', b'{"komi": NaN}', b"1" * 5000]
        for body in bodies:
            for url in urls:
                assert client.post(url, content=body, headers={"content-type": "application/json"}).status_code < 500
        for _ in range(400):
            body = {name: draw.choice(VALUES) for name in draw.sample(names, draw.randrange(5))}
            url = draw.choice(urls)
            reply = client.post(url, content=json.dumps(body).encode(), headers={"content-type": "application/json"})
            assert reply.status_code < 500, (url, body)
        for text in STRINGS:
            assert client.get(f"/api/play/games/{quoted(text)}").status_code < 500
            assert client.get(f"/play/{quoted(text)}").status_code < 500
