"""The status of a Rollout, from the situation: what a person sees. Nothing decides on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sluice.core import keys, sizing, times, ungating
from sluice.core.commands import accepted
from sluice.core.events import available, has_bad_query
from sluice.core.objects import Observed, Role
from sluice.core.plan import Condition, Status
from sluice.core.situation import Situation
from sluice.core.table import Phase
from sluice.core.verdict import Judgement, Verdict

_REJECTED_SHOWN = 10
# kstatus reads these three (design, section 2).
_BUSY = frozenset({Phase.PROGRESSING, Phase.PROMOTING, Phase.ROLLING_BACK, Phase.PAUSED})
# What is told of these matters less than that a query in the spec is wrong.
_MEASURED = frozenset({"Running", "Unknown"})


def simple(observed: Observed, phase: Phase, message: str, reason: str) -> Status:
    """A status without a release: not adopted, stalled, or invalid."""
    stuck = phase in (Phase.STALLED, Phase.INVALID)
    conditions = [
        Condition("Ready", status=False, reason=reason, message=message),
        Condition("Reconciling", status=not stuck, reason=reason, message=message),
        Condition("Stalled", status=stuck, reason=reason, message=message),
    ]
    return Status(
        phase=phase,
        message=message,
        conditions=tuple(conditions),
        last_command=_last_command(observed.rollout.annotations),
        scaling=_scaling_before(observed),
    )


def _scaling_before(observed: Observed) -> Mapping[str, Any] | None:
    """What was shown of scaling: its windows are kept there, and must not begin anew only because
    the spec was wrong for a while.
    """
    policy = observed.rollout.policy
    scales = policy is None or policy.scaling is not None
    return observed.rollout.stored_scaling if scales else None


def full(situation: Situation, phase: Phase, reason: str, message: str) -> Status:
    """The status of an adopted Deployment."""
    if reason in _MEASURED and has_bad_query(situation):
        reason = "BadQuery"
    return Status(
        phase=phase,
        message=message,
        conditions=_conditions(situation, phase, reason, message),
        stable=_stable(situation),
        release=_release(situation),
        rejected=_rejected(situation),
        last_command=_last_command(situation.observed.rollout.annotations),
        desired=situation.replicas,
    )


def with_conflict(status: Status, reason: str, message: str) -> Status:
    """The same status with a Conflict: somebody else works on the same Deployment."""
    kept = [c for c in status.conditions if c.type not in ("Conflict", "Ready")]
    said = [
        Condition("Conflict", status=True, reason=reason, message=message),
        Condition("Ready", status=False, reason=reason, message=message),
    ]
    return replace(status, message=message, conditions=(*kept, *said))


def _conditions(
    situation: Situation, phase: Phase, reason: str, message: str
) -> tuple[Condition, ...]:
    enough = sizing.may_swap(
        situation.replicas, situation.deployment.max_unavailable, available(situation.base)
    )
    ready = phase is Phase.HEALTHY and enough
    why = reason if enough or phase is not Phase.HEALTHY else "PodsUnavailable"
    busy = phase in _BUSY or (phase is Phase.HEALTHY and not enough)
    # A template that was rolled back stays until somebody changes it: kstatus' Stalled.
    stalled = phase in (Phase.STALLED, Phase.ROLLED_BACK)
    conditions = [
        Condition("Ready", status=ready, reason=why, message=_with_deadline(situation, message)),
        Condition("Reconciling", status=busy, reason=why, message=message),
        Condition("Stalled", status=stalled, reason=why, message=message),
    ]
    if conflict := _ungated(situation):
        conditions.append(conflict)
    if situation.trouble is not None and situation.trouble.unplaced:
        said = situation.trouble.sentence
        conditions.append(
            Condition("CapacityLimited", status=True, reason="Unschedulable", message=said)
        )
    if phase is Phase.PAUSED:
        conditions.append(Condition("Paused", status=True, reason=reason, message=message))
    if phase is Phase.ROLLED_BACK:
        conditions.append(Condition("Rejected", status=True, reason=reason, message=message))
    return tuple(conditions)


def _with_deadline(situation: Situation, message: str) -> str:
    """What kstatus will say of the Deployment where its deadline is not ours to set."""
    deployment = situation.deployment
    if deployment.progress_deadline_seconds == keys.ENDLESS_DEADLINE_SECONDS:
        return message
    return (
        f"{message}; kstatus shows Deployment {deployment.ref.name} as InProgress, because its "
        "progressDeadlineSeconds is set by somebody else"
    )


def _ungated(situation: Situation) -> Condition | None:
    """That somebody unpaused the Deployment a short while ago."""
    found = ungating.instants(situation.observed.rollout.annotations, situation.now)
    if not found:
        return None
    name = situation.deployment.ref.name
    message = (
        f"Deployment {name} was unpaused at {times.stamp(found[-1])} and has been paused again; "
        "leave spec.paused to Sluice: take it out of the manifest"
    )
    return Condition("Conflict", status=True, reason="Ungated", message=message)


def _stable(situation: Situation) -> Mapping[str, Any] | None:
    stable = situation.stable
    if stable is None:
        return None
    return {
        "hash": stable.pod_hash,
        "revision": stable.revision,
        "replicas": stable.replicas if situation.tried else situation.replicas,
        "available": stable.shown_available,
    }


def _release(situation: Situation) -> Mapping[str, Any] | None:
    side = situation.rising
    if side is None:
        return None
    shown: dict[str, Any] = {
        "id": situation.release,
        "hash": side.pod_hash,
        "images": _images(side.template),
        "weight": sizing.actual_weight(
            side.shown_available, situation.stable.shown_available if situation.stable else 0
        ),
        "canaryReplicas": side.replicas,
        "canaryAvailable": side.shown_available,
        "startedAt": side.annotations.get(keys.RELEASE_STARTED),
    }
    if situation.canary is not None:
        shown["step"] = situation.step_number
        shown["steps"] = len(situation.policy.steps)
        shown["stepStartedAt"] = side.annotations.get(keys.STEP_STARTED)
        shown["metrics"] = [_metric(judgement) for judgement in situation.judgements]
    return {key: value for key, value in shown.items() if value is not None}


def _metric(judgement: Judgement) -> Mapping[str, Any]:
    shown = {
        "name": judgement.metric,
        # Too few requests are neither of the three: nothing is said yet.
        "verdict": None if judgement.verdict is Verdict.TOO_FEW else judgement.verdict,
        "canary": _short(judgement.value),
        "stable": _short(judgement.stable),
        "evidence": _short(judgement.evidence),
        "message": judgement.sentence,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _images(template: Mapping[str, Any]) -> list[str]:
    containers = (template.get("spec") or {}).get("containers") or []
    return [str(container.get("image", "")) for container in containers][:10]


def _rejected(situation: Situation) -> tuple[Mapping[str, Any], ...]:
    """Rejected templates by the hash of their pods, oldest first."""
    seen: dict[str, dict[str, str]] = {}
    for record in situation.observed.records:
        if record.rejected_at:
            facts = {"hash": record.pod_hash, "at": record.rejected_at, "reason": record.reason}
            seen[record.template_hash] = facts
    for rs in situation.living:
        if rs.role is Role.REJECTED and keys.REJECTED_AT in rs.annotations:
            at, reason = rs.annotations[keys.REJECTED_AT], rs.annotations.get(keys.REASON, "")
            facts = {"hash": rs.pod_hash, "at": at, "reason": reason}
            seen.setdefault(rs.template_hash, facts)
    return tuple(sorted(seen.values(), key=lambda facts: facts["at"])[-_REJECTED_SHOWN:])


def _last_command(annotations: Mapping[str, str]) -> Mapping[str, Any] | None:
    last = accepted(annotations)
    if last is None:
        return None
    result = last.result if last.done else "under way"
    return {"id": last.id, "verb": last.verb, "result": result, "at": last.at}
