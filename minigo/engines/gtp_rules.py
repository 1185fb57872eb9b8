# SPDX-License-Identifier: Apache-2.0
"""GTP commands about rule sets, named and described as KataGo does: `kata-get-rules`, `kata-set-rules`, `kgs-rules`."""

import json
from typing import TYPE_CHECKING, Any, Final

from minigo.engines.gtp_table import Entry, word, words
from minigo.engines.gtp_text import GtpError, quoted

if TYPE_CHECKING:
    from minigo.engines.gtp_session import Session

_KGS_NAMES: Final = {"chinese": "chinese-kgs", "aga": "aga", "new_zealand": "new-zealand"}
_FIXED: Final[dict[str, Any]] = {"friendlyPassOk": False, "hasButton": False, "scoring": "AREA", "tax": "NONE"}
"""What is the same under all our rules."""


def get_rules(session: "Session") -> str:
    """The rules as KataGo's JSON object."""
    rules = session.board.position.rules
    own = {"ko": rules.ko_name, "suicide": rules.suicide, "whiteHandicapBonus": rules.handicap_bonus}
    return json.dumps(_FIXED | own, sort_keys=True)


def set_rules(session: "Session", given: tuple[str, ...]) -> str:
    """Rules by name or as a JSON object, from now on and for the moves so far."""
    text = " ".join(given)
    try:
        _change(session, json.loads(text) if text.startswith("{") else text)
    except (ValueError, RecursionError) as error:
        raise GtpError(f"rules must be a name or a JSON object: {type(error).__name__}") from None
    return ""


def set_kgs_rules(session: "Session", name: str) -> str:
    """Rules by the names of KGS."""
    if name.lower() not in _KGS_NAMES:
        raise GtpError(f"rules must be one of {', '.join(_KGS_NAMES)}, got {quoted(name)}")
    _change(session, _KGS_NAMES[name.lower()])
    return ""


def _change(session: "Session", asked: str | dict[str, Any]) -> None:
    from minigo.engines.rules_text import requested_rules

    try:
        requested = requested_rules(asked)
    except ValueError as error:
        raise GtpError(f"rules {error}") from None
    if requested.unsupported:
        raise GtpError(f"rules with {requested.unsupported} can not be played here")
    session.board.set_rules(requested.rules)
    session.rules = requested.rules


COMMANDS: Final = (
    Entry("kata-get-rules", (), "describes the rules", get_rules),
    Entry("kata-set-rules", (words("rules", 1),), "changes the rules", set_rules),
    Entry("kgs-rules", (word("rules"),), "changes the rules, by the names of KGS", set_kgs_rules),
)
