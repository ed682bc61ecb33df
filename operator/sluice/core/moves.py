"""How each move of the table is done: the actions it takes on the objects.

A move that can take serving pods away is one patch to one object, so that the next pass judges
again before the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sluice.core import keys, story, times
from sluice.core.events import command, old_side
from sluice.core.objects import ReplicaSet, Role
from sluice.core.plan import (
    Action,
    Changes,
    CreateRecord,
    CreateReplicaSet,
    Owner,
    PatchRecord,
    PatchReplicaSet,
)
from sluice.core.release_data import ReleaseData
from sluice.core.situation import Situation
from sluice.core.sizing import canary_size
from sluice.core.table import Event, Move
from sluice.core.templates import without_hash

Actions = tuple[Action, ...]

# What a ReplicaSet carries only while it rises.
_RISING_KEYS: Final = (
    keys.STEP,
    keys.STEP_WEIGHT,
    keys.GROW_STARTED,
    keys.STEP_STARTED,
    keys.RAISE_STARTED,
    keys.RELEASE_DATA,
    keys.SWAP,
)
CLEARED: Final[Changes] = dict.fromkeys(_RISING_KEYS)


def anchor_owner(rollout: str, uid: str) -> Owner:
    """The ownerReference to the anchor."""
    return Owner("apps/v1", "ControllerRevision", keys.anchor_name(rollout), uid)


def ours(situation: Situation) -> Owner:
    """The owner of canary, rejected ones and history."""
    return anchor_owner(situation.observed.rollout.ref.name, situation.anchor_uid)


def deployments(situation: Situation) -> Owner:
    """The owner of the one stable ReplicaSet."""
    ref = situation.deployment.ref
    return Owner("apps/v1", "Deployment", ref.name, ref.uid)


def labels(situation: Situation) -> dict[str, str]:
    """The labels by which everything of a Rollout is found."""
    return {keys.ROLLOUT_LABEL: situation.observed.rollout.ref.name}


def birth_labels(
    situation: Situation, template: Mapping[str, Any], pod_hash: str
) -> dict[str, str]:
    """The labels of a new ReplicaSet: those of its template, too, because a Deployment lets go of
    a ReplicaSet that its selector does not match.
    """
    own = (template.get("metadata") or {}).get("labels") or {}
    return {**own, keys.HASH_LABEL: pod_hash, **labels(situation)}


def free_pod_hash(situation: Situation, wanted: str) -> str:
    """A pod-template-hash whose ReplicaSet name is free: another template may hold the first,
    and a name stays held while its object is being deleted.
    """
    taken = {rs.ref.name for rs in situation.observed.replica_sets}
    name, candidate, number = situation.deployment.ref.name, wanted, 2
    while f"{name}-{candidate}" in taken:
        candidate, number = f"{wanted}{number}", number + 1
    return candidate


def record_labels(rollout: str, template_hash: str) -> dict[str, str]:
    """The labels of a template's record."""
    return {keys.ROLLOUT_LABEL: rollout, keys.TEMPLATE_LABEL: template_hash}


def new_record(
    situation: Situation, template_hash: str, pod_hash: str, annotations: Mapping[str, str]
) -> CreateRecord:
    """A record of the template of some ReplicaSet, or of the Deployment."""
    rollout = situation.observed.rollout.ref.name
    source = situation.of_template(template_hash) or situation.stable
    template = situation.deployment.template
    if source is not None and source.template_hash == template_hash:
        template = source.template
    return CreateRecord(
        name=keys.record_name(rollout, template_hash),
        labels=record_labels(rollout, template_hash),
        annotations={keys.POD_HASH: pod_hash, **annotations},
        owner=ours(situation),
        data={"template": without_hash(template)},
    )


def patch_rising(
    situation: Situation,
    annotations: Changes,
    *,
    replicas: int | None = None,
    data: ReleaseData | None = None,
) -> PatchReplicaSet:
    """One patch of the rising side, with the release data where they changed."""
    side = situation.rising
    assert side is not None, "only a state with a rising side has such a move"
    data = data or situation.data
    changes = dict(annotations)
    if situation.canary is not None and data != situation.stored_data:
        changes.setdefault(keys.RELEASE_DATA, data.dump())
    lowered = replicas is not None and replicas < side.replicas
    return PatchReplicaSet(side.ref, replicas, annotations=changes, dangerous=lowered)


def _nothing(situation: Situation) -> Actions:
    if situation.canary is not None and situation.data != situation.stored_data:
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
        return (PatchReplicaSet(existing.ref, size, ours(situation), labels(situation), changes),)
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
        keys.GROW_STARTED: now,
        keys.REVISION: str(revision),
    }


def _withdraw(situation: Situation) -> Actions:
    why = story.why(situation, Event.REPLACED)
    changes = {**CLEARED, keys.ROLE: Role.RETIRED, keys.REASON: why}
    return (patch_rising(situation, changes, replicas=0),)


def _reject(situation: Situation, event: Event) -> Actions:
    now, why = times.stamp(situation.now), story.why(situation, event)
    changes = {**CLEARED, keys.ROLE: Role.REJECTED, keys.REJECTED_AT: now, keys.REASON: why}
    return (patch_rising(situation, changes, replicas=0),)


def _resize(situation: Situation) -> Actions:
    rising, wanted = situation.rising, situation.wanted
    growing = rising is not None and wanted > rising.replicas
    started = {keys.GROW_STARTED: times.stamp(situation.now)} if growing else {}
    return (patch_rising(situation, started, replicas=wanted),)


def _start_clock(situation: Situation) -> Actions:
    changes: dict[str, str | None] = {keys.GROW_STARTED: None}
    # A canary that had lost pods goes on with the clock it had.
    if situation.canary and keys.STEP_STARTED not in situation.canary.annotations:
        changes[keys.STEP_STARTED] = times.stamp(situation.now)
    return (patch_rising(situation, changes),)


def _stop_clock(situation: Situation) -> Actions:
    return (patch_rising(situation, {keys.GROW_STARTED: times.stamp(situation.now)}),)


def _next_step(situation: Situation) -> Actions:
    number = situation.step_number + 1
    weight = situation.policy.steps[number - 1].weight
    changes: dict[str, str | None] = {
        keys.STEP: str(number),
        keys.STEP_WEIGHT: str(weight),
        keys.GROW_STARTED: times.stamp(situation.now),
        keys.STEP_STARTED: None,
    }
    return (patch_rising(situation, changes, replicas=canary_size(situation.replicas, weight)),)


def _raise(situation: Situation) -> Actions:
    now = times.stamp(situation.now)
    changes = {keys.RAISE_STARTED: now, keys.GROW_STARTED: now}
    return (patch_rising(situation, changes, replicas=situation.replicas),)


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
    size = max(situation.replicas, target.replicas)
    return PatchReplicaSet(target.ref, size, ours(situation), labels(situation), annotations)


def _announce(situation: Situation) -> Actions:
    stable = situation.stable
    assert stable is not None, "a side rises beside a stable one"
    return (patch_rising(situation, {keys.SWAP: stable.ref.uid}),)


def _unannounce(situation: Situation) -> Actions:
    assert situation.heir is not None, "only an announced swap is taken back"
    return (PatchReplicaSet(situation.heir.ref, annotations={keys.SWAP: None}),)


def _part(situation: Situation) -> Actions:
    stable = situation.stable
    assert stable is not None, "only a Deployment that owns its stable one parts with it"
    changes: dict[str, str | None] = {keys.ROLE: Role.RETIRED}
    record = situation.record_of(stable.template_hash)
    if record is not None and record.rejected_at:
        changes = {
            keys.ROLE: Role.REJECTED,
            keys.REJECTED_AT: record.rejected_at,
            keys.REASON: record.reason,
        }
    return (
        PatchReplicaSet(
            stable.ref,
            owner=ours(situation),
            labels=labels(situation),
            annotations=changes,
            dangerous=True,
        ),
    )


def _give(situation: Situation) -> Actions:
    heir = situation.heir
    assert heir is not None, "only an announced swap has a gap"
    changes = {
        **CLEARED,
        keys.ROLE: Role.STABLE,
        keys.STABLE_AT: times.stamp(situation.now),
        keys.REASON: None,
    }
    return (
        PatchReplicaSet(
            heir.ref,
            owner=deployments(situation),
            labels=labels(situation),
            annotations=changes,
            dangerous=True,
        ),
    )


def _take_back(situation: Situation) -> Actions:
    old = old_side(situation)
    assert old is not None, "GapUnready holds only while the old side lives"
    changes: Changes = {keys.ROLE: Role.STABLE, keys.REASON: None, keys.REJECTED_AT: None}
    return (
        PatchReplicaSet(old.ref, owner=deployments(situation), annotations=changes, dangerous=True),
    )


MOVES: Final[Mapping[Move, Callable[[Situation], Actions]]] = {
    Move.NOTHING: _nothing,
    Move.START: _start,
    Move.WITHDRAW: _withdraw,
    Move.RESIZE: _resize,
    Move.START_CLOCK: _start_clock,
    Move.STOP_CLOCK: _stop_clock,
    Move.NEXT_STEP: _next_step,
    Move.RAISE: _raise,
    Move.GO_BACK: _go_back,
    Move.RETURN: _return,
    Move.ANNOUNCE: _announce,
    Move.UNANNOUNCE: _unannounce,
    Move.PART: _part,
    Move.GIVE: _give,
    Move.TAKE_BACK: _take_back,
}


def actions(situation: Situation, move: Move, event: Event) -> Actions:
    """The actions of a move; a rejection also writes why, which depends on the event."""
    return _reject(situation, event) if move is Move.REJECT else MOVES[move](situation)
