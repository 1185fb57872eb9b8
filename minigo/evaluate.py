# SPDX-License-Identifier: Apache-2.0
"""Candidates against the champion: plays a gate's match, stores every game in the run, and promotes.

A match is named by its two networks, and whoever resumes it plays what is missing (`minigo.stored_match`). It ends
as soon as the gate can decide. Its pairs are played here, or wherever a `Launcher` lets them be played.
`evaluate_candidate` judges one network; `evaluate_worker` follows a run; `play_pair` is a launcher's work.
"""

import dataclasses
import logging
import random
import threading
from collections.abc import Callable
from typing import Any, Final

from minigo.config import EvaluateConfig
from minigo.gates import Score, Verdict, gate_from_config
from minigo.inference.evaluator import Evaluator
from minigo.launcher import Launcher, LauncherError, play_elsewhere
from minigo.match import derived_seed
from minigo.run import Champion, Run, RunError, StaleError
from minigo.stored_match import SoonerStop, StoredMatch, network_player

POLL_SECONDS: Final = 5.0
LAUNCHER_RETRY_SECONDS: Final = 10.0  # a launcher that failed is tried again after about this

_log = logging.getLogger(__name__)


def evaluate_candidate(
    run: Run,
    candidate: str,
    champion: Champion | None,
    config: EvaluateConfig,
    load_evaluator: Callable[[str], Evaluator],
    *,
    progress: Callable[[Score], None] | None = None,
    beat: Callable[[], object] = lambda: None,
    stop: threading.Event | None = None,
    launcher: Launcher | None = None,
) -> Verdict | None:
    """Plays the gate's match, as far as it is not in the run yet, and promotes if the gate says so.

    Args:
        run: the run.
        candidate: the network to judge.
        champion: the network it meets, in the version that the verdict will be for; None: there is none, and the
            candidate becomes the first without a game.
        config: the gate and its match.
        load_evaluator: the network in a folder.
        progress: told the score so far after each game.
        beat: called whenever the match has got on, in the middle of games, too.
        stop: once set, unfinished games are dropped.
        launcher: has the pairs played elsewhere; None: here.

    Returns:
        The verdict, already obeyed; None if stopped before.

    Raises:
        StaleError: another champion took over meanwhile, so the verdict means nothing.
        LauncherError: the launcher can not do its work now.
    """
    if champion is None:
        first = Verdict(candidate, None, True, "first", "there is no champion yet", Score())
        return _obeyed(run, f"{candidate}-first", first, champion)
    name, networks = _match_name(candidate, champion), (candidate, champion.network)
    match = StoredMatch(run, name, _spec(run, networks, config), load_evaluator)
    gate = gate_from_config(config)
    while wanted := gate.games_wanted(score := gate.counted(match.points)):
        decided = SoonerStop(stop)

        def on_game(decided: SoonerStop = decided) -> None:
            score = gate.counted(match.points)
            if progress is not None:
                progress(score)
            if gate.games_wanted(score) == 0:
                decided.set()

        games = range(score.games + wanted)
        if launcher is not None:
            play_elsewhere(match, games, launcher, stop=decided, on_game=on_game, on_look=beat)
        else:
            player, opponent = (network_player(run, who, config.num_simulations, load_evaluator) for who in networks)
            match.play(player, opponent, games, stop=decided, on_game=on_game, on_moves=beat)
        if stop is not None and stop.is_set():
            return None
    promotes, reason = gate.decide(score)
    evidence = gate.evidence(score)
    verdict = Verdict(candidate, champion.network, promotes, gate.name, reason, score, evidence)
    return _obeyed(run, name, verdict, champion)


def play_pair(
    run: Run,
    match: str,
    pair: int,
    load_evaluator: Callable[[str], Evaluator],
    *,
    beat: Callable[[], object] = lambda: None,
    stop: threading.Event | None = None,
) -> list[str] | None:
    """Plays the two games of one pair of a gate match, as far as they are not in the run.

    Args:
        run: the run.
        match: the match, whose spec is published.
        pair: which pair, from 0.
        load_evaluator: the network in a folder.
        beat: called whenever the games have got on.
        stop: once set, unfinished games are dropped.

    Returns:
        What is wrong with the games that have no result; nothing if both have one; None if stopped before that.

    Raises:
        RunError: there is no such match.
    """
    spec = run.matches.spec(match)
    if spec is None:
        raise RunError(f"{run.url} has no match {match} (missing spec.json)")
    indices = (2 * pair, 2 * pair + 1)
    stored = StoredMatch(run, match, spec, load_evaluator, indices)
    if not stored.points.keys() >= set(indices):
        simulations = int(spec["evaluate"]["num_simulations"])
        networks = (str(spec["player"]), str(spec["opponent"]))
        player, opponent = (network_player(run, who, simulations, load_evaluator) for who in networks)
        stored.play(player, opponent, indices, stop=stop, on_moves=beat)
    if not stored.points.keys() >= set(indices):
        return None
    failed = [index for index, points in stored.points.items() if points is None]
    return [f"game {index} of {match} has no result" for index in failed]


def evaluate_worker(
    run: Run,
    load_evaluator: Callable[[str], Evaluator],
    stop: threading.Event,
    *,
    poll_seconds: float = POLL_SECONDS,
    launcher: Launcher | None = None,
    beat: Callable[[str], None] = lambda _: None,
) -> None:
    """Judges a run's candidates, the newest first, until it is stopped. Says what it waits for.

    Args:
        run: the run.
        load_evaluator: the network in a folder.
        stop: ends it; unfinished games are dropped.
        poll_seconds: how often it looks for a candidate.
        launcher: has the pairs of matches played elsewhere; None: here.
        beat: told what it does, whenever it has got on with it.
    """
    said = doing = ""

    def tell(score: Score | None = None) -> None:
        nonlocal doing
        if score is not None:
            doing = f"{candidate} meets the champion: {score.wins} won, {score.losses} lost so far"
        beat(doing)

    while not stop.is_set():
        champion = run.champion()
        candidate = next_candidate(run, champion)
        if candidate is None:
            _end_all_work(launcher)
            beat("waiting for a candidate")
            after = "a first network" if champion is None else f"a network newer than {champion.network}"
            if said != after:
                _log.info("waiting for %s in %s", after, run.url)
                said = after
            stop.wait(poll_seconds)
            continue
        doing = f"{candidate} meets {champion.network if champion is not None else 'nobody: the first'}"
        _log.info("%s", doing)
        try:
            verdict = evaluate_candidate(
                run,
                candidate,
                champion,
                run.config.evaluate,
                load_evaluator,
                progress=tell,
                beat=tell,
                stop=stop,
                launcher=launcher,
            )
        except StaleError as error:
            _log.warning("the verdict on %s came too late: %s", candidate, error)
            continue
        except LauncherError as error:
            _log.warning("%s; again in %.0f s", error, LAUNCHER_RETRY_SECONDS)
            beat(f"{doing}: {error}")
            stop.wait(LAUNCHER_RETRY_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 (spreads load)
            continue
        if verdict is not None:
            _log.info("%s %s", candidate, _text(verdict))
            said = ""


def next_candidate(run: Run, champion: Champion | None) -> str | None:
    """The network to judge next: the newest that is newer than the champion and not rejected by it; None: wait.

    Before there is a champion, it is the oldest, with which the run begins. Who has been
    champion and was replaced by hand does not come back.
    """
    networks = run.networks()
    if champion is None:
        return networks[0] if networks else None
    for name in reversed(networks):
        if name <= champion.network:
            return None
        verdict = run.matches.verdict(_match_name(name, champion))
        if (verdict is None or verdict["promotes"]) and not _was_promoted(run, name):
            return name  # where a verdict promotes in vain, its judge was stopped in between
    return None


def _match_name(candidate: str, champion: Champion) -> str:
    return f"{candidate}-against-{champion.network}"


def _spec(run: Run, networks: tuple[str, str], evaluate: EvaluateConfig) -> dict[str, Any]:
    config = run.config
    return {
        "kind": "gate",
        "player": networks[0],
        "opponent": networks[1],
        "seed": derived_seed(config.seed, *map(int, networks)),
        "game": dataclasses.asdict(config.game),
        "search": dataclasses.asdict(config.search),
        "match": dataclasses.asdict(config.match),
        "evaluate": dataclasses.asdict(evaluate),
    }


def _obeyed(run: Run, match: str, verdict: Verdict, champion: Champion | None) -> Verdict:
    """Stores the verdict, then promotes if the one in force says so; a kill in between leaves it stored."""
    in_force = run.matches.publish_verdict(match, verdict.to_dict())
    if in_force["promotes"]:
        run.promote(verdict.candidate, verdict.to_dict(), champion)
    return dataclasses.replace(verdict, promotes=in_force["promotes"], reason=in_force["reason"])


def _was_promoted(run: Run, network: str) -> bool:
    return any(entry["network"] == network for entry in run.history())


def _end_all_work(launcher: Launcher | None) -> None:
    try:
        if launcher is not None:
            launcher.keep_only(None)
    except LauncherError as error:  # it is asked again soon
        _log.warning("%s", error)


def _text(verdict: Verdict) -> str:
    decision = "is promoted" if verdict.promotes else "is not promoted"
    return f"{decision}: {verdict.reason} ({verdict.score})"
