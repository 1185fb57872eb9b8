# SPDX-License-Identifier: Apache-2.0
"""The search that `tree.pxd` specifies: its header says what is computed, this file computes it.

One tree and its simulations are in `simulation.pyx`, its memory in `pools.pyx`; here are the Python door, turns and
batches (`SearchTrees.take_turn`), and results.
"""

cimport cython
from libc.math cimport INFINITY, NAN, exp, isfinite
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from collections import namedtuple

import numpy as np

from cc_kernels.board cimport (
    Board,
    copy_state,
    history_copy,
    history_grow,
    history_key,
    history_push,
    history_reserve,
    is_legal,
    move_vertex,
    play_vertex,
)
from cc_kernels.cache cimport CacheTable, EvaluationCache, cache_count, cache_find, cache_store
from cc_kernels.features cimport C_NUM_PLANES, C_NUM_SCALARS, KoPoints, features_key, find_ko_points, write_planes
from cc_kernels.pools cimport EDGE_BYTES, allocate, keep_subtree, release, resize
from cc_kernels.scoring cimport write_pass_alive
from cc_kernels.simulation cimport (
    ARRANGED,
    EXPANDED,
    NEW,
    NO_NODE,
    TERMINAL,
    WAITING,
    Node,
    add_result,
    best_edge,
    clear_tree,
    completed_scores,
    descend,
    evaluate,
    has_ended,
    is_done,
    prepare_root,
    replace_evaluation,
    round_ownership,
    wait,
    wants_leaf,
    write_edges,
)
from cc_kernels.types cimport MAX_MOVES, MAX_POINTS, MAX_SIZE, NUM_VERTICES, int8_t, int16_t

RootResult = namedtuple(
    "RootResult", "move visits policy_target move_values value score_lead simulations principal_variation"
)
RootResult.__doc__ = """What a search found, for the player to move at the root.

move: the move to play. visits: [A] int32. policy_target: [A] float32, the improved policy (completed Q for Gumbel,
visit shares for PUCT). move_values: [A] float32, mean utility of each move, NaN where unvisited. value: in [-1, 1], of
the root's own evaluation and what the policy target expects of visited moves (the mean of visits for PUCT). score_lead:
the same in points. simulations: made so far. principal_variation: most visited line of moves.
"""


@cython.final
cdef class SearchTrees:
    """Searches of many games of one board size, each with a tree and a number of simulations of its own.

    Args:
        num_games: G.
        board_size: N of every game.
        max_simulations: the most that any search will ask for; sets the memory.
        leaves_per_game: leaves that one game may have in a batch, 1 to 255.
        gumbel: Gumbel root with sequential halving, else PUCT from the root down.
        considered_moves, c_visit, c_scale, c_puct, fpu_reduction, score_weight, noise_share, prune_pass_alive: see the
            header, `tree.pxd`, and `minigo.config.SearchConfig`.
        batch_rows: B, rows of a batch, at least `leaves_per_game`; 0: as many as all games together can fill.
        ownership: whether nodes keep who owns which point.
        first_nodes: for how many each tree has room from the start.
        growth_bytes: by which all trees together may grow beyond what they have from the start; 0: no bound.

    Attributes:
        num_games, board_size, ownership: as given.
        batch_size: B.
    """

    def __cinit__(
        self,
        int num_games,
        int board_size,
        int max_simulations,
        int leaves_per_game=1,
        bint gumbel=True,
        int considered_moves=16,
        double c_visit=50.0,
        double c_scale=0.5,
        double c_puct=1.1,
        double fpu_reduction=0.2,
        double score_weight=0.1,
        double noise_share=0.25,
        bint prune_pass_alive=True,
        int batch_rows=0,
        bint ownership=False,
        int first_nodes=4096,
        long long growth_bytes=0,
    ):
        if num_games < 1 or max_simulations < 1 or considered_moves < 1:
            raise ValueError(
                "num_games, max_simulations and considered_moves must be 1 or more, "
                f"got {num_games}, {max_simulations} and {considered_moves}"
            )
        if not 2 <= board_size <= MAX_SIZE:
            raise ValueError(f"board_size must be in 2..{MAX_SIZE}, got {board_size}")
        if not 1 <= leaves_per_game <= 255:
            raise ValueError(f"leaves_per_game must be in 1..255, got {leaves_per_game}")
        if max_simulations > 5_000_000:
            raise ValueError(f"max_simulations must be at most 5,000,000, got {max_simulations}")
        if batch_rows != 0 and batch_rows < leaves_per_game:
            raise ValueError(f"batch_rows must be 0, or {leaves_per_game} or more, got {batch_rows}")
        if first_nodes < 1 or growth_bytes < 0:
            raise ValueError(
                f"first_nodes must be 1 or more and growth_bytes 0 or more, got {first_nodes} and {growth_bytes}"
            )
        self.first_nodes = min(first_nodes, max_simulations + 1)
        self.num_games = num_games
        self.board_size = board_size
        self.ownership = ownership
        self.growth_bytes = growth_bytes
        self.max_simulations = max_simulations
        self.leaves_per_game = leaves_per_game
        self.rules = Rules(
            c_visit,
            c_scale,
            c_puct,
            fpu_reduction,
            score_weight,
            noise_share,
            considered_moves,
            gumbel,
            prune_pass_alive,
        )
        self.batch_size = batch_rows if batch_rows > 0 else num_games * leaves_per_game
        # Every game with leaves in a batch has a row there, and at most `leaves_per_game` leaves.
        self.leaves = <Leaf*>malloc(<size_t>min(num_games, self.batch_size) * leaves_per_game * sizeof(Leaf))
        self.cursors = <int32_t*>calloc(num_games + 1, sizeof(int32_t))
        self.trees = <GameTree*>calloc(num_games, sizeof(GameTree))
        if self.leaves == NULL or self.cursors == NULL or self.trees == NULL:
            raise MemoryError(f"no memory for the searches of {num_games} games")
        cdef int game
        for game in range(num_games):
            if gumbel:
                self.trees[game].schedule = <int32_t*>malloc(max_simulations * sizeof(int32_t))
                if self.trees[game].schedule == NULL:
                    raise MemoryError(f"no memory for schedules of {max_simulations} simulations")
            if not allocate(&self.trees[game], self.first_nodes, board_size * board_size, ownership):
                raise MemoryError(f"no memory for the searches of {num_games} games of {max_simulations} simulations")

    def __dealloc__(self):
        cdef int game
        if self.trees != NULL:
            for game in range(self.num_games):
                release(&self.trees[game])
        free(self.trees)
        free(self.cursors)
        free(self.leaves)

    @property
    def memory_bound(self):
        """The most bytes that the trees of all games can come to use."""
        cdef long long moves = self.board_size * self.board_size + 1
        cdef long long nodes = self.max_simulations + 1
        cdef long long node_bytes = sizeof(Node) + 6 * moves
        if self.rules.gumbel:
            node_bytes += 4
        if self.ownership:
            node_bytes += moves - 1
        cdef long long bound = self.num_games * (nodes * node_bytes + 20 * moves + sizeof(GameTree))
        if self.growth_bytes > 0:
            nodes = self.first_nodes
            return min(bound, self.num_games * (nodes * node_bytes + 20 * moves + sizeof(GameTree)) + self.growth_bytes)
        return bound

    cdef GameTree* tree_of(self, int game) except NULL:
        if not 0 <= game < self.num_games:
            raise ValueError(f"game must be in 0..{self.num_games - 1}, got {game}")
        return &self.trees[game]

    cdef GameTree* resting_tree(self, int game) except NULL:
        cdef GameTree* tree = self.tree_of(game)
        if tree.num_nodes == 0 or tree.nodes[0].waiting:
            raise ValueError(f"game {game} has no tree, or leaves that wait for their evaluation")
        return tree

    cdef int check_group(self, int group) except -1:
        if not 0 <= group <= self.num_games:
            raise ValueError(f"group must be in 0..{self.num_games}, got {group}")
        return 0

    cdef int check_cache(self, EvaluationCache cache) except -1:
        if cache is not None and cache.board_size != self.board_size:
            raise ValueError(f"the cache must be of board size {self.board_size}, got {cache.board_size}")
        if cache is not None and cache.ownership != self.ownership:
            raise ValueError(f"the cache must {'' if self.ownership else 'not '}hold ownership, as the trees do")
        return 0

    def start(self, int game, Board board, int simulations, noise=None, int group=0, avoid=None):
        """Starts a search of a position from an empty tree.

        Args:
            game: which of the games.
            board: the position to search.
            simulations: how many to make, beside the root's own evaluation, which comes even if it is 0.
            noise: [A] float64 by move: Gumbel noise, or gamma variates above 0 for PUCT; None for none.
            group: 0 … G, whose leaves share batches: those of one network.
            avoid: [2, A] int16, the depth until which Black (row 0) and White leave out each move; None: they do not.

        Raises:
            ValueError: wrong board size, number of simulations, noise, group, or shape of `avoid`.
        """
        cdef GameTree* tree = self.tree_of(game)
        if board.state.board_size != self.board_size:
            raise ValueError(f"the board must be {self.board_size}x{self.board_size}, got {board.state.board_size}")
        if tree.nodes[0].waiting:
            raise ValueError(f"game {game} has leaves that wait for their evaluation")
        self.check_group(group)
        self.avoid(tree, avoid)
        tree.group = group
        self.shrink(tree)
        copy_state(&tree.root, &board.state)
        history_copy(&tree.history, &board.history, tree.node_capacity + 2)
        clear_tree(tree)
        self.begin(tree, simulations, noise)

    cdef int avoid(self, GameTree* tree, avoid) except -1:
        cdef int num_moves = self.board_size * self.board_size + 1
        cdef const int16_t[:, ::1] view
        if avoid is None:
            free(tree.avoided)
            tree.avoided = NULL
            return 0
        view = avoid
        if view.shape[0] != 2 or view.shape[1] != num_moves:
            raise ValueError(f"avoid must be [2, {num_moves}], got [{view.shape[0]}, {view.shape[1]}]")
        if tree.avoided == NULL:
            tree.avoided = <int16_t*>malloc(2 * num_moves * sizeof(int16_t))
            if tree.avoided == NULL:
                raise MemoryError("no memory for the moves to avoid")
        memcpy(tree.avoided, &view[0, 0], 2 * num_moves * sizeof(int16_t))
        return 0

    def extend(self, int game, int simulations, noise=None):
        """Goes on with the tree as it is, to so many simulations in all; the arguments are those of `start`."""
        cdef GameTree* tree = self.resting_tree(game)
        if self.rules.gumbel and tree.nodes[0].num_children:
            raise ValueError("sequential halving cannot go on with a tree: start it anew")
        self.begin(tree, simulations, noise)

    cdef int begin(self, GameTree* tree, int simulations, noise) except -1:
        cdef int num_moves = tree.root.num_points + 1, i
        cdef const double[::1] view
        if not 0 <= simulations <= self.max_simulations:
            raise ValueError(f"simulations must be in 0..{self.max_simulations}, got {simulations}")
        memset(tree.noise, 0, num_moves * sizeof(double))
        tree.noisy = noise is not None
        if noise is not None:
            view = noise
            if view.shape[0] != num_moves:
                raise ValueError(f"noise must have {num_moves} entries, got {view.shape[0]}")
            for i in range(num_moves):
                if not isfinite(view[i]) or not (self.rules.gumbel or view[i] > 0):
                    tree.searching = False
                    expected = "finite" if self.rules.gumbel else "finite and positive"
                    raise ValueError(f"noise must be {expected}, got {view[i]}")
                tree.noise[i] = view[i]
        tree.simulations = simulations
        tree.searching = True
        tree.full = False
        if tree.nodes[0].status in (EXPANDED, ARRANGED):
            prepare_root(&self.rules, tree)
        return 0

    def prime(
        self, int game, const float[::1] policy, float value, float score, const float[:, ::1] ownership=None
    ):
        """Gives a root its evaluation from outside, in place of any that it has; False if the game is over there.

        Noise that has been mixed into a root's priors (PUCT) is gone then.

        Args:
            game: which.
            policy: [A] probabilities, as the board lies; illegal moves are ignored.
            value: in [-1, 1], for the player to move.
            score: points, for the player to move.
            ownership: [N, N] in [-1, 1], 1: the player to move; None: not known, which counts as 0.

        Raises:
            ValueError: there is no tree, or leaves wait, or wrong shapes, or a value that is not finite.
        """
        cdef GameTree* tree = self.resting_tree(game)
        cdef Node* root = tree.nodes
        cdef int num_points = self.board_size * self.board_size
        cdef int8_t[NUM_VERTICES] alive
        cdef int8_t[MAX_POINTS] owner
        cdef int num_decided
        if policy.shape[0] != num_points + 1:
            raise ValueError(f"policy must have {num_points + 1} entries, got {policy.shape[0]}")
        if not (all_finite(&policy[0], num_points + 1) and isfinite(value) and isfinite(score)):
            raise ValueError("policy, value and score must be finite")
        self.check_ownership(ownership)
        if ownership is not None and not all_finite(&ownership[0, 0], num_points):
            raise ValueError("ownership must be finite")
        if self.ownership:
            round_ownership(NULL if ownership is None else &ownership[0, 0], num_points, owner)
        if root.status == TERMINAL:
            return False
        if root.status != NEW:
            replace_evaluation(&self.rules, tree, &policy[0], value, score, owner)
        else:
            copy_state(&self.scratch, &tree.root)
            num_decided = write_pass_alive(&self.scratch, alive)
            if has_ended(tree, 0, &self.scratch, alive, num_decided == num_points):
                add_result(&self.rules, tree, 0)
                return False
            write_edges(&self.rules, tree, 0, &self.scratch, alive, num_decided > 0)
            evaluate(tree, 0, 0, &policy[0], value, score, owner)
            root.status = EXPANDED
            add_result(&self.rules, tree, 0)
        if tree.searching:
            prepare_root(&self.rules, tree)
        return True

    def advance(self, int game, int move):
        """Plays a legal move at the root and keeps what is below it; whether anything was.

        The search must be resumed with `extend`. Nothing is kept with a Gumbel root, or where moves were avoided: the
        search starts from an empty tree, and avoids none.

        Raises:
            ValueError: there is no tree, or leaves wait, or the move does not exist or is illegal.
        """
        cdef GameTree* tree = self.resting_tree(game)
        cdef int vertex, child
        cdef bint anew = self.rules.gumbel or tree.avoided != NULL
        if not 0 <= move <= tree.root.num_points:
            raise ValueError(f"move must be in 0..{tree.root.num_points}, got {move}")
        vertex = move_vertex(&tree.root, move)
        if move != tree.root.num_points and not is_legal(&tree.root, &tree.history, vertex, tree.root.to_play):
            raise ValueError(f"move {move} is illegal at the root of game {game}")
        self.avoid(tree, None)
        history_reserve(&tree.history, tree.history.count + tree.node_capacity + 3)
        play_vertex(&tree.root, vertex, tree.root.to_play)
        history_push(&tree.history, history_key(&tree.root))
        tree.searching = False
        tree.full = False
        child = tree.nodes[0].first_child
        while child != NO_NODE and tree.nodes[child].move != move:
            child = tree.nodes[child].next_sibling
        if child == NO_NODE or anew or tree.nodes[child].status == NEW:
            clear_tree(tree)
            return False
        keep_subtree(tree, child)
        return True

    def stop(self, int game):
        """Ends a game's search where it is; it takes no more leaves until the next `start` or `extend`."""
        self.tree_of(game).searching = False

    def clear(self, int game):
        """Ends a game's search and gives back what its tree has grown by; there is no tree until the next `start`.

        Raises:
            ValueError: its leaves wait for their evaluation.
        """
        cdef GameTree* tree = self.tree_of(game)
        if tree.nodes[0].waiting:
            raise ValueError(f"game {game} has leaves that wait for their evaluation")
        tree.searching = False
        tree.num_nodes = 0
        tree.num_edges = 0
        self.shrink(tree)

    def regroup(self, int game, int group):
        """Puts a game into another group from the next `select` on. Raises ValueError if there is no such group."""
        cdef GameTree* tree = self.tree_of(game)
        self.check_group(group)
        tree.group = group

    cdef bint has_room(self, GameTree* tree) noexcept nogil:
        """Whether one more node fits into a tree, which may grow; if not, it is full."""
        if (
            tree.num_nodes < tree.node_capacity
            and tree.num_edges + tree.root.num_points + 1 <= tree.edge_capacity
        ):
            return True
        tree.full = not self.grow(tree)
        return not tree.full

    cdef bint grow(self, GameTree* tree) noexcept nogil:
        """Doubles the pools of a tree that are full; False if there is no memory for that."""
        cdef int64_t num_moves = tree.root.num_points + 1, most = self.max_simulations + 1
        cdef int64_t nodes = tree.node_capacity, edges = tree.edge_capacity, more
        cdef int64_t node_bytes = sizeof(Node) + (num_moves - 1 if self.ownership else 0)
        if tree.num_nodes == nodes:
            nodes = min(2 * nodes, most)
        if tree.num_edges + num_moves > edges:
            edges = min(2 * edges, most * num_moves)
        more = (nodes - tree.node_capacity) * node_bytes + (edges - tree.edge_capacity) * EDGE_BYTES
        if more == 0 or (self.growth_bytes > 0 and self.grown_bytes + more > self.growth_bytes):
            return False
        if not (history_grow(&tree.history, tree.history.count + nodes + 2) and resize(tree, nodes, edges)):
            return False
        self.grown_bytes += more
        return True

    cdef void shrink(self, GameTree* tree) noexcept nogil:
        """Takes a tree's pools back to their first size; what is in them is lost."""
        cdef int64_t num_points = self.board_size * self.board_size
        cdef int64_t nodes = self.first_nodes, edges = nodes * (num_points + 1)
        cdef int64_t less = (tree.node_capacity - nodes) * (sizeof(Node) + (num_points if self.ownership else 0))
        less += (tree.edge_capacity - edges) * EDGE_BYTES
        if less > 0 and resize(tree, nodes, edges):
            self.grown_bytes -= less

    def select(
        self,
        uint8_t[:, :, :, ::1] planes,
        float[:, ::1] scalars,
        uint64_t[::1] keys,
        int32_t[::1] games,
        EvaluationCache cache=None,
        int group=0,
        int rows=0,
        int leaves=0,
        int visits_per_leaf=0,
        int walks=0,
    ):
        """Walks games of a group that still lack simulations to their next leaves and writes them into a batch.

        The games take turns, over all calls; one turn a call, while the batch has room for it. `symmetries` says how
        each row is turned; `backup` expects policies turned likewise.

        Args:
            planes: [B, N, N, NUM_PLANES] uint8, B = batch_size; the first rows are overwritten, the rest left alone.
            scalars: [B, NUM_SCALARS] float32, likewise.
            keys: [B] uint64, likewise.
            games: [B] int32, the game of each row, likewise.
            cache: evaluations of the group's network; leaves that it holds need no row. `backup` adds to it.
            group: whose games.
            rows: how many may be written; 0: all.
            leaves, visits_per_leaf, walks: what a game may do in its turn (the header, "Batches"); 0: no such bound
                but `leaves_per_game`. A game of which the cache holds all leaves ends its turns after `walks` walks.

        Returns:
            The number of rows written; 0 does not say that all games are done if there is a bound on walks.

        Raises:
            ValueError: leaves wait, or wrong shapes, group or bounds, or a cache that does not fit.
        """
        cdef int size = self.batch_size, _
        cdef Batch batch
        cdef Turn turn
        if self.num_rows:
            raise ValueError(f"{self.num_rows} leaves wait for their evaluation: call backup first")
        if planes.shape[0] != size or scalars.shape[0] != size or keys.shape[0] != size or games.shape[0] != size:
            raise ValueError(f"planes, scalars, keys and games must have {size} rows")
        if planes.shape[1] != self.board_size or planes.shape[2] != self.board_size or planes.shape[3] != C_NUM_PLANES:
            raise ValueError(f"planes must be [{size}, {self.board_size}, {self.board_size}, {C_NUM_PLANES}]")
        if scalars.shape[1] != C_NUM_SCALARS:
            raise ValueError(f"scalars must have {C_NUM_SCALARS} columns, got {scalars.shape[1]}")
        if not (0 <= rows <= size and 0 <= leaves <= self.leaves_per_game and visits_per_leaf >= 0 and walks >= 0):
            raise ValueError(
                f"rows must be in 0..{size}, leaves in 0..{self.leaves_per_game}, visits_per_leaf and walks 0 or more; "
                f"got {rows}, {leaves}, {visits_per_leaf} and {walks}"
            )
        self.check_cache(cache)
        self.check_group(group)
        self.cache = cache
        turn = Turn(self.leaves_per_game if leaves == 0 else leaves, visits_per_leaf, walks)
        batch = Batch(&planes[0, 0, 0, 0], &scalars[0, 0], &keys[0], &games[0], 0, size if rows == 0 else rows, NULL, 0)
        if cache is not None:
            batch.cache = &cache.table
        with nogil:
            for _ in range(self.num_games):
                if batch.num_rows + self.leaves_of(&turn, self.cursors[group], group) > batch.most_rows:
                    break
                self.take_turn(&batch, &turn, self.cursors[group], group)
                self.cursors[group] = (self.cursors[group] + 1) % self.num_games
            if batch.cache != NULL:
                cache_count(batch.cache, batch.hits, batch.num_rows)
        self.num_rows = batch.num_rows
        return self.num_rows

    cdef int leaves_of(self, const Turn* turn, int game, int group) noexcept nogil:
        """How many leaves a game may have in its next turn."""
        cdef GameTree* tree = &self.trees[game]
        if turn.visits_per_leaf == 0:
            return turn.leaves
        if tree.group != group or not wants_leaf(tree):
            return 0
        return min(turn.leaves, 1 + tree.nodes[0].visits // turn.visits_per_leaf)

    cdef void take_turn(self, Batch* batch, const Turn* turn, int game, int group) noexcept nogil:
        """Collects a game's next leaves; counts them at once, and goes on, as long as the cache holds all of them.

        A turn is the same whatever the cache holds: leaves that it holds wait for the others.
        """
        cdef GameTree* tree = &self.trees[game]
        cdef int first = self.num_leaves, first_row = batch.num_rows, leaves, walked = 0
        if tree.group != group:
            return
        while turn.walks == 0 or walked < turn.walks:
            leaves = self.leaves_of(turn, game, group)
            if first_row + leaves > batch.most_rows:
                return
            walked += self.collect_leaves(batch, game, leaves, turn.walks)
            if batch.num_rows > first_row or self.num_leaves == first:
                return
            self.count_leaves(first)

    cdef int collect_leaves(self, Batch* batch, int game, int leaves, int walks) noexcept nogil:
        """Walks to a game's next leaves; returns the number of walks."""
        cdef GameTree* tree = &self.trees[game]
        cdef int last = self.num_leaves + leaves, depth = tree.history.count, walked = 0, node
        while self.num_leaves < last and wants_leaf(tree) and (walks == 0 or walked < walks) and self.has_room(tree):
            node = descend(&self.rules, tree, &self.scratch)
            walked += 1
            if node == NO_NODE or tree.nodes[node].status == WAITING:
                tree.history.count = depth
                break
            if tree.nodes[node].status == TERMINAL or not self.add_leaf(batch, game, node):
                add_result(&self.rules, tree, node)
            tree.history.count = depth
        return walked

    cdef bint add_leaf(self, Batch* batch, int game, int index) noexcept nogil:
        """Lets a new node, the position in `scratch`, wait for its evaluation; False if the game is over there."""
        cdef GameTree* tree = &self.trees[game]
        cdef BoardState* s = &self.scratch
        cdef Leaf* leaf = &self.leaves[self.num_leaves]
        cdef KoPoints ko
        cdef int8_t[NUM_VERTICES] alive
        cdef int row = batch.num_rows, symmetry
        cdef int num_decided = write_pass_alive(s, alive)
        if has_ended(tree, index, s, alive, num_decided == s.num_points):
            return False
        find_ko_points(s, &tree.history, &ko)
        write_edges(&self.rules, tree, index, s, alive, num_decided > 0)
        leaf.game = game
        leaf.node = index
        leaf.key = features_key(s, &ko, &symmetry)
        leaf.symmetry = symmetry
        if batch.cache != NULL and cache_find(batch.cache, leaf.key, &self.found):
            leaf.row = NO_ROW
            batch.hits += 1
            evaluate(
                tree, index, symmetry, self.found.policy, self.found.value, self.found.score, self.found.ownership
            )
        else:
            leaf.row = row
            batch.num_rows += 1
            batch.keys[row] = leaf.key
            batch.games[row] = game
            write_planes(
                s, &ko, alive if num_decided else NULL, symmetry,
                batch.planes + <size_t>row * s.num_points * C_NUM_PLANES, batch.scalars + row * C_NUM_SCALARS,
            )
        tree.nodes[index].status = WAITING
        wait(tree, index, 1)
        self.num_leaves += 1
        return True

    cdef void count_leaves(self, int first) noexcept nogil:
        """Counts the evaluated leaves from `first` on, and forgets them."""
        cdef GameTree* tree
        cdef int i, node
        for i in range(first, self.num_leaves):
            tree = &self.trees[self.leaves[i].game]
            node = self.leaves[i].node
            tree.nodes[node].status = EXPANDED
            wait(tree, node, -1)
            add_result(&self.rules, tree, node)
            if node == 0:
                prepare_root(&self.rules, tree)
        self.num_leaves = first

    cdef int check_ownership(self, const float[:, ::1] ownership) except -1:
        if ownership is not None and not self.ownership:
            raise ValueError("these trees keep no ownership")
        if ownership is not None and (ownership.shape[0] != self.board_size or ownership.shape[1] != self.board_size):
            raise ValueError(f"ownership must be [{self.board_size}, {self.board_size}]")
        return 0

    def backup(
        self,
        const float[:, ::1] policy,
        const float[::1] value,
        const float[::1] score,
        const float[:, :, ::1] ownership=None,
    ):
        """Gives the leaves of the last `select` their evaluations, row for row, and counts them up to the roots.

        Args:
            policy: [B, A] float32 probabilities, each in its row's symmetry; illegal moves are ignored.
            value: [B] float32 in [-1, 1], for the player to move.
            score: [B] float32 points, for the player to move.
            ownership: [B, N, N] float32 in [-1, 1], 1: the player to move, each in its row's symmetry; None: not
                known, which counts as 0. Not looked at if the trees do not keep it.

        Raises:
            ValueError: wrong shapes, or a value that is not finite; the leaves go on waiting.
        """
        cdef int i, num_points = self.board_size * self.board_size, num_moves = num_points + 1
        cdef CacheTable* table = NULL
        cdef Leaf* leaf
        cdef int8_t* owner = self.found.ownership
        cdef const float* owners = NULL
        if policy.shape[0] < self.num_rows or value.shape[0] < self.num_rows or score.shape[0] < self.num_rows:
            raise ValueError(f"policy, value and score must have at least {self.num_rows} rows")
        if policy.shape[1] != num_moves:
            raise ValueError(f"policy must have {num_moves} columns, got {policy.shape[1]}")
        if self.num_rows > 0 and not (
            all_finite(&policy[0, 0], self.num_rows * num_moves)
            and all_finite(&value[0], self.num_rows)
            and all_finite(&score[0], self.num_rows)
        ):
            raise ValueError("policy, value and score must be finite")
        if self.ownership and ownership is not None and self.num_rows > 0:
            if ownership.shape[0] < self.num_rows or (ownership.shape[1], ownership.shape[2]) != (
                self.board_size, self.board_size
            ):
                raise ValueError(
                    f"ownership must be [{self.num_rows} or more, {self.board_size}, {self.board_size}]"
                )
            owners = &ownership[0, 0, 0]
            if not all_finite(owners, self.num_rows * num_points):
                raise ValueError("ownership must be finite")
        if self.cache is not None:
            table = &self.cache.table
        with nogil:
            for i in range(self.num_leaves):
                leaf = &self.leaves[i]
                if leaf.row == NO_ROW:
                    continue
                if self.ownership:
                    round_ownership(
                        NULL if owners == NULL else owners + <size_t>leaf.row * num_points, num_points, owner
                    )
                evaluate(
                    &self.trees[leaf.game], leaf.node, leaf.symmetry,
                    &policy[leaf.row, 0], value[leaf.row], score[leaf.row], owner,
                )
                if table != NULL:
                    cache_store(table, leaf.key, &policy[leaf.row, 0], value[leaf.row], score[leaf.row], owner)
            self.count_leaves(0)
        self.num_rows = 0

    def symmetries(self):
        """[rows] int32: the symmetry in which each row of the present batch is written."""
        cdef int i
        result = np.zeros(self.num_rows, np.int32)
        cdef int32_t[::1] view = result
        for i in range(self.num_leaves):
            if self.leaves[i].row != NO_ROW:
                view[self.leaves[i].row] = self.leaves[i].symmetry
        return result

    def is_done(self, int game):
        """Whether a game's search has all its simulations, or none was started."""
        return bool(is_done(self.tree_of(game)))

    def is_full(self, int game):
        """Whether a game's search ended because its tree could not grow."""
        return bool(self.tree_of(game).full)

    def root_visits(self, int game):
        """Visits of a game's root; 0 if it has not been evaluated, or there is no tree."""
        cdef GameTree* tree = self.tree_of(game)
        return tree.nodes[0].visits if tree.num_nodes > 0 else 0

    def done_games(self):
        """int64 indices of the games whose searches are done."""
        cdef int game, count = 0
        result = np.empty(self.num_games, np.int64)
        cdef int64_t[::1] view = result
        for game in range(self.num_games):
            if is_done(&self.trees[game]):
                view[count] = game
                count += 1
        return result[:count]

    def result(self, int game):
        """What the search of a game has found so far.

        Raises:
            ValueError: the root has not been evaluated.
        """
        cdef GameTree* tree = self.tree_of(game)
        cdef Node* root = tree.nodes
        cdef int num_moves = tree.root.num_points + 1, child, i, total = 0
        if tree.num_nodes == 0 or root.visits == 0 or root.status == TERMINAL:
            raise ValueError(f"game {game} has no evaluated root, or is over there")
        visits = np.zeros(num_moves, np.int32)
        values = np.empty(num_moves, np.float32)
        cdef int32_t[::1] visits_view = visits
        cdef float[::1] values_view = values
        for i in range(num_moves):
            values_view[i] = NAN
        child = root.first_child
        while child != NO_NODE:
            if tree.nodes[child].visits > 0:
                visits_view[tree.nodes[child].move] = tree.nodes[child].visits
                values_view[tree.nodes[child].move] = -tree.nodes[child].utility_sum / tree.nodes[child].visits
                total += tree.nodes[child].visits
            child = tree.nodes[child].next_sibling
        if self.rules.gumbel:
            move, target, value, score = gumbel_result(&self.rules, tree, total)
        else:
            move, target = puct_result(tree, visits, total)
            value, score = root.value_sum / root.visits, root.score_sum / root.visits
        return RootResult(
            move,
            visits,
            target,
            values,
            value,
            score,
            total,
            principal_variation(tree, move),
        )

    def nodes(self, int game):
        """Every node of a game's tree as float64 arrays [M], for tests and debugging; node 0 is the root."""
        cdef GameTree* tree = self.tree_of(game)
        rows = [
            (node.parent, node.move, node.visits, node.utility_sum, node.value_sum, node.score_sum, node.prior)
            for node in tree.nodes[:tree.num_nodes]
        ]
        names = ("parent", "move", "visits", "utility_sum", "value_sum", "score_sum", "prior")
        return dict(zip(names, np.array(rows, np.float64).reshape(-1, len(names)).T, strict=True))


cdef bint all_finite(const float* numbers, long long count) noexcept nogil:
    """Whether none of the numbers has an exponent of all ones, which marks infinities and NaN."""
    cdef uint32_t bits, found = 0
    cdef long long i
    for i in range(count):
        memcpy(&bits, &numbers[i], sizeof(bits))
        found |= (bits & 0x7F800000) == 0x7F800000
    return found == 0


cdef tuple gumbel_result(const Rules* rules, const GameTree* tree, int total):
    """The move to play, the [A] float32 policy target, and the value and score lead that this policy expects."""
    cdef const Node* root = &tree.nodes[0]
    cdef const Node* child
    cdef double[MAX_MOVES] scores
    cdef double largest = -INFINITY, weights = 0, known = 0, value = 0, score = 0
    cdef int i, most = 0, edge
    target = np.zeros(tree.root.num_points + 1, np.float32)
    cdef float[::1] view = target
    completed_scores(rules, tree, scores)
    for i in range(root.num_edges):
        scores[i] += tree.logits[i]
        largest = max(largest, scores[i])
    for i in range(root.num_edges):
        scores[i] = exp(scores[i] - largest)
        weights += scores[i]
        if tree.root_children[i] == NO_NODE:
            continue
        child = &tree.nodes[tree.root_children[i]]
        most = max(most, child.visits)
        if child.visits > 0:
            known += scores[i]
            value -= scores[i] * child.value_sum / child.visits
            score -= scores[i] * child.score_sum / child.visits
    for i in range(root.num_edges):
        view[tree.edge_moves[root.edges + i]] = scores[i] / weights
    edge = best_edge(rules, tree, most)
    if known == 0:
        return tree.edge_moves[root.edges + edge], target, root.value, root.score
    value = (root.value + total * value / known) / (total + 1)
    score = (root.score + total * score / known) / (total + 1)
    return tree.edge_moves[root.edges + edge], target, value, score


cdef object puct_result(const GameTree* tree, visits, int total):
    """The most visited move, then the larger prior, and the [A] float32 shares of visits (the priors before any)."""
    cdef const Node* root = &tree.nodes[0]
    cdef int i
    if total > 0:
        priors = np.zeros(tree.root.num_points + 1)
        i = root.first_child
        while i != NO_NODE:
            priors[tree.nodes[i].move] = tree.nodes[i].prior
            i = tree.nodes[i].next_sibling
        move = int(np.lexsort((-priors, -visits))[0])
        return move, (visits / total).astype(np.float32)
    target = np.zeros(tree.root.num_points + 1, np.float32)
    for i in range(root.num_edges):
        target[tree.edge_moves[root.edges + i]] = tree.edge_priors[root.edges + i]
    return int(target.argmax()), target


cdef list principal_variation(const GameTree* tree, int move):
    """The moves from the root along the most visited children, beginning with `move`."""
    cdef int index = 0, child, best
    line = [move]
    child = tree.nodes[0].first_child
    while child != NO_NODE and tree.nodes[child].move != move:
        child = tree.nodes[child].next_sibling
    while child != NO_NODE:
        index = child
        best = NO_NODE
        child = tree.nodes[index].first_child
        while child != NO_NODE:
            if tree.nodes[child].visits > 0 and (
                best == NO_NODE or tree.nodes[child].visits >= tree.nodes[best].visits
            ):
                best = child
            child = tree.nodes[child].next_sibling
        child = best
        if best != NO_NODE:
            line.append(tree.nodes[best].move)
    return line
