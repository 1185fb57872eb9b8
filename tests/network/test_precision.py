# SPDX-License-Identifier: Apache-2.0
import pytest

from minigo.network import precision


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds of a step by precision; a test sets them."""
    seconds = {"float32": 1.0, "bfloat16": 1.0}
    monkeypatch.setattr(precision, "_step_seconds", seconds.__getitem__)
    precision.fastest_precision.cache_clear()
    yield seconds
    precision.fastest_precision.cache_clear()


@pytest.mark.parametrize(("seconds", "fastest"), [(0.5, "bfloat16"), (0.9, "float32"), (20.0, "float32")])
def test_auto_is_bfloat16_only_where_that_is_clearly_faster(
    speeds: dict[str, float], seconds: float, fastest: str
) -> None:
    speeds["bfloat16"] = seconds

    assert precision.settled_precision("auto") == fastest


def test_what_is_asked_for_is_taken_without_measuring(speeds: dict[str, float]) -> None:
    speeds.clear()

    assert [precision.settled_precision(name) for name in ("float32", "bfloat16", "int8")] == [
        "float32",
        "bfloat16",
        "int8",
    ]


def test_it_can_be_measured_here() -> None:
    precision.fastest_precision.cache_clear()

    assert precision.fastest_precision() in ("float32", "bfloat16")
