# SPDX-License-Identifier: Apache-2.0
"""The memory of one tree, as `pools.pxd` declares it."""

from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

import numpy as np

from cc_kernels.board cimport history_free
from cc_kernels.simulation cimport NEW, NO_NODE, TERMINAL, Node, ownership_of
from cc_kernels.types cimport int8_t, int16_t, int32_t


cdef bint allocate(GameTree* tree, int64_t nodes, int num_points, bint ownership) noexcept:
    """Room for one game; pages are only taken when they are first written to."""
    cdef size_t num_moves = num_points + 1
    tree.root.num_points = num_points
    tree.noise = <double*>malloc(num_moves * sizeof(double))
    tree.logits = <double*>malloc(num_moves * sizeof(double))
    tree.root_children = <int32_t*>malloc(num_moves * sizeof(int32_t))
    if ownership:
        tree.ownership = <int8_t*>malloc(num_points)
    if (
        (ownership and tree.ownership == NULL)
        or tree.noise == NULL
        or tree.logits == NULL
        or tree.root_children == NULL
    ):
        return False
    if not resize(tree, nodes, nodes * num_moves):
        return False
    tree.nodes[0].waiting = 0
    return True


cdef bint resize(GameTree* tree, int64_t nodes, int64_t edges) noexcept nogil:
    """Gives a tree's pools so many entries; False if there is no memory, the tree then being as it was."""
    cdef void* pool = realloc(tree.nodes, nodes * sizeof(Node))
    if pool == NULL:
        return False
    tree.nodes = <Node*>pool
    if tree.ownership != NULL:
        pool = realloc(tree.ownership, nodes * tree.root.num_points)
        if pool == NULL:
            return False
        tree.ownership = <int8_t*>pool
    pool = realloc(tree.edge_moves, edges * sizeof(int16_t))
    if pool == NULL:
        return False
    tree.edge_moves = <int16_t*>pool
    pool = realloc(tree.edge_priors, edges * sizeof(float))
    if pool == NULL:
        return False
    tree.edge_priors = <float*>pool
    tree.node_capacity = nodes
    tree.edge_capacity = edges
    return True


cdef void release(GameTree* tree) noexcept:
    free(tree.nodes)
    free(tree.ownership)
    free(tree.edge_moves)
    free(tree.edge_priors)
    free(tree.avoided)
    free(tree.schedule)
    free(tree.noise)
    free(tree.logits)
    free(tree.root_children)
    history_free(&tree.history)


cdef int keep_subtree(GameTree* tree, int root) except -1:
    """Makes a child the root and moves what is below it to the front of the pools, in the order of its creation."""
    cdef int32_t[::1] renamed = np.full(tree.num_nodes, NO_NODE, np.int32)
    cdef Node* node
    cdef int index, kept = 0, num_edges = 0, i
    # A node is older than its children, and keeps its place in that order: every move below is towards the front.
    for index in range(root, tree.num_nodes):
        if index == root or (tree.nodes[index].parent >= root and renamed[tree.nodes[index].parent] != NO_NODE):
            renamed[index] = kept
            kept += 1
    for index in range(root, tree.num_nodes):
        if renamed[index] == NO_NODE:
            continue
        node = &tree.nodes[renamed[index]]
        node[0] = tree.nodes[index]
        node.parent = NO_NODE if index == root else renamed[node.parent]
        node.first_child = NO_NODE if node.first_child == NO_NODE else renamed[node.first_child]
        node.next_sibling = NO_NODE if index == root or node.next_sibling == NO_NODE else renamed[node.next_sibling]
        if tree.ownership != NULL:
            memcpy(ownership_of(tree, renamed[index]), ownership_of(tree, index), tree.root.num_points)
        if node.status == TERMINAL or node.status == NEW:
            continue
        for i in range(node.num_edges):
            tree.edge_moves[num_edges + i] = tree.edge_moves[node.edges + i]
            tree.edge_priors[num_edges + i] = tree.edge_priors[node.edges + i]
        node.edges = num_edges
        num_edges += node.num_edges
    tree.num_nodes = kept
    tree.num_edges = num_edges
    return 0
