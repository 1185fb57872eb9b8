# SPDX-License-Identifier: Apache-2.0
"""The rules: play, capture, legality, ko and superko, on boards of any size from 2 to 19.

Chains are circular lists under a head that counts pseudo-liberties with their sum and sum of squares, so that atari
and capture are seen without walking a chain. Superko compares 64-bit Zobrist hashes with every earlier position; a
move is looked up only where its colour has stood before, since no earlier position had a stone there otherwise.
"""

from libc.math cimport isfinite
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

import numpy as np

from cc_kernels.rng cimport next_random
from cc_kernels.types cimport (
    C_BLACK,
    C_BORDER,
    C_EMPTY,
    C_KO_POSITIONAL,
    C_KO_SIMPLE,
    C_KO_SITUATIONAL,
    C_WHITE,
    EMPTY_SET,
    MAX_POINTS,
    MAX_SIZE,
    NO_VERTEX,
    NUM_LAST_MOVES,
    NUM_VERTICES,
    PASS_VERTEX,
    int8_t,
    int16_t,
)

EMPTY = C_EMPTY
BLACK = C_BLACK
WHITE = C_WHITE
MAX_BOARD_SIZE = MAX_SIZE
KO_SIMPLE = C_KO_SIMPLE
KO_POSITIONAL = C_KO_POSITIONAL
KO_SITUATIONAL = C_KO_SITUATIONAL

cdef uint64_t[2][NUM_VERTICES] zobrist
cdef uint64_t[MAX_SIZE + 1] size_key
cdef uint64_t white_to_play_key


cdef void fill_keys() noexcept:
    global white_to_play_key
    cdef uint64_t state = 20160127
    cdef int color, i
    for color in range(2):
        for i in range(NUM_VERTICES):
            zobrist[color][i] = next_random(&state)
    for i in range(MAX_SIZE + 1):
        size_key[i] = next_random(&state)
    white_to_play_key = next_random(&state)


fill_keys()


class IllegalMoveError(ValueError):
    """A move that the rules forbid; the message names the vertex, the colour and the rule."""


# ---------------------------------------------------------------------------------------------------------- state

cdef inline void flip(BoardState* s, int which, int vertex) noexcept nogil:
    """Puts a vertex into a set, or takes it out."""
    s.sets[which][vertex >> 6] ^= <uint64_t>1 << (vertex & 63)


cdef void reset_state(BoardState* s, int board_size, float komi, int ko_rule, int suicide) noexcept nogil:
    """Makes `s` the empty board with Black to play."""
    cdef int row, column, vertex, i
    memset(s, 0, sizeof(BoardState))
    s.board_size = board_size
    s.stride = board_size + 1
    s.num_vertices = (board_size + 2) * (board_size + 1) + 1
    s.num_points = board_size * board_size
    s.komi = komi
    s.ko_rule = ko_rule
    s.suicide = suicide
    s.ko_vertex = NO_VERTEX
    s.to_play = C_BLACK
    s.stone_hash = size_key[board_size]
    for i in range(NUM_LAST_MOVES):
        s.last_moves[i] = NO_VERTEX
    s.num_words = (s.num_vertices + 63) // 64
    for vertex in range(s.num_vertices):
        s.cells[vertex].color = C_BORDER
    for row in range(board_size):
        for column in range(board_size):
            vertex = (row + 1) * s.stride + column + 1
            s.cells[vertex].color = C_EMPTY
            s.cells[vertex].empty_index = s.num_empty
            s.empty[s.num_empty] = vertex
            s.num_empty += 1
            flip(s, EMPTY_SET, vertex)


cdef void copy_state(BoardState* target, const BoardState* source) noexcept nogil:
    """Copies a board as one block: the header and the vertices in use."""
    memcpy(target, source, <const char*>&source.cells[source.num_vertices] - <const char*>source)


cdef inline int color_index(int color) noexcept nogil:
    return 0 if color == C_BLACK else 1


cdef inline void add_liberty(Cell* head, int vertex) noexcept nogil:
    head.pseudo_liberties += 1
    head.liberty_sum += vertex
    head.liberty_sum_squares += vertex * vertex


cdef inline void drop_liberty(Cell* head, int vertex) noexcept nogil:
    head.pseudo_liberties -= 1
    head.liberty_sum -= vertex
    head.liberty_sum_squares -= vertex * vertex


cdef void merge_chains(BoardState* s, int a, int b) noexcept nogil:
    """Joins the chains with heads `a` and `b`; the larger one keeps its head."""
    cdef int vertex
    cdef int16_t swap
    if s.cells[a].num_stones < s.cells[b].num_stones:
        a, b = b, a
    cdef Cell* kept = &s.cells[a]
    cdef Cell* gone = &s.cells[b]
    kept.num_stones += gone.num_stones
    kept.pseudo_liberties += gone.pseudo_liberties
    kept.liberty_sum += gone.liberty_sum
    kept.liberty_sum_squares += gone.liberty_sum_squares
    vertex = b
    while True:
        s.cells[vertex].chain = a
        vertex = s.cells[vertex].next_stone
        if vertex == b:
            break
    swap = kept.next_stone
    kept.next_stone = gone.next_stone
    gone.next_stone = swap


cdef void remove_chain(BoardState* s, int head) noexcept nogil:
    """Takes a chain off the board and gives its points to the neighbours as liberties."""
    cdef int color = s.cells[head].color
    cdef int index = color_index(color)
    cdef int vertex = head, following, i
    cdef int[4] around
    s.captured[index] += s.cells[head].num_stones
    while True:                         # first clear all stones: a chain is no neighbour of itself
        s.cells[vertex].color = C_EMPTY
        flip(s, set_of(color), vertex)
        flip(s, EMPTY_SET, vertex)
        s.stone_hash ^= zobrist[index][vertex]
        s.cells[vertex].empty_index = s.num_empty
        s.empty[s.num_empty] = vertex
        s.num_empty += 1
        vertex = s.cells[vertex].next_stone
        if vertex == head:
            break
    while True:
        following = s.cells[vertex].next_stone
        neighbours(s, vertex, around)
        for i in range(4):
            if s.cells[around[i]].color == -color:
                add_liberty(&s.cells[s.cells[around[i]].chain], vertex)
        vertex = following
        if vertex == head:
            break


cdef void place_stone(BoardState* s, int vertex, int color) noexcept nogil:
    """Puts a stone on an empty vertex and joins it to its neighbours; captures nothing."""
    cdef Cell* cell = &s.cells[vertex]
    cdef int[4] around
    cdef int i
    cdef int16_t last
    s.num_empty -= 1
    last = s.empty[s.num_empty]
    s.empty[cell.empty_index] = last
    s.cells[last].empty_index = cell.empty_index
    s.stone_hash ^= zobrist[color_index(color)][vertex]
    flip(s, EMPTY_SET, vertex)
    flip(s, set_of(color), vertex)
    cell.color = color
    cell.held |= 1 if color == C_BLACK else 2
    cell.chain = vertex
    cell.next_stone = vertex
    cell.num_stones = 1
    cell.pseudo_liberties = 0
    cell.liberty_sum = 0
    cell.liberty_sum_squares = 0
    neighbours(s, vertex, around)
    for i in range(4):
        if s.cells[around[i]].color == C_EMPTY:
            add_liberty(cell, around[i])
        elif s.cells[around[i]].color != C_BORDER:
            drop_liberty(&s.cells[s.cells[around[i]].chain], vertex)
    for i in range(4):
        if s.cells[around[i]].color == color and s.cells[around[i]].chain != cell.chain:
            merge_chains(s, cell.chain, s.cells[around[i]].chain)


cdef void play_vertex(BoardState* s, int vertex, int color) noexcept nogil:
    """Plays a legal move (or PASS_VERTEX) of `color`; it is the other colour's turn then."""
    cdef int[4] around
    cdef int i, captures = 0, last_capture = NO_VERTEX
    cdef Cell* head
    for i in range(NUM_LAST_MOVES - 1, 0, -1):
        s.last_moves[i] = s.last_moves[i - 1]
    s.last_moves[0] = vertex
    s.move_count += 1
    s.to_play = -color
    s.ko_vertex = NO_VERTEX
    if vertex == PASS_VERTEX:
        s.passes = min(s.passes + 1, 100)
        return
    s.passes = 0
    place_stone(s, vertex, color)
    neighbours(s, vertex, around)
    for i in range(4):
        if s.cells[around[i]].color == -color:
            head = &s.cells[s.cells[around[i]].chain]
            if head.pseudo_liberties == 0:
                captures += head.num_stones
                last_capture = around[i]
                remove_chain(s, s.cells[around[i]].chain)
    head = &s.cells[s.cells[vertex].chain]
    if head.pseudo_liberties == 0:
        remove_chain(s, s.cells[vertex].chain)
    elif captures == 1 and head.num_stones == 1 and head.pseudo_liberties == 1:
        s.ko_vertex = last_capture
        s.ko_color = -color


# ------------------------------------------------------------------------------------------------------- legality

cdef uint64_t chain_hash(const BoardState* s, int head) noexcept nogil:
    cdef uint64_t result = 0
    cdef int index = color_index(s.cells[head].color)
    cdef int vertex = head
    while True:
        result ^= zobrist[index][vertex]
        vertex = s.cells[vertex].next_stone
        if vertex == head:
            return result


cdef uint64_t hash_after(const BoardState* s, int vertex, int color, bint suicide) noexcept nogil:
    """The stones' hash after a move that is on an empty vertex; `suicide` if it captures nothing and has no liberty."""
    cdef uint64_t result = s.stone_hash
    cdef int removed = color if suicide else -color
    cdef int[4] around
    cdef int[4] seen
    cdef int num_seen = 0, i, head
    if not suicide:
        result ^= zobrist[color_index(color)][vertex]
    neighbours(s, vertex, around)
    for i in range(4):
        if s.cells[around[i]].color != removed:
            continue
        head = s.cells[around[i]].chain
        if not in_atari(&s.cells[head]):
            continue
        if add_new(seen, &num_seen, head):
            result ^= chain_hash(s, head)
    return result


cdef inline uint64_t situation_key(const BoardState* s, uint64_t stone_hash, int to_play) noexcept nogil:
    if s.ko_rule == C_KO_SITUATIONAL and to_play == C_WHITE:
        return stone_hash ^ white_to_play_key
    return stone_hash


cdef uint64_t history_key(const BoardState* s) noexcept nogil:
    """What superko remembers of the present position."""
    return situation_key(s, s.stone_hash, s.to_play)


cdef int ko_apart(const BoardState* s, int vertex, int color) noexcept nogil:
    """What a move would be if there were no ko rule: FORBIDDEN, ORDINARY or SUICIDE (which the rules then allow)."""
    cdef int[4] around
    cdef int i, neighbour
    cdef bint suicide = True
    if s.cells[vertex].color != C_EMPTY:
        return FORBIDDEN
    neighbours(s, vertex, around)
    for i in range(4):
        neighbour = s.cells[around[i]].color
        if neighbour == C_EMPTY:
            return ORDINARY
        if neighbour != C_BORDER and in_atari(&s.cells[s.cells[around[i]].chain]) == (neighbour == -color):
            suicide = False
    if suicide:
        return SUICIDE if s.suicide else FORBIDDEN
    return ORDINARY


cdef bint breaks_ko(const BoardState* s, const History* history, int vertex, int color, int kind) noexcept nogil:
    """Whether the ko rule forbids a move that `ko_apart` says is of this kind."""
    cdef uint64_t key
    cdef int i
    if s.ko_rule == C_KO_SIMPLE:
        return vertex == s.ko_vertex and color == s.ko_color
    if kind == ORDINARY and not s.cells[vertex].held & (1 if color == C_BLACK else 2):
        return False
    key = situation_key(s, hash_after(s, vertex, color, kind == SUICIDE), -color)
    for i in range(history.count):
        if history.keys[i] == key:
            return True
    return False


cdef bint is_legal(const BoardState* s, const History* history, int vertex, int color) noexcept nogil:
    """Whether `color` may play on a vertex of the board; not for passes, which are always legal."""
    cdef int kind = ko_apart(s, vertex, color)
    return kind != FORBIDDEN and not breaks_ko(s, history, vertex, color, kind)


cdef int write_liberties(const BoardState* s, int head, int most, int* found) noexcept nogil:
    """Finds liberties of the chain under `head`, up to `most` (1 or more), in no order; returns how many."""
    cdef int count = 0, vertex = head, i
    cdef int[4] around
    while True:
        neighbours(s, vertex, around)
        for i in range(4):
            if s.cells[around[i]].color == C_EMPTY and add_new(found, &count, around[i]) and count == most:
                return count
        vertex = s.cells[vertex].next_stone
        if vertex == head:
            return count


cdef int count_liberties(const BoardState* s, int head, int most) noexcept nogil:
    """Liberties of the chain under `head`, counted up to `most`, at most MAX_POINTS."""
    cdef int[MAX_POINTS] found
    if in_atari(&s.cells[head]):
        return 1
    if s.cells[head].pseudo_liberties > 4 * (most - 1):
        return most                     # each liberty is in at most four pairs
    return write_liberties(s, head, most, found)


cdef bint is_own_eye(const BoardState* s, int vertex, int color) noexcept nogil:
    """Whether an empty vertex is a one-point eye that a random player of `color` should not fill.

    All four neighbours are own stones or border, and the enemy holds less than two diagonals, or none at the edge.
    """
    cdef int[4] around
    cdef int i, enemies = 0, borders = 0, diagonal
    neighbours(s, vertex, around)
    for i in range(4):
        if s.cells[around[i]].color != color and s.cells[around[i]].color != C_BORDER:
            return False
    around[0] = vertex - s.stride - 1
    around[1] = vertex - s.stride + 1
    around[2] = vertex + s.stride - 1
    around[3] = vertex + s.stride + 1
    for i in range(4):
        diagonal = s.cells[around[i]].color
        enemies += diagonal == -color
        borders += diagonal == C_BORDER
    return enemies + (1 if borders > 0 else 0) < 2


# -------------------------------------------------------------------------------------------------------- history

cdef bint history_grow(History* history, int capacity) noexcept nogil:
    """Makes room for at least `capacity` keys; False if there is no memory, the history then being as it was."""
    if capacity <= history.capacity:
        return True
    cdef uint64_t* keys = <uint64_t*>realloc(history.keys, capacity * sizeof(uint64_t))
    if keys == NULL:
        return False
    history.keys = keys
    history.capacity = capacity
    return True


cdef int history_reserve(History* history, int capacity) except -1:
    """Makes room for at least `capacity` keys. Raises MemoryError, leaving the history as it was."""
    if not history_grow(history, capacity):
        raise MemoryError(f"no memory for {capacity} positions of history")
    return 0


cdef int history_copy(History* target, const History* source, int spare) except -1:
    """Copies a history and leaves room for `spare` more keys."""
    history_reserve(target, source.count + spare)
    memcpy(target.keys, source.keys, source.count * sizeof(uint64_t))
    target.count = source.count
    return 0


cdef void history_free(History* history) noexcept nogil:
    free(history.keys)
    history.keys = NULL


# --------------------------------------------------------------------------------------------------------- Python

cdef class Board:
    """A position with its rules and the history that superko needs.

    Points are row-major from the top left; the move `pass_move` = N² passes. Colours are BLACK = 1, WHITE = -1.
    Wherever a colour is optional, 0 means the side to move.

    Args:
        board_size: points along one side, 2 to 19.
        komi: points added to White's score.
        ko_rule: KO_SIMPLE, KO_POSITIONAL or KO_SITUATIONAL.
        suicide: whether a move may remove its own chain.
    """

    def __cinit__(self, int board_size, float komi=7.5, int ko_rule=C_KO_POSITIONAL, bint suicide=False):
        if not 2 <= board_size <= MAX_SIZE:
            raise ValueError(f"board_size must be in 2..{MAX_SIZE}, got {board_size}")
        if not C_KO_SIMPLE <= ko_rule <= C_KO_SITUATIONAL:
            raise ValueError(f"ko_rule must be KO_SIMPLE, KO_POSITIONAL or KO_SITUATIONAL, got {ko_rule}")
        check_komi(komi)
        reset_state(&self.state, board_size, komi, ko_rule, suicide)
        history_reserve(&self.history, 2 * self.state.num_points)
        history_push(&self.history, history_key(&self.state))

    def __dealloc__(self):
        history_free(&self.history)

    @property
    def board_size(self):
        """Points along one side, N."""
        return self.state.board_size

    @property
    def num_points(self):
        """N²."""
        return self.state.num_points

    @property
    def num_moves(self):
        """N² + 1: every point, and the pass."""
        return self.state.num_points + 1

    @property
    def pass_move(self):
        """The move that passes, N²."""
        return self.state.num_points

    @property
    def ko_rule(self):
        """KO_SIMPLE, KO_POSITIONAL or KO_SITUATIONAL."""
        return self.state.ko_rule

    @property
    def suicide(self):
        """Whether a move may remove its own chain."""
        return bool(self.state.suicide)

    @property
    def komi(self):
        """Points added to White's score."""
        return self.state.komi

    @komi.setter
    def komi(self, float komi):
        check_komi(komi)
        self.state.komi = komi

    @property
    def to_play(self):
        """The side to move. Setting it plays nothing and makes no history."""
        return self.state.to_play

    @to_play.setter
    def to_play(self, int color):
        check_color(color)
        self.state.to_play = color

    @property
    def passes(self):
        """Consecutive passes just made."""
        return self.state.passes

    @property
    def move_count(self):
        """Moves played, passes included."""
        return self.state.move_count

    @property
    def ko_point(self):
        """The point where a single stone was just taken and may not be retaken at once by the side to move, or None.

        Under superko the retake is forbidden because it repeats; this names the point all the same.
        """
        cdef bint binding = self.state.ko_vertex != NO_VERTEX and self.state.ko_color == self.state.to_play
        return point_of(&self.state, self.state.ko_vertex) if binding else None

    @property
    def stone_hash(self):
        """64-bit Zobrist hash of the stones and the board size."""
        return self.state.stone_hash

    @property
    def stones(self):
        """[N, N] int8, a copy: BLACK, WHITE or EMPTY at each point."""
        cdef int point
        result = np.empty(self.state.num_points, np.int8)
        cdef int8_t[::1] view = result
        for point in range(self.state.num_points):
            view[point] = self.state.cells[vertex_of(&self.state, point)].color
        return result.reshape(self.state.board_size, self.state.board_size)

    @property
    def liberties(self):
        """[N, N] int16: liberties of the chain on each point, 0 where it is empty."""
        cdef int point, vertex
        result = np.zeros(self.state.num_points, np.int16)
        cdef int16_t[::1] view = result
        for point in range(self.state.num_points):
            vertex = vertex_of(&self.state, point)
            if self.state.cells[vertex].color != C_EMPTY:
                view[point] = count_liberties(&self.state, self.state.cells[vertex].chain, MAX_POINTS)
        return result.reshape(self.state.board_size, self.state.board_size)

    def captured(self, int color):
        """The number of stones of `color` that have been taken off the board so far."""
        check_color(color)
        return self.state.captured[color_index(color)]

    def copy(self):
        """An independent board with the same position, rules and history."""
        cdef Board other = Board.__new__(Board, self.state.board_size)
        copy_state(&other.state, &self.state)
        history_copy(&other.history, &self.history, self.state.num_points)
        return other

    cdef int check_move(self, int move, int color) except? -2:
        """The vertex of a move, after raising ValueError unless move and colour exist."""
        check_color(color)
        if not 0 <= move <= self.state.num_points:
            raise ValueError(f"move must be in 0..{self.state.num_points}, got {move}")
        return move_vertex(&self.state, move)

    def play(self, int move, int color=0):
        """Plays a move or a pass; the other colour is to move then.

        Raises:
            IllegalMoveError: the rules forbid the move; the board is as it was.
            ValueError: there is no such move or colour.
        """
        cdef int player = color if color != 0 else self.state.to_play
        cdef int vertex = self.check_move(move, player)
        if vertex != PASS_VERTEX and not is_legal(&self.state, &self.history, vertex, player):
            raise IllegalMoveError(why_illegal(&self.state, vertex, player))
        if self.history.count == self.history.capacity:
            history_reserve(&self.history, 2 * self.history.capacity)
        play_vertex(&self.state, vertex, player)
        history_push(&self.history, history_key(&self.state))

    def is_legal(self, int move, int color=0):
        """Whether the rules allow `color` to play a move now; a pass is always legal."""
        cdef int player = color if color != 0 else self.state.to_play
        cdef int vertex = self.check_move(move, player)
        return vertex == PASS_VERTEX or bool(is_legal(&self.state, &self.history, vertex, player))

    def legal_moves(self, int color=0):
        """[A] bool: the moves that the rules allow `color` now."""
        cdef int player = color if color != 0 else self.state.to_play
        cdef int i, vertex
        check_color(player)
        result = np.zeros(self.state.num_points + 1, np.uint8)
        cdef unsigned char[::1] view = result
        with nogil:
            for i in range(self.state.num_empty):
                vertex = self.state.empty[i]
                view[point_of(&self.state, vertex)] = is_legal(&self.state, &self.history, vertex, player)
            view[self.state.num_points] = True
        return result.view(np.bool_)

    def setup(self, stones, int to_play=C_BLACK):
        """Replaces the position and forgets its history, captures and move count.

        Args:
            stones: [N, N] int8, BLACK, WHITE or EMPTY at each point.
            to_play: the side to move.

        Raises:
            ValueError: wrong shape or values, or a chain without liberty; the board is as it was.
        """
        check_color(to_play)
        cdef int size = self.state.board_size
        given = np.asarray(stones)
        if given.shape != (size, size) or not np.isin(given, (C_EMPTY, C_BLACK, C_WHITE)).all():
            raise ValueError(f"stones must be [{size}, {size}] of -1, 0 and 1, got shape {given.shape}")
        cdef BoardState fresh
        cdef const int8_t[::1] view = np.ascontiguousarray(given, np.int8).ravel()
        cdef int point, vertex
        reset_state(&fresh, size, self.state.komi, self.state.ko_rule, self.state.suicide)
        for point in range(fresh.num_points):
            if view[point] != C_EMPTY:
                place_stone(&fresh, vertex_of(&fresh, point), view[point])
        for vertex in range(fresh.num_vertices):
            if fresh.cells[vertex].color in (C_BLACK, C_WHITE):
                if fresh.cells[fresh.cells[vertex].chain].pseudo_liberties == 0:
                    raise ValueError(f"the chain at {vertex_name(&fresh, vertex)} has no liberty")
        fresh.to_play = to_play
        copy_state(&self.state, &fresh)
        self.history.count = 0
        history_push(&self.history, history_key(&self.state))

    def __eq__(self, other):
        """Same rules, komi, stones, side to move, ko and passes; history apart."""
        if not isinstance(other, Board):
            return NotImplemented
        cdef BoardState* mine = &self.state
        cdef BoardState* theirs = &(<Board>other).state
        cdef int vertex
        if (
            mine.board_size != theirs.board_size
            or mine.komi != theirs.komi
            or mine.ko_rule != theirs.ko_rule
            or mine.suicide != theirs.suicide
            or mine.to_play != theirs.to_play
            or mine.ko_vertex != theirs.ko_vertex
            or mine.passes != theirs.passes
            or mine.stone_hash != theirs.stone_hash
        ):
            return False
        for vertex in range(mine.num_vertices):
            if mine.cells[vertex].color != theirs.cells[vertex].color:
                return False
        return True

    __hash__ = None


cdef int check_komi(float komi) except -1:
    if not isfinite(komi):
        raise ValueError(f"komi must be finite, got {komi}")
    return 0


cdef int check_color(int color) except -1:
    if color != C_BLACK and color != C_WHITE:
        raise ValueError(f"color must be BLACK = 1 or WHITE = -1, got {color}")
    return 0


cdef str why_illegal(const BoardState* s, int vertex, int color):
    """One sentence: which move of which colour breaks which rule."""
    if s.cells[vertex].color != C_EMPTY:
        reason = "the point is occupied"
    elif ko_apart(s, vertex, color) == FORBIDDEN:
        reason = "it is suicide"
    elif s.ko_rule == C_KO_SIMPLE:
        reason = "it retakes a ko at once"
    else:
        kind = "positional" if s.ko_rule == C_KO_POSITIONAL else "situational"
        reason = f"it repeats an earlier position ({kind} superko)"
    return f"{vertex_name(s, vertex)} is illegal for {'black' if color == C_BLACK else 'white'}: {reason}"


cdef str vertex_name(const BoardState* s, int vertex):
    cdef int point = point_of(s, vertex)
    return f"{'ABCDEFGHJKLMNOPQRST'[point % s.board_size]}{s.board_size - point // s.board_size}"
