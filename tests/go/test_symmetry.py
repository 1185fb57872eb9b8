# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from cc_kernels.features import NUM_SYMMETRIES
from minigo.go.symmetry import (
    inverse_symmetry,
    move_images,
    transform_move,
    transform_planes,
    transform_policy,
)


@pytest.mark.parametrize("board_size", [2, 5, 19])
def test_the_eight_symmetries_differ_and_keep_the_pass(board_size):
    images = move_images(board_size)

    assert len({image.tobytes() for image in images}) == NUM_SYMMETRIES
    assert (images[:, -1] == board_size**2).all()
    assert (images[0] == np.arange(board_size**2 + 1)).all()


@pytest.mark.parametrize("symmetry", range(NUM_SYMMETRIES))
def test_the_inverse_undoes_a_symmetry(symmetry):
    planes = np.arange(5 * 5 * 2).reshape(5, 5, 2)
    policy = np.arange(26.0)
    back = inverse_symmetry(symmetry)

    assert (transform_planes(transform_planes(planes, symmetry), back) == planes).all()
    assert (transform_policy(transform_policy(policy, 5, symmetry), 5, back) == policy).all()


@pytest.mark.parametrize("symmetry", range(NUM_SYMMETRIES))
def test_moves_planes_and_policies_go_to_the_same_place(symmetry):
    move, image = 7, transform_move(7, 5, symmetry)
    plane, policy = np.zeros((5, 5), np.uint8), np.zeros((3, 26), np.float32)
    plane.flat[move] = policy[:, move] = 1

    assert np.flatnonzero(transform_planes(plane, symmetry)).tolist() == [image]
    assert (transform_policy(policy, 5, symmetry)[:, image] == 1).all()


def test_every_image_is_a_rotation_or_reflection_of_the_board():
    plane = np.arange(25).reshape(5, 5)
    turned = [np.rot90(plane, k) for k in range(4)]
    expected = {array.tobytes() for array in [*turned, *(np.fliplr(array) for array in turned)]}

    assert {transform_planes(plane, symmetry).tobytes() for symmetry in range(NUM_SYMMETRIES)} == expected


def test_transforming_leaves_the_input_alone():
    policy = np.arange(26.0)
    transform_policy(policy, 5, 3)

    assert (policy == np.arange(26.0)).all()
