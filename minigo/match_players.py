# SPDX-License-Identifier: Apache-2.0
"""Players as matches have them: made from what a person writes, or of a network as it searches there."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from minigo.config import GameConfig, MatchConfig, SearchConfig
from minigo.inference.averaged import AveragedEvaluator
from minigo.inference.evaluator import Evaluator
from minigo.players import GtpPlayer, Player, PlayerError, PolicyPlayer, RandomPlayer, SearchPlayer

PLAYER_FORMS: Final = "random, policy:FOLDER, averaged:FOLDER, gtp:COMMAND LINE, or the folder of a network or run"
_OF_NETWORKS: Final = ("policy:", "averaged:")


def folder_of(text: str) -> str:
    """The folder of the network or run that a player's text names; "" if it names none."""
    if text == "random" or text.startswith("gtp:"):
        return ""
    return next((text.removeprefix(kind) for kind in _OF_NETWORKS if text.startswith(kind)), text).rstrip("/")


def player_from_text(
    text: str,
    *,
    game: GameConfig,
    search: SearchConfig,
    match: MatchConfig,
    load_evaluator: Callable[[str], Evaluator],
    seed: int = 0,
    stop: threading.Event | None = None,
) -> Player:
    """The player that a person means.

    Args:
        text: `random`, `policy:FOLDER`, `averaged:FOLDER`, `gtp:COMMAND LINE`, a network's folder, or a run (its
            champion).
        game: what will be played.
        search: how networks search.
        match: how games open, and how long an outside engine may take.
        load_evaluator: the network in a folder, or a run's champion.
        seed: of choices made one at a time.
        stop: once set, an outside engine is waited for no longer.

    Raises:
        PlayerError: the text is empty, or an outside engine can not be started.
    """
    kind, colon, rest = text.partition(":")
    if text == "random":
        return RandomPlayer(seed)
    if kind == "gtp" and colon:
        return GtpPlayer(rest, game, seconds_per_move=match.seconds_per_move, stop=stop)
    if kind == "policy" and colon and rest:
        temperature, plies = match.temperature, _sampled_plies(match)
        evaluator = load_evaluator(rest)
        return PolicyPlayer(evaluator, temperature=temperature, temperature_plies=plies, seed=seed)
    if kind == "averaged" and colon and rest:
        averaged = AveragedEvaluator(load_evaluator(rest))
        return match_player(averaged, search, match, seed=seed, name=f"{kind}:{averaged.name}")
    if not text:
        raise PlayerError(f"a player must be {PLAYER_FORMS}; got nothing")
    return match_player(load_evaluator(text), search, match, seed=seed)


def match_player(
    evaluator: Evaluator, search: SearchConfig, match: MatchConfig, *, seed: int = 0, name: str | None = None
) -> SearchPlayer:
    """A network as it searches in matches; the arguments are those of `SearchPlayer`, and how games open."""
    return SearchPlayer(evaluator, match_search(search, match), seed=seed, name=name)


def match_search(search: SearchConfig, match: MatchConfig) -> SearchConfig:
    """How networks search in matches: without noise, but sampling the first moves after the opening."""
    return replace(
        search,
        gumbel_scale=0.0,
        dirichlet_alpha=0.0,
        temperature=match.temperature,
        temperature_plies=_sampled_plies(match),
    )


def _sampled_plies(match: MatchConfig) -> int:
    """Up to which ply of a game moves may be sampled."""
    return match.opening_plies + match.temperature_plies
