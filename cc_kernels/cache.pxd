# SPDX-License-Identifier: Apache-2.0
"""Evaluations by the key of their position, shared by threads that hold no interpreter lock.

A direct-mapped table: a key has one slot, and a newer evaluation takes it over. Each slot is a seqlock (Boehm 2012,
"Can seqlocks get along with programming language memory models?"): its version is odd while somebody writes it, and a
reader whose version changed meanwhile has read nothing. Nobody ever waits: a slot that is being written is a miss to
readers and is left alone by other writers.
"""

from cc_kernels.types cimport MAX_MOVES, MAX_POINTS, int8_t, uint64_t

cdef struct Evaluation:                 # as the evaluator gave it, in the orientation of the row that was evaluated
    float value
    float score
    float[MAX_MOVES] policy             # [A]; the rest is meaningless
    int8_t[MAX_POINTS + 7] ownership    # [N²] in 127ths, 1: the player to move; meaningless if the table holds none

cdef struct CacheTable:
    uint64_t* slots                     # each: version (0: never written), key, then the evaluation's words
    uint64_t capacity                   # slots
    uint64_t hits
    uint64_t misses
    int num_moves                       # A
    int num_words                       # of an evaluation without ownership
    int ownership_words                 # of its ownership; 0: the table holds none

cdef bint cache_find(const CacheTable* table, uint64_t key, Evaluation* found) noexcept nogil
cdef void cache_store(CacheTable* table, uint64_t key, const float* policy, float value, float score,
                      const int8_t* ownership) noexcept nogil
cdef void cache_count(CacheTable* table, int hits, int misses) noexcept nogil


cdef class EvaluationCache:
    cdef CacheTable table
    cdef readonly int board_size
    cdef readonly bint ownership
