# SPDX-License-Identifier: Apache-2.0
"""Feature planes for the player to move, in any of the eight symmetries of the board.

Every value is 0 or 1; `PLANE_NAMES` and `SCALAR_NAMES` say what each means. The key of a position covers all that the
planes and scalars depend on, and is the same for positions that are images of each other. A search writes a position
in the symmetry that takes it to its canonical image and on by the key's lowest three bits: equal keys mean equal input
to the network, and all symmetries come up alike.
"""

from libc.string cimport memcpy, memset

import numpy as np

from cc_kernels.board cimport (
    FORBIDDEN,
    Board,
    breaks_ko,
    count_liberties,
    ko_apart,
    lowest_bit,
    point_of,
    set_of,
    vertex_of,
)
from cc_kernels.ladders cimport ladder_takes
from cc_kernels.rng cimport mix64, next_random
from cc_kernels.scoring cimport write_pass_alive
from cc_kernels.types cimport (
    BLACK_SET,
    C_BLACK,
    C_EMPTY,
    C_KO_SIMPLE,
    C_WHITE,
    MAX_SIZE,
    NO_VERTEX,
    NUM_LAST_MOVES,
    NUM_VERTICES,
    PASS_VERTEX,
    WHITE_SET,
)

from libc.stdint cimport uint32_t

NUM_SYMMETRIES = C_NUM_SYMMETRIES
PLANE_NAMES = (
    "own stone",
    "opponent's stone",
    "chain with 1 liberty",
    "chain with 2 liberties",
    "chain with 3 liberties",
    "chain that a ladder takes",
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
    LADDERED = 5
    KO = 6
    LAST_MOVE = 7
    OWN_ALIVE = 12
    OPPONENT_ALIVE = 13
    ON_BOARD = 14

cdef enum:                              # what the key tells apart on a point
    BLACK_STONE = BLACK_SET
    WHITE_STONE = WHITE_SET
    KO_POINT = 2
    MOVED = 3                           # and one for each of the last moves
    NUM_KINDS = 8

cdef int16_t[MAX_SIZE + 1][C_NUM_SYMMETRIES][MAX_POINTS] images
cdef int[C_NUM_SYMMETRIES][C_NUM_SYMMETRIES] composed                   # the first symmetry, then the second
# Random words: the last index says where the point is after each symmetry, so that all images are hashed at once.
cdef uint64_t[MAX_SIZE + 1][NUM_KINDS][MAX_POINTS][C_NUM_SYMMETRIES] image_words


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


cdef void fill_composed() noexcept:
    """Symmetries are told apart by where they take two points of a corner."""
    cdef int first, second, both
    cdef const int16_t* image
    for first in range(C_NUM_SYMMETRIES):
        for second in range(C_NUM_SYMMETRIES):
            image = &images[3][second][0]
            for both in range(C_NUM_SYMMETRIES):
                if (
                    images[3][both][0] == image[images[3][first][0]]
                    and images[3][both][1] == image[images[3][first][1]]
                ):
                    composed[first][second] = both


cdef void fill_image_words() noexcept:
    cdef uint64_t[MAX_POINTS] words
    cdef uint64_t state = 20160309
    cdef int size, kind, point, symmetry
    for size in range(2, MAX_SIZE + 1):
        for kind in range(NUM_KINDS):
            for point in range(size * size):
                words[point] = next_random(&state)
            for point in range(size * size):
                for symmetry in range(C_NUM_SYMMETRIES):
                    image_words[size][kind][point][symmetry] = words[images[size][symmetry][point]]


fill_images()
fill_composed()
fill_image_words()


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


cdef inline void add_word(uint64_t* keys, const BoardState* s, int kind, int point) noexcept nogil:
    """Adds something on a point to the keys of all images."""
    cdef const uint64_t* words = &image_words[s.board_size][kind][point][0]
    cdef int i
    for i in range(C_NUM_SYMMETRIES):
        keys[i] ^= words[i]


cdef uint64_t features_key(const BoardState* s, const KoPoints* ko, int* symmetry) noexcept nogil:
    """64-bit key of everything that `write_planes` reads, and the symmetry in which a search writes it."""
    cdef uint64_t[C_NUM_SYMMETRIES] keys
    cdef uint64_t key
    cdef uint32_t komi_bits
    cdef uint64_t bits
    cdef int i, color, least = 0
    memset(keys, 0, sizeof(keys))
    for color in range(2):
        for i in range(s.num_words):
            bits = s.sets[color][i]
            while bits:
                add_word(keys, s, color, point_of(s, 64 * i + lowest_bit(bits)))
                bits &= bits - 1
    for i in range(ko.count):
        add_word(keys, s, KO_POINT, point_of(s, ko.vertices[i]))
    for i in range(NUM_LAST_MOVES):
        if s.last_moves[i] != NO_VERTEX and s.last_moves[i] != PASS_VERTEX:
            add_word(keys, s, MOVED + i, point_of(s, s.last_moves[i]))
    for i in range(1, C_NUM_SYMMETRIES):
        if keys[i] < keys[least]:
            least = i
    memcpy(&komi_bits, &s.komi, sizeof(komi_bits))
    key = mix64(keys[least] + s.board_size)
    key = mix64(key + komi_bits)
    key = mix64(key + (s.to_play == C_WHITE) + 2 * (s.passes > 0) + 4 * s.suicide)
    symmetry[0] = composed[least][key & 7]
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

    `pass_alive` holds owners by vertex, as `write_pass_alive` leaves them; NULL if no point has one.
    """
    cdef const int16_t* image = symmetry_image(s.board_size, symmetry)
    cdef int8_t[NUM_VERTICES] liberties  # at a chain's head: 1 to 4, or 0 where not yet counted
    cdef int8_t[NUM_VERTICES] laddered  # at the same heads
    cdef uint8_t[C_NUM_PLANES] empty_point
    cdef uint8_t* row
    cdef uint64_t bits
    cdef int vertex, head, color, i, plane
    memset(empty_point, 0, C_NUM_PLANES)
    empty_point[ON_BOARD] = 1
    for i in range(s.num_points):
        memcpy(planes + C_NUM_PLANES * i, empty_point, C_NUM_PLANES)
    memset(liberties, 0, s.num_vertices)
    for color in range(2):
        plane = OWN if color == set_of(s.to_play) else OPPONENT
        for i in range(s.num_words):
            bits = s.sets[color][i]
            while bits:
                vertex = 64 * i + lowest_bit(bits)
                bits &= bits - 1
                row = cell_planes(s, planes, image, vertex)
                row[plane] = 1
                head = s.cells[vertex].chain
                if liberties[head] == 0:
                    liberties[head] = count_liberties(s, head, 4)
                    laddered[head] = liberties[head] < 3 and ladder_takes(s, head, liberties[head])
                if liberties[head] < 4:
                    row[ONE_LIBERTY + liberties[head] - 1] = 1
                row[LADDERED] = laddered[head]
    if pass_alive != NULL:
        for i in range(s.num_points):
            vertex = vertex_of(s, i)
            if pass_alive[vertex] != C_EMPTY:
                planes[
                    C_NUM_PLANES * image[i] + (OWN_ALIVE if pass_alive[vertex] == s.to_play else OPPONENT_ALIVE)
                ] = 1
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
    cdef int num_decided = write_pass_alive(s, owner)
    write_planes(s, &ko, owner if num_decided else NULL, symmetry, &planes[0, 0, 0], &scalars[0])


def position_key(Board board):
    """64-bit key of the network's input, the same for positions that are images of each other.

    Equal keys mean equal planes and scalars, each position written in its `position_symmetry`.
    """
    cdef KoPoints ko
    cdef int symmetry
    find_ko_points(&board.state, &board.history, &ko)
    return features_key(&board.state, &ko, &symmetry)


def position_symmetry(Board board):
    """The symmetry, 0 … 7, in which a search writes the position: positions with equal keys then look the same."""
    cdef KoPoints ko
    cdef int symmetry
    find_ko_points(&board.state, &board.history, &ko)
    features_key(&board.state, &ko, &symmetry)
    return symmetry


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
