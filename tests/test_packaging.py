# SPDX-License-Identifier: Apache-2.0
"""What an installed copy must hold; `.ci/run` runs this against the wheel, without the source tree."""

import importlib.metadata
import importlib.resources

import pytest

import minigo

KERNELS = importlib.resources.files("cc_kernels")
KERNEL_NAMES = sorted(entry.name.removesuffix(".pyx") for entry in KERNELS.iterdir() if entry.name.endswith(".pyx"))


def test_the_kernels_are_found():
    assert set(KERNEL_NAMES) >= {"board", "scoring", "features", "playouts", "replay", "simulation", "tree"}


@pytest.mark.parametrize("name", KERNEL_NAMES)
def test_every_kernel_is_compiled_and_has_a_stub(name):
    files = [entry.name for entry in KERNELS.iterdir()]

    assert f"{name}.pyi" in files
    assert any(file.startswith(f"{name}.") and file.endswith((".so", ".pyd")) for file in files)


@pytest.mark.parametrize("package", ["cc_kernels", "minigo", "ratings", "cluster"])
def test_packages_say_that_they_are_typed(package):
    assert (importlib.resources.files(package) / "py.typed").is_file()


def test_the_manifests_are_part_of_the_package():
    overlays = importlib.resources.files("cluster") / "overlays"

    assert {entry.name for entry in overlays.iterdir()} >= {"local", "gke-gpu", "gke-tpu"}
    for overlay in overlays.iterdir():
        assert (overlay / "kustomization.yaml").is_file()


def test_the_version_is_stated_once():
    try:
        installed = importlib.metadata.version("minigo")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("minigo runs from a source tree that was not installed")
    assert installed == minigo.__version__


def test_the_license_is_named_and_present():
    try:
        distribution = importlib.metadata.distribution("minigo")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("minigo runs from a source tree that was not installed")
    assert distribution.metadata["License-Expression"] == "Apache-2.0"


def test_the_dashboard_has_its_pages_and_scripts():
    ratings = importlib.resources.files("ratings")

    assert (ratings / "templates" / "base.html").is_file()
    assert (ratings / "static" / "style.css").is_file()
