"""The sentences that people read: why each event decides, with object, value, limit and what
happens next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from sluice.core import keys
from sluice.core.events import (
    command,
    deadline,
    first_reading_at,
    low_traffic_at,
    no_data_at,
    step_ends,
)
from sluice.core.objects import Role
from sluice.core.situation import Situation, State
from sluice.core.table import Event
from sluice.core.times import span
from sluice.core.verdict import Verdict


def why(situation: Situation, event: Event) -> str:
    """Why this event decides, as one sentence without a full stop."""
    return _SENTENCES[event](situation)


def where(situation: Situation) -> str:
    """`step 2 of 3 (25%)`."""
    steps = situation.policy.steps
    return f"step {situation.step_number} of {len(steps)} ({situation.step.weight}%)"


def revision_of(situation: Situation) -> str:
    """`revision 4`, of the stable version."""
    return f"revision {situation.stable.revision}" if situation.stable else "the stable version"


def unknown_metrics(situation: Situation) -> str:
    """The sentences of the metrics that are bad or not known."""
    return _said_of(situation, Verdict.FAIL, Verdict.UNKNOWN)


def _said_of(situation: Situation, *verdicts: Verdict) -> str:
    return "; ".join(j.sentence for j in situation.judgements if j.verdict in verdicts)


def _few(situation: Situation) -> str:
    return _said_of(situation, Verdict.TOO_FEW)


def _at(until: datetime | None) -> str:
    """A time of day. Never a span that is left: it would change the status in every pass."""
    return f"{until.astimezone(UTC):%H:%M:%S} UTC" if until else ""


def _pods(situation: Situation) -> str:
    rising = situation.rising or situation.heir
    have, want = rising.shown_available if rising else 0, situation.wanted
    return f"{have} of {want} pods available"


def _serving(situation: Situation) -> int:
    return situation.stable.shown_available if situation.stable else 0


def _trouble(situation: Situation) -> str:
    return f"; {situation.trouble.sentence}" if situation.trouble else ""


def _called_back(situation: Situation) -> str:
    order = command(situation)
    verb = order.verb if order else "rollback"
    return f'command "{verb}": {revision_of(situation)} goes'


def _aborted(situation: Situation) -> str:
    order = command(situation)
    place = f" at {where(situation)}" if situation.canary else ""
    return f'command "{order.verb}"{place}' if order else "aborted"


def _replaced(situation: Situation) -> str:
    if situation.stable and (situation.deployment.template_hash == situation.stable.template_hash):
        return f"the Deployment's template is that of {revision_of(situation)} again"
    return "the Deployment has a newer template"


def _crashed(situation: Situation) -> str:
    return situation.trouble.sentence if situation.trouble else "a container keeps failing"


def _failed(situation: Situation) -> str:
    failure = situation.data.failure
    return f"{failure.sentence} at {where(situation)}" if failure else "a metric failed"


def _no_data(situation: Situation) -> str:
    after = span(situation.data.analysis.no_data_after_seconds)
    said = unknown_metrics(situation) or "no metric has answered"
    return f"{said}, for more than {after} (noData.after)"


def _overdue(situation: Situation) -> str:
    limit = span(situation.policy.progress_deadline_seconds)
    have = f"{_pods(situation)} after {limit} (progressDeadline)"
    return f"{have}{_trouble(situation)}"


def _unavailable(situation: Situation) -> str:
    until = _at(deadline(situation))
    limit = f"; rolled back at {until} otherwise" if until and situation.canary else ""
    growing = situation.state in (State.GROWING, State.FILLING)
    place = where(situation) if growing else "growing to full size"
    return f"{place}: {_pods(situation)}{_trouble(situation)}{limit}"


def _running(situation: Situation) -> str:
    waiting = unknown_metrics(situation)
    said = f"; {waiting}" if waiting else ""
    return f"{where(situation)} until {_at(step_ends(situation))}{said}"


def _unknown(situation: Situation) -> str:
    place = where(situation)
    if situation.state is State.RAISING:
        place = "before the swap"
    if said := unknown_metrics(situation):
        until = _at(no_data_at(situation))
        action = situation.data.analysis.no_data_action
        then = f"; {action} at {until}" if until and situation.data.unknown_since else ""
        return f"{place} holds: {said}{then}"
    if situation.now < first_reading_at(situation):
        return f"{place}: initialDelay until {_at(first_reading_at(situation))}"
    return f"{place} holds until all metrics have been read"


def _known(situation: Situation) -> str:
    known = situation.of_template(situation.deployment.template_hash)
    revision = f" (revision {known.revision})" if known else ""
    return f"the template was stable before{revision}: no steps, no analysis"


def _unchanged(situation: Situation) -> str:
    have, want = _serving(situation), situation.replicas
    return f"{revision_of(situation)}: {have} of {want} pods available"


def _template_rejected(situation: Situation) -> str:
    template = situation.deployment.template_hash
    bad = situation.of_template(template)
    record = situation.record_of(template)
    reason = (bad.annotations.get(keys.REASON) if bad else None) or (
        record.reason if record else ""
    )
    said = reason or "it was rolled back before"
    return f"{revision_of(situation)} serves; the Deployment's template is rejected: {said}"


def _new_template(situation: Situation) -> str:
    return f"new template {situation.deployment.template_hash}"


def _otherwise(situation: Situation) -> str:
    left = sum(rs.status_replicas for rs in situation.leavers)
    have, want = _serving(situation), situation.replicas
    pods = "pod" if left == 1 else "pods"
    said = f"{revision_of(situation)}: {have} of {want} pods available, {left} old {pods} left"
    rejected = (rs for rs in situation.leavers if rs.role is Role.REJECTED)
    reasons = (rs.annotations.get(keys.REASON) for rs in rejected)
    reason = next((text for text in reasons if text), None)
    return f"{said}; {reason}" if reason else said


_SENTENCES: Final[Mapping[Event, Callable[[Situation], str]]] = {
    Event.CALLED_BACK: _called_back,
    Event.ABORTED: _aborted,
    Event.WITHDRAWN: _replaced,
    Event.REPLACED: _replaced,
    Event.CRASHED: _crashed,
    Event.FAILED: _failed,
    Event.NO_DATA: _no_data,
    Event.OVERDUE: _overdue,
    Event.OUTGROWN: lambda s: (
        f"{where(s)}: the stable side shall have {s.kept} pods for {s.replicas} replicas"
    ),
    Event.TO_BE_TRIED: lambda s: f"{where(s)}: {_pods(s)}: it takes the stable version's place",
    Event.RESIZED: lambda s: f"{where(s)}: {s.given} pods for {s.replicas} replicas",
    Event.EMPTY: lambda s: (
        "the Deployment is scaled to 0; goes on when it is scaled up"
        if s.canary
        else "a new template waits until the Deployment is scaled up from 0"
    ),
    Event.LOST: lambda s: f"{where(s)}: pods were lost, {_pods(s)}",
    Event.UNAVAILABLE: _unavailable,
    Event.AVAILABLE: lambda s: f"{where(s)}: {_pods(s)}",
    Event.FAILURE_HELD: lambda s: f"{_failed(s)}; waits for promote or abort (onFailure: Pause)",
    Event.NO_DATA_HELD: lambda s: f"{_no_data(s)}; goes on when they are known again",
    Event.HALTED: lambda s: (
        f"{where(s)}: spec.paused is true, no next step"
        if s.canary
        else "a new template waits: spec.paused is true"
    ),
    Event.RUNNING: _running,
    Event.UNKNOWN: _unknown,
    Event.LOW_TRAFFIC_HELD: lambda s: (
        f"{where(s)} holds: {_few(s)}; for more than "
        f"{span(s.data.analysis.low_traffic_after_seconds)} (lowTraffic.after)"
    ),
    Event.LOW_TRAFFIC: lambda s: (
        f"{where(s)} waits for more requests: {_few(s)}; "
        f"{s.data.analysis.low_traffic_action} at {_at(low_traffic_at(s))}"
    ),
    Event.APPROVAL: lambda s: (
        f"{where(s)} waits for approval: "
        f"kubectl annotate slr/{s.observed.rollout.ref.name} sluice.dev/command=promote"
    ),
    Event.PASSED: lambda s: f"{where(s)} passed",
    Event.LAST_PASSED: lambda s: f"{where(s)} passed, the last one",
    Event.READY: lambda s: f"{_pods(s)}: the swap",
    Event.GAP_UNREADY: lambda s: f"{_pods(s)} in mid-swap: the old version stays",
    Event.GAP_TRIED: lambda s: f"{_pods(s)}: in the stable version's place",
    Event.GAP_READY: lambda s: f"{_pods(s)}: it is the stable version now",
    Event.NOT_READY: lambda s: f"{_pods(s)}: too few for the swap",
    Event.UNCHANGED: _unchanged,
    Event.TEMPLATE_REJECTED: _template_rejected,
    Event.KNOWN_TEMPLATE: _known,
    Event.NEW_TEMPLATE: _new_template,
    Event.OTHERWISE: _otherwise,
}
