# SPDX-License-Identifier: Apache-2.0
"""The JSON analysis engine against lines that no program should send: each is answered, and none ends it."""

import json
import math
import random

import pytest

from minigo.engines.analysis import Capacity
from minigo.engines.analysis_request import Settings
from minigo.inference.evaluator import UniformEvaluator
from tests.support.analysis_client import conversation, moves, query

pytestmark = pytest.mark.slow

LINES = 40_000
ODD_NUMBERS = (-1, 0, 1, 2, 5, 19, 20, 2**31, 2**63, 2**70, -(2**70), 0.5, -7.5, 1e300, 1e-300)
ODD_TEXTS = ("", "B", "w", "C3", "pass", "Z99", "(1,1)", "chinese", "\ud800", "9" * 60, "\x00", "é" * 50)
ODD_LISTS = ([], [[]], [None], [[None, None]], [["B", "A1"]], [["B", "A1"], ["W", "A1"]], [[["B"]]])
ODD_VALUES = (None, True, False, *ODD_NUMBERS, *ODD_TEXTS, *ODD_LISTS, {}, {"a": {"b": []}})
FIELDS = (
    *("moves", "initialStones", "initialPlayer", "rules", "komi", "whiteHandicapBonus", "boardXSize", "boardYSize"),
    *("analyzeTurns", "maxVisits", "priority", "priorities", "avoidMoves", "allowMoves", "overrideSettings"),
    *("includeOwnership", "includeMovesOwnership", "includePolicy", "includePVVisits", "analysisPVLen"),
    *("reportDuringSearchEvery", "firstReportDuringSearchAfter", "action", "terminateId", "turnNumbers", "else"),
)
SETTINGS = ["reportAnalysisWinratesAs", "wideRootNoise", "maxTime", "maxVisits", "analysisPVLen", "else"]
RULES = ["ko", "suicide", "scoring", "tax", "hasButton", "whiteHandicapBonus", "else"]


def odd_request(rng: random.Random, name: str) -> dict:
    """A request of which some fields are as they should not be."""
    request = query(name, size=rng.choice([2, 3, 5]), moves=moves("B A1 W B2")[: rng.randrange(3)])
    for field in rng.sample(FIELDS, rng.choice([0, 1, 1, 2, 5])):
        request[field] = rng.choice(ODD_VALUES)
    if rng.random() < 0.2:
        request["overrideSettings"] = {field: rng.choice(ODD_VALUES) for field in rng.sample(SETTINGS, 2)}
    if rng.random() < 0.2:
        request["rules"] = {field: rng.choice(ODD_VALUES) for field in rng.sample(RULES, 2)}
    if rng.random() < 0.2:
        group = {"player": "B", "moves": ["A1", "pass"], "untilDepth": 1, rng.choice(FIELDS): rng.choice(ODD_VALUES)}
        group[rng.choice(["player", "moves", "untilDepth"])] = rng.choice(ODD_VALUES)
        request[rng.choice(["avoidMoves", "allowMoves"])] = [group]
    if rng.random() < 0.1:
        del request[rng.choice(list(request))]
    request["id"] = name
    return request


def noise(rng: random.Random) -> bytes:
    """A line of random bytes, or a request with some bytes changed."""
    if rng.random() < 0.3:
        data = rng.randbytes(rng.choice([1, 10, 300]))
    else:
        data = bytearray(json.dumps(odd_request(rng, "noise")).encode())
        for _ in range(rng.choice([1, 3, 20])):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data).replace(b"\n", b" ") + b"\n"


def refuse(text: str) -> float:
    """JSON has no such number."""
    raise ValueError(text)


def refuse_infinity(text: str) -> float:
    """Numbers that are too large are refused, too."""
    return float(text) if math.isfinite(float(text)) else refuse(text)


def has_id(line: bytes) -> bool | None:
    """Whether it is an object with a text as its id; None if there is nothing on it."""
    try:
        text = line.decode().strip()
        request = json.loads(text, parse_constant=refuse, parse_float=refuse_infinity) if text else None
    except (ValueError, RecursionError):
        return False
    if not text:
        return None
    return isinstance(request, dict) and isinstance(request.get("id"), str)


def test_every_line_is_answered_and_none_ends_the_conversation():
    rng = random.Random(20260101)  # noqa: S311 (no secrets)
    settings = Settings(visits=3, wide_root_noise=0.0, max_seconds=0.5)
    replies, names, without_id = [], set(), 0
    with conversation(UniformEvaluator(), settings, Capacity(8, 16, 100)) as client:
        for number in range(LINES):
            if rng.random() < 0.5:
                line = noise(rng)
                without_id += has_id(line) is False
            else:
                names.add(f"{number}")
                line = json.dumps(odd_request(rng, f"{number}")).encode() + b"\n"
            client.send(line)
        client.send(
            b"[" * 2_000_000 + b"\n", b'{"id":' + b"{" * 999_000 + b"\n", {"id": "e", "action": "terminate_all"}
        )
        client.send({"id": "v", "action": "query_version"})
        while not replies or replies[-1].get("id") != "v":
            replies.append(client.take())
        replies += client.close()
    ended = {
        reply["id"] for reply in replies if "warning" not in reply and not reply.get("isDuringSearch") and "id" in reply
    }
    assert names <= ended
    assert sum("id" not in reply for reply in replies) == without_id + 2
    assert not any("internal error" in reply.get("error", "") for reply in replies)
    # Ids that are ours occur once; those of noise may come again.
    finals = [(reply["id"], reply["turnNumber"]) for reply in replies if reply.get("isDuringSearch") is False]
    assert len([final for final in finals if final[0] != "noise"]) == len(
        {final for final in finals if final[0] != "noise"}
    )
    assert len(finals) > LINES / 20
