"""Instants and spans as texts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.times import parse, span, stamp

zones = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
instants = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=zones)  # noqa: DTZ001


@given(instants)
def test_a_stamp_is_read_back_to_the_millisecond(instant: datetime) -> None:
    again = parse(stamp(instant))
    assert again is not None
    assert timedelta(0) <= instant - again < timedelta(milliseconds=1)
    assert stamp(again) == stamp(instant)


@given(instants)
def test_a_stamp_is_a_time_in_utc(instant: datetime) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp(instant))


@given(instants, instants)
def test_stamps_are_in_the_order_of_their_instants(one: datetime, other: datetime) -> None:
    """The newest stable version is found by comparing texts."""
    assert (stamp(one) < stamp(other)) <= (one < other)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T12:00:00Z",
        "2026-01-01T12:00:00.000Z",
        "2026-01-01T13:00:00+01:00",
        "2026-01-01T12:00:00",
    ],
)
def test_times_of_other_writers_are_read(text: str) -> None:
    assert parse(text) == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", [None, "", "soon", "12:00", "2026-13-01T00:00:00Z", "1767268800s"])
def test_text_that_is_no_time_counts_as_absent(text: str | None) -> None:
    assert parse(text) is None


@given(st.text(max_size=30))
def test_no_text_raises(text: str) -> None:
    instant = parse(text)
    assert instant is None or instant.tzinfo is not None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3.0, "0s"),
        (0.0, "0s"),
        (0.5, "0.5s"),
        (2.0, "2s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m"),
        (95.4, "1m35s"),
        (600.0, "10m"),
        (3600.0, "1h"),
        (3605.0, "1h5s"),
        (90061.0, "25h1m1s"),
    ],
)
def test_a_span_is_written_as_people_read_it(seconds: float, text: str) -> None:
    assert span(seconds) == text


@given(st.integers(10, 10**6))
def test_a_span_of_whole_seconds_loses_nothing(seconds: int) -> None:
    factors = {"h": 3600, "m": 60, "s": 1}
    parts = re.findall(r"(\d+)([hms])", span(seconds))
    assert sum(int(number) * factors[unit] for number, unit in parts) == seconds
