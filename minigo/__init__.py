# SPDX-License-Identifier: Apache-2.0
"""MiniGo: a system that learns Go by playing itself, on one machine or a cluster.

Reading order: `go` (positions and records), `search`, `players`, `inference` (the seam to the network), `selfplay`,
`train`, `evaluate` and `loop`, which runs them in turn. Programs start in `__main__`; every number is in `config`.
"""

__version__ = "0.1.0"
