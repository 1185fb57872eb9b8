# SPDX-License-Identifier: Apache-2.0
"""MiniGo's manifests under a real control plane: scheduled, with their own accounts, and under failures.

`pytest -m cluster -s tests/cluster/test_control_plane.py`, as root on Debian 12; the first time builds Kubernetes.
"""

import pytest

from tests.cluster.control_plane.build import BuildError
from tests.cluster.control_plane.system import running_system

pytestmark = pytest.mark.cluster


@pytest.mark.timeout(7200)
def test_it(tmp_path):
    import time

    try:
        with running_system(tmp_path) as system:
            print(system.launch("apply"))
            print(system.launch("diff"))
            began = time.monotonic()
            for _ in range(12):
                time.sleep(10)
                print(
                    time.monotonic() - began,
                    len(system.writes(0, "games/")),
                    len(system.commits(0)),
                    len(system.writes(0, "champion")),
                    flush=True,
                )
            print(system.describe())
    except BuildError as e:
        pytest.fail(str(e))
