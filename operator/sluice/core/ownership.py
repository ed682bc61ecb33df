"""The gate and the rule of one: the Deployment is paused and owns the stable ReplicaSet alone.

Checked in every pass before anything else is thought of, because every other decision rests on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sluice.core import keys, times
from sluice.core.belongings import (
    birth_labels,
    deployments,
    free_pod_hash,
    handed_over,
    labels,
    ours,
)
from sluice.core.handover import retirement
from sluice.core.objects import Deployment, Record, ReplicaSet, Role
from sluice.core.plan import (
    Action,
    CreateReplicaSet,
    DeleteReplicaSet,
    Owner,
    PatchDeployment,
    PatchRecord,
    PatchReplicaSet,
)
from sluice.core.rising import CLEARED
from sluice.core.situation import Situation


def gate_patch(deployment: Deployment, rollout: str) -> PatchDeployment | None:
    """What is missing of the gate on an adopted Deployment; None when it is whole.

    progressDeadlineSeconds is left alone where somebody else has set it: a server-side apply of
    theirs would conflict, a client-side one would set it back.
    """
    ours_to_set = not deployment.deadline_has_owner
    deadline = deployment.progress_deadline_seconds
    endless = deadline == keys.ENDLESS_DEADLINE_SECONDS
    set_deadline = ours_to_set and not endless
    unlabelled = deployment.labels.get(keys.ROLLOUT_LABEL) != rollout
    if deployment.paused and not set_deadline and not unlabelled:
        return None
    former: dict[str, str | None] = {}
    if set_deadline and deadline and keys.FORMER_DEADLINE not in deployment.annotations:
        former = {keys.FORMER_DEADLINE: str(deadline)}
    return PatchDeployment(
        deployment.ref,
        paused=None if deployment.paused else True,
        progress_deadline_seconds=keys.ENDLESS_DEADLINE_SECONDS if set_deadline else None,
        labels={keys.ROLLOUT_LABEL: rollout} if unlabelled else {},
        annotations=former,
    )


def violators(situation: Situation) -> tuple[ReplicaSet, ...]:
    """What the Deployment owns beside the one that it shall own."""
    base = situation.base
    return tuple(rs for rs in situation.owned if base is None or rs.ref.uid != base.ref.uid)


def take_over(situation: Situation) -> tuple[Action, ...]:
    """Takes from the Deployment whatever it owns beside the one and has no pods."""
    idle = [rs for rs in violators(situation) if rs.idle]
    if situation.base is None and situation.heir is None:
        # Perhaps the stable one, without its marks; but not where it is known to be another.
        record = stable_record(situation.observed.records)
        idle = [rs for rs in idle if record and rs.template_hash != record.template_hash]
    return tuple(_to_ours(situation, rs) for rs in idle)


def restore_stable(situation: Situation) -> tuple[Action, ...]:
    """Gives the Deployment its stable ReplicaSet back when it owns none and no swap is announced.

    One that lost its owner, or its role, is given both back; one that was deleted is made again
    from its record, with the same name, hash and selector, so that pods which survived it are
    adopted. At N = 0 nothing is made: with revisionHistoryLimit 0 the controller would clean it up
    at once. Beside something that the Deployment owns nothing is ever made.
    """
    record = stable_record(situation.observed.records)
    if living := _living_stable(situation, record):
        marks = {**CLEARED, keys.ROLE: Role.STABLE, keys.REASON: None}
        if keys.STABLE_AT not in living.annotations:
            marks[keys.STABLE_AT] = times.stamp(situation.now)
        return (handed_over(situation, living, deployments(situation), marks),)
    if record is None or situation.replicas == 0 or situation.owned:
        return ()
    return (_made_again(situation, record, deployments(situation), situation.replicas),)


def name_is_freed(situation: Situation) -> bool:
    """Whether the stable ReplicaSet is just being deleted and leaves its pods: they serve on, and
    only a ReplicaSet of the same name and hash takes them back, so its going is awaited.
    """
    record = stable_record(situation.observed.records)
    return record is not None and any(
        rs.orphaning and rs.template_hash == record.template_hash
        for rs in situation.observed.replica_sets
    )


def restore_beside(situation: Situation) -> tuple[Action, ...]:
    """Makes the stable version again where it was deleted while another one is tried: there must
    be something to go back to.
    """
    record = stable_record(situation.observed.records)
    if situation.stable is not None or not situation.tried or record is None:
        return ()
    base = situation.base
    if not situation.replicas or base is None or base.template_hash == record.template_hash:
        return ()
    found, size = situation.of_template(record.template_hash), situation.kept
    if found is not None:
        marks = {**CLEARED, keys.ROLE: Role.STABLE, keys.REASON: None}
        return (PatchReplicaSet(found.ref, max(size, found.replicas), annotations=marks),)
    return (_made_again(situation, record, ours(situation), size),)


def _made_again(
    situation: Situation, record: Record, owner: Owner, replicas: int
) -> CreateReplicaSet:
    deployment, pod_hash = situation.deployment, free_pod_hash(situation, record.pod_hash)
    return CreateReplicaSet(
        name=f"{deployment.ref.name}-{pod_hash}",
        owner=owner,
        replicas=replicas,
        pod_hash=pod_hash,
        template=record.template,
        selector=deployment.selector,
        min_ready_seconds=deployment.min_ready_seconds,
        labels=birth_labels(situation, record.template, pod_hash),
        annotations={
            keys.ROLE: Role.STABLE,
            keys.STABLE_AT: record.stable_at or times.stamp(situation.now),
            keys.REVISION: str(situation.next_revision()),
        },
    )


def _living_stable(situation: Situation, record: Record | None) -> ReplicaSet | None:
    """The ReplicaSet that is the stable one by all but its owner or its role."""
    template, owned = (record.template_hash if record else None), situation.owned
    fitting = [rs for rs in owned if rs.template_hash == template]
    if owned and not fitting:
        # What else it owns may be a roll of its own; one alone can only be the stable one.
        return owned[0] if len(owned) == 1 and record is None else None
    lost = [rs for rs in situation.ours if rs.role is Role.STABLE]
    reusable = (Role.RETIRED, Role.RETURNING)
    kept = [rs for rs in situation.ours if rs.template_hash == template and rs.role in reusable]
    return next(iter([*fitting, *lost, *kept]), None)


def stable_record(records: Iterable[Record]) -> Record | None:
    """The record of the template that became stable last; a rejected one is none to return to."""
    stable = [record for record in records if record.stable_at and not record.rejected_at]
    return max(stable, key=lambda record: record.stable_at or "", default=None)


def surplus(situation: Situation) -> tuple[Action, ...]:
    """Deletes what is a second one of its template, as soon as it has no pods."""
    twins = (rs for rs in situation.ours if rs.role is Role.SURPLUS and rs.idle)
    return tuple(DeleteReplicaSet(rs.ref) for rs in twins)


def unlabelled(situation: Situation) -> tuple[Action, ...]:
    """Puts the label back where it is missing, so that the watch goes on seeing the object."""
    mark = labels(situation)
    return tuple(
        PatchReplicaSet(rs.ref, labels=mark)
        for rs in situation.living
        if rs.role is not None and not _carries(rs.labels, mark)
    )


def unmarked(situation: Situation) -> tuple[Action, ...]:
    """Says again what one of ours is that has lost its role: without one nobody would ever take its
    pods away.
    """
    return tuple(
        PatchReplicaSet(rs.ref, annotations={**CLEARED, **retirement(situation, rs)})
        for rs in situation.ours
        if rs.role is None and rs.owner_uid == situation.anchor_uid
    )


def strays(situation: Situation) -> tuple[Action, ...]:
    """Re-owns what is ours by label but not by owner, as after a lost anchor, and says again on the
    anchor that the Deployment is adopted.
    """
    anchor = situation.observed.anchor
    said = {keys.ADOPTED: times.stamp(situation.now)}
    unsaid = (PatchRecord(anchor.ref, said),) if anchor and not anchor.adopted else ()
    records = unsaid + tuple(
        PatchRecord(record.ref, owner=ours(situation))
        for record in situation.observed.records
        if record.owner_uid != situation.anchor_uid
    )
    return records + tuple(
        PatchReplicaSet(rs.ref, owner=ours(situation))
        for rs in situation.ours
        if (rs.role not in (None, Role.STABLE) or (rs.role is Role.STABLE and situation.tried))
        and keys.SWAP not in rs.annotations
        and rs.owner_uid != situation.anchor_uid
    )


def _to_ours(situation: Situation, replica_set: ReplicaSet) -> PatchReplicaSet:
    changes: dict[str, str | None] = {}
    if replica_set.role in (None, Role.STABLE):
        twin = situation.of_template(replica_set.template_hash)
        changes = {**CLEARED, keys.ROLE: Role.SURPLUS if twin else Role.RETIRED}
    return handed_over(situation, replica_set, ours(situation), changes)


def _carries(have: Mapping[str, str], mark: Mapping[str, str]) -> bool:
    return all(have.get(key) == value for key, value in mark.items())
