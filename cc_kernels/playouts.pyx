# SPDX-License-Identifier: Apache-2.0
"""Uniform random games: the first training window, and a yardstick for the speed of the rules."""

import numpy as np

from cc_kernels.board cimport (
    Board,
    copy_state,
    history_copy,
    history_free,
    history_key,
    history_push,
    history_reserve,
    is_legal,
    is_own_eye,
    move_of,
    play_vertex,
)
from cc_kernels.rng cimport mix64, random_below
from cc_kernels.scoring cimport area_score_for_black
from cc_kernels.types cimport PASS_VERTEX, BoardState, History, int16_t, uint64_t


cdef int random_vertex(BoardState* s, const History* history, uint64_t* random) noexcept nogil:
    """A uniformly random legal move that fills no own eye, or PASS_VERTEX; may reorder the list of empty points."""
    cdef int left = s.num_empty, i, vertex, last
    while left > 0:
        i = random_below(random, left)
        vertex = s.empty[i]
        if not is_own_eye(s, vertex, s.to_play) and is_legal(s, history, vertex, s.to_play):
            return vertex
        left -= 1
        last = s.empty[left]
        s.empty[i] = last
        s.cells[last].empty_index = i
        s.empty[left] = vertex
        s.cells[vertex].empty_index = left
    return PASS_VERTEX


cdef int play_out(BoardState* s, History* history, uint64_t seed, int max_moves, int16_t* moves) noexcept nogil:
    """Plays random moves until two passes; how many it made. Writes them where `moves` is given."""
    cdef uint64_t random = mix64(seed)
    cdef int count = 0, vertex
    while count < max_moves and s.passes < 2:
        vertex = random_vertex(s, history, &random)
        if moves != NULL:
            moves[count] = move_of(s, vertex)
        play_vertex(s, vertex, s.to_play)
        history_push(history, history_key(s))
        count += 1
    return count


def random_game(Board board, uint64_t seed, int max_moves):
    """Plays uniform random legal moves that fill no own eye, on `board`, until two passes or `max_moves`.

    Returns:
        [T] int16, the moves made.
    """
    if max_moves < 0:
        raise ValueError(f"max_moves must be 0 or more, got {max_moves}")
    cdef int count
    moves = np.empty(max_moves + 1, np.int16)
    cdef int16_t[::1] view = moves
    history_reserve(&board.history, board.history.count + max_moves + 1)
    with nogil:
        count = play_out(&board.state, &board.history, seed, max_moves, &view[0])
    return moves[:count].copy()


def count_playouts(Board board, uint64_t seed, int count, int max_moves):
    """Plays `count` random games from a position, which stays as it is.

    Returns:
        The moves made in all games together, and the mean of Black's score.
    """
    cdef BoardState state
    cdef History history
    cdef int i
    cdef long long moves = 0
    cdef double score = 0
    if count < 1 or max_moves < 0:
        raise ValueError(f"count must be 1 or more and max_moves 0 or more, got {count} and {max_moves}")
    history.keys = NULL
    history.capacity = 0
    history_copy(&history, &board.history, max_moves + 1)
    with nogil:
        for i in range(count):
            copy_state(&state, &board.state)
            history.count = board.history.count
            moves += play_out(&state, &history, mix64(seed) + i, max_moves, NULL)
            score += area_score_for_black(&state)
        history_free(&history)
    return moves, score / count
