# SPDX-License-Identifier: Apache-2.0
"""Lets tests import `tests.support`: for this file, pytest puts the parent of `tests` on the path."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory):
    """What programs keep in the user's cache goes into a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
