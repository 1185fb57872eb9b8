# SPDX-License-Identifier: Apache-2.0
"""Positions that several tests begin from."""

KO = """
    . X O .
    X . X O
    . X O .
    . . . .
"""
SEND_TWO_RETURN_ONE = """
    . X O .
    X X O .
    X X O .
    . O . O
"""
