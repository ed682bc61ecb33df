"""How long a step has to last until a regression is seen in it, and which steps are too short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isinf
from typing import Final

from sluice.core import comparing, sizing, times
from sluice.core.checking.report import Finding, Grade, StepOutlook
from sluice.core.checking.subject import Subject
from sluice.core.checking.traffic import Measured
from sluice.core.evidence.counts import Cut
from sluice.core.evidence.power import Bar, Traffic, needed
from sluice.core.policy import Metric, Step

# Times as many bad requests as the stable version has.
REGRESSIONS: Final = (2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Lengths:
    """A metric's steps, and the cut by which a regression is seen soonest."""

    cut: Cut
    steps: tuple[StepOutlook, ...]


@dataclass(frozen=True, slots=True)
class _Load:
    """A metric's traffic by one of its `cuts`."""

    metric: Metric
    measured: Measured
    cuts: int
    scrape_seconds: float


def lengths(
    metric: Metric, by_cut: Mapping[Cut, Measured], scrape_seconds: float | None, subject: Subject
) -> Lengths:
    """The outlook of each step. `by_cut` is not empty, and each has requests."""
    found = []
    for cut, measured in by_cut.items():
        load = _Load(metric, measured, len(by_cut), scrape_seconds or 0.0)
        steps = (_outlook(number, step, load, subject) for number, step in _numbered(subject))
        found.append(Lengths(cut, tuple(steps)))
    with_bad = [each for each in found if by_cut[each.cut].bad > 0] or found
    return min(with_bad, key=_slowness)


def _numbered(subject: Subject) -> Iterator[tuple[int, Step]]:
    """The steps of a release; a Deployment that is scaled to 0 has none."""
    return enumerate(subject.steps if subject.replicas else (), 1)


def _slowness(found: Lengths) -> tuple[int, float]:
    needs = [seconds for step in found.steps for _, seconds in step.needs]
    return sum(map(isinf, needs)), sum(seconds for seconds in needs if not isinf(seconds))


def _outlook(number: int, step: Step, load: _Load, subject: Subject) -> StepOutlook:
    canary = sizing.canary_size(subject.replicas, step.weight)
    stable = sizing.kept_size(subject.replicas, step.weight)
    per_pod = load.measured.per_second * _all_of(subject) / (canary + stable)
    delay = comparing.delay_seconds(load.metric, subject.analysis)
    enough = subject.analysis.min_requests / (per_pod * canary) + delay if per_pod else inf
    measured = load.measured
    traffic = Traffic(per_pod * canary, per_pod * stable, measured.ratio, measured.dispersion)
    # A canary's first counts are there after its delay and its first scrape.
    begins = delay + load.scrape_seconds
    return StepOutlook(
        number=number,
        weight=step.weight,
        canary_pods=canary,
        canary_per_minute=60 * per_pod * canary,
        duration_seconds=step.duration_seconds,
        lasts_seconds=max(step.duration_seconds, enough),
        needs=tuple((each, begins + _need(each, traffic, load, subject)) for each in REGRESSIONS),
    )


def _need(regression: float, traffic: Traffic, load: _Load, subject: Subject) -> float:
    analysis = subject.analysis
    # A histogram's evidence is the mean over its bounds, as if each were a metric.
    bar = Bar(analysis.confidence, processes(subject) * load.cuts)
    # Between two scrapes nothing new is seen.
    interval = max(analysis.interval_seconds, load.scrape_seconds)
    tolerance = load.metric.tolerance
    return needed(regression, traffic, bar, interval_seconds=interval, tolerance=tolerance).seconds


def _all_of(subject: Subject) -> float:
    """All pods' requests, where the stable pods' are 1: others may share the traffic now."""
    return 1.0 + subject.other_pods / len(subject.pods) if subject.pods else 1.0


def processes(subject: Subject) -> int:
    """Among how many e-values the mean is taken: one for each comparison, and for each `max`."""
    compared = [metric for metric in subject.analysis.metrics if metric.compares]
    return len(compared) + sum(metric.maximum is not None for metric in compared)


# --- what is too short


def findings(steps: Sequence[StepOutlook], subject: Subject) -> Iterator[Finding]:
    """Warnings of steps that cannot tell what they are for."""
    late, longer = _waiting(steps, subject)
    for sentence in (_late(late, subject), _longer(longer, subject), _short(steps)):
        if sentence:
            yield Finding(Grade.WARNING, sentence)


def _waiting(
    steps: Sequence[StepOutlook], subject: Subject
) -> tuple[list[StepOutlook], list[StepOutlook]]:
    """Steps that wait for requests beyond lowTraffic.after, and those beyond their duration."""
    waiting = [step for step in steps if step.lasts_seconds > step.duration_seconds]
    limit = subject.analysis.low_traffic_after_seconds
    late = [step for step in waiting if step.lasts_seconds > limit]
    # One without a duration is meant to last just as long as it takes.
    longer = [step for step in waiting if step not in late and step.duration_seconds]
    return late, longer


def _late(steps: Sequence[StepOutlook], subject: Subject) -> str:
    if not steps:
        return ""
    analysis = subject.analysis
    pauses = analysis.low_traffic_action == "Pause"
    then = "pauses there" if pauses else "goes on there without them"
    return (
        f"{_names(steps)}: the {analysis.min_requests} requests of minRequests take "
        f"{_spans(step.lasts_seconds for step in steps)}, longer than lowTraffic.after "
        f"({span(analysis.low_traffic_after_seconds)}): the release {then}"
    )


def _longer(steps: Sequence[StepOutlook], subject: Subject) -> str:
    if not steps:
        return ""
    last = "lasts longer than its duration" if len(steps) == 1 else "last longer than they should"
    return (
        f"{_names(steps)} {last}, {_spans(step.lasts_seconds for step in steps)} instead of "
        f"{_spans(step.duration_seconds for step in steps)}, until the canary has had "
        f"{subject.analysis.min_requests} requests (minRequests)"
    )


def _short(steps: Sequence[StepOutlook]) -> str:
    worst = REGRESSIONS[-1]
    short = [step for step in steps if dict(step.needs)[worst] > step.lasts_seconds]
    if not short:
        return ""
    needs = [dict(step.needs)[worst] for step in short]
    if all(map(isinf, needs)):
        return f"{_names(short)}: not even {worst:g} times as many bad requests would be seen"
    one = len(short) == 1
    return (
        f"{_names(short)} {'is too short for its' if one else 'are too short for their'} own "
        f"evidence: to see {worst:g} times as many bad requests takes {_spans(needs)}, and "
        f"{'it lasts' if one else 'they last'} {_spans(step.lasts_seconds for step in short)}"
    )


def span(seconds: float) -> str:
    """A span for people; `for ever` for one without an end."""
    return "for ever" if isinf(seconds) else times.span(seconds)


def _names(steps: Sequence[StepOutlook]) -> str:
    return _and(f"step {step.number} ({step.weight}%)" for step in steps)


def _spans(seconds: Iterable[float]) -> str:
    return _and(span(each) for each in seconds)


def _and(words: Iterable[str]) -> str:
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last
