# SPDX-License-Identifier: Apache-2.0
"""The memory of one tree: its pools of nodes and edges, and what stays in them when a move is played."""

from libc.stdint cimport int64_t

from cc_kernels.simulation cimport GameTree

cdef enum:
    EDGE_BYTES = 6                      # a move and its prior

cdef bint allocate(GameTree* tree, int64_t nodes, int num_points, bint ownership) noexcept
cdef bint resize(GameTree* tree, int64_t nodes, int64_t edges) noexcept nogil
cdef void release(GameTree* tree) noexcept
cdef int keep_subtree(GameTree* tree, int root) except -1
