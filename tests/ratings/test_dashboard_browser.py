# SPDX-License-Identifier: Apache-2.0
"""The dashboard in a real browser: every page, wide and narrow, light and dark, with scripts and without."""

import contextlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ratings.export import export_site
from ratings.server import create_app
from ratings.serving import address_of, listening, served
from ratings.watch import Watch
from tests.support.dashboards import add_generation, beat, longer, pages_of, whole_run
from tests.support.waiting import wait_until

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'minigo[test]'")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe: pip install 'minigo[test]'")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 375, "height": 740}}
AXE = {"light": None, "dark": {"runOnly": ["color-contrast"]}}  # the rest of a page is the same in the dark
SERIOUS = ("serious", "critical")
MARKS = "#board circle, #board .owner, #board .share"
PATIENCE = 15_000  # milliseconds


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


@contextlib.contextmanager
def serving(url: str) -> Iterator[str]:
    """The address of a dashboard that looks at its run often."""
    watch = Watch(url, book=":memory:", look_seconds=0.2)
    listener = listening("127.0.0.1", 0)
    address = address_of(listener).rstrip("/")
    with contextlib.closing(watch), served(create_app(watch), listener):
        watch.start()
        wait_until(lambda: watch.snapshot().matches)
        yield address


@pytest.fixture(scope="module")
def address(shown_run) -> Iterator[str]:
    with serving(shown_run.url) as found:
        yield found


class Visit:
    """A page in a context of its own, and what went wrong in it."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.faults: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def overflow(self) -> int:
        """By how much the page is wider than the window, in pixels."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("colors", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_and_complains_of_nothing(browser, address, shown_run, size, colors, scripts):
    with Visit(browser, viewport=SIZES[size], color_scheme=colors, java_script_enabled=scripts) as visit:
        for path in pages_of(shown_run):
            visit.page.goto(address + path)
            plots = visit.page.locator("[data-plot]")
            if scripts and plots.count():
                plots.first.scroll_into_view_if_needed()
                visit.page.wait_for_selector("[data-plot].has-plot")
            assert visit.page.locator("h1").count() == 1, path
            assert visit.faults == [], path
            assert visit.overflow() == 0, path


@pytest.mark.parametrize("colors", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, address, shown_run, colors):
    with Visit(browser, viewport=SIZES["desk"], color_scheme=colors) as visit:
        for path in pages_of(shown_run):
            if "?axis" in path or path == "/docs":
                continue
            visit.page.goto(address + path)
            results = axe.Axe().run(visit.page, options=AXE[colors])
            found = [v for v in results.response["violations"] if v["impact"] in SERIOUS]
            said = [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in found]
            assert said == [], path


def test_axe_finds_nothing_serious_on_a_phone(browser, address):
    with Visit(browser, viewport=SIZES["phone"]) as visit:
        for path in ("/", "/gate", "/matches", "/matches/000001-against-000000/0?move=3"):
            visit.page.goto(address + path)
            found = axe.Axe().run(visit.page).response["violations"]
            assert [v["id"] for v in found if v["impact"] in SERIOUS] == [], path


def test_a_game_is_stepped_through_with_the_keyboard(browser, address):
    with Visit(browser, viewport=SIZES["desk"]) as visit:
        page = visit.page
        page.goto(f"{address}/matches/000001-against-000000/0?move=3")
        number, stones = page.locator("#move-number"), page.locator("#board .stone")
        assert stones.count() == 3

        for key, move in (("ArrowRight", 4), ("ArrowRight", 5), ("ArrowLeft", 4), ("Home", 0), ("PageDown", 10)):
            page.keyboard.press(key)
            playwright.expect(number).to_have_text(f"{move} / {number.inner_text().split('/ ')[1]}")
            assert page.url.endswith(f"?move={move}")
        page.keyboard.press("End")
        shown = page.content()
        page.reload()

        assert page.locator("#move-number").inner_text() in shown
        assert visit.faults == []


def test_what_scripts_draw_is_what_the_server_draws(browser, address, shown_run):
    shard = "/" + shown_run.shards()[0].removesuffix(".parquet")
    names = "['class', 'cx', 'cy', 'x', 'y'].map(name => mark.getAttribute(name))"
    marks = f"[...document.querySelectorAll('{MARKS}')].map(mark => [...{names}, mark.textContent].join()).sort()"
    with Visit(browser, viewport=SIZES["desk"]) as visit:
        page = visit.page
        for game in (f"{shard}/0", "/matches/000001-against-000000/0"):
            page.goto(f"{address}{game}?move=0")
            for move in range(1, 25):
                page.keyboard.press("ArrowRight")
                stepped = page.evaluate(marks)
                other = visit.context.request.get(f"{address}{game}?move={move}").text()
                page.evaluate("html => { window.other = new DOMParser().parseFromString(html, 'text/html') }", other)
                drawn = page.evaluate(marks.replace("document.", "window.other."))
                assert stepped == drawn, (game, move)


def test_a_game_is_stepped_through_without_scripts(browser, address):
    with Visit(browser, viewport=SIZES["phone"], java_script_enabled=False) as visit:
        page = visit.page
        page.goto(f"{address}/matches/000001-against-000000/0?move=3")
        page.get_by_label("One move on").click()
        assert page.locator("#move-number").inner_text().startswith("4 /")
        page.get_by_label("First move").click()

        assert page.locator("#board .stone").count() == 0


def test_a_page_is_live_while_the_run_grows(browser, tmp_path):
    run = whole_run(tmp_path / "run", networks=2)
    with serving(run.url) as address, Visit(browser, viewport=SIZES["desk"], reduced_motion="reduce") as visit:
        page = visit.page
        page.goto(address)
        playwright.expect(page.locator("#live-words")).to_contain_text("move 5")
        run.publish_network(b"more", {"parent": "000001"})
        run.promote("000002", {"reason": "better"}, run.champion())
        add_generation(run, 2)
        beat(run, moves=longer(9))

        playwright.expect(page.locator("#facts")).to_contain_text("000002", timeout=PATIENCE)
        playwright.expect(page.locator("#live-words")).to_contain_text("move 9")
        assert page.locator("#board .stone").count() == 9
        assert visit.faults == []


def test_hostile_names_run_nothing_in_a_browser(browser, tmp_path):
    from tests.ratings.test_dashboard_safety import INJECTIONS

    run = whole_run(tmp_path / "<img src=x onerror=alert(1)>", networks=2)
    policy = [1.0] + [0.0] * 25
    openings = [{"kind": "opening", "network": t, "move": t, "policy": policy, "value": 0.1} for t in INJECTIONS]
    finals = [{"kind": "final", "network": t, "opponent": t} for t in INJECTIONS]
    run.append_metrics("loop", "loop", openings + finals)
    for number, text in enumerate(INJECTIONS):
        beat(run, f"w{number}", doing=text)
        run.publish_match_spec(f"m{number}", {"kind": text, "player": text, "opponent": f"{text}!"})
    with serving(run.url) as address, Visit(browser, viewport=SIZES["desk"]) as visit:
        dialogs = []
        visit.page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())
        for path in ("/", "/probes", "/matches", "/ratings", "/games", "/training"):
            visit.page.goto(address + path)
            visit.page.mouse.move(300, 300)
        assert dialogs == []
        assert visit.faults == []


def test_the_exported_site_works_from_files(browser, shown_run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "site"
    with ThreadPoolExecutor(1) as thread:  # the browser's loop runs in this one
        thread.submit(export_site, shown_run.url, str(folder)).result()

    with Visit(browser, viewport=SIZES["phone"]) as visit:
        page = visit.page
        page.goto(f"file://{folder}/index.html")
        page.get_by_role("link", name="Ratings", exact=True).click()
        page.wait_for_selector("[data-plot].has-plot")
        page.get_by_role("link", name="Matches", exact=True).click()
        page.locator("#list tbody a").first.click()
        page.locator("#list tbody a").first.click()
        before = page.locator("#move-number").inner_text()
        page.keyboard.press("ArrowLeft")

        assert page.locator("#move-number").inner_text() != before
        assert visit.faults == []
