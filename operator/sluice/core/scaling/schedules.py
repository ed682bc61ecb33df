"""The floor and the ceiling that schedules set at an instant, and when they change."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from sluice.core.scaling.cron import Starts, starts
from sluice.core.scaling.kept import Bounds
from sluice.core.scaling.policy import Schedule

# How far one looks for the end of windows of one schedule that go on without a gap: more than one a
# minute for a working day, more than a month of days.
_WINDOWS: Final = 600
_AHEAD: Final = timedelta(days=40)
# How many starts and ends that may change something but don't.
_TURNS: Final = 600


class _State(NamedTuple):
    """Whether a schedule is in force, and until when that is so; None: for as long as one looks."""

    in_force: bool
    until: datetime | None


def bounds(schedules: tuple[Schedule, ...], now: datetime) -> Bounds:
    """What the schedules in force at `now` allow: the highest floor and the lowest ceiling.

    A schedule is in force from each of its starts for its duration, which is time that has
    passed: ten hours are ten hours on the days on which the clocks change, too. The floor may be
    above the ceiling: the decision lets the floor win. `next_change` is when floor or ceiling will
    be another one; None where nothing changes, or not for as long as one looks. A schedule that
    cannot be read, or never starts, sets nothing.
    """
    states = tuple(_state(schedule, now) for schedule in schedules)
    floor, ceiling, floor_by, ceiling_by = _strictest(schedules, states)
    return Bounds(floor, ceiling, floor_by, ceiling_by, _next_change(schedules, states))


def _strictest(
    schedules: tuple[Schedule, ...], states: tuple[_State, ...]
) -> tuple[int | None, int | None, str, str]:
    """The highest floor and lowest ceiling in force, and whose they are: the first of equals."""
    held = [one for one, state in zip(schedules, states, strict=True) if state.in_force]
    floors = [(one.min_replicas, one.name) for one in held if one.min_replicas is not None]
    ceilings = [(one.max_replicas, one.name) for one in held if one.max_replicas is not None]
    floor, floor_by = max(floors, key=itemgetter(0), default=(None, ""))
    ceiling, ceiling_by = min(ceilings, key=itemgetter(0), default=(None, ""))
    return floor, ceiling, floor_by, ceiling_by


@lru_cache(maxsize=1024)
def _next_change(schedules: tuple[Schedule, ...], states: tuple[_State, ...]) -> datetime | None:
    """When the floor or the ceiling will be another one. The same until a state changes."""
    before = _strictest(schedules, states)[:2]
    for _ in range(_TURNS):
        pairs = zip(schedules, states, strict=True)
        turns = [state.until for one, state in pairs if state.until and _counts(one, state, before)]
        if not turns:
            return None
        states = tuple(_state(schedule, min(turns)) for schedule in schedules)
        if _strictest(schedules, states)[:2] != before:
            return min(turns)
    return None


def _counts(schedule: Schedule, state: _State, numbers: tuple[int | None, int | None]) -> bool:
    """Whether floor or ceiling may change when the schedule's state does.

    While a higher floor and a lower ceiling are in force, it may come and go.
    """
    low, high = schedule.min_replicas, schedule.max_replicas
    floor, ceiling = numbers
    held = state.in_force
    raises = low is not None and (floor is None or low > floor or (held and low == floor))
    lowers = high is not None and (ceiling is None or high < ceiling or (held and high == ceiling))
    return raises or lowers


def _state(schedule: Schedule, now: datetime) -> _State:
    times = starts(schedule.start, schedule.time_zone)
    if times is None:
        return _State(in_force=False, until=None)
    # The latest start has the latest end: it alone says whether the schedule is in force.
    last, following = times.around(now)
    if last is None or now >= last + timedelta(seconds=schedule.duration_seconds):
        return _State(in_force=False, until=following)
    return _State(in_force=True, until=_end(times, last, schedule.duration_seconds))


@lru_cache(maxsize=8192)
def _end(times: Starts, start: datetime, duration_seconds: float) -> datetime | None:
    """When the windows that follow each other without a gap from this start on are over."""
    duration = timedelta(seconds=duration_seconds)
    horizon = start + _AHEAD
    for _ in range(_WINDOWS):
        end = start + duration
        last = times.until(end)
        if last is None or last <= start:
            return end
        if end > horizon:
            return None
        start = last
    return None
