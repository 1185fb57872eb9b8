# SPDX-License-Identifier: Apache-2.0
"""What a ladder does to a chain, read on copies of the board."""

from cc_kernels.types cimport BoardState

cdef bint ladder_takes(const BoardState* s, int head, int num_liberties) noexcept nogil
