# SPDX-License-Identifier: Apache-2.0
"""GTP commands about rule sets, named and described as KataGo does: `kata-get-rules`, `kata-set-rules`, `kgs-rules`."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from minigo.engines.gtp_table import Entry, word, words
from minigo.engines.gtp_text import GtpError, quoted

if TYPE_CHECKING:
    from minigo.engines.gtp_session import Session

_KGS_NAMES: Final = {"chinese": "chinese-kgs", "aga": "aga", "new_zealand": "new-zealand"}
_KO_NAMES: Final = ("SIMPLE", "POSITIONAL", "SITUATIONAL")  # by the kernel's numbers
_FIXED: Final[dict[str, Any]] = {
    "friendlyPassOk": False,
    "hasButton": False,
    "scoring": "AREA",
    "tax": "NONE",
    "whiteHandicapBonus": "0",
}
"""What is the same under all our rules."""


def get_rules(session: "Session") -> str:
    """The rules as KataGo's JSON object."""
    rules = session.board.position.rules
    return json.dumps(_FIXED | {"ko": _KO_NAMES[rules.ko_rule], "suicide": rules.suicide}, sort_keys=True)


def set_rules(session: "Session", given: tuple[str, ...]) -> str:
    """Rules by name or as a JSON object, from now on and for the moves so far."""
    text = " ".join(given)
    _change(session, _described(text) if text.startswith("{") else text.lower())
    return ""


def set_kgs_rules(session: "Session", name: str) -> str:
    """Rules by the names of KGS."""
    if name.lower() not in _KGS_NAMES:
        raise GtpError(f"rules must be one of {', '.join(_KGS_NAMES)}, got {quoted(name)}")
    _change(session, _KGS_NAMES[name.lower()])
    return ""


def _change(session: "Session", name: str) -> None:
    from minigo.go.rules import RULES

    if name not in RULES:
        raise GtpError(f"rules must be one of {', '.join(RULES)}, got {quoted(name)}")
    session.board.set_rules(RULES[name])
    session.game = replace(session.game, rules=name)


def _described(text: str) -> str:
    """The name of the rules that a JSON object describes. What it leaves out is as it is under our default rules."""
    from minigo.go.rules import RULES

    try:
        wanted = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GtpError(f"rules must be a name or a JSON object: {type(error).__name__}") from None
    if not isinstance(wanted, dict):
        raise GtpError("rules must be a name or a JSON object")
    known = {"ko": "POSITIONAL", "suicide": False} | _FIXED
    for key, value in wanted.items():
        if key not in known:
            raise GtpError(f"rules have no {quoted(key)}")
        # A pass that ends the game is a matter of how we play, not of what is legal.
        if key in _FIXED and value != _FIXED[key] and key != "friendlyPassOk":
            raise GtpError(f"rules with {key} {quoted(str(value))} can not be played here")
    chosen = known | wanted
    for rules in RULES.values():
        if chosen["ko"] == _KO_NAMES[rules.ko_rule] and chosen["suicide"] is rules.suicide:
            return rules.name
    raise GtpError(
        f"ko {quoted(str(chosen['ko']))} with suicide {quoted(str(chosen['suicide']))} can not be played here"
    )


COMMANDS: Final = (
    Entry("kata-get-rules", (), "describes the rules", get_rules),
    Entry("kata-set-rules", (words("rules", 1),), "changes the rules", set_rules),
    Entry("kgs-rules", (word("rules"),), "changes the rules, by the names of KGS", set_kgs_rules),
)
