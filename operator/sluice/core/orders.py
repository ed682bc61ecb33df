"""Commands that are carried out by a write or two: promote, promote-full, retry and restart.

(`abort` and `rollback` are events of the table: they last as long as their pods take.) The object
is written first and the command's end second. Killed in between, the command is found carried out.
"""

from __future__ import annotations

from dataclasses import replace

from sluice.core import keys, story
from sluice.core.commands import CANARY_STATES, Accepted
from sluice.core.events import command, first
from sluice.core.objects import Role
from sluice.core.plan import (
    Action,
    Changes,
    Decision,
    PatchDeployment,
    PatchRecord,
    PatchReplicaSet,
    PatchRollout,
    Plan,
)
from sluice.core.release_data import ReleaseData, approve, override
from sluice.core.rising import patch_rising
from sluice.core.situation import Situation
from sluice.core.table import Event

_HOLDS = frozenset({Event.FAILURE_HELD, Event.NO_DATA_HELD, Event.LOW_TRAFFIC_HELD})
# What `retry` takes off a rejected version. It was once stable, perhaps, and is not known as good
# any more: a release from step 1.
_FORGOTTEN: Changes = {keys.REJECTED_AT: None, keys.REASON: None, keys.STABLE_AT: None}


def carry_out(situation: Situation) -> Plan | None:
    """The plan of the accepted command; None when there is none of these."""
    order = command(situation)
    if order is None:
        return None
    match order.name:
        case "promote":
            return _promote(situation, order)
        case "promote-full":
            return _promote_full(situation, order)
        case "retry":
            return _retry(situation, order)
        case "restart":
            return _restart(situation, order)
    return None


def finish(situation: Situation, order: Accepted, result: str) -> Plan:
    """Records that the command is done, so that it is never acted on again."""
    patch = PatchRollout(
        situation.observed.rollout.ref, {keys.ACCEPTED: order.finished(result).dump()}
    )
    decision = Decision(f'command "{order.verb}"', result)
    return Plan((patch,), decision=decision, again_at=situation.now)


def _promote(situation: Situation, order: Accepted) -> Plan:
    """Past what holds the release now, and only that; what was gone past is recorded."""
    if situation.state not in CANARY_STATES or situation.release != order.release:
        return finish(situation, order, f"release {order.release} is over")
    weight, event = situation.step.weight, first(situation)
    if situation.step_number != order.step:
        return finish(situation, order, f"step {order.step} of {order.release} is over")
    if situation.data.overridden(weight):
        return finish(situation, order, f"went past what held {story.where(situation)}")
    if event in _HOLDS:
        return _write(situation, order, override(situation.data, weight, event.value))
    if situation.step.approval_required:
        if weight in situation.data.approved:
            return finish(situation, order, f"{story.where(situation)} is approved")
        return _write(situation, order, approve(situation.data, weight))
    said = f"nothing done: nothing to go past; {story.why(situation, event)}"
    return finish(situation, order, said)


def _promote_full(situation: Situation, order: Accepted) -> Plan:
    """Past all steps and all analysis; what the pods say by themselves still counts."""
    if situation.state not in CANARY_STATES or situation.release != order.release:
        return finish(situation, order, f"release {order.release} is over")
    if situation.data.full:
        return finish(situation, order, f"release {order.release} goes past all its steps")
    return _write(situation, order, replace(situation.data, full=True, failure=None))


def _retry(situation: Situation, order: Accepted) -> Plan:
    """Forgets the rejection of the template in the Deployment, on its ReplicaSet and its record."""
    template = order.target
    if situation.deployment.template_hash != template:
        return finish(situation, order, "nothing done: the Deployment has another template by now")
    if template not in situation.rejected:
        return finish(situation, order, "the rejection is forgotten: a release from step 1")
    marked: tuple[Action, ...] = tuple(
        # One that still serves in the stable one's place is the Deployment's: forgotten like ours.
        PatchReplicaSet(rs.ref, annotations={**_FORGOTTEN, keys.ROLE: Role.RETIRED})
        for rs in situation.living
        if rs.template_hash == template and keys.REJECTED_AT in rs.annotations
    )
    record = situation.record_of(template)
    booked = (PatchRecord(record.ref, _FORGOTTEN),) if record and record.rejected_at else ()
    decision = Decision(f'command "{order.verb}"', f"template {template} is not rejected any more")
    return Plan((*marked, *booked), decision=decision, again_at=situation.now)


def _restart(situation: Situation, order: Accepted) -> Plan:
    """Writes the leaf that `kubectl rollout restart` writes: a new template, so a release."""
    metadata = situation.deployment.template.get("metadata") or {}
    if (metadata.get("annotations") or {}).get(keys.RESTARTED_AT) == order.at:
        return finish(situation, order, f"restartedAt is {order.at}: a release like any other")
    if situation.deployment.template_hash in situation.rejected:
        return finish(situation, order, "nothing done: the Deployment's template is rejected")
    leaf = {keys.RESTARTED_AT: order.at}
    patch = PatchDeployment(situation.deployment.ref, template_annotations=leaf)
    decision = Decision(f'command "{order.verb}"', f"restartedAt {order.at}")
    return Plan((patch,), decision=decision, again_at=situation.now)


def _write(situation: Situation, order: Accepted, data: ReleaseData) -> Plan:
    decision = Decision(f'command "{order.verb}"', f"at {story.where(situation)}")
    patch = patch_rising(situation, {}, data=data)
    return Plan((patch,), decision=decision, again_at=situation.now)
