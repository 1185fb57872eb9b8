# SPDX-License-Identifier: Apache-2.0
"""Tree search over many games at once: select leaves, let somebody evaluate them, back the values up.

The kernel never calls an evaluator and draws no random numbers: the same evaluations and noise give the same trees.

**Perspective.** A node's sums are for the player to move at that node. `Q` of a move is for the player who chooses
it: minus the child's mean. Utility is `value + score_weight * tanh(score / N)`; the tree maximises it, and keeps value
and score beside it to report them.

**A simulation** walks down from the root to a node that has no evaluation yet, and adds that node. A node where the
game is over (two passes, or all points pass-alive) has its exact result and takes no evaluation. The root's own
evaluation comes first and is no simulation, so that after n simulations the root has n + 1 visits and at most n + 1
nodes exist.

**Moves.** A node's edges are its legal moves in increasing order, the pass last. With `prune_pass_alive`, a point that
is pass-alive for a colour is left out, unless it is its owner's turn and the area does not count it for the owner yet
(dead stones may be captured). Priors are the policy over the edges, normalised: float32 of (double) p / sum.

**PUCT** (below the root, and at it if `gumbel` is off) takes the largest of
    Q(child) + c_puct * prior * sqrt(n) / (1 + child visits),      n = visits of the node, waiting ones included,
an unvisited move having Q = mean utility of the node - fpu_reduction. Of the unvisited moves only the one with the
largest prior (then the smallest move) can win. A tie goes to the child visited first, and to a visited child.
At the root, noise w[A] of gamma variates mixes in: prior = (1 - share) * prior + share * w / sum of w over the edges.

**Gumbel** (Danihelka et al. 2022, "Policy improvement by planning with Gumbel", as in mctx): the root holds noise g[A]
and logits = log(max(prior, 1e-12)). Simulation k (from 0) takes, of the moves with schedule[k] visits, the one with
the largest
    g + logit + sigma(completed Q),       sigma(q) = (c_visit + most visits of any move) * c_scale * q
(then the smallest move). Completed Q is Q where visited, else the mixed value
    (u + n * sum(prior Q) / sum(prior)) / (n + 1),   sums over visited moves; n their visits; u the root's utility.
The schedule is sequential halving over m = min(considered_moves, edges) moves: in each phase every one of the k moves
still considered gets max(1, sims // (ceil(log2 m) * k)) more visits; then k = max(2, k // 2). The policy target is
softmax(logit + sigma(completed Q)), and the move to play has the largest sum above among the most visited. The root's
value is (v + n * sum(target V) / sum(target)) / (n + 1), sums over visited moves, V their mean values for the player to
move at the root, v the root's own; v alone where the target has nothing on visited moves. Its score likewise. The mean
of all visits would be too low: halving visits moves to compare them.

**Avoided moves.** A search may leave out moves of a colour: a move that is avoided until depth d is no edge of nodes at
depth 0 (the root) … d - 1. Where no edge is left, the pass is one. Priors are normalised over the edges that are left.

**Batches.** Games take turns. A turn collects up to `leaves_per_game` leaves and ends early where the next walk would
need one of them; the leaves are counted together, in their order, when all have their evaluations, and only then the
game may have another turn. A call of `select` may allow fewer: at most `leaves`, at most 1 + root visits //
`visits_per_leaf` (a small tree learns more from one leaf after the other), and at most `walks` walks, which matters
where walks end in finished games, that take no evaluation. A batch is filled by one turn of each game of a `group`,
beginning with the game after the last one that had a turn, until it has no room for another whole turn (`batch_rows`).
So a batch of single leaves is full while that many games search, and no tree depends on what shares its batches.

**Cache.** Positions whose inputs to the network are images of each other have one key, and are written in one
orientation: the symmetry that takes the board to its canonical image, then the one that the key's lowest three bits
name. An evaluation found under the key is therefore the one that the row would have got, bit for bit. A leaf that is
found needs no row and waits for the other leaves of its turn; if all are found, they are counted at once and the game
has another turn. So a search finds the same with any cache of its evaluator's, whoever else writes to it.

**Waiting leaves** (`leaves_per_game` > 1): to PUCT, a leaf on its way to the evaluator counts, on all of its path, as
one visit with utility +1 for the player to move there (a virtual loss for whoever moved to it). At a Gumbel root it
counts where visits are compared with the schedule, not in Q or sigma.

**Priming.** A root may get its evaluation from outside (a mean over symmetries, a flattened policy). It replaces the
root's own: priors, those of visited moves too, and its part in the root's sums. The rest of the tree stays.

**Ownership** is kept where asked for: who owns each point, as the evaluator says it, or the final area of a finished
game; in 127ths, for the player to move at the node. Like values, it is averaged over all evaluations in a subtree; a
finished game counts once for each visit.

**Memory.** A tree has room for `first_nodes` nodes from the start, as many as self-play needs, which then allocates
nothing while it searches. One that needs more doubles its pools between walks. Where there is no memory, or
`growth_bytes` are used up by all trees together, its search ends: it is full.

**Corner cases.** A policy that is zero on all edges counts as uniform. Where pass-alive chains and regions decide every
point, the result is that of their owners; after two passes, that of the area.

Bounds: 64 bytes a node, N² more if ownership is kept, and 6 a legal move of an evaluated node; see
`SearchTrees.memory_bound`.

One tree and its simulations are `simulation.pyx`, its memory is `pools.pyx`, many trees together are `tree.pyx`.
`readout.pyx` reads trees for people: lines, deviations, ownership.
"""

cimport cython
from libc.stdint cimport int64_t

from cc_kernels.cache cimport CacheTable, Evaluation, EvaluationCache
from cc_kernels.simulation cimport GameTree, Rules
from cc_kernels.types cimport BoardState, int32_t, uint8_t, uint64_t

cdef enum:
    NO_ROW = -1

cdef struct Turn:                       # what a game may do in one turn
    int leaves
    int visits_per_leaf                 # 0: however small its tree is
    int walks                           # 0: as many as it needs

cdef struct Leaf:                       # one that waits to be counted
    int32_t game
    int32_t node
    int32_t row                         # of the batch; NO_ROW if the cache knew it
    int32_t symmetry                    # in which the row is written
    uint64_t key

cdef struct Batch:                      # the caller's arrays, and how many rows of them are filled
    uint8_t* planes
    float* scalars
    uint64_t* keys
    int32_t* games
    int num_rows
    int most_rows                       # that may be filled
    CacheTable* cache                   # or NULL
    int hits


@cython.final                           # so that its methods are called directly
cdef class SearchTrees:
    cdef GameTree* trees                # [G]
    cdef Leaf* leaves                   # of the present batch, in the order in which they are counted
    cdef int32_t* cursors               # [groups]: the game that has the next turn
    cdef EvaluationCache cache          # that the present batch was looked up in, or None
    cdef Rules rules
    cdef readonly int num_games
    cdef readonly int board_size
    cdef readonly int batch_size
    cdef readonly bint ownership
    cdef int max_simulations
    cdef int first_nodes
    cdef int leaves_per_game
    cdef int num_leaves
    cdef int num_rows                   # of the present batch that wait for their evaluation
    cdef int64_t growth_bytes           # by which all trees together may grow; 0: no bound
    cdef int64_t grown_bytes            # by which they have
    cdef BoardState scratch
    cdef Evaluation found

    cdef GameTree* tree_of(self, int game) except NULL
    cdef GameTree* resting_tree(self, int game) except NULL
    cdef int check_group(self, int group) except -1
    cdef int check_cache(self, EvaluationCache cache) except -1
    cdef int check_ownership(self, const float[:, ::1] ownership) except -1
    cdef int begin(self, GameTree* tree, int simulations, noise) except -1
    cdef int avoid(self, GameTree* tree, avoid) except -1
    cdef bint has_room(self, GameTree* tree) noexcept nogil
    cdef bint grow(self, GameTree* tree) noexcept nogil
    cdef void shrink(self, GameTree* tree) noexcept nogil
    cdef int leaves_of(self, const Turn* turn, int game, int group) noexcept nogil
    cdef void take_turn(self, Batch* batch, const Turn* turn, int game, int group) noexcept nogil
    cdef int collect_leaves(self, Batch* batch, int game, int leaves, int walks) noexcept nogil
    cdef bint add_leaf(self, Batch* batch, int game, int index) noexcept nogil
    cdef void count_leaves(self, int first) noexcept nogil
