# SPDX-License-Identifier: Apache-2.0
"""Feature planes for the player to move, in any of the eight symmetries of the board.

Every value is 0 or 1; `PLANE_NAMES` and `SCALAR_NAMES` say what each means. The key of a position covers all that the
planes and scalars depend on, so equal keys mean equal input to the network.
"""

from libc.string cimport memcpy, memset

import numpy as np

from cc_kernels.board cimport FORBIDDEN, Board, breaks_ko, count_liberties, ko_apart, point_of
from cc_kernels.rng cimport mix64
from cc_kernels.scoring cimport write_pass_alive
from cc_kernels.types cimport (
    C_BLACK,
    C_BORDER,
    C_EMPTY,
    C_KO_SIMPLE,
    C_WHITE,
    MAX_SIZE,
    NO_VERTEX,
    NUM_LAST_MOVES,
    NUM_VERTICES,
    PASS_VERTEX,
)

from libc.stdint cimport uint32_t

NUM_SYMMETRIES = C_NUM_SYMMETRIES
PLANE_NAMES = (
    "own stone",
    "opponent's stone",
    "chain with 1 liberty",
    "chain with 2 liberties",
    "chain with 3 liberties",
    "forbidden by ko or superko",
    "last move",
    "move before it",
    "third last move",
    "fourth last move",
    "fifth last move",
    "own pass-alive point",
    "opponent's pass-alive point",
    "on the board",
)
SCALAR_NAMES = ("komi for the player to move / 15", "the last move was a pass")
NUM_PLANES = C_NUM_PLANES
NUM_SCALARS = C_NUM_SCALARS

cdef enum:
    OWN = 0
    OPPONENT = 1
    ONE_LIBERTY = 2
    KO = 5
    LAST_MOVE = 6
    OWN_ALIVE = 11
    OPPONENT_ALIVE = 12
    ON_BOARD = 13

cdef int16_t[MAX_SIZE + 1][C_NUM_SYMMETRIES][MAX_POINTS] images


cdef void fill_images() noexcept:
    """Symmetry bits: 4 transposes, then 1 turns the rows over, then 2 the columns."""
    cdef int size, symmetry, row, column, r, c
    for size in range(2, MAX_SIZE + 1):
        for symmetry in range(C_NUM_SYMMETRIES):
            for row in range(size):
                for column in range(size):
                    r, c = (column, row) if symmetry & 4 else (row, column)
                    if symmetry & 1:
                        r = size - 1 - r
                    if symmetry & 2:
                        c = size - 1 - c
                    images[size][symmetry][row * size + column] = r * size + c


fill_images()


cdef const int16_t* symmetry_image(int board_size, int symmetry) noexcept nogil:
    """[N²]: the point that each point goes to."""
    return &images[board_size][symmetry][0]


cdef void find_ko_points(const BoardState* s, const History* history, KoPoints* ko) noexcept nogil:
    """Collects what ko or superko alone forbids the side to move."""
    cdef int i, vertex, kind, held = 1 if s.to_play == C_BLACK else 2
    ko.count = 0
    if s.ko_rule == C_KO_SIMPLE:
        if s.ko_vertex != NO_VERTEX and s.ko_color == s.to_play:
            ko.vertices[0] = s.ko_vertex
            ko.count = 1
        return
    for i in range(s.num_empty):
        vertex = s.empty[i]
        if not (s.suicide or s.cells[vertex].held & held):
            continue
        kind = ko_apart(s, vertex, s.to_play)
        if kind != FORBIDDEN and breaks_ko(s, history, vertex, s.to_play, kind):
            ko.vertices[ko.count] = vertex
            ko.count += 1


cdef uint64_t features_key(const BoardState* s, const KoPoints* ko) noexcept nogil:
    """64-bit key of everything that `write_planes` reads."""
    cdef uint64_t key = s.stone_hash, ko_key = 0
    cdef uint32_t komi_bits
    cdef int i
    memcpy(&komi_bits, &s.komi, sizeof(komi_bits))
    for i in range(ko.count):
        ko_key ^= mix64(1000 + ko.vertices[i])
    key = mix64(key ^ ko_key)
    key = mix64(key + komi_bits)
    key = mix64(key + (s.to_play == C_WHITE) + 2 * (s.passes > 0) + 4 * s.suicide)
    for i in range(NUM_LAST_MOVES):
        key = mix64(key + <uint64_t>(s.last_moves[i] + 2))
    return key


cdef inline uint8_t* cell_planes(const BoardState* s, uint8_t* planes, const int16_t* image, int vertex) noexcept nogil:
    return planes + C_NUM_PLANES * image[point_of(s, vertex)]


cdef void write_planes(
    const BoardState* s,
    const KoPoints* ko,
    const int8_t* pass_alive,
    int symmetry,
    uint8_t* planes,
    float* scalars,
) noexcept nogil:
    """Writes [N, N, C_NUM_PLANES] planes and [C_NUM_SCALARS] scalars for the side to move.

    `pass_alive` holds owners by vertex, as `write_pass_alive` leaves them.
    """
    cdef const int16_t* image = symmetry_image(s.board_size, symmetry)
    cdef int8_t[NUM_VERTICES] liberties  # at a chain's head: 1 to 4, or 0 where not yet counted
    cdef int vertex, head, color, i
    cdef uint8_t* row
    memset(planes, 0, s.num_points * C_NUM_PLANES)
    memset(liberties, 0, s.num_vertices)
    for vertex in range(s.stride, s.num_vertices - s.stride):
        color = s.cells[vertex].color
        if color == C_BORDER:
            continue
        row = cell_planes(s, planes, image, vertex)
        row[ON_BOARD] = 1
        if pass_alive[vertex] != C_EMPTY:
            row[OWN_ALIVE if pass_alive[vertex] == s.to_play else OPPONENT_ALIVE] = 1
        if color == C_EMPTY:
            continue
        row[OWN if color == s.to_play else OPPONENT] = 1
        head = s.cells[vertex].chain
        if liberties[head] == 0:
            liberties[head] = count_liberties(s, head, 4)
        if liberties[head] < 4:
            row[ONE_LIBERTY + liberties[head] - 1] = 1
    for i in range(ko.count):
        cell_planes(s, planes, image, ko.vertices[i])[KO] = 1
    for i in range(NUM_LAST_MOVES):
        if s.last_moves[i] != NO_VERTEX and s.last_moves[i] != PASS_VERTEX:
            cell_planes(s, planes, image, s.last_moves[i])[LAST_MOVE + i] = 1
    scalars[0] = (s.komi if s.to_play == C_WHITE else -s.komi) / 15
    scalars[1] = 1 if s.passes > 0 else 0


def write_features(Board board, uint8_t[:, :, ::1] planes, float[::1] scalars, int symmetry=0):
    """Writes the network's input for the side to move.

    Args:
        board: the position.
        planes: [N, N, NUM_PLANES] uint8, overwritten with 0 and 1.
        scalars: [NUM_SCALARS] float32, overwritten.
        symmetry: 0 … 7; point p is written at `symmetry_images(N)[symmetry][p]`.

    Raises:
        ValueError: a wrong shape or symmetry.
    """
    cdef BoardState* s = &board.state
    cdef KoPoints ko
    cdef int8_t[NUM_VERTICES] owner
    if planes.shape[0] != s.board_size or planes.shape[1] != s.board_size or planes.shape[2] != C_NUM_PLANES:
        raise ValueError(f"planes must be [{s.board_size}, {s.board_size}, {C_NUM_PLANES}]")
    if scalars.shape[0] != C_NUM_SCALARS:
        raise ValueError(f"scalars must be [{C_NUM_SCALARS}], got [{scalars.shape[0]}]")
    if not 0 <= symmetry < C_NUM_SYMMETRIES:
        raise ValueError(f"symmetry must be in 0..7, got {symmetry}")
    find_ko_points(s, &board.history, &ko)
    write_pass_alive(s, owner)
    write_planes(s, &ko, owner, symmetry, &planes[0, 0, 0], &scalars[0])


def position_key(Board board):
    """64-bit key of the network's input: equal keys, equal planes and scalars."""
    cdef KoPoints ko
    find_ko_points(&board.state, &board.history, &ko)
    return features_key(&board.state, &ko)


def symmetry_images(int board_size):
    """[8, N²] int16: the point that each point goes to under each symmetry; symmetry 0 is the identity.

    A plane is transformed by `out[images[s][p]] = plane[p]`.
    """
    if not 2 <= board_size <= MAX_SIZE:
        raise ValueError(f"board_size must be in 2..{MAX_SIZE}, got {board_size}")
    cdef int symmetry, point
    result = np.empty((C_NUM_SYMMETRIES, board_size * board_size), np.int16)
    cdef int16_t[:, ::1] view = result
    for symmetry in range(C_NUM_SYMMETRIES):
        for point in range(board_size * board_size):
            view[symmetry, point] = images[board_size][symmetry][point]
    return result
