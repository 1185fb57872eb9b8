# SPDX-License-Identifier: Apache-2.0
"""MiniGo: a system that learns Go by playing itself, on one machine or a cluster.

Reading order: `go` (positions and records), `search`, `players`, `inference` (the seam to the network), `selfplay`,
`train`, `evaluate` and `loop`, which runs them in turn. Programs start in `__main__`; every number is in `config`.
"""

import os

__version__ = "0.1.0"

# TensorFlow reads these once, when it is imported, whichever module does that first. Processes with other settings
# compute slightly other numbers, and so play other games. The second lets each inference session have threads of its
# own, so that self-play computes in the thread that asks while training uses all cores (`minigo.inference.tensorflow`).
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_OVERRIDE_GLOBAL_THREADPOOL", "1")
# Processors without AVX-512 get plain convolutions otherwise; with oneDNN's they train 1.2 to 1.4 times as fast.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
