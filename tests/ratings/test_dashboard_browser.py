# SPDX-License-Identifier: Apache-2.0
"""The dashboard in a real browser: every page, wide and narrow, light and dark, with scripts and without."""

import contextlib
import shutil
import signal
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from minigo.run import Run
from ratings.export import export_site
from ratings.server import create_app
from ratings.serving import address_of, listening, served
from ratings.watch import Watch
from tests.ratings.test_dashboard_safety import INJECTIONS, hostile_run
from tests.support.dashboards import add_generation, beat, longer, pages_of, whole_run
from tests.support.loops import start_loop
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
PATIENCE = 60_000  # milliseconds, on a machine that is busy
LOOP_PATIENCE = 240_000  # of a loop that first has to import a framework


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


@pytest.mark.parametrize(
    ("colors", "scripts"),
    [
        pytest.param("light", True, id="light-scripts"),
        pytest.param("light", False, id="light-no scripts"),
        pytest.param("dark", True, id="dark-scripts"),
        pytest.param("dark", False, id="dark-no scripts", marks=pytest.mark.slow),
    ],
)
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


@pytest.mark.parametrize(
    ("size", "colors"),
    [
        ("desk", "light"),
        ("phone", "dark"),
        pytest.param("desk", "dark", marks=pytest.mark.slow),
        pytest.param("phone", "light", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_serious(browser, address, shown_run, size, colors):
    with Visit(browser, viewport=SIZES[size], color_scheme=colors) as visit:
        for path in pages_of(shown_run):
            if "?axis" in path:
                continue  # the same page as without it
            visit.page.goto(address + path)
            results = axe.Axe().run(visit.page, options=AXE[colors])
            found = [v for v in results.response["violations"] if v["impact"] in SERIOUS]
            said = [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in found]
            assert said == [], path


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


def visit_unharmed(browser: Any, address: str, paths: Iterable[str]) -> None:
    """Opens pages, moves over them, and asserts that nothing of theirs ran, and that nothing was asked elsewhere."""
    with Visit(browser, viewport=SIZES["desk"]) as visit:
        dialogs: list[str] = []
        asked: list[str] = []
        visit.page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())
        visit.page.on("request", lambda request: asked.append(request.url))
        for path in paths:
            visit.page.goto(address + path)
            visit.page.mouse.move(300, 300)
            visit.page.keyboard.press("ArrowRight")
            assert visit.page.locator("h1").count() == 1, path
            assert (dialogs, visit.faults) == ([], []), path
        assert [url for url in asked if not url.startswith(address)] == []


def test_hostile_names_run_nothing_in_a_browser(browser, tmp_path):
    run = hostile_run(tmp_path)
    some = range(0, len(INJECTIONS), 4)
    networks = [f"/networks/{name}" for name in run.networks()[1:] if int(name) % 6 == 1]
    matches = [f"/matches/m{number}" for number in some]
    games = [f"/matches/m{number}/0?move=3" for number in some]
    others = ("/", "/probes", "/gate", "/networks", "/matches", "/ratings", "/games", "/training", "/data")
    with serving(run.url) as address:
        visit_unharmed(browser, address, (*others, *networks, *matches, *games))


RUN_NAMES = (
    "<script>alert(1)",
    "'\"><svg onload=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "{{ 7 * 7 }}{% for x in y %}",
    "\N{RIGHT-TO-LEFT OVERRIDE}&lt;b&gt;\N{LINE SEPARATOR}`${alert(1)}`",
)


@pytest.mark.parametrize("name", RUN_NAMES)
def test_a_hostile_name_of_a_run_is_text_in_a_browser(browser, shown_run, tmp_path, name):
    run = Run.open(str(shutil.copytree(shown_run.url, tmp_path / name)))
    with serving(run.url) as address:
        visit_unharmed(browser, address, ("/", "/ratings", "/matches/000001-against-000000/0?move=3"))
        with Visit(browser, viewport=SIZES["desk"]) as visit:
            visit.page.goto(address)
            assert visit.page.locator(".brand-name").text_content() == name
            assert visit.page.locator("h1").text_content() == name


@pytest.mark.slow
def test_an_open_page_follows_a_real_loop(browser, tmp_path):
    with listening("127.0.0.1", 0) as found:
        address = address_of(found).rstrip("/")
    loop = start_loop(tmp_path / "run", f"--dashboard_port={address.rpartition(':')[2]}")
    try:
        wait_until(lambda: loop.poll() is not None or answers(address), 120)
        with Visit(browser, viewport=SIZES["desk"]) as visit:
            page, expect = visit.page, playwright.expect
            page.goto(address)
            page.evaluate("window.isTheSamePage = true")
            facts = page.locator("#facts dd")
            expect(facts.first).to_have_text("0", timeout=LOOP_PATIENCE)
            games = facts.nth(3)
            seen = [games.inner_text()]
            for _ in range(2):
                expect(games).not_to_have_text(seen[-1], timeout=LOOP_PATIENCE)
                seen.append(games.inner_text())
            expect(page.locator("#live-words")).to_contain_text("of network", timeout=LOOP_PATIENCE)
            expect(page.locator("#board .stone").first).to_be_visible(timeout=LOOP_PATIENCE)
            expect(facts.first).not_to_have_text("0", timeout=LOOP_PATIENCE)
            numbers = [int(text.removeprefix("about ").replace(",", "")) for text in seen]
            assert numbers == sorted(set(numbers))
            assert page.evaluate("window.isTheSamePage")
            assert visit.faults == []
    finally:
        loop.send_signal(signal.SIGINT)
        _, err = loop.communicate(timeout=120)
    assert loop.returncode == 0, err


def answers(address: str) -> bool:
    """Whether somebody serves there."""
    try:
        with urllib.request.urlopen(f"{address}/api/status", timeout=5) as answer:  # noqa: S310 (our own address)
            return answer.status == 200
    except OSError:
        return False


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
