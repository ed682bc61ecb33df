"""From the core's actions to requests: each one guarded by uid and resourceVersion."""

from __future__ import annotations

from typing import Final

from sluice.adapters import wire
from sluice.adapters.wire import Json, Request
from sluice.core import keys
from sluice.core.objects import JsonMap, Ref
from sluice.core.plan import (
    Action,
    CreateRecord,
    CreateReplicaSet,
    DeleteRecord,
    DeleteReplicaSet,
    DisownDeployment,
    Owner,
    PatchDeployment,
    PatchRecord,
    PatchReplicaSet,
    PatchRollout,
    ScaleDeployment,
)

# ControllerRevisions are numbered; ours are found by name and label, so all have the same number.
_REVISION: Final = 1


def request_of(namespace: str, action: Action) -> Request:
    """The request that carries out the action."""
    match action:
        case PatchRollout():
            return _patch_rollout(namespace, action)
        case PatchDeployment() | DisownDeployment() | ScaleDeployment():
            return _change_deployment(namespace, action)
        case CreateReplicaSet():
            return wire.create(wire.REPLICA_SETS, namespace, _new_replica_set(namespace, action))
        case PatchReplicaSet():
            return _patch_replica_set(namespace, action)
        case CreateRecord():
            return wire.create(wire.REVISIONS, namespace, _new_record(namespace, action))
        case PatchRecord(ref=ref):
            metadata = (
                _guard(ref)
                | _owned_by(action.owner)
                | _changes("labels", action.labels)
                | _changes("annotations", action.annotations)
            )
            return wire.patch(wire.REVISIONS, namespace, ref.name, {"metadata": metadata})
        case DeleteReplicaSet(ref=ref):
            return _delete(wire.REPLICA_SETS, namespace, ref)
        case DeleteRecord(ref=ref):
            return _delete(wire.REVISIONS, namespace, ref)


def status_request(namespace: str, ref: Ref, status: JsonMap) -> Request:
    """Server-side apply of the whole status.

    A uid would be ignored there, the resourceVersion is not (both seen on a real API server).
    """
    body = {
        "metadata": {
            "name": ref.name,
            "namespace": namespace,
            "resourceVersion": ref.resource_version,
        },
        "status": dict(status),
    }
    return wire.apply_status(wire.ROLLOUTS, namespace, ref.name, body)


def _patch_rollout(namespace: str, action: PatchRollout) -> Request:
    metadata = _guard(action.ref) | _changes("annotations", action.annotations)
    if action.finalizers is not None:
        metadata["finalizers"] = list(action.finalizers)
    return wire.patch(wire.ROLLOUTS, namespace, action.ref.name, {"metadata": metadata})


def _change_deployment(
    namespace: str, action: PatchDeployment | DisownDeployment | ScaleDeployment
) -> Request:
    if isinstance(action, DisownDeployment):
        return _disown_deployment(namespace, action)
    if isinstance(action, ScaleDeployment):
        body = {"metadata": _guard(action.ref), "spec": {"replicas": action.replicas}}
        return wire.scale(wire.DEPLOYMENTS, namespace, action.ref.name, body)
    return _patch_deployment(namespace, action)


def _disown_deployment(namespace: str, action: DisownDeployment) -> Request:
    """The last entry first, or the numbers of the others would not fit any more."""
    guard = {"uid": action.ref.uid, "resourceVersion": action.ref.resource_version}
    tests = [
        {"op": "test", "path": f"/metadata/{name}", "value": value} for name, value in guard.items()
    ]
    gone = [
        {"op": "remove", "path": f"/metadata/managedFields/{index}"}
        for index in sorted(action.entries, reverse=True)
    ]
    return wire.patch(
        wire.DEPLOYMENTS,
        namespace,
        action.ref.name,
        [*tests, *gone],
        content_type=wire.JSON_PATCH,
    )


def _patch_deployment(namespace: str, action: PatchDeployment) -> Request:
    metadata = (
        _guard(action.ref)
        | _changes("labels", action.labels)
        | _changes("annotations", action.annotations)
    )
    spec: Json = {}
    if action.paused is not None:
        spec["paused"] = action.paused
    if action.progress_deadline_seconds is not None:
        spec["progressDeadlineSeconds"] = action.progress_deadline_seconds
    if action.template is not None:
        # A merge patch would merge maps: what the old template has and the new one lacks would
        # stay. The directive replaces the template as a whole; merge patches do not know it.
        spec["template"] = {"$patch": "replace", **action.template}
    if action.template_annotations:
        leaves = dict(action.template_annotations)
        spec["template"] = {"metadata": {"annotations": leaves}}
    body = {"metadata": metadata} | ({"spec": spec} if spec else {})
    kind = wire.MERGE if action.template is None else wire.STRATEGIC
    return wire.patch(wire.DEPLOYMENTS, namespace, action.ref.name, body, content_type=kind)


def _patch_replica_set(namespace: str, action: PatchReplicaSet) -> Request:
    metadata = (
        _guard(action.ref)
        | _owned_by(action.owner)
        | _changes("labels", action.labels)
        | _changes("annotations", action.annotations)
    )
    sizes = {"replicas": action.replicas, "minReadySeconds": action.min_ready_seconds}
    spec = {name: number for name, number in sizes.items() if number is not None}
    body: Json = {"metadata": metadata} | ({"spec": spec} if spec else {})
    return wire.patch(wire.REPLICA_SETS, namespace, action.ref.name, body)


def _new_replica_set(namespace: str, action: CreateReplicaSet) -> Json:
    pod_hash = {keys.HASH_LABEL: action.pod_hash}
    selector = dict(action.selector)
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), **pod_hash}
    template = dict(action.template)
    pod_meta = dict(template.get("metadata") or {})
    template["metadata"] = {**pod_meta, "labels": {**(pod_meta.get("labels") or {}), **pod_hash}}
    metadata = {
        "name": action.name,
        "namespace": namespace,
        "labels": dict(action.labels),
        "annotations": dict(action.annotations),
    }
    return {
        "metadata": metadata | _owned_by(action.owner),
        "spec": {
            "replicas": action.replicas,
            "minReadySeconds": action.min_ready_seconds,
            "selector": selector,
            "template": template,
        },
    }


def _new_record(namespace: str, action: CreateRecord) -> Json:
    metadata = {
        "name": action.name,
        "namespace": namespace,
        "labels": dict(action.labels),
        "annotations": dict(action.annotations),
    }
    return {
        "metadata": metadata | _owned_by(action.owner),
        "data": dict(action.data),
        "revision": _REVISION,
    }


def _delete(resource: wire.Resource, namespace: str, ref: Ref) -> Request:
    return wire.delete(resource, namespace, ref.name, uid=ref.uid, version=ref.resource_version)


def _guard(ref: Ref) -> Json:
    return {"uid": ref.uid, "resourceVersion": ref.resource_version}


def _changes(what: str, changes: JsonMap) -> Json:
    return {what: dict(changes)} if changes else {}


def _owned_by(owner: Owner | None) -> Json:
    """The whole list of owners: a second controller reference would be refused."""
    if owner is None:
        return {}
    reference = {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {"ownerReferences": [reference]}
