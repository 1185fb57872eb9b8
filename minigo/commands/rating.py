# SPDX-License-Identifier: Apache-2.0
"""The command that measures: `rate` plays the rating games that say most, and refits the ratings of a run."""

import json
import logging
import math
import shlex
from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING, Any, Final, TypeVar

from absl.flags import DEFINE_boolean, DEFINE_integer, DEFINE_multi_string, DEFINE_string, FlagValues

from minigo.commands.common import define_json, evaluator_loader
from minigo.commands.role import define_role, patient_loader, role
from minigo.flags import Command, UsageError
from minigo.stopping import starting

if TYPE_CHECKING:
    from minigo.commands.role import Role
    from minigo.run import Run
    from ratings.book import Book
    from ratings.ladder import Ladder
    from ratings.pairing import Matchup

MAX_ELO: Final = 10_000.0  # of an anchor

_T = TypeVar("_T")


def _define_rate(values: FlagValues) -> None:
    define_role(values)
    DEFINE_integer("games", 32, "rating games to play; 0: only refit", lower_bound=0, flag_values=values)
    DEFINE_multi_string(
        "opponent",
        None,
        "NAME=PLAYER, an outside player to meet; NAME alone: one that the run has met, or gnugo; may be repeated",
        flag_values=values,
    )
    DEFINE_multi_string(
        "anchor",
        None,
        "NAME=ELO, a fixed rating that sets the scale; GNU Go at level 10 with --capture-all-dead has 1800 on 9x9; "
        "may be repeated",
        flag_values=values,
    )
    DEFINE_string("book", None, "file of the index over the games; default: in the user's cache", flag_values=values)
    DEFINE_boolean("rebuild", False, "play nothing, and read every record of the run again", flag_values=values)
    define_json(values)


def _rate(values: FlagValues, stop: Event) -> int:
    if values.rebuild and (values.opponent or values["games"].present):
        raise UsageError("rebuild plays nothing, so that --opponent and --games have no meaning with it")
    outside = _distinct("opponent", [_opponent(text) for text in values.opponent or ()])
    anchors = _distinct("anchor", [_anchor(text) for text in values.anchor or ()])
    with role("rate", values, stop, create=False) as rater:
        if rater is not None:
            _rate_run(values, rater, outside, anchors, stop)
    return 0


def _rate_run(
    values: FlagValues, rater: "Role", outside: dict[str, str], anchors: dict[str, float], stop: Event
) -> None:
    from ratings.book import open_book

    run = rater.run
    rater.health.beat("reading the run's games")
    with open_book(run, values.book) as book:
        if values.rebuild:
            book.clear()
        _read(book, rater, stop)
        outside = {name: _player_of(run, book, name, player) for name, player in outside.items()}
        unknown = anchors.keys() - {*book.parents(), *book.outside_players(), *outside}
        if unknown and not stop.is_set():
            raise UsageError(f"--anchor must name a player of the run, got {', '.join(sorted(unknown))}")
        if values.rebuild:
            from ratings.ladder import fit_ladder

            ladder, played = fit_ladder(book, run.config.game.board_size, anchors=anchors), 0
        else:
            ladder, played = _after_games(values.games, rater, book, outside, anchors, stop)
        print(json.dumps(_to_dict(run, ladder, played)) if values.json else _to_table(run, ladder, played))
        if stop.is_set():
            logging.getLogger(__name__).info("stopped; the same command goes on")


def _read(book: "Book", rater: "Role", stop: Event) -> None:
    """Reads what is new in the run."""
    from minigo.status import StatusDisplay

    read = [(0, 1)]

    def show(done: int, total: int) -> None:
        read[0] = (done, max(1, total))
        rater.health.beat(f"{done} of {total} games read")

    with StatusDisplay(lambda: (read[0][0] / read[0][1], f"{read[0][0]} of {read[0][1]} games read"), lambda _: None):
        book.update(progress=show, stop=stop)


def _after_games(
    games: int, rater: "Role", book: "Book", outside: dict[str, str], anchors: dict[str, float], stop: Event
) -> "tuple[Ladder, int]":
    with starting():
        from minigo.status import StatusDisplay
        from ratings.rating_games import RatingGames

    run, now = rater.run, [(0.0, "choosing who meets whom")]
    load = patient_loader(evaluator_loader(run.config), stop)

    def show(ended: int, plan: "Matchup") -> None:
        rater.health.beat(f"{plan.player} meets {plan.opponent}")
        now[0] = (ended / games, f"{ended} of {games} rating games: {plan.player} against {plan.opponent}")

    with (
        StatusDisplay(lambda: now[0], lambda _: None),
        RatingGames(run, book, outside, load, anchors=anchors, stop=stop) as rating_games,
    ):
        played = rating_games.play(games, on_game=show, on_moves=rater.health.beat)
        return rating_games.ladder(), played


def _distinct(flag: str, pairs: Sequence[tuple[str, _T]]) -> dict[str, _T]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise UsageError(f"--{flag} must name each player once, got {', '.join(name for name, _ in pairs)}")
    return named


def _opponent(text: str) -> tuple[str, str]:
    """(name, player) of an --opponent; the player is "" where the name stands alone."""
    from minigo.match_players import PLAYER_FORMS
    from ratings.rating_games import is_outside_name

    name, equals, player = text.partition("=")
    if not is_outside_name(name):
        raise UsageError(
            f"--opponent={text}: a name must be letters, digits, '.', '_' and '-', at most 64, and no number; "
            f"got {name!r}"
        )
    if equals and not _is_player(player):
        raise UsageError(f"--opponent={name} must be {PLAYER_FORMS}, got {player!r}")
    return name, player


def _is_player(text: str) -> bool:
    from minigo.match_players import folder_of
    from minigo.run import is_network, is_run

    kind, colon, rest = text.partition(":")
    if text == "random":
        return True
    if kind == "gtp" and colon:
        try:
            return bool(shlex.split(rest))
        except ValueError:
            return False
    place = folder_of(text)
    return bool(place) and (is_network(place) or is_run(place))


def _player_of(run: "Run", book: "Book", name: str, player: str) -> str:
    """The player that a name stands for in this run.

    Raises:
        UsageError: it stands for none, or for another one.
    """
    from ratings.anchors import GNUGO, gnugo_player

    known = book.outside_players().get(name)
    if player and known is not None and known != player:
        raise UsageError(
            f"--opponent={name} is {known} in {run.url}, got {player}: say --opponent={name} to meet it, or give the "
            "other one another name"
        )
    found = player if player else known if known is not None else gnugo_player(run.config.game)
    if not found or (name != GNUGO and known is None and not player):
        raise UsageError(f"--opponent must be NAME=PLAYER, or the name of a player that the run has met, got {name!r}")
    return found


def _anchor(text: str) -> tuple[str, float]:
    name, equals, elo = text.partition("=")
    if not (name and equals and elo):
        raise UsageError(f"--anchor must be NAME=ELO, got {text!r}")
    try:
        rating = float(elo)
    except ValueError:
        rating = math.nan
    if not abs(rating) <= MAX_ELO:
        raise UsageError(f"--anchor={name} must be a number of Elo in -{MAX_ELO:g}..{MAX_ELO:g}, got {elo!r}")
    return name, rating


def _scale(ladder: "Ladder") -> str:
    if ladder.reference is None:
        return "no games yet"
    if ladder.reference in ladder.ratings.anchors:
        fixed = ladder.ratings.anchors[ladder.reference]
        return f"{ladder.reference} is fixed at {fixed:g}; 95 % intervals of the difference from it"
    return f"the best, {ladder.reference}, is zero; 95 % intervals of the difference from it"


def _to_dict(run: "Run", ladder: "Ladder", played: int) -> dict[str, Any]:
    """What --json prints."""
    rows = [
        {"name": n, "elo": round(r.elo, 1), "low": round(r.low, 1), "high": round(r.high, 1), "games": r.games}
        for n, r in ladder.rows().items()
    ]
    effects = [
        {
            "board_size": setting.board_size,
            "komi": setting.komi,
            "first_move_elo": round(effect.advantage, 1),
            "deviation": round(effect.deviation, 1),
            "draw_share": round(effect.draw_share, 4),
        }
        for setting, effect in ladder.ratings.effects.items()
    ]
    return {
        "run": run.url,
        "played": played,
        "games": int(ladder.ratings.games.sum()) // 2,
        "reference": ladder.reference,
        "anchors": dict(ladder.ratings.anchors),
        "ratings": rows,
        "not_comparable": ladder.apart(),
        "settings": effects,
    }


def _to_table(run: "Run", ladder: "Ladder", played: int) -> str:
    """For people."""
    games = int(ladder.ratings.games.sum()) // 2
    lines = [f"{run.url}: {games} games, {played} of them new; Elo: {_scale(ladder)}"]
    rows = ladder.rows()
    width = max(map(len, rows), default=0)
    for name, rating in rows.items():
        interval = f"{rating.low:+6.0f} to {rating.high:+6.0f}" if name != ladder.reference else " " * 16
        lines.append(f"  {name:{width}}  {rating.elo:+6.0f}   {interval}  {rating.games:6} games")
    for setting, effect in ladder.ratings.effects.items():
        where = f"{setting.board_size}x{setting.board_size}, komi {setting.komi:g}"
        lines.append(
            f"moving first on {where}: {effect.advantage:+.0f} Elo (standard deviation {effect.deviation:.0f})"
        )
    apart = ladder.apart()
    if apart:
        shown = ", ".join(apart[:10]) + (f" and {len(apart) - 10} more" if len(apart) > 10 else "")
        lines.append(f"not comparable, for want of games: {shown}")
    return "\n".join(lines)


RATE = Command(
    name="rate",
    summary="plays the rating games of a run that say most, and refits its ratings",
    description="""Chooses which networks shall meet each other or an outside player, plays them in
    colour-swapped pairs, stores every game in the run, and prints the ratings of all its games, with the
    interval of each one's difference from an anchor, or from the best network where there is none. Half of the
    games are against outside players, if any are given. Ctrl-C loses unfinished games only.

    `minigo rate rebuild` plays nothing and fits the ratings from the records of the run alone.""",
    examples=(
        "minigo rate --run=runs/9x9 --games=100",
        "minigo rate --run=runs/9x9 --opponent=gnugo",
        'minigo rate --run=runs/9x9 --opponent="weak=gtp:gnugo --mode gtp --level 1"',
        "minigo rate --run=runs/9x9 --opponent=chance=random --anchor=chance=0 --json",
        "minigo rate rebuild --run=runs/9x9",
    ),
    define=_define_rate,
    run=_rate,
    fields=("machine.precision", "machine.backend"),
    words=("rebuild",),
)
