# SPDX-License-Identifier: Apache-2.0
"""Slow references, diagrams and fakes that the tests share."""
