"""What is said of metrics that compare both sides, by the series that there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from checking.stored import NOW, PODS, Counter, Stored, checked, one, subject, told

from sluice.core.checking.check import questions, report
from sluice.core.checking.report import Grade
from sluice.core.checking.subject import Labels, StablePod
from sluice.core.policy import Metric, Step
from sluice.core.readings import Known, Matrix, Reason, Unknown

ERRORS: Final = Metric("errors", counters=('requests_total{code=~"5.."}', "requests_total"))
# What is bad has a counter of its own.
FAILURES: Final = Metric("errors", counters=("failures_total", "requests_total"))
LATENCY: Final = Metric("latency", histogram="seconds")
BUCKETS: Final = {"0.1": 0.9, "0.5": 0.99, "+Inf": 1.0}


# --- what is good


def test_good_counters_have_nothing_but_numbers() -> None:
    found = one(Stored().requests(), subject(ERRORS))

    assert told(found) == []
    assert found.says == "2,400 requests/min from 4 of 4 pods, 1% bad, scraped every 5s"
    assert found.requests_per_minute == pytest.approx(2400)
    assert found.bad_ratio == pytest.approx(0.01)
    assert found.scrape_seconds == 5
    assert found.cut is None
    (step,) = found.steps
    assert (step.canary_pods, step.weight, step.lasts_seconds) == (1, 20, 120)
    # One of five pods.
    assert step.canary_per_minute == pytest.approx(480)
    (two, twice), (five, five_times), (ten, ten_times) = step.needs
    assert (two, five, ten) == (2, 5, 10)
    assert twice > 120 > five_times > ten_times


def test_a_good_histogram_is_cut_where_a_regression_is_seen_soonest() -> None:
    found = one(Stored().latency(10, BUCKETS), subject(LATENCY))

    assert told(found) == []
    assert found.form == "histogram"
    assert found.cut == 0.1
    assert found.says == (
        "2,400 requests/min from 4 of 4 pods, 10% slower than 0.1, scraped every 5s"
    )


def test_what_is_asked_is_shown_as_it_is_sent() -> None:
    found = one(Stored().requests(), subject(ERRORS))

    own = 'namespace="shop",pod=~"web-a-[a-z0-9]{5}"'
    assert found.asked.splitlines() == [
        f'requests_total{{code=~"5..",{own}}}',
        f"requests_total{{{own}}}",
    ]


def test_a_good_metric_takes_one_round_and_no_question_why() -> None:
    source = Stored().requests()
    checked(source, subject(ERRORS))

    assert [query.name for query in source.asked] == [
        "errors/bad",
        "errors/total",
        "errors/total/samples/60",
        "errors/total/samples/600",
    ]
    answers = {query.name: Known(1.0) for query in source.asked}
    assert questions(subject(ERRORS), answers) == ()


def test_pods_of_another_name_than_usual_are_asked_for_by_name() -> None:
    pods = ("web-0", "web-1.x")
    given = subject(ERRORS, pods=tuple(StablePod(pod, NOW - timedelta(hours=1)) for pod in pods))
    found = one(Stored().requests(pods=pods), given)

    assert told(found) == []
    assert 'pod=~"web-0|web-1[.]x"' in found.asked


# --- what is missing


@pytest.mark.parametrize(
    ("source", "metric", "sentence"),
    [
        (
            Stored().requests(name="http_requests_total"),
            ERRORS,
            "there are no series called requests_total",
        ),
        (
            Stored().requests(name="requests"),
            ERRORS,
            "there are no series called requests_total; there is requests",
        ),
        (Stored().requests(), FAILURES, "there are no series called failures_total"),
        (Stored(), LATENCY, "there are no series called seconds_bucket"),
        (
            Stored().requests(name="seconds_total"),
            LATENCY,
            "there are no series called seconds_bucket; there is seconds_total",
        ),
        (
            Stored(exposed=Labels(pod="instance")).requests(),
            ERRORS,
            'no series of requests_total has a label "pod"',
        ),
        (
            Stored(exposed=Labels(pod="kubernetes_pod_name")).requests(),
            ERRORS,
            (
                'no series of requests_total has a label "pod"; by the label "kubernetes_pod_name" '
                'they are found: in a query write that instead of "pod", for comparisons name it '
                "in the source's `labels` (the operator's configuration)"
            ),
        ),
        (
            Stored(exposed=Labels(namespace="tenant")).requests(),
            ERRORS,
            'no series of requests_total has a label "namespace"',
        ),
        (
            Stored(exposed=Labels(namespace="exported_namespace")).requests(namespace="metrics"),
            ERRORS,
            (
                'no series of requests_total has namespace="shop"; by the label '
                '"exported_namespace" they are found: in a query write that instead of '
                '"namespace", for comparisons name it in '
                "the source's `labels` (the operator's configuration)"
            ),
        ),
        (
            Stored(exposed=Labels(pod="exported_pod")).requests(pod="prometheus-0"),
            ERRORS,
            (
                'no series of requests_total has pod=~"web-a-[a-z0-9]{5}"; by the label '
                '"exported_pod" they are found: in a query write that instead of "pod", for '
                "comparisons name it in the source's `labels` (the operator's configuration)"
            ),
        ),
        (
            Stored().requests(pods=("web-b-00000",)),
            ERRORS,
            (
                "no series of requests_total is of the 4 stable pods "
                '(pod=~"web-a-[a-z0-9]{5}"): are they scraped?'
            ),
        ),
        (
            Stored().requests(),
            replace(ERRORS, counters=('requests_total{code="500"}', 'requests_total{path="/"}')),
            'no series of requests_total has a label "path"',
        ),
        (
            Stored().requests(path="/health"),
            replace(ERRORS, counters=('requests_total{code="500"}', 'requests_total{path="/"}')),
            'no series of requests_total has path="/"',
        ),
    ],
)
def test_what_is_missing_is_named(source: Stored, metric: Metric, sentence: str) -> None:
    found = one(source, subject(metric))

    assert found.says == "unknown (Empty)"
    assert told(found) == [("Problem", sentence)]
    assert found.steps == ()
    assert found.requests_per_minute is None


def test_parts_that_are_there_in_different_series_are_told() -> None:
    source = Stored().requests(pods=("web-b-00000",), path="/")
    source.requests(path="/health")
    metric = replace(ERRORS, counters=('requests_total{path="/"}', 'requests_total{path="/"}'))

    (finding,) = told(one(source, subject(metric)))

    assert finding[1].startswith('no series is as all of requests_total{path="/",')
    assert finding[1].endswith("says, though there are some for each part")


def test_a_misspelt_label_of_what_is_bad_is_no_good_news() -> None:
    metric = replace(ERRORS, counters=('requests_total{status=~"5.."}', "requests_total"))
    found = one(Stored().requests(), subject(metric))

    assert told(found)[0] == ("Problem", 'no series of requests_total has a label "status"')
    assert found.bad_ratio == 0


def test_that_nothing_has_been_bad_yet_is_no_problem() -> None:
    report = checked(Stored().requests(bad_ratio=0), subject(ERRORS))

    assert report.count(Grade.PROBLEM) == 0
    grade, sentence = told(report.metrics[0])[0]
    assert grade == "Note"
    assert sentence == (
        "no bad one of 24,000 requests in 10m: lengths are as if there had been half of one"
    )


def test_labels_that_the_source_names_otherwise_are_asked_for() -> None:
    labels = Labels("kubernetes_pod_name", "kubernetes_namespace")
    source = Stored(exposed=labels, configured=labels).requests()
    found = one(source, subject(ERRORS, labels=labels))

    assert told(found) == []
    assert 'kubernetes_namespace="shop",kubernetes_pod_name=~' in found.asked


@pytest.mark.parametrize(
    ("age", "grade", "ending"),
    [
        (timedelta(hours=1), "Problem", "; are they scraped?"),
        (timedelta(seconds=20), "Note", "; they are young, and may not have been scraped yet"),
    ],
)
def test_a_pod_without_series_is_named(age: timedelta, grade: str, ending: str) -> None:
    *old, last = subject(ERRORS).pods
    given = subject(ERRORS, pods=(*old, replace(last, started=NOW - age)))
    found = one(Stored().requests(pods=PODS[:3]), given)

    assert told(found) == [(grade, f"no series of 1 of 4 stable pods: {PODS[3]}{ending}")]
    assert "from 3 of 4 pods" in found.says
    # It has requests all the same.
    assert found.requests_per_minute == pytest.approx(2400)


def test_of_many_pods_without_series_some_are_named() -> None:
    pods = tuple(f"web-a-{number:05}" for number in range(8))
    given = subject(ERRORS, pods=tuple(StablePod(pod, NOW - timedelta(hours=1)) for pod in pods))

    (finding,) = told(one(Stored().requests(pods=pods[:2]), given))

    assert finding[1].startswith("no series of 6 of 8 stable pods: web-a-00002, web-a-00003, ")
    assert "web-a-00004 and 3 more; " in finding[1]


# --- what the source does not say


@pytest.mark.parametrize("metric", [ERRORS, LATENCY])
@pytest.mark.parametrize(
    ("unknown", "says", "sentence"),
    [
        (Unknown(Reason.UNREACHABLE, "no such host"), "Unreachable: no such host", "no such host"),
        (Unknown(Reason.TIMEOUT), "Timeout", "Timeout"),
        (
            Unknown(Reason.BAD_QUERY, "400"),
            "BadQuery: 400",
            "400: Prometheus' own page says where the mistake is",
        ),
        (Unknown(Reason.WRONG_TYPE, "no pod"), "WrongType: no pod", "no pod"),
    ],
)
def test_a_source_that_says_nothing(
    metric: Metric, unknown: Unknown, says: str, sentence: str
) -> None:
    found = one(Stored(down=unknown), subject(metric))

    assert found.says == f"unknown ({says})"
    assert told(found) == [("Problem", sentence)]


def test_a_series_with_a_value_alone_is_no_counter() -> None:
    given = subject(ERRORS)
    answers = {query.name: Known(1.0) for query in questions(given, {})}
    (metric,) = report(given, answers).metrics

    assert metric.says == "unknown (WrongType: a single value in the place of counters)"
    assert isinstance(Stored().requests().answer(questions(given, {})[0]), Matrix)


# --- what the numbers say of the stable version


def test_a_stable_version_above_max_would_never_let_a_release_pass() -> None:
    found = one(Stored().requests(bad_ratio=0.1), subject(replace(ERRORS, maximum=0.05)))

    assert told(found) == [
        (
            "Problem",
            (
                "the stable version itself has 0.1 bad, above max 0.05: a release would be rolled "
                "back for being no worse"
            ),
        )
    ]


def test_pods_that_differ_take_longer() -> None:
    source = Stored().requests(pods=PODS[:2], bad_ratio=0.03).requests(pods=PODS[2:])
    found = one(source, subject(ERRORS, steps=(Step(50, 36_000.0),)))

    ((grade, sentence),) = told(found)
    assert grade == "Note"
    assert sentence.startswith("the stable pods differ: their bad requests scatter ")


def test_counts_that_cannot_be_are_told_once() -> None:
    """Each interval of each pod has other numbers."""
    source = Stored().requests().requests(20.0, 0.0, name="failures_total", scrape_seconds=3.0)
    found = one(source, subject(FAILURES))

    remarks = [said for grade, said in told(found) if "are taken as bad" in said]
    assert len(remarks) == 1
    assert remarks[0].startswith("pod web-a-00000 counted ")
    assert remarks[0].endswith(" more like this")


@pytest.mark.parametrize("per_second", [10.0, 0.0])
def test_a_histogram_without_bounds_has_nothing_slow(per_second: float) -> None:
    found = one(Stored().latency(per_second, {"+Inf": 1.0}), subject(LATENCY))

    assert told(found) == [
        ("Problem", "the histogram has no bound but +Inf: there is no slow in it")
    ]


def test_a_bound_that_only_idle_pods_have_is_no_cut() -> None:
    """Such a bound has no request, and no ratio."""
    idle = Stored().latency(0.0, {"0.05": 1.0, "+Inf": 1.0}, PODS[:1])
    source = idle.latency(10, {"0.1": 1.0, "+Inf": 1.0}, PODS[1:])
    found = one(source, subject(replace(LATENCY, tolerance=1e6)))

    assert found.cut == 0.1


def test_a_counter_that_began_a_minute_ago_is_counted_over_that_minute() -> None:
    began = NOW - timedelta(seconds=62)

    def young(counter: Counter) -> Counter:
        return replace(counter, began=began)

    found = one(Stored().requests().every(young), subject(ERRORS))

    assert found.requests_per_minute == pytest.approx(2400, rel=0.1)
