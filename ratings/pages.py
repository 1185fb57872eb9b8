# SPDX-License-Identifier: Apache-2.0
"""The pages: which address shows what. What each shows is made by the `views` modules, how it looks by the templates.

Every page is for a browser without scripts. It is made once for each version of the snapshot, however many look at it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup
from starlette.exceptions import HTTPException

from minigo.go.sgf import sgf_from_record
from minigo.run import RunError
from minigo.storage import StorageError
from ratings import game_views, rating_views, training_views, views
from ratings.board_svg import board_svg
from ratings.charts import json_for_page
from ratings.game_views import GameError, GameReader
from ratings.rendering import Renderer
from ratings.snapshot import Snapshot
from ratings.watch import Watch

KEPT_PAGES: Final = 64
PAGE_SECONDS: Final = 5.0  # a page says how long ago things were, so that it can not be kept for longer
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"

Name = Annotated[str, Path(pattern=NAME, description="a name, as the run lists it")]
Number = Annotated[int, Path(ge=0, le=10**9, description="the number of a game")]
PageNumber = Annotated[int, Query(ge=1, le=10**6, description="which part of a long list")]


def _folder_of(request: Request) -> str:
    folder: str = request.scope["route"].path.split("/")[1]
    return folder


Folder = Annotated[str, Depends(_folder_of)]  # "games" or "holdout", by the route

router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)


class Site:
    """What the pages are made from: the watched run, the templates, and the games that were read last.

    Args:
        watch: of the run.
        renderer: of the templates.
    """

    def __init__(self, watch: Watch, renderer: Renderer) -> None:
        self.watch = watch
        self.renderer = renderer
        self._reader: GameReader | None = None
        self._pages: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def snapshot(self) -> Snapshot:
        """The run as it was seen last."""
        return self.watch.snapshot()

    @property
    def reader(self) -> GameReader:
        """Reads the run's games.

        Raises:
            HTTPException: there is no run.
        """
        run = self.watch.run
        if run is None:
            raise HTTPException(404, f"{self.watch.url} is not a run yet")
        if self._reader is None or self._reader.run is not run:
            self._reader = GameReader(run)
        return self._reader

    def forget(self) -> None:
        """Makes every page anew from now on."""
        with self._lock:
            self._pages.clear()

    def page(self, request: Request, template: str, make: Callable[[Snapshot], dict[str, Any]]) -> HTMLResponse:
        """A page, made anew if the run has changed since it was made, or some time has passed.

        Args:
            request: the address is what tells pages apart.
            template: its template.
            make: what the template is about, from a snapshot.
        """
        snapshot = self.snapshot
        address = f"{request.url.path}?{request.url.query}"
        key = (address, snapshot.version, int(time.monotonic() / PAGE_SECONDS))
        with self._lock:  # so that of many who ask at once for the same page, one waits for it to be made
            body = self._pages.get(key)
            if body is None:
                body = bytes(self.renderer.page(template, snapshot=snapshot, **make(snapshot)).body)
                self._pages[key] = body
                while len(self._pages) > KEPT_PAGES:
                    self._pages.popitem(last=False)
        return HTMLResponse(body)  # a new one each time: what packs it for the way changes its headers


def site_of(request: Request) -> Site:
    """The site that a request is for."""
    site: Site = request.app.state.site
    return site


AnySite = Annotated[Site, Depends(site_of)]


@router.get("/")
def overview(request: Request, site: AnySite) -> Response:
    """Generation, speed, workers, the last promotion, and a game that is being played."""

    def make(snapshot: Snapshot) -> dict[str, Any]:
        view = views.overview(snapshot)
        game = view.game
        return {
            "view": view,
            "live": game_views.live_game(game) if game is not None else None,
            "empty": game_views.empty_stones(snapshot.config.game.board_size if snapshot.config is not None else 9),
        }

    return site.page(request, "overview.html", make)


@router.get("/ratings")
def ratings(
    request: Request, site: AnySite, axis: Literal["generation", "games", "evaluations", "time"] = "generation"
) -> Response:
    """Elo with 95 % intervals, against one of four axes."""

    def make(snapshot: Snapshot) -> dict[str, Any]:
        chart = rating_views.elo_chart(snapshot, axis)
        return {"chart": chart, "axis": axis, "axes": rating_views.AXES}

    return site.page(request, "ratings.html", make)


@router.get("/gate")
def gate(request: Request, site: AnySite, page: PageNumber = 1) -> Response:
    """The match that is being judged, and all verdicts."""

    def make(snapshot: Snapshot) -> dict[str, Any]:
        rows = rating_views.verdict_rows(snapshot)
        return {"view": rating_views.gate_view(snapshot), "part": views.part_of(rows, page)}

    return site.page(request, "gate.html", make)


@router.get("/networks")
def networks(
    request: Request, site: AnySite, sort: Literal["number", "elo", "games"] = "number", page: PageNumber = 1
) -> Response:
    """All networks."""

    def make(snapshot: Snapshot) -> dict[str, Any]:
        return {"part": views.part_of(views.network_rows(snapshot, sort), page), "sort": sort, "sorts": views.SORTS}

    return site.page(request, "networks.html", make)


@router.get("/networks/{name}")
def network(request: Request, site: AnySite, name: Name) -> Response:
    """One network."""
    if name not in site.snapshot.networks:
        raise HTTPException(404, f"the run has no network {name}")

    def make(snapshot: Snapshot) -> dict[str, Any]:
        view = views.network_view(snapshot, name)
        probe = next((p for p in reversed(training_views.probes(snapshot)) if p.network == name), None)
        rows = [rating_views.match_row(match) for match in view.matches[: views.PAGE_ROWS]]
        return {"view": view, "probe": probe, "rows": rows}

    return site.page(request, "network.html", make)


@router.get("/networks/{name}/weights", response_class=Response)
def weights(site: AnySite, name: Name) -> Response:
    """A network's weights, checked against the hash they were published with."""
    if name not in site.snapshot.networks:
        raise HTTPException(404, f"the run has no network {name}")
    try:
        data, _ = site.reader.run.network_files(name)
    except (RunError, StorageError) as error:
        raise HTTPException(404, str(error)) from None
    return _download(data, f"{name}.safetensors", "application/octet-stream")


@router.get("/matches")
def matches(request: Request, site: AnySite, page: PageNumber = 1, table: PageNumber = 1) -> Response:
    """Who beat whom, and all matches."""

    def make(snapshot: Snapshot) -> dict[str, Any]:
        players = views.part_of(rating_views.cross_players(snapshot), table, rating_views.TABLE_PLAYERS)
        part = views.part_of(rating_views.match_order(snapshot), page)
        rows = [rating_views.match_row(match) for match in part.rows]
        cross = rating_views.cross_table(snapshot, players.rows)
        return {"cross": cross, "players": players, "part": part, "rows": rows}

    return site.page(request, "matches.html", make)


@router.get("/matches/{match}")
def match(request: Request, site: AnySite, match: Name, page: PageNumber = 1) -> Response:
    """One match and its games."""
    if match not in site.snapshot.matches:
        raise HTTPException(404, f"the run has no match {match}")

    def make(snapshot: Snapshot) -> dict[str, Any]:
        found = snapshot.matches[match]
        part = views.part_of(sorted(found.points), page, 100)
        judged = rating_views.gate_match(snapshot, found) if found.kind == "gate" else None
        return {"match": found, "row": rating_views.match_row(found), "part": part, "judged": judged}

    return site.page(request, "match.html", make)


@router.get("/matches/{match}/{number}")
def match_game(
    request: Request, site: AnySite, match: Name, number: Number, move: int | None = None, heat: bool = True
) -> Response:
    """A game of a match, after a move."""
    path = _found(game_views.match_path, site.snapshot, match, number)
    found = site.snapshot.matches[match]
    neighbours = [f"/matches/{match}/{n}" if n in found.points else "" for n in (number - 1, number + 1)]
    place = {
        "base": f"/matches/{match}/{number}",
        "up": f"/matches/{match}",
        "title": f"{match}, game {number}",
        "neighbours": neighbours,
    }
    return _viewer(request, site, path, 0, move, heat, place)


@router.get("/matches/{match}/{number}/game.sgf", response_class=Response)
def match_sgf(site: AnySite, match: Name, number: Number) -> Response:
    """A game of a match as SGF."""
    path = _found(game_views.match_path, site.snapshot, match, number)
    return _sgf(site, path, 0, f"{match}-{number}")


@router.get("/games")
def games(
    request: Request,
    site: AnySite,
    page: PageNumber = 1,
    network: Annotated[str, Query(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$")] = "",
) -> Response:
    """All shards of self-play games."""

    def make(snapshot: Snapshot) -> dict[str, Any]:
        part = views.part_of(game_views.shard_paths(snapshot, network), page)
        return {
            "part": part,
            "rows": [game_views.shard_row(snapshot, path) for path in part.rows],
            "network": network,
        }

    return site.page(request, "games.html", make)


@router.get("/games/{hour}/{shard}")
@router.get("/holdout/{hour}/{shard}")
def shard(request: Request, site: AnySite, folder: Folder, hour: Name, shard: Name) -> Response:
    """The games of one shard."""
    path = _found(game_views.find_shard, site.snapshot, folder, hour, shard)
    header, records = _found(site.reader.shard, path)
    row = game_views.shard_row(site.snapshot, path)
    return site.page(request, "shard.html", lambda _: {"row": row, "header": header, "records": records})


@router.get("/games/{hour}/{shard}/{number}")
@router.get("/holdout/{hour}/{shard}/{number}")
def game(
    request: Request,
    site: AnySite,
    folder: Folder,
    hour: Name,
    shard: Name,
    number: Number,
    move: int | None = None,
    heat: bool = True,
) -> Response:
    """A self-play game, after a move."""
    path = _found(game_views.find_shard, site.snapshot, folder, hour, shard)
    up = f"/{folder}/{hour}/{shard}"
    total = len(_found(site.reader.shard, path)[1])
    neighbours = [f"{up}/{n}" if 0 <= n < total else "" for n in (number - 1, number + 1)]
    place = {"base": f"{up}/{number}", "up": up, "title": f"{shard}, game {number}", "neighbours": neighbours}
    return _viewer(request, site, path, number, move, heat, place)


@router.get("/games/{hour}/{shard}/{number}/game.sgf", response_class=Response)
@router.get("/holdout/{hour}/{shard}/{number}/game.sgf", response_class=Response)
def game_sgf(site: AnySite, folder: Folder, hour: Name, shard: Name, number: Number) -> Response:
    """A self-play game as SGF."""
    path = _found(game_views.find_shard, site.snapshot, folder, hour, shard)
    return _sgf(site, path, number, f"{shard}-{number}")


@router.get("/training")
def training(request: Request, site: AnySite) -> Response:
    """Losses and what else is measured in training."""
    return site.page(request, "training.html", lambda snapshot: {"charts": training_views.training_charts(snapshot)})


@router.get("/probes")
def probes(request: Request, site: AnySite) -> Response:
    """How the networks see fixed positions."""

    def make(snapshot: Snapshot) -> dict[str, Any]:
        found = training_views.probes(snapshot)
        return {
            "probes": training_views.spread(found),
            "total": len(found),
            "charts": [chart for chart in training_views.probe_charts(found) if not chart.is_empty],
        }

    return site.page(request, "probes.html", make)


def _found(look: Callable[..., Any], *arguments: Any) -> Any:
    """What a look finds; where it finds nothing, the page says so."""
    try:
        return look(*arguments)
    except (GameError, RunError) as error:
        raise HTTPException(404, str(error)) from None


def _record(site: Site, path: str, number: int) -> Any:
    _, records = _found(site.reader.shard, path)
    if number >= len(records):
        raise HTTPException(404, f"{path} has {len(records)} games, and no game {number}")
    return records[number]


def _viewer(
    request: Request, site: Site, path: str, number: int, move: int | None, heat: bool, place: dict[str, Any]
) -> Response:
    record = _record(site, path, number)
    view = game_views.game_view(record, move)
    words = game_views.result_words(record)
    data = Markup(json_for_page(view.script))  # noqa: S704 (json_for_page escapes what HTML could mistake)
    return site.page(
        request, "game.html", lambda _: {"view": view, "place": place, "heat": heat, "words": words, "data": data}
    )


def _sgf(site: Site, path: str, number: int, name: str) -> Response:
    return _download(sgf_from_record(_record(site, path, number)), f"{name}.sgf", "application/x-go-sgf")


def _download(data: bytes, name: str, kind: str) -> Response:
    """An answer to be saved under a name, which is one of the run's and so has no character that matters."""
    return Response(data, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


SHARED: Final = {
    "board_svg": board_svg,
    "color_to_play": game_views.color_to_play,
    "empty_of": game_views.empty_stones,
}
"""What templates can call."""
