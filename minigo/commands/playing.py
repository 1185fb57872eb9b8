# SPDX-License-Identifier: Apache-2.0
"""The commands that play: `match` between any two players, and `gtp` for graphical programs."""

import functools
import json
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

from absl.flags import DEFINE_boolean, DEFINE_float, DEFINE_integer, DEFINE_string, FlagValues

from minigo import __version__
from minigo.commands.common import (
    config_of_engine,
    config_of_players,
    define_json,
    evaluator_loader,
    start_network,
    threads_of,
)
from minigo.config import Config
from minigo.flags import Command, UsageError, required, resolve_config

if TYPE_CHECKING:
    from minigo.engines.options import PlayOptions
    from minigo.engines.thinking import Thinking
    from minigo.inference.process import LastingEvaluator
    from minigo.match import MatchResult
    from minigo.players import Player

MAX_BATCH_ROWS: Final = 32  # of one game's search
PLAYERS = """A PLAYER is a network's folder, a run (its champion plays), "random", "policy:FOLDER" (the
network without search), "averaged:FOLDER" (each evaluation is the mean over a position's eight symmetries:
stronger, at eight times the cost), or "gtp:COMMAND LINE" (any engine that speaks GTP)."""


def _define_match(values: FlagValues) -> None:
    DEFINE_string("player", None, "the PLAYER whose result this is", flag_values=values)
    DEFINE_string("opponent", None, "the PLAYER it meets", flag_values=values)
    DEFINE_integer(
        "games", 100, "games, in colour-swapped pairs unless there is a handicap", lower_bound=2, flag_values=values
    )
    DEFINE_integer(
        "handicap",
        0,
        "stones on star points that the opponent gets, as Black in all games: 0, or 2 to 9 (to 4 on 7x7 and even "
        "boards); komi stays as it is, and --komi=0.5 is usual; the Elo difference is that with the stones",
        lower_bound=0,
        upper_bound=9,
        flag_values=values,
    )
    DEFINE_string("sgf_dir", None, "write every game here as SGF", flag_values=values)
    DEFINE_integer(
        "parallel",
        1,
        "games with an outside engine that go on at once, each with a process of it: 8 is much faster than 1 with a "
        "network, which then evaluates their positions together. Networks alone play many games at once anyway",
        lower_bound=1,
        upper_bound=64,
        flag_values=values,
    )
    define_json(values)


def _match(values: FlagValues, stop: Event) -> int:
    from minigo.match import play_match, with_handicap
    from minigo.match_players import player_from_text
    from minigo.players import Team
    from minigo.status import StatusDisplay

    texts = [required(values, name) for name in ("player", "opponent")]
    config = resolve_config(values, config_of_players(*texts))
    if values.handicap:
        _check_handicap(config, values.handicap)
    load = evaluator_loader(config)
    players: list[Player | Team] = []
    so_far: list[MatchResult] = []

    def describe() -> tuple[float, str]:
        return len(so_far) / values.games, str(so_far[-1]) if so_far else "no game has ended yet"

    try:
        for number, text in enumerate(texts):
            make = functools.partial(
                player_from_text,
                text,
                game=config.game,
                search=config.search,
                match=with_handicap(config.match, values.handicap),
                load_evaluator=load,
                seed=config.seed + number,
                stop=stop,
            )
            players.append(Team.of(make, values.parallel))
        with StatusDisplay(describe, lambda _: None):
            result = play_match(
                players[0],
                players[1],
                values.games,
                config.game,
                config.match,
                config.seed,
                handicap=values.handicap,
                sgf_dir=values.sgf_dir,
                progress=so_far.append,
                stop=stop,
            )
    finally:
        for player in players:
            player.close()
    print(json.dumps(result.to_dict()) if values.json else result)
    return 0


def _check_handicap(config: Config, stones: int) -> None:
    from minigo.go.handicap import fixed_handicap
    from minigo.go.rules import rules_named

    try:
        fixed_handicap(config.game.board_size, stones)
    except ValueError as error:
        raise UsageError(f"--handicap: {error}") from None
    if rules_named(config.game.rules).handicap_bonus != "0":
        raise UsageError(
            f"--handicap: {config.game.rules} rules give White points for the stones, which matches do not count: "
            "use --rules=tromp-taylor and the komi that you want"
        )


MATCH = Command(
    name="match",
    summary="colour-swapped pairs between two players; prints wins, Elo difference and its interval",
    description=f"""Two players meet in pairs of games: both games of a pair start from the same random
    opening, with colours swapped; with --handicap the player gives stones in all games. Board size, komi
    and rules are those of the players' run unless a flag says otherwise. An engine that hangs, dies or plays
    an illegal move loses nothing but that game, which counts as failed.

    {PLAYERS}""",
    examples=(
        "minigo match --player=runs/demo --opponent=random --games=100",
        "minigo match --player=runs/9x9 --opponent=runs/9x9/networks/000003 --search.num_simulations=64",
        "minigo match --player=runs/9x9 --parallel=8 "
        '--opponent="gtp:gnugo --mode gtp --level 10 --chinese-rules --capture-all-dead"',
        "minigo match --player=runs/9x9 --opponent=policy:runs/9x9 --sgf_dir=games --json",
        "minigo match --player=runs/9x9 --opponent=runs/9x9/networks/000003 --handicap=2 --komi=0.5",
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
        "think no longer than this for a move, whatever the clock says; without a clock, think just so long instead "
        "of counting simulations; 0: no limit",
        lower_bound=0.0,
        flag_values=values,
    )
    DEFINE_float(
        "resign_threshold",
        0.0,
        "resign when the value, from -1 (lost) to 1 (won), stays below minus this; 0.9 is careful; 0: never",
        lower_bound=0.0,
        upper_bound=1.0,
        flag_values=values,
    )
    DEFINE_integer(
        "resign_moves",
        3,
        "resign only when that has been so for this many moves one after the other",
        lower_bound=1,
        flag_values=values,
    )
    DEFINE_boolean("ponder", False, "think in the opponent's time, too", flag_values=values)
    DEFINE_boolean(
        "friendly_pass",
        True,
        "under Chinese and similar rules, answer a pass with a pass where taking dead stones off would win",
        flag_values=values,
    )
    DEFINE_float(
        "lag_seconds",
        0.3,
        "what the clock may count for a move beyond what the engine takes; raise it on slow connections",
        lower_bound=0.0,
        upper_bound=60.0,
        flag_values=values,
    )
    DEFINE_string(
        "files_dir",
        ".",
        "loadsgf and printsgf reach files in this folder and below, and no others",
        flag_values=values,
    )
    DEFINE_boolean("no_file_commands", False, "do without loadsgf and printsgf", flag_values=values)
    DEFINE_string(
        "override_version",
        None,
        "what the `version` command answers; Lizzie up to 0.7.4 wants 0.17",
        flag_values=values,
    )


def _gtp(values: FlagValues, stop: Event) -> int:  # noqa: ARG001 (a command's signature)
    from minigo.engines.gtp import GtpEngine, serve
    from minigo.engines.options import PlayOptions

    place, stored = config_of_engine(values.run, values.network)
    config = resolve_config(values, stored)
    options = PlayOptions(
        seconds_per_move=values.seconds_per_move,
        resign_threshold=values.resign_threshold,
        resign_moves=values.resign_moves,
        ponder=values.ponder,
        friendly_pass=values.friendly_pass,
        lag_seconds=values.lag_seconds,
    )

    network = _Network(place, config, options) if place else None

    def by_chance() -> "Thinking":
        from minigo.engines.thinking import Thinking

        return Thinking.by_chance(config.search, options, seed=config.seed)

    version = values.override_version
    serve(
        GtpEngine(
            by_chance if network is None else network.load,
            config.game,
            search=config.search,
            options=options,
            version=__version__ if version is None else version,
            files=None if values.no_file_commands else Path(values.files_dir),
            abandon=None if network is None else network.close,
            helper_seconds=None if network is None else network.cpu_seconds,
        )
    )
    return 0


class _Network:
    """What thinks with a network, which computes in a process of its own: docs/adr/0012."""

    def __init__(self, place: str, config: Config, options: "PlayOptions") -> None:
        self._place = place
        self._config = config
        self._options = options
        self._evaluator: LastingEvaluator | None = None

    def load(self) -> "Thinking":
        """Starts the process, and waits until it has loaded the network."""
        from minigo.engines.thinking import Thinking

        machine = self._config.machine
        self._evaluator = start_network(self._place, self._config)
        self._evaluator.wait_until_loaded()
        return Thinking(
            self._evaluator,
            self._config.search,
            self._options,
            threads=threads_of(machine),
            batch_rows=min(machine.batch_rows, MAX_BATCH_ROWS),
            cached_positions=machine.cached_positions,
        )

    def cpu_seconds(self) -> float:
        """The processor time that the process has taken."""
        return 0.0 if self._evaluator is None else self._evaluator.cpu_seconds()

    def close(self) -> None:
        """Ends the process, if it has begun."""
        if self._evaluator is not None:
            self._evaluator.close()


GTP = Command(
    name="gtp",
    summary="a GTP engine on stdin and stdout, for Sabaki, GoGui, Lizzie and other programs",
    description="""Speaks the Go Text Protocol, version 2, on stdin and stdout; logs go to stderr, which says
    "GTP ready" when the network is loaded. In a graphical program, give the full path of this command as the engine.
    It plays with a run's champion or with one network, and without either by chance, on boards of 2 to 19 lines. A
    move takes --search.num_simulations, unless --seconds_per_move or the clock of the game says how long; a clock is
    never overrun. Analyses go on until the program says something else. docs/engines says how to set up each
    program.""",
    examples=(
        "minigo gtp --run=runs/9x9",
        "minigo gtp --network=runs/9x9/networks/000012 --search.num_simulations=400 --resign_threshold=0.9",
        "minigo gtp --run=runs/9x9 --machine.backend=auto --seconds_per_move=5 --ponder",
        "minigo gtp --game.board_size=9",
    ),
    define=_define_gtp,
    run=_gtp,
    fields=(
        "search.num_simulations",
        "game.board_size",
        "game.komi",
        "game.rules",
        "machine.backend",
        "machine.precision",
        "machine.threads",
        "seed",
    ),
    stops_by_event=False,
)
