"""From a cron expression for the start and one for the end to a start and a duration.

KEDA's cron trigger is in force while the next end comes before the next start.
https://keda.sh/docs/latest/scalers/cron/
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import Final

from cronsim import CronSim, CronSimError

from sluice.cli.moving.draft import Unfit

# From a Monday before a leap year; no clock in particular, so that no hour is missing.
_BEGIN: Final = datetime(2023, 1, 2)  # noqa: DTZ001
_STARTS: Final = 800


def start_of(expression: str) -> str:
    """The expression as Sluice reads it: five fields, without question marks. Raises Unfit."""
    fields = expression.replace("?", "*").split()
    if len(fields) != 5:
        raise Unfit(f'"{expression}" has not five fields')
    day, weekday = fields[2], fields[4]
    if "*" not in (day, weekday) and "*" in (day[0], weekday[0]):
        # KEDA starts on either of the days, and Sluice on those that are both.
        raise Unfit(f'"{expression}" has steps in one of its days and a value in the other')
    return " ".join(fields)


def duration_of(start: str, end: str) -> timedelta:
    """How long it is from each start to the end. Raises Unfit where that is not always the same."""
    try:
        starts = list(islice(CronSim(start, _BEGIN), _STARTS))
        lengths = {_length(each, after, end) for each, after in pairwise(starts)}
    except CronSimError as error:
        raise Unfit(f'"{start}" or "{end}" is no cron expression: {error}') from error
    if not lengths:
        raise Unfit(f'"{start}" never comes')
    if None in lengths:
        raise Unfit(f'not after each start ("{start}") an end ("{end}") comes before the next one')
    spans = sorted(length for length in lengths if length)
    if len(spans) > 1:
        raise Unfit(
            f'from "{start}" to "{end}" it is not always the same time, but {_hours(spans[0])} to '
            f"{_hours(spans[-1])}"
        )
    return spans[0]


def _length(start: datetime, following: datetime, end: str) -> timedelta | None:
    """From a start to the last end that is not after the following one; None without an end."""
    last = next(CronSim(end, following + timedelta(minutes=1), reverse=True), None)
    return last - start if last and last > start else None


def _hours(length: timedelta) -> str:
    return f"{length.total_seconds() / 3600:g}h"
