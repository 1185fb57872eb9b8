# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/cluster.md and cluster/README.md, as far as a machine without a cloud can check them."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from cluster import launch, render

ROOT = Path(__file__).parent.parent
PAGES = ("docs/cluster.md", "cluster/README.md")


def commands(page: str, program: str) -> list[str]:
    """A page's commands that begin with this program, indented or between backquotes, each as one line."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    shown = re.findall(rf"^ {{4,}}({program}.*)$", text, re.MULTILINE) + re.findall(rf"`({program}[^`]*)`", text)
    return [" ".join(line.partition(" #")[0].split()) for line in shown]


@pytest.mark.parametrize("page", PAGES)
def test_every_launch_is_a_command_line_that_parses(page):
    found = [shlex.split(line)[3:] for line in commands(page, "python -m cluster.launch")]
    for words in found:
        assert not words or launch.parser().parse_args(words).command


def test_every_binding_says_its_condition_or_gcloud_would_ask():
    bindings = commands("docs/cluster.md", "gcloud storage buckets add-iam-policy-binding")

    assert len(bindings) == 5
    assert all("--condition=" in line for line in bindings)


def test_spot_nodes_take_nobody_but_those_who_tolerate_them():
    pools = [line for line in commands("docs/cluster.md", "gcloud container node-pools create") if "--spot" in line]
    patches = yaml.safe_load((render.ROOT / "components" / "spot" / "kustomization.yaml").read_text())["patches"]
    tolerations = [yaml.safe_load(patch["patch"])[0]["value"] for patch in patches if "toler" in patch.get("patch", "")]

    assert len(pools) == 2  # GPUs, TPUs
    for pool in pools:
        (taint,) = re.findall(r"--node-taints=(\S+)", pool)
        assert [f"{t['key']}={t['value']}:{t['effect']}" for t in tolerations] == [taint, taint]


def test_one_run_is_meant_by_all_commands():
    text = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")

    assert set(re.findall(r"gs://[^\s`]+", text)) == {"gs://$BUCKET", "gs://$BUCKET/$PREFIX"}
