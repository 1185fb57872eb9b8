# SPDX-License-Identifier: Apache-2.0
"""The tests. They mirror the source; `tests.support` holds what they share."""
