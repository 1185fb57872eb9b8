# SPDX-License-Identifier: Apache-2.0
"""One small run with everything in it, for all tests of the dashboard, which only look at it."""

import pytest

from minigo.run import Run
from tests.support.dashboards import whole_run


@pytest.fixture(scope="session")
def shown_run(tmp_path_factory) -> Run:
    return whole_run(tmp_path_factory.mktemp("shown") / "run")
