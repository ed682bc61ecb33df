"""What belongs to a Rollout, and how it is marked: owners, labels, names and records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluice.core import keys, times
from sluice.core.objects import ReplicaSet
from sluice.core.plan import Action, Changes, CreateRecord, Owner, PatchRecord, PatchReplicaSet
from sluice.core.situation import Situation
from sluice.core.templates import without_hash


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


def handed_over(
    situation: Situation, replica_set: ReplicaSet, owner: Owner, annotations: Changes
) -> PatchReplicaSet:
    """The change of a ReplicaSet's owner, in one patch with what it means for its role.

    With all labels: a Deployment lets go at once of one that its selector does not match.
    """
    own = (replica_set.template.get("metadata") or {}).get("labels") or {}
    return PatchReplicaSet(
        replica_set.ref,
        owner=owner,
        labels={**own, **labels(situation)},
        annotations=annotations,
        dangerous=True,
    )


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


def newest_stable(situation: Situation, replica_set: ReplicaSet) -> tuple[Action, ...]:
    """Makes the record of this ReplicaSet's template the newest stable one; nothing where it is."""
    records = situation.observed.records
    newest = max(records, key=lambda record: record.stable_at or "", default=None)
    record = situation.record_of(replica_set.template_hash)
    latest = newest.stable_at if newest else None
    if record is not None and latest and record.stable_at == latest:
        return ()
    fact = {keys.STABLE_AT: times.later_than(latest, situation.now)}
    if record is None:
        return (new_record(situation, replica_set.template_hash, replica_set.pod_hash, fact),)
    return (PatchRecord(record.ref, fact),)
