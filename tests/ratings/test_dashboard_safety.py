# SPDX-License-Identifier: Apache-2.0
"""The dashboard against hostile names, hosts, paths and inputs."""

import dataclasses
import html
import json
import random
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from minigo.data.shards import write_shard
from minigo.run import Run
from ratings.server import Guard
from ratings.tables import to_csv
from tests.support.dashboards import beat, client, pages_of, whole_run
from tests.support.records import header, random_record

INJECTIONS = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "</script><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<!--<script>alert(1)//-->",
    "]]><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=`x`onerror=alert(1)>",
    '<img """><script>alert(1)</script>">',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg/onload=alert(1)//",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{display:none}</style>",
    "<form action=//evil.example><input type=submit>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<math><mi xlink:href=javascript:alert(1)>x",
    "<marquee onstart=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)>",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    '"/><svg onload="alert(1)"/>',
    "javascript:alert(1)",
    "jAvAsCrIpT:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "{{ config.__class__ }}",
    "{% for x in range(9) %}x{% endfor %}",
    "${alert(1)}",
    "`${alert(1)}`",
    "';alert(1);//",
    '";alert(1);//',
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\u2028alert(1)\u2029",
    "\u202egnirts desrever",
    "\x00<script>alert(1)</script>",
    "\ufeff<script>alert(1)</script>",
    "<\x0bscript>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "'; DROP TABLE games; --",
    "../../etc/passwd",
    "😀" * 50,
    "x" * 5000,
    "²",
    "٣",
    "9" * 5000,
)


class Inspector(HTMLParser):
    """What in a page could run, or load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        is_ours = (given.get("src") or "").startswith("/static/") or given.get("type") == "application/json"
        if tag == "script" and not is_ours:
            self.faults.append(f"inline script {given}")
        if tag in ("iframe", "object", "embed", "base", "style", "form", "marquee"):
            self.faults.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.faults.append(f"{tag} {name}={value}")
            if name in ("href", "src", "action") and not (value or "").startswith(("/", "#", "?")):
                self.faults.append(f"{tag} {name}={value}")


def faults_of(page: str) -> list[str]:
    inspector = Inspector()
    inspector.feed(page)
    return inspector.faults


def hostile_run(folder: Path) -> Run:
    """A run in which everything that may be any text is hostile."""
    run = whole_run(folder / "<img src=x onerror=alert(1)>", networks=2)
    run.telemetry.append_metrics("loop", "loop", [{"kind": "final", "network": t, "opponent": t} for t in INJECTIONS])
    policy = [1.0] + [0.0] * 25
    openings = [{"kind": "opening", "network": t, "move": t, "policy": policy, "value": 0.1} for t in INJECTIONS]
    run.telemetry.append_metrics("loop", "loop", openings)
    for number, text in enumerate(INJECTIONS):
        game = {"game_id": text, "network": text, "board_size": 5, "komi": 0.5, "rules": "cgos", "moves": ["C3"]}
        beat(run, f"w{number}", doing=text, role=text, game=game)
        run.matches.publish_spec(f"m{number}", {"kind": text, "player": text, "opponent": f"{text}!", "seed": 1})
        record = dataclasses.replace(random_record(1), black=text.replace("\x00", ""), white=text.replace("\x00", ""))
        run.matches.publish_game(f"m{number}", 0, write_shard(header(), [record]))
        verdict = {"candidate": f"9{number:05d}", "champion": text, "promotes": True, "gate": text, "reason": text}
        run.matches.publish_verdict(f"v{number}", verdict)
        run.publish_network(b"hostile %d" % number, {"parent": text, "network": {text: text}})
    run.quarantine(run.shards()[0], INJECTIONS[0])
    return run


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> tuple[Run, list[str]]:
    """A hostile run, and its pages."""
    run = hostile_run(tmp_path_factory.mktemp("hostile"))
    pages = [
        *pages_of(run),
        "/networks/000003",
        "/networks?page=2",
        "/gate?page=2",
        "/matches?page=2",
        "/matches?table=2",
    ]
    pages += [f"/matches/m{number}" for number in range(len(INJECTIONS))]
    return run, [*pages, *(f"/matches/m{number}/0" for number in range(len(INJECTIONS)))]


def test_there_are_many_injections():
    assert len(set(INJECTIONS)) >= 50


def test_hostile_text_is_text_on_every_page(hostile):
    run, pages = hostile
    asked = client(run.url)

    for page in pages:
        answer = asked.get(page)
        assert answer.status_code == 200, page
        assert faults_of(answer.text) == [], page
        for data in answer.text.split('<script type="application/json"')[1:]:
            json.loads(data.split(">", 1)[1].split("</script>")[0])


def test_hostile_text_comes_out_as_it_went_in(hostile):
    run, _ = hostile
    asked = client(run.url)

    rows = asked.get("/api/tables/matches.json").json()["rows"]

    assert {row["kind"] for row in rows} >= set(INJECTIONS)
    assert html.escape(INJECTIONS[0]) in asked.get("/matches/m0").text


@pytest.mark.parametrize("text", INJECTIONS)
def test_hostile_queries_and_paths_are_refused_or_shown_as_text(shown_run, text):
    asked = client(shown_run.url)
    word = quote(text[:500], safe="")

    for page in (
        f"/{word}",
        f"/networks/{word}",
        f"/matches/{word}/{word}",
        f"/games/{word}/{word}/{word}",
        f"/games?network={word}",
        f"/networks?sort={word}&page={word}",
        f"/ratings?axis={word}",
        f"/?{word}={word}",
        f"/static/{word}",
        f"/api/tables/{word}.json",
    ):
        answer = asked.get(page)
        assert answer.status_code < 500, page
        assert answer.headers["content-type"].startswith("application/json") or faults_of(answer.text) == [], page


def test_every_answer_has_the_headers_that_keep_foreign_scripts_out(shown_run):
    asked = client(shown_run.url)

    for page in ("/", "/nothing", "/static/style.css", "/api/status", "/metrics", "/games?page=x"):
        headers = asked.get(page).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8080", True),
        ("localhost:8080", True),
        ("LOCALHOST", True),
        ("[::1]:8080", True),
        ("192.168.1.7:8080", True),
        ("go.example.org", True),
        ("evil.example", False),
        ("evil.example:8080", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("go.example.org.evil.example", False),
        ("", False),
        ("[::1", False),
        ("a" * 10_000, False),
        ("localhost:8080:80", False),
    ],
)
def test_only_this_machines_names_are_answered(host, is_ours):
    assert Guard(lambda *_: None, ["go.example.org"]).is_ours(host) == is_ours


def test_a_request_for_another_host_gets_nothing(shown_run):
    answer = client(shown_run.url).get("/", headers={"host": "evil.example"})

    assert answer.status_code == 421
    assert "minigo" not in answer.text.lower()


OUTSIDE = ("../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "....//secret.txt", "..\\secret.txt", "/etc/passwd",
           "%00", "secret.txt%00.parquet", "..", ".", "~", "C:\\secret.txt", "%252e%252e%252fsecret.txt")  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_outside_the_run_can_not_be_reached(tmp_path, name):
    run = whole_run(tmp_path / "run", networks=2)
    (tmp_path / "secret.txt").write_text("the secret")
    Path(run.url, "networks", "secret.txt").write_text("the secret")
    asked = client(run.url)

    for base in ("/networks/{}", "/networks/{}/weights", "/matches/{}", "/matches/{}/0", "/games/{}/{}", "/static/{}",
                 "/games/{}/{}/0/game.sgf", "/holdout/{}/{}/0", "/{}", "/games/2026010100/{}"):  # fmt: skip
        answer = asked.get(base.replace("{}", name))
        assert answer.status_code in (404, 405, 422, 200), base
        assert "the secret" not in answer.text
        assert "root:" not in answer.text


def test_spreadsheets_compute_nothing():
    text = to_csv([{"a": "=1+1", "b": "+1", "c": "-1", "d": "@x", "e": "fine", "f": -1.5}])

    assert text == "a,b,c,d,e,f\n'=1+1,'+1,'-1,'@x,fine,-1.5\n"


# Inputs from the description of the interface.

WORDS = (
    "",
    "0",
    "-1",
    "1",
    "true",
    "null",
    "NaN",
    "1e999",
    "9" * 400,
    "a" * 200,
    "000001",
    "games",
    "ä",
    "\x00",
    "%",
    "..",
)


def value_for(schema: dict, rng: random.Random) -> str:
    """A value of a parameter: mostly of its type, else anything."""
    if rng.random() < 0.3:
        return rng.choice([*WORDS, *INJECTIONS])
    if "enum" in schema:
        return str(rng.choice(schema["enum"]))
    kinds = [part.get("type") for part in schema.get("anyOf", [schema])]
    kind = rng.choice(kinds)
    if kind == "integer":
        low, high = schema.get("minimum", -(10**20)), schema.get("maximum", 10**20)
        return str(rng.choice([low, high, 0, 1, 2, rng.randint(low, high)]))
    if kind == "boolean":
        return rng.choice(["true", "false", "0", "1"])
    return rng.choice(["000001", "000001-against-000000", "x-1.y_z", "2026010100", "A" * 100])


@pytest.mark.parametrize("seed", range(4))
def test_no_input_of_the_described_types_makes_the_server_fail(shown_run, seed):
    rng = random.Random(seed)  # noqa: S311 (for variety, not for secrets)
    asked = client(shown_run.url)
    described = asked.get("/openapi.json").json()["paths"]
    assert len(described) >= 20

    for path, methods in described.items():
        if path == "/events":
            continue  # never ends
        for method, operation in methods.items():
            for _ in range(12):
                address, query = path, {}
                for parameter in operation.get("parameters", ()):
                    value = value_for(parameter["schema"], rng)
                    if parameter["in"] == "path":
                        address = address.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
                    elif rng.random() < 0.7:
                        query[parameter["name"]] = value
                answer = asked.request(method, address, params=query)
                assert answer.status_code < 500, f"{method} {address} {query}"


def test_head_is_answered_like_get_without_a_body(shown_run):
    asked = client(shown_run.url)
    addresses = [
        "/static/style.css",
        "/metrics",
        "/api/status",
        "/api/tables/networks.csv",
        "/nothing",
        "/games?page=x",
    ]

    for address in (*pages_of(shown_run), *addresses):
        head, got = asked.head(address), asked.get(address)
        assert (head.status_code, head.content) == (got.status_code, b""), address
        assert head.headers["content-type"] == got.headers["content-type"]
        assert "default-src 'none'" in head.headers["content-security-policy"]


def test_head_of_what_never_ends_ends(shown_run):
    asked = client(shown_run.url)

    answer = asked.head("/events")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert asked.app.state.viewers.count == 0


def test_nothing_can_be_written(shown_run):
    asked = client(shown_run.url)

    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for page in ("/", "/networks/000001", "/api/status", "/metrics"):
            assert asked.request(method, page).status_code == 405
