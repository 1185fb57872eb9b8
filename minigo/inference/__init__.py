# SPDX-License-Identifier: Apache-2.0
"""The seam between search and neural networks, and what stands on each side of it.

Start at `evaluator`: batches of positions in, batches of evaluations out. `cache` wraps any evaluator; each
framework has one adapter module of its own (`tensorflow`), which alone imports that framework.
"""
