# SPDX-License-Identifier: Apache-2.0
"""The rule sets by name, as KataGo names them. They differ in ko, suicide and handicaps; all score by area."""

import re
from dataclasses import dataclass
from typing import Final

from cc_kernels.board import KO_POSITIONAL, KO_SIMPLE, KO_SITUATIONAL

KO_NAMES: Final = {"SIMPLE": KO_SIMPLE, "POSITIONAL": KO_POSITIONAL, "SITUATIONAL": KO_SITUATIONAL}
BONUSES: Final = ("0", "N-1", "N")


@dataclass(frozen=True)
class Rules:
    """What a rule set forbids, and what it gives White for a handicap."""

    name: str
    ko_rule: int  # KO_SIMPLE, KO_POSITIONAL or KO_SITUATIONAL
    suicide: bool  # whether a move may remove its own chain
    handicap_bonus: str = "0"  # points for N handicap stones: one of BONUSES

    @property
    def ko_name(self) -> str:
        """KataGo's word for the ko rule."""
        return next(name for name, ko_rule in KO_NAMES.items() if ko_rule == self.ko_rule)

    def handicap_points(self, stones: int) -> int:
        """What White gets for so many handicap stones; fewer than two are none."""
        if stones < 2 or self.handicap_bonus == "0":
            return 0
        return stones if self.handicap_bonus == "N" else stones - 1


RULES: Final[dict[str, Rules]] = {
    rules.name: rules
    for rules in (
        Rules("cgos", KO_POSITIONAL, suicide=False),
        Rules("chinese", KO_SIMPLE, suicide=False, handicap_bonus="N"),
        Rules("chinese-ogs", KO_POSITIONAL, suicide=False, handicap_bonus="N"),
        Rules("chinese-kgs", KO_POSITIONAL, suicide=False, handicap_bonus="N"),
        Rules("tromp-taylor", KO_POSITIONAL, suicide=True),
        Rules("aga", KO_SITUATIONAL, suicide=False, handicap_bonus="N-1"),
        Rules("new-zealand", KO_SITUATIONAL, suicide=True),
    )
}

_SPELLED: Final = {name.replace("-", ""): name for name in RULES} | {
    "nz": "new-zealand",
    "bga": "aga",
    "french": "aga",
}
_IN_ONE_WORD: Final = re.compile(r"ko(SIMPLE|POSITIONAL|SITUATIONAL)scoreAREAtaxNONEsui([01])(?:whb(0|N-1|N))?")


def rules_named(name: str) -> Rules:
    """The rule set of this name.

    Raises:
        ValueError: there is none; it lists those there are.
    """
    try:
        return RULES[name]
    except KeyError:
        raise ValueError(f"rules must be one of {', '.join(RULES)}, got {name!r}") from None


def rules_from_text(text: str) -> Rules | None:
    """The rule set that people and files name so, in any usual spelling, or KataGo in one word; None: none of ours."""
    if word := _IN_ONE_WORD.fullmatch(text.strip()):
        return rules_with(KO_NAMES[word[1]], word[2] == "1", word[3] or "0")
    name = _SPELLED.get(re.sub(r"[-_ ]", "", text.strip().lower()))
    return None if name is None else RULES[name]


def rules_with(ko_rule: int, suicide: bool, handicap_bonus: str) -> Rules:
    """The rule set that has these; without a name of its own, it is named by what it has."""
    for rules in RULES.values():
        if (rules.ko_rule, rules.suicide, rules.handicap_bonus) == (ko_rule, suicide, handicap_bonus):
            return rules
    ko_name = Rules("", ko_rule, suicide).ko_name
    return Rules(f"ko{ko_name}scoreAREAtaxNONEsui{suicide:d}whb{handicap_bonus}", ko_rule, suicide, handicap_bonus)
