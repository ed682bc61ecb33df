"""The gate and the rule of one, kept before anything else is thought of: what is done where the
Deployment is not paused, or does not own the one ReplicaSet that it shall own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from sluice.core import display, handover, keys, ownership, tidy, ungating
from sluice.core.announcements import Act, decision
from sluice.core.moves import taken_back
from sluice.core.objects import Role
from sluice.core.ownership import stable_record
from sluice.core.plan import Decision, PatchReplicaSet, PatchRollout, Plan
from sluice.core.rising import CLEARED
from sluice.core.situation import Situation, State
from sluice.core.table import Phase

_WAIT: Final = timedelta(seconds=2)
# The garbage collector lets an orphaning object go within moments, which the watch may not tell.
_FREED: Final = timedelta(milliseconds=250)


def guard(situation: Situation) -> Plan | None:
    """What has to be put right before a release may go on; None when all is."""
    return _gate(situation) or _ownership(situation) or _embattled(situation)


def _gate(situation: Situation) -> Plan | None:
    """The gate first: while it is open, or its shutting is not observed, no owner is changed."""
    deployment, now = situation.deployment, situation.now
    rollout = situation.observed.rollout
    patch = ownership.gate_patch(deployment, rollout.ref.name)
    if patch is not None and not deployment.paused:
        note = PatchRollout(rollout.ref, {keys.UNGATED: ungating.noted(rollout.annotations, now)})
        shut = decision(Act.SHUT_GATE, "gate shut again", "spec.paused was false")
        return Plan((patch, note), decision=shut, again_at=now)
    if patch is not None:
        mended = Decision("gate mended", "a field of ours was gone")
        return Plan((patch,), decision=mended, again_at=now)
    return Plan(again_at=now + _WAIT) if ungating.unsettled(situation) else None


def _ownership(situation: Situation) -> Plan | None:
    now = situation.now
    lost = situation.base is None and situation.heir is None
    if (lost or ownership.violators(situation)) and not situation.observed.fresh:
        return Plan(again_at=now, needs_fresh=True)
    if lost and (restored := _restored(situation)):
        return restored
    if taken := ownership.take_over(situation):
        return Plan(taken, decision=Decision("rule of one", "took over idle ones"), again_at=now)
    if placed := _placed(situation):
        return placed
    if lost:
        return _lost(situation)
    if again := ownership.restore_beside(situation):
        why = "it was deleted while another version is tried"
        made = decision(Act.RESTORE_STABLE, "stable ReplicaSet restored", why)
        return Plan(again, decision=made, again_at=now)
    mended = (
        ownership.surplus(situation)
        or ownership.unlabelled(situation)
        or ownership.strays(situation)
        or ownership.unmarked(situation)
        or handover.former_stable(situation)
    )
    return Plan(mended, again_at=now) if mended else None


def _restored(situation: Situation) -> Plan | None:
    now = situation.now
    if ownership.name_is_freed(situation):
        return Plan(again_at=now + _FREED)
    restored = ownership.restore_stable(situation)
    if not restored:
        return None
    why = "the Deployment owned none of that role"
    made = decision(Act.RESTORE_STABLE, "stable ReplicaSet restored", why)
    return Plan(restored, decision=made, again_at=now)


def _placed(situation: Situation) -> Plan | None:
    """What the Deployment has rolled by itself is put in its place."""
    found = ungating.put_in_place(situation)
    if found is None:
        return None
    action, why = found
    accepted = action.owner is None
    what = decision(Act.UNGATED, "rolled by itself", why) if accepted else None
    made = what or Decision("rolled by itself", why)
    return Plan((action,), decision=made, again_at=situation.now)


def _lost(situation: Situation) -> Plan:
    now = situation.now
    if lowered := tidy.shrink(situation):
        why = "the Deployment owns no stable ReplicaSet"
        return Plan(lowered, decision=Decision("shrink the old side", why), again_at=now)
    if situation.replicas == 0 and stable_record(situation.observed.records):
        message = "scaled to 0; the stable ReplicaSet is made again when it is scaled up"
        status = display.full(situation, Phase.HEALTHY, "ScaledToZero", message)
    else:
        message = "the stable ReplicaSet is gone and so is its template's record"
        status = display.full(situation, Phase.STALLED, "StableLost", message)
    return Plan(status=status, again_at=now + _WAIT)


def _embattled(situation: Situation) -> Plan | None:
    """Unpaused again and again: somebody else works on the same Deployment. The canary goes."""
    if ungating.over_at(situation) is None or situation.state is State.SWAPPING:
        return None
    canary = situation.canary
    if canary is None or situation.tried:
        return None
    changes = {**CLEARED, keys.ROLE: Role.RETIRED, keys.REASON: "unpaused too often"}
    size = taken_back(situation)
    patch = PatchReplicaSet(canary.ref, size, annotations=changes, dangerous=True)
    gone = Decision("take the canary to 0", "the Deployment is unpaused again and again")
    return Plan((patch,), decision=gone, again_at=situation.now)


def halted(situation: Situation) -> Situation:
    """The situation in which nothing goes forward for as long as the Deployment was unpaused too
    often a short while ago. Every way back stays open.
    """
    if ungating.over_at(situation) is None:
        return situation
    return replace(situation, policy=replace(situation.policy, paused=True))


def told(situation: Situation, plan: Plan) -> Plan:
    """The plan, with the Conflict in its status where that is why nothing goes forward."""
    until, status = ungating.over_at(situation), plan.status
    if until is None or status is None:
        return plan
    message = (
        f"Deployment {situation.deployment.ref.name} was unpaused {ungating.LIMIT} times within "
        f"{int(ungating.WINDOW.total_seconds() // 60)} minutes; nothing new is released before "
        f"{until:%H:%M:%S} UTC: take spec.paused out of the manifest"
    )
    moving = status.phase in (Phase.ROLLING_BACK, Phase.PROMOTING)
    phase = status.phase if moving else Phase.STALLED
    stalled = replace(display.with_conflict(status, "Ungated", message), phase=phase)
    latest = min(until, situation.now + timedelta(minutes=1))
    return replace(plan, status=stalled, again_at=min(plan.again_at or latest, latest))
