# SPDX-License-Identifier: Apache-2.0
"""The eight symmetries of the board applied to planes, policies and moves. Symmetry 0 changes nothing."""

import functools
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cc_kernels import features
from cc_kernels.features import NUM_SYMMETRIES

Scalar = TypeVar("Scalar", bound=np.generic)


@functools.lru_cache(maxsize=32)
def move_images(board_size: int) -> NDArray[np.int64]:
    """[8, A]: where each move goes under each symmetry; a pass stays a pass. Read-only."""
    num_points = board_size**2
    images = np.empty((NUM_SYMMETRIES, num_points + 1), np.int64)
    images[:, :num_points] = features.symmetry_images(board_size)
    images[:, num_points] = num_points
    images.flags.writeable = False
    return images


@functools.lru_cache(maxsize=NUM_SYMMETRIES)
def inverse_symmetry(symmetry: int) -> int:
    """The symmetry that undoes this one."""
    image = move_images(3)
    (found,) = [other for other in range(NUM_SYMMETRIES) if (image[other][image[symmetry]] == image[0]).all()]
    return found


def transform_move(move: int, board_size: int, symmetry: int) -> int:
    """Where the move goes under the symmetry."""
    return int(move_images(board_size)[symmetry, move])


def transform_planes(planes: NDArray[Scalar], symmetry: int) -> NDArray[Scalar]:
    """[N, N, ...], as it looks after the symmetry; a new array."""
    board_size = len(planes)
    flat = planes.reshape(board_size**2, *planes.shape[2:])
    out = np.empty_like(flat)
    out[move_images(board_size)[symmetry, :-1]] = flat
    return out.reshape(planes.shape)


def transform_policy(policy: NDArray[Scalar], board_size: int, symmetry: int) -> NDArray[Scalar]:
    """[..., A], as it looks after the symmetry; a new array."""
    out = np.empty_like(policy)
    out[..., move_images(board_size)[symmetry]] = policy
    return out
