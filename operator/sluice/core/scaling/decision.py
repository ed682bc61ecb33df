"""The decision: how many replicas there shall be now, and why.

The order is that of horizontal.go: nothing at 0 replicas; bounds first, without a reading; then the
largest proposal through the windows, the rate limits and the bounds. What is ours comes after it
and never lowers: a release or an outage that lowering waits for, the fallback, and pods without a
node. Each rule that changes the number leaves a step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sluice.core.scaling import limits, outages, windows, words
from sluice.core.scaling.bounds import Range, effective
from sluice.core.scaling.kept import Cause, Explanation, Facts, Memory, Said, Scaled, Step
from sluice.core.scaling.policy import Scaling
from sluice.core.scaling.proposals import (
    NO_READY_PODS,
    NOT_ASKED,
    Proposals,
    largest,
    propose,
    unknown,
)
from sluice.core.times import span

_WITHIN: Final = Said(
    status=False,
    reason="DesiredWithinRange",
    message="the replicas asked for are within all limits",
)


@dataclass(frozen=True, slots=True)
class _Course:
    """A number on its way: how it came about, and what has limited it."""

    replicas: int
    cause: Cause
    steps: tuple[Step, ...] = ()
    limited: Said = _WITHIN

    def to(self, replicas: int, cause: Cause, why: str, limited: str = "") -> _Course:
        """The course after a rule that says `replicas`; the same where that changes nothing."""
        if replicas == self.replicas:
            return self
        said = Said(status=True, reason=limited, message=why) if limited else self.limited
        step = Step(cause, self.replicas, replicas, why)
        return _Course(replicas, cause, (*self.steps, step), said)


@dataclass(frozen=True, slots=True)
class _Question:
    """What a decision is made from, and what this round adds to the memory."""

    scaling: Scaling
    facts: Facts
    proposals: Proposals
    range: Range
    before: Memory
    memory: Memory
    now: datetime


def decide(scaling: Scaling, facts: Facts, memory: Memory, now: datetime) -> Scaled:
    """What `scaling` makes of the facts. To be called with every round of readings; those that a
    decision was made from decide nothing again, or a `value` metric would be multiplied twice.
    """
    now = _to_the_millisecond(now)
    if facts.current == 0:
        return _disabled(scaling, facts, now)
    bounds = effective(scaling, facts.bounds)
    proposals = propose(scaling, facts)
    asked_at = _to_the_millisecond(facts.asked_at) if facts.asked_at else now
    fresh = bool(facts.answers) and asked_at != memory.asked_at
    kept = _remembered(scaling, facts, memory, now)
    if fresh:
        kept = replace(outages.noted(kept, proposals, scaling, now), asked_at=asked_at)
    question = _Question(scaling, facts, proposals, bounds, memory, kept, now)
    if bounds.clamped(facts.current) != facts.current:
        first = memory.recommendations or windows.closed(memory, scaling, facts.current, now)
        question = replace(question, memory=replace(kept, recommendations=first))
        return _scaled(question, _lowering(question, _into(bounds, facts.current)))
    if not fresh:
        return replace(_scaled(question, _Course(facts.current, Cause.NO_READINGS)), fresh=False)
    wanted = _wanted(question)
    if wanted is None:
        return _scaled(question, _raising(question, _without(question)), by_metrics=True)
    course = _limited(question, _stabilized(question, wanted))
    recommended = windows.recommended(memory, scaling, facts.current, wanted.replicas, now)
    question = replace(question, memory=replace(kept, recommendations=recommended))
    course = _raising(question, _lowering(question, course))
    return _scaled(question, course, by_metrics=True)


def _to_the_millisecond(instant: datetime) -> datetime:
    """As status keeps it: what is stored and what is remembered must be the same."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _remembered(scaling: Scaling, facts: Facts, memory: Memory, now: datetime) -> Memory:
    """The memory without events that no limit counts, and with the probe that pending pods allow:
    one more pod than there were when the first did not fit.
    """
    probe = (memory.probe or facts.current + 1) if facts.pending > 0 else None
    return replace(memory, events=limits.recent(scaling.behavior, memory.events, now), probe=probe)


def _into(bounds: Range, current: int) -> _Course:
    """From outside of the bounds to the nearest number within."""
    course = _Course(current, Cause.BOUND)
    if current < bounds.floor:
        return course.to(bounds.floor, bounds.floor_cause, bounds.at_least, "TooFewReplicas")
    return course.to(bounds.ceiling, bounds.ceiling_cause, bounds.at_most, "TooManyReplicas")


def _wanted(question: _Question) -> _Course | None:
    """What the metrics ask for; None where nothing is known, or what is known asks for fewer and
    the rest might ask for more.
    """
    winner = largest(question.proposals)
    if winner is None or winner.replicas is None:
        return None
    if winner.replicas < question.facts.current and unknown(question.proposals):
        return None
    return _Course(winner.replicas, Cause.TOLERANCE if winner.within_tolerance else Cause.METRIC)


def _without(question: _Question) -> _Course:
    """The present number, or the fallback where that is due and more."""
    scaling, current = question.scaling, question.facts.current
    winner = largest(question.proposals)
    asked = current if winner is None or winner.replicas is None else winner.replicas
    step = Step(Cause.UNKNOWN, asked, current, "nothing is lowered")
    course = _Course(current, Cause.UNKNOWN, (step,))
    if scaling.fallback is None or not outages.fallback_due(question.memory, scaling, question.now):
        return course
    raised = max(current, question.range.clamped(scaling.fallback.replicas))
    after = span(scaling.fallback.after_seconds)
    why = f"no metric has answered for {after}: fallback to {scaling.fallback.replicas}"
    return course.to(raised, Cause.FALLBACK, why)


def _stabilized(question: _Question, course: _Course) -> _Course:
    """The number as the windows leave it, and not lowered just after an outage."""
    scaling, current, now = question.scaling, question.facts.current, question.now
    held = windows.closed(question.before, scaling, current, now)
    window = windows.stabilized(scaling, current, course.replicas, held, now)
    end = "highest" if window.replicas > course.replicas else "lowest"
    why = f"{window.replicas} is the {end} of the last {span(window.seconds)}"
    course = course.to(window.replicas, Cause.WINDOW, why)
    if course.replicas >= current:
        return course
    if not outages.holds_lowering(question.before, question.memory, scaling, now):
        return course
    return course.to(current, Cause.WINDOW, "nothing is lowered so soon after an unknown metric")


def _limited(question: _Question, course: _Course) -> _Course:
    """The number within rate limits and bounds; of both the tighter one is named."""
    bounds, current, wanted = question.range, question.facts.current, course.replicas
    behavior, events = question.scaling.behavior, question.memory.events
    if wanted > current:
        limit = limits.highest(behavior, current, events, question.now)
        if limit.replicas < bounds.ceiling:
            why = f"not above {limit.replicas} ({limit.why})"
            return course.to(min(wanted, limit.replicas), Cause.POLICY, why, "ScaleUpLimit")
        highest, cause = min(wanted, bounds.ceiling), bounds.ceiling_cause
        return course.to(highest, cause, bounds.at_most, "TooManyReplicas")
    if wanted < current:
        limit = limits.lowest(behavior, current, events, question.now)
        if limit.replicas > bounds.floor:
            why = f"not below {limit.replicas} ({limit.why})"
            return course.to(max(wanted, limit.replicas), Cause.POLICY, why, "ScaleDownLimit")
        lowest, cause = max(wanted, bounds.floor), bounds.floor_cause
        return course.to(lowest, cause, bounds.at_least, "TooFewReplicas")
    return course


def _lowering(question: _Question, course: _Course) -> _Course:
    """Not below the present number while a release needs it."""
    waits, current = question.facts.lowering_waits, question.facts.current
    if not waits or course.replicas >= current:
        return course
    return course.to(current, Cause.WAITING, f"nothing is lowered: {waits}", "LoweringWaits")


def _raising(question: _Question, course: _Course) -> _Course:
    """Not above the probe while pods fit on no node: more of them would only wait beside those."""
    pending, current = question.facts.pending, question.facts.current
    allowed = max(current, question.memory.probe or 0)
    if pending <= 0 or course.replicas <= allowed:
        return course
    which = "1 pod fits on no node" if pending == 1 else f"{pending} pods fit on no node"
    return course.to(
        allowed, Cause.PENDING, f"{which}: not above {allowed} until they do", "CapacityLimited"
    )


def _disabled(scaling: Scaling, facts: Facts, now: datetime) -> Scaled:
    """Nothing at 0 replicas, and nothing remembered: what was asked for before somebody chose 0
    has no say when somebody chooses another number.
    """
    bounds = effective(scaling, facts.bounds)
    message = "0: left alone until somebody raises it"
    return Scaled(
        at=now,
        current=0,
        desired=0,
        cause=Cause.DISABLED,
        message=message,
        explanation=Explanation(bounds.floor, bounds.ceiling, next_change=facts.bounds.next_change),
        memory=Memory(),
        active=Said(status=False, reason="ScalingDisabled", message=message),
        limited=_WITHIN,
    )


def _scaled(question: _Question, course: _Course, *, by_metrics: bool = False) -> Scaled:
    winner = largest(question.proposals) if by_metrics else None
    explanation = Explanation(
        floor=question.range.floor,
        ceiling=question.range.ceiling,
        proposals=question.proposals,
        largest=winner.replicas if winner else None,
        by=winner.name if winner else "",
        steps=course.steps,
        next_change=question.facts.bounds.next_change,
    )
    return Scaled(
        at=question.now,
        current=question.facts.current,
        desired=course.replicas,
        cause=course.cause,
        message=words.sentence(course.replicas, explanation),
        explanation=explanation,
        memory=question.memory,
        active=_active(question),
        limited=course.limited,
    )


# What a metric without a proposal is a failure of, in the words of autoscaling/v2.
_FAILED: Final = {NOT_ASKED: "NoReadings", NO_READY_PODS: "FailedComputeMetricsReplicas"}


def _active(question: _Question) -> Said:
    """Whether the metrics gave a number to go by."""
    winner, missing = largest(question.proposals), unknown(question.proposals)
    enough = winner is not None and (winner.replicas or 0) >= question.facts.current
    if winner is not None and (enough or not missing):
        said = "; ".join(filter(None, [words.asks(winner), words.unknowns(missing)]))
        return Said(status=True, reason="ValidMetricFound", message=said)
    if not question.facts.answers or not missing:
        return Said(status=False, reason="NoReadings", message="no metric has been read yet")
    first = missing[0]
    said = ": ".join(filter(None, [words.unknowns(missing), first.detail]))
    return Said(
        status=False, reason=_FAILED.get(first.unknown, "FailedGetExternalMetric"), message=said
    )
