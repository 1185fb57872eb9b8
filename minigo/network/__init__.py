# SPDX-License-Identifier: Apache-2.0
"""The neural network: its shape (`architecture`), what it is trained towards (`losses`), and its files (`network`).

Written with Keras 3 and `keras.ops` alone, so that any Keras backend runs it. Start at `architecture`.
"""
