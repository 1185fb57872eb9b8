# SPDX-License-Identifier: Apache-2.0
"""Rules as requests for analysis name them: KataGo's names and its JSON object, brought to rules that we can play.

We count area. Where a request asks for more than that, the nearest rules are taken and the difference is told.
"""

import re
from typing import Any, Final, NamedTuple

from cc_kernels.board import KO_POSITIONAL, KO_SIMPLE, KO_SITUATIONAL
from minigo.go.rules import RULES, Rules

AREA_KOMI: Final = 7.5
TERRITORY_KOMI: Final = 6.5
BONUSES: Final = ("0", "N-1", "N")

_KO_RULES: Final = {"SIMPLE": KO_SIMPLE, "POSITIONAL": KO_POSITIONAL, "SITUATIONAL": KO_SITUATIONAL}
_SAME: Final = {"bga": "aga", "french": "aga"}
_NEAREST: Final = {
    "japanese": "chinese",
    "korean": "chinese",
    "ancientterritory": "chinese",
    "ancientarea": "chinese",
    "stonescoring": "chinese",
    "agabutton": "aga",
    "goe": "tromp-taylor",
    "ing": "tromp-taylor",
}
_WITH_TERRITORY: Final = ("japanese", "korean", "ancientterritory")
_NAMES: Final = {name.replace("-", ""): name for name in RULES}
_SUPPORTED: Final = {"scoring": "AREA", "tax": "NONE", "hasButton": False}  # what we have; other values get a warning


class RequestedRules(NamedTuple):
    """What a request's rules come to."""

    rules: Rules
    bonus: str
    """What White gets for N handicap stones: one of BONUSES."""
    default_komi: float
    """Where the request has none."""
    warning: str
    """How the rules differ from what was asked for; "" if they do not."""


def requested_rules(value: Any) -> RequestedRules:
    """The rules that a request asks for by name or by object.

    Raises:
        ValueError: it is neither, or one that nobody knows.
    """
    if isinstance(value, str):
        return _named(value)
    if isinstance(value, dict):
        return _described(value)
    raise ValueError("must be a name like 'chinese', or an object with ko, suicide, …")


def handicap_points(bonus: str, stones: int) -> int:
    """Points that White gets for a handicap of so many stones (fewer than two are none)."""
    number = stones if stones >= 2 else 0
    return {"0": 0, "N": number, "N-1": max(0, number - 1)}[bonus]


def _named(text: str) -> RequestedRules:
    written = re.sub(r"[-_ ]", "", text.strip().lower())
    name = _SAME.get(written, written)
    if name in _NAMES:
        return RequestedRules(RULES[_NAMES[name]], "0", AREA_KOMI, "")
    if name not in _NEAREST:
        raise ValueError(f"must be one of {', '.join([*RULES, *_NEAREST])}, got {text[:40]!r}")
    rules = RULES[_NEAREST[name]]
    komi = TERRITORY_KOMI if name in _WITH_TERRITORY else AREA_KOMI
    return RequestedRules(rules, "0", komi, f"Rules {text} are not supported, using {rules.name} instead: area scoring")


def _described(described: dict[str, Any]) -> RequestedRules:
    ko, suicide = described.get("ko", "POSITIONAL"), described.get("suicide", False)
    bonus = described.get("whiteHandicapBonus", "0")
    if ko not in (*_KO_RULES, "SPIGHT"):
        raise ValueError(f"ko must be SIMPLE, POSITIONAL, SITUATIONAL or SPIGHT, got {str(ko)[:40]!r}")
    if type(suicide) is not bool:
        raise ValueError(f"suicide must be true or false, got {str(suicide)[:40]!r}")
    if bonus not in BONUSES:
        raise ValueError(f"whiteHandicapBonus must be one of {', '.join(BONUSES)}, got {str(bonus)[:40]!r}")
    different = [
        f"{name} {str(described[name])[:40]}"
        for name, ours in _SUPPORTED.items()
        if name in described and described[name] != ours
    ]
    if ko == "SPIGHT":
        different.append("ko SPIGHT")
        ko = "SITUATIONAL"
    komi = TERRITORY_KOMI if described.get("scoring") == "TERRITORY" else AREA_KOMI
    rules = _with(_KO_RULES[ko], suicide)
    warning = f"Not supported: {', '.join(different)}; using area scoring, ko {ko}" if different else ""
    return RequestedRules(rules, bonus, komi, warning)


def _with(ko_rule: int, suicide: bool) -> Rules:
    for rules in RULES.values():
        if (rules.ko_rule, rules.suicide) == (ko_rule, suicide):
            return rules
    return Rules("simple-ko-suicide", ko_rule, suicide)  # the one combination without a name
