# SPDX-License-Identifier: Apache-2.0
"""The neural network: its shape (`architecture`), what it is trained towards (`losses`), and its files (`network`).

Written with Keras 3 and `keras.ops` alone, so that any Keras backend runs it. Start at `architecture`.
"""

import os

# TensorFlow reads these once, when it is imported. The second lets each inference session have threads of its own, so
# that self-play computes in the thread that asks while training uses all cores (`minigo.inference.tensorflow`).
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_OVERRIDE_GLOBAL_THREADPOOL", "1")
# Processors without AVX-512 get plain convolutions otherwise; with oneDNN's they train 1.2 to 1.4 times as fast.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
