# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

from minigo.inference.quiet import held_back_greetings


def test_greetings_are_left_out_and_all_else_is_kept_in_order(capfd):
    with held_back_greetings():
        os.write(2, b"before\n")
        os.write(2, b"I0000 00:00:1795417206.8 30202 port.cc:153] custom operations are on.\n")
        os.write(2, b"after\n")

    assert capfd.readouterr().err == "before\nafter\n"


def test_what_was_held_back_appears_when_the_start_fails(capfd):
    try:
        with held_back_greetings():
            os.write(2, b"the reason\n")
            raise ImportError("no such library")
    except ImportError:
        pass

    assert capfd.readouterr().err == "the reason\n"


def test_tensorflow_starts_without_a_word():
    script = "from minigo.inference.quiet import start_tensorflow; start_tensorflow(); import keras"

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout + result.stderr == ""
