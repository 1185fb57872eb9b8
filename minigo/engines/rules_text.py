# SPDX-License-Identifier: Apache-2.0
"""Rules as clients ask for them: names, KataGo's word for them, and its JSON object, brought to rules that we can play.

We count area. Where more than that is asked for, the nearest rules are named: GTP refuses them, the analysis engine
takes them with a warning.
"""

import re
from typing import Any, Final, NamedTuple

from minigo.go.rules import BONUSES, KO_NAMES, RULES, Rules, rules_from_text, rules_with

AREA_KOMI: Final = 7.5
TERRITORY_KOMI: Final = 6.5

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
_SUPPORTED: Final = {"scoring": "AREA", "tax": "NONE", "hasButton": False}  # what we have
_KNOWN: Final = (*_SUPPORTED, "ko", "suicide", "whiteHandicapBonus", "friendlyPassOk", "komi")


class RequestedRules(NamedTuple):
    """What rules that were asked for come to."""

    rules: Rules
    default_komi: float
    """Where the request has none."""
    unsupported: str
    """What was asked for and can not be played, so that the nearest rules are meant; "" if there is no such thing."""


def requested_rules(value: Any) -> RequestedRules:
    """The rules that are asked for by name or by object.

    Raises:
        ValueError: it is neither, or one that nobody knows.
    """
    if isinstance(value, str):
        return _named(value)
    if isinstance(value, dict):
        return _described(value)
    raise ValueError("must be a name like 'chinese', or an object with ko, suicide, …")


def _named(text: str) -> RequestedRules:
    if rules := rules_from_text(text):
        return RequestedRules(rules, AREA_KOMI, "")
    name = re.sub(r"[-_ ]", "", text.strip().lower())
    if name not in _NEAREST:
        raise ValueError(f"must be one of {', '.join([*RULES, *_NEAREST])}, got {text[:40]!r}")
    rules = RULES[_NEAREST[name]]
    komi = TERRITORY_KOMI if name in _WITH_TERRITORY else AREA_KOMI
    return RequestedRules(rules, komi, text)


def _described(described: dict[str, Any]) -> RequestedRules:
    ko, suicide = described.get("ko", "POSITIONAL"), described.get("suicide", False)
    bonus = described.get("whiteHandicapBonus", "0")
    if ko not in (*KO_NAMES, "SPIGHT"):
        raise ValueError(f"ko must be SIMPLE, POSITIONAL, SITUATIONAL or SPIGHT, got {str(ko)[:40]!r}")
    if type(suicide) is not bool:
        raise ValueError(f"suicide must be true or false, got {str(suicide)[:40]!r}")
    if bonus not in BONUSES:
        raise ValueError(f"whiteHandicapBonus must be one of {', '.join(BONUSES)}, got {str(bonus)[:40]!r}")
    different = [
        f"{name[:40]} {str(given)[:40]}"
        for name, given in described.items()
        if name not in _KNOWN or given != _SUPPORTED.get(name, given)
    ]
    if ko == "SPIGHT":
        different.append("ko SPIGHT")
        ko = "SITUATIONAL"
    komi = TERRITORY_KOMI if described.get("scoring") == "TERRITORY" else AREA_KOMI
    return RequestedRules(rules_with(KO_NAMES[ko], suicide, bonus), komi, ", ".join(different))
