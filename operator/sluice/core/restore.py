"""Giving the Deployment back when the Rollout is deleted: plain, unpaused, on the stable version.

The finalizer goes last, the anchor just before it. A Deployment that is already gone blocks
nothing.
"""

from __future__ import annotations

from sluice.core import keys, tidy
from sluice.core.adoption import is_adopted
from sluice.core.events import old_side
from sluice.core.moves import CLEARED, deployments
from sluice.core.objects import Observed, ReplicaSet, Role
from sluice.core.ownership import restore_stable, stable_record
from sluice.core.plan import (
    Action,
    Changes,
    DeleteRecord,
    DeleteReplicaSet,
    Owner,
    PatchDeployment,
    PatchReplicaSet,
    PatchRollout,
)
from sluice.core.situation import Situation
from sluice.core.templates import normalise, without_hash

_MARKS: Changes = {
    **CLEARED,
    **dict.fromkeys(
        (
            keys.ROLE,
            keys.STABLE_AT,
            keys.REJECTED_AT,
            keys.RELEASE,
            keys.RELEASE_STARTED,
            keys.REASON,
            # The Deployment controller copies the Deployment's annotations.
            keys.FORMER_DEADLINE,
        )
    ),
}


def restore(situation: Situation) -> tuple[Action, ...]:
    """The next writes on the way back; empty while something has to be awaited."""
    if not is_adopted(situation.observed, situation.deployment):
        # The gate is open (or never was shut): from here on the Deployment is the user's alone.
        marked = tuple(_plain(rs) for rs in situation.living if rs.role is not None)
        return marked or farewell(situation.observed)
    lost = situation.stable is None and situation.heir is None
    if lost and (found := restore_stable(situation)):
        return found
    for step in (_end_release, _shrink, _put_template_back, _give_history_back):
        actions = step(situation)
        if actions is not None:
            return actions
    return _open_the_gate(situation)


def farewell(observed: Observed) -> tuple[Action, ...]:
    """The last writes: records, anchor, finalizer."""
    records = tuple(DeleteRecord(record.ref) for record in observed.records)
    anchor = (DeleteRecord(observed.anchor.ref),) if observed.anchor else ()
    rollout = observed.rollout
    rest = tuple(name for name in rollout.finalizers if name != keys.FINALIZER)
    if len(rest) == len(rollout.finalizers):
        return (*records, *anchor)
    return (*records, *anchor, PatchRollout(rollout.ref, finalizers=rest))


def abandon(observed: Observed) -> tuple[Action, ...]:
    """What is left of a Deployment that is gone: ours go to 0 and are deleted, then their records
    and the anchor. Empty when nothing is left.
    """
    orphans = [rs for rs in observed.replica_sets if _is_ours(rs, observed)]
    awake = [rs for rs in orphans if rs.replicas > 0 and not rs.deleting]
    if awake:
        return tuple(PatchReplicaSet(rs.ref, 0, dangerous=True) for rs in awake)
    doomed = [rs for rs in orphans if not rs.deleting]
    if doomed:
        return tuple(DeleteReplicaSet(rs.ref) for rs in doomed)
    records = tuple(DeleteRecord(record.ref) for record in observed.records)
    return (*records, DeleteRecord(observed.anchor.ref)) if observed.anchor else records


def _is_ours(rs: ReplicaSet, observed: Observed) -> bool:
    uid = observed.anchor.ref.uid if observed.anchor else None
    if rs.owner_uid is not None and rs.owner_uid == uid:
        return True
    return rs.role is not None and rs.owner_uid is None


def _end_release(situation: Situation) -> tuple[Action, ...] | None:
    """A canary goes to 0 at once, it was extra; in the gap of a swap the old side takes over."""
    if situation.stable is None:
        side = old_side(situation) or situation.heir
        if side is None:
            return None
        back: Changes = {**CLEARED, keys.ROLE: Role.STABLE}
        return (
            PatchReplicaSet(
                side.ref, owner=deployments(situation), annotations=back, dangerous=True
            ),
        )
    rising = situation.rising
    if rising is None:
        return None
    changes: Changes = {**CLEARED, keys.ROLE: Role.RETIRED, keys.REASON: "the Rollout was deleted"}
    return (PatchReplicaSet(rising.ref, 0, annotations=changes, dangerous=True),)


def _shrink(situation: Situation) -> tuple[Action, ...] | None:
    if not situation.leavers:
        return None
    return tidy.shrink(situation)


def _put_template_back(situation: Situation) -> tuple[Action, ...] | None:
    """The stable version's template, so that nothing rolls when the gate opens."""
    source = situation.stable or stable_record(situation.observed.records)
    if source is None or normalise(source.template) == normalise(situation.deployment.template):
        return None
    return (PatchDeployment(situation.deployment.ref, template=without_hash(source.template)),)


def _give_history_back(situation: Situation) -> tuple[Action, ...] | None:
    """What ran once goes back to the Deployment. Rejected and unfinished versions go, and so does
    whatever shares the stable template: the controller would roll to the older of the two.
    """
    same = situation.stable.template_hash if situation.stable else None
    owner = deployments(situation)
    actions: list[Action] = []
    for rs in situation.ours:
        if tidy.is_history(rs) and rs.template_hash != same:
            actions.append(_plain(rs, owner))
        elif rs.role is not None:
            actions.append(DeleteReplicaSet(rs.ref))
    return tuple(actions) or None


def _plain(rs: ReplicaSet, owner: Owner | None = None) -> PatchReplicaSet:
    return PatchReplicaSet(
        rs.ref,
        owner=owner,
        labels={keys.ROLLOUT_LABEL: None},
        annotations=_MARKS,
        dangerous=True,
    )


def _open_the_gate(situation: Situation) -> tuple[Action, ...]:
    """Unpaused only when the controller has seen the stable template, or it would roll."""
    deployment = situation.deployment
    if not deployment.observed:
        return ()
    former = deployment.annotations.get(keys.FORMER_DEADLINE, "")
    return (
        PatchDeployment(
            deployment.ref,
            paused=False,
            progress_deadline_seconds=int(former) if former.isdigit() else None,
            labels={keys.ROLLOUT_LABEL: None},
            annotations={keys.FORMER_DEADLINE: None},
        ),
    )
