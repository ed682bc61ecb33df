"""What the program ends with. Scripts rely on these numbers: they never change their meaning."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """An exit code; `docs/cli.md` has the table."""

    OK = 0  # done, healthy, or just what was waited for
    ERROR = 1  # not done: refused, forbidden, unreachable, a file with errors
    USAGE = 2  # the command line is wrong
    ROLLED_BACK = 3
    PAUSED = 4  # goes on only when a person says so
    TIMEOUT = 5  # not within --timeout, or no answer from the operator
    NOT_FOUND = 6
    STUCK = 7  # Stalled or Invalid: somebody has to correct something
    HEALTHY = 8  # healthy, where something else was waited for
    UNDER_WAY = 9  # only without --wait
    INTERRUPTED = 130
