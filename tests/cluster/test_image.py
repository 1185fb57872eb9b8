# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile's steps on a bare Debian root, without a container engine: `pytest -m cluster -s`.

Needs root and debootstrap, takes some minutes. The result must hold every role, without compilers, for a user who may
write to /tmp alone. The roles start as the manifests have them: each the first process of its container, without
privileges, on a root that is mounted read-only.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from minigo.config import Config, EvaluateConfig, GameConfig, NetworkConfig, SelfPlayConfig
from minigo.network.network import Network
from minigo.run import Run, RunError
from tests.cluster.test_system import SETTINGS
from tests.support.gcs_emulator import GcsEmulator
from tests.support.loops import check_run
from tests.test_dockerfile import ROOT, stages, texts

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
PACKAGES = "python3,python3-venv,python3-dev,ca-certificates"  # what BASE must bring
MATCH, LONG_MATCH = "000001-against-000000", "long"
PORT = 19090
SIGTERM_CAUGHT = 1 << (signal.SIGTERM - 1)


@dataclass(frozen=True)
class Role:
    """How a role starts, when it counts as working, and how it must end."""

    flags: tuple[str, ...]
    is_at_work: Callable[[Run], object]
    grace: float = 10.0
    ready: str = "/readyz"


HEALTH = f"--health_port={PORT}"
ROLES = {
    "train": Role((HEALTH,), lambda run: "trainer" in run.telemetry.heartbeats(), 60.0),
    "selfplay": Role((HEALTH, "--wait"), lambda run: run.shards()),
    "evaluate": Role((HEALTH, "--wait"), lambda run: run.matches.games(MATCH)),
    "match-pair": Role((HEALTH, f"--match={LONG_MATCH}", "--pair=0"), lambda run: run.matches.games(LONG_MATCH)),
    "rate": Role((HEALTH, "--games=1000"), lambda run: any(map(run.matches.games, run.matches.names()))),
    "dashboard": Role(("--host=0.0.0.0", f"--port={PORT}"), lambda _: answers("/networks"), ready="/"),
}


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


# In namespaces of mounts and processes of its own: $1 is the root, the rest is the command line.
CONTAINER = """
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount -t sysfs -o ro sysfs "$1/sys"
mount -t tmpfs tmpfs "$1/tmp"
[ ! -d "$1/dev/shm" ] || mount -t tmpfs tmpfs "$1/dev/shm"
root=$1
shift
exec /usr/sbin/chroot "$root" "$@"
"""


class Container:
    """A role that runs as in a pod; what it says goes to a file.

    Args:
        image: the files of the image.
        arguments: of the image's entry point.
        log: the file.
    """

    def __init__(self, image: Path, arguments: Sequence[str], log: Path) -> None:
        environment = dict(word.split("=", 1) for text in texts(stages()[-1], "ENV") for word in text.split())
        environment["PATH"] = environment["PATH"].replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
        environment["STORAGE_EMULATOR_HOST"] = os.environ["STORAGE_EMULATOR_HOST"]
        user, group = texts(stages()[-1], "USER")[-1].split(":")
        rights = [f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
        command = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "/bin/sh",
            "-ec",
            CONTAINER,
            "sh",
            str(image),
        ]
        command += ["setpriv", *rights, *json.loads(texts(stages()[-1], "ENTRYPOINT")[-1]), *arguments]
        self.log = log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)

    def first_process(self) -> int:
        """Its number outside of the container."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        while not children.read_text(encoding="utf-8"):
            assert self.process.poll() is None
            time.sleep(0.01)  # it is being made
        return int(children.read_text(encoding="utf-8").split()[0])

    def status(self, name: str) -> str:
        """A line of /proc/<number>/status of its first process."""
        text = Path(f"/proc/{self.first_process()}/status").read_text(encoding="utf-8")
        return " ".join(re.findall(rf"^{name}:\t(.*)$", text, re.MULTILINE)[0].split())

    def end(self) -> tuple[int, float]:
        """Ends it as a kubelet does: the exit code, and after how many seconds."""
        began = time.monotonic()
        os.kill(self.first_process(), signal.SIGTERM)
        return self.process.wait(120), time.monotonic() - began

    def wait_until(self, condition: Callable[[], object], seconds: float = 180.0) -> float:
        """Waits, and says how many seconds it took."""
        began = time.monotonic()
        while not condition():
            text = self.log.read_text(encoding="utf-8")[-3000:]
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{text}"
            assert time.monotonic() - began < seconds, text
            time.sleep(0.1)
        return time.monotonic() - began


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty place in an emulated bucket."""
    with GcsEmulator().running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield "gs://bucket/run"


@pytest.fixture
def run(url: str) -> Run:
    """A run with a champion, a candidate, and a pair that takes long."""
    config = Config(
        game=GameConfig(board_size=5),
        network=NetworkConfig(blocks=1, channels=8),
        selfplay=SelfPlayConfig(random_games=0, games_per_shard=8),
        evaluate=EvaluateConfig(games=64, num_simulations=16),
    )
    made = Run.create(url, config)
    for seed in range(2):
        network = Network.create(config.network, seed=seed)
        made.publish_network(network.to_bytes(), network.description())
    made.promote("000000", {"reason": "first"}, None)
    spec = {"player": "000001", "opponent": "000000", "seed": 1, "evaluate": {"num_simulations": 500}}
    made.matches.publish_spec(LONG_MATCH, spec)
    return made


def test_there_is_no_compiler_and_nothing_of_the_source(image):
    for name in ("gcc", "cc", "g++", "make", "x86_64-linux-gnu-gcc"):
        assert not list(image.glob(f"usr/bin/{name}*")), name
    assert not (image / "source").exists()
    assert list(image.glob("opt/minigo/lib/python3*/site-packages/cc_kernels/tree*.so"))
    assert list(image.glob("opt/minigo/lib/python3*/site-packages/cluster/overlays/gke-gpu/kustomization.yaml"))


def test_its_user_can_write_to_its_own_places_alone(image):
    run_in(image, "touch /tmp/a /runs/a; ! touch /a /opt/minigo/a /usr/a 2> /dev/null", user="10001:10001")


@pytest.mark.parametrize("role", ROLES)
def test_every_role_gets_ready_works_and_ends_within_its_grace_period(image, run, role, tmp_path):
    container = Container(image, [role, f"--run={run.url}", *ROLES[role].flags], tmp_path / "log")
    try:
        ready = container.wait_until(lambda: answers(ROLES[role].ready))
        assert container.status("Uid") == " ".join(["10001"] * 4)
        assert container.status("Gid") == " ".join(["10001"] * 4)
        assert int(container.status("CapEff"), 16) == int(container.status("CapBnd"), 16) == 0
        assert container.status("NoNewPrivs") == "1"
        assert container.status("NSpid").endswith(" 1")
        works = container.wait_until(lambda: ROLES[role].is_at_work(run))
        code, seconds = container.end()
    finally:
        container.process.kill()
    print(f"{role}: ready after {ready:.1f} s, at work after {ready + works:.1f} s, ended after {seconds:.1f} s")  # noqa: T201
    said = container.log.read_text(encoding="utf-8")
    is_half_played = role == "match-pair" and len(run.matches.games(LONG_MATCH)) < 2
    assert code == (75 if is_half_played else 0), said
    assert seconds < ROLES[role].grace
    assert "Traceback" not in said
    assert "Read-only" not in said


def test_the_roles_together_learn_and_promote(image, url, tmp_path):
    """The controller's pairs are processes in its container."""
    roles = {
        "train": SETTINGS,
        "selfplay": ("--wait",),
        "evaluate": ("--wait", "--launcher=local", "--parallelism=1"),
    }
    containers = {
        role: Container(image, [role, f"--run={url}", *flags], tmp_path / role) for role, flags in roles.items()
    }
    try:
        seconds = containers["evaluate"].wait_until(lambda: promotions(url) >= 2, 600)
        ends = {role: container.end() for role, container in containers.items()}
    finally:
        for container in containers.values():
            container.process.kill()
    print(f"a trained network was promoted after {seconds:.0f} s; ended: {ends}")  # noqa: T201
    assert {role: code for role, (code, _) in ends.items()} == dict.fromkeys(roles, 0)
    check_run(Run.open(url))


@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.0, 4.0])
def test_a_role_that_is_told_to_stop_while_it_starts_ends_soon(image, run, seconds, tmp_path):
    """The system would ignore SIGTERM for a first process that does not handle it."""
    container = Container(image, ["selfplay", f"--run={run.url}"], tmp_path / "log")
    try:
        listens = container.wait_until(lambda: int(container.status("SigCgt"), 16) & SIGTERM_CAUGHT)
        time.sleep(seconds)
        code, took = container.end()
    finally:
        container.process.kill()
    told = f"told to stop {seconds} s after it listens ({listens:.1f} s)"
    print(f"selfplay: {told}, ended after {took:.1f} s with {code}")  # noqa: T201 (a measurement)
    assert code in (0, 75)
    assert took < 10
    assert "Traceback" not in container.log.read_text(encoding="utf-8")


def promotions(url: str) -> int:
    try:
        return len(Run.open(url).history())
    except RunError:
        return 0


def answers(path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False
