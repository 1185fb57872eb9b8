# SPDX-License-Identifier: Apache-2.0
"""A cluster on one machine: a real control plane, nodes that run pods as processes, and a run under failures.

Read `build`, `plane`, `adapter`, `network`, `pods`, `nodes`, `system`, `drills` in this order.
"""
