# SPDX-License-Identifier: Apache-2.0
"""The rules of Go on plain structs. `Board` is their Python face; kernels call the functions below.

None of the functions checks its arguments: legality is checked at the Python door, or by the caller with `is_legal`.
"""

from cc_kernels.types cimport BLACK_SET, C_BLACK, WHITE_SET, BoardState, Cell, History, uint64_t

cdef extern from *:
    int lowest_bit "__builtin_ctzll"(uint64_t bits) noexcept nogil      # not for 0
    int count_bits "__builtin_popcountll"(uint64_t bits) noexcept nogil

cdef enum:
    FORBIDDEN = 0
    ORDINARY = 1
    SUICIDE = 2

cdef void reset_state(BoardState* s, int board_size, float komi, int ko_rule, int suicide) noexcept nogil
cdef void copy_state(BoardState* target, const BoardState* source) noexcept nogil
cdef int ko_apart(const BoardState* s, int vertex, int color) noexcept nogil
cdef bint breaks_ko(const BoardState* s, const History* history, int vertex, int color, int kind) noexcept nogil
cdef bint is_legal(const BoardState* s, const History* history, int vertex, int color) noexcept nogil
cdef void play_vertex(BoardState* s, int vertex, int color) noexcept nogil
cdef uint64_t history_key(const BoardState* s) noexcept nogil
cdef int write_liberties(const BoardState* s, int head, int most, int* found) noexcept nogil
cdef int count_liberties(const BoardState* s, int head, int most) noexcept nogil
cdef bint is_own_eye(const BoardState* s, int vertex, int color) noexcept nogil

cdef bint history_grow(History* history, int capacity) noexcept nogil
cdef int history_reserve(History* history, int capacity) except -1
cdef int history_copy(History* target, const History* source, int spare) except -1
cdef void history_free(History* history) noexcept nogil


cdef inline void history_push(History* history, uint64_t key) noexcept nogil:
    """Appends a key; the caller has reserved room for it."""
    history.keys[history.count] = key
    history.count += 1


cdef inline int set_of(int color) noexcept nogil:
    """Which of the board's sets holds a colour's stones."""
    return BLACK_SET if color == C_BLACK else WHITE_SET


cdef inline int vertex_of(const BoardState* s, int point) noexcept nogil:
    return point + (point // s.board_size) + s.stride + 1


cdef inline int point_of(const BoardState* s, int vertex) noexcept nogil:
    return vertex - s.stride - 1 - (vertex - s.stride - 1) // s.stride


cdef inline int move_of(const BoardState* s, int vertex) noexcept nogil:
    """The move that plays on a vertex; PASS_VERTEX passes."""
    return s.num_points if vertex == 0 else point_of(s, vertex)


cdef inline int move_vertex(const BoardState* s, int move) noexcept nogil:
    """The vertex a move plays on, or PASS_VERTEX."""
    return 0 if move == s.num_points else vertex_of(s, move)


cdef inline void neighbours(const BoardState* s, int vertex, int* around) noexcept nogil:
    around[0] = vertex - s.stride
    around[1] = vertex - 1
    around[2] = vertex + 1
    around[3] = vertex + s.stride


cdef inline bint add_new(int* found, int* count, int vertex) noexcept nogil:
    """Appends a vertex unless it is there; whether it was not."""
    cdef int i
    for i in range(count[0]):
        if found[i] == vertex:
            return False
    found[count[0]] = vertex
    count[0] += 1
    return True


cdef inline bint in_atari(const Cell* head) noexcept nogil:
    """Whether a chain has exactly one liberty."""
    return (
        <long long>head.pseudo_liberties * head.liberty_sum_squares == <long long>head.liberty_sum * head.liberty_sum
    )


cdef class Board:
    cdef BoardState state
    cdef History history

    cdef int check_move(self, int move, int color) except? -2
