# SPDX-License-Identifier: Apache-2.0
"""Pictures of every panel of the dashboard, as docs/dashboard.md shows them, by a headless Chromium.

    python benchmarks/dashboard_pictures.py --run=runs/demo --out=docs/images/dashboard

It serves the run itself, looks up a network, a match and a game with policies in it, plays against its champion, and
writes one PNG for each panel, some of them narrow and some dark. `--only=play` takes one of them. Needs
`pip install 'minigo[test]'` and Debian's chromium.
"""

import argparse
import contextlib
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import sync_playwright

from minigo.commands.browser import playing
from minigo.run import Run
from ratings.game_views import GameReader
from ratings.server import create_app
from ratings.serving import address_of, listening, served
from ratings.snapshot import Snapshot
from ratings.watch import Watch

ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
WIDE: Final = {"width": 1180, "height": 860}
NARROW: Final = {"width": 375, "height": 780}
SETTLE_MILLISECONDS: Final = 700  # until plots are drawn
PLAY_MILLISECONDS: Final = 120_000  # until a network has been loaded, and has answered
PLAY_MOVES: Final = 6  # of the game that is pictured


def panels(run: Run, snapshot: Snapshot) -> dict[str, tuple[str, bool, bool]]:
    """(address, whether narrow, whether dark) of each picture by its name."""
    network = snapshot.champion if snapshot.champion is not None else snapshot.networks[-1]
    return {
        "overview": ("/", False, False),
        "ratings": ("/ratings", False, False),
        "gate": ("/gate", False, False),
        "networks": ("/networks", False, False),
        "network": (f"/networks/{network}", False, False),
        "matches": ("/matches", False, False),
        "training": ("/training", False, False),
        "game": (_game(run, snapshot), False, False),
        "probes": ("/probes", False, False),
        "data": ("/data", False, False),
        "overview-phone-dark": ("/", True, True),
        "game-phone": (_game(run, snapshot), True, False),
        "ratings-dark": ("/ratings?axis=games", False, True),
    }


def _game(run: Run, snapshot: Snapshot) -> str:
    """The address of a late self-play game, at a move for which the search's policy was kept."""
    path = next(path for path in reversed(snapshot.shards) if "/random-" not in path)
    records = GameReader(run).shard(path)[1]
    place, move = max(
        ((place, int(ply)) for place, record in enumerate(records) for ply in record.target_plies[:8]),
        key=lambda found: found[1],
    )
    return f"/{path.removesuffix('.parquet')}/{place}?move={move}"


def take(browser: Any, address: str, path: str, file: Path, *, narrow: bool, dark: bool) -> None:
    """One picture, of what is seen without scrolling down."""
    context = browser.new_context(viewport=NARROW if narrow else WIDE, color_scheme="dark" if dark else "light")
    page = context.new_page()
    page.goto(address + path)
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    page.screenshot(path=str(file))
    context.close()


def take_play(browser: Any, address: str, board_size: int, file: Path) -> None:
    """A game against the champion after a few moves, with what it thinks of the position."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(PLAY_MILLISECONDS)
    page.goto(f"{address}/play")
    page.locator("select[name=board_size]").select_option(str(max(5, board_size)))
    page.get_by_role("button", name="Start the game").click()
    for moves in range(0, PLAY_MOVES, 2):
        page.locator(".play-status", has_text="Your turn").wait_for()
        points = page.locator(".play-grid button")
        points.nth(points.count() // 2 + moves % 3).click()
        page.locator(".play-facts dd", has_text=re.compile(rf"^{moves + 2}$")).first.wait_for()
    page.get_by_role("button", name="Analysis").click()
    page.locator(".play-table tbody tr").first.wait_for()
    page.locator(".play-status .play-dots").wait_for(state="detached")
    page.get_by_label("Ownership").check()
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    page.screenshot(path=str(file))
    context.close()


def main() -> None:
    """Takes all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/images/dashboard"))
    parser.add_argument("--only", help="the name of one picture")
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is missing: apt-get install chromium")
    options.out.mkdir(parents=True, exist_ok=True)
    watch = Watch(options.run, book=":memory:")
    snapshot = watch.look(survey=True)
    while snapshot.notices:  # match games that have yet to be read
        snapshot = watch.look(survey=True)
    run = Run.open(options.run)
    listener = listening("127.0.0.1", 0)
    address = address_of(listener).rstrip("/")
    with (
        contextlib.closing(watch),
        playing(lambda: run, run.config, host="127.0.0.1", token=None) as play,
        served(create_app(watch, play=play), listener),
        sync_playwright() as started,
    ):
        browser = started.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        for name, (path, narrow, dark) in panels(run, snapshot).items():
            if options.only in (None, name):
                take(browser, address, path, options.out / f"{name}.png", narrow=narrow, dark=dark)
                print(options.out / f"{name}.png")
        if options.only in (None, "play"):
            take_play(browser, address, run.config.game.board_size, options.out / "play.png")
            print(options.out / "play.png")
        if play is not None:
            play.end_streams()


if __name__ == "__main__":
    main()
