# SPDX-License-Identifier: Apache-2.0
"""What the processor says of itself."""

import platform
from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")


def cpu_model(path: Path = CPUINFO) -> tuple[str, set[str]]:
    """The processor's name and its features; without the file, what Python knows and none."""
    if not path.exists():
        return platform.processor() or platform.machine(), set()
    fields: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    features = fields.get("flags", fields.get("Features", ""))
    return fields.get("model name", platform.machine()), set(features.split())
