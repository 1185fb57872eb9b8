# SPDX-License-Identifier: Apache-2.0
"""One tree: its nodes, what a simulation does with them, and who is chosen. `tree.pxd` specifies all of it."""

from libc.math cimport tanh
from libc.stdint cimport int64_t

from cc_kernels.types cimport BoardState, History, int8_t, int16_t, int32_t, uint8_t

cdef enum:
    NO_NODE = -1
    NO_EDGE = -1

cdef enum:
    NEW = 0                             # never evaluated
    WAITING = 1                         # a leaf on its way to the evaluator
    EXPANDED = 2                        # evaluated; its next unvisited edge must be looked for
    ARRANGED = 3                        # evaluated; edge number `num_children` is the next unvisited one
    TERMINAL = 4                        # the game is over here

cdef struct Node:                       # one cache line
    double utility_sum
    double value_sum
    double score_sum
    int32_t visits
    int32_t parent                      # NO_NODE at the root
    int32_t first_child                 # the child created last, or NO_NODE
    int32_t next_sibling                # the one created before this, or NO_NODE
    int32_t edges                       # first of its edges in the game's pool; meaningless if NEW or TERMINAL
    float prior                         # of the move that leads here
    float value                         # the evaluator's, or the game's result
    float score                         # the evaluator's, or the game's result
    int16_t move                        # that leads here; meaningless at the root
    int16_t num_edges
    int16_t num_children                # visited edges; below a PUCT node they are listed first
    uint8_t status
    uint8_t waiting                     # leaves on their way at or below this node

cdef struct GameTree:
    BoardState root
    History history                     # up to the root; a simulation appends its path and takes it off again
    Node* nodes                         # [node_capacity]; the root is node 0
    int8_t* ownership                   # [node_capacity, N²] by node; NULL if it is not kept
    int16_t* edge_moves                 # [edge_capacity]
    float* edge_priors                  # the same
    int32_t num_nodes
    int32_t num_edges                   # of the pool that are taken
    int32_t node_capacity               # at most max_simulations + 1
    int64_t edge_capacity               # at most as many times A
    bint full                           # could not grow
    int16_t* avoided                    # [2, A]: depth until which Black, White leaves out each move; or NULL
    int32_t simulations                 # how many the present search shall have
    bint searching                      # whether a search has been started
    int32_t group                       # of the games that share its batches
    bint noisy                          # whether noise is yet to be mixed into the root (PUCT)
    double* noise                       # [A]
    double* logits                      # [A], by root edge
    int32_t* root_children              # [A], by root edge; NO_NODE where unvisited
    int32_t* schedule                   # [max_simulations], visits that simulation k looks for; NULL for PUCT

cdef struct Rules:                      # of the search; as `SearchTrees` takes them
    double c_visit
    double c_scale
    double c_puct
    double fpu_reduction
    double score_weight
    double noise_share
    int considered_moves
    bint gumbel
    bint prune_pass_alive

cdef inline double utility_of(const Rules* rules, const GameTree* tree, double value, double score) noexcept nogil:
    return value + rules.score_weight * tanh(score / tree.root.board_size)

cdef inline int8_t* ownership_of(const GameTree* tree, int index) noexcept nogil:
    """[N²]: a node's; only where it is kept."""
    return tree.ownership + <size_t>index * tree.root.num_points

cdef inline bint wants_leaf(const GameTree* tree) noexcept nogil:
    """Whether the search still lacks simulations, counting those on their way; a root that waits comes first."""
    cdef const Node* root = &tree.nodes[0]
    if not tree.searching or tree.full or root.status == WAITING:
        return False
    return root.status != TERMINAL and root.visits + root.waiting < tree.simulations + 1

cdef inline bint is_done(const GameTree* tree) noexcept nogil:
    """Whether the search has all its simulations, or none was started."""
    return not wants_leaf(tree) and (tree.num_nodes == 0 or tree.nodes[0].waiting == 0)

cdef void clear_tree(GameTree* tree) noexcept nogil
cdef void wait(GameTree* tree, int index, int count) noexcept nogil
cdef void add_result(const Rules* rules, GameTree* tree, int index) noexcept nogil
cdef void completed_scores(const Rules* rules, const GameTree* tree, double* scores) noexcept nogil
cdef int best_edge(const Rules* rules, const GameTree* tree, int visits) noexcept nogil
cdef void prepare_root(const Rules* rules, GameTree* tree) noexcept nogil
cdef bint has_ended(GameTree* tree, int index, const BoardState* s, const int8_t* alive, bint decided) noexcept nogil
cdef void write_edges(const Rules* rules, GameTree* tree, int index, const BoardState* s, const int8_t* alive,
                      bint any_alive) noexcept nogil
cdef int descend(const Rules* rules, GameTree* tree, BoardState* s) noexcept nogil
cdef void evaluate(GameTree* tree, int index, int symmetry, const float* policy, float value, float score,
                   const int8_t* ownership) noexcept nogil
cdef void round_ownership(const float* ownership, int num_points, int8_t* rounded) noexcept nogil
cdef void replace_evaluation(const Rules* rules, GameTree* tree, const float* policy, float value, float score,
                             const int8_t* ownership) noexcept nogil
