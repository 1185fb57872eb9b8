# SPDX-License-Identifier: Apache-2.0
"""What each command is and how it is put together from the program's parts: the composition root.

Every part is imported when its command runs, so that help and a wrong flag are answered at once. How flags
become a config is in `minigo.flags`, exit codes and signals are in `minigo.__main__`. Start at `COMMANDS`.
"""

from minigo.commands.analyzing import ANALYSIS
from minigo.commands.dashboard import DASHBOARD
from minigo.commands.judging import EVALUATE, MATCH_PAIR, PROMOTE
from minigo.commands.learning import LOOP, SELFPLAY, TRAIN
from minigo.commands.machine import BENCHMARK, DOCTOR
from minigo.commands.moving import COPY
from minigo.commands.playing import GTP, MATCH
from minigo.commands.rating import RATE

COMMANDS = (
    LOOP,
    SELFPLAY,
    TRAIN,
    EVALUATE,
    RATE,
    MATCH,
    GTP,
    ANALYSIS,
    DASHBOARD,
    BENCHMARK,
    DOCTOR,
    COPY,
    PROMOTE,
    MATCH_PAIR,
)
"""In the order in which `minigo --help` lists them."""
