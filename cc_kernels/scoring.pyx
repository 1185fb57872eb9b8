# SPDX-License-Identifier: Apache-2.0
"""Tromp-Taylor area, and pass-alive chains and regions (Benson 1976, "Life in the game of Go").

Owners are written by vertex: C_BLACK, C_WHITE, or C_EMPTY for a neutral or undecided point; borders stay undefined.
"""

from libc.string cimport memcpy, memset

import numpy as np

from cc_kernels.board cimport Board, lowest_bit, set_of, vertex_of
from cc_kernels.types cimport (
    C_BLACK,
    C_BORDER,
    C_EMPTY,
    C_WHITE,
    EMPTY_SET,
    MAX_POINTS,
    NUM_VERTICES,
    NUM_WORDS,
    Cell,
    int16_t,
    uint64_t,
)

# A region of one colour is a maximal connected set of points that do not hold that colour. A pair is a chain on the
# border of a region: the region is vital to it if every point that the opponent could yet fill is its liberty.
cdef enum:
    MAX_PAIRS = 4 * MAX_POINTS          # each point of a region borders at most four chains


cdef struct Pair:
    int16_t region
    int16_t head
    int16_t touching                    # points of the region, of those that must, that are next to the chain


cdef struct Regions:                    # of one colour on one board
    int16_t num_regions
    int16_t num_pairs                   # sorted by region
    int16_t[MAX_POINTS] must_touch      # points that a chain must all be next to, for the region to be vital to it
    int16_t[MAX_POINTS] interior        # points that are next to no stone of the colour
    int8_t[MAX_POINTS] alive            # 1 while every chain on the border may be pass-alive
    int16_t[NUM_VERTICES] of_vertex     # region of each vertex that does not hold the colour
    int16_t[NUM_VERTICES] vital         # at a chain's head: live regions that are vital to it
    Pair[MAX_PAIRS] pairs


cdef void write_area(const BoardState* s, int8_t* owner) noexcept nogil:
    """Stones, and empty regions that reach one colour only."""
    cdef int16_t[MAX_POINTS] stack
    cdef int8_t[NUM_VERTICES] seen
    cdef int i, j, k, start, vertex, other, first, count, reached
    cdef int[4] steps
    fill_steps(s, steps)
    memset(seen, 0, s.num_vertices)
    for vertex in range(s.num_vertices):
        owner[vertex] = s.cells[vertex].color
    for i in range(s.num_empty):
        start = s.empty[i]
        if seen[start]:
            continue
        seen[start] = 1
        stack[0] = start
        first = 0
        count = 1
        reached = 0                     # 1 Black, 2 White
        while first < count:
            vertex = stack[first]
            first += 1
            for k in range(4):
                other = vertex + steps[k]
                if s.cells[other].color == C_BLACK:
                    reached |= 1
                elif s.cells[other].color == C_WHITE:
                    reached |= 2
                elif s.cells[other].color == C_EMPTY and not seen[other]:
                    seen[other] = 1
                    stack[count] = other
                    count += 1
        for j in range(count):
            owner[stack[j]] = C_BLACK if reached == 1 else C_WHITE if reached == 2 else C_EMPTY


cdef float area_score_for_black(const BoardState* s) noexcept nogil:
    """Black's area minus White's area minus komi."""
    cdef int8_t[NUM_VERTICES] owner
    cdef int vertex, area = 0
    write_area(s, owner)
    for vertex in range(s.num_vertices):
        if s.cells[vertex].color != C_BORDER:
            area += owner[vertex]
    return area - s.komi


cdef float final_score_of(const BoardState* s, const int8_t* alive, bint decided) noexcept nogil:
    """Black's final score less komi: by the pass-alive owners in `alive` if they decide every point, else by area."""
    cdef int vertex, area = 0
    if not decided:
        return area_score_for_black(s)
    for vertex in range(s.stride, s.num_vertices - s.stride):
        if s.cells[vertex].color != C_BORDER:
            area += alive[vertex]
    return area - s.komi


cdef void write_final_area(const BoardState* s, const int8_t* alive, bint decided, int8_t* owner) noexcept nogil:
    """Who owns each point if the game ends now: as in `alive` if that decides every point, else by area."""
    if decided:
        memcpy(owner, alive, s.num_vertices)
    else:
        write_area(s, owner)


cdef inline void fill_steps(const BoardState* s, int* steps) noexcept nogil:
    steps[0] = -s.stride
    steps[1] = -1
    steps[2] = 1
    steps[3] = s.stride


cdef void find_regions(const BoardState* s, int color, Regions* r) noexcept nogil:
    """Fills in the regions of a colour and their pairs, all of them alive."""
    cdef int16_t[MAX_POINTS] stack
    cdef int16_t[NUM_VERTICES] pair_of  # at a chain's head: its pair in the present region
    cdef int[4] steps
    cdef int[4] near
    cdef int start, vertex, other, k, first, count, region, num_near, head, first_pair
    cdef bint must
    fill_steps(s, steps)
    r.num_regions = 0
    r.num_pairs = 0
    memset(r.of_vertex, 0xFF, sizeof(int16_t) * s.num_vertices)         # all -1: not seen
    memset(pair_of, 0xFF, sizeof(int16_t) * s.num_vertices)
    for start in range(s.stride, s.num_vertices - s.stride):
        if s.cells[start].color in (color, C_BORDER) or r.of_vertex[start] >= 0:
            continue
        region = r.num_regions
        first_pair = r.num_pairs
        r.num_regions += 1
        r.must_touch[region] = 0
        r.interior[region] = 0
        r.alive[region] = 1
        r.of_vertex[start] = region
        stack[0] = start
        first = 0
        count = 1
        while first < count:
            vertex = stack[first]
            first += 1
            must = s.suicide or s.cells[vertex].color == C_EMPTY
            r.must_touch[region] += must
            num_near = 0
            for k in range(4):
                other = vertex + steps[k]
                if s.cells[other].color == C_BORDER:
                    continue
                if s.cells[other].color != color:
                    if r.of_vertex[other] < 0:
                        r.of_vertex[other] = region
                        stack[count] = other
                        count += 1
                    continue
                head = s.cells[other].chain
                if not contains(near, num_near, head):
                    near[num_near] = head
                    num_near += 1
                    if pair_of[head] < first_pair:
                        pair_of[head] = r.num_pairs
                        r.pairs[r.num_pairs].region = region
                        r.pairs[r.num_pairs].head = head
                        r.pairs[r.num_pairs].touching = 0
                        r.num_pairs += 1
                    r.pairs[pair_of[head]].touching += must
            r.interior[region] += num_near == 0


cdef void keep_alive(const BoardState* s, int color, Regions* r) noexcept nogil:
    """Benson's iteration: drops chains with less than two vital regions, and regions that such a chain borders."""
    cdef int i, vertex
    cdef Pair* pair
    cdef bint changed = True
    while changed:
        changed = False
        for vertex in range(s.stride, s.num_vertices - s.stride):
            r.vital[vertex] = 0
        for i in range(r.num_pairs):
            pair = &r.pairs[i]
            if r.alive[pair.region] and pair.touching == r.must_touch[pair.region]:
                r.vital[pair.head] += 1
        for i in range(r.num_pairs):
            pair = &r.pairs[i]
            if r.alive[pair.region] and r.vital[pair.head] < 2:
                r.alive[pair.region] = 0
                changed = True


cdef inline void spread(const BoardState* s, const uint64_t* points, uint64_t* spread_points) noexcept nogil:
    """The points and their neighbours, borders included."""
    cdef uint64_t word, before = 0, after
    cdef int i
    for i in range(s.num_words):
        word = points[i]
        after = points[i + 1] if i + 1 < s.num_words else 0
        spread_points[i] = (
            word
            | word << 1 | before >> 63 | word >> 1 | after << 63
            | word << s.stride | before >> (64 - s.stride) | word >> s.stride | after << (64 - s.stride)
        )
        before = word


cdef void fill_within(const BoardState* s, uint64_t* points, const uint64_t* within) noexcept nogil:
    """Adds to some points all that are connected to them."""
    cdef uint64_t[NUM_WORDS] grown
    cdef uint64_t added = 1
    cdef int i
    while added:
        added = 0
        spread(s, points, grown)
        for i in range(s.num_words):
            grown[i] &= within[i]
            added |= grown[i] & ~points[i]
            points[i] |= grown[i]


cdef bint has_two_vital_regions(const BoardState* s, int color) noexcept nogil:
    """Whether some chain of a colour has two vital regions. Mostly none has, and then none is pass-alive."""
    cdef const uint64_t* own = &s.sets[set_of(color)][0]
    cdef const uint64_t* enemy = &s.sets[set_of(-color)][0]
    cdef const uint64_t* empty = &s.sets[EMPTY_SET][0]
    cdef uint64_t[NUM_WORDS] outside    # the points of all regions
    cdef uint64_t[NUM_WORDS] apart      # first those that must be next to a chain and are next to none
    cdef uint64_t[NUM_WORDS] near_own
    cdef uint64_t[NUM_WORDS] region
    cdef int8_t[NUM_VERTICES] vital     # at a chain's head: regions that are vital to it
    cdef int[4] heads
    cdef uint64_t found = 0
    cdef int i, j, num_heads
    spread(s, own, near_own)
    for i in range(s.num_words):
        outside[i] = empty[i] | enemy[i]
        apart[i] = (outside[i] if s.suicide else empty[i]) & ~near_own[i]
    fill_within(s, apart, outside)      # then the regions that are vital to no chain
    for i in range(s.num_words):
        outside[i] &= ~apart[i]
        found |= outside[i]
    if found == 0:
        return False
    memset(vital, 0, s.num_vertices)
    for i in range(s.num_words):
        while outside[i]:
            memset(region, 0, sizeof(region))
            region[i] = outside[i] & (~outside[i] + 1)
            fill_within(s, region, outside)
            num_heads = chains_next_to_all(s, color, region, heads)
            for j in range(num_heads):
                vital[heads[j]] += 1
                if vital[heads[j]] == 2:
                    return True
            for j in range(i, s.num_words):
                outside[j] &= ~region[j]
    return False


cdef int chains_next_to_all(const BoardState* s, int color, const uint64_t* region, int* heads) noexcept nogil:
    """Writes the heads of the chains that a region is vital to, if one of its points is next to them; how many."""
    cdef int[4] steps
    cdef int[4] near
    cdef int i, j, k, vertex, other, head, num_near, kept, num_heads = -1
    cdef uint64_t bits
    fill_steps(s, steps)
    for i in range(s.num_words):
        bits = region[i] if s.suicide else region[i] & s.sets[EMPTY_SET][i]
        while bits and num_heads != 0:
            vertex = 64 * i + lowest_bit(bits)
            bits &= bits - 1
            num_near = 0
            for k in range(4):
                other = vertex + steps[k]
                if s.cells[other].color == color:
                    head = s.cells[other].chain
                    if not contains(near, num_near, head):
                        near[num_near] = head
                        num_near += 1
            kept = 0
            for j in range(num_near):
                if num_heads < 0 or contains(heads, num_heads, near[j]):
                    near[kept] = near[j]
                    kept += 1
            num_heads = kept
            for j in range(kept):
                heads[j] = near[j]
    return max(num_heads, 0)


cdef inline bint contains(const int* numbers, int count, int number) noexcept nogil:
    cdef int i
    for i in range(count):
        if numbers[i] == number:
            return True
    return False


cdef int write_pass_alive(const BoardState* s, int8_t* owner) noexcept nogil:
    """Writes who owns each point even if that colour passes from now on; how many points are so decided.

    A chain counts if it is pass-alive. A region counts if pass-alive chains alone border it and at most one of its
    points is next to no stone of theirs: the opponent cannot make two eyes there.
    """
    cdef Regions r
    cdef int turn, color, vertex, region, decided = 0
    cdef const Cell* cell
    memset(owner, C_EMPTY, s.num_vertices)
    for turn in range(2):
        color = C_BLACK if turn == 0 else C_WHITE
        if not has_two_vital_regions(s, color):
            continue
        find_regions(s, color, &r)
        keep_alive(s, color, &r)
        for vertex in range(s.stride, s.num_vertices - s.stride):
            cell = &s.cells[vertex]
            if cell.color == color:
                if r.vital[cell.chain] >= 2:
                    owner[vertex] = color
                    decided += 1
            elif cell.color != C_BORDER:
                region = r.of_vertex[vertex]
                if r.alive[region] and r.interior[region] < 2:
                    owner[vertex] = color
                    decided += 1
    return decided


def area(Board board):
    """[N, N] int8: Tromp-Taylor owner of each point, BLACK, WHITE, or 0 where neither alone reaches."""
    cdef int8_t[NUM_VERTICES] owner
    write_area(&board.state, owner)
    return by_point(&board.state, owner)


def score_for_black(Board board):
    """Black's area minus White's area minus komi, as the board stands."""
    return area_score_for_black(&board.state)


def final_area(Board board):
    """[N, N] int8: who owns each point if the game ends now.

    The pass-alive owners where they decide every point, so that dead stones inside a pass-alive region count for its
    owner; Tromp-Taylor area otherwise.
    """
    cdef int8_t[NUM_VERTICES] owner
    if write_pass_alive(&board.state, owner) < board.state.num_points:
        write_area(&board.state, owner)
    return by_point(&board.state, owner)


def final_score_for_black(Board board):
    """Black's points of `final_area` minus White's minus komi."""
    cdef int8_t[NUM_VERTICES] owner
    cdef bint decided = write_pass_alive(&board.state, owner) == board.state.num_points
    return final_score_of(&board.state, owner, decided)


def pass_alive(Board board):
    """[N, N] int8: the colour that owns each point even if it always passes (Benson), 0 where that is open.

    Holds the pass-alive chains, and the regions inside them where the opponent cannot make two eyes.
    """
    cdef int8_t[NUM_VERTICES] owner
    write_pass_alive(&board.state, owner)
    return by_point(&board.state, owner)


def is_over(Board board):
    """Whether the game has ended: by two passes, or because pass-alive chains and regions decide every point."""
    cdef int8_t[NUM_VERTICES] owner
    return board.state.passes >= 2 or write_pass_alive(&board.state, owner) == board.state.num_points


cdef object by_point(const BoardState* s, const int8_t* owner):
    cdef int point
    result = np.empty(s.num_points, np.int8)
    cdef int8_t[::1] view = result
    for point in range(s.num_points):
        view[point] = owner[vertex_of(s, point)]
    return result.reshape(s.board_size, s.board_size)
