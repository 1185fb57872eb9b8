# SPDX-License-Identifier: Apache-2.0
"""What linters of Dockerfiles look for, and that the image's steps give programs that run without a compiler."""

import importlib.resources
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCKERFILE = ROOT / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """(instruction, its text) of the file, in order, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines)]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, from its FROM on."""
    found: list[list[tuple[str, str]]] = []
    for instruction in instructions():
        if instruction[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def texts(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [text for instruction, text in stage if instruction == name]


def test_one_base_for_every_stage_and_a_version_in_its_default():
    assert instructions()[0] == ("ARG", "BASE=python:3.12-slim-bookworm")
    assert [stage[0][1].partition(" ")[0] for stage in stages()] == ["${BASE}", "${BASE}"]


def test_compilers_and_source_are_in_the_first_stage_alone():
    build, final = stages()
    assert "gcc" in " ".join(texts(build, "RUN"))
    assert not re.search(r"apt-get|gcc|build-essential", " ".join(texts(final, "RUN")))
    assert texts(final, "COPY") == ["--from=build /wheels /wheels"]
    assert "--only-binary=:all:" in " ".join(texts(final, "RUN"))


def test_the_image_runs_as_the_user_of_the_manifests_without_a_shell_between():
    final = stages()[-1]
    user = texts(final, "USER")[-1]
    manifests = (importlib.resources.files("cluster") / "base" / "selfplay.yaml").read_text(encoding="utf-8")

    assert user == "10001:10001"
    assert "runAsUser: 10001\n" in manifests
    assert "--uid 10001" in " ".join(texts(final, "RUN"))
    assert texts(final, "ENTRYPOINT") == ['["minigo"]']
    assert texts(final, "CMD") == ['["--help"]']


def test_nothing_is_left_in_layers_and_nothing_is_fetched_by_hand():
    for name, text in instructions():
        assert name in {"ARG", "FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "ENTRYPOINT", "CMD"}, name
        if "apt-get install" in text:
            assert "--no-install-recommends" in text
            assert "apt-get update &&" in text
            assert text.endswith("rm -rf /var/lib/apt/lists/*")
        for command in re.findall(r"pip (?:install|wheel)[^&]*", text):
            assert "--no-cache-dir" in command
        assert not re.search(r"\b(curl|wget|sudo|chmod 777)\b", text)
        if name == "WORKDIR":
            assert text.startswith("/")


def test_what_programs_write_goes_to_tmp_as_the_root_may_be_read_only():
    environment = " ".join(texts(stages()[-1], "ENV"))
    assert "HOME=/tmp" in environment
    assert "MPLCONFIGDIR=/tmp/" in environment


def test_who_mounts_a_folder_of_their_own_writes_to_it_as_themselves():
    shown = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if "docker run" in line]

    assert shown
    assert all('--user "$(id -u):$(id -g)"' in line for line in shown if " -v " in line)


def test_the_build_sees_what_the_wheel_needs_and_nothing_else():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    wanted = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert "*" in lines
    assert wanted >= {
        "cc_kernels",
        "minigo",
        "ratings",
        "cluster",
        "pyproject.toml",
        "setup.py",
        "MANIFEST.in",
        "LICENSE",
    }
    assert not wanted & {"tests", ".git", "runs"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_steps_give_every_role_without_a_compiler(tmp_path):
    """The wheel's step with a compiler, then the second stage's venv from that wheel, on a path without one."""
    ignored = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")]
    source = tmp_path / "source"
    source.mkdir()
    for name in ignored:
        subprocess.run(["/bin/cp", "-r", ROOT / name, source / name], check=True)
    for kernel in source.glob("cc_kernels/*.so"):
        kernel.unlink()
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-cache-dir", "--no-deps"]
    subprocess.run([*wheel, f"--wheel-dir={tmp_path / 'wheels'}", "."], check=True, cwd=source)
    (built,) = (tmp_path / "wheels").iterdir()
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", tmp_path / "minigo"], check=True)
    program = tmp_path / "minigo" / "bin"
    install = [program / "pip", "install", "--quiet", "--no-deps", "--force-reinstall", "--only-binary=:all:", built]
    subprocess.run(install, check=True)
    libraries = next(Path(path) for path in sys.path if (Path(path) / "tensorflow").is_dir())
    environment = {"PATH": str(program), "HOME": "/nonexistent", "PYTHONPATH": f"{own_packages(tmp_path)}:{libraries}"}
    for role in ("selfplay", "train", "evaluate", "match-pair", "rate"):
        done = subprocess.run(
            [program / "minigo", role, "--help"], env=environment, cwd="/", capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), role
    where = "import cluster, minigo; print(minigo.__file__); print(cluster.__file__)"
    shown = subprocess.run(
        [program / "python", "-c", where], env=environment, cwd="/", capture_output=True, text=True, check=True
    )
    assert all(line.startswith(str(tmp_path)) for line in shown.stdout.split())
    assert (own_packages(tmp_path) / "cluster" / "overlays" / "gke-gpu" / "kustomization.yaml").is_file()


def own_packages(folder: Path) -> Path:
    (found,) = (folder / "minigo" / "lib").glob("python*/site-packages")
    return found
