from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.api.durations import MAX_LENGTH, PATTERN, is_duration, parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0.0),
        ("10s", 10.0),
        ("500ms", 0.5),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("1h30m", 5400.0),
        ("1h1m1s1ms", 3661.001),
        ("1m1h", 3660.0),
        ("30s30s", 60.0),
        ("00010s", 10.0),
        ("99999h", 359996400.0),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


NO_DURATIONS = ["", "90", "5 minutes", "PT15S", "1.5h", "5M", "-5s", " 5s", "5s\n", "1d", "s"]
NO_DURATIONS += ["123456s", "1h1h1h1h1h", "٣s"]


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    assert not is_duration(text)
    with pytest.raises(ValueError, match="write a duration such as 30s, 5m or 1h30m"):
        parse_seconds(text)


@settings(deadline=None)
@given(st.from_regex(PATTERN, fullmatch=True))
def test_whatever_the_crd_accepts_is_read(text: str) -> None:
    text = text.removesuffix("\n")
    assert len(text) <= MAX_LENGTH
    assert parse_seconds(text) >= 0


@settings(deadline=None)
@given(st.text(alphabet="0123456789hms ", max_size=12))
def test_the_reader_accepts_what_the_pattern_accepts(text: str) -> None:
    assert is_duration(text) == bool(re.fullmatch(PATTERN, text))
