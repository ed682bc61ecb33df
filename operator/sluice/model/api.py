"""The API server: applies the actions of a plan, each with its preconditions.

A write names the uid and the resourceVersion that it rests on; one that comes too late is refused
and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from sluice.core import keys
from sluice.core.objects import Anchor, Record, Ref, ReplicaSet
from sluice.core.plan import (
    Action,
    Changes,
    CreateRecord,
    CreateReplicaSet,
    DeleteRecord,
    DeleteReplicaSet,
    DisownDeployment,
    PatchDeployment,
    PatchRecord,
    PatchReplicaSet,
    PatchRollout,
    ScaleDeployment,
)
from sluice.core.templates import template_hash
from sluice.model.cluster import Cluster, merged, with_hash

_RECORD_FIELDS: Final = {
    keys.POD_HASH: "pod_hash",
    keys.STABLE_AT: "stable_at",
    keys.REJECTED_AT: "rejected_at",
    keys.REASON: "reason",
}


class Refused(Exception):
    """A write that was not carried out: its object is gone or has changed, or its name is taken."""


def apply(cluster: Cluster, action: Action) -> None:
    """Carries the action out, or raises Refused."""
    _APPLY[type(action)](cluster, action)


def _unchanged(found: Any, ref: Ref) -> None:
    if found is None or found.ref.uid != ref.uid:
        raise Refused(f"{ref.name} is gone")
    if found.ref != ref:
        raise Refused(f"{ref.name} is stale")


def _patch_rollout(cluster: Cluster, action: PatchRollout) -> None:
    rollout = cluster.rollout
    _unchanged(rollout, action.ref)
    assert rollout is not None
    finalizers = rollout.finalizers if action.finalizers is None else action.finalizers
    if rollout.deleting and not finalizers:
        cluster.rollout = None
        return
    annotations = merged(rollout.annotations, action.annotations)
    cluster.rollout = cluster.written(rollout, finalizers=finalizers, annotations=annotations)


def _disown_deployment(cluster: Cluster, action: DisownDeployment) -> None:
    _unchanged(cluster.deployment, action.ref)
    cluster.deployment = cluster.written(cluster.d, our_entries=())


def _scale_deployment(cluster: Cluster, action: ScaleDeployment) -> None:
    _unchanged(cluster.deployment, action.ref)
    cluster.write_deployment(replicas=action.replicas)


def _patch_deployment(cluster: Cluster, action: PatchDeployment) -> None:
    _unchanged(cluster.deployment, action.ref)
    deployment = cluster.d
    changes: dict[str, Any] = {
        name: getattr(action, name)
        for name in ("paused", "progress_deadline_seconds", "template")
        if getattr(action, name) is not None
    }
    if action.template_annotations:
        metadata = deployment.template.get("metadata") or {}
        leaves = merged(metadata.get("annotations") or {}, action.template_annotations)
        changes["template"] = {
            **deployment.template,
            "metadata": {**metadata, "annotations": leaves},
        }
    cluster.write_deployment(
        **changes,
        labels=merged(deployment.labels, action.labels),
        annotations=merged(deployment.annotations, action.annotations),
    )


def _create_replica_set(cluster: Cluster, action: CreateReplicaSet) -> None:
    create_replica_set(
        cluster,
        action.name,
        owner_uid=action.owner.uid,
        replicas=action.replicas,
        template=action.template,
        pod_hash=action.pod_hash,
        min_ready_seconds=action.min_ready_seconds,
        labels=action.labels,
        annotations=action.annotations,
    )


def create_replica_set(
    cluster: Cluster,
    name: str,
    *,
    template: Mapping[str, Any],
    pod_hash: str,
    labels: Mapping[str, str],
    **fields: Any,
) -> ReplicaSet:
    """A new ReplicaSet. Its creation time has whole seconds, as in Kubernetes."""
    if name in cluster.replica_sets:
        raise Refused(f"{name} exists already")
    cluster.replica_sets[name] = ReplicaSet(
        ref=cluster.ref(name),
        created=cluster.now.replace(microsecond=0),
        template=with_hash(template, pod_hash),
        template_hash=template_hash(template),
        labels={**labels, keys.HASH_LABEL: pod_hash},
        observed_generation=0,
        **fields,
    )
    return cluster.replica_sets[name]


def _patch_replica_set(cluster: Cluster, action: PatchReplicaSet) -> None:
    found = cluster.replica_sets.get(action.ref.name)
    _unchanged(found, action.ref)
    assert found is not None
    changes: dict[str, Any] = {
        name: getattr(action, name)
        for name in ("replicas", "min_ready_seconds")
        if getattr(action, name) is not None
    }
    if action.owner is not None:
        changes["owner_uid"] = action.owner.uid
    cluster.write_replica_set(
        action.ref.name,
        **changes,
        labels=merged(found.labels, action.labels),
        annotations=merged(found.annotations, action.annotations),
    )


def _delete_replica_set(cluster: Cluster, action: DeleteReplicaSet) -> None:
    _unchanged(cluster.replica_sets.get(action.ref.name), action.ref)
    del cluster.replica_sets[action.ref.name]


def _create_record(cluster: Cluster, action: CreateRecord) -> None:
    taken = cluster.anchor is not None and cluster.anchor.ref.name == action.name
    if taken or action.name in cluster.records:
        raise Refused(f"{action.name} exists already")
    ref = cluster.ref(action.name)
    if action.owner is None:
        cluster.anchor = Anchor(ref, action.annotations[keys.DEPLOYMENT_UID])
        return
    bare = Record(
        ref, action.labels[keys.TEMPLATE_LABEL], "", action.data["template"], action.owner.uid
    )
    cluster.records[action.name] = replace(bare, **_facts(action.annotations))


def _patch_record(cluster: Cluster, action: PatchRecord) -> None:
    anchor = cluster.anchor
    if anchor is not None and anchor.ref.uid == action.ref.uid:
        _unchanged(anchor, action.ref)
        cluster.anchor = cluster.written(
            anchor,
            adopted=anchor.adopted or keys.ADOPTED in action.annotations,
            given_back=anchor.given_back or keys.GIVEN_BACK in action.annotations,
        )
        return
    record = cluster.records.get(action.ref.name)
    _unchanged(record, action.ref)
    assert record is not None
    changes = _facts(action.annotations)
    if action.owner is not None:
        changes["owner_uid"] = action.owner.uid
    cluster.records[action.ref.name] = cluster.written(record, **changes)


def _facts(annotations: Changes) -> dict[str, Any]:
    """What a record's annotations say, as its fields."""
    facts: dict[str, Any] = {
        name: annotations[key] for key, name in _RECORD_FIELDS.items() if key in annotations
    }
    if facts.get("reason", "") is None:
        facts["reason"] = ""
    if keys.TRIES in annotations:
        facts["tries"] = int(annotations[keys.TRIES] or 0)
    return facts


def _delete_record(cluster: Cluster, action: DeleteRecord) -> None:
    if cluster.anchor is not None and cluster.anchor.ref.uid == action.ref.uid:
        _unchanged(cluster.anchor, action.ref)
        cluster.anchor = None
        return
    _unchanged(cluster.records.get(action.ref.name), action.ref)
    del cluster.records[action.ref.name]


_APPLY: Final[Mapping[type, Callable[[Cluster, Any], None]]] = {
    PatchRollout: _patch_rollout,
    PatchDeployment: _patch_deployment,
    ScaleDeployment: _scale_deployment,
    DisownDeployment: _disown_deployment,
    CreateReplicaSet: _create_replica_set,
    PatchReplicaSet: _patch_replica_set,
    DeleteReplicaSet: _delete_replica_set,
    CreateRecord: _create_record,
    PatchRecord: _patch_record,
    DeleteRecord: _delete_record,
}
