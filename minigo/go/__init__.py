# SPDX-License-Identifier: Apache-2.0
"""Go without learning: coordinates, rule sets, positions, records, SGF and symmetry. Start at `position`."""
