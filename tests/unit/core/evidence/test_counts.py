"""From raw samples to counts: resets, gaps, pods that come and go."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest
from evidence.samples import GRID, RULES, START, bad, series, total
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.evidence.counts import (
    BAD,
    Counts,
    Grid,
    Interval,
    PodCounts,
    Rules,
    Series,
    Tally,
    bound_of,
    count,
)


def stable(
    *all_series: Series, until: int = 3, rules: Rules = RULES, tally: Tally | None = None
) -> list[PodCounts]:
    """The stable side's counts of each interval."""
    _, intervals = count(tally or Tally(), (), all_series, until, rules)
    assert [interval.index for interval in intervals] == list(range(1, until + 1))
    return [interval.stable.get(BAD, {}) for interval in intervals]


def totals(*all_series: Series, until: int = 3, rules: Rules = RULES) -> list[float | None]:
    """The requests of pod `a` in each interval; None where it has no sample."""
    counts = stable(*all_series, until=until, rules=rules)
    return [each["a"].total if "a" in each else None for each in counts]


def test_a_pod_that_was_there_before_has_a_baseline() -> None:
    assert totals(total("a", [1000, 1010, 1010, 1025])) == [10, 0, 15]


def test_a_pod_that_comes_later_counts_from_zero() -> None:
    assert totals(total("a", [None, None, 7, 12])) == [None, 7, 5]


def test_an_old_pod_that_missed_its_first_scrapes_has_its_first_value_as_baseline() -> None:
    rules = replace(RULES, old=frozenset({"a"}))
    assert totals(total("a", [None, None, 7000, 7012]), rules=rules) == [None, None, 12]


def test_samples_from_before_the_beginning_are_a_baseline() -> None:
    before = total("a", [900, 950, None, None, 1010, 1025], first=-2)
    assert totals(before) == [None, 60, 15]


def test_a_series_that_appears_later_in_a_known_pod_counts_from_zero() -> None:
    counts = stable(
        total("a", [100, 110, 120, 130], 'code="200"'),
        total("a", [None, None, 2, 3], 'code="500"'),
        bad("a", [None, None, 2, 3], 'code="500"'),
    )
    assert counts == [{"a": Counts(0, 10)}, {"a": Counts(2, 12)}, {"a": Counts(1, 11)}]


def test_a_series_that_appears_later_in_an_old_pod_counts_from_zero() -> None:
    rules = replace(RULES, old=frozenset({"a"}))
    counts = stable(
        total("a", [None, 110, 120, 130], 'code="200"'),
        total("a", [None, None, 2, 3], 'code="500"'),
        rules=rules,
    )
    assert counts == [{}, {"a": Counts(0, 12)}, {"a": Counts(0, 11)}]


def test_a_value_that_falls_is_a_reset_and_counts_whole() -> None:
    assert totals(total("a", [1000, 1010, 4, 9])) == [10, 4, 5]


def test_resets_are_seen_in_each_series_although_the_sum_rises() -> None:
    counts = stable(
        total("a", [10, 3, 3, 3], 'path="/a"'), total("a", [10, 90, 90, 90], 'path="/b"')
    )
    assert counts[0] == {"a": Counts(0, 3 + 80)}


def test_what_a_missed_scrape_hid_is_counted_when_the_pod_is_back() -> None:
    assert totals(total("a", [100, None, None, 145])) == [None, None, 45]


def test_one_pods_gap_leaves_the_others_as_they_are() -> None:
    counts = stable(total("a", [0, None, 20, 30]), total("b", [0, 10, 20, 30]))
    assert [sorted(each) for each in counts] == [["b"], ["a", "b"], ["a", "b"]]
    assert counts[1]["a"] == Counts(0, 20)


def test_a_pod_that_goes_away_keeps_what_it_counted() -> None:
    assert totals(total("a", [100, 130, None, None])) == [30, None, None]


def test_a_pod_without_requests_is_there() -> None:
    assert totals(total("a", [5, 5, 5, 5])) == [0, 0, 0]


@pytest.mark.parametrize("value", [nan, inf, -1.0])
def test_a_value_that_no_counter_has_is_no_sample(value: float) -> None:
    assert totals(total("a", [100, value, 120, 130])) == [None, 20, 10]


def test_samples_after_the_instant_that_both_sides_cover_wait() -> None:
    tally, intervals = count(Tally(), (), [total("a", [0, 10, 20, 30])], 1, RULES)
    assert [interval.index for interval in intervals] == [1]
    _, intervals = count(tally, (), [total("a", [0, 10, 20, 30])], 3, RULES)
    assert [interval.stable[BAD]["a"].total for interval in intervals] == [10, 10]


def test_times_that_were_rounded_are_on_the_grid() -> None:
    off = Series("a", "total", "", [(START, 0.0), (START + 10.0004, 3.0), (START + 19.9996, 5.0)])
    assert totals(off, until=2) == [3, 2]


def test_a_pods_first_time_is_ignored_but_not_its_errors_after_it() -> None:
    rules = replace(RULES, delay_seconds=20.0)
    counts = stable(
        total("a", [None, 50, 90, 140, 200]), bad("a", [None, 30, 35, 36, 36]), until=4, rules=rules
    )
    assert counts == [{}, {}, {"a": Counts(1, 50)}, {"a": Counts(0, 60)}]


def test_a_series_that_appears_after_the_first_time_counts_from_zero() -> None:
    rules = replace(RULES, delay_seconds=20.0)
    counts = stable(
        total("a", [None, 50, 90, 140]), bad("a", [None, None, None, 4]), until=3, rules=rules
    )
    assert counts[2] == {"a": Counts(4, 50)}


def test_a_delay_that_is_no_whole_number_of_intervals_is_not_cut_short() -> None:
    rules = replace(RULES, delay_seconds=11.0)
    assert totals(total("a", [None, 50, 90, 140]), rules=rules) == [None, None, 50]


def test_a_delay_that_is_nine_intervals_but_for_rounding_ends_at_the_ninth() -> None:
    assert 1 + 2.7 / 0.3 > 10
    rules = Rules(Grid(0.0, 0.3), delay_seconds=2.7)
    samples = [(0.3 * index, 5.0 * index) for index in range(1, 12)]
    _, intervals = count(Tally(), (), [Series("a", "total", "", samples)], 11, rules)
    assert [each.index for each in intervals if each.stable] == [10, 11]


def test_a_sample_that_came_late_to_its_instant_is_not_lost() -> None:
    """The server answered 10 for the instant 1 before it had the scrape that makes it 12."""
    tally, _ = count(Tally(), (), [total("a", [0, 10])], 1, RULES)
    _, (interval,) = count(tally, (), [total("a", [12, 20], first=1)], 2, RULES)
    assert interval.stable == {BAD: {"a": Counts(0, 10)}}


def test_a_pod_seen_long_before_the_beginning_has_no_first_time_any_more() -> None:
    rules = replace(RULES, delay_seconds=20.0)
    assert totals(total("a", [10, 20, 30, 40, 50, 60], first=-2), rules=rules) == [10, 10, 10]


def test_more_bad_requests_than_requests_are_cut_and_remarked() -> None:
    _, (interval,) = count(Tally(), [total("c", [0, 3]), bad("c", [0, 5])], (), 1, RULES)
    assert interval.canary == {BAD: {"c": Counts(3, 3)}}
    assert interval.remarks == ("pod c counted 5 bad of 3 requests: 3 are taken as bad",)


def test_bad_requests_of_a_pod_without_a_total_count_nothing() -> None:
    _, (interval,) = count(Tally(), [bad("c", [0, 5])], (), 1, RULES)
    assert interval.canary == {BAD: {"c": Counts(0, 0)}}


def test_no_series_at_all_gives_intervals_without_pods() -> None:
    assert stable() == [{}, {}, {}]


def buckets(pod: str, labels: str, **values: list[float | None]) -> list[Series]:
    """A histogram's series: `le_0_5=[...]` is the bucket le="0.5"."""
    return [
        series(pod, key.removeprefix("le_").replace("_", ".").replace("Inf", "+Inf"), each, labels)
        for key, each in values.items()
    ]


def slower(*all_series: Series, until: int = 1) -> list[Interval]:
    """The intervals of a histogram."""
    rules = Rules(GRID, histogram=True)
    return list(count(Tally(), (), all_series, until, rules)[1])


def test_a_histogram_counts_what_is_slower_than_each_bound() -> None:
    (interval,) = slower(*buckets("a", "", le_0_5=[10, 17], le_1=[20, 29], le_Inf=[20, 30]))
    assert interval.stable == {0.5: {"a": Counts(3, 10)}, 1.0: {"a": Counts(1, 10)}}
    assert interval.remarks == ()


def test_bounds_are_numbers_however_they_are_written() -> None:
    assert bound_of("1") == bound_of("1.0") == bound_of("1e0") == 1.0
    assert bound_of("+Inf") == inf
    assert bound_of("NaN") is None
    assert bound_of("") is None


def test_series_of_a_pod_that_lack_a_bound_say_nothing_of_it() -> None:
    (interval,) = slower(
        *buckets("a", 'path="/a"', le_0_5=[0, 8], le_Inf=[0, 10]),
        *buckets("a", 'path="/b"', le_1=[0, 95], le_Inf=[0, 100]),
    )
    assert interval.stable == {0.5: {"a": Counts(2, 10)}, 1.0: {"a": Counts(5, 100)}}


def test_a_histogram_that_contradicts_itself_is_cut_and_remarked() -> None:
    (interval,) = slower(*buckets("a", "", le_1=[0, 12], le_Inf=[0, 10]))
    assert interval.stable == {1.0: {"a": Counts(0, 10)}}
    assert interval.remarks == ("pod a counted more requests within a bound than in all",)


def test_a_histogram_without_a_count_of_all_counts_nothing() -> None:
    (interval,) = slower(*buckets("a", "", le_1=[0, 12]))
    assert interval.stable == {}


steps = st.lists(st.one_of(st.none(), st.integers(0, 50)), min_size=1, max_size=12)


@given(steps, st.booleans())
def test_nothing_is_lost_and_nothing_is_counted_twice(gaps: list[int | None], old: bool) -> None:
    """Whatever scrapes are missed, the counts add up to what the counter rose by."""
    value, values = 5, []
    for step in gaps:
        value += step or 0
        values.append(None if step is None else value)
    shown: list[float | None] = [5 if old else None, *values]
    counted = totals(total("a", shown), until=len(values))
    last = next((each for each in reversed(values) if each is not None), None)
    expected = 0 if last is None else last - (5 if old else 0)
    assert sum(each or 0 for each in counted) == expected


@given(st.lists(st.integers(0, 20), min_size=2, max_size=12), st.data())
def test_resets_lose_nothing_when_every_scrape_comes(rises: list[int], data: st.DataObject) -> None:
    """A counter that is scraped before each reset; a value as high as before shows none."""
    shown: list[float] = [100.0]
    expected = 0
    for rise in rises:
        reset = data.draw(st.booleans()) and rise < shown[-1]
        shown.append(rise if reset else shown[-1] + rise)
        expected += rise
    assert sum(each or 0 for each in totals(total("a", shown), until=len(rises))) == expected
