"""Floors and ceilings by the clock, on the days too on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import process_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling.minutes import MINUTE, naive_bounds, utc

from sluice.core.scaling.cron import starts
from sluice.core.scaling.kept import Bounds
from sluice.core.scaling.policy import Schedule
from sluice.core.scaling.schedules import bounds

HOUR = 3600
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
OFFICE = Schedule("office", "0 8 * * 1-5", 10 * HOUR, BERLIN, min_replicas=6, max_replicas=40)

# Days on which clocks change; in Cairo they do at midnight.
CHANGES = [
    (BERLIN, "2026-03-29T01:00Z"),
    (BERLIN, "2026-10-25T01:00Z"),
    (NEW_YORK, "2026-03-08T07:00Z"),
    (NEW_YORK, "2026-11-01T06:00Z"),
    (LORD_HOWE, "2026-10-03T15:30Z"),
    (LORD_HOWE, "2026-04-04T15:00Z"),
    ("Africa/Cairo", "2026-04-23T22:00Z"),
    ("Africa/Cairo", "2026-10-29T21:00Z"),
    ("UTC", "2028-02-29T00:00Z"),
]


def floor_at(schedule: Schedule, text: str) -> int | None:
    return bounds((schedule,), utc(text)).floor


def started(start: str, zone: str, begin: str, end: str) -> str:
    """The starts after `begin` and up to `end`, as times in the zone."""
    times = starts(start, zone)
    assert times is not None
    found: list[str] = []
    at = times.after(utc(begin))
    while at and at <= utc(end):
        local = at.astimezone(times.zone)
        found.append(f"{local:%H:%M%z}")
        at = times.after(at)
    return " ".join(found)


def test_no_schedules_set_nothing() -> None:
    assert bounds((), utc("2026-11-28T12:00Z")) == Bounds()


def test_a_schedule_is_in_force_from_its_start_until_its_duration_is_over() -> None:
    friday = "2026-11-27T"
    assert bounds((OFFICE,), utc(friday + "06:59:59Z")) == Bounds(
        next_change=utc(friday + "07:00Z")
    )
    for moment in ("07:00Z", "12:00Z", "16:59:59.999Z"):
        assert bounds((OFFICE,), utc(friday + moment)) == Bounds(
            6, 40, "office", "office", next_change=utc(friday + "17:00Z")
        )
    assert bounds((OFFICE,), utc(friday + "17:00Z")) == Bounds(next_change=utc("2026-11-30T07:00Z"))


def test_a_duration_may_have_parts_of_a_minute() -> None:
    brief = Schedule("brief", "0 8 * * *", 90.5, min_replicas=2)
    assert floor_at(brief, "2026-11-28T08:01:30.4Z") == 2
    assert floor_at(brief, "2026-11-28T08:01:30.5Z") is None


def test_of_overlapping_schedules_the_highest_floor_and_the_lowest_ceiling_hold() -> None:
    low = Schedule("low", "0 0 * * *", 24 * HOUR, min_replicas=3, max_replicas=9)
    high = Schedule("high", "0 12 * * *", HOUR, min_replicas=12, max_replicas=90)
    seen = bounds((OFFICE, low, high), utc("2026-11-27T12:30Z"))
    assert seen == Bounds(12, 9, "high", "low", next_change=utc("2026-11-27T13:00Z"))


def test_a_start_or_end_below_a_higher_floor_is_no_change() -> None:
    low = Schedule("low", "*/10 * * * *", 60, min_replicas=5)
    seen = bounds((OFFICE, low), utc("2026-11-27T12:30Z"))
    assert (seen.floor, seen.next_change) == (6, utc("2026-11-27T17:00Z"))


def test_one_schedule_may_take_over_the_floor_of_another_without_a_change() -> None:
    late = Schedule("late", "0 18 * * 1-5", 2 * HOUR, BERLIN, min_replicas=6, max_replicas=40)
    seen = bounds((OFFICE, late), utc("2026-11-27T12:30Z"))
    assert (seen.floor, seen.floor_by) == (6, "office")
    assert seen.next_change == utc("2026-11-27T19:00Z")


def test_a_schedule_longer_than_its_period_is_always_in_force() -> None:
    always = Schedule("always", "0 0 * * *", 25 * HOUR, BERLIN, min_replicas=4)
    for day in ("2026-03-29", "2026-10-25", "2026-11-28"):
        assert bounds((always,), utc(f"{day}T02:30Z")) == Bounds(floor=4, floor_by="always")


def test_a_window_that_its_own_next_start_meets_goes_on() -> None:
    """Started at 8:00 and 10:00 for three hours: from 8:00 to 13:00."""
    twice = Schedule("twice", "0 8,10 * * *", 3 * HOUR, min_replicas=4)
    for moment in ("08:00Z", "10:30Z", "12:59Z"):
        seen = bounds((twice,), utc(f"2026-11-28T{moment}"))
        assert (seen.floor, seen.next_change) == (4, utc("2026-11-28T13:00Z"))


def test_windows_without_a_gap_end_with_the_last_one() -> None:
    minutes = Schedule("minutes", "* 8-17 * * *", 60, min_replicas=4)
    assert bounds((minutes,), utc("2026-11-28T08:00Z")).next_change == utc("2026-11-28T18:00Z")


def test_a_schedule_of_weeks_is_in_force_all_the_time() -> None:
    sale = Schedule("sale", "0 0 20 11 *", 14 * 24 * HOUR, min_replicas=30)
    assert bounds((sale,), utc("2026-12-03T23:59Z")).next_change == utc("2026-12-04T00:00Z")
    assert floor_at(sale, "2026-12-04T00:00Z") is None


def test_a_leap_day_comes_every_four_years() -> None:
    leap = Schedule("leap", "0 0 29 2 *", 24 * HOUR, NEW_YORK, min_replicas=9)
    assert bounds((leap,), utc("2026-11-28T00:00Z")) == Bounds(next_change=utc("2028-02-29T05:00Z"))
    assert floor_at(leap, "2028-03-01T04:59Z") == 9
    assert floor_at(leap, "2028-03-01T05:00Z") is None
    # 2100 has none.
    assert bounds((leap,), utc("2096-03-02T00:00Z")).next_change == utc("2104-02-29T05:00Z")


@pytest.mark.parametrize(
    ("start", "zone"),
    [
        ("0 0 30 2 *", "UTC"),
        ("0 0 31 4,6,9,11 *", "UTC"),
        ("0 0 */31 * MON#2", "UTC"),
        ("60 * * * *", "UTC"),
        ("@daily", "UTC"),
        ("0 0 8 * * 1-5", "UTC"),
        ("0 8 * * 1-5", "Europe/Atlantis"),
        ("0 8 * * 1-5", "Europe"),
        ("0 8 * * 1-5", "../Berlin"),
        ("0 8 * * 1-5", ""),
    ],
)
def test_what_never_starts_sets_nothing(start: str, zone: str) -> None:
    never = Schedule("never", start, HOUR, zone, min_replicas=9)
    assert bounds((never, OFFICE), utc("2026-11-27T12:00Z")).floor == 6
    assert bounds((never,), utc("2026-11-27T12:00Z")) == Bounds()


def test_days_may_have_names() -> None:
    named = Schedule("named", "0 8 * * MON-FRI", HOUR, min_replicas=9)
    assert floor_at(named, "2026-11-27T08:00Z") == 9
    assert floor_at(named, "2026-11-28T08:00Z") is None


@pytest.mark.parametrize(
    ("zone", "day", "start", "found"),
    [
        # 2:00 -> 3:00, 3:00 -> 2:00
        (BERLIN, "2026-03-29", "30 2 * * *", "03:00+0200"),
        (BERLIN, "2026-03-29", "0,30 2,3 * * *", "03:00+0200 03:30+0200"),
        (BERLIN, "2026-03-29", "*/30 2 * * *", ""),
        (BERLIN, "2026-10-25", "30 2 * * *", "02:30+0200"),
        (BERLIN, "2026-10-25", "30 1,2,3 * * *", "01:30+0200 02:30+0200 03:30+0100"),
        (BERLIN, "2026-10-25", "*/30 2 * * *", "02:00+0200 02:30+0200 02:00+0100 02:30+0100"),
        (NEW_YORK, "2026-03-08", "30 2 * * *", "03:00-0400"),
        (NEW_YORK, "2026-11-01", "30 1 * * *", "01:30-0400"),
        (NEW_YORK, "2026-11-01", "0 */12,1 * * *", "00:00-0400 01:00-0400 01:00-0500 12:00-0500"),
        # 2:00 -> 2:30, 2:00 -> 1:30
        (LORD_HOWE, "2026-10-04", "15 2 * * *", "02:30+1100"),
        (LORD_HOWE, "2026-10-04", "*/15 2 * * *", "02:30+1100 02:45+1100"),
        (LORD_HOWE, "2026-04-05", "45 1 * * *", "01:45+1100"),
        (LORD_HOWE, "2026-04-05", "0 */9,2 5 4 *", "00:00+1100 02:00+1030 09:00+1030 18:00+1030"),
    ],
)  # fmt: skip
def test_starts_on_days_on_which_the_clocks_change(
    zone: str, day: str, start: str, found: str
) -> None:
    midnight = datetime.fromisoformat(f"{day}T00:00Z").replace(tzinfo=ZoneInfo(zone))
    begin = (midnight - MINUTE).isoformat()
    end = (midnight + timedelta(hours=23, minutes=59)).isoformat()
    assert started(start, zone, begin, end) == found


@pytest.mark.parametrize(
    ("zone", "start", "last"),
    [
        # From 22:00 for ten hours: until 9:00, 7:00 where the clocks go forth and back.
        (BERLIN, "2026-03-28T21:00Z", "2026-03-29T09:00+02:00"),
        (BERLIN, "2026-10-24T20:00Z", "2026-10-25T07:00+01:00"),
        (NEW_YORK, "2026-03-08T03:00Z", "2026-03-08T09:00-04:00"),
        (NEW_YORK, "2026-11-01T02:00Z", "2026-11-01T07:00-05:00"),
        (LORD_HOWE, "2026-10-03T11:30Z", "2026-10-04T08:30+11:00"),
        (LORD_HOWE, "2026-04-04T11:00Z", "2026-04-05T07:30+10:30"),
    ],
)
def test_a_duration_is_time_that_has_passed(zone: str, start: str, last: str) -> None:
    night = Schedule("night", "0 22 * * *", 10 * HOUR, zone, min_replicas=4)
    seen = bounds((night,), utc(start))
    assert (seen.floor, seen.next_change) == (4, utc(last))
    assert seen.next_change == utc(start) + timedelta(hours=10)


def test_a_window_is_counted_from_the_second_time_of_a_start_that_comes_twice() -> None:
    morning = Schedule("morning", "*/10 2 * * *", 10 * HOUR, BERLIN, min_replicas=4)
    for moment in ("00:00Z", "01:00Z", "10:50Z"):
        seen = bounds((morning,), utc(f"2026-10-25T{moment}"))
        assert (seen.floor, seen.next_change) == (4, utc("2026-10-25T11:50Z"))


@st.composite
def expressions(draw: st.DrawFn) -> str:
    minute = draw(st.sampled_from(["0", "15", "30", "0,45", "*/10", "*/20", "*", "10-12"]))
    hour = draw(st.sampled_from(["0", "1", "2", "3", "1-2", "2,23", "*", "*/2", "*/7"]))
    day = draw(st.sampled_from(["*", "*", "*", "*/2", "29", "1,8,25"]))
    month = draw(st.sampled_from(["*", "*", "2-4,10-11", "*/3"]))
    weekday = draw(st.sampled_from(["*", "*", "*", "0", "5-6", "1-5"]))
    return f"{minute} {hour} {day} {month} {weekday}"


replicas = st.one_of(st.none(), st.integers(1, 3))
# To the end of the next change's search, in whole minutes, up to more than a day.
durations = st.sampled_from([1, 7, 30, 60, 90, 150, 600, 24 * 60, 30 * 60]).map(lambda m: m * 60.0)


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[Schedule, ...], datetime]:
    zone, change = draw(st.sampled_from(CHANGES))
    schedules = draw(
        st.lists(
            st.builds(
                Schedule, st.just("s"), expressions(), durations, st.just(zone), replicas, replicas
            ),
            min_size=1,
            max_size=3,
        )
    )
    return tuple(schedules), utc(change) + draw(st.integers(-400, 400)) * MINUTE


@settings(deadline=None, max_examples=60)
@given(cases())
def test_what_is_in_force_is_what_a_look_at_every_minute_finds(
    case: tuple[tuple[Schedule, ...], datetime],
) -> None:
    schedules, now = case
    begin = now - timedelta(hours=31)
    seen = bounds(schedules, now)
    assert (seen.floor, seen.ceiling) == naive_bounds(schedules, begin, now)
    change = seen.next_change
    if change and change - now < timedelta(days=2):
        assert naive_bounds(schedules, begin, change) != (seen.floor, seen.ceiling)
    else:
        change = now + timedelta(hours=6)
    for moment in (now + (change - now) * part / 7 for part in range(1, 7)):
        assert naive_bounds(schedules, begin, moment) == (seen.floor, seen.ceiling)
    assert naive_bounds(schedules, begin, change - MINUTE / 60) == (seen.floor, seen.ceiling)


def test_twenty_schedules_cost_next_to_nothing() -> None:
    """Asked every 15 seconds for a day, across a change of the clocks: a look is made anew only
    when something starts or ends."""
    schedules = tuple(
        Schedule(f"s{n}", f"{n} {n}-23/3 * * 1-5", 1800, BERLIN, min_replicas=n + 1)
        for n in range(20)
    )
    begin, rounds = datetime(2026, 10, 23, 12, tzinfo=UTC), 4 * 60 * 24
    before = process_time()
    for step in range(rounds):
        bounds(schedules, begin + timedelta(seconds=15 * step))
    assert (process_time() - before) / rounds < 0.002
