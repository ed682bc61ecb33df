"""What is said of queries that give one value, and of those that give none."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Final

import pytest
from checking.stored import LABELS, PODS, Stored, checked, one, subject, told

from sluice.core.checking.check import questions, report
from sluice.core.checking.report import Grade
from sluice.core.policy import Metric
from sluice.core.readings import Answer, Known, Reason, Unknown

BAD: Final = 'requests_total{namespace="{{namespace}}",pod=~"{{canary}}",code=~"5.."}'
ALL: Final = 'requests_total{namespace="{{namespace}}",pod=~"{{canary}}"}'
QUERY: Final = f"sum(rate({BAD}[1m])) / sum(rate({ALL}[1m]))"
RATIO: Final = Metric("errors", QUERY, maximum=0.05)
EMPTY: Final = Unknown(Reason.EMPTY, "the query gave no series")
ASKED: Final = subject(RATIO).filled(QUERY)


def giving(answer: Answer, source: Stored | None = None) -> Stored:
    """A source that gives this to the query of RATIO."""
    found = source or Stored().requests()
    found.values[ASKED] = answer
    return found


def test_a_good_query_is_asked_for_the_stable_pods() -> None:
    found = one(giving(Known(0.01)), subject(RATIO))

    assert told(found) == []
    assert (found.form, found.value, found.steps) == ("query", 0.01, ())
    assert found.says == "0.01, within at most 0.05"
    assert "{{" not in found.asked
    assert 'namespace="shop",pod=~"web-a-[a-z0-9]{5}"' in found.asked
    assert found.scrape_seconds == 5


@pytest.mark.parametrize("limits", [{"maximum": 0.005}, {"minimum": 0.5, "maximum": None}])
def test_a_stable_version_out_of_range(limits: dict[str, float | None]) -> None:
    metric = replace(RATIO, failure_limit=3, **limits)  # type: ignore[arg-type]
    found = one(giving(Known(0.01)), subject(metric))

    assert told(found) == [
        (
            "Problem",
            (
                "the stable version itself is out of range: a release would be rolled back for "
                "being no worse"
            ),
        )
    ]
    assert "accepted" not in found.says


@pytest.mark.parametrize(
    ("answer", "says", "sentence"),
    [
        (
            Unknown(Reason.BAD_QUERY, "Prometheus refuses the query (400)"),
            "unknown (BadQuery: Prometheus refuses the query (400))",
            "Prometheus refuses the query (400): Prometheus' own page says where the mistake is",
        ),
        (
            Unknown(Reason.SEVERAL_SERIES, "2 series"),
            "unknown (SeveralSeries: 2 series)",
            "2 series: write sum(...), avg(...) or max(...) around it",
        ),
        (
            Unknown(Reason.NOT_FINITE, "NaN"),
            "unknown (NotFinite: NaN)",
            "NaN: a quotient is NaN while there are no requests in its range",
        ),
        (
            Unknown(Reason.REFUSED, "nobody listens at prometheus:9090"),
            "unknown (Refused: nobody listens at prometheus:9090)",
            "nobody listens at prometheus:9090",
        ),
        (Unknown(Reason.TIMEOUT), "unknown (Timeout)", "Timeout"),
        (Unknown(Reason.WRONG_TYPE, "text"), "unknown (WrongType: text)", "text"),
    ],
)
def test_why_there_is_no_value(answer: Unknown, says: str, sentence: str) -> None:
    found = one(giving(answer), subject(RATIO))

    assert found.says == says
    assert found.value is None
    assert told(found) == [("Problem", sentence)]


@pytest.mark.parametrize("value", [nan, inf])
def test_a_value_that_is_no_number_is_never_good(value: float) -> None:
    found = one(giving(Known(value)), subject(RATIO))

    assert found.value is None
    assert found.says.startswith("unknown (NotFinite")
    assert [grade for grade, _ in told(found)] == ["Problem"]


def test_a_source_that_is_down() -> None:
    down = Unknown(Reason.UNREACHABLE, "no such host")
    found = one(Stored(down=down), subject(RATIO))

    assert told(found) == [("Problem", "no such host")]


def test_what_was_not_asked_is_unknown() -> None:
    (metric,) = report(subject(RATIO), {}).metrics

    assert metric.says == "unknown (Unreachable: not asked)"
    assert told(metric) == [("Problem", "not asked")]


@pytest.mark.parametrize(
    ("source", "sentences"),
    [
        (Stored(), ["there are no series called requests_total"]),
        (
            Stored().requests(name="requests"),
            ["there are no series called requests_total; there is requests"],
        ),
        (
            Stored(exposed=replace(LABELS, pod="pod_name")).requests(),
            [
                (
                    'no series of requests_total has a label "pod"; by the label "pod_name" they '
                    'are found: in a query write that instead of "pod", for comparisons name it in '
                    "the source's `labels` (the operator's configuration)"
                )
            ],
        ),
        (
            Stored(exposed=replace(LABELS, namespace="ns")).requests(),
            ['no series of requests_total has a label "namespace"'],
        ),
        (
            Stored().requests(bad_ratio=0.0),
            [
                (
                    'no series of requests_total has code=~"5.."; until there is one the query '
                    "gives nothing: `or vector(0)` behind that part helps"
                )
            ],
        ),
        (
            Stored().requests(pods=("web-b-00000",)),
            [
                (
                    "no series of requests_total is of the 4 stable pods "
                    '(pod=~"web-a-[a-z0-9]{5}"): are they scraped?'
                )
            ],
        ),
    ],
)
@pytest.mark.parametrize("answer", [EMPTY, Unknown(Reason.NOT_FINITE, "NaN")])
def test_what_a_query_lacks(answer: Unknown, source: Stored, sentences: list[str]) -> None:
    found = one(giving(answer, source), subject(RATIO))

    assert told(found) == [("Problem", sentence) for sentence in sentences]


def test_a_matcher_of_one_part_alone_has_no_advice_for_quotients() -> None:
    metric = Metric("errors", "sum(rate(requests_total{code=~'5..'}[1m]))", maximum=1.0)
    source = Stored(values={metric.query: EMPTY}).requests(bad_ratio=0.0)

    assert told(one(source, subject(metric))) == [
        ("Problem", "no series of requests_total has code=~'5..'")
    ]


@pytest.mark.parametrize(
    ("answer", "grade"), [(Known(0.01), Grade.WARNING), (EMPTY, Grade.PROBLEM)]
)
def test_a_range_with_less_than_two_scrapes(answer: Answer, grade: Grade) -> None:
    source = Stored().requests(scrape_seconds=60.0)
    found = one(giving(answer, source), subject(RATIO))

    assert (
        str(grade),
        (
            "the range [1m] is too short for series that are scraped every 1m: a rate needs two "
            "samples in it; write at least [2m], better [4m]"
        ),
    ) in told(found)


@pytest.mark.parametrize("every", [5.0, 15.0, 30.0])
def test_a_range_with_two_scrapes_is_long_enough(every: float) -> None:
    found = one(giving(Known(0.01), Stored().requests(scrape_seconds=every)), subject(RATIO))

    assert told(found) == []
    assert found.scrape_seconds == every


def test_a_query_without_selectors_is_asked_alone() -> None:
    metric = Metric("one", "vector(1)", maximum=1.0)
    source = Stored(values={"vector(1)": Known(1.0)})

    assert told(one(source, subject(metric))) == []
    assert [query.text for query in source.asked] == ["vector(1)"]


def test_why_is_asked_only_where_there_is_nothing() -> None:
    good = giving(Known(0.01))
    checked(good, subject(RATIO))
    assert not [query for query in good.asked if query.text.startswith("count(")]

    answers: dict[str, Answer] = dict.fromkeys(
        (query.name for query in questions(subject(RATIO), {})), EMPTY
    )
    why = [query.text for query in questions(subject(RATIO), answers)]
    assert "count(requests_total)" in why
    assert all(text.startswith("count(") for text in why)


def test_several_metrics_are_told_each_by_itself() -> None:
    other = Metric("up", "min(up)", minimum=1.0)
    source = giving(Known(0.01))
    source.values["min(up)"] = Unknown(Reason.EMPTY)
    report = checked(source, subject(RATIO, other))

    assert [metric.name for metric in report.metrics] == ["errors", "up"]
    assert [told(metric) for metric in report.metrics] == [
        [],
        [("Problem", "there are no series called up")],
    ]
    assert report.count(Grade.PROBLEM) == 1
    assert report.pods == len(PODS)
