# SPDX-License-Identifier: Apache-2.0
"""`minigo dashboard` as a process, the dashboard of a loop, the exported site, and what they import."""

import contextlib
import html
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from minigo.__main__ import main
from minigo.commands.dashboard import loop_dashboard
from minigo.run import Run
from ratings.export import export_site
from tests.support.loops import start_loop
from tests.support.waiting import wait_until


def asked(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 (our own server)
        return answer.read().decode()


def answers(address: str) -> bool:
    with contextlib.suppress(OSError):
        return "MiniGo" in asked(address)
    return False


def test_the_command_says_where_it_serves_and_ends_when_told_to(shown_run):
    command = [sys.executable, "-m", "minigo", "dashboard", f"--run={shown_run.url}", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)[0]

        wait_until(lambda: "000003" in asked(f"{address}networks"))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)

    assert process.returncode == 0


def test_a_port_that_is_taken_is_one_line(shown_run, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code = main(["dashboard", f"--run={shown_run.url}", f"--port={port}"])

    err = capsys.readouterr().err
    assert code == 2
    assert f"port {port} of 127.0.0.1 can not be listened on: Address already in use; choose another with --port" in err
    assert err.count("\n") == 1


def test_a_loop_serves_its_dashboard_and_takes_another_port_where_its_own_is_taken(shown_run, caplog):
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with loop_dashboard(shown_run.url, shown_run.config, port):
            address = re.search(r"dashboard: (http://127\.0\.0\.1:(\d+)/)", caplog.text)
            wait_until(lambda: answers(address[1]))
            assert int(address[2]) != port

    assert f"port {port} of 127.0.0.1 can not be listened on" in caplog.text
    assert "has ended" not in caplog.text
    with pytest.raises(OSError, match="refused"):
        asked(address[1])


def test_a_dashboard_that_dies_does_not_end_the_loop(tmp_path, shown_run, caplog, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 7\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))

    with loop_dashboard(shown_run.url, shown_run.config, 18080):
        wait_until(lambda: "the dashboard has ended with code 7; the loop goes on" in caplog.text)


def test_no_port_is_no_dashboard(shown_run, caplog):
    caplog.set_level(logging.INFO)

    with loop_dashboard(shown_run.url, shown_run.config, 0):
        pass

    assert caplog.text == ""


@pytest.mark.slow
def test_the_pages_of_a_loop_change_while_it_works(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # More generations than there is time for: the dashboard ends with its loop.
    process = start_loop(tmp_path / "run", "--loop.generations=1000", f"--dashboard_port={port}")
    try:
        status = f"http://127.0.0.1:{port}/api/status"
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/"), 120)
        wait_until(lambda: json.loads(asked(status))["generation"] >= 1, 180)
        first = json.loads(asked(status))
        wait_until(lambda: json.loads(asked(status))["generation"] > first["generation"], 180)
    finally:
        process.terminate()
        process.communicate(timeout=60)
    wait_until(lambda: not answers(f"http://127.0.0.1:{port}/"))


def test_the_server_imports_no_framework():
    modules = "ratings.server, ratings.watch, ratings.export, ratings.serving, minigo.commands.dashboard"
    script = f"import sys, {modules}; print({{'tensorflow', 'keras', 'jax', 'openvino', 'plotly'}} & set(sys.modules))"

    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert answer.stdout == "set()\n"


@pytest.fixture(scope="module")
def site(shown_run, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "site"
    assert export_site(shown_run.url, str(folder)) == len([path for path in folder.rglob("*") if path.is_file()])
    return folder


def test_every_link_of_an_exported_site_leads_to_a_file(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50

    for page in pages:
        for link in re.findall(r' (?:href|src|data-plotly)="([^"#]*)"', page.read_text(encoding="utf-8")):
            assert not link.startswith(("/", "http")), (page, link)
            assert (page.parent / html.unescape(link)).is_file(), (page, link)


def test_an_exported_site_has_a_page_for_every_kind_and_every_move(site):
    names = {str(path.relative_to(site)) for path in site.rglob("*")}

    assert {"index.html", "ratings.html", "gate.html", "networks.html", "networks/000001.html", "matches.html"} <= names
    assert {"training.html", "probes.html", "games.html", "data.html", "api/tables/networks.csv"} <= names
    assert {"static/plotly.min.js", "metrics.txt", "docs.html", "openapi.json"} <= names
    assert any(re.fullmatch(r"matches/[^/]+/0-move-3\.html", name) for name in names)
    assert any(re.fullmatch(r"games/\d+/[^/]+/0/game\.sgf", name) for name in names)


def test_an_export_writes_over_nothing(shown_run, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")

    code = main(["dashboard", f"--run={shown_run.url}", f"--export={tmp_path}"])

    assert code == 1
    assert "must be a new or empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_run_is_exported_too(tmp_path):
    export_site(str(tmp_path / "none"), str(tmp_path / "site"))

    assert "is not a run" in (tmp_path / "site" / "index.html").read_text()


def test_looking_at_a_run_needs_no_place_to_write(shown_run, tmp_path):
    before = sorted(str(path) for path in Path(shown_run.url).rglob("*"))
    export_site(shown_run.url, str(tmp_path / "site"))

    assert sorted(str(path) for path in Path(shown_run.url).rglob("*")) == before
    assert Run.open(shown_run.url).champion() is not None
