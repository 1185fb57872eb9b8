# SPDX-License-Identifier: Apache-2.0
"""`PlaySessions`: many games at once, most of them idle, on a few engines. No web is known here.

A game is a few bytes and stays; what thinks about it is started when it is wanted, and put away when it is not. What
goes wrong with an engine becomes the game's `trouble`, for its player to read, and the game waits until the player
asks for another engine. Start at `PlaySessions`; `session.SessionView` is what one sees of a game.
"""

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from minigo.analysis import Analysis
from minigo.config import SearchConfig
from minigo.engines.game_tree import Report
from ratings.play.engines import Engines
from ratings.play.game import RANDOM, PlayedGame, PlayError, Setting
from ratings.play.insight import Insight
from ratings.play.limits import PlayLimits
from ratings.play.networks import EngineError, Networks, StartNetwork
from ratings.play.session import NoGameError, Session, SessionView
from ratings.play.workers import Cancelled, FullError, Workers

SHOW_SECONDS: Final = 0.4  # between two views of an analysis that goes on
CLOSE_SECONDS: Final = 5.0
MAX_DROPPED: Final = 10_000  # games that are remembered to have been dropped

_REPORT: Final = Report(ownership=True, pv_moves=10)
_log = logging.getLogger(__name__)


class PlaySessions:
    """All games that are played in browsers. Methods may be called from several threads at once.

    Args:
        start_network: starts the process that computes the network of a name.
        search: how networks search.
        limits: how much all of it may cost.
        now: tells the time in seconds; only differences matter.
    """

    def __init__(
        self,
        start_network: StartNetwork,
        search: SearchConfig,
        limits: PlayLimits,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits: Final = limits
        self._networks = Networks(
            start_network,
            most=limits.networks,
            idle_seconds=limits.engine_idle_seconds,
            load_seconds=limits.load_seconds,
            answer_seconds=limits.answer_seconds,
            now=now,
        )
        self._engines = Engines(
            self._networks, search, most=limits.engines, idle_seconds=limits.engine_idle_seconds, now=now
        )
        self._workers = Workers(limits.threads, limits.waiting, "playing")
        self._lock = threading.RLock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # those used last at the end
        self._dropped: OrderedDict[str, None] = OrderedDict()
        self._sweeper: threading.Thread | None = None
        self._dismissed = False
        self._closed = threading.Event()

    # Games come and go.

    def create(self, setting: Setting) -> str:
        """Begins a game, and returns its id.

        Raises:
            PlayError: it asks for more than the limits allow.
        """
        if setting.visits > self.limits.visits:
            raise PlayError(f"visits must be in 1..{self.limits.visits}, got {setting.visits}")
        if setting.seconds > self.limits.seconds:
            raise PlayError(f"seconds must be in 0..{self.limits.seconds:g}, got {setting.seconds:g}")
        game_id = secrets.token_urlsafe(16)
        with self._lock:
            while len(self._sessions) >= self.limits.games:
                self._drop(next(iter(self._sessions)))
            self._sessions[game_id] = Session(PlayedGame(setting))
            self._go_on(game_id)
        return game_id

    def view(self, game_id: str) -> SessionView:
        """What there is to see of a game. Raises NoGameError."""
        with self._lock:
            session = self._found(game_id)
            game, busy = session.game, session.activity is not None
            if session.trouble is not None:
                phase = "broken"
            elif game.outcome is not None:
                phase = "over"
            elif game.is_humans_turn:
                phase = "your_turn"
            else:
                phase = session.activity if session.activity is not None else "waiting"
            insight = session.insight if session.wants_analysis else None
            return SessionView(
                game_id, session.version, game, phase, busy, session.trouble, session.wants_analysis, insight
            )

    def remove(self, game_id: str) -> None:
        """Ends a game for good. Raises NoGameError."""
        with self._lock:
            self._found(game_id)
            self._drop(game_id)

    # What a player does. Each raises NoGameError, and PlayError where it can not be done; then nothing has changed.

    def play(self, game_id: str, move: int, ply: int | None = None) -> None:
        """Plays a move for the person, and has the opponent think about its own.

        Args:
            game_id: which game.
            move: a point, or pass.
            ply: moves that the person saw on the board; a game that has moved on since then is left alone.
        """
        with self._change(game_id) as session:
            if ply is not None and ply != len(session.game.moves):
                raise PlayError(f"the game has moved on: it has {len(session.game.moves)} moves, not {ply}")
            if session.game.outcome is None and not session.game.is_humans_turn:
                raise PlayError("it is not your turn")
            session.game = session.game.after(move)

    def undo(self, game_id: str) -> None:
        """Takes back the person's last move, and what was answered or is being thought about."""
        with self._change(game_id) as session:
            session.game = session.game.without_last_turn()

    def resign(self, game_id: str) -> None:
        """Gives the game up for the person."""
        with self._change(game_id) as session:
            session.game = session.game.resigned(session.game.setting.human)

    def show_analysis(self, game_id: str, wanted: bool) -> None:
        """Shows what the engine thinks of the game, or hides it."""
        with self._change(game_id) as session:
            if wanted and session.game.setting.opponent == RANDOM:
                raise PlayError("random has no thoughts to show; play a network")
            session.wants_analysis = wanted

    def restart(self, game_id: str) -> None:
        """Starts the engine again after it broke down, or was too busy."""
        with self._change(game_id):
            self._engines.forget(game_id)

    # Who looks on.

    def watch(self, game_id: str, listener: Callable[[], None]) -> None:
        """Has a function called, from any thread, whenever the game changes; until `leave`. Thinking goes on.

        Raises:
            PlayError: the game has as many watchers as it may have.
            NoGameError: there is none.
        """
        with self._lock:
            session = self._found(game_id)
            if len(session.listeners) >= self.limits.watchers:
                raise PlayError(f"this game is open in {len(session.listeners)} places already; close one")
            session.listeners.add(listener)
        self.wake(game_id)

    def leave(self, game_id: str, listener: Callable[[], None]) -> None:
        """Calls the function no more. Thinking goes on until `rest`."""
        with self._lock:
            if game_id in self._sessions:
                self._sessions[game_id].listeners.discard(listener)

    def dismiss(self) -> None:
        """Says to all who watch that nothing more will come, as before the server ends."""
        with self._lock:
            self._dismissed = True
            for session in self._sessions.values():
                self._tell(session)

    @property
    def is_dismissed(self) -> bool:
        """Whether nothing more will come."""
        return self._dismissed

    def rest(self, game_id: str) -> None:
        """Stops thinking about a game that nobody watches; it goes on with `wake`."""
        with self._lock:
            session = self._sessions.get(game_id)
            if session is not None and not session.listeners and session.activity is not None:
                self._workers.cancel(game_id)
                session.activity = None
                self._tell(session)

    def wake(self, game_id: str) -> None:
        """Goes on with a game whose player has come back. Raises NoGameError."""
        with self._lock:
            session = self._found(game_id)
            is_resting = session.activity is None and session.trouble is None
            if is_resting and self._next_job(session) is not None:
                self._go_on(game_id)

    # Upkeep.

    def sweep(self) -> int:
        """Ends what is idle or hangs; returns how many engines and processes are left. Called while there are any."""
        return self._networks.sweep() + self._engines.sweep()

    def close(self) -> None:
        """Ends all engines, and everything that is being thought."""
        self._closed.set()
        self._workers.cancel_all()
        self._networks.close()
        self._workers.wait_until_idle(CLOSE_SECONDS)

    @property
    def live(self) -> dict[str, int]:
        """What there is at this moment: games, engines, networks, and games that wait for a thread."""
        with self._lock:
            games = len(self._sessions)
        return {
            "games": games,
            "engines": len(self._engines.game_ids),
            "networks": len(self._networks.names),
            "waiting": self._workers.waiting,
        }

    def _found(self, game_id: str) -> Session:
        try:
            session = self._sessions[game_id]
        except KeyError:
            raise NoGameError(was_dropped=game_id in self._dropped) from None
        self._sessions.move_to_end(game_id)
        return session

    def _drop(self, game_id: str) -> None:
        session = self._sessions.pop(game_id)
        self._workers.cancel(game_id)
        self._engines.forget(game_id)
        self._dropped[game_id] = None
        while len(self._dropped) > MAX_DROPPED:
            self._dropped.popitem(last=False)
        self._tell(session)

    @contextmanager
    def _change(self, game_id: str) -> Iterator[Session]:
        """A change of the game, after which the engine does what is to be done next; none if an error is raised."""
        with self._lock:
            session = self._found(game_id)
            before = session.game
            yield session
            session.trouble = None
            if session.game is not before:
                session.insight = None
            self._go_on(game_id)

    def _go_on(self, game_id: str) -> None:
        """Has done what is to be done next, in place of what was being done."""
        session = self._sessions[game_id]
        self._workers.cancel(game_id)
        job = self._next_job(session)
        session.activity = None if job is None else "waiting"
        if job is not None:
            game = session.game

            def run(cancelled: Cancelled) -> None:
                self._run(game_id, game, job, cancelled)

            try:
                self._workers.submit(game_id, run)
            except FullError:
                session.activity = None
                session.trouble = "the engines are busy with other games; ask again in a while"
        self._tell(session)

    def _next_job(self, session: Session) -> str | None:
        """What is to be done for a game: "thinking", "counting", "analyzing", or nothing."""
        game = session.game
        if game.is_to_be_counted:
            return "counting"
        if game.outcome is None and not game.is_humans_turn:
            return "thinking"
        seen = session.insight
        if session.wants_analysis and not (seen is not None and seen.is_complete) and not game.position.is_over:
            return "analyzing"
        return None

    def _run(self, game_id: str, game: PlayedGame, job: str, cancelled: Cancelled) -> None:
        """Does a job in a thread of the workers."""
        self._keep_swept()
        try:
            self._note(game_id, cancelled, "starting")
            with self._engines.thinking(game_id, game.setting, cancelled) as thinking:
                if thinking is None or cancelled():
                    return
                self._note(game_id, cancelled, job)

                def show(analysis: Analysis) -> None:
                    self._show(game_id, cancelled, Insight.of(analysis))

                if job == "counting":
                    found = game.counted(thinking.finished(game.position))
                elif job == "thinking":
                    decision = thinking.decide(
                        game.position,
                        None,
                        interrupted=cancelled,
                        show=None if game.setting.opponent == RANDOM else show,
                        interval=SHOW_SECONDS,
                        report=_REPORT,
                    )
                    if decision.resign:
                        found = game.resigned(game.to_play)
                    else:
                        seen = decision.analysis
                        value = None if seen is None else seen.value * game.to_play
                        found = game.after(decision.move, value, 0 if seen is None else seen.visits)
                else:
                    limits = self.limits
                    analysis = thinking.analyze(
                        game.position,
                        interrupted=cancelled,
                        show=show,
                        interval=SHOW_SECONDS,
                        report=_REPORT,
                        visits=limits.analysis_visits,
                        seconds=limits.analysis_seconds,
                    )
                    self._show(game_id, cancelled, Insight.of(analysis, is_complete=True))
                    found = game
            self._settle(game_id, cancelled, found)
        except EngineError as error:
            self._fail(game_id, cancelled, str(error))
        except Exception as error:  # noqa: BLE001 (whatever it is, the player is told, and others play on)
            _log.exception("the engine of a game failed")
            self._fail(game_id, cancelled, f"the engine failed: {error}")

    def _note(self, game_id: str, cancelled: Cancelled, activity: str) -> None:
        with self._lock:
            if not cancelled() and game_id in self._sessions:
                session = self._sessions[game_id]
                session.activity = activity
                self._tell(session)

    def _show(self, game_id: str, cancelled: Cancelled, insight: Insight) -> None:
        with self._lock:
            if not cancelled() and game_id in self._sessions:
                session = self._sessions[game_id]
                session.insight = insight
                if session.wants_analysis:
                    self._tell(session)

    def _settle(self, game_id: str, cancelled: Cancelled, game: PlayedGame) -> None:
        """Puts a job's result into the game, unless it is wanted no more, and does what comes next."""
        with self._lock:
            if cancelled() or game_id not in self._sessions:
                return
            session = self._sessions[game_id]
            if game is not session.game:
                session.game, session.insight = game, None
            session.activity = None
            job = self._next_job(session)
            if job is None:
                self._tell(session)
            else:
                self._go_on(game_id)

    def _fail(self, game_id: str, cancelled: Cancelled, reason: str) -> None:
        self._engines.forget(game_id)
        with self._lock:
            if not cancelled() and game_id in self._sessions:
                session = self._sessions[game_id]
                session.activity, session.trouble = None, reason
                self._tell(session)

    def _tell(self, session: Session) -> None:
        session.version += 1
        for listener in list(session.listeners):
            listener()

    def _keep_swept(self) -> None:
        """Sees to it that a thread sweeps while there are engines."""
        with self._lock:
            if self._sweeper is None or not self._sweeper.is_alive():
                self._sweeper = threading.Thread(target=self._sweep_for_ever, daemon=True, name="sweeper")
                self._sweeper.start()

    def _sweep_for_ever(self) -> None:
        limits = self.limits
        seconds = min(1.0, limits.engine_idle_seconds / 4, limits.load_seconds / 4, limits.answer_seconds / 4)
        while not self._closed.wait(seconds):
            with self._lock:
                if not self.sweep() and not any(session.activity for session in self._sessions.values()):
                    self._sweeper = None
                    return
