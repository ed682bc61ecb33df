"""Metrics that compare both sides: what their counters tell, and what steps can make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from sluice.core import comparing, selectors, times
from sluice.core.checking import lengths, missing, scrapes, traffic
from sluice.core.checking.queried import ADVICE
from sluice.core.checking.report import Finding, Grade, MetricReport
from sluice.core.checking.subject import LOOK_SECONDS, Sought, Subject
from sluice.core.checking.traffic import Measured, Seen
from sluice.core.comparing import BAD, LOOK_BACK_SECONDS
from sluice.core.plan import Query
from sluice.core.policy import Metric
from sluice.core.readings import Answer, Reason, Unknown

# Of pods that differ by less nobody needs to hear.
_SCATTER: Final = 2.0
# A pod that is younger than this and some scrapes may just not have been found yet.
_YOUNG_SECONDS: Final = 60.0
_NAMES_SHOWN: Final = 3


def questions(metric: Metric, subject: Subject, answers: Mapping[str, Answer]) -> Iterator[Query]:
    """The counters as a release asks for them, how often they are scraped; and, where there are
    none, why.
    """
    parts = traffic.questions(metric, subject)
    yield from parts
    yield from scrapes.questions(_sought(parts[-1], subject))
    for part in parts:
        if _is_empty(answers.get(part.name)):
            yield from missing.questions(_sought(part, subject), subject)


def _sought(part: Query, subject: Subject) -> Sought:
    selector = selectors.parse(part.text)
    assert selector is not None, "refused with the spec"
    return Sought(part.name, subject.pinned(selector))


def _is_empty(answer: Answer | None) -> bool:
    return isinstance(answer, Unknown) and answer.reason is Reason.EMPTY


def report(metric: Metric, subject: Subject, answers: Mapping[str, Answer]) -> MetricReport:
    """What the counters tell of the stable pods, and what the steps can see by them."""
    form = "histogram" if metric.histogram else "counters"
    parts = traffic.questions(metric, subject)
    asked = "\n".join(_sought(part, subject).selector.text({}) for part in parts)
    scraped = scrapes.seconds(_sought(parts[-1], subject), subject, answers)
    bare = MetricReport(metric.name, form, "", asked=asked, scrape_seconds=scraped)
    causes = list(_causes(parts, subject, answers))
    series = comparing.counted(metric, answers)
    if isinstance(series, Unknown):
        detail = f": {series.detail}" if series.detail else ""
        findings = tuple(causes or [_untold(series)])
        return replace(bare, says=f"unknown ({series.reason}{detail})", findings=findings)
    seen = traffic.measured(metric, series, subject)
    pods = f"{len(seen.pods)} of {len(subject.pods)} pods"
    findings = (
        *causes,
        *_of_pods(seen, scraped, subject),
        *_of_scrapes(scraped, subject),
        *_of_remarks(seen),
    )
    # A bound that only idle pods have says nothing.
    with_requests = {cut: each for cut, each in seen.by_cut.items() if each.total}
    if not with_requests:
        findings = (*findings, _silence(metric, seen, subject))
        says = f"no requests from {pods}"
        return replace(bare, says=says, findings=findings, requests_per_minute=0.0)
    found = lengths.lengths(metric, with_requests, scraped, subject)
    measured = with_requests[found.cut]
    cut = found.cut if metric.histogram else None
    every = f", scraped every {times.span(scraped)}" if scraped else ""
    return replace(
        bare,
        says=f"{_rate(measured)} from {pods}, {_share(measured, cut)}{every}",
        findings=(
            *findings,
            *_of_ratio(metric, measured, seen),
            *lengths.findings(found.steps, subject),
        ),
        requests_per_minute=60 * measured.per_second,
        bad_ratio=measured.bad / measured.total,
        cut=cut,
        steps=found.steps,
    )


def _rate(measured: Measured) -> str:
    per_minute = 60 * measured.per_second
    return (
        f"{per_minute:,.0f} requests/min" if per_minute >= 10 else f"{per_minute:.2g} requests/min"
    )


def _share(measured: Measured, cut: float | None) -> str:
    percent = f"{100 * measured.bad / measured.total:.3g}%"
    return f"{percent} bad" if cut is None else f"{percent} slower than {cut:g}"


def _untold(unknown: Unknown) -> Finding:
    detail = unknown.detail or str(unknown.reason)
    advice = ADVICE.get(unknown.reason)
    return Finding(Grade.PROBLEM, f"{detail}: {advice}" if advice else detail)


def _causes(
    parts: tuple[Query, ...], subject: Subject, answers: Mapping[str, Answer]
) -> Iterator[Finding]:
    """Why parts give nothing, each sentence once. That nothing has been bad yet is no problem."""
    told = set()
    whole_is_empty = _is_empty(answers.get(parts[-1].name))
    for part in parts:
        cause = missing.cause(_sought(part, subject), subject, answers)
        if cause is None or cause.sentence in told:
            continue
        told.add(cause.sentence)
        absent = cause.missing in (missing.Missing.NAME, missing.Missing.LABEL)
        if absent or whole_is_empty or not part.name.endswith(BAD) or not _alike(parts):
            yield Finding(Grade.PROBLEM, cause.sentence)


def _alike(parts: tuple[Query, ...]) -> bool:
    """Whether what is bad is a part of the same metric as all of it."""
    names = {found.name for part in parts if (found := selectors.parse(part.text))}
    return len(names) == 1


def _of_pods(seen: Seen, scraped: float | None, subject: Subject) -> Iterator[Finding]:
    unseen = [pod for pod in subject.pods if pod.name not in seen.pods]
    if not unseen:
        return
    names = ", ".join(pod.name for pod in unseen[:_NAMES_SHOWN])
    more = f" and {len(unseen) - _NAMES_SHOWN} more" if len(unseen) > _NAMES_SHOWN else ""
    youth = _YOUNG_SECONDS + 2 * (scraped or 0.0)
    young = all((subject.now - pod.started).total_seconds() < youth for pod in unseen)
    said = f"no series of {len(unseen)} of {len(subject.pods)} stable pods: {names}{more}"
    if young:
        yield Finding(Grade.NOTE, f"{said}; they are young, and may not have been scraped yet")
    else:
        yield Finding(Grade.PROBLEM, f"{said}; are they scraped?")


def _of_remarks(seen: Seen) -> Iterator[Finding]:
    """The first of them: every interval of every pod may have one."""
    if seen.remarks:
        first, *others = seen.remarks
        more = f"; {len(others)} more like this" if others else ""
        yield Finding(Grade.WARNING, f"{first}{more}")


def _of_scrapes(scraped: float | None, subject: Subject) -> Iterator[Finding]:
    if scraped is None:
        return
    every, interval = times.span(scraped), subject.analysis.interval_seconds
    if scraped * 2 > LOOK_BACK_SECONDS:
        forgets = times.span(LOOK_BACK_SECONDS)
        said = (
            f"scraped every {every}, while Prometheus forgets a sample after {forgets}: one scrape "
            "that fails ends the series"
        )
        yield Finding(Grade.PROBLEM, said)
    elif scraped > interval:
        said = (
            f"scraped every {every}, asked every {times.span(interval)} (analysis.interval): "
            "nothing is seen sooner by asking more often than it is scraped"
        )
        yield Finding(Grade.NOTE, said)


def _silence(metric: Metric, seen: Seen, subject: Subject) -> Finding:
    if seen.pods and not seen.by_cut and metric.histogram:
        return Finding(Grade.PROBLEM, "the histogram has no bound but +Inf: there is no slow in it")
    if seen.pods and not seen.seconds:
        return Finding(Grade.WARNING, "too few samples yet to count requests: check again later")
    after = times.span(subject.analysis.low_traffic_after_seconds)
    said = (
        f"no request in the last {times.span(LOOK_SECONDS)}: nothing can be compared, and every "
        f"step waits for minRequests until lowTraffic.after ({after})"
    )
    return Finding(Grade.WARNING, said)


def _of_ratio(metric: Metric, measured: Measured, seen: Seen) -> Iterator[Finding]:
    ratio = measured.bad / measured.total
    if metric.maximum is not None and ratio > metric.maximum:
        said = (
            f"the stable version itself has {ratio:.3g} bad, above max {metric.maximum:g}: a "
            "release would be rolled back for being no worse"
        )
        yield Finding(Grade.PROBLEM, said)
    if not measured.bad:
        said = (
            f"no bad one of {measured.total:,.0f} requests in {times.span(seen.seconds)}: lengths "
            "are as if there had been half of one"
        )
        yield Finding(Grade.NOTE, said)
    if measured.dispersion > _SCATTER:
        said = (
            f"the stable pods differ: their bad requests scatter {measured.dispersion:.1f} times "
            "as much as those of equal pods, so everything takes that much longer to be seen"
        )
        yield Finding(Grade.NOTE, said)
