# SPDX-License-Identifier: Apache-2.0
"""How a large random check is cut: a tenth runs by default, all of it with `pytest -m slow`."""

import pytest


def tenths() -> list[object]:
    """Seeds for eleven tenths of a check: seed 0 for the default suite, seeds 1 to 10 marked slow."""
    slow = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 11)]
    return [pytest.param(0), *slow]
