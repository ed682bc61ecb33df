"""How each move of the table is done: the actions it takes on the objects.

A move that can take serving pods away is one patch to one object, so that the next pass judges
again before the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from sluice.core import findings, handover, keys, story, times
from sluice.core.belongings import (
    birth_labels,
    free_pod_hash,
    labels,
    new_record,
    ours,
)
from sluice.core.events import available, command
from sluice.core.objects import ReplicaSet, Role
from sluice.core.plan import (
    Action,
    Changes,
    CreateReplicaSet,
    PatchRecord,
    PatchReplicaSet,
)
from sluice.core.release_data import ReleaseData, checkpoint_due
from sluice.core.rising import CLEARED, patch_rising
from sluice.core.situation import Situation
from sluice.core.sizing import canary_size, shrunk
from sluice.core.table import Event, Move

Actions = tuple[Action, ...]


def _nothing(situation: Situation) -> Actions:
    stored, data = situation.stored_data, situation.data
    if situation.canary is not None and (data != stored or checkpoint_due(stored, data)):
        return (patch_rising(situation, {}),)
    return ()


def _start(situation: Situation) -> Actions:
    """The canary first, its template's record in the next pass: after whichever write the
    operator dies, the release is known by its ReplicaSet and not started once more.
    """
    deployment = situation.deployment
    template_hash = deployment.template_hash
    existing = situation.of_template(template_hash)
    record = situation.record_of(template_hash)
    tries = (record.tries if record else 0) + 1
    revision = situation.next_revision()
    annotations = _first_step(situation, f"{revision}-{template_hash[:5]}-{tries}", revision)
    size = canary_size(situation.replicas, situation.policy.steps[0].weight)
    if existing is not None:
        changes = {**CLEARED, keys.REASON: None, **annotations}
        size = situation.at_least_serving(existing, size)
        return (_revived(situation, existing, size, changes),)
    pod_hash = free_pod_hash(situation, template_hash)
    return (
        CreateReplicaSet(
            name=f"{deployment.ref.name}-{pod_hash}",
            owner=ours(situation),
            replicas=size,
            pod_hash=pod_hash,
            template=deployment.template,
            selector=deployment.selector,
            min_ready_seconds=deployment.min_ready_seconds,
            labels=birth_labels(situation, deployment.template, pod_hash),
            annotations=annotations,
        ),
    )


def _first_step(situation: Situation, release: str, revision: int) -> dict[str, str]:
    now = times.stamp(situation.now)
    return {
        keys.ROLE: Role.CANARY,
        keys.RELEASE: release,
        keys.RELEASE_STARTED: now,
        keys.RELEASE_DATA: ReleaseData(analysis=situation.policy.analysis).dump(),
        keys.STEP: "1",
        keys.STEP_WEIGHT: str(situation.policy.steps[0].weight),
        keys.STEP_SIZE: str(canary_size(situation.replicas, situation.policy.steps[0].weight)),
        keys.GROW_STARTED: now,
        keys.REVISION: str(revision),
    }


def _withdraw(situation: Situation, event: Event) -> Actions:
    why = story.why(situation, event)
    changes = {**CLEARED, keys.ROLE: Role.RETIRED, keys.REASON: why}
    return (patch_rising(situation, changes, replicas=taken_back(situation)),)


def taken_back(situation: Situation) -> int:
    """The size of a side that is taken back before its swap: 0 at once, because it was extra. But
    where the stable side has lost pods, as many are left as are needed; they go by the rule of
    every old side.
    """
    rising = situation.rising
    if rising is None or not rising.status_available:
        return 0
    needed = situation.replicas - situation.deployment.max_unavailable
    return shrunk(rising.replicas, needed, available(situation.stable))


def _reject(situation: Situation, event: Event) -> Actions:
    now, why = times.stamp(situation.now), story.why(situation, event)
    changes = {**CLEARED, keys.ROLE: Role.REJECTED, keys.REJECTED_AT: now, keys.REASON: why}
    return (patch_rising(situation, changes, replicas=taken_back(situation)),)


def _resize(situation: Situation) -> Actions:
    rising, size = situation.rising, situation.given
    changes: dict[str, str | None] = {}
    if rising is not None and size > rising.replicas:
        changes |= {keys.GROW_STARTED: times.stamp(situation.now), keys.LOST_AT: None}
        if rising.replicas == 0:
            # Nothing ran meanwhile: the step begins anew.
            changes[keys.STEP_STARTED] = None
    return (patch_rising(situation, changes, replicas=size),)


def _start_clock(situation: Situation) -> Actions:
    """A canary that had lost pods for no longer than an interval goes on with the clock it had;
    after a longer loss nobody knows what the step would have shown.
    """
    canary, now = situation.canary, situation.now
    running = situation.stamp(canary, keys.STEP_STARTED)
    lost_seconds = (now - situation.since(canary, keys.GROW_STARTED)).total_seconds()
    changes: dict[str, str | None] = {keys.GROW_STARTED: None}
    if keys.LOST_AT in (canary.annotations if canary else ()):
        lost = lost_seconds if running else 0.0
        changes[keys.LOST_AT] = None
        changes[keys.LOST_SECONDS] = str(situation.lost_seconds + round(lost))
    if running is None or lost_seconds > situation.data.analysis.interval_seconds:
        changes[keys.STEP_STARTED] = times.stamp(now)
    return (patch_rising(situation, changes),)


def _stop_clock(situation: Situation) -> Actions:
    now = times.stamp(situation.now)
    changes: dict[str, str | None] = {keys.GROW_STARTED: now}
    if not situation.tried:
        # What the Deployment owns has too few pods whenever it is scaled up.
        changes[keys.LOST_AT] = now
    return (patch_rising(situation, changes),)


def _next_step(situation: Situation) -> Actions:
    number, data = situation.step_number + 1, counted_anew(past_override(situation))
    weight = situation.policy.steps[number - 1].weight
    changes: dict[str, str | None] = {
        keys.STEP: str(number),
        keys.STEP_WEIGHT: str(weight),
        keys.STEP_SIZE: str(canary_size(situation.replicas, weight)),
        keys.GROW_STARTED: times.stamp(situation.now),
        keys.LOST_AT: None,
        keys.LOST_SECONDS: None,
        keys.STEP_STARTED: None,
    }
    # What the Deployment owns is its controller's to size.
    size = None if situation.tried else canary_size(situation.replicas, weight)
    return (patch_rising(situation, changes, replicas=size, data=data),)


def past_override(situation: Situation) -> ReleaseData:
    """The data for the next step: what was found in a step that was gone past is not its own."""
    data = situation.data
    if not data.overridden(situation.step.weight):
        return data
    return replace(data, failure=None, failures=())


def counted_anew(data: ReleaseData) -> ReleaseData:
    """The data for the next step, which has had no requests yet."""
    counted = ((name, findings.requests(standing)) for name, standing in data.standings)
    return replace(data, counted=tuple(counted))


def _raise(situation: Situation) -> Actions:
    now = times.stamp(situation.now)
    changes: Changes = {
        keys.RAISE_STARTED: now,
        keys.GROW_STARTED: now,
        keys.LOST_AT: None,
        keys.LOST_SECONDS: None,
    }
    data = past_override(situation)
    return (patch_rising(situation, changes, replicas=situation.replicas, data=data),)


def _go_back(situation: Situation) -> Actions:
    """A rollback after promotion: the version in use is rejected before the earlier one rises, so
    that it is not released again whatever happens in between.
    """
    order, stable = command(situation), situation.stable
    assert order is not None, "CalledBack holds only with an accepted command"
    assert stable is not None, "CalledBack holds only with a stable version"
    target = situation.of_template(order.target)
    if target is None:
        return ()
    why = f'rolled back by command "{order.verb}"'
    rise = _returning(situation, target, why)
    if stable.template_hash in situation.rejected:
        return (rise,)
    record = situation.record_of(stable.template_hash)
    rejection = {keys.REJECTED_AT: times.stamp(situation.now), keys.REASON: why}
    if record is not None:
        return PatchRecord(record.ref, rejection), rise
    return new_record(situation, stable.template_hash, stable.pod_hash, rejection), rise


def _return(situation: Situation) -> Actions:
    target = situation.of_template(situation.deployment.template_hash)
    assert target is not None, "KnownTemplate holds only where one of ours has the template"
    return (_returning(situation, target, "the template was stable before"),)


def _returning(situation: Situation, target: ReplicaSet, why: str) -> PatchReplicaSet:
    now, revision = times.stamp(situation.now), situation.next_revision()
    record = situation.record_of(target.template_hash)
    tries = max(1, record.tries if record else 1)
    annotations = {
        **CLEARED,
        keys.ROLE: Role.RETURNING,
        keys.RELEASE: f"{revision}-{target.template_hash[:5]}-{tries}",
        keys.RELEASE_STARTED: now,
        keys.GROW_STARTED: now,
        keys.REVISION: str(revision),
        keys.REASON: why,
    }
    # An old side that still shrinks is only ever raised here: N is more than it has.
    return _revived(situation, target, max(situation.replicas, target.replicas), annotations)


def _revived(
    situation: Situation, replica_set: ReplicaSet, size: int, changes: Changes
) -> PatchReplicaSet:
    """One of ours rises again, by the Deployment's present idea of being available."""
    return PatchReplicaSet(
        replica_set.ref,
        size,
        ours(situation),
        labels(situation),
        changes,
        situation.deployment.min_ready_seconds,
    )


def _refill(situation: Situation) -> Actions:
    stable = situation.stable
    assert stable is not None, "Outgrown holds only with a stable version"
    return (PatchReplicaSet(stable.ref, situation.kept),)


MOVES: Final[Mapping[Move, Callable[[Situation], Actions]]] = {
    Move.NOTHING: _nothing,
    Move.START: _start,
    Move.RESIZE: _resize,
    Move.REFILL: _refill,
    Move.START_CLOCK: _start_clock,
    Move.STOP_CLOCK: _stop_clock,
    Move.NEXT_STEP: _next_step,
    Move.RAISE: _raise,
    Move.GO_BACK: _go_back,
    Move.RETURN: _return,
    Move.ANNOUNCE: handover.announce,
    Move.UNANNOUNCE: handover.unannounce,
    Move.PART: handover.part,
    Move.GIVE: handover.give,
    Move.TAKE_BACK: handover.take_back,
    Move.ACCEPT: handover.accept,
}
# These write down why, which depends on the event.
ENDINGS: Final[Mapping[Move, Callable[[Situation, Event], Actions]]] = {
    Move.WITHDRAW: _withdraw,
    Move.REJECT: _reject,
    Move.CONDEMN: handover.condemn,
    Move.RECLAIM: handover.reclaim,
}


def actions(situation: Situation, move: Move, event: Event) -> Actions:
    """The actions of a move."""
    if move in ENDINGS:
        return ENDINGS[move](situation, event)
    return MOVES[move](situation)
