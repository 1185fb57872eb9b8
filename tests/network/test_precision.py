# SPDX-License-Identifier: Apache-2.0
import pytest

from minigo.network import precision


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds of a step by precision; a test sets them."""
    seconds = {"float32": 1.0, "bfloat16": 1.0}
    monkeypatch.setattr(precision, "_step_seconds", lambda names: [seconds[name] for name in names])
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


def test_a_slow_moment_of_the_machine_does_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    class Model:
        def __init__(self, seconds: float, slow_steps: int) -> None:
            self.seconds, self.slow_steps = seconds, slow_steps

        def train_on_batch(self, *_: object) -> None:
            self.slow_steps -= 1
            clock[0] += self.seconds * (10 if self.slow_steps >= 0 else 1)

    models = {"float32": Model(0.01, 0), "bfloat16": Model(0.005, 6)}
    monkeypatch.setattr(precision, "_model", models.__getitem__)
    monkeypatch.setattr(precision.time, "perf_counter", lambda: clock[0])
    precision.fastest_precision.cache_clear()

    assert precision.fastest_precision() == "bfloat16"

    precision.fastest_precision.cache_clear()


def test_it_can_be_measured_here() -> None:
    precision.fastest_precision.cache_clear()

    assert precision.fastest_precision() in ("float32", "bfloat16")
