"""Giving the Deployment back when the Rollout is deleted: plain, unpaused, on the stable version.

The finalizer goes last, the anchor just before it. A Deployment that is already gone blocks
nothing.
"""

from __future__ import annotations

from sluice.core import handover, keys, tidy, times
from sluice.core.adoption import is_adopted
from sluice.core.belongings import deployments, handed_over, ours
from sluice.core.events import first, old_side
from sluice.core.moves import actions as actions_of
from sluice.core.moves import taken_back
from sluice.core.objects import Observed, ReplicaSet, Role
from sluice.core.ownership import restore_stable, stable_record
from sluice.core.plan import (
    Action,
    Changes,
    DeleteRecord,
    DeleteReplicaSet,
    DisownDeployment,
    Owner,
    PatchDeployment,
    PatchRecord,
    PatchReplicaSet,
    PatchRollout,
)
from sluice.core.rising import CLEARED
from sluice.core.situation import Situation, State
from sluice.core.table import Event, rule_of
from sluice.core.templates import normalise, without_hash

# What the API server gives a Deployment that names none.
_DEFAULT_DEADLINE_SECONDS = 600
_DELETED = "the Rollout was deleted"
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
        return _open_the_gate(situation) or _disown(situation) or _last_marks(situation)
    lost = situation.base is None and situation.heir is None
    if lost and (found := restore_stable(situation)):
        return found
    for step in (_end_release, _former_stable, _shrink, _put_template_back, _give_history_back):
        actions = step(situation)
        if actions is not None:
            return actions
    anchor = situation.observed.anchor
    if anchor is None or not situation.deployment.observed:
        # Opened only when the controller has seen the stable template, or it would roll.
        return ()
    return (PatchRecord(anchor.ref, {keys.GIVEN_BACK: times.stamp(situation.now)}),)


def _disown(situation: Situation) -> tuple[Action, ...]:
    """Nothing is ours any more, the template least of all: the user's next server-side apply must
    not find us as the owner of what was put back.
    """
    deployment = situation.deployment
    if not deployment.our_entries:
        return ()
    return (DisownDeployment(deployment.ref, deployment.our_entries),)


def _last_marks(situation: Situation) -> tuple[Action, ...]:
    """The gate is open (or never was shut): from here on the Deployment is the user's alone."""
    owner, anchor = deployments(situation), situation.anchor_uid
    marked = tuple(
        # What still has pods was kept back until now: under a paused Deployment that owns two sides
        # its controller would cut them. Now it rolls them as any of its own.
        _plain(
            rs, owner if rs.owner_uid == anchor and (rs.replicas or tidy.is_history(rs)) else None
        )
        for rs in situation.living
        if rs.role is not None
    )
    return marked or farewell(situation.observed)


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
    spared = [
        rs
        for rs in observed.replica_sets
        if rs.owner_uid is None and rs.role is Role.STABLE and not rs.deleting
    ]
    if spared:
        # Orphaned on purpose (`kubectl delete deploy --cascade=orphan`): it goes on serving.
        return tuple(_plain(rs) for rs in spared)
    doomed = [rs for rs in orphans if not rs.deleting]
    if doomed:
        return tuple(DeleteReplicaSet(rs.ref) for rs in doomed)
    records = tuple(DeleteRecord(record.ref) for record in observed.records)
    return (*records, DeleteRecord(observed.anchor.ref)) if observed.anchor else records


def _is_ours(rs: ReplicaSet, observed: Observed) -> bool:
    uid = observed.anchor.ref.uid if observed.anchor else None
    if rs.owner_uid is not None:
        return rs.owner_uid == uid
    return rs.role not in (None, Role.STABLE)


def _end_release(situation: Situation) -> tuple[Action, ...] | None:
    """A canary is taken back. A swap and a rollback under way are finished first: what they leave
    may be a version that does not serve. A rollback whose target does not come up is given up.
    """
    event, rising, state = first(situation), situation.rising, situation.state
    returning = state is State.RECLAIMING or (state is State.RETURNING and situation.rolling_back)
    swapping = state is State.SWAPPING and not _only_tried(situation)
    if swapping or (returning and event is not Event.OVERDUE):
        return actions_of(situation, rule_of(state, event).move, event)
    if situation.gap:
        return handover.take_back(situation)
    if state is State.RECLAIMING and situation.base is not None:
        # The Deployment gets the stable one as it is, and in the end what serves beside it.
        return (handed_over(situation, situation.base, ours(situation), {}),)
    changes: Changes = {keys.ROLE: Role.RETIRED}
    if state in (State.FILLING, State.TRYING):
        return handover.give_up(situation, changes, _DELETED)
    if rising is None:
        return None
    changes = {**CLEARED, **changes, keys.REASON: _DELETED}
    size = taken_back(situation)
    return (PatchReplicaSet(rising.ref, size, annotations=changes, dangerous=True),)


def _only_tried(situation: Situation) -> bool:
    """Whether the swap under way need not be finished: it can be taken back, and would be."""
    return situation.trial_swap and (not situation.gap or old_side(situation) is not None)


def _former_stable(situation: Situation) -> tuple[Action, ...] | None:
    return handover.former_stable(situation) or None


def _shrink(situation: Situation) -> tuple[Action, ...] | None:
    """Awaited as long as a growth may take; then the Deployment gets both sides as they are, and
    its controller goes on as in any rollout of its own.
    """
    if not situation.leavers:
        return None
    return tidy.shrink(situation) or (None if situation.overstayed else ())


def _put_template_back(situation: Situation) -> tuple[Action, ...] | None:
    """The stable version's template, so that nothing rolls when the gate opens."""
    source = situation.stable or stable_record(situation.observed.records)
    if source is None or normalise(source.template) == normalise(situation.deployment.template):
        return None
    return (PatchDeployment(situation.deployment.ref, template=without_hash(source.template)),)


def _give_history_back(situation: Situation) -> tuple[Action, ...] | None:
    """What ran once goes back to the Deployment. Rejected and unfinished versions go, and so does
    whatever shares the stable template: the controller would roll to the older of the two. What
    still serves waits until the gate is open.
    """
    same = situation.stable.template_hash if situation.stable else None
    owner = deployments(situation)
    actions: list[Action] = []
    for rs in situation.ours:
        if rs.replicas:
            continue
        if tidy.is_history(rs) and rs.template_hash != same:
            actions += [_plain(rs, owner)] if rs.idle else []
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
    """Unpauses the Deployment and takes our fields away. A deadline that is not ours any more is
    left as it is.
    """
    deployment, anchor = situation.deployment, situation.observed.anchor
    mine = deployment.labels.get(keys.ROLLOUT_LABEL) == situation.observed.rollout.ref.name
    # Our mark on it may be what somebody has taken away: then the anchor tells that it was ours.
    given_back = anchor is not None and anchor.given_back
    shut = deployment.paused and keys.FORMER_DEADLINE in deployment.annotations
    if not (mine or (given_back and shut)):
        return ()
    former = deployment.annotations.get(keys.FORMER_DEADLINE, "")
    deadline = int(former) if former.isdecimal() else _DEFAULT_DEADLINE_SECONDS
    ours = deployment.progress_deadline_seconds == keys.ENDLESS_DEADLINE_SECONDS
    return (
        PatchDeployment(
            deployment.ref,
            paused=False,
            progress_deadline_seconds=deadline if ours else None,
            labels={keys.ROLLOUT_LABEL: None},
            annotations={keys.FORMER_DEADLINE: None},
        ),
    )
