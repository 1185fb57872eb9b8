# SPDX-License-Identifier: Apache-2.0
"""Constants and the two structs that every kernel shares.

A *point* is row-major from the top left, 0 … N²-1; a *move* is a point or N² to pass; both cross the Python door. A
*vertex* is a point of the bordered board that kernels work on: rows of N + 1 vertices, so that one border column ends
one row and begins the next, under a border row above and below.
"""

from libc.stdint cimport int8_t, int16_t, int32_t, uint8_t, uint64_t

cdef enum:
    MAX_SIZE = 19
    MAX_POINTS = 361
    MAX_MOVES = 362
    NUM_VERTICES = 421                  # (19 + 2) * (19 + 1) + 1
    NUM_WORDS = 7                       # of 64 bits, one for each vertex
    NUM_LAST_MOVES = 5
    NO_VERTEX = -1                      # no such vertex: no ko, no move so far
    PASS_VERTEX = 0                     # vertex 0 is border, so it can mean a pass

cdef enum:
    C_EMPTY = 0
    C_BLACK = 1
    C_WHITE = -1
    C_BORDER = 2

cdef enum:
    C_KO_SIMPLE = 0
    C_KO_POSITIONAL = 1
    C_KO_SITUATIONAL = 2

cdef enum:                              # the sets of vertices that a board keeps
    BLACK_SET = 0
    WHITE_SET = 1
    EMPTY_SET = 2
    NUM_SETS = 3

cdef struct Cell:                       # one vertex; the second group is kept at a chain's head only
    int16_t chain                       # head of the chain that the stone here belongs to; meaningless if empty
    int16_t next_stone                  # next stone of the same chain, circular; meaningless if empty
    int16_t empty_index                 # where `empty` lists this vertex; meaningless under a stone
    int8_t color                        # C_EMPTY, C_BLACK, C_WHITE or C_BORDER
    uint8_t held                        # colours that have stood here in this game: 1 Black, 2 White, 3 both

    int16_t num_stones
    int16_t pseudo_liberties            # pairs of a stone and an empty neighbour; a liberty counts up to four times
    int32_t liberty_sum                 # of the vertices of those neighbours
    int32_t liberty_sum_squares         # of their squares; all pairs are one liberty iff pairs * squares = sum²

cdef struct BoardState:                 # plain data: copied as one block up to the last vertex in use
    uint64_t stone_hash                 # Zobrist hash of the stones and the board size; not of player, ko or history
    float komi                          # added to White's score
    int32_t move_count                  # moves played, passes included
    int32_t[2] captured                 # stones captured so far: [0] black ones, [1] white ones
    int16_t board_size                  # N, 2..19
    int16_t stride                      # N + 1, from a vertex to the one below it
    int16_t num_vertices                # vertices in use, borders included
    int16_t num_words                   # of the sets that are in use
    int16_t num_points                  # N²
    int16_t num_empty                   # empty points, listed in `empty`
    int16_t ko_vertex                   # where `ko_color` would retake a single stone at once, or NO_VERTEX
    int8_t ko_color                     # meaningless without a ko vertex
    int8_t to_play                      # C_BLACK or C_WHITE
    int8_t passes                       # consecutive passes just made, at most 100
    int8_t ko_rule                      # C_KO_SIMPLE, C_KO_POSITIONAL or C_KO_SITUATIONAL
    int8_t suicide                      # 1 if a move may remove its own chain
    uint64_t[NUM_SETS][NUM_WORDS] sets  # of the points on the board by what is on them; bit v % 64 of word v / 64
    int16_t[NUM_LAST_MOVES] last_moves  # latest first: a vertex, PASS_VERTEX, or NO_VERTEX before the game began
    int16_t[MAX_POINTS] empty           # the empty vertices, in no particular order
    Cell[NUM_VERTICES] cells

cdef struct History:                    # what superko forbids: one key for each position of the game so far
    uint64_t* keys                      # [capacity]; the stones' hash, mixed with the player if situational
    int32_t count
    int32_t capacity
