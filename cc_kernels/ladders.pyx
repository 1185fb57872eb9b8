# SPDX-License-Identifier: Apache-2.0
"""Ladders: chains that one atari after another takes, however they run.

A ladder is read as far as a network can use it in little time: the owner runs out each time, and has escaped if he can
take stones beside the chain; the opponent gives atari where that leaves the chain less room to run, and tries both ways
at first and, not often, where the room is the same. What is read depends on the stones alone, not on what came before
them, and not on the order in which points are looked at: images of a position have images of its ladders.
"""

from cc_kernels.board cimport (
    ORDINARY,
    add_new,
    copy_state,
    in_atari,
    ko_apart,
    neighbours,
    play_vertex,
    write_liberties,
)
from cc_kernels.types cimport C_EMPTY, NO_VERTEX, BoardState

cdef enum:
    ESCAPED = 3                         # liberties with which a chain has run away
    MAX_ATARIS = 60                     # a chain that takes more from one fork to the next has escaped
    MAX_FORKS = 2                       # ataris in a line, after the first, that may go either way


cdef int room_after(const BoardState* s, int head, int vertex, int closed) noexcept nogil:
    """Liberties, at most `ESCAPED`, that a chain gains by playing on its liberty `vertex`, not counting `closed`."""
    cdef int[4] around
    cdef int[ESCAPED] found
    cdef int[ESCAPED + 2] theirs        # as many as can be new, and the two that are not
    cdef int count = 0, color, num_theirs, i, j
    neighbours(s, vertex, around)
    for i in range(4):
        color = s.cells[around[i]].color
        if color == C_EMPTY:
            num_theirs = around[i] != closed
            theirs[0] = around[i]
        elif color == s.cells[head].color and s.cells[around[i]].chain != head:
            num_theirs = write_liberties(s, s.cells[around[i]].chain, ESCAPED + 2, theirs)
        elif color == -s.cells[head].color and in_atari(&s.cells[s.cells[around[i]].chain]):
            num_theirs = 1              # it is taken from there
            theirs[0] = around[i]
        else:
            num_theirs = 0
        for j in range(num_theirs):
            if theirs[j] != vertex and theirs[j] != closed and add_new(found, &count, theirs[j]) and count == ESCAPED:
                return count
    return count


cdef bint can_take(const BoardState* s, int head) noexcept nogil:
    """Whether a chain beside this one is in atari."""
    cdef int vertex = head, i
    cdef int[4] around
    while True:
        neighbours(s, vertex, around)
        for i in range(4):
            if s.cells[around[i]].color == -s.cells[head].color and in_atari(&s.cells[s.cells[around[i]].chain]):
                return True
        vertex = s.cells[vertex].next_stone
        if vertex == head:
            return False


cdef inline int room_if_chased(const BoardState* s, int head, int atari, int run) noexcept nogil:
    """The room that an atari leaves a chain which then runs; `ESCAPED` if the opponent may not play there."""
    return room_after(s, head, run, atari) if ko_apart(s, atari, -s.cells[head].color) == ORDINARY else ESCAPED


cdef bint is_taken(BoardState* s, int vertex, int forks) noexcept nogil:
    """Whether the chain at `vertex`, which is in atari, is taken although its owner moves; plays it out on `s`."""
    cdef int[ESCAPED] liberties
    cdef int color = s.cells[vertex].color, head, first, second, _atari
    for _atari in range(MAX_ATARIS):
        head = s.cells[vertex].chain
        if can_take(s, head):
            return False
        write_liberties(s, head, 1, liberties)
        if ko_apart(s, liberties[0], color) != ORDINARY:
            return True
        play_vertex(s, liberties[0], color)
        head = s.cells[vertex].chain
        if in_atari(&s.cells[head]):
            return True
        if write_liberties(s, head, ESCAPED, liberties) == ESCAPED:
            return False
        first = room_if_chased(s, head, liberties[0], liberties[1])
        second = room_if_chased(s, head, liberties[1], liberties[0])
        if first == second:
            return first < ESCAPED and forks > 0 and is_chased(s, head, liberties, forks - 1)
        play_vertex(s, liberties[0] if first < second else liberties[1], -color)
    return False


cdef bint is_chased(const BoardState* s, int head, const int* liberties, int forks) noexcept nogil:
    """Whether an atari on one of its two liberties takes a chain."""
    cdef BoardState read
    cdef int i
    for i in range(2):
        if room_if_chased(s, head, liberties[i], liberties[1 - i]) < ESCAPED:
            copy_state(&read, s)
            play_vertex(&read, liberties[i], -s.cells[head].color)
            if is_taken(&read, head, forks):
                return True
    return False


cdef bint ladder_takes(const BoardState* s, int head, int num_liberties) noexcept nogil:
    """Whether a ladder takes the chain under `head`, which has one liberty and moves, or two and waits."""
    cdef BoardState read
    cdef int[2] liberties
    write_liberties(s, head, num_liberties, liberties)
    if num_liberties == 2:
        return is_chased(s, head, liberties, MAX_FORKS)
    if can_take(s, head) or room_after(s, head, liberties[0], NO_VERTEX) == ESCAPED:
        return False
    copy_state(&read, s)
    return is_taken(&read, head, MAX_FORKS)
