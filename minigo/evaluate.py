# SPDX-License-Identifier: Apache-2.0
"""Candidates against the champion: plays a gate's match, stores every game in the run, and promotes.

A match is named by its two networks and its games by their index, so whoever resumes it plays what is missing.
`evaluate_candidate` judges one network; `evaluate_worker` follows a run.
"""

import dataclasses
import itertools
import logging
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

from minigo import __version__
from minigo.config import EvaluateConfig
from minigo.data.shards import ShardError, ShardHeader, read_shard, write_shard
from minigo.gates import Score, Verdict, gate_from_config
from minigo.inference.evaluator import Evaluator
from minigo.match import MatchGame, derived_seed, play_games, points_from_record
from minigo.players import MAX_BATCH_ROWS, SearchPlayer, match_search
from minigo.run import Champion, Run, StaleError

POLL_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


def evaluate_candidate(
    run: Run,
    candidate: str,
    champion: Champion | None,
    config: EvaluateConfig,
    load_evaluator: Callable[[str], Evaluator],
    *,
    progress: Callable[[Score], None] | None = None,
    stop: threading.Event | None = None,
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
        stop: once set, unfinished games are dropped.

    Returns:
        The verdict, already obeyed; None if stopped before.

    Raises:
        StaleError: another champion took over meanwhile, so the verdict means nothing.
    """
    if champion is None:
        first = Verdict(candidate, None, True, "first", "there is no champion yet", Score())
        return _obeyed(run, f"{candidate}-first", first, champion)
    match = _GateMatch(run, candidate, champion, config, load_evaluator, progress)
    gate = gate_from_config(config)
    while wanted := gate.games_wanted(match.score):
        match.play(wanted, stop)
        if stop is not None and stop.is_set():
            return None
    promotes, reason = gate.decide(match.score)
    verdict = Verdict(candidate, champion.network, promotes, gate.name, reason, match.score)
    return _obeyed(run, match.name, verdict, champion)


def evaluate_worker(
    run: Run,
    load_evaluator: Callable[[str], Evaluator],
    stop: threading.Event,
    *,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Judges a run's candidates, the newest first, until it is stopped. Says what it waits for."""
    said = ""
    while not stop.is_set():
        champion = run.champion()
        candidate = next_candidate(run, champion)
        if candidate is None:
            after = "a first network" if champion is None else f"a network newer than {champion.network}"
            if said != after:
                _log.info("waiting for %s in %s", after, run.url)
                said = after
            stop.wait(poll_seconds)
            continue
        _log.info("%s meets %s", candidate, champion.network if champion is not None else "nobody: the first")
        try:
            verdict = evaluate_candidate(run, candidate, champion, run.config.evaluate, load_evaluator, stop=stop)
        except StaleError as error:
            _log.warning("the verdict on %s came too late: %s", candidate, error)
            continue
        if verdict is not None:
            _log.info("%s %s", candidate, _text(verdict))
            said = ""


def next_candidate(run: Run, champion: Champion | None) -> str | None:
    """The network to judge next: the newest that is newer than the champion and not rejected; None: wait.

    Before there is a champion, it is the oldest: the network that knows nothing yet starts the run.
    """
    networks = run.networks()
    if champion is None:
        return networks[0] if networks else None
    verdicts = run.verdicts()
    for name in reversed(networks):
        if name <= champion.network:
            return None
        if name not in verdicts or (verdicts[name]["promotes"] and not _was_promoted(run, name)):
            return name  # where a verdict promotes in vain, its judge was stopped in between, or came too late
    return None


class _GateMatch:
    """The match of a candidate against a champion, as far as it has been played by anybody."""

    def __init__(
        self,
        run: Run,
        candidate: str,
        champion: Champion,
        config: EvaluateConfig,
        load_evaluator: Callable[[str], Evaluator],
        progress: Callable[[Score], None] | None,
    ) -> None:
        self.name = f"{candidate}-against-{champion.network}"
        self._run = run
        self._networks = (candidate, champion.network)
        self._config = config
        self._load_evaluator = load_evaluator
        self._progress = progress
        self._seed = derived_seed(run.config.seed, int(candidate), int(champion.network))
        run.publish_match_spec(self.name, self._spec())
        self._points: dict[int, float | None] = {
            index: self._stored_points(index, path) for index, path in run.match_games(self.name).items()
        }

    @property
    def score(self) -> Score:
        """The candidate's score so far."""
        return Score.of(self._points.items())

    def play(self, games: int, stop: threading.Event | None) -> None:
        """Plays the first `games` games that are missing."""
        missing = (index for index in itertools.count() if index not in self._points)
        play_games(
            self._player(self._networks[0]),
            self._player(self._networks[1]),
            list(itertools.islice(missing, games)),
            self._run.config.game,
            self._run.config.match,
            self._seed,
            on_game=self._finish,
            name=self.name,
            stop=stop,
        )

    def _player(self, network: str) -> SearchPlayer:
        search = dataclasses.replace(self._run.config.search, num_simulations=self._config.num_simulations)
        evaluator = self._load_evaluator(self._run.network_path(network))
        return SearchPlayer(evaluator, match_search(search, self._run.config.match), name=network)

    def _finish(self, game: MatchGame) -> None:
        points = game.points
        if points is not None:
            data = write_shard(self._header(game.index), [game.record])
            if not self._run.publish_match_game(self.name, game.index, data):  # somebody else's came first
                points = self._stored_points(game.index, self._run.match_games(self.name)[game.index])
        self._points[game.index] = points
        if self._progress is not None:
            self._progress(self.score)

    def _stored_points(self, index: int, path: str) -> float | None:
        try:
            _, records = read_shard(self._run.read(path))
        except ShardError as error:
            self._run.quarantine(path, str(error))
            _log.warning("%s does not count: %s", path, error)
            return None
        return points_from_record(index, records[0])

    def _header(self, index: int) -> ShardHeader:
        config = self._run.config
        evaluator = self._load_evaluator(self._run.network_path(self._networks[0]))
        return ShardHeader(
            network=self._networks[0],
            network_sha256=self._sha256,
            config_sha256=config.learning_sha256(),
            seed=self._seed,
            worker=self.name,
            sequence=index,
            rules=config.game.rules,
            board_size=config.game.board_size,
            backend=evaluator.backend,
            precision=evaluator.precision,
            batch_rows=MAX_BATCH_ROWS,
            minigo_version=__version__,
        )

    @cached_property
    def _sha256(self) -> str:
        return str(self._run.network_files(self._networks[0])[1]["weights_sha256"])

    def _spec(self) -> dict[str, Any]:
        config = self._run.config
        return {
            "kind": "gate",
            "player": self._networks[0],
            "opponent": self._networks[1],
            "seed": self._seed,
            "game": dataclasses.asdict(config.game),
            "search": dataclasses.asdict(config.search),
            "match": dataclasses.asdict(config.match),
            "evaluate": dataclasses.asdict(self._config),
        }


def _obeyed(run: Run, match: str, verdict: Verdict, champion: Champion | None) -> Verdict:
    """Stores the verdict, then promotes if the one in force says so; a kill in between leaves it stored."""
    in_force = run.publish_verdict(match, verdict.to_dict())
    if in_force["promotes"]:
        run.promote(verdict.candidate, verdict.to_dict(), champion)
    return dataclasses.replace(verdict, promotes=in_force["promotes"], reason=in_force["reason"])


def _was_promoted(run: Run, network: str) -> bool:
    return any(entry["network"] == network for entry in run.history())


def _text(verdict: Verdict) -> str:
    decision = "is promoted" if verdict.promotes else "is not promoted"
    return f"{decision}: {verdict.reason} ({verdict.score})"
