"""Schedules the slow way: every minute of some days, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from sluice.core.scaling.policy import Schedule

MINUTE = timedelta(minutes=1)


def naive_bounds(
    schedules: tuple[Schedule, ...], begin: datetime, now: datetime
) -> tuple[int | None, int | None]:
    """Floor and ceiling at `now`, from the starts in the days from `begin` on."""
    held = [
        one
        for one in schedules
        for start in naive_starts(one.start, one.time_zone, begin)
        if start <= now < start + timedelta(seconds=one.duration_seconds)
    ]
    floors = [one.min_replicas for one in held if one.min_replicas is not None]
    ceilings = [one.max_replicas for one in held if one.max_replicas is not None]
    return max(floors, default=None), min(ceilings, default=None)


@lru_cache(maxsize=100)
def naive_starts(start: str, time_zone: str, begin: datetime) -> list[datetime]:
    """The starts in the three and a half days from a whole minute on."""
    zone = ZoneInfo(time_zone)
    minute, hour = start.split()[:2]
    once = not minute.startswith("*") and not hour.startswith("*")
    times = (begin + n * MINUTE for n in range(84 * 60))
    return list(_once(start, zone, times) if once else _each(start, zone, times))


def _each(start: str, zone: ZoneInfo, times: Iterator[datetime]) -> Iterator[datetime]:
    return (at for at in times if matches(start, _wall(at, zone)))


def _once(start: str, zone: ZoneInfo, times: Iterator[datetime]) -> Iterator[datetime]:
    """What a clock on the wall comes past for the first time, be it by a leap."""
    latest: datetime | None = None
    for at in times:
        wall = _wall(at, zone)
        past = latest + MINUTE if latest else wall
        leap = [past + n * MINUTE for n in range(int((wall - past) / MINUTE) + 1)]
        if any(matches(start, each) for each in leap):
            yield at
        latest = max(latest or wall, wall)


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def matches(start: str, wall: datetime) -> bool:
    """Whether the five fields name this minute."""
    minute, hour, day, month, weekday = start.split()
    days = wall.day in _numbers(day, 1, 31)
    weekdays = wall.isoweekday() % 7 in _numbers(weekday, 0, 6)
    either = not day.startswith("*") and not weekday.startswith("*")
    return (
        wall.minute in _numbers(minute, 0, 59)
        and wall.hour in _numbers(hour, 0, 23)
        and wall.month in _numbers(month, 1, 12)
        and (days or weekdays if either else days and weekdays)
    )


@cache
def _numbers(field: str, low: int, high: int) -> frozenset[int]:
    """Of `*`, `*/5`, `8-17`, `8,17` and `8`."""
    if "," in field:
        return frozenset().union(*(_numbers(part, low, high) for part in field.split(",")))
    if field.startswith("*"):
        return frozenset(range(low, high + 1, int(field[2:] or 1)))
    first, _, last = field.partition("-")
    return frozenset(range(int(first), int(last or first) + 1))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
