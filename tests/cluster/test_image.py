# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile's steps on a bare Debian root, without a container engine: `pytest -m cluster -s`.

Needs root and debootstrap, takes some minutes. The result must hold every role, without compilers, for a user who may
write to /tmp alone.
"""

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from minigo.config import Config
from minigo.run import Run
from tests.support.gcs_emulator import GcsEmulator
from tests.test_dockerfile import ROOT, stages, texts

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
PACKAGES = "python3,python3-venv,python3-dev,ca-certificates"  # what BASE must bring
GRACE_SECONDS = {"selfplay": 10.0, "train": 60.0, "evaluate": 10.0}
SETTINGS = ("--game.board_size=5", "--network.blocks=1", "--network.channels=8", "--selfplay.random_games=64")


def mirror() -> str:
    """The Debian mirror that this machine uses."""
    text = "".join(path.read_text() for path in Path("/etc/apt").glob("sources.list*/*.sources"))
    found = re.search(r"^URIs: (\S+/debian)/?$", text, re.MULTILINE)
    assert found is not None, "no Debian mirror in /etc/apt"
    return found[1]


def run_in(root: Path, command: str, *, user: str = "0:0") -> None:
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp"}  # noqa: S108
    environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    chroot = ["/usr/sbin/chroot", f"--userspec={user}", str(root), "/bin/sh", "-ec", command]
    subprocess.run(chroot, env=environment, check=True)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of the image."""
    for program in ("debootstrap", "chroot"):
        if shutil.which(program) is None or os.geteuid() != 0:
            pytest.skip(f"{program} is missing, or this is not root")
    folder = tmp_path_factory.mktemp("image")
    base, build, final = folder / "base", folder / "build", folder / "final"
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(base), mirror()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for mounted in ("proc", "sys"):  # which debootstrap leaves
        subprocess.run(["/bin/umount", str(base / mounted)], check=False, stderr=subprocess.DEVNULL)
    assert str(base) not in Path("/proc/mounts").read_text(encoding="utf-8")
    for name in ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", os.environ.get("PIP_CERT", "/none")):
        if Path(name).exists():  # how this machine reaches the registries
            (base / name[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, base / name[1:])
    for root, stage in zip((build, final), stages(), strict=True):
        subprocess.run(["/bin/cp", "-ax", str(base), str(root)], check=True)
        place = "/"
        for name, text in stage:
            if name == "WORKDIR":
                place = text
                (root / text[1:]).mkdir(parents=True, exist_ok=True)
            elif name == "COPY" and text == ". .":
                copy_context(root / place[1:])
            elif name == "COPY":
                assert text == "--from=build /wheels /wheels"
                shutil.copytree(build / "wheels", root / "wheels")
            elif name == "RUN":
                run_in(root, f"cd {place}; {text.replace('${REQUIREMENTS}', '')}")
    yield final
    shutil.rmtree(folder)


def copy_context(target: Path) -> None:
    """What the build sees of the source tree, as .dockerignore has it."""
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split():
        source = ROOT / line.removeprefix("!")
        if line.startswith("!") and source.is_dir():
            shutil.copytree(source, target / source.name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        elif line.startswith("!") and source.exists():
            shutil.copy(source, target)


def start(image: Path, role: str, *flags: str, emulator: str) -> "subprocess.Popen[bytes]":
    """Starts the image's entry point with a role, as the image's user."""
    environment = dict(word.split("=", 1) for text in texts(stages()[-1], "ENV") for word in text.split())
    environment["PATH"] = environment["PATH"].replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
    environment["STORAGE_EMULATOR_HOST"] = emulator
    user = texts(stages()[-1], "USER")[-1]
    command = ["/usr/sbin/chroot", f"--userspec={user}", str(image), "minigo", role, "--run=gs://bucket/run", *flags]
    return subprocess.Popen(command, env=environment)


def test_there_is_no_compiler_and_nothing_of_the_source(image):
    for name in ("gcc", "cc", "g++", "make", "x86_64-linux-gnu-gcc"):
        assert not list(image.glob(f"usr/bin/{name}*")), name
    assert not (image / "source").exists()
    assert list(image.glob("opt/minigo/lib/python3*/site-packages/cc_kernels/tree*.so"))
    assert list(image.glob("opt/minigo/lib/python3*/site-packages/cluster/overlays/gke-gpu/kustomization.yaml"))


def test_its_user_can_write_to_its_own_places_alone(image):
    run_in(image, "touch /tmp/a /runs/a; ! touch /a /opt/minigo/a /usr/a 2> /dev/null", user="10001:10001")


@pytest.mark.parametrize("role", ["train", "selfplay", "evaluate"])
def test_every_role_gets_ready_and_ends_within_its_grace_period(image, role):
    with GcsEmulator().running() as emulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        if role != "train":
            Run.create("gs://bucket/run", Config())
        flags = SETTINGS if role == "train" else ("--wait",)
        process = start(image, role, "--health_port=19090", *flags, emulator=emulator.url)
        try:
            began = time.monotonic()
            while not is_ready():
                assert process.poll() is None
                assert time.monotonic() - began < 120
                time.sleep(0.5)
            print(f"{role}: ready after {time.monotonic() - began:.1f} s")  # noqa: T201 (a measurement)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            code, seconds = process.wait(120), time.monotonic() - began
            print(f"{role}: ended after {seconds:.1f} s")  # noqa: T201
        finally:
            process.kill()
    assert code == 0
    assert seconds < GRACE_SECONDS[role]


def is_ready() -> bool:
    try:
        with urllib.request.urlopen("http://127.0.0.1:19090/readyz", timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False
