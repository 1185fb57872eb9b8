# SPDX-License-Identifier: Apache-2.0
"""Where handicap stones go, also by GNU Go."""

import os
import shutil

import pytest

from minigo.engines.external import GtpClient
from minigo.go.coords import vertex_from_move
from minigo.go.handicap import fixed_handicap, free_handicap

GNUGO = shutil.which("gnugo", path=os.environ["PATH"] + ":/usr/games")


@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
def test_fixed_handicap_is_that_of_gnugo():
    with GtpClient(f"{GNUGO} --mode gtp") as gnugo:
        for size in range(7, 20):
            gnugo.send(f"boardsize {size}")
            for stones in range(2, (9 if size % 2 and size > 7 else 4) + 1):
                gnugo.send("clear_board")
                theirs = gnugo.send(f"fixed_handicap {stones}").split()
                ours = [vertex_from_move(point, size) for point in fixed_handicap(size, stones)]
                assert sorted(ours) == sorted(theirs), (size, stones)


@pytest.mark.parametrize(("size", "stones"), [(19, 1), (19, 10), (7, 5), (8, 5), (6, 2), (5, 2)])
def test_fixed_handicap_has_its_limits(size, stones):
    with pytest.raises(ValueError, match=f"{size}x{size} must be"):
        fixed_handicap(size, stones)


@pytest.mark.parametrize("size", range(4, 20))
def test_free_handicap_gives_distinct_points_up_to_what_was_asked(size):
    for stones in range(2, 40):
        points = free_handicap(size, stones)
        assert 2 <= len(points) <= stones
        assert len(set(points)) == len(points)
        assert all(0 <= point < size * size for point in points)
