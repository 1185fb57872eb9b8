# SPDX-License-Identifier: Apache-2.0
"""A TensorFlow whose import takes for ever: what a start looks like on a cold and busy node."""

import os
from pathlib import Path

_CODE = """
import os, pathlib, time
pathlib.Path(__file__).with_name(f"began-{os.getpid()}").touch()
time.sleep(120)
"""


class SlowFramework:
    """Lies in a folder; processes that are started with `environment` find it instead of TensorFlow."""

    def __init__(self, folder: Path) -> None:
        self._package = folder / "slow" / "tensorflow"
        self._package.mkdir(parents=True)
        (self._package / "__init__.py").write_text(_CODE, encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """This process's environment, with the slow framework in front."""
        places = [str(self._package.parent), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in places if place)}

    def importers(self) -> set[int]:
        """Numbers of the processes that have begun to import it."""
        return {int(path.name.partition("-")[2]) for path in self._package.glob("began-*")}
