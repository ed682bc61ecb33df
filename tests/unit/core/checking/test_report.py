"""A report survives its way from the program to whoever has asked."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf
from typing import Any, Final

import pytest
from checking.stored import Stored, checked, subject
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.checking.report import (
    Finding,
    Grade,
    MetricReport,
    Report,
    StepOutlook,
    of_wire,
    wire,
)
from sluice.core.policy import Metric, Step
from sluice.core.readings import Known

STEP: Final = StepOutlook(1, 20, 1, 480.0, 120.0, inf, ((2.0, 275.0), (10.0, inf)))
METRIC: Final = MetricReport(
    "errors",
    "counters",
    "2,400 requests/min",
    (Finding(Grade.WARNING, "short"), Finding(Grade.PROBLEM, "missing")),
    asked="a\nb",
    requests_per_minute=2400.0,
    bad_ratio=0.01,
    steps=(STEP,),
)
REPORT: Final = Report("shop", "web", "default", 4, (Finding(Grade.NOTE, "hm"),), (METRIC,))

numbers = st.none() | st.floats(0, 1e9)
lengths = st.floats(0, 1e9) | st.just(inf)
findings = st.lists(st.builds(Finding, st.sampled_from(Grade), st.text()), max_size=3).map(tuple)
outlooks = st.builds(
    StepOutlook,
    st.integers(1, 20),
    st.integers(1, 99),
    st.integers(0, 99),
    st.floats(0, 1e9),
    st.floats(0, 1e6),
    lengths,
    st.lists(st.tuples(st.floats(1, 50), lengths), max_size=3).map(tuple),
)
metrics = st.builds(
    MetricReport,
    st.text(),
    st.sampled_from(["query", "counters", "histogram"]),
    st.text(),
    findings,
    st.text(),
    numbers,
    numbers,
    numbers,
    numbers,
    numbers,
    st.lists(outlooks, max_size=3).map(tuple),
)
reports = st.builds(
    Report,
    st.text(),
    st.text(),
    st.text(),
    st.integers(0, 99),
    findings,
    st.lists(metrics, max_size=2).map(tuple),
)


@given(reports)
def test_a_report_comes_back_as_it_was(report: Report) -> None:
    text = json.dumps(wire(report), allow_nan=False)

    assert of_wire(json.loads(text)) == report


def test_a_real_report_comes_back_as_it_was() -> None:
    counters = Metric("errors", counters=('requests_total{code="500"}', "requests_total"))
    histogram = Metric("latency", histogram="seconds")
    query = Metric("up", "vector(1)", maximum=2.0)
    source = Stored(values={"vector(1)": Known(1.0)}).requests()
    source.latency(10, {"0.1": 0.9, "+Inf": 1.0})
    given_steps = (Step(20, 15.0), Step(50))
    report = checked(source, subject(counters, histogram, query, steps=given_steps))

    assert len(report.metrics) == 3
    assert of_wire(json.loads(json.dumps(wire(report)))) == report


def test_the_form_for_programs() -> None:
    found = wire(REPORT)

    assert (found["problems"], found["warnings"], found["stablePods"]) == (1, 1, 4)
    (metric,) = found["metrics"]
    assert metric["requestsPerMinute"] == 2400
    assert metric["value"] is None
    (step,) = metric["steps"]
    # What never happens is null: JSON has no infinity.
    assert step["lastsSeconds"] is None
    assert step["sees"] == [
        {"regression": 2.0, "afterSeconds": 275.0},
        {"regression": 10.0, "afterSeconds": None},
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        wire(REPORT) | {"metrics": [{}]},
        wire(REPORT) | {"metrics": None},
        wire(REPORT) | {"stablePods": "many"},
        wire(REPORT) | {"findings": [{"grade": "Grave", "sentence": ""}]},
    ],
)
def test_anything_else_is_no_report(broken: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        of_wire(broken)


def test_findings_are_counted_over_all_metrics() -> None:
    twice = replace(REPORT, metrics=(METRIC, METRIC))

    assert [twice.count(grade) for grade in Grade] == [2, 2, 1]
