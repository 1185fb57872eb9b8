# SPDX-License-Identifier: Apache-2.0
"""How the fields of a config are declared, and checked when a section is made. The fields are in `minigo.config`."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any


class ConfigError(ValueError):
    """A field is out of range, unknown, or of the wrong type. The message names field, value and range."""


def option(
    default: Any,
    meaning: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    is_late: bool = False,
) -> Any:
    """Declares a config field: its default, what it means (with its unit), and its closed range.

    One that came after the first runs is late: at its default it is not in a run's hash, so that they still go on.
    """
    metadata = {"meaning": meaning, "low": low, "high": high, "choices": choices, "is_late": is_late}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Section:
    """Base of all config sections: checks every field against the type and range it was declared with."""

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            _check_field(type(self).__name__.removesuffix("Config").lower(), spec, getattr(self, spec.name))


def _check_field(section: str, spec: dataclasses.Field[Any], value: Any) -> None:
    name = f"{section}.{spec.name}"
    expected = type(spec.default)
    if expected is float and type(value) is int:
        value = float(value)
    if type(value) is not expected:
        raise ConfigError(f"{name} must be {expected.__name__}, got {value!r}")
    choices, low, high = (spec.metadata[key] for key in ("choices", "low", "high"))
    if choices and value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        raise ConfigError(f"{name} must be in {_range(low, high)}, got {value!r}")


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"{low} or more"
    if low is None:
        return f"{high} or less"
    return f"{low}..{high}"
