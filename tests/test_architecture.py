# SPDX-License-Identifier: Apache-2.0
"""Reads the imports of every module and holds them against the layer table of docs/architecture.md."""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = ("cc_kernels", "minigo", "ratings", "cluster")

# "name" is that module alone; "name.*" is the package with all below it.
GO = ("cc_kernels.*", "minigo.go.*", "minigo.config")
PROTOCOL = (
    "minigo.inference",
    "minigo.inference.evaluator",
    "minigo.inference.narrowing",
    "minigo.inference.parallel",
    "minigo.inference.averaged",
)
SEARCHES = ("minigo.search", "minigo.analysis", "minigo.anytime", "minigo.roots")
PLAYERS = (*GO, *PROTOCOL, *SEARCHES, "minigo.players", "minigo.match_players", "minigo.engines.external")
DATA = (*GO, "minigo.storage", "minigo.patience", "minigo.documents", "minigo.run", "minigo.run.*", "minigo.data.*")
PROGRAMS = (
    "minigo",
    "minigo.child",
    "minigo.stopping",
    *PLAYERS,
    *DATA,
    "minigo.gates",
    "minigo.gamepool",
    "minigo.selfplay",
    "minigo.match",
    "minigo.stored_match",
    "minigo.launcher",
    "minigo.evaluate",
    "minigo.engines.*",
    "minigo.alarms",
    "minigo.heartbeats",
)
LEARNING = (*PROGRAMS, "minigo.inference.*", "minigo.network.*", "minigo.intake", "minigo.train", "minigo.watch")
ALL_BUT_ROOTS = (
    *LEARNING,
    "minigo.benchmark",
    "minigo.measures",
    "minigo.doctor",
    "minigo.run_copy",
    "minigo.health",
    "minigo.logs",
    "minigo.status",
    "minigo.curriculum",
    "minigo.probes",
    "minigo.loop",
    "minigo.flags",
)
NETWORK = ("cc_kernels.*", "minigo.config", "minigo.inference.*", "minigo.network.*")

LAYERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # module or package: (what it may import of the project, third-party packages)
    "cc_kernels": (("cc_kernels.*",), ("numpy",)),
    "minigo": ((), ()),
    "minigo.fields": ((), ()),
    "minigo.config": (("minigo.fields",), ()),
    "minigo.child": ((), ()),
    "minigo.stopping": ((), ()),
    "minigo.go": (GO, ("numpy", "sgfmill")),
    "minigo.inference": (("minigo.config", "minigo.inference.*"), ("numpy",)),
    "minigo.inference.averaged": (("cc_kernels.*", "minigo.go.symmetry", "minigo.inference.evaluator"), ("numpy",)),
    "minigo.inference.backends": (NETWORK, ("numpy", "keras")),
    "minigo.inference.positions": (("cc_kernels.*", "minigo.inference.evaluator"), ("numpy",)),
    "minigo.inference.tensorflow": (NETWORK, ("numpy", "keras", "tensorflow")),
    "minigo.inference.openvino": (NETWORK, ("numpy", "keras", "tensorflow", "openvino")),
    "minigo.inference.jax": (NETWORK, ("numpy", "keras", "jax")),
    "minigo.inference.quiet": (("minigo.config",), ("tensorflow", "jax")),
    "minigo.network": (NETWORK, ("numpy", "keras", "tensorflow", "jax", "safetensors")),
    "minigo.search": (PLAYERS, ("numpy",)),
    "minigo.analysis": (GO, ("numpy",)),
    "minigo.anytime": (PLAYERS, ("numpy",)),
    "minigo.roots": (GO, ("numpy",)),
    "minigo.players": (PLAYERS, ("numpy",)),
    "minigo.match_players": (PLAYERS, ()),
    "minigo.storage": ((), ("google",)),
    "minigo.patience": (("minigo.storage",), ()),
    "minigo.documents": (("minigo.storage",), ()),
    "minigo.run": (
        ("minigo", "minigo.documents", "minigo.patience", "minigo.storage", "minigo.config", "minigo.run.*"),
        (),
    ),
    "minigo.curriculum": (("minigo.config", "minigo.run"), ()),
    "minigo.probes": (PROGRAMS, ()),
    "minigo.run_copy": (("minigo.run", "minigo.storage"), ()),
    "minigo.data": (DATA, ("numpy", "pyarrow")),
    "minigo.gates": (PROGRAMS, ("numpy",)),
    "minigo.gamepool": (PROGRAMS, ("numpy",)),
    "minigo.selfplay": (PROGRAMS, ("numpy",)),
    "minigo.match": (PROGRAMS, ("numpy", "sgfmill")),
    "minigo.stored_match": (PROGRAMS, ("numpy",)),
    "minigo.launcher": (("minigo.stored_match",), ()),
    "minigo.evaluate": (PROGRAMS, ("numpy",)),
    "minigo.engines": (PROGRAMS, ("numpy",)),
    "minigo.alarms": (DATA, ("numpy",)),
    "minigo.heartbeats": (DATA, ()),
    "minigo.watch": ((*DATA, "minigo.alarms"), ("numpy",)),
    "minigo.intake": (DATA, ("numpy",)),
    "minigo.train": (LEARNING, ("numpy", "keras", "tensorflow")),
    "minigo.benchmark": ((*LEARNING, "minigo.measures"), ("numpy",)),
    "minigo.measures": (PROGRAMS, ("numpy",)),
    "minigo.doctor": (LEARNING, ("numpy",)),
    "minigo.health": (("minigo",), ()),
    "minigo.logs": ((), ()),
    "minigo.status": ((), ("tqdm",)),
    "minigo.loop": (ALL_BUT_ROOTS, ("numpy",)),
    "minigo.flags": (ALL_BUT_ROOTS, ("absl",)),
    "minigo.commands": ((*ALL_BUT_ROOTS, "minigo.commands.*", "ratings.*", "cluster.*"), ("absl",)),
    "minigo.__main__": ((*ALL_BUT_ROOTS, "minigo.commands.*"), ()),
    "ratings": (
        (
            "ratings.*",
            *DATA,
            *PLAYERS,
            "minigo.alarms",
            "minigo.match",
            "minigo.stored_match",
            "minigo",
            "minigo.status",
            "minigo.gates",
        ),
        ("numpy", "scipy", "matplotlib", "fastapi", "starlette", "pydantic", "jinja2", "markupsafe", "uvicorn"),
    ),
    "ratings.play": (
        ("ratings.play.*", "ratings.board_svg", "ratings.rendering", *PLAYERS, *DATA, "minigo.engines.*"),
        ("numpy", "fastapi", "markupsafe", "pydantic"),
    ),
    "cluster": (
        (
            "cluster.*",
            "minigo.config",
            "minigo.flags",
            "minigo.run",
            "minigo.storage",
            "minigo.documents",
            "minigo.launcher",
        ),
        ("kubernetes", "urllib3", "yaml"),  # urllib3: the errors that the client lets through
    ),
}
"""The most specific entry that holds a module decides."""


def module_files() -> dict[str, Path]:
    """Every Python module of the project as it is installed here, by dotted name."""
    found = {}
    for package in PROJECT:
        spec = importlib.util.find_spec(package)
        for root in (spec.submodule_search_locations or []) if spec else []:
            for path in sorted(Path(root).rglob("*.py")):
                parts = [package, *path.relative_to(root).with_suffix("").parts]
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = module_files()


def imported_names(path: Path) -> Iterator[tuple[str, bool]]:
    """Each imported dotted name but the type-only ones, and whether the import is at the top of the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    type_only = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in type_only:
            continue
        at_top = node in tree.body
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name if name in MODULES else node.module, at_top) for name in names)


def layer_of(module: str) -> str:
    """The most specific entry of LAYERS that holds the module."""
    holders = [layer for layer in LAYERS if module == layer or module.startswith(layer + ".")]
    return max(holders, key=len)


def is_allowed(name: str, allowed: tuple[str, ...]) -> bool:
    packages = tuple(entry.removesuffix(".*") for entry in allowed if entry.endswith(".*"))
    return name in allowed or any(name == package or name.startswith(package + ".") for package in packages)


def is_project(name: str) -> bool:
    return name.split(".")[0] in PROJECT


def test_every_module_is_found():
    assert {"minigo.config", "minigo.storage", "cc_kernels", "minigo.__main__"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_module_has_a_layer_of_its_own(module):
    assert layer_of(module) != "minigo" or module == "minigo", f"add {module} to LAYERS and docs/architecture.md"


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_from_its_layer_and_below(module):
    allowed, third_party = LAYERS[layer_of(module)]
    for name, _ in imported_names(MODULES[module]):
        top = name.split(".")[0]
        if is_project(name):
            assert is_allowed(name, (*allowed, f"{layer_of(module)}.*")), f"{module} must not import {name}"
        elif top not in sys.stdlib_module_names:
            assert top in third_party, f"{module} must not import {name}"


ROOTS = [module for module in MODULES if module.startswith(("minigo.__main__", "minigo.commands"))]


def test_nothing_imports_the_composition_roots():
    for module in set(MODULES) - set(ROOTS):
        assert not set(ROOTS) & {name for name, _ in imported_names(MODULES[module])}, module


@pytest.mark.parametrize("module", ROOTS)
def test_composition_roots_import_heavy_modules_lazily(module):
    at_top = {name for name, top in imported_names(MODULES[module]) if top and is_project(name)}

    assert at_top <= {"minigo", "minigo.child", "minigo.config", "minigo.flags", "minigo.stopping", *ROOTS}


def test_network_frameworks_are_imported_in_few_places():
    frameworks = {"tensorflow", "keras", "jax", "openvino", "torch"}
    importers = {
        module
        for module, path in MODULES.items()
        if frameworks & {name.split(".")[0] for name, _ in imported_names(path)}
    }

    homes = ("minigo.network", "minigo.inference", "minigo.train")
    assert [module for module in sorted(importers) if not module.startswith(homes)] == []
    assert not importers & {f"minigo.inference{name}" for name in ("", ".evaluator", ".positions", ".agreement")}


def test_only_run_knows_paths_of_a_run():
    names = (
        "run.json",
        "champion.json",
        "trainer.json",
        "network.json",
        "weights.safetensors",
        "heartbeats/",
    )
    knowing = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value
        if any(name in node.value for name in names)
    }

    assert {module for module in knowing if not module.startswith("minigo.run.")} == set()
