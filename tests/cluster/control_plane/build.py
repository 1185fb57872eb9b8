# SPDX-License-Identifier: Apache-2.0
"""The programs of a control plane, built from Debian's source package of Kubernetes and kept for the next time.

Debian 12 has Kubernetes 1.20.2 with everything that it needs to be built without a network. Start at `programs`.
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

RELEASE: Final = "bookworm"
VERSION: Final = "1.20.2"
BUILT: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_TOOLS: Final = {  # program: Debian package
    "dpkg-source": "dpkg-dev",
    "ip": "iproute2",
    "jq": "jq",
    "make": "make",
    "openssl": "openssl",
    "rsync": "rsync",
    "unshare": "util-linux",
}


class BuildError(Exception):
    """This machine can not build the control plane. The message says what it lacks."""


def cache_folder() -> Path:
    """Where the programs are kept: $MINIGO_CACHE, or ~/.cache/minigo."""
    told = os.environ.get("MINIGO_CACHE")
    return (Path(told) if told else Path.home() / ".cache" / "minigo") / f"control-plane-{VERSION}"


def programs() -> Path:
    """A folder with etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

    The first time they are built: 11 minutes of computing, 2 GB of disk until it is done.

    Raises:
        BuildError: this is not Debian 12, not root, or a step failed.
    """
    _check_machine()
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install_tools()
        made = folder / "bin"
        if not all((made / name).exists() for name in (*BUILT, "etcd")):
            _build(folder / "work", made)
    return made


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise BuildError("pods get network and mount namespaces of their own, which takes root: run this as root")
    if shutil.which("apt-get") is None:
        raise BuildError("there is no apt-get: the control plane is built from Debian's packages")
    if f"VERSION_CODENAME={RELEASE}" not in Path("/etc/os-release").read_text(encoding="utf-8").split():
        raise BuildError(f"this machine is not Debian 12 ({RELEASE}), whose source package is built")
    if shutil.which("kubectl") is None:
        raise BuildError("kubectl is missing, which renders the overlays: install version 1.27 or newer")


def _install_tools() -> None:
    missing = sorted({package for program, package in _TOOLS.items() if shutil.which(program) is None})
    if missing:
        _run(["apt-get", "update", "--quiet=2"])
        _run(["apt-get", "install", "--yes", "--quiet=2", *missing], DEBIAN_FRONTEND="noninteractive")


def _build(work: Path, made: Path) -> None:
    """Builds in a folder, moves what was built, and deletes the folder."""
    shutil.rmtree(work, ignore_errors=True)
    sources = _fetch(work)
    go = work / "root/usr/lib/go-1.19"
    command = ["make", f"WHAT={' '.join(f'cmd/{name}' for name in BUILT)}"]
    (work / "home").mkdir()
    path = f"{go}/bin:{os.environ['PATH']}"
    places = {"GOROOT": str(go), "GOCACHE": str(work / "go-cache"), "HOME": str(work / "home")}
    _run(command, sources, PATH=path, CGO_ENABLED="0", GOFLAGS="-mod=vendor", **places)
    made.mkdir(exist_ok=True)
    shutil.move(work / "root/usr/bin/etcd", made / "etcd")
    for name in BUILT:
        shutil.move(sources / "_output/bin" / name, made / name)
    _run(["rm", "-rf", str(work)])


def _fetch(work: Path) -> Path:
    """Downloads and unpacks sources, compiler and etcd, and installs nothing; returns the folder of the sources.

    The machine's own list of package sources is only read: the source packages are in a copy of it.
    """
    for name in ("apt/sources", "apt/lists/partial", "packages", "root"):
        (work / name).mkdir(parents=True)
    own = Path("/etc/apt/sources.list.d/debian.sources")
    if own.exists():
        text = own.read_text(encoding="utf-8").replace("Types: deb\n", "Types: deb deb-src\n")
    else:
        own = Path("/etc/apt/sources.list")
        lines = [line for line in own.read_text(encoding="utf-8").splitlines() if line.startswith("deb ")]
        text = "".join(f"{line}\n{line.replace('deb ', 'deb-src ', 1)}\n" for line in lines)
    (work / "apt/sources" / f"debian{own.suffix}").write_text(text, encoding="utf-8")
    places = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": work / "apt/sources",
        "Dir::State::lists": work / "apt/lists",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "--quiet=2", *(f"--option={name}={value}" for name, value in places.items())]
    _run([*apt, "update"])
    _run(
        [*apt, "download", *(f"{name}/{RELEASE}" for name in ("golang-1.19-go", "golang-1.19-src", "etcd-server"))],
        work / "packages",
    )
    for package in sorted((work / "packages").glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(work / "root")])
    _run([*apt, "source", f"kubernetes/{RELEASE}"], work)
    (sources,) = [path for path in work.glob("kubernetes-*") if path.is_dir()]
    return sources


def _run(command: list[str], folder: Path | None = None, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
