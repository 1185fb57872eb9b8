# SPDX-License-Identifier: Apache-2.0
"""The commands that play: `match` between any two players, and `gtp` for graphical programs."""

import dataclasses
import json
from threading import Event
from typing import TYPE_CHECKING

from absl.flags import DEFINE_float, DEFINE_integer, DEFINE_string, FlagValues

from minigo import __version__
from minigo.commands.common import config_of_players, define_json, evaluator_loader
from minigo.flags import Command, UsageError, required, resolve_config

if TYPE_CHECKING:
    from minigo.match import MatchResult
    from minigo.players import Player

PLAYERS = """A PLAYER is a network's folder, a run (its champion plays), "random", "policy:FOLDER" (the
network without search), or "gtp:COMMAND LINE" (any engine that speaks GTP)."""


def _define_match(values: FlagValues) -> None:
    DEFINE_string("player", None, "the PLAYER whose result this is", flag_values=values)
    DEFINE_string("opponent", None, "the PLAYER it meets", flag_values=values)
    DEFINE_integer("games", 100, "games, in colour-swapped pairs", lower_bound=2, flag_values=values)
    DEFINE_string("sgf_dir", None, "write every game here as SGF", flag_values=values)
    define_json(values)


def _match(values: FlagValues, stop: Event) -> int:
    from minigo.match import play_match
    from minigo.players import player_from_text
    from minigo.status import StatusDisplay

    texts = [required(values, name) for name in ("player", "opponent")]
    config = resolve_config(values, config_of_players(*texts))
    load = evaluator_loader(config)
    players: list[Player] = []
    so_far: list[MatchResult] = []

    def describe() -> tuple[float, str]:
        return len(so_far) / values.games, str(so_far[-1]) if so_far else "no game has ended yet"

    try:
        for number, text in enumerate(texts):
            players.append(
                player_from_text(
                    text,
                    game=config.game,
                    search=config.search,
                    match=config.match,
                    load_evaluator=load,
                    seed=config.seed + number,
                    stop=stop,
                )
            )
        with StatusDisplay(describe, lambda _: None):
            result = play_match(
                players[0],
                players[1],
                values.games,
                config.game,
                config.match,
                config.seed,
                sgf_dir=values.sgf_dir,
                progress=so_far.append,
                stop=stop,
            )
    finally:
        for player in players:
            player.close()
    print(json.dumps(result.to_dict()) if values.json else result)
    return 0


MATCH = Command(
    name="match",
    summary="colour-swapped pairs between two players; prints wins, Elo difference and its interval",
    description=f"""Two players meet in pairs of games: both games of a pair start from the same random
    opening, with colours swapped. Board size, komi and rules are those of the players' run unless a flag
    says otherwise. An engine that hangs, dies or plays an illegal move loses nothing but that game, which
    counts as failed.

    {PLAYERS}""",
    examples=(
        "minigo match --player=runs/demo --opponent=random --games=100",
        "minigo match --player=runs/9x9 --opponent=runs/9x9/networks/000003 --search.num_simulations=64",
        'minigo match --player=runs/9x9 --opponent="gtp:gnugo --mode gtp --level 10" --sgf_dir=games --json',
    ),
    define=_define_match,
    run=_match,
    fields=(
        "search.num_simulations",
        "match.temperature",
        "match.seconds_per_move",
        "seed",
    ),
    aliases={
        "board_size": "game.board_size",
        "komi": "game.komi",
        "rules": "game.rules",
        "opening_plies": "match.opening_plies",
    },
)


def _define_gtp(values: FlagValues) -> None:
    DEFINE_string("run", None, "a run, whose champion plays", flag_values=values)
    DEFINE_string("network", None, "the folder of the network that plays; instead of --run", flag_values=values)
    DEFINE_float(
        "seconds_per_move",
        0.0,
        "think no longer than this; 0: no limit",
        lower_bound=0.0,
        flag_values=values,
    )
    DEFINE_float(
        "resign_threshold",
        0.0,
        "resign when the value stays below minus this; 0: never",
        lower_bound=0.0,
        upper_bound=1.0,
        flag_values=values,
    )
    DEFINE_string("override_version", None, "what the `version` command answers", flag_values=values)


def _gtp(values: FlagValues, stop: Event) -> int:  # noqa: ARG001 (a command's signature)
    from minigo.engines.gtp import GtpEngine, serve
    from minigo.run import RunError, is_network, is_run

    run, network = values.run, values.network
    if bool(run) == bool(network):
        raise UsageError("give either --run or --network")
    place = str(run if run else network)
    if not (is_run(place) if run else is_network(place)):
        raise RunError(f"{place} is not a {'run (missing run.json)' if run else 'network (missing network.json)'}")
    config = resolve_config(values, config_of_players(place))
    seconds = values.seconds_per_move

    def load_player() -> "Player":
        from minigo.players import SearchPlayer

        search = dataclasses.replace(config.search, gumbel_scale=0.0, dirichlet_alpha=0.0)
        return SearchPlayer(
            evaluator_loader(config)(place),
            search,
            seconds=seconds if seconds else None,
            cached_positions=config.machine.cached_positions,
        )

    version = values.override_version
    serve(
        GtpEngine(
            load_player,
            config.game,
            version=__version__ if version is None else version,
            resign_threshold=values.resign_threshold,
        )
    )
    return 0


GTP = Command(
    name="gtp",
    summary="a GTP engine on stdin and stdout, for Sabaki, GoGui, KaTrain and other programs",
    description="""Speaks the Go Text Protocol, version 2, on stdin and stdout; logs go to stderr. In a
    graphical program, give the full path of this command as the engine.""",
    examples=(
        "minigo gtp --run=runs/9x9",
        "minigo gtp --network=runs/9x9/networks/000012 --search.num_simulations=400",
    ),
    define=_define_gtp,
    run=_gtp,
    fields=("search.num_simulations", "game.board_size", "game.komi", "game.rules", "machine.precision"),
    stops_by_event=False,
)
