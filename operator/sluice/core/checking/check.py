"""What to ask, and the report on the answers.

    answers = {}
    while queries := questions(subject, answers):
        answers |= whatever the source says to them, by their names
    report(subject, answers)

What gave nothing leads to further questions, so there are two rounds at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sluice.core.checking import compared, queried
from sluice.core.checking.report import Finding, Grade, MetricReport, Report
from sluice.core.checking.subject import Subject
from sluice.core.plan import Query
from sluice.core.policy import Metric
from sluice.core.readings import Answer


def questions(subject: Subject, answers: Mapping[str, Answer]) -> tuple[Query, ...]:
    """What is still to be asked; empty when all is known."""
    wanted = (
        query
        for metric in subject.analysis.metrics
        for query in _questions(metric, subject, answers)
    )
    return tuple(query for query in wanted if query.name not in answers)


def report(subject: Subject, answers: Mapping[str, Answer]) -> Report:
    """What the answers to all questions mean."""
    return Report(
        namespace=subject.namespace,
        name=subject.name,
        source=subject.analysis.source,
        pods=len(subject.pods),
        findings=tuple(_findings(subject)),
        metrics=tuple(_metric(metric, subject, answers) for metric in subject.analysis.metrics),
    )


def _questions(metric: Metric, subject: Subject, answers: Mapping[str, Answer]) -> Iterator[Query]:
    of = compared.questions if metric.compares else queried.questions
    return of(metric, subject, answers)


def _metric(metric: Metric, subject: Subject, answers: Mapping[str, Answer]) -> MetricReport:
    of = compared.report if metric.compares else queried.report
    return of(metric, subject, answers)


def _findings(subject: Subject) -> Iterator[Finding]:
    if not subject.analysis.metrics:
        said = "there are no metrics: a release is judged by whether its pods come up, and no more"
        yield Finding(Grade.WARNING, said)
    if subject.other_pods:
        said = (
            f"{subject.other_pods} other pods share the requests with the {len(subject.pods)} "
            "stable ones now, as in a release; what a step has is counted with theirs"
        )
        yield Finding(Grade.NOTE, said)
