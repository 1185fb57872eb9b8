# SPDX-License-Identifier: Apache-2.0
"""Which of the open positions are searched now: those of the highest priority, as many as there are slots, together.

Positions of lower priority wait, with their trees if there is room for them. Nothing here reads or writes. Start at
`Schedule`.
"""

import heapq
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cc_kernels.cache import EvaluationCache
from minigo.analysis import Analysis
from minigo.anytime import AnytimeSearch
from minigo.config import SearchConfig
from minigo.engines.analysis_request import Query, Turn
from minigo.inference.evaluator import Evaluator

KEPT_BOARD_SIZES: Final = 3  # idle searches of so many board sizes are kept ready


@dataclass(eq=False)
class OpenPosition:
    """A position that somebody waits for.

    Attributes:
        query: what it belongs to.
        turn: which of the query's positions it is.
        order: of arrival.
        slot: where it is searched; None: it waits for a slot.
        seconds: for how long it has been searched.
        next_report: in terms of `seconds`, when the client wants to hear of it; never: infinity.
        reported_visits: what the client has heard of.
        found: by a search that had to make room for another.
        is_open: whether it still awaits its last reply.
    """

    query: Query
    turn: Turn
    order: int
    next_report: float
    slot: int | None = None
    seconds: float = 0.0
    reported_visits: int = 0
    found: Analysis | None = None
    is_open: bool = True

    @property
    def rank(self) -> tuple[int, int]:
        """The smaller, the sooner: by priority, then by arrival."""
        return -self.turn.priority, self.order

    @property
    def board_size(self) -> int:
        """N."""
        return self.turn.first.board_size


class _Board:
    """The searches of one board size."""

    def __init__(self, search: AnytimeSearch) -> None:
        self.search = search
        self.searched: dict[int, OpenPosition] = {}
        self.waiting: list[tuple[tuple[int, int], OpenPosition]] = []  # a heap
        self.is_retired = False  # takes no new positions

    @property
    def is_idle(self) -> bool:
        return not self.searched and not self.first_waiting()

    def first_waiting(self) -> OpenPosition | None:
        while self.waiting and not self.waiting[0][1].is_open:
            heapq.heappop(self.waiting)
        return self.waiting[0][1] if self.waiting else None

    def wait(self, position: OpenPosition) -> None:
        position.slot = None
        heapq.heappush(self.waiting, (position.rank, position))

    def begin(self, position: OpenPosition, slot: int) -> None:
        searched, query = position.turn.position.reopened(), position.query
        self.search.begin(slot, searched, query.options)
        # Where every legal move is to be left out, its evaluation is all there is.
        self.search.limit(slot, query.settings.visits if query.options.allowed(searched).any() else 1)
        position.slot = slot
        self.searched[slot] = position

    def analysis(self, position: OpenPosition) -> Analysis | None:
        """What is known of a position so far; None: nothing."""
        if position.slot is None:
            return position.found
        if self.search.visits(position.slot) == 0:
            return position.found
        query = position.query
        return self.search.analysis(
            position.slot,
            ownership=query.ownership,
            moves_ownership=query.moves_ownership,
            pv_moves=query.settings.pv_moves,
        )


class Schedule:
    """The open positions of all requests.

    Args:
        evaluator: the network.
        config: how to search.
        slots: positions of one board size that have a tree at a time.
        batch_rows: positions in a full batch.
        cached_positions: evaluations that are remembered for each board size; 0: none.
        threads: on which a batch is evaluated.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        config: SearchConfig,
        *,
        slots: int,
        batch_rows: int,
        cached_positions: int,
        threads: int,
    ) -> None:
        self.evaluator = evaluator
        self._config = config
        self._slots = slots
        self._batch_rows = batch_rows
        self._cached_positions = cached_positions
        self._threads = threads
        self._boards: list[_Board] = []  # least recently used first
        self._home: dict[OpenPosition, _Board] = {}
        self._open_ids: Counter[str] = Counter()  # of requests, with how many positions are open
        self._order = 0
        self._running: list[OpenPosition] = []
        self._is_settled = True  # nothing has come or gone since positions were last assigned to slots

    def __len__(self) -> int:
        return len(self._home)

    def has(self, query_id: str) -> bool:
        """Whether a request of this id has open positions."""
        return self._open_ids[query_id] > 0

    def add(self, query: Query) -> None:
        """Opens the positions of a request."""
        for turn in query.turns:
            self._order += 1
            position = OpenPosition(query, turn, self._order, query.first_report)
            board = self._board(position.board_size)
            self._home[position] = board
            self._open_ids[query.id] += 1
            board.wait(position)
        self._is_settled = False

    def positions_of(self, query_id: str | None, numbers: frozenset[int] | None) -> list[OpenPosition]:
        """The open positions of a request, by arrival; None: of all requests, and of all turns."""
        return [
            position
            for position in self._home
            if query_id in (None, position.query.id) and (numbers is None or position.turn.number in numbers)
        ]

    def step(self) -> None:
        """Searches the positions of the highest priority one batch further."""
        if not self._is_settled:
            self._settle()
        boards = {id(board): board for board in map(self._home.__getitem__, self._running)}
        began = time.monotonic()
        for board in boards.values():
            board.search.step()
        seconds = time.monotonic() - began
        for position in self._running:
            position.seconds += seconds

    def finished(self) -> Iterator[tuple[OpenPosition, Analysis | None]]:
        """Takes away the positions whose searches have ended, with what was found."""
        for position in list(self._running):
            if self._is_finished(position):
                yield position, self.close(position)

    def due(self) -> Iterator[tuple[OpenPosition, Analysis]]:
        """The positions of which a client wants to hear now, with what was found so far."""
        for position in self._running:
            if position.seconds < position.next_report or position.slot is None:
                continue
            visits = self._home[position].search.visits(position.slot)
            if visits <= position.reported_visits:
                continue
            position.next_report = position.seconds + position.query.report_every
            position.reported_visits = visits
            if analysis := self._home[position].analysis(position):
                yield position, analysis

    def close(self, position: OpenPosition) -> Analysis | None:
        """Takes a position away, whether its search has ended or not; what was found, None: nothing."""
        board = self._home.pop(position)
        self._open_ids -= Counter([position.query.id])  # and drops ids without positions
        analysis = board.analysis(position)
        position.is_open = False
        self._vacate(board, position)
        if position in self._running:
            self._running.remove(position)
        self._is_settled = False
        return analysis

    def clear(self) -> list[OpenPosition]:
        """Takes all positions away at once, and forgets everything; for when a search has failed."""
        positions = list(self._home)
        self._boards, self._home, self._running, self._is_settled = [], {}, [], True
        self._open_ids.clear()
        return positions

    def forget(self) -> None:
        """Forgets evaluations: no position that comes from now on profits from those before it."""
        for board in self._boards:
            board.is_retired = True
        self._drop_boards()

    def _board(self, board_size: int) -> _Board:
        for board in self._boards:
            if board.search.board_size == board_size and not board.is_retired:
                self._boards.remove(board)
                self._boards.append(board)
                return board
        cache = EvaluationCache(board_size, self._cached_positions, ownership=True) if self._cached_positions else None
        search = AnytimeSearch(
            self.evaluator,
            self._config,
            board_size,
            slots=self._slots,
            batch_rows=self._batch_rows,
            cache=cache,
            threads=self._threads,
        )
        self._boards.append(_Board(search))
        self._drop_boards()
        return self._boards[-1]

    def _drop_boards(self) -> None:
        """Retired boards go as soon as they are idle, and idle ones when there are too many."""
        last = self._boards[-1:]
        idle = [board for board in self._boards if board.is_idle]
        surplus = idle[: max(0, len(self._boards) - KEPT_BOARD_SIZES)]
        gone = [board for board in idle if board.is_retired or (board in surplus and board not in last)]
        self._boards = [board for board in self._boards if board not in gone]

    def _settle(self) -> None:
        """Gives the slots to the positions that come first, and lets those of the highest priority run alone."""
        self._is_settled = True
        top = min((position.rank for position in self._first_ones()), default=None)
        self._running = []
        if top is None:
            self._drop_boards()
            return
        for board in self._boards:
            while (first := board.first_waiting()) and first.rank[0] == top[0]:
                slot = self._free_slot(board, first)
                if slot is None:
                    break
                heapq.heappop(board.waiting)
                board.begin(first, slot)
            for slot, position in board.searched.items():
                if position.rank[0] == top[0]:
                    board.search.resume(slot)
                    self._running.append(position)
                else:
                    board.search.pause(slot)

    def _first_ones(self) -> Iterable[OpenPosition]:
        for board in self._boards:
            yield from board.searched.values()
            if first := board.first_waiting():
                yield first

    def _free_slot(self, board: _Board, first: OpenPosition) -> int | None:
        """An empty slot, or that of the last position of lower priority, which then begins anew later."""
        if len(board.searched) < self._slots:
            return next(slot for slot in range(self._slots) if slot not in board.searched)
        last = max(board.searched.values(), key=lambda position: position.rank)
        if last.rank[0] <= first.rank[0] or last.slot is None:
            return None
        slot = last.slot
        last.found = board.analysis(last)
        self._vacate(board, last)
        board.wait(last)
        return slot

    def _vacate(self, board: _Board, position: OpenPosition) -> None:
        if position.slot is not None:
            board.search.end(position.slot)
            del board.searched[position.slot]
            position.slot = None

    def _is_finished(self, position: OpenPosition) -> bool:
        slot, search = position.slot, self._home[position].search
        if slot is None:
            return False
        timed_out = position.seconds >= position.query.settings.max_seconds and search.visits(slot) > 0
        return timed_out or search.is_done(slot)
