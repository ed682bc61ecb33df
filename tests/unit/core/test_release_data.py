"""What a release remembers across restarts."""

from __future__ import annotations

import base64
import json
import random
import zlib
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.comparing import Standing, begun, terms
from sluice.core.evidence.counts import BAD, Counts, Interval, Tally
from sluice.core.evidence.sequential import update
from sluice.core.policy import Analysis, Metric
from sluice.core.release_data import (
    CHECKPOINT_SECONDS,
    Failure,
    ReleaseData,
    approve,
    checkpoint_due,
    load,
    override,
)

FALLBACK = Analysis(source="fallback")
LIMIT_BYTES = 16 * 1024

names = st.text(st.characters(codec="utf-8"), max_size=10)
numbers = st.floats(allow_nan=False, allow_infinity=False)
limits = st.none() | numbers
tolerances = st.floats(1, 100)
metrics = (
    st.builds(Metric, names, names.filter(bool), limits, limits, st.integers(0, 20))
    | st.builds(
        Metric,
        names,
        maximum=limits,
        counters=st.just(('requests_total{code=~"5.."}', "requests_total")),
        tolerance=tolerances,
    )
    | st.builds(Metric, names, histogram=st.just("seconds"), tolerance=tolerances)
)
analyses = st.builds(
    Analysis,
    source=names,
    interval_seconds=st.floats(1, 600),
    confidence=st.floats(0.5, 1, exclude_max=True),
    initial_delay_seconds=st.none() | st.floats(0, 600),
    min_requests=st.integers(0, 10**6),
    low_traffic_after_seconds=st.floats(0.001, 1e6),
    low_traffic_action=st.sampled_from(["Pause", "Continue"]),
    no_data_after_seconds=st.floats(0.001, 1e6),
    no_data_action=st.sampled_from(["Pause", "Rollback", "Continue"]),
    on_failure=st.sampled_from(["Rollback", "Pause"]),
    metrics=st.lists(metrics, max_size=4).map(tuple),
)
# An annotation holds milliseconds.
instants = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)
)
steps = st.integers(1, 20)
release_data = st.builds(
    ReleaseData,
    analysis=analyses,
    tick=st.integers(-1, 10**6),
    failures=st.dictionaries(names, st.integers(1, 99), max_size=4).map(
        lambda counts: tuple(sorted(counts.items()))
    ),
    unknown_since=st.none() | instants,
    failure=st.none() | st.builds(Failure, names, names),
    approved=st.sets(steps, max_size=4).map(lambda found: tuple(sorted(found))),
    overrides=st.lists(st.tuples(steps, names), max_size=4).map(tuple),
    full=st.booleans(),
    counted=st.dictionaries(names, st.floats(0, 1e9), max_size=4).map(
        lambda counts: tuple(sorted(counts.items()))
    ),
    serving_since=st.none() | st.integers(0, 10**6),
)


@settings(deadline=None)
@given(release_data)
def test_what_is_written_is_read_back(data: ReleaseData) -> None:
    assert load(data.dump(), FALLBACK) == data


@settings(deadline=None)
@given(release_data)
def test_the_same_data_always_give_the_same_text(data: ReleaseData) -> None:
    assert load(data.dump(), FALLBACK).dump() == data.dump()


def test_what_says_nothing_is_not_written() -> None:
    assert list(json.loads(ReleaseData(Analysis()).dump())) == ["analysis"]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "soon",
        "null",
        "[]",
        "{}",
        "7",
        '{"analysis": null}',
        '{"analysis": {"unheard": 1}}',
        '{"analysis": {"metrics": 1}}',
        '{"analysis": {"metrics": [{"name": "a"}]}}',
        '{"analysis": {}, "tick": "x"}',
        '{"analysis": {}, "tick": null}',
        '{"analysis": {}, "tick": NaN}',
        '{"analysis": {}, "failures": [1]}',
        '{"analysis": {}, "failures": {"a": "b"}}',
        '{"analysis": {}, "failure": "bad"}',
        '{"analysis": {}, "unknownSince": 7}',
        '{"analysis": {}, "approved": null}',
        '{"analysis": {}, "overrides": [[1]]}',
        '{"analysis": {"interval_seconds": 0}}',
        '{"analysis": {"interval_seconds": "10"}}',
        '{"analysis": {"no_data_after_seconds": 0}}',
        '{"analysis": {"initial_delay_seconds": -1}}',
        '{"analysis": {"metrics": [{"name": "a", "query": "q", "maximum": Infinity}]}}',
        '{"analysis": {"metrics": [{"name": "a", "query": "q", "minimum": "1"}]}}',
        '{"analysis": {"metrics": [{"name": 1, "query": "q"}]}}',
        '{"analysis": {"metrics": [{"name": "a", "query": "q", "failure_limit": -1}]}}',
        '{"analysis": {"initial_delay_seconds": "soon"}}',
        '{"analysis": {"confidence": 1}}',
        '{"analysis": {"min_requests": -1}}',
        '{"analysis": {"low_traffic_after_seconds": 0}}',
        '{"analysis": {"metrics": [{"name": "a", "counters": ["x"]}]}}',
        '{"analysis": {"metrics": [{"name": "a", "counters": ["rate(x[1m])", "x"]}]}}',
        '{"analysis": {"metrics": [{"name": "a", "histogram": "x", "query": "q"}]}}',
        '{"analysis": {"metrics": [{"name": "a", "histogram": "x", "tolerance": 0.5}]}}',
        '{"analysis": {}, "tick": Infinity}',
        '{"analysis": {}, "servingSince": "x"}',
        '{"analysis": {}, "counted": [1]}',
        '{"analysis": {}, "evidence": 7}',
        "[" * 10_000,
    ],
)
def test_an_annotation_that_cannot_be_read_begins_anew(text: str | None) -> None:
    assert load(text, FALLBACK) == ReleaseData(analysis=FALLBACK)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.text(max_size=50) | json_values.map(json.dumps))
def test_no_text_raises(text: str) -> None:
    assert load(text, FALLBACK) == ReleaseData(analysis=FALLBACK)


@settings(deadline=None)
@given(
    st.sampled_from(["tick", "failures", "unknownSince", "failure", "approved"])
    | st.sampled_from(["overrides", "counted", "servingSince", "evidence"]),
    json_values,
)
def test_no_value_of_a_field_raises(field: str, value: Any) -> None:
    body = {"analysis": {"metrics": [{"name": "a", "query": "q"}]}, field: value}
    load(json.dumps(body), FALLBACK)


@settings(deadline=None)
@given(release_data, st.data())
def test_a_text_that_was_cut_off_begins_anew(data: ReleaseData, draw: st.DataObject) -> None:
    text = data.dump()
    cut = draw.draw(st.integers(0, len(text) - 1))
    assert load(text[:cut], FALLBACK) == ReleaseData(analysis=FALLBACK)


def test_a_large_release_stays_within_16_kib() -> None:
    """20 metrics with queries of several lines, each failing, 20 steps approved and set aside."""
    many = tuple(Metric(f"metric-{i}" * 4, "q" * 400, 0.1, 0.9, 10) for i in range(20))
    data = ReleaseData(
        Analysis(metrics=many),
        10**6,
        tuple((metric.name, 99) for metric in many),
        datetime(2026, 1, 1, tzinfo=UTC),
        Failure(many[0].name, "s" * 300),
        tuple(range(1, 21)),
        tuple((step, "NoDataHeld") for step in range(1, 21)),
    )
    assert len(data.dump().encode()) <= LIMIT_BYTES


def test_approving_a_step_twice_is_approving_it_once() -> None:
    once = approve(ReleaseData(FALLBACK, approved=(3,)), 1)
    assert once.approved == (1, 3)
    assert approve(once, 1) == once


def test_an_override_sets_aside_what_holds_this_step_and_is_remembered() -> None:
    held = ReleaseData(
        FALLBACK,
        7,
        (("errors", 2),),
        datetime(2026, 1, 1, tzinfo=UTC),
        Failure("errors", "bad"),
        (1,),
    )
    data = override(held, 2, "FailureHeld")
    assert (data.failure, data.failures, data.unknown_since) == (None, (), None)
    assert data.overridden(2)
    assert not data.overridden(1)
    kept = replace(held, failure=None, failures=(), unknown_since=None)
    assert replace(data, overrides=()) == kept


def test_every_field_is_written() -> None:
    """A field that `dump` forgets would be lost with the operator."""
    assert {field.name for field in fields(ReleaseData)} == {
        "analysis",
        "tick",
        "failures",
        "unknown_since",
        "failure",
        "approved",
        "overrides",
        "full",
        "counted",
        "serving_since",
        # In a form of its own, as checkpoints.
        "standings",
        # What the newest round says, and it alone.
        "unknown",
    }


# --- evidence

ERRORS = Metric("errors", counters=("bad_total", "all_total"), maximum=0.05)
LATENCY = Metric("latency", histogram="seconds")
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def judged(metric: Metric, pods: int, intervals: int = 12, seed: int = 1) -> Standing:
    """After some intervals of a minute's traffic on so many stable pods, each counting its own."""
    chance = random.Random(0)
    names = [f"checkout-6d4cf56db6-{chance.randrange(10**5):05d}" for _ in range(pods + 2)]
    chance.seed(seed)
    cuts = BOUNDS if metric.histogram else (BAD,)
    evidence = begun(metric).evidence
    for index in range(1, intervals + 1):
        totals = {name: chance.randrange(1000, 9999) for name in names}
        counts = {
            cut: {name: Counts(chance.randrange(500), totals[name]) for name in names}
            for cut in cuts
        }
        sides = [
            {cut: {name: each[name] for name in chosen} for cut, each in counts.items()}
            for chosen in (names[:2], names[2:])
        ]
        evidence = update(evidence, Interval(index, sides[0], sides[1]), terms(metric))
    return Standing(evidence, Tally(evidence.index, resumed=True))


def with_evidence(*metrics: Metric, pods: int = 8) -> ReleaseData:
    standings = {
        metric.name: judged(metric, pods, seed=seed) for seed, metric in enumerate(metrics)
    }
    return ReleaseData(Analysis(metrics=metrics), standings=tuple(sorted(standings.items())))


def test_evidence_is_read_back_exactly_and_is_no_change_of_meaning() -> None:
    data = with_evidence(ERRORS, LATENCY)
    again = load(data.dump(), FALLBACK)
    assert again.standings == data.standings
    assert again.dump() == data.dump()
    assert again == replace(data, standings=())


def test_the_evidence_of_60_pods_has_room() -> None:
    data = with_evidence(ERRORS, LATENCY, pods=60)
    text = data.dump()
    assert len(text) <= LIMIT_BYTES
    assert isinstance(json.loads(text)["evidence"], str), "packed"
    assert load(text, FALLBACK).standings == data.standings


def test_what_has_no_room_is_left_out_the_largest_first() -> None:
    """It is read from the beginning in each round, which gives the same."""
    many = (ERRORS, *(replace(LATENCY, name=f"latency-{index:02}") for index in range(19)))
    data = with_evidence(*many, pods=60)
    text = data.dump()
    assert len(text) <= LIMIT_BYTES
    kept = dict(load(text, FALLBACK).standings)
    assert kept
    assert "errors" in kept
    assert all(dict(data.standings)[name] == standing for name, standing in kept.items())
    assert load(text, FALLBACK).analysis == data.analysis


@pytest.mark.parametrize(
    ("metric", "number", "pods"),
    [(ERRORS, 10, 60), (ERRORS, 20, 8), (LATENCY, 2, 60), (LATENCY, 5, 8)],
)
def test_how_many_metrics_have_room(metric: Metric, number: int, pods: int) -> None:
    """Histograms with 12 bounds. Those beyond are read from the beginning in each round."""
    many = tuple(replace(metric, name=f"{metric.name}-{index:02}") for index in range(number))
    text = with_evidence(*many, pods=pods).dump()
    assert len(text) <= LIMIT_BYTES
    assert len(load(text, FALLBACK).standings) == number


def test_a_checkpoint_that_is_not_whole_is_left_out_and_the_others_stay() -> None:
    data = with_evidence(ERRORS, LATENCY)
    body = json.loads(data.dump())
    del body["evidence"]["latency"]["m"]
    again = load(json.dumps(body), FALLBACK)
    assert dict(again.standings) == {"errors": dict(data.standings)["errors"]}


@pytest.mark.parametrize(
    "packed", ["", "%%%", "aGVsbG8=", base64.b64encode(zlib.compress(b"7" * 3)).decode()]
)
def test_evidence_that_cannot_be_unpacked_begins_anew(packed: str) -> None:
    text = json.dumps({"analysis": {}, "evidence": packed})
    assert load(text, FALLBACK) == ReleaseData(FALLBACK)


def test_packed_evidence_cannot_fill_the_memory() -> None:
    bomb = base64.b64encode(zlib.compress(b"[" + b" " * (1 << 26))).decode()
    assert load(json.dumps({"analysis": {}, "evidence": bomb}), FALLBACK).analysis == FALLBACK


def test_data_of_an_earlier_version_are_read() -> None:
    """Without the fields of comparisons; a release under way goes on through an upgrade."""
    text = (
        '{"analysis":{"source":"default","interval_seconds":10.0,"initial_delay_seconds":0.0,'
        '"no_data_after_seconds":120.0,"no_data_action":"Pause","on_failure":"Rollback","metrics":'
        '[{"name":"errors","query":"q","minimum":null,"maximum":0.5,"failure_limit":2}]},'
        '"tick":7,"failures":{"errors":1}}'
    )
    metric = Metric("errors", "q", maximum=0.5, failure_limit=2)
    frozen = Analysis(initial_delay_seconds=0.0, metrics=(metric,))
    assert load(text, FALLBACK) == ReleaseData(frozen, 7, (("errors", 1),))


def test_a_checkpoint_is_due_when_30_seconds_were_counted() -> None:
    data = with_evidence(ERRORS)
    interval = data.analysis.interval_seconds
    (_, standing), number = data.standings[0], int(CHECKPOINT_SECONDS / interval)
    for more, due in ((0, False), (number - 1, False), (number, True), (9 * number, True)):
        evidence = replace(standing.evidence, index=standing.evidence.index + more)
        later = replace(data, standings=(("errors", Standing(evidence, standing.tally)),))
        assert checkpoint_due(data, later) is due
    assert checkpoint_due(replace(data, standings=()), data)
    assert not checkpoint_due(data, data)
