# SPDX-License-Identifier: Apache-2.0
"""Tromp-Taylor area, and pass-alive chains and regions (Benson 1976, "Life in the game of Go").

Owners are written by vertex: C_BLACK, C_WHITE, or C_EMPTY for a neutral or undecided point; borders stay undefined.
"""

from libc.string cimport memcpy, memset

import numpy as np

from cc_kernels.board cimport Board, count_bits, lowest_bit, set_of, vertex_of
from cc_kernels.types cimport (
    C_BLACK,
    C_BORDER,
    C_EMPTY,
    C_WHITE,
    EMPTY_SET,
    MAX_POINTS,
    NUM_VERTICES,
    NUM_WORDS,
    int16_t,
    uint64_t,
)

cdef enum:
    MAX_REGIONS = (MAX_POINTS + 1) // 2     # no two points of different regions are neighbours

# A region of one colour is a maximal connected set of points that do not hold that colour. It is vital to a chain on
# its border if every point that the opponent could yet fill is that chain's liberty.
cdef struct Region:
    uint64_t[NUM_WORDS] points
    int num_heads                       # 0 once some chain on its border cannot be pass-alive
    int[4] heads                        # of the chains that it is vital to


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


cdef inline void take_region(const BoardState* s, uint64_t* points, int i, uint64_t* left) noexcept nogil:
    """Moves the region that holds the first point of word `i` of `left` from there into `points`."""
    cdef int j
    memset(points, 0, sizeof(uint64_t) * s.num_words)
    points[i] = left[i] & (~left[i] + 1)
    fill_within(s, points, left)
    for j in range(i, s.num_words):
        left[j] &= ~points[j]


cdef int find_vital_regions(const BoardState* s, int color, const uint64_t* near_own, Region* regions, int16_t* vital,
                            uint64_t* others) noexcept nogil:
    """Lists the regions of a colour that may be vital to a chain; how many, or 0 if no chain has two that are.

    Writes for each chain, at its head, how many are vital to it, and to `others` the points of all other regions; what
    it writes means nothing if it returns 0.
    """
    cdef const uint64_t* enemy = &s.sets[set_of(-color)][0]
    cdef const uint64_t* empty = &s.sets[EMPTY_SET][0]
    cdef uint64_t[NUM_WORDS] outside
    cdef uint64_t found = 0
    cdef Region* region
    cdef int i, j, count = 0
    cdef bint any_has_two = False
    for i in range(s.num_words):
        outside[i] = empty[i] | enemy[i]
        others[i] = (outside[i] if s.suicide else empty[i]) & ~near_own[i]     # points that are next to no chain
    fill_within(s, others, outside)
    for i in range(s.num_words):
        outside[i] &= ~others[i]
        found |= outside[i]
    if found == 0:
        return 0
    memset(vital, 0, sizeof(int16_t) * s.num_vertices)
    for i in range(s.num_words):
        while outside[i]:
            region = &regions[count]
            count += 1
            take_region(s, region.points, i, outside)
            region.num_heads = chains_next_to_all(s, color, region.points, region.heads)
            for j in range(region.num_heads):
                vital[region.heads[j]] += 1
                any_has_two |= vital[region.heads[j]] == 2
    return count if any_has_two else 0


cdef inline bint meets(const BoardState* s, const uint64_t* points, const uint64_t* others) noexcept nogil:
    """Whether two sets have a point in common."""
    cdef uint64_t common = 0
    cdef int i
    for i in range(s.num_words):
        common |= points[i] & others[i]
    return common != 0


cdef void keep_alive(const BoardState* s, int color, Region* regions, int num_regions, int16_t* vital,
                     uint64_t* alive, uint64_t* near_dead) noexcept nogil:
    """Benson's iteration: drops chains with less than two vital regions, and regions that such a chain borders.

    Writes the stones that are left, and those of the dropped chains with what is next to them, borders included.
    """
    cdef uint64_t[NUM_WORDS] dead
    cdef const uint64_t* own = &s.sets[set_of(color)][0]
    cdef uint64_t bits, bit
    cdef int i, j
    cdef bint changed = True
    while changed:
        changed = False
        for i in range(s.num_words):
            dead[i] = 0
            bits = own[i]
            while bits:
                bit = bits & (~bits + 1)
                if vital[s.cells[64 * i + lowest_bit(bits)].chain] < 2:
                    dead[i] |= bit
                bits ^= bit
            alive[i] = own[i] & ~dead[i]
        spread(s, dead, near_dead)
        for i in range(num_regions):
            if regions[i].num_heads > 0 and meets(s, regions[i].points, near_dead):
                for j in range(regions[i].num_heads):
                    vital[regions[i].heads[j]] -= 1
                regions[i].num_heads = 0
                changed = True


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


cdef void add_safe(const BoardState* s, const uint64_t* region, const uint64_t* near_own, const uint64_t* near_dead,
                   uint64_t* safe) noexcept nogil:
    """Adds a region if pass-alive chains alone border it and at most one of its points is next to none of them."""
    cdef int i, interior = 0
    if meets(s, region, near_dead):
        return
    for i in range(s.num_words):
        interior += count_bits(region[i] & ~near_own[i])
    if interior < 2:
        for i in range(s.num_words):
            safe[i] |= region[i]


cdef bint find_safe(const BoardState* s, int color, uint64_t* safe) noexcept nogil:
    """Writes the points that a colour owns even if it passes from now on; whether there are any."""
    cdef Region[MAX_REGIONS] regions
    cdef int16_t[NUM_VERTICES] vital    # at a chain's head: a chain may have a region on every second point
    cdef uint64_t[NUM_WORDS] near_own
    cdef uint64_t[NUM_WORDS] near_dead
    cdef uint64_t[NUM_WORDS] others
    cdef uint64_t[NUM_WORDS] region
    cdef uint64_t found = 0
    cdef int i, num_regions
    spread(s, &s.sets[set_of(color)][0], near_own)
    num_regions = find_vital_regions(s, color, near_own, regions, vital, others)
    if num_regions == 0:
        return False
    keep_alive(s, color, regions, num_regions, vital, safe, near_dead)
    for i in range(s.num_words):
        found |= safe[i]
    if found == 0:
        return False
    for i in range(num_regions):
        add_safe(s, regions[i].points, near_own, near_dead, safe)
    for i in range(s.num_words):
        while others[i]:
            take_region(s, region, i, others)
            add_safe(s, region, near_own, near_dead, safe)
    return True


cdef int write_pass_alive(const BoardState* s, int8_t* owner) noexcept nogil:
    """Writes who owns each point even if that colour passes from now on; how many points are so decided.

    A chain counts if it is pass-alive. A region counts if pass-alive chains alone border it and at most one of its
    points is next to no stone of theirs: the opponent cannot make two eyes there.
    """
    cdef uint64_t[NUM_WORDS] safe
    cdef uint64_t bits
    cdef int turn, color, i, decided = 0
    memset(owner, C_EMPTY, s.num_vertices)
    for turn in range(2):
        color = C_BLACK if turn == 0 else C_WHITE
        if not find_safe(s, color, safe):
            continue
        for i in range(s.num_words):
            bits = safe[i]
            decided += count_bits(bits)
            while bits:
                owner[64 * i + lowest_bit(bits)] = color
                bits &= bits - 1
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
