# SPDX-License-Identifier: Apache-2.0
"""Command lines of processes that run the same code as this one, wherever they are started.

`python -m` looks into the current folder first, where a checkout that was not built would hide the installed package.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Final

ROOT: Final = str(Path(__file__).resolve().parent.parent)
"""The folder that this package lies in."""
PR_SET_PDEATHSIG: Final = 1  # from linux/prctl.h


def child_python(code: str) -> list[str]:
    """The command line of a Python process that runs some code, with this package for it to import."""
    return [sys.executable, "-P", "-c", f"import sys; {ROOT!r} in sys.path or sys.path.insert(0, {ROOT!r})\n{code}"]


def child_module(module: str, *, ends_with_parent: bool = False) -> list[str]:
    """The command line of a Python process that runs a module as its program; arguments follow.

    Args:
        module: the module.
        ends_with_parent: whether the process is told to stop when this one is gone: see `end_with_parent`.
    """
    watch = f"from minigo.child import end_with_parent; end_with_parent({os.getpid()})\n" if ends_with_parent else ""
    return child_python(f"{watch}import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)")


def end_with_parent(parent: int) -> None:
    """Lets this process get SIGTERM when its parent ends, however that ends. On Linux; elsewhere it does nothing.

    The system means the thread that started this process, which must last as long as its process does.

    Args:
        parent: number of the process that started this one; if that is gone already, SIGTERM comes at once.
    """
    if sys.platform != "linux":
        return
    import ctypes  # here alone, so that help is answered at once

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it ended before it was watched
        signal.raise_signal(signal.SIGTERM)
