"""A checkpoint and the samples since give what the samples since the beginning give."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from evidence.samples import GRID, bad, series, total
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.evidence.checkpoint import dump, load
from sluice.core.evidence.counts import Rules, Series, Tally, count
from sluice.core.evidence.sequential import (
    Evidence,
    Terms,
    of_counters,
    of_histogram,
    update,
)

TERMS = Terms(1.3, ceiling=0.2, canary_since=2)
INSTANTS = 12


@dataclass(frozen=True)
class Data:
    """What a metric's server knows of a release."""

    canary: Sequence[Series]
    stable: Sequence[Series]

    def since(self, index: int) -> Data:
        """The answers to range queries that begin at this instant of the grid."""
        begin = GRID.start_seconds + index * GRID.interval_seconds
        sides = [
            [
                each._replace(samples=[sample for sample in each.samples if sample[0] >= begin])
                for each in side
            ]
            for side in (self.canary, self.stable)
        ]
        return Data(*([each for each in side if each.samples] for side in sides))


def judged(
    data: Data, rules: Rules, evidence: Evidence, tally: Tally, until: int
) -> tuple[Evidence, Tally]:
    """Counting and weighing up to an instant."""
    tally, intervals = count(tally, data.canary, data.stable, until, rules)
    for interval in intervals:
        evidence = update(evidence, interval, TERMS)
    return evidence, tally


@st.composite
def counters(draw: st.DrawFn, pod: str) -> list[Series]:
    """The series of a pod that comes, restarts, misses scrapes and goes as it likes."""
    comes = draw(st.integers(-2, INSTANTS - 1))
    goes = draw(st.integers(comes + 1, INSTANTS + 1))
    seen = [draw(st.integers(0, 3)) > 0 for _ in range(comes, goes)]
    starts = draw(st.integers(0, 400)) if comes <= 0 else 0
    good, wrong = float(starts), 0.0
    all_good, all_wrong = [], []
    for shown in seen:
        if draw(st.integers(0, 9)) == 0:
            good, wrong = 0.0, 0.0
        good += draw(st.integers(0, 60))
        wrong += draw(st.sampled_from([0, 0, 1, 9]))
        all_good.append(good if shown else None)
        # Absent until it has counted something, and sometimes missing on its own.
        all_wrong.append(wrong if shown and wrong and draw(st.integers(0, 5)) else None)
    return [
        total(pod, all_good, 'code="200"', comes),
        total(pod, all_wrong, 'code="500"', comes),
        bad(pod, all_wrong, 'code="500"', comes),
    ]


def buckets(pod_series: list[Series]) -> list[Series]:
    """A histogram of the same: good requests are the fast ones."""
    good, wrong, _ = pod_series
    values = dict(wrong.samples)
    everything = [(at, value + values.get(at, 0.0)) for at, value in good.samples]
    return [
        good._replace(kind="0.25", labels=""),
        Series(good.pod, "+Inf", "", everything),
        Series(good.pod, "0.5", "", everything),
    ]


@st.composite
def releases(draw: st.DrawFn, *, histogram: bool = False) -> Data:
    """Two pods on each side; the canary's names sort before and after."""
    sides = []
    for names in (("a", "z"), ("m", "n", "o")):
        pods = [draw(counters(name)) for name in names]
        sides.append([each for pod in pods for each in (buckets(pod) if histogram else pod)])
    return Data(*sides)


cuts = st.lists(st.integers(1, INSTANTS - 1), min_size=1, max_size=3, unique=True).map(sorted)
delays = st.sampled_from([0.0, 15.0, 30.0])


def check(data: Data, at: list[int], rules: Rules, begin: Evidence) -> None:
    """The same evidence, from all samples and from the last of several checkpoints."""
    whole, tally = judged(data, rules, begin, Tally(), INSTANTS)
    evidence, resumed = judged(data, rules, begin, Tally(), at[0])
    delay = rules.delay_seconds / GRID.interval_seconds
    for index in [*at[1:], INSTANTS]:
        evidence, resumed = load(dump(evidence, resumed, delay, ()))
        since = data.since(resumed.at)
        evidence, resumed = judged(since, rules, evidence, resumed, index)
    assert evidence == whole
    assert dump(evidence, resumed, delay, ()) == dump(whole, tally, delay, ())


@settings(max_examples=60)
@given(releases(), cuts, delays)
def test_checkpoints_of_counters_change_nothing(data: Data, at: list[int], delay: float) -> None:
    check(data, at, Rules(GRID, delay_seconds=delay, old=frozenset("n")), of_counters(TERMS))


@settings(max_examples=60)
@given(releases(histogram=True), cuts, delays)
def test_checkpoints_of_histograms_change_nothing(data: Data, at: list[int], delay: float) -> None:
    check(data, at, Rules(GRID, histogram=True, delay_seconds=delay), of_histogram())


@settings(max_examples=40)
@given(releases(), st.integers(1, INSTANTS - 1))
def test_it_does_not_matter_how_many_instants_a_round_brings(data: Data, cut: int) -> None:
    rules = Rules(GRID)
    whole = judged(data, rules, of_counters(TERMS), Tally(), INSTANTS)
    evidence, tally = judged(data, rules, of_counters(TERMS), Tally(), cut)
    assert judged(data, rules, evidence, tally, INSTANTS) == whole


def example() -> tuple[Evidence, Tally, Data]:
    """Three instants of a canary and a stable pod, of which one misses the last scrape."""
    data = Data(
        [total("c", [None, 5, 9, 14]), bad("c", [None, 1, 1, 3])],
        [total("s", [100, 140, 180, None]), total("t", [7, 17, 27, 37]), bad("t", [0, 0, 1, 1])],
    )
    return *judged(data, Rules(GRID), of_counters(TERMS), Tally(), 3), data


def test_a_checkpoint_is_small_and_says_what_it_holds() -> None:
    evidence, tally, _ = example()
    text = dump(evidence, tally, 0.0, ())
    assert len(text) < 600
    body = json.loads(text)
    assert body["at"] == 3
    assert body["absent"] == {"s": [["total", "", 2, 180]]}
    assert body["cuts"]["0"]["pods"] == {"s": [0, 80], "t": [1, 30]}
    assert load(text)[0] == evidence


def test_pods_that_are_gone_for_good_are_not_remembered() -> None:
    evidence, tally, _ = example()
    assert "absent" not in json.loads(dump(evidence, tally, 0.0, {"s"}))


def test_evidence_and_tally_of_different_instants_are_no_checkpoint() -> None:
    evidence, tally, _ = example()
    with pytest.raises(ValueError, match="evidence of interval 3, tally of 4"):
        dump(evidence, replace(tally, at=4), 0.0, ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"at":3}',
        '{"at":3,"settled":true,"m":[NaN,0]}',
        '{"at":3,"settled":true,"m":[1e999,0]}',
        '{"at":3,"settled":true,"m":["1",0]}',
        '{"at":3,"settled":true,"m":[1]}',
        '{"at":3,"settled":true,"m":[1,0],"ceiling":{"l":[1,2],"m":[1,0]}}',
        '{"at":3,"settled":true,"m":[1,0],"cuts":{"0":{"l":[0,0,0,0,0,0,0],"phi":0.5,"seen":[[0,0],[0,0]]}}}',
        '{"at":3,"settled":true,"m":[1,0],"cold":{"p":"soon"}}',
        '{"at":3,"settled":true,"m":[1,0],"absent":{"p":[["total",""]]}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (whatever it says: the samples are read again)
        load(text)


def test_a_histogram_before_its_canary_is_kept() -> None:
    data = Data([], [series("s", le, [0, 5, 9], "") for le in ("0.5", "1.0", "+Inf")])
    evidence, tally = judged(data, Rules(GRID, histogram=True), of_histogram(), Tally(), 2)
    again, _ = load(dump(evidence, tally, 0.0, ()))
    assert again == evidence
    assert list(again.comparisons) == [0.5, 1.0]
    assert not again.settled
