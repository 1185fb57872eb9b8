# SPDX-License-Identifier: Apache-2.0
"""When one can play at all: on this machine always, beyond it with a token, and without importing any framework."""

import subprocess
import sys

import pytest

from minigo.commands.browser import is_loopback, playing
from minigo.config import Config
from minigo.flags import UsageError

PROGRAM = """
import sys
from minigo.commands.browser import playing
from minigo.config import Config
from ratings.server import create_app
from ratings.watch import Watch
with playing(lambda: None, Config(), host="127.0.0.1", token=None) as router:
    create_app(Watch("nowhere"), play=router)
    print(sorted({"tensorflow", "keras", "jax", "openvino"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 (of a test)
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.example.org", False),
    ],
)
def test_what_this_machine_alone_reaches(host, expected):
    assert is_loopback(host) == expected


@pytest.mark.parametrize(
    ("host", "token", "is_on"),
    [
        ("127.0.0.1", None, True),
        ("192.168.1.2", None, False),
        ("192.168.1.2", "a-long-secret-word", True),
        ("127.0.0.1", "a-long-secret-word", True),
    ],
)
def test_beyond_this_machine_one_plays_with_a_token_alone(host, token, is_on):
    with playing(lambda: None, Config(), host=host, token=token) as router:
        assert (router is not None) == is_on


@pytest.mark.parametrize("token", ["", "short"])
def test_a_short_token_is_a_wrong_flag(token):
    with (
        pytest.raises(UsageError, match="--play_token: a token must have 12 characters"),
        playing(lambda: None, Config(), host="192.168.1.2", token=token),
    ):
        pass


def test_the_web_process_imports_no_framework():
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
