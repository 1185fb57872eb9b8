# SPDX-License-Identifier: Apache-2.0
"""SplitMix64 (Steele, Lea & Flood 2014): one 64-bit word of state, so every game can own a stream."""

from libc.math cimport log
from libc.stdint cimport uint64_t

cdef inline uint64_t mix64(uint64_t z) noexcept nogil:
    """A bijection of 64-bit words that spreads every input bit over the output."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL
    return z ^ (z >> 31)

cdef inline uint64_t next_random(uint64_t* state) noexcept nogil:
    """The stream's next 64 random bits."""
    state[0] += 0x9E3779B97F4A7C15ULL
    return mix64(state[0])

cdef inline int random_below(uint64_t* state, int limit) noexcept nogil:
    """Uniform in 0 … limit-1, for limits far below 2³²."""
    return <int>(((next_random(state) >> 32) * <uint64_t>limit) >> 32)

cdef inline double random_unit(uint64_t* state) noexcept nogil:
    """Uniform in the open interval (0, 1)."""
    return (<double>(next_random(state) >> 11) + 0.5) * (1.0 / 9007199254740992.0)

cdef inline double random_gumbel(uint64_t* state) noexcept nogil:
    """A sample of the standard Gumbel distribution."""
    return -log(-log(random_unit(state)))
