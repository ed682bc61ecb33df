"""What a release remembers across restarts."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.policy import Analysis, Metric
from sluice.core.release_data import Failure, ReleaseData, approve, load, override

FALLBACK = Analysis(source="fallback")
LIMIT_BYTES = 16 * 1024

names = st.text(st.characters(codec="utf-8"), max_size=10)
numbers = st.floats(allow_nan=False, allow_infinity=False)
metrics = st.builds(
    Metric, names, names, st.none() | numbers, st.none() | numbers, st.integers(0, 20)
)
analyses = st.builds(
    Analysis,
    source=names,
    interval_seconds=st.floats(1, 600),
    initial_delay_seconds=st.floats(0, 600),
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
        '{"analysis": {}, "tick": Infinity}',
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
    st.sampled_from(["tick", "failures", "unknownSince", "failure", "approved", "overrides"]),
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
    }
