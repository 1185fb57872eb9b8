# SPDX-License-Identifier: Apache-2.0
"""Pods' networks on one machine: a namespace and an address for each pod, and a bridge that joins them to this machine.

A role opens the port that its manifest names, whatever other pods do. Network policies are not enforced.
"""

import contextlib
import fcntl
import itertools
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HOST: Final = "10.231.0.1"  # this machine, as pods see it
_BRIDGE: Final = "minigo0"
_PREFIX: Final = "minigo-"
_BITS: Final = 16

# What a pod's first process does before it becomes the container's: its own host name and /run, with the account's
# files where the client looks for them, and nothing of the machine's own.
_BEGIN: Final = """
hostname "$1"
mount -t tmpfs -o size=1m pod /run
if [ -n "$2" ]; then
    mkdir -p /run/secrets/kubernetes.io/serviceaccount
    cp "$2"/* /run/secrets/kubernetes.io/serviceaccount
fi
shift 2
exec "$@"
"""


class PodNetwork:
    """The bridge, while `running`. Names of pods are short and unique."""

    def __init__(self) -> None:
        self._numbers = itertools.count(2)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def running(self) -> Iterator["PodNetwork"]:
        """Makes the bridge; afterwards takes it and all namespaces away, those of a test that was killed too.

        One at a time on a machine: another one waits.
        """
        with Path("/run/lock/minigo-pods").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield from self._made()

    def _made(self) -> Iterator["PodNetwork"]:
        self._clear()
        try:
            _batch(
                f"link add {_BRIDGE} type bridge", f"addr add {HOST}/{_BITS} dev {_BRIDGE}", f"link set {_BRIDGE} up"
            )
            yield self
        finally:
            self._clear()

    def add(self, pod: str) -> str:
        """Makes a pod's namespace; returns the pod's address."""
        with self._lock:
            number = next(self._numbers)
        address, space, link = f"10.231.{number // 250}.{number % 250 + 1}", _PREFIX + pod, f"mg{pod}"
        _batch(
            f"netns add {space}",
            f"link add {link} type veth peer name eth0 netns {space}",
            f"link set {link} master {_BRIDGE} up",
        )
        _batch(f"addr add {address}/{_BITS} dev eth0", "link set eth0 up", "link set lo up", space=space)
        return address

    def remove(self, pod: str) -> None:
        """Takes a pod's namespace away, if it is there."""
        _ip("netns", "delete", _PREFIX + pod)

    def command(self, pod: str, host: str, account: str, program: list[str]) -> list[str]:
        """The command line that runs a program in a pod.

        Args:
            pod: the pod.
            host: its host name.
            account: folder with the service account's files; empty: it has none.
            program: what is run; it gets the signals.
        """
        inside = ["unshare", "--mount", "--uts", "sh", "-c", _BEGIN, "pod", host, account, *program]
        return ["ip", "netns", "exec", _PREFIX + pod, *inside]

    def _clear(self) -> None:
        for line in _ip("netns", "list").splitlines():
            name = line.partition(" ")[0]
            if name.startswith(_PREFIX):
                self.remove(name.removeprefix(_PREFIX))
        _ip("link", "delete", _BRIDGE)


def _ip(*arguments: str) -> str:
    """Runs ip(8), which may find that there is nothing to do; returns what it prints."""
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False).stdout  # noqa: S607


def _batch(*commands: str, space: str = "") -> None:
    """Runs commands of ip(8), in a namespace if one is given."""
    where = ["-netns", space] if space else []
    command, text = ["ip", *where, "-batch", "-"], "\n".join(commands)
    subprocess.run(command, input=text, text=True, capture_output=True, check=True)
