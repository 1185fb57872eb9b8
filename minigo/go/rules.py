# SPDX-License-Identifier: Apache-2.0
"""The rule sets by name, as KataGo names them. They differ in ko and suicide; all score by area."""

from dataclasses import dataclass
from typing import Final

from cc_kernels.board import KO_POSITIONAL, KO_SIMPLE, KO_SITUATIONAL


@dataclass(frozen=True)
class Rules:
    """What a rule set forbids."""

    name: str
    ko_rule: int  # KO_SIMPLE, KO_POSITIONAL or KO_SITUATIONAL
    suicide: bool  # whether a move may remove its own chain


RULES: Final[dict[str, Rules]] = {
    rules.name: rules
    for rules in (
        Rules("cgos", KO_POSITIONAL, suicide=False),
        Rules("chinese", KO_SIMPLE, suicide=False),
        Rules("chinese-ogs", KO_POSITIONAL, suicide=False),
        Rules("chinese-kgs", KO_POSITIONAL, suicide=False),
        Rules("tromp-taylor", KO_POSITIONAL, suicide=True),
        Rules("aga", KO_SITUATIONAL, suicide=False),
        Rules("new-zealand", KO_SITUATIONAL, suicide=True),
    )
}


def rules_named(name: str) -> Rules:
    """The rule set of this name.

    Raises:
        ValueError: there is none; it lists those there are.
    """
    try:
        return RULES[name]
    except KeyError:
        raise ValueError(f"rules must be one of {', '.join(RULES)}, got {name!r}") from None
