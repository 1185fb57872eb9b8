# SPDX-License-Identifier: Apache-2.0
"""The network's input, written straight into one row of a batch."""

from cc_kernels.types cimport BoardState, History, MAX_POINTS, int8_t, int16_t, uint8_t, uint64_t

cdef enum:
    C_NUM_PLANES = 15
    C_NUM_SCALARS = 2
    C_NUM_SYMMETRIES = 8

cdef struct KoPoints:                   # empty points that ko or superko alone forbids the side to move
    int16_t count
    int16_t[MAX_POINTS] vertices

cdef void find_ko_points(const BoardState* s, const History* history, KoPoints* ko) noexcept nogil
cdef uint64_t features_key(const BoardState* s, const KoPoints* ko, int* symmetry) noexcept nogil
cdef void write_planes(
    const BoardState* s,
    const KoPoints* ko,
    const int8_t* pass_alive,
    int symmetry,
    uint8_t* planes,
    float* scalars,
) noexcept nogil
cdef const int16_t* symmetry_image(int board_size, int symmetry) noexcept nogil
