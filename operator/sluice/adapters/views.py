"""From the API server's JSON to the objects of the core.

Total functions: the API server has validated what comes in, and what an older or newer one leaves
out reads as its default. Only the fields that decisions need are kept, the rest is let go.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sluice.adapters.ownership import LAST_APPLIED, deadline_has_owner
from sluice.api.convert import InvalidSpec, policy_of
from sluice.core import keys
from sluice.core.objects import (
    Anchor,
    Container,
    Deployment,
    JsonMap,
    Pod,
    Record,
    Ref,
    ReplicaSet,
    Rollout,
)
from sluice.core.policy import Policy
from sluice.core.templates import template_hash

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TemplateHashes:
    """Hashes of templates by the uid and generation of the object that holds them.

    A generation names one spec for ever, and hashing is the dearest part of reading an object.
    """

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._known: OrderedDict[tuple[str, int], str] = OrderedDict()

    def of(self, uid: str, generation: int, template: JsonMap) -> str:
        """The hash of the template that this generation of the object has."""
        place = (uid, generation)
        if place in self._known:
            self._known.move_to_end(place)
            return self._known[place]
        value = template_hash(template)
        if uid:
            self._known[place] = value
            if len(self._known) > self._limit:
                self._known.popitem(last=False)
        return value


def ref(raw: JsonMap) -> Ref:
    """Which object in which state."""
    meta = _map(raw, "metadata")
    return Ref(
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        resource_version=str(meta.get("resourceVersion", "")),
    )


def rollout(raw: JsonMap) -> Rollout:
    """The Rollout; a spec that cannot be used becomes problems, never an error."""
    meta, spec = _map(raw, "metadata"), _map(raw, "spec")
    policy, problems = _policy(spec)
    return Rollout(
        ref=ref(raw),
        namespace=str(meta.get("namespace", "")),
        generation=_int(meta, "generation"),
        created=_time(meta.get("creationTimestamp")),
        policy=policy,
        target=str(_map(spec, "targetRef").get("name", "")),
        problems=problems,
        annotations=_map(meta, "annotations"),
        finalizers=tuple(_list(meta, "finalizers")),
        deleting=bool(meta.get("deletionTimestamp")),
        status=_map(raw, "status"),
    )


def deployment(raw: JsonMap, hashes: TemplateHashes) -> Deployment:
    """The Deployment. `max_unavailable` follows Kubernetes' rounding, see `max_unavailable_of`."""
    meta, spec, status = _map(raw, "metadata"), _map(raw, "spec"), _map(raw, "status")
    template, generation = _map(spec, "template"), _int(meta, "generation")
    return Deployment(
        ref=ref(raw),
        generation=generation,
        observed_generation=_int(status, "observedGeneration"),
        replicas=_int(spec, "replicas", 1),
        paused=bool(spec.get("paused")),
        template=template,
        template_hash=hashes.of(str(meta.get("uid", "")), generation, template),
        selector=_map(spec, "selector"),
        labels=_map(meta, "labels"),
        annotations=_annotations(meta),
        progress_deadline_seconds=spec.get("progressDeadlineSeconds"),
        deadline_has_owner=deadline_has_owner(raw),
        min_ready_seconds=_int(spec, "minReadySeconds"),
        max_unavailable=max_unavailable_of(spec),
        revision_history_limit=_int(spec, "revisionHistoryLimit", 10),
        strategy=str(_map(spec, "strategy").get("type", "RollingUpdate")),
        updated_replicas=_int(status, "updatedReplicas"),
        status_replicas=_int(status, "replicas"),
        available_replicas=_int(status, "availableReplicas"),
        deleting=bool(meta.get("deletionTimestamp")),
    )


def replica_set(raw: JsonMap, hashes: TemplateHashes) -> ReplicaSet:
    """The ReplicaSet."""
    meta, spec, status = _map(raw, "metadata"), _map(raw, "spec"), _map(raw, "status")
    template, generation = _map(spec, "template"), _int(meta, "generation")
    return ReplicaSet(
        ref=ref(raw),
        created=_time(meta.get("creationTimestamp")),
        owner_uid=_controller(meta),
        replicas=_int(spec, "replicas", 1),
        template=template,
        template_hash=hashes.of(str(meta.get("uid", "")), generation, template),
        labels=_map(meta, "labels"),
        annotations=_map(meta, "annotations"),
        min_ready_seconds=_int(spec, "minReadySeconds"),
        generation=generation,
        observed_generation=_int(status, "observedGeneration"),
        status_replicas=_int(status, "replicas"),
        ready_replicas=_int(status, "readyReplicas"),
        status_available=_int(status, "availableReplicas"),
        deleting=bool(meta.get("deletionTimestamp")),
    )


def record(raw: JsonMap) -> Record:
    """The ControllerRevision that keeps one template."""
    meta = _map(raw, "metadata")
    labels, annotations = _map(meta, "labels"), _map(meta, "annotations")
    tries = str(annotations.get(keys.TRIES, ""))
    return Record(
        ref=ref(raw),
        template_hash=str(labels.get(keys.TEMPLATE_LABEL, "")),
        pod_hash=str(annotations.get(keys.POD_HASH, "")),
        template=_map(_map(raw, "data"), "template"),
        owner_uid=_controller(meta),
        stable_at=annotations.get(keys.STABLE_AT),
        rejected_at=annotations.get(keys.REJECTED_AT),
        reason=str(annotations.get(keys.REASON, "")),
        tries=int(tries) if tries.isdecimal() else 0,
    )


def anchor(raw: JsonMap) -> Anchor:
    """The ControllerRevision that owns what belongs to the Rollout."""
    annotations = _map(_map(raw, "metadata"), "annotations")
    return Anchor(ref=ref(raw), deployment_uid=str(annotations.get(keys.DEPLOYMENT_UID, "")))


def pod(raw: JsonMap) -> Pod:
    """The pod; init containers come first among its containers."""
    meta, status = _map(raw, "metadata"), _map(raw, "status")
    conditions = {c.get("type"): c for c in _list(status, "conditions")}
    scheduled = conditions.get("PodScheduled", {})
    unschedulable = scheduled.get("status") == "False" and scheduled.get("reason") == (
        "Unschedulable"
    )
    return Pod(
        name=str(meta.get("name", "")),
        pod_hash=str(_map(meta, "labels").get(keys.HASH_LABEL, "")),
        phase=str(status.get("phase", "Pending")),
        ready=conditions.get("Ready", {}).get("status") == "True",
        deleting=bool(meta.get("deletionTimestamp")),
        unschedulable=str(scheduled.get("message", "")) if unschedulable else "",
        containers=tuple(
            _container(raw_state)
            for part in ("initContainerStatuses", "containerStatuses")
            for raw_state in _list(status, part)
        ),
    )


def max_unavailable_of(spec: JsonMap) -> int:
    """How many pods of a Deployment may be missing during an update.

    As ResolveFenceposts in k8s.io/kubernetes/pkg/controller/deployment/util: a percentage of
    maxUnavailable is rounded down, one of maxSurge up; both 0 makes 1; never above replicas.
    """
    strategy, replicas = _map(spec, "strategy"), _int(spec, "replicas", 1)
    if strategy.get("type", "RollingUpdate") != "RollingUpdate" or replicas == 0:
        return 0
    rolling = _map(strategy, "rollingUpdate")
    surge = _scaled(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = _scaled(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return min(unavailable, replicas)


def _scaled(value: Any, total: int, *, up: bool) -> int:
    text = str(value).strip()
    number = text.removesuffix("%")
    if not number.isdecimal():
        return 0
    if number == text:
        return int(number)
    product = int(number) * total
    return -(-product // 100) if up else product // 100


def _policy(spec: JsonMap) -> tuple[Policy | None, tuple[str, ...]]:
    try:
        return policy_of(spec), ()
    except InvalidSpec as invalid:
        return None, tuple(invalid.problems)


def _container(raw: JsonMap) -> Container:
    waiting = _map(_map(raw, "state"), "waiting")
    ended = _map(_map(raw, "lastState"), "terminated") or _map(_map(raw, "state"), "terminated")
    return Container(
        name=str(raw.get("name", "")),
        restarts=_int(raw, "restartCount"),
        waiting_reason=str(waiting.get("reason", "")),
        waiting_message=str(waiting.get("message", "")),
        last_exit_code=ended.get("exitCode"),
        last_exit_reason=str(ended.get("reason", "")),
    )


def _controller(meta: JsonMap) -> str | None:
    owners: Iterable[JsonMap] = _list(meta, "ownerReferences")
    return next((str(owner.get("uid", "")) for owner in owners if owner.get("controller")), None)


def _annotations(meta: JsonMap) -> Mapping[str, str]:
    """Without kubectl's copy of the manifest, which may be larger than all the rest."""
    annotations = _map(meta, "annotations")
    return {k: v for k, v in annotations.items() if k != LAST_APPLIED}


def _map(raw: JsonMap, key: str) -> dict[str, Any]:
    value = raw.get(key)
    return dict(value) if isinstance(value, Mapping) else {}


def _list(raw: JsonMap, key: str) -> list[Any]:
    value = raw.get(key)
    return value if isinstance(value, list) else []


def _int(raw: JsonMap, key: str, default: int = 0) -> int:
    value = raw.get(key)
    return value if isinstance(value, int) else default


def _time(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return _EPOCH
