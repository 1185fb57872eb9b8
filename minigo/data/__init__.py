# SPDX-License-Identifier: Apache-2.0
"""Game records at rest and in training: shards, the window, examples. Start at `shards`."""
