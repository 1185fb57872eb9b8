# SPDX-License-Identifier: Apache-2.0
"""What a tree says to people: each move of the root with its means, their spread and its line, and who owns what.

Every number is for the player to move at the root. The tree is read in one pass over its nodes, when somebody asks; a
search pays nothing for it. `simulation.pxd` says what nodes hold.
"""

from collections import namedtuple

import numpy as np

from cc_kernels.simulation cimport NO_NODE, TERMINAL, GameTree, Node, Rules, utility_of
from cc_kernels.tree cimport SearchTrees
from cc_kernels.types cimport MAX_MOVES, int8_t, int16_t, int32_t

RootReport = namedtuple("RootReport", "visits value score utility raw_value raw_score priors moves")
RootReport.__doc__ = """A root as its search has left it.

visits: its own evaluation and simulations. value, score, utility: means. raw_value, raw_score: its own evaluation, or
the game's result. priors: [A] float32, as the search uses them; 0 for what is no edge. moves: a MovesReport.
"""

MovesReport = namedtuple(
    "MovesReport", "moves visits values scores utilities priors value_deviations utility_deviations lines line_visits"
)
MovesReport.__doc__ = """The K visited moves of a root, in the order in which they were first visited.

moves, visits: [K] int32. values, scores, utilities: [K] float64 means. priors: [K] float32, as the search uses them.
value_deviations, utility_deviations: [K] float64, sums of the squares of the differences of each evaluation below the
move to their mean; a finished game counts once for each visit. lines: [K] lists of the most visited moves, the move
itself first. line_visits: [K] lists of their visits.
"""


cdef enum:
    NO_PLACE = -1                       # not below a root move that was visited


cdef int place_nodes(const GameTree* tree, int32_t* children, int16_t* places) noexcept nogil:
    """Lists the root's visited children, the first visited first, and says of each node below which of them it is.

    Returns their number.
    """
    cdef int index, parent, count = 0
    places[0] = NO_PLACE
    for index in range(1, tree.num_nodes):      # nodes are younger than their parents and older siblings
        parent = tree.nodes[index].parent
        places[index] = places[parent]
        if parent == 0 and tree.nodes[index].visits > 0:
            places[index] = count
            children[count] = index
            count += 1
    return count


cdef inline int times_counted(const Node* node) noexcept nogil:
    """How often a node's own evaluation is part of the means above it."""
    if node.status == TERMINAL:
        return node.visits
    return 1 if node.visits > 0 else 0


cdef inline int side_at(const GameTree* tree, int index, int8_t* sides) noexcept nogil:
    """1 where the player to move at the root is to move, else -1; the parent's side is known."""
    sides[index] = 1 if index == 0 else -sides[tree.nodes[index].parent]
    return sides[index]


cdef void sum_squares(const Rules* rules, const GameTree* tree, const int16_t* places, int8_t* sides,
                      const double* values, const double* utilities, double* of_values,
                      double* of_utilities) noexcept nogil:
    cdef const Node* node
    cdef double difference
    cdef int index, side, place, count
    for index in range(tree.num_nodes):
        node = &tree.nodes[index]
        side = side_at(tree, index, sides)
        place = places[index]
        count = times_counted(node)
        if place == NO_PLACE or count == 0:
            continue
        difference = side * node.value - values[place]
        of_values[place] += count * difference * difference
        difference = side * utility_of(rules, tree, node.value, node.score) - utilities[place]
        of_utilities[place] += count * difference * difference


cdef void sum_ownership(const GameTree* tree, const int16_t* places, int8_t* sides, int32_t* sums,
                        int32_t* counts) noexcept nogil:
    """Adds up the ownership of each place, or of the whole tree at place 0 if `places` is NULL."""
    cdef const int8_t* owner
    cdef int num_points = tree.root.num_points, index, place, factor, point
    cdef int32_t* sum_of_place
    for index in range(tree.num_nodes):
        factor = times_counted(&tree.nodes[index])
        place = 0 if places == NULL else places[index]
        counts[place] += factor
        factor *= side_at(tree, index, sides)
        if factor == 0:
            continue
        owner = tree.ownership + <size_t>index * num_points
        sum_of_place = sums + place * num_points
        for point in range(num_points):
            sum_of_place[point] += factor * owner[point]


cdef const GameTree* evaluated_tree(SearchTrees trees, int game) except NULL:
    cdef const GameTree* tree = trees.tree_of(game)
    if tree.num_nodes == 0 or tree.nodes[0].visits == 0:
        raise ValueError(f"game {game} has no evaluated root")
    return tree


def report(SearchTrees trees, int game, int most_moves=15):
    """What the search of a game has found so far, as a RootReport; no line is longer than `most_moves`.

    Raises:
        ValueError: no such game, or its root has not been evaluated.
    """
    cdef const GameTree* tree = evaluated_tree(trees, game)
    cdef const Node* root = &tree.nodes[0]
    cdef const Node* child
    cdef int32_t[MAX_MOVES] children
    cdef int16_t[::1] places = np.empty(tree.num_nodes, np.int16)
    cdef int8_t[::1] sides = np.empty(tree.num_nodes, np.int8)
    cdef int count, i
    with nogil:
        count = place_nodes(tree, children, &places[0])
    moves, visits = np.empty(count, np.int32), np.empty(count, np.int32)
    values, scores, utilities, of_values, of_utilities = np.zeros((5, count))
    priors, edge_priors = np.empty(count, np.float32), np.zeros(tree.root.num_points + 1, np.float32)
    cdef int32_t[::1] moves_view = moves, visits_view = visits
    cdef double[::1] values_view = values, scores_view = scores, utilities_view = utilities
    cdef double[::1] of_values_view = of_values, of_utilities_view = of_utilities
    cdef float[::1] priors_view = priors, edge_priors_view = edge_priors
    for i in range(root.num_edges if root.status != TERMINAL else 0):
        edge_priors_view[tree.edge_moves[root.edges + i]] = tree.edge_priors[root.edges + i]
    lines, line_visits = [], []
    for i in range(count):
        child = &tree.nodes[children[i]]
        moves_view[i] = child.move
        visits_view[i] = child.visits
        values_view[i] = -child.value_sum / child.visits
        scores_view[i] = -child.score_sum / child.visits
        utilities_view[i] = -child.utility_sum / child.visits
        priors_view[i] = child.prior
        add_line(tree, children[i], most_moves, lines, line_visits)
    if count > 0:
        with nogil:
            sum_squares(
                &trees.rules, tree, &places[0], &sides[0],
                &values_view[0], &utilities_view[0], &of_values_view[0], &of_utilities_view[0],
            )
    return RootReport(
        root.visits,
        root.value_sum / root.visits,
        root.score_sum / root.visits,
        root.utility_sum / root.visits,
        root.value,
        root.score,
        edge_priors,
        MovesReport(
            moves, visits, values, scores, utilities, priors, of_values, of_utilities, lines, line_visits
        ),
    )


cdef int add_line(const GameTree* tree, int index, int most_moves, list lines, list line_visits) except -1:
    """Appends the line that begins with a node: its moves, and their visits."""
    cdef int child, best
    line, visits = [], []
    while index != NO_NODE and len(line) < most_moves:
        line.append(tree.nodes[index].move)
        visits.append(tree.nodes[index].visits)
        best = NO_NODE
        child = tree.nodes[index].first_child   # the child created last: of equals, the first visited wins
        while child != NO_NODE:
            if tree.nodes[child].visits > 0 and (
                best == NO_NODE or tree.nodes[child].visits >= tree.nodes[best].visits
            ):
                best = child
            child = tree.nodes[child].next_sibling
        index = best
    lines.append(line)
    line_visits.append(visits)
    return 0


def ownership(SearchTrees trees, int game, bint by_move=False):
    """Who owns each point, as the mean over all evaluations in the tree of a game.

    Args:
        trees: searches that keep ownership.
        game: which of them.
        by_move: also after each visited move of the root.

    Returns:
        [N, N] float32 in [-1, 1], 1: the player to move at the root; and [K, N, N] by move, in the order of `report`
        (K = 0 if not asked for).

    Raises:
        ValueError: no such game, its root has not been evaluated, or the trees keep no ownership.
    """
    cdef const GameTree* tree = evaluated_tree(trees, game)
    cdef int32_t[MAX_MOVES] children
    cdef int16_t[::1] places
    cdef int8_t[::1] sides = np.empty(tree.num_nodes, np.int8)
    cdef const int16_t* first_place = NULL
    cdef int count = 0, i
    if tree.ownership == NULL:
        raise ValueError("these trees keep no ownership")
    if by_move:
        places = np.empty(tree.num_nodes, np.int16)
        count = place_nodes(tree, children, &places[0])
        for i in range(tree.num_nodes):
            if places[i] == NO_PLACE:
                places[i] = count
        first_place = &places[0]
    sums = np.zeros((count + 1, trees.board_size, trees.board_size), np.int32)
    counts = np.zeros(count + 1, np.int32)
    cdef int32_t[:, :, ::1] sums_view = sums
    cdef int32_t[::1] counts_view = counts
    with nogil:
        sum_ownership(tree, first_place, &sides[0], &sums_view[0, 0, 0], &counts_view[0])
    whole = sums.sum(0) / (127.0 * counts.sum())
    of_moves = sums[:count] / (127.0 * counts[:count, None, None])
    return whole.astype(np.float32), of_moves.astype(np.float32)
