from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.quantities import MAX, MAX_LENGTH, PATTERN, is_quantity, parse, parse_milli

GOOD = [
    (0, 0),
    (5, 5000),
    ("50", 50_000),
    ("0.7", 700),
    (".5", 500),
    ("5.", 5000),
    ("+5", 5000),
    ("500m", 500),
    ("2k", 2_000_000),
    ("3M", 3_000_000_000),
    ("1Ki", 1_024_000),
    ("0.5Mi", 524_288_000),
    ("5e3", 5_000_000),
    ("5E-3", 5),
    ("2E", 2 * 10**21),
    ("2E2", 200_000),
    # Rounded up: what is not nothing stays more than nothing.
    ("1u", 1),
    ("1n", 1),
    ("1.0001", 1001),
    ("0.0001m", 1),
]


@pytest.mark.parametrize(("value", "milli"), GOOD)
def test_a_quantity_is_read_in_thousandths_rounded_up(value: int | str, milli: int) -> None:
    assert parse_milli(value) == milli


BAD: list[object] = ["", ".", "m", "1K", "1ki", "1.2.3", "1 k", " 1", "1\n", "1e", "1e1.5", "70%"]
BAD += ["0x10", "NaN", "inf", "1e100", "1mm", "\u0661", "1" * (MAX_LENGTH + 1), 0.7, True, None, []]
BAD += [2**63, [1]]


@pytest.mark.parametrize("value", BAD)
def test_what_is_no_quantity_is_refused_with_what_to_write(value: object) -> None:
    assert not is_quantity(value)
    with pytest.raises(ValueError, match=re.escape('write a quantity such as 50, "0.7", 500m')):
        parse(value)  # type: ignore[arg-type]


def test_a_huge_one_is_cut_as_the_api_server_cuts_it() -> None:
    assert parse("9e99") == MAX
    assert parse("-9e99") == -MAX


@given(st.from_regex(PATTERN, fullmatch=True).filter(lambda text: len(text) <= MAX_LENGTH))
def test_every_text_of_the_pattern_is_read(text: str) -> None:
    exact = parse(text)

    assert 0 <= parse_milli(text) - exact * 1000 < 1


@given(st.integers(0, 10**9), st.sampled_from([("", 0), ("k", 3), ("m", -3), ("u", -6)]))
def test_a_suffix_is_a_power_of_ten(number: int, suffix: tuple[str, int]) -> None:
    letter, power = suffix

    assert parse(f"{number}{letter}") == number * Fraction(10) ** power
