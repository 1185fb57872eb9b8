# SPDX-License-Identifier: Apache-2.0
"""One tree, as `simulation.pxd` declares it and `tree.pxd` specifies it.

Order of reading: one simulation (`descend`), the choice below the root and at it, evaluations (`evaluate`).
"""

from libc.math cimport INFINITY, ceil, log, log2, sqrt
from libc.string cimport memset

from cc_kernels.board cimport (
    copy_state,
    history_key,
    history_push,
    is_legal,
    lowest_bit,
    move_vertex,
    play_vertex,
    point_of,
    vertex_of,
)
from cc_kernels.features cimport symmetry_image
from cc_kernels.scoring cimport final_score_of, write_area, write_final_area
from cc_kernels.types cimport C_BLACK, C_EMPTY, EMPTY_SET, MAX_MOVES, NUM_VERTICES, uint64_t


# ---------------------------------------------------------------------------------------------------------- nodes

cdef int add_node(GameTree* tree, int parent, int move, float prior) noexcept nogil:
    cdef int index = tree.num_nodes
    cdef Node* node = &tree.nodes[index]
    tree.num_nodes += 1
    memset(node, 0, sizeof(Node))
    node.parent = parent
    node.first_child = NO_NODE
    node.next_sibling = NO_NODE
    node.move = move
    node.prior = prior
    if parent != NO_NODE:
        node.next_sibling = tree.nodes[parent].first_child
        tree.nodes[parent].first_child = index
        tree.nodes[parent].num_children += 1
    return index


cdef void clear_tree(GameTree* tree) noexcept nogil:
    """Leaves nothing but an unevaluated root."""
    cdef int i
    tree.num_nodes = 0
    tree.num_edges = 0
    add_node(tree, NO_NODE, 0, 1)
    for i in range(tree.root.num_points + 1):
        tree.root_children[i] = NO_NODE


cdef inline double mean_utility(const Node* node) noexcept nogil:
    """Mean for the player to move at the node, waiting leaves counted as won for them."""
    return (node.utility_sum + node.waiting) / (node.visits + node.waiting)


cdef void wait(GameTree* tree, int index, int count) noexcept nogil:
    """Counts a leaf that begins (+1) or ceases (-1) to wait, on all of its path."""
    while index != NO_NODE:
        tree.nodes[index].waiting += count
        index = tree.nodes[index].parent


cdef void add_result(const Rules* rules, GameTree* tree, int index) noexcept nogil:
    """Counts the value and score of an evaluated or terminal node once more, on all of its path."""
    cdef Node* node = &tree.nodes[index]
    cdef double value = node.value, score = node.score
    cdef double utility = utility_of(rules, tree, value, score)
    while index != NO_NODE:
        node = &tree.nodes[index]
        node.visits += 1
        node.utility_sum += utility
        node.value_sum += value
        node.score_sum += score
        utility = -utility
        value = -value
        score = -score
        index = node.parent


# ------------------------------------------------------------------------------------------------ choice by PUCT

cdef void arrange(GameTree* tree, Node* node) noexcept nogil:
    """Moves the unvisited edge with the largest prior, then the smallest move, to the front of the unvisited ones."""
    cdef int16_t* moves = &tree.edge_moves[node.edges]
    cdef float* priors = &tree.edge_priors[node.edges]
    cdef int i, front = node.num_children, best = front
    cdef int16_t move
    cdef float prior
    for i in range(front + 1, node.num_edges):
        if priors[i] > priors[best] or (priors[i] == priors[best] and moves[i] < moves[best]):
            best = i
    if front < node.num_edges:
        move = moves[best]
        prior = priors[best]
        moves[best] = moves[front]
        priors[best] = priors[front]
        moves[front] = move
        priors[front] = prior
    node.status = ARRANGED


cdef int choose_puct(const Rules* rules, GameTree* tree, int index) noexcept nogil:
    """The child that PUCT goes to, created if it is new."""
    cdef Node* node = &tree.nodes[index]
    cdef Node* child
    cdef double best_score = -INFINITY, score
    cdef double exploration = rules.c_puct * sqrt(<double>(node.visits + node.waiting))
    cdef int best = NO_NODE, i, front
    if node.status == EXPANDED:
        arrange(tree, node)
    front = node.edges + node.num_children
    if node.num_children < node.num_edges:
        best_score = mean_utility(node) - rules.fpu_reduction + exploration * tree.edge_priors[front]
    i = node.first_child
    while i != NO_NODE:
        child = &tree.nodes[i]
        score = exploration * child.prior / (1 + child.visits + child.waiting) - mean_utility(child)
        if score >= best_score:
            best = i
            best_score = score
        i = child.next_sibling
    if best == NO_NODE:
        node.status = EXPANDED
        best = add_node(tree, index, tree.edge_moves[front], tree.edge_priors[front])
    return best


# ---------------------------------------------------------------------------------- choice at the root by Gumbel

cdef void fill_schedule(GameTree* tree, int considered) noexcept nogil:
    """Writes, for each simulation, how many visits the move it takes must have: sequential halving."""
    cdef int simulations = tree.simulations, count = 0, k = considered, extra, _, _of_phase
    cdef int rounds = <int>ceil(log2(<double>considered)) if considered > 1 else 1
    cdef int visits = 0                 # of every move that is still considered
    while count < simulations:
        extra = max(1, simulations // (rounds * k))
        for _of_phase in range(extra):
            for _ in range(k):
                if count < simulations:
                    tree.schedule[count] = visits
                    count += 1
            visits += 1
        k = max(min(2, considered), k // 2)


cdef void completed_scores(const Rules* rules, const GameTree* tree, double* scores) noexcept nogil:
    """[edges of the root]: sigma(completed Q) of each move, for the player to move."""
    cdef const Node* root = &tree.nodes[0]
    cdef const Node* child
    cdef double[MAX_MOVES] q
    cdef double prior_sum = 0, weighted = 0, mixed, scale
    cdef int i, visits = 0, most = 0
    for i in range(root.num_edges):
        if tree.root_children[i] == NO_NODE or tree.nodes[tree.root_children[i]].visits == 0:
            continue
        child = &tree.nodes[tree.root_children[i]]
        q[i] = -child.utility_sum / child.visits
        visits += child.visits
        most = max(most, child.visits)
        prior_sum += child.prior
        weighted += child.prior * q[i]
    mixed = utility_of(rules, tree, root.value, root.score)
    if visits > 0:
        mixed = (mixed + visits * (weighted / max(prior_sum, 1e-12))) / (visits + 1)
    scale = (rules.c_visit + most) * rules.c_scale
    for i in range(root.num_edges):
        if tree.root_children[i] == NO_NODE or tree.nodes[tree.root_children[i]].visits == 0:
            scores[i] = scale * mixed
        else:
            scores[i] = scale * q[i]


cdef int best_edge(const Rules* rules, const GameTree* tree, int visits) noexcept nogil:
    """The root's edge with the largest noise + logit + sigma(completed Q) of those with so many visits, or NO_EDGE."""
    cdef const Node* root = &tree.nodes[0]
    cdef const Node* child
    cdef double[MAX_MOVES] scores
    cdef double score, best_score = -INFINITY
    cdef int i, count, best = NO_EDGE
    completed_scores(rules, tree, scores)
    for i in range(root.num_edges):
        count = 0
        if tree.root_children[i] != NO_NODE:
            child = &tree.nodes[tree.root_children[i]]
            count = child.visits + child.waiting
        if count != visits:
            continue
        score = tree.noise[tree.edge_moves[root.edges + i]] + tree.logits[i] + scores[i]
        if score > best_score:
            best = i
            best_score = score
    return best


cdef int choose_gumbel(const Rules* rules, GameTree* tree) noexcept nogil:
    """The root's child that sequential halving goes to, created if it is new; NO_NODE while it must wait for leaves."""
    cdef Node* root = &tree.nodes[0]
    cdef int edge = best_edge(rules, tree, tree.schedule[root.visits + root.waiting - 1])
    if edge == NO_EDGE:
        return NO_NODE
    if tree.root_children[edge] == NO_NODE:
        edge_move = tree.edge_moves[root.edges + edge]
        tree.root_children[edge] = add_node(tree, 0, edge_move, tree.edge_priors[root.edges + edge])
    return tree.root_children[edge]


cdef void prepare_root(const Rules* rules, GameTree* tree) noexcept nogil:
    """Readies an evaluated root for the search that has been started: noise, logits and schedule."""
    cdef Node* root = &tree.nodes[0]
    cdef double total = 0
    cdef int i, child
    if rules.gumbel:
        for i in range(root.num_edges):
            tree.logits[i] = log(max(<double>tree.edge_priors[root.edges + i], 1e-12))
        fill_schedule(tree, min(rules.considered_moves, root.num_edges))
    elif tree.noisy:
        tree.noisy = False
        for i in range(root.num_edges):
            total += tree.noise[tree.edge_moves[root.edges + i]]
        for i in range(root.num_edges):
            tree.edge_priors[root.edges + i] = mix_noise(
                rules, tree.edge_priors[root.edges + i], tree.noise[tree.edge_moves[root.edges + i]], total
            )
        child = root.first_child
        while child != NO_NODE:
            tree.nodes[child].prior = mix_noise(
                rules, tree.nodes[child].prior, tree.noise[tree.nodes[child].move], total
            )
            child = tree.nodes[child].next_sibling
        root.status = EXPANDED


cdef inline float mix_noise(const Rules* rules, float prior, double noise, double total) noexcept nogil:
    return <float>((1 - rules.noise_share) * prior + rules.noise_share * noise / total)


# ------------------------------------------------------------------------------------------------- one simulation

cdef bint has_ended(GameTree* tree, int index, const BoardState* s, const int8_t* alive, bint decided) noexcept nogil:
    """Whether the game is over at a node; if so, makes it terminal with the exact result for the player to move."""
    cdef Node* node = &tree.nodes[index]
    cdef int8_t[NUM_VERTICES] owner
    cdef double score
    cdef int point
    if s.passes < 2 and not decided:
        return False
    if tree.ownership != NULL:
        write_final_area(s, alive, decided, owner)
        for point in range(s.num_points):
            ownership_of(tree, index)[point] = 127 * s.to_play * owner[vertex_of(s, point)]
    score = final_score_of(s, alive, decided) * s.to_play
    node.status = TERMINAL
    node.score = score
    node.value = 1 if score > 0 else -1 if score < 0 else 0
    return True


cdef void write_edges(const Rules* rules, GameTree* tree, int index, const BoardState* s, const int8_t* alive,
                      bint any_alive) noexcept nogil:
    """Lists the moves of a leaf in the pool; their priors come with its evaluation."""
    cdef Node* node = &tree.nodes[index]
    cdef int16_t* moves = &tree.edge_moves[tree.num_edges]
    cdef int8_t[NUM_VERTICES] owner
    cdef int i, vertex, count = 0
    cdef uint64_t bits
    cdef bint prune = any_alive and rules.prune_pass_alive
    if prune:
        write_area(s, owner)
    for i in range(s.num_words):
        bits = s.sets[EMPTY_SET][i]
        while bits:
            vertex = 64 * i + lowest_bit(bits)
            bits &= bits - 1
            if prune and alive[vertex] != C_EMPTY and (alive[vertex] != s.to_play or owner[vertex] == s.to_play):
                continue
            if is_legal(s, &tree.history, vertex, s.to_play):
                moves[count] = point_of(s, vertex)
                count += 1
    moves[count] = s.num_points
    count += 1
    if tree.avoided != NULL:
        count = leave_out(tree, s, moves, count)
    node.edges = tree.num_edges
    node.num_edges = count
    tree.num_edges += count


cdef int leave_out(const GameTree* tree, const BoardState* s, int16_t* moves, int count) noexcept nogil:
    """Takes away the moves that are to be avoided; returns how many are left, which are one at least: the pass."""
    cdef const int16_t* avoided = &tree.avoided[0 if s.to_play == C_BLACK else s.num_points + 1]
    cdef int depth = s.move_count - tree.root.move_count, i, left = 0
    for i in range(count):
        if depth >= avoided[moves[i]]:
            moves[left] = moves[i]
            left += 1
    if left == 0:
        moves[0] = s.num_points
        left = 1
    return left


cdef int descend(const Rules* rules, GameTree* tree, BoardState* s) noexcept nogil:
    """Walks to a leaf, replaying its moves on `s` and the history; NO_NODE if it must wait for other leaves.

    The leaf is NEW, TERMINAL, or WAITING.
    """
    cdef int index = 0
    cdef Node* node = &tree.nodes[0]
    copy_state(s, &tree.root)
    while node.status == EXPANDED or node.status == ARRANGED:
        if index == 0 and rules.gumbel:
            index = choose_gumbel(rules, tree)
            if index == NO_NODE:
                return NO_NODE
        else:
            index = choose_puct(rules, tree, index)
        node = &tree.nodes[index]
        play_vertex(s, move_vertex(s, node.move), s.to_play)
        history_push(&tree.history, history_key(s))
    return index


cdef void evaluate(GameTree* tree, int index, int symmetry, const float* policy, float value, float score,
                   const int8_t* ownership) noexcept nogil:
    """Gives a node its evaluation, and its edges their priors, from a policy and ownership in a symmetry."""
    cdef Node* node = &tree.nodes[index]
    cdef const int16_t* image = symmetry_image(tree.root.board_size, symmetry)
    cdef int num_points = tree.root.num_points, i, move
    cdef double total = 0
    node.value = value
    node.score = score
    for i in range(node.edges, node.edges + node.num_edges):
        move = tree.edge_moves[i]
        tree.edge_priors[i] = policy[num_points if move == num_points else image[move]]
        total += tree.edge_priors[i]
    for i in range(node.edges, node.edges + node.num_edges):
        tree.edge_priors[i] = <float>(tree.edge_priors[i] / total) if total > 1e-12 else <float>(1.0 / node.num_edges)
    if tree.ownership != NULL:
        for i in range(num_points):
            ownership_of(tree, index)[i] = ownership[image[i]]


cdef void round_ownership(const float* ownership, int num_points, int8_t* rounded) noexcept nogil:
    """From [-1, 1] to 127ths; all 0 if there is none."""
    cdef int i
    if ownership == NULL:
        memset(rounded, 0, num_points)
        return
    for i in range(num_points):
        rounded[i] = <int8_t>(127 * min(max(ownership[i], <float>-1), <float>1) + (0.5 if ownership[i] > 0 else -0.5))


cdef void replace_evaluation(const Rules* rules, GameTree* tree, const float* policy, float value, float score,
                             const int8_t* ownership) noexcept nogil:
    """Gives an evaluated root another evaluation: its part in the sums, and the priors of all moves, change."""
    cdef Node* root = &tree.nodes[0]
    cdef double value_before = root.value, score_before = root.score
    cdef float[MAX_MOVES] priors
    cdef int i
    evaluate(tree, 0, 0, policy, value, score, ownership)
    root.utility_sum += utility_of(rules, tree, root.value, root.score)
    root.utility_sum -= utility_of(rules, tree, value_before, score_before)
    root.value_sum += root.value - value_before
    root.score_sum += root.score - score_before
    for i in range(root.edges, root.edges + root.num_edges):
        priors[tree.edge_moves[i]] = tree.edge_priors[i]
    i = root.first_child
    while i != NO_NODE:
        tree.nodes[i].prior = priors[tree.nodes[i].move]
        i = tree.nodes[i].next_sibling
    root.status = EXPANDED
