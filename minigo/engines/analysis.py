# SPDX-License-Identifier: Apache-2.0
"""Our engine behind KataGo's JSON analysis protocol: requests are lines of JSON, and so are replies, in any order.

One thread reads lines, another loads the network; everything else is done by the thread that holds the conversation:
it obeys what has come, searches one batch, and writes what there is to write. Start at `AnalysisEngine`.
"""

import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from minigo.config import SearchConfig
from minigo.engines.analysis_reply import (
    analysis_reply,
    error_reply,
    line_of,
    no_results_reply,
    warning_reply,
)
from minigo.engines.analysis_request import (
    Query,
    RequestError,
    Settings,
    identifier,
    query_from,
    request_from_line,
    turn_numbers,
)
from minigo.engines.gtp_text import private_stdout
from minigo.engines.lines import LineCutter
from minigo.engines.loader import Loader

if TYPE_CHECKING:
    from minigo.engines.analysis_schedule import OpenPosition, Schedule
    from minigo.inference.evaluator import Evaluator

MAX_LINE_BYTES: Final = 1_000_000  # far more than a request for every turn of the longest game
LISTEN_SECONDS: Final = 0.02  # between two batches, requests are obeyed for no longer than this
_PIECE_BYTES: Final = 1 << 16

_log = logging.getLogger(__name__)


class _Notice(Enum):
    """What the inbox holds besides lines."""

    LINE_TOO_LONG = 1
    END_OF_INPUT = 2
    LOADED = 3


@dataclass(frozen=True)
class Capacity:
    """How much is searched together.

    Attributes:
        positions: of one board size that have a search tree at a time; more of them wait.
        batch_rows: positions that the network evaluates in one call.
        cached_positions: evaluations that are remembered for each board size; 0: none.
        threads: on which a batch is evaluated.
    """

    positions: int = 64
    batch_rows: int = 64
    cached_positions: int = 100_000
    threads: int = 1


class AnalysisEngine:
    """The state of one conversation.

    Args:
        load_evaluator: loads the network; runs in a thread of its own, once.
        search: how to search.
        settings: what holds for a request that says nothing else.
        capacity: how much is searched together.
        version: what `query_version` answers.
        quit_without_waiting: whether the end of input ends searches too.
    """

    def __init__(
        self,
        load_evaluator: "Callable[[], Evaluator]",
        search: SearchConfig,
        settings: Settings,
        capacity: Capacity,
        *,
        version: str,
        quit_without_waiting: bool = False,
    ) -> None:
        self._search = search
        self._settings = settings
        self._capacity = capacity
        self._version = version
        self._quit_without_waiting = quit_without_waiting
        self._inbox: queue.SimpleQueue[bytes | _Notice] = queue.SimpleQueue()
        self._loader = Loader(load_evaluator, lambda: self._inbox.put(_Notice.LOADED))
        self._replies: BinaryIO = sys.stderr.buffer
        self._schedule: Schedule | None = None  # there is none until the network is loaded
        self._early: list[Query | dict[str, Any]] = []  # what has to wait for that
        self._input_ended = False
        self._actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "clear_cache": self._clear_cache,
            "query_models": self._query_models,
            "query_version": self._query_version,
            "terminate": self._terminate,
            "terminate_all": self._terminate_all,
        }

    def run(self, lines: BinaryIO, replies: BinaryIO) -> None:
        """Obeys requests until the end of input, and then finishes what is open.

        Args:
            lines: unbuffered, or in memory.
            replies: every line is flushed.

        Raises:
            Exception: what `load_evaluator` raised; nothing can be searched.
            BrokenPipeError: nobody reads the replies any more.
        """
        self._replies = replies
        threading.Thread(target=self._read, args=(lines,), daemon=True, name="analysis-input").start()
        self._loader.start()
        while not self._is_over():
            self._listen()
            if self._loader.error is not None:
                raise self._loader.error
            if self._schedule:
                self._search_on(self._schedule)

    def _is_over(self) -> bool:
        open_positions = len(self._schedule) if self._schedule is not None else len(self._early)
        return self._input_ended and (self._quit_without_waiting or not open_positions)

    # The thread beside the conversation.

    def _read(self, lines: BinaryIO) -> None:
        for line in lines_of(lines):
            self._inbox.put(_Notice.LINE_TOO_LONG if line is None else line)
        self._inbox.put(_Notice.END_OF_INPUT)

    # The conversation.

    def _listen(self) -> None:
        """Obeys what has come; waits for it if there is nothing to search."""
        searching = self._schedule is not None and len(self._schedule) > 0
        until = time.monotonic() + LISTEN_SECONDS
        try:
            while True:
                self._take(self._inbox.get(block=not searching))
                searching = True
                if time.monotonic() > until or self._loader.error is not None:
                    return
        except queue.Empty:
            return

    def _take(self, item: bytes | _Notice) -> None:
        if isinstance(item, bytes):
            self._obey(item)
        elif item is _Notice.LINE_TOO_LONG:
            self._write(error_reply(RequestError(f"a line must have {MAX_LINE_BYTES} bytes or fewer"), None))
        elif item is _Notice.END_OF_INPUT:
            self._input_ended = True
            self._loader.start(at_once=True)
        elif self._loader.loaded is not None:
            self._begin(self._loader.loaded)

    def _begin(self, evaluator: "Evaluator") -> None:
        from minigo.engines.analysis_schedule import Schedule

        self._schedule = Schedule(
            evaluator,
            self._search,
            slots=self._capacity.positions,
            batch_rows=self._capacity.batch_rows,
            cached_positions=self._capacity.cached_positions,
            threads=self._capacity.threads,
        )
        sys.stderr.write("Started, ready to begin handling requests\n")
        sys.stderr.flush()
        early, self._early = self._early, []
        for request in early:
            if isinstance(request, Query):
                self._schedule.add(request)
            else:
                self._query_models(request)

    def _obey(self, line: bytes) -> None:
        """Does what a line asks for, or says why not."""
        query_id = None
        try:
            request = request_from_line(line)
            if request is None:
                return
            query_id = identifier(request)
            if "action" in request:
                self._act(request)
            else:
                self._open(query_from(request, self._settings))
        except RequestError as error:
            self._write(error_reply(error, query_id))
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 (the boundary: a conversation outlives our mistakes)
            _log.exception("a request failed")
            self._write(error_reply(RequestError(_internal(error)), query_id))

    def _open(self, query: Query) -> None:
        if self._is_open(query.id):
            raise RequestError("another request with this id is still open", "id")
        for warned in query.warnings:
            self._write(warning_reply(warned, query.id))
        if self._schedule is None:
            self._early.append(query)
            self._loader.start(at_once=True)
        else:
            self._schedule.add(query)

    def _is_open(self, query_id: str) -> bool:
        if self._schedule is None:
            return any(query.id == query_id for query in self._early if isinstance(query, Query))
        return self._schedule.has(query_id)

    def _search_on(self, schedule: "Schedule") -> None:
        """Searches one batch, and writes what has come of it."""
        try:
            schedule.step()
            for position, analysis in schedule.finished():
                self._report(position, analysis)
            for position, analysis in schedule.due():
                self._write(analysis_reply(position.query, position.turn, analysis, during=True))
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 (the boundary: a conversation outlives our mistakes)
            _log.exception("a search failed")
            for position in schedule.clear():
                self._write(error_reply(RequestError(_internal(error)), position.query.id))

    def _report(self, position: "OpenPosition", analysis: Any) -> None:
        query, turn = position.query, position.turn
        self._write(
            no_results_reply(query, turn) if analysis is None else analysis_reply(query, turn, analysis, during=False)
        )

    def _write(self, reply: dict[str, Any]) -> None:
        self._replies.write(line_of(reply))
        self._replies.flush()

    # Actions.

    def _act(self, request: dict[str, Any]) -> None:
        action = request["action"]
        if not isinstance(action, str) or action not in self._actions:
            raise RequestError(f"must be one of {', '.join(self._actions)}", "action")
        self._actions[action](request)

    def _query_version(self, request: dict[str, Any]) -> None:
        self._write(request | {"version": self._version, "git_hash": "<omitted>"})

    def _query_models(self, request: dict[str, Any]) -> None:
        """Answered when the network is loaded."""
        if self._schedule is None:
            self._early.append(request)
            return
        evaluator = self._schedule.evaluator
        model = {
            "name": evaluator.name,
            "internalName": f"{evaluator.name} ({evaluator.backend}, {evaluator.precision})",
            "maxBatchSize": self._capacity.batch_rows,
            "usesHumanSLProfile": False,
            "usingFP16": "false" if evaluator.precision == "float32" else "true",
        }
        self._write(request | {"models": [model]})

    def _clear_cache(self, request: dict[str, Any]) -> None:
        if self._schedule is not None:
            self._schedule.forget()
        self._write(request)

    def _terminate(self, request: dict[str, Any]) -> None:
        if not isinstance(request.get("terminateId"), str):
            raise RequestError("must be the id of a request", "terminateId")
        self._give_up(str(request["terminateId"]), turn_numbers(request))
        self._write(request)

    def _terminate_all(self, request: dict[str, Any]) -> None:
        self._give_up(None, turn_numbers(request))
        self._write(request)

    def _give_up(self, query_id: str | None, numbers: frozenset[int] | None) -> None:
        """Ends positions with what is known of them, before the action itself is answered."""
        if self._schedule is None:
            self._give_up_early(query_id, numbers)
            return
        for position in self._schedule.positions_of(query_id, numbers):
            self._report(position, self._schedule.close(position))

    def _give_up_early(self, query_id: str | None, numbers: frozenset[int] | None) -> None:
        kept: list[Query | dict[str, Any]] = []
        for request in self._early:
            if not isinstance(request, Query) or query_id not in (None, request.id):
                kept.append(request)
                continue
            ended = [turn for turn in request.turns if numbers is None or turn.number in numbers]
            for turn in ended:
                self._write(no_results_reply(request, turn))
            if len(ended) < len(request.turns):
                kept.append(request.without(ended))
        self._early = kept


def serve(engine: AnalysisEngine) -> None:
    """Runs the engine on this process's stdin and stdout, and ends the process.

    From here on everything else that is written to stdout goes to stderr. SIGTERM and SIGINT end the process at
    once, whatever it is doing: every reply was flushed, and there is nothing to save.

    Raises:
        Exception: what loading the network raised.
    """
    replies = private_stdout()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    code = 0
    # Unbuffered: a buffered stdin is locked by its reading thread, which breaks the interpreter's exit.
    with open(0, "rb", buffering=0, closefd=False) as lines:
        try:
            engine.run(lines, replies)
        except BrokenPipeError:
            _log.warning("nobody reads the replies any more")
            code = 1
    logging.shutdown()
    os._exit(code)  # frameworks take long to wind up


def lines_of(stream: BinaryIO, limit: int = MAX_LINE_BYTES) -> Iterator[bytes | None]:
    """The lines of a stream that is not buffered; None for one that is longer than the limit, in constant memory."""
    cutter = LineCutter(limit)
    while piece := stream.read(_PIECE_BYTES):
        for line in cutter.cut(piece):
            yield None if line.too_long else line.text
    for line in cutter.rest():
        yield None if line.too_long else line.text


def _internal(error: Exception) -> str:
    return f"internal error: {type(error).__name__}: {error}"
