# SPDX-License-Identifier: Apache-2.0
"""Command lines of processes that run the same code as this one, wherever they are started.

`python -m` looks into the current folder first, where a checkout that was not built would hide the installed package.
"""

import sys
from pathlib import Path
from typing import Final

ROOT: Final = str(Path(__file__).resolve().parent.parent)
"""The folder that this package lies in."""


def child_python(code: str) -> list[str]:
    """The command line of a Python process that runs some code, with this package for it to import."""
    return [sys.executable, "-P", "-c", f"import sys; {ROOT!r} in sys.path or sys.path.insert(0, {ROOT!r})\n{code}"]


def child_module(module: str) -> list[str]:
    """The command line of a Python process that runs a module as its program; arguments follow."""
    return child_python(f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)")
