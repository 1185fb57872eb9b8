# SPDX-License-Identifier: Apache-2.0
"""The deployment that is tested: `cluster/overlays/local` on spot nodes, with settings that two cores can carry."""

import os
from pathlib import Path
from typing import Any, Final

import yaml

from cluster import render

SETTINGS: Final = (  # over the preset `demo`: 5x5, komi 24.5
    "--network.blocks=2",
    "--network.channels=32",
    "--selfplay.random_games=256",
    "--selfplay.games_per_shard=16",
    "--train.window_min=4000",
    "--train.warmup_steps=50",
    "--train.replay_ratio=2",
    "--train.holdout_share=0.0",
    "--evaluate.games=4",
    "--loop.games_per_generation=96",
    "--loop.minutes=40",
    "--machine.precision=float32",  # or each process measures which is faster
)
SELFPLAY_PODS: Final = 2
_SELFPLAY: Final = ("--machine.games_per_thread=16", "--machine.precision=float32")
_CONTAINER: Final = "/spec/template/spec/containers/0"


def write_overlay(folder: Path) -> Path:
    """Writes the overlay to a folder; returns the folder."""
    folder.mkdir(parents=True)
    up = os.path.relpath(render.ROOT.resolve(), folder.resolve())
    job = "/spec/jobTemplate/spec/template/spec/containers/0"
    made = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{up}/overlays/local"],
        "components": [f"{up}/components/spot"],
        "replicas": [{"name": "selfplay", "count": SELFPLAY_PODS}],
        "patches": [
            _patch("StatefulSet", "trainer", *_added(SETTINGS), _replaced(f"{_CONTAINER}/resources/limits/cpu", "1")),
            _patch("Deployment", "selfplay", *_added(_SELFPLAY), _replaced(f"{_CONTAINER}/resources/limits/cpu", "1")),
            _patch("CronJob", "match", {"op": "add", "path": f"{job}/args/-", "value": "--machine.precision=float32"}),
            _patch(
                "CronJob",
                "ratings",
                _replaced("/spec/schedule", "*/15 * * * *"),
                {"op": "add", "path": f"{job}/args/-", "value": "--games=8"},
            ),
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(made), encoding="utf-8")
    return folder


def _patch(kind: str, name: str, *operations: dict[str, Any]) -> dict[str, Any]:
    return {"target": {"kind": kind, "name": name}, "patch": yaml.safe_dump(list(operations))}


def _added(flags: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"op": "add", "path": f"{_CONTAINER}/args/-", "value": flag} for flag in flags]


def _replaced(path: str, value: str) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}
