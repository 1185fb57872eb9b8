# SPDX-License-Identifier: Apache-2.0
"""Who owns which point: Tromp-Taylor area as the board stands, and what is decided whatever is played (Benson)."""

from cc_kernels.types cimport BoardState, int8_t

cdef void write_area(const BoardState* s, int8_t* owner) noexcept nogil
cdef int write_pass_alive(const BoardState* s, int8_t* owner) noexcept nogil
cdef void write_final_area(const BoardState* s, const int8_t* alive, bint decided, int8_t* owner) noexcept nogil
cdef float area_score_for_black(const BoardState* s) noexcept nogil
cdef float final_score_of(const BoardState* s, const int8_t* alive, bint decided) noexcept nogil
