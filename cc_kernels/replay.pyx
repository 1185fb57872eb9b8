# SPDX-License-Identifier: Apache-2.0
"""Recorded games to network input: positions are replayed from their moves, nothing is stored but the moves."""

from libc.stdint cimport int32_t, int64_t

from cc_kernels.board cimport (
    history_free,
    history_key,
    history_push,
    history_reserve,
    move_vertex,
    play_vertex,
    reset_state,
)
from cc_kernels.features cimport (
    C_NUM_PLANES,
    C_NUM_SCALARS,
    C_NUM_SYMMETRIES,
    KoPoints,
    find_ko_points,
    write_planes,
)
from cc_kernels.scoring cimport write_pass_alive
from cc_kernels.types cimport (
    C_EMPTY,
    MAX_SIZE,
    NUM_VERTICES,
    PASS_VERTEX,
    BoardState,
    History,
    int8_t,
    int16_t,
    uint8_t,
)


cdef bint replay_moves(BoardState* s, History* history, const int16_t* moves, int count) noexcept nogil:
    """Plays moves from the start of a game; False, and no further, at one that is on no empty point."""
    cdef int ply, vertex
    history.count = 0
    history_push(history, history_key(s))
    for ply in range(count):
        if not 0 <= moves[ply] <= s.num_points:
            return False
        vertex = move_vertex(s, moves[ply])
        if vertex != PASS_VERTEX and s.cells[vertex].color != C_EMPTY:
            return False
        play_vertex(s, vertex, s.to_play)
        history_push(history, history_key(s))
    return True


def write_examples(
    int board_size,
    int ko_rule,
    bint suicide,
    float[::1] komi,
    int16_t[::1] moves,
    int64_t[::1] starts,
    int64_t[::1] games,
    int32_t[::1] plies,
    uint8_t[::1] symmetries,
    uint8_t[:, :, :, ::1] planes,
    float[:, ::1] scalars,
):
    """Writes the network's input for chosen positions of recorded games.

    The games must have been checked: of their moves only that they are on the board and on empty points is seen to.

    Args:
        board_size: N of all the games.
        ko_rule, suicide: the rules of all the games, as `Board` takes them.
        komi: [G] float32, of each game.
        moves: [sum of lengths] int16, the games' moves one after the other, Black first, alternating.
        starts: [G + 1] int64; game g is moves[starts[g] : starts[g + 1]].
        games: [B] int64, the game of each example.
        plies: [B] int32; the example is the position before this ply (or the final one, if it is the game's length).
        symmetries: [B] uint8, 0 … 7.
        planes: [B, N, N, NUM_PLANES] uint8, overwritten.
        scalars: [B, NUM_SCALARS] float32, overwritten.

    Raises:
        ValueError: shapes disagree, an index is outside its range, or a move is on no empty point.
    """
    cdef int64_t batch = games.shape[0], i, game, bad = -1
    cdef int longest = 0, num_decided
    cdef const int16_t* all_moves = &moves[0] if moves.shape[0] else NULL
    cdef BoardState state
    cdef History history
    cdef KoPoints ko
    cdef int8_t[NUM_VERTICES] owner
    if not 2 <= board_size <= MAX_SIZE:
        raise ValueError(f"board_size must be in 2..{MAX_SIZE}, got {board_size}")
    if plies.shape[0] != batch or symmetries.shape[0] != batch or planes.shape[0] != batch or scalars.shape[0] != batch:
        raise ValueError(f"games, plies, symmetries, planes and scalars must all have {batch} rows")
    if planes.shape[1] != board_size or planes.shape[2] != board_size or planes.shape[3] != C_NUM_PLANES:
        raise ValueError(f"planes must be [{batch}, {board_size}, {board_size}, {C_NUM_PLANES}]")
    if scalars.shape[1] != C_NUM_SCALARS:
        raise ValueError(f"scalars must have {C_NUM_SCALARS} columns, got {scalars.shape[1]}")
    if komi.shape[0] != starts.shape[0] - 1:
        raise ValueError(f"komi must have {starts.shape[0] - 1} rows, got {komi.shape[0]}")
    for i in range(batch):
        game = games[i]
        if not 0 <= game < komi.shape[0]:
            raise ValueError(f"games[{i}] must be in 0..{komi.shape[0] - 1}, got {game}")
        if not 0 <= starts[game] <= starts[game + 1] <= moves.shape[0]:
            raise ValueError(f"starts[{game}] and the next must be in 0..{moves.shape[0]} and in order")
        if not 0 <= plies[i] <= starts[game + 1] - starts[game]:
            raise ValueError(f"plies[{i}] must be in 0..{starts[game + 1] - starts[game]}, got {plies[i]}")
        if symmetries[i] >= C_NUM_SYMMETRIES:
            raise ValueError(f"symmetries[{i}] must be in 0..7, got {symmetries[i]}")
        longest = max(longest, plies[i])
    history.keys = NULL
    history.capacity = 0
    history_reserve(&history, longest + 1)
    with nogil:
        for i in range(batch):
            reset_state(&state, board_size, komi[games[i]], ko_rule, suicide)
            if not replay_moves(&state, &history, all_moves + starts[games[i]], plies[i]):
                bad = i
                break
            find_ko_points(&state, &history, &ko)
            num_decided = write_pass_alive(&state, owner)
            write_planes(
                &state, &ko, owner if num_decided else NULL, symmetries[i], &planes[i, 0, 0, 0], &scalars[i, 0]
            )
        history_free(&history)
    if bad >= 0:
        raise ValueError(f"moves of game {games[bad]} before ply {plies[bad]} must be on empty points or pass")
