# SPDX-License-Identifier: Apache-2.0
"""The conformance kit, against our engine and, for what is standard, against GNU Go to show that it is fair."""

import os
import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.engines.conformance.kit import Case, Engine, NonconformError, groups_of
from tests.engines.conformance.profiles import PROFILES

GNUGO = shutil.which("gnugo", path=os.environ["PATH"] + ":/usr/games")
STANDARD, EXTENSIONS = groups_of("standard.txt"), groups_of("extensions.txt")
OURS = (sys.executable, "-m", "minigo", "gtp", "--search.num_simulations=16")


@pytest.fixture(scope="module")
def ours() -> Iterator[Engine]:
    with Engine(OURS) as engine:
        yield engine


def test_the_kit_has_enough_cases():
    assert sum(map(len, (STANDARD | EXTENSIONS).values())) >= 120
    assert len(STANDARD | EXTENSIONS) == len(STANDARD) + len(EXTENSIONS)


@pytest.mark.parametrize("title", [*STANDARD, *EXTENSIONS])
def test_our_engine_gives_the_replies_of_the_kit(ours, title):
    for case in (STANDARD | EXTENSIONS)[title]:
        ours.check(case)


@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
@pytest.mark.parametrize("title", STANDARD)
def test_gnugo_gives_the_standard_replies_too(title):
    with Engine((str(GNUGO), "--mode", "gtp", "--level", "1")) as gnugo:
        for case in STANDARD[title]:
            gnugo.check(case)


@pytest.mark.parametrize("client", PROFILES)
def test_clients_get_what_they_need(client):
    with Engine(OURS) as engine:
        PROFILES[client](engine)


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("protocol_version", "= 1"),
        ("1 protocol_version", "= 2"),
        ("frobnicate", "="),
        ("protocol_version", "?"),
        ("protocol_version", None),
        ("list_commands", r"= \w+"),
    ],
)
def test_the_kit_can_fail(ours, line, pattern):
    with pytest.raises(NonconformError):
        ours.check(Case(line, pattern))
    if pattern is None:
        assert ours.reply() == "=424242 2"  # the question that shows whether there was a reply
