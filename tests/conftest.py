# SPDX-License-Identifier: Apache-2.0
"""Lets tests import `tests.support`: for this file, pytest puts the parent of `tests` on the path."""
