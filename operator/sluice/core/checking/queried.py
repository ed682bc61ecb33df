"""Metrics that are one value: whether there is one, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isfinite
from typing import Final

from sluice.core import times
from sluice.core.checking import missing, scrapes
from sluice.core.checking.promql import selectors_in
from sluice.core.checking.report import Finding, Grade, MetricReport
from sluice.core.checking.subject import Sought, Subject
from sluice.core.plan import Query
from sluice.core.policy import Metric
from sluice.core.readings import Answer, Known, Reason, Unknown
from sluice.core.verdict import Verdict, judge

# What is empty, or a quotient of nothing, may lack a part.
_LACKING: Final = frozenset({Reason.EMPTY, Reason.NOT_FINITE})
ADVICE: Final = {
    Reason.BAD_QUERY: "Prometheus' own page says where the mistake is",
    Reason.NOT_FINITE: "a quotient is NaN while there are no requests in its range",
    Reason.SEVERAL_SERIES: "write sum(...), avg(...) or max(...) around it",
}


def questions(metric: Metric, subject: Subject, answers: Mapping[str, Answer]) -> Iterator[Query]:
    """The query itself, how often its series are scraped; and, where it gives nothing, why."""
    yield Query(metric.name, subject.filled(metric.query))
    answer = answers.get(metric.name)
    for sought in _sought(metric, subject):
        if sought.range_seconds:
            yield from scrapes.questions(sought)
        if isinstance(answer, Unknown) and answer.reason in _LACKING:
            yield from missing.questions(sought, subject)


def _sought(metric: Metric, subject: Subject) -> Iterator[Sought]:
    for index, found in enumerate(selectors_in(subject.filled(metric.query))):
        yield Sought(f"{metric.name}/{index}", found.selector, found.range_seconds)


def report(metric: Metric, subject: Subject, answers: Mapping[str, Answer]) -> MetricReport:
    """What it gives for the stable pods, and what is wrong with that."""
    answer = answers.get(metric.name)
    if not isinstance(answer, Known | Unknown):
        answer = Unknown(Reason.UNREACHABLE, "not asked")
    elif isinstance(answer, Known) and not isfinite(answer.value):
        answer = Unknown(Reason.NOT_FINITE)
    judged = judge(replace(metric, failure_limit=0), answer, 1)
    says = judged.sentence.removeprefix(f'metric "{metric.name}" is ')
    findings: list[Finding] = []
    if isinstance(answer, Unknown):
        detail = f": {answer.detail}" if answer.detail else ""
        # Without what a release would have to do about it: there is none.
        says = f"unknown ({answer.reason}{detail})"
        findings += _why(answer, metric, subject, answers)
    elif judged.verdict is Verdict.FAIL:
        said = (
            "the stable version itself is out of range: a release would be rolled back for being "
            "no worse"
        )
        findings.append(Finding(Grade.PROBLEM, said))
    sought = list(_sought(metric, subject))
    intervals = [scrapes.seconds(each, subject, answers) for each in sought]
    known = [seconds for seconds in intervals if seconds is not None]
    findings += _ranges(sought, intervals, known_now=isinstance(answer, Known))
    return MetricReport(
        name=metric.name,
        form="query",
        says=says,
        findings=tuple(dict.fromkeys(findings)),
        asked=subject.filled(metric.query),
        value=judged.value,
        scrape_seconds=max(known, default=None),
    )


def _why(
    answer: Unknown, metric: Metric, subject: Subject, answers: Mapping[str, Answer]
) -> Iterator[Finding]:
    causes = [missing.cause(sought, subject, answers) for sought in _sought(metric, subject)]
    found = [cause for cause in causes if cause]
    for cause in found:
        yield Finding(Grade.PROBLEM, f"{cause.sentence}{_until_then(cause, len(causes))}")
    if not found:
        detail = answer.detail or str(answer.reason)
        advice = ADVICE.get(answer.reason)
        yield Finding(Grade.PROBLEM, f"{detail}: {advice}" if advice else detail)


def _until_then(cause: missing.Cause, parts: int) -> str:
    """What is missing until the first error makes a quotient empty until then."""
    if cause.missing is not missing.Missing.VALUE or parts < 2:
        return ""
    return "; until there is one the query gives nothing: `or vector(0)` behind that part helps"


def _ranges(
    sought: list[Sought], intervals: list[float | None], *, known_now: bool
) -> Iterator[Finding]:
    """Ranges with too few samples for a rate."""
    for each, scraped in zip(sought, intervals, strict=True):
        if scraped is None or each.range_seconds is None or each.range_seconds >= 2 * scraped:
            continue
        written, every = times.span(each.range_seconds), times.span(scraped)
        said = (
            f"the range [{written}] is too short for series that are scraped every {every}: a rate "
            f"needs two samples in it; write at least [{times.span(2 * scraped)}], better "
            f"[{times.span(4 * scraped)}]"
        )
        yield Finding(Grade.WARNING if known_now else Grade.PROBLEM, said)
