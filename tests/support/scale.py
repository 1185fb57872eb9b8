# SPDX-License-Identifier: Apache-2.0
"""How much of a long check runs by default, and how much only when slow tests are asked for."""

import pytest


def seeds(slow: int = 10) -> list[object]:
    """Seed 0 for the default suite, and as many more, marked slow, as the whole check asks for."""
    return [pytest.param(0), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, slow + 1))]
