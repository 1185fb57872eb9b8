# SPDX-License-Identifier: Apache-2.0
"""Games in a real browser against a real, if untrained, network: by mouse, finger and keyboard, and without scripts."""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from minigo.commands.browser import playing
from minigo.config import Config, GameConfig, NetworkConfig
from minigo.run import Run
from ratings.server import create_app
from ratings.watch import Watch

uvicorn = pytest.importorskip("uvicorn")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'minigo[test]'")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe: pip install 'minigo[test]'")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt install chromium")

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESK, PHONE = (1280, 900), (375, 740)
SERIOUS = ("serious", "critical")
PATIENCE = 90_000  # ms; the first move waits until a framework has been imported


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """A run whose champion is small and knows nothing."""
    from minigo.network.network import Network

    config = Config(game=GameConfig(board_size=5, komi=0.5), network=NetworkConfig(blocks=1, channels=8))
    made = Run.create(str(tmp_path_factory.mktemp("play") / "run"), config)
    network = Network.create(config.network, seed=1)
    made.promote(made.publish_network(network.to_bytes(), network.description()), {}, expected=None)
    return made


@contextmanager
def serving(run: Run, token: str | None = None) -> Iterator[str]:
    """A dashboard's address."""
    with playing(lambda: run, run.config, host="127.0.0.1", token=token) as router:
        app = create_app(Watch(run.url), play=router)
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server has not started"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            router.end_streams()
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="module")
def address(run) -> Iterator[str]:
    with serving(run) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@contextmanager
def opened(
    browser: Any, *, size: tuple[int, int] = DESK, dark: bool = False, script: bool = True, touch: bool = False
) -> Iterator[Any]:
    """A page on which nothing may go wrong unnoticed."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        has_touch=touch,
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert wrong == []


def check_look(page: Any) -> None:
    """Nothing is wider than the window, and axe finds nothing serious."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    found = axe.Axe().run(page).response["violations"]
    assert [f"{fault['id']}: {fault['nodes'][0]['html']}" for fault in found if fault["impact"] in SERIOUS] == []


def begin(page: Any, address: str, **fields: str) -> None:
    page.goto(f"{address}/play")
    for name, value in {"board_size": "5", "visits": "1", **fields}.items():
        if name == "color":
            page.locator(f"input[name=color][value={value}]").check()
        else:
            page.locator(f"select[name={name}]").select_option(value)
    page.get_by_role("button", name="Start the game").click()
    page.locator(".play-board").wait_for()


def my_turn(page: Any) -> bool:
    """Waits for the person's turn, or for the end: whether it is the former."""
    page.locator(".play-status", has_text=re.compile("Your turn|wins|draw|stopped")).wait_for()
    return "Your turn" in page.locator(".play-status").inner_text()


def number_of_moves(page: Any) -> int:
    return int(page.locator(".play-facts dd").first.inner_text())


def play_to_the_end(page: Any) -> int:
    """Plays here and there, passes when the other one does, and returns how many moves the game had."""
    while my_turn(page):
        before = number_of_moves(page)
        has_passed = before > 0 and page.locator(".play-moves li").last.text_content() == "pass"
        points = page.locator(".play-grid button")
        if has_passed or points.count() == 0 or before > 30:
            page.get_by_role("button", name="Pass").click()
        else:
            points.nth(points.count() // 2).click()
        page.locator(".play-facts dd", has_text=re.compile(rf"^(?!{before}$)\d+$")).first.wait_for()
    return number_of_moves(page)


@pytest.mark.parametrize(("size", "dark"), [(DESK, False), pytest.param(PHONE, True, marks=pytest.mark.slow)])
def test_a_whole_game_is_played_and_counted(browser, address, size, dark):
    with opened(browser, size=size, dark=dark) as page:
        page.goto(f"{address}/play")
        check_look(page)
        begin(page, address, color="white" if dark else "black")
        assert my_turn(page)
        check_look(page)
        assert play_to_the_end(page) > 4
        assert re.search(r"(Black|White) wins by|A draw", page.locator(".play-status").inner_text())
        assert page.locator(".layer-area rect").count() > 0
        check_look(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download SGF").click()
        sgf = Path(download.value.path()).read_text(encoding="utf-8")
        assert re.search(r"RE\[([BW]\+[\d.]+|0)\]", sgf)
        assert "PB[000000 (1 visits)]PW[player]" in sgf if dark else "PB[player]" in sgf


@pytest.mark.parametrize(("size", "dark"), [(DESK, True), (PHONE, False), (PHONE, True)])
def test_the_analysis_is_drawn_and_read_out(browser, address, size, dark):
    with opened(browser, size=size, dark=dark) as page:
        begin(page, address, board_size="9")
        page.get_by_role("button", name="Analysis").click()
        rows = page.locator(".play-table tbody tr")
        rows.first.wait_for()
        page.locator(".play-status .play-dots").wait_for(state="detached")
        check_look(page)
        assert page.locator(".layer-moves .candidate").count() > 0
        assert page.locator(".layer-ownership").is_hidden()
        page.get_by_label("Ownership").check()
        page.get_by_label("Policy").check()
        assert page.locator(".layer-policy").is_visible()
        rows.first.hover()
        assert page.locator(".play-overlay .line circle").count() > 0
        page.locator(".play-status").hover()
        assert page.locator(".play-overlay .line circle").count() == 0
        page.get_by_role("button", name="Analysis").click()
        page.get_by_text("Analysis is off").wait_for()


@pytest.mark.parametrize(("size", "dark"), [(DESK, False), (PHONE, True)])
def test_a_game_goes_without_scripts(browser, address, size, dark):
    with opened(browser, size=size, dark=dark, script=False) as page:
        begin(page, address)
        for moves in (2, 4):
            page.locator(".play-grid button").first.click()
            assert my_turn(page)  # the page has reloaded itself
            assert number_of_moves(page) == moves
        page.get_by_role("button", name="Undo").click()
        assert number_of_moves(page) == 2
        page.get_by_role("button", name="Analysis").click()
        page.locator(".play-table tbody tr").first.wait_for()
        page.get_by_role("button", name="Resign").click()
        assert "White wins: Black resigned" in page.locator(".play-status").inner_text()


def test_the_keyboard_plays(browser, address):
    with opened(browser) as page:
        begin(page, address)
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.value") == "C3"
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowLeft")
        assert page.evaluate("document.activeElement.value") == "B4"
        page.keyboard.press("Enter")
        page.locator(".play-facts dd", has_text=re.compile("^2$")).first.wait_for()
        assert my_turn(page)
        page.keyboard.press("u")
        page.locator(".play-facts dd", has_text=re.compile("^0$")).first.wait_for()
        page.keyboard.press("p")
        page.locator(".play-facts dd", has_text=re.compile("^2$")).first.wait_for()


def test_a_finger_aims_before_it_plays_on_small_points(browser, address):
    with opened(browser, size=PHONE, touch=True) as page:
        begin(page, address, board_size="19")
        for vertex in ("D4", "Q16"):  # the second tap moves the aim
            page.locator(f".play-grid button[value={vertex}]").tap()
            page.get_by_role("button", name=f"Play {vertex}").wait_for()
        check_look(page)
        assert number_of_moves(page) == 0
        page.get_by_role("button", name="Play Q16").tap()
        page.locator(".play-facts dd", has_text=re.compile("^2$")).first.wait_for()
        assert page.locator(".play-moves li").first.text_content() == "Q16"


def test_a_game_that_is_open_twice_is_live_in_both_pages(browser, address):
    with opened(browser) as page, opened(browser, size=PHONE) as other:
        begin(page, address)
        other.goto(page.url)
        page.locator(".play-grid button").first.click()
        for each in (page, other):
            each.locator(".play-facts dd", has_text=re.compile("^2$")).first.wait_for()
        other.get_by_role("button", name="Undo").click()
        page.locator(".play-facts dd", has_text=re.compile("^0$")).first.wait_for()


def test_who_names_the_token_may_play(browser, run):
    with serving(run, token="a-long-secret-word") as address:  # noqa: S106 (of a test)
        context = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]})
        page = context.new_page()
        page.goto(f"{address}/play")
        check_look(page)
        page.get_by_label("Play token").fill("a-long-secret-wort")
        page.get_by_role("button", name="Continue").click()
        page.get_by_text("That is not the token.").wait_for()
        page.get_by_label("Play token").fill("a-long-secret-word")
        page.get_by_role("button", name="Continue").click()
        begin(page, address)
        page.goto(f"{address}/play/unknown")
        page.get_by_role("heading", name="No game here").wait_for()
        check_look(page)
        context.close()


def test_an_idle_page_asks_for_nothing(browser, address):
    with opened(browser) as page:
        begin(page, address)
        page.wait_for_timeout(500)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(1500)
        assert asked == []


def test_a_killed_network_is_reported_and_started_again(browser, run):
    with serving(run) as address, opened(browser, size=PHONE) as page:
        begin(page, address)
        page.locator(".play-grid button").first.click()
        page.locator(".play-facts dd", has_text=re.compile("^2$")).first.wait_for()
        children = [pid for pid in children_of(os.getpid()) if run.url in command_of(pid)]
        assert children
        for child in children:
            os.kill(child, signal.SIGKILL)
        page.locator(".play-grid button").first.click()
        page.get_by_text("ended with status -9").wait_for()
        check_look(page)
        page.get_by_role("button", name="Start the engine again").click()
        page.get_by_text("ended with status -9").wait_for(state="detached")
        assert my_turn(page)
        assert number_of_moves(page) == 4


def children_of(parent: int) -> list[int]:
    """Processes that this one started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(words[1]) == parent and words[0] != "Z":
                found.append(int(entry.name))
    return found


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
