# SPDX-License-Identifier: Apache-2.0
"""Rules, scoring, features and tree search of Go as Cython kernels: no networks, no files, no framework.

Reading order: `types.pxd` (constants), `board` (the rules), `scoring` (area, pass-alive regions), `ladders`, `features`
(planes for the network), `playouts` (random games), `replay` (records to examples), `tree` (search).
"""
