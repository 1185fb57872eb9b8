# SPDX-License-Identifier: Apache-2.0
"""The whole system on one machine: play, train, evaluate, promote, again and again, until the budget is used.

Games are played in the background all the while, with the threads that training and matches leave to it. What comes
next is read from the run, so a loop that was killed anywhere goes on where the run says it is. Start at
`run_loop`; one turn of it is `Loop.advance`.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from minigo.alarms import Finding, Watch
from minigo.config import Config
from minigo.data.shards import RANDOM_PLAYOUTS
from minigo.evaluate import evaluate_candidate, next_candidate
from minigo.gamepool import Progress
from minigo.gates import Score, Verdict
from minigo.inference.evaluator import Evaluator
from minigo.probes import RANDOM, final_match, opening_of
from minigo.run import Champion, Run, RunError
from minigo.selfplay import BackgroundPlay, num_threads, play_random_games
from minigo.status import StatusDisplay, duration
from minigo.stored_match import SoonerStop

WORKER: Final = "loop"
REPORT_SECONDS: Final = 60.0
RATING_SHARE: Final = 0.05  # of the loop's time, at most, goes to rating games
RATING_SECONDS: Final = 2.0  # rating games begin when there is so much time for them; more, if that was not enough
GATHER_SECONDS: Final = 2.0  # then the run is looked at again: others may have published games, too

_log = logging.getLogger(__name__)


class Trainer(Protocol):
    """What the loop asks of a trainer; `minigo.train` has it."""

    def publish_first_network(self) -> str:
        """Publishes the network that knows nothing yet: its name."""
        ...

    def train(self, progress: float, stop: threading.Event, seconds: float = 0.0) -> str | None:
        """Trains on the new games and publishes a candidate: its name, or None if stopped before."""
        ...


@dataclass(frozen=True)
class Services:
    """What the loop is given rather than imports.

    Attributes:
        load_evaluator: the network in a folder, as an evaluator.
        trainer: trains on the run's games.
        rate: each network's Elo above generation 0.
        report: writes a page about the run and returns where it is.
        play_rating_games: lets the champion play so many games against an outside player; how many have a result.
        trend: whether the run still gets stronger, by all its rated games; None where it is too early to say.
    """

    load_evaluator: Callable[[str], Evaluator]
    trainer: Trainer
    rate: Callable[[Run], Mapping[str, float]]
    report: Callable[[Run], str]
    play_rating_games: Callable[[Run, int, threading.Event], int]
    trend: Callable[[Run], Finding | None]


def run_loop(run: Run, services: Services, stop: threading.Event) -> str:
    """Works on a run until its budget is used or it is stopped; the same call resumes it.

    Returns:
        What the run has come to, as text for a person.
    """
    loop = Loop(run, services, stop)
    with StatusDisplay(loop.describe, loop.publish_status), contextlib.closing(loop):
        while not stop.is_set() and not loop.is_finished():
            loop.advance()
        if not stop.is_set():
            loop.conclude()
    loop.publish_status("stopped" if stop.is_set() else "finished")
    services.report(run)
    return loop.summary()


class Loop:
    """A run while one machine works on it: decides what to do next, does it, and keeps count."""

    def __init__(self, run: Run, services: Services, stop: threading.Event) -> None:
        self._run = run
        self._config: Config = run.config
        self._services = services
        self._watch = Watch(run, WORKER)
        self._stop = stop
        self._used = run.seconds_used(WORKER)
        self._started = time.monotonic()
        self._generation_started = self.elapsed
        self._generation_seconds = 0.0
        self._reported = self.elapsed
        self._phase = "starting"
        self._random = Progress()
        self._selfplay = BackgroundPlay(run, WORKER, self._load)
        self._counted = Progress()  # what of the self-play is in the metrics
        self._counted_at = time.monotonic()
        self._games_before = self._published_games()
        self._rating_seconds = 0.0  # used for rating games
        self._rating_needs = RATING_SECONDS
        self._losses = ""
        self._verdict = ""
        self._elo = ""
        self._describe_training()
        self._describe_rating()

    @property
    def elapsed(self) -> float:
        """Seconds of work that the run has had, over all resumptions."""
        return self._used + time.monotonic() - self._started

    @property
    def generation(self) -> int:
        """Networks trained so far."""
        return max(0, len(self._run.networks()) - 1)

    @property
    def games(self) -> int:
        """Games of the run when this began to work on it, and those that it has played since."""
        return self._games_before + self._random.games + self._selfplay.progress.games

    def close(self) -> None:
        """Ends self-play; what is unfinished is dropped."""
        self._selfplay.close()

    def _published_games(self) -> int:
        """Games of the run that anybody has published and nobody has put into quarantine."""
        published = set(self._run.shards() + self._run.shards(holdout=True)) - self._run.quarantined().keys()
        return len(published) * self._config.selfplay.games_per_shard

    def is_finished(self) -> bool:
        """Whether the budget is used: what has been begun is finished, but no generation begun that ends far beyond.

        Games for another training may always be there, because they go on while one trains: they do not count, but for
        the first training.
        """
        loop = self._config.loop
        if self._run.champion() is None or next_candidate(self._run, self._run.champion()) is not None:
            return False
        if loop.generations and self.generation >= loop.generations:
            return True
        is_late = self.elapsed + self._generation_seconds / 2 >= 60 * loop.minutes
        return is_late and (self.generation > 0 or self._missing_shards() > 0)

    def advance(self) -> None:
        """Does what the run needs next: a first network, an evaluation, a training, or games."""
        champion = self._run.champion()
        if champion is None:
            self._evaluate(self._run.networks()[0] if self._run.networks() else self._first_network())
        elif (candidate := next_candidate(self._run, champion)) is not None:
            self._evaluate(candidate)
        elif (missing := self._missing_shards()) > 0:
            self._gather(missing)
        else:
            self._train()

    def _first_network(self) -> str:
        self._begin("making generation 0")
        return self._services.trainer.publish_first_network()

    def _missing_shards(self) -> int:
        """Shards to be played before the next training, which waits for what a generation leaves it on average."""
        config = self._config
        games = self._random_games() or config.loop.games_per_generation
        wanted = -(-games // config.selfplay.games_per_shard)
        new = len(set(self._run.shards()) - self._run.training.consumed_shards() - self._run.quarantined().keys())
        return wanted - new if new < max(1, round(wanted * (1 - config.train.holdout_share))) else 0

    def _random_games(self) -> int:
        """Games of random playouts that the next training learns from: only the first one does."""
        return self._run.random_games() if self.generation == 0 else 0

    def _gather(self, missing: int) -> None:
        """Lets games be played until so many more shards are there, or for a while."""
        self._begin("self-play")
        if self._random_games():
            play_random_games(self._run, WORKER, missing, self._stop, self._random)
            self._count_games(RANDOM_PLAYOUTS, self._random)
            return
        self._start_selfplay()
        self._selfplay.wait(self._selfplay.shards + missing, GATHER_SECONDS, self._stop)

    def _start_selfplay(self) -> None:
        if not self._selfplay.has_begun:
            self._counted_at = time.monotonic()
            self._selfplay.start()

    @contextlib.contextmanager
    def _lent_threads(self) -> Iterator[None]:
        """Self-play goes on beside some other work, with the threads that it leaves, at most a generation ahead."""
        config = self._config
        taken = config.machine.training_threads
        limit = -(-config.loop.games_per_generation // config.selfplay.games_per_shard)
        self._selfplay.lend(taken if taken else num_threads(config), limit)
        try:
            yield
        finally:
            self._selfplay.take_back()
        self._selfplay.check()

    def _count_selfplay(self) -> None:
        """Puts what was played since the last time into the metrics."""
        now = self._selfplay.progress.snapshot()
        self._count_games(self._champion().network, now.since(self._counted))
        self._counted = now

    def _count_games(self, network: str, progress: Progress) -> None:
        seconds = time.monotonic() - self._counted_at
        self._counted_at = time.monotonic()
        if progress.games:
            row = {
                "games": progress.games,
                "positions": progress.positions,
                "targets": progress.targets,
                "evaluations": progress.evaluations,
                "seconds": seconds,
                "black_win_share": progress.black_wins / progress.games,
                "moves_per_game": progress.moves / progress.games,
            }
            self._record("selfplay", {"network": network, **row})
            _log.info(
                "self-play: %d games in %s, %.0f positions/s, %.0f evaluations/s, Black won %.0f %%",
                progress.games,
                duration(seconds),
                progress.positions / seconds,
                progress.evaluations / seconds,
                100 * row["black_win_share"],
            )

    def _train(self) -> None:
        if not self._random_games():
            # A run that is resumed may train first. What computes fastest is measured before anything else computes.
            self._load(self._champion().network)
            self._start_selfplay()
        self._count_selfplay()
        self._begin("training")
        loop = self._config.loop
        # As of when the loop may end, if this is its last generation: `is_finished` wants half of another one's time.
        end = self.elapsed + 1.5 * self._generation_seconds
        share = end / (60 * loop.minutes) if loop.minutes else 1.0
        if loop.generations:
            share = max(share, (self.generation + 1) / loop.generations)
        with self._lent_threads():
            self._services.trainer.train(min(1.0, share), self._stop, self.elapsed)
        self._describe_training()
        if self._losses:
            _log.info("training: %s", self._losses)

    def _evaluate(self, candidate: str) -> None:
        self._begin("evaluation")
        champion = self._run.champion()
        with self._lent_threads():
            self._load(candidate)  # before it is promoted and all want it
            verdict = evaluate_candidate(
                self._run,
                candidate,
                champion,
                self._config.evaluate,
                self._services.load_evaluator,
                progress=self._show_score,
                stop=self._stop,
            )
        if verdict is None:
            return
        self._describe_verdict(verdict)
        _log.info("evaluation: network %s %s", candidate, self._verdict)
        if verdict.promotes:
            self._probe_opening(candidate)
        self._play_rating_games()
        self._describe_rating()
        self._watch.hear([self._services.trend(self._run)])
        if self.elapsed - self._reported > REPORT_SECONDS:
            self._services.report(self._run)
            self._reported = self.elapsed
        self._generation_seconds = self.elapsed - self._generation_started
        self._generation_started = self.elapsed

    def _play_rating_games(self) -> None:
        """A few, in a small share of the time: where that is not enough for all of them, the next try has twice it."""
        seconds = RATING_SHARE * (time.monotonic() - self._started) - self._rating_seconds
        games = self._config.loop.rating_games
        if games == 0 or seconds < self._rating_needs:
            return
        self._begin("rating games")
        began = time.monotonic()
        with self._lent_threads():
            played = self._services.play_rating_games(self._run, games, SoonerStop(self._stop, seconds))
        took = time.monotonic() - began
        self._rating_seconds += took
        if played:
            _log.info("rating games: %d in %s", played, duration(took))
        if took >= seconds and played < games:  # short games would count more often than others, those as Black, too
            self._rating_needs = 2 * seconds

    def _show_score(self, score: Score) -> None:
        self._verdict = f"{score.wins}-{score.losses} so far"

    def _probe_opening(self, network: str) -> None:
        """Records how a network's search opens the game."""
        self._record("opening", {"network": network, **opening_of(self._config, self._load(network))})

    def _load(self, network: str) -> Evaluator:
        return self._services.load_evaluator(self._run.network_path(network))

    def conclude(self) -> None:
        """Ends self-play and measures the champion against chance and against generation 0, once."""
        self._selfplay.close()
        self._count_selfplay()
        champion = self._champion()
        for opponent in (RANDOM, self._run.networks()[0]):
            done = {row["opponent"] for row in self._rows("final") if row["network"] == champion.network}
            if self._config.loop.final_games == 0 or opponent in done or opponent == champion.network:
                continue
            self._begin(f"final match against {opponent}")
            score = final_match(self._config, self._load, champion.network, opponent, self._stop)
            if self._stop.is_set():
                return
            self._record("final", {"network": champion.network, "opponent": opponent, **score.to_dict()})

    def _champion(self) -> Champion:
        champion = self._run.champion()
        if champion is None:
            raise RunError(f"{self._run.url} must have a champion by now, and has none")
        return champion

    def _begin(self, phase: str) -> None:
        if phase != self._phase:
            self._phase = phase
            self.publish_status(phase)

    def _rows(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self._run.telemetry.metrics("loop") if row["kind"] == kind]

    def _record(self, kind: str, row: Mapping[str, Any]) -> None:
        self._run.telemetry.append_metrics("loop", WORKER, [{"kind": kind, "generation": self.generation, **row}])

    def _describe_training(self) -> None:
        rows = self._run.telemetry.metrics("train")
        heads = ("policy", "value", "score", "ownership")
        if rows:
            last = rows[-1]
            losses = [f"{head} {last[f'{head}_loss']:.3f}" for head in heads if last.get(f"{head}_loss") is not None]
            self._losses = f"step {last['step']}, losses: {', '.join(losses)}"

    def _describe_verdict(self, verdict: Verdict) -> None:
        score = verdict.score
        what = "promoted" if verdict.promotes else "not promoted"
        self._verdict = f"{what}, {score.wins}-{score.losses}" if score.games else what

    def _describe_rating(self) -> None:
        champion = self._run.champion()
        ratings = self._services.rate(self._run)
        if champion is not None and champion.network in ratings:
            self._elo = f"Elo {ratings[champion.network]:+.0f}"

    def describe(self) -> tuple[float, str]:
        """(share of the budget used, one line of status)."""
        loop = self._config.loop
        left = max(0.0, 60 * loop.minutes - self.elapsed)
        share = min(1.0, self.elapsed / (60 * loop.minutes)) if loop.minutes else 1.0
        if loop.generations:
            share = max(share, min(1.0, self.generation / loop.generations))
        number = self.generation + (self._phase in ("self-play", "training"))
        parts = [
            f"generation {number}: {self._phase}",
            f"{self.games} games",
        ]
        searches = self._selfplay.progress.searches - self._counted.searches
        seconds = time.monotonic() - self._counted_at
        if searches and seconds > 1:
            parts.append(f"{searches / seconds:.0f} positions/s")
        parts += [part for part in (self._losses, self._verdict, self._elo) if part]
        return share, " | ".join([*parts, f"{duration(left)} left"])

    def publish_status(self, text: str) -> None:
        """Says to whoever watches the run what this loop does, and keeps the time it has used."""
        self._run.telemetry.heartbeat(
            WORKER,
            {
                "elapsed_seconds": round(self.elapsed, 1),
                "phase": self._phase,
                "generation": self.generation,
                "status": text,
                "selfplay": self._selfplay.progress.since(self._counted).counts(),
                "selfplay_seconds": round(time.monotonic() - self._counted_at, 1),
                "game": self._selfplay.progress.current_game(),
            },
        )

    def summary(self) -> str:
        """What the run has come to."""
        champion = self._run.champion()
        lines = [f"{self._run.url}: {self.generation} generations, {self.games} games, {duration(self.elapsed)}"]
        if champion is None:
            return lines[0]
        openings = [row for row in self._rows("opening") if row["network"] == champion.network]
        promoted = len(self._run.history()) - 1
        lines.append(f"champion: network {champion.network}, after {promoted} promotions. {self._elo}".rstrip())
        for row in openings[-1:]:
            lead = f"{row['score_lead']:+.1f} points after komi"
            lines.append(f"as Black it opens at {row['move']} and expects {lead}, value {row['value']:+.2f}")
        for row in self._rows("final"):
            if row["network"] == champion.network:
                name = RANDOM if row["opponent"] == RANDOM else "generation 0"
                interval = f"Elo {row['elo']:+.0f}, 95 % interval {row['elo_low']:+.0f} to {row['elo_high']:+.0f}"
                lines.append(f"against {name}: won {row['wins']} of {row['games']} games ({interval})")
        if self._stop.is_set():
            lines.append("stopped; the same command goes on")
        return "\n".join([*lines, f"report: {self._run.url}/report.html"])
