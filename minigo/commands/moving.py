# SPDX-License-Identifier: Apache-2.0
"""The command that moves a run: `copy`."""

from threading import Event

from absl.flags import DEFINE_string, FlagValues

from minigo.commands.common import define_run
from minigo.flags import Command, required

RETRY_LATER = 75


def _define_copy(values: FlagValues) -> None:
    define_run(values)
    DEFINE_string("to", None, "where to: a folder, or gs://bucket/prefix", flag_values=values)


def _copy(values: FlagValues, stop: Event) -> int:
    source, target = required(values, "run"), required(values, "to")
    from minigo.run_copy import copy_run
    from minigo.status import StatusDisplay

    now = [(0.0, "listing the run")]

    def progress(done: int, total: int) -> None:
        now[0] = (done / total, f"{done} of {total} files copied")

    with StatusDisplay(lambda: now[0], lambda _: None):
        count = copy_run(source, target, stop=stop, progress=progress)
    if count is None:
        print(f"stopped: {target} is not the run yet; the same command goes on")
        return RETRY_LATER
    print(f"{target} is {source}: {count.copied} files copied, {count.there_already} were there")
    return 0


COPY = Command(
    name="copy",
    summary="copies a run to another place, where it goes on, or back",
    description="""Stop what works on the run first: of a run and its copy, only one may go on. Copying again,
    in either direction, takes what is new; it is refused if both went on. What never changes is copied first
    and the run's state last, so that an interrupted copy is not taken for a run.""",
    examples=(
        "minigo copy --run=runs/9x9 --to=gs://bucket/9x9",
        "minigo copy --run=gs://bucket/9x9 --to=runs/9x9    # back, when it has gone on there",
    ),
    define=_define_copy,
    run=_copy,
)
