"""From the API server's JSON to the objects of the core.

Total functions: the API server has validated what comes in, and what an older or newer one leaves
out reads as its default. Only the fields that decisions need are kept, the rest is let go.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sluice.adapters.lenient import int_of, map_of, maps_of, names_of, text_of, texts_of
from sluice.adapters.ownership import LAST_APPLIED, deadline_has_owner, our_entries
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
    meta = map_of(raw, "metadata")
    return Ref(
        name=text_of(meta, "name"),
        uid=text_of(meta, "uid"),
        resource_version=text_of(meta, "resourceVersion"),
    )


def rollout(raw: JsonMap) -> Rollout:
    """The Rollout; a spec that cannot be used becomes problems, never an error."""
    meta, spec = map_of(raw, "metadata"), map_of(raw, "spec")
    policy, problems = _policy(spec)
    return Rollout(
        ref=ref(raw),
        namespace=text_of(meta, "namespace"),
        generation=int_of(meta, "generation"),
        created=_time(meta.get("creationTimestamp")),
        policy=policy,
        target=text_of(map_of(spec, "targetRef"), "name"),
        problems=problems,
        annotations=texts_of(meta, "annotations"),
        finalizers=names_of(meta, "finalizers"),
        deleting=bool(meta.get("deletionTimestamp")),
        status=map_of(raw, "status"),
    )


def deployment(raw: JsonMap, hashes: TemplateHashes) -> Deployment:
    """The Deployment. `max_unavailable` follows Kubernetes' rounding, see `max_unavailable_of`."""
    meta, spec, status = map_of(raw, "metadata"), map_of(raw, "spec"), map_of(raw, "status")
    template, generation = map_of(spec, "template"), int_of(meta, "generation")
    return Deployment(
        ref=ref(raw),
        generation=generation,
        observed_generation=int_of(status, "observedGeneration"),
        replicas=int_of(spec, "replicas", 1),
        paused=bool(spec.get("paused")),
        template=template,
        template_hash=hashes.of(text_of(meta, "uid"), generation, template),
        selector=map_of(spec, "selector"),
        labels=texts_of(meta, "labels"),
        annotations=_annotations(meta),
        progress_deadline_seconds=spec.get("progressDeadlineSeconds"),
        deadline_has_owner=deadline_has_owner(raw),
        our_entries=our_entries(raw),
        min_ready_seconds=int_of(spec, "minReadySeconds"),
        max_unavailable=max_unavailable_of(spec),
        revision_history_limit=int_of(spec, "revisionHistoryLimit", 10),
        strategy=text_of(map_of(spec, "strategy"), "type", "RollingUpdate"),
        updated_replicas=int_of(status, "updatedReplicas"),
        status_replicas=int_of(status, "replicas"),
        available_replicas=int_of(status, "availableReplicas"),
        deleting=bool(meta.get("deletionTimestamp")),
    )


def replica_set(raw: JsonMap, hashes: TemplateHashes) -> ReplicaSet:
    """The ReplicaSet."""
    meta, spec, status = map_of(raw, "metadata"), map_of(raw, "spec"), map_of(raw, "status")
    template, generation = map_of(spec, "template"), int_of(meta, "generation")
    return ReplicaSet(
        ref=ref(raw),
        created=_time(meta.get("creationTimestamp")),
        owner_uid=_controller(meta),
        replicas=int_of(spec, "replicas", 1),
        template=template,
        template_hash=hashes.of(text_of(meta, "uid"), generation, template),
        labels=texts_of(meta, "labels"),
        annotations=texts_of(meta, "annotations"),
        min_ready_seconds=int_of(spec, "minReadySeconds"),
        generation=generation,
        observed_generation=int_of(status, "observedGeneration"),
        status_replicas=int_of(status, "replicas"),
        ready_replicas=int_of(status, "readyReplicas"),
        status_available=int_of(status, "availableReplicas"),
        deleting=bool(meta.get("deletionTimestamp")),
        orphaning=bool(meta.get("deletionTimestamp")) and "orphan" in names_of(meta, "finalizers"),
    )


def record(raw: JsonMap) -> Record:
    """The ControllerRevision that keeps one template."""
    meta = map_of(raw, "metadata")
    labels, annotations = texts_of(meta, "labels"), texts_of(meta, "annotations")
    tries = str(annotations.get(keys.TRIES, ""))
    return Record(
        ref=ref(raw),
        template_hash=str(labels.get(keys.TEMPLATE_LABEL, "")),
        pod_hash=str(annotations.get(keys.POD_HASH, "")),
        template=map_of(map_of(raw, "data"), "template"),
        owner_uid=_controller(meta),
        stable_at=annotations.get(keys.STABLE_AT),
        rejected_at=annotations.get(keys.REJECTED_AT),
        reason=str(annotations.get(keys.REASON, "")),
        tries=int(tries) if tries.isdecimal() else 0,
    )


def anchor(raw: JsonMap) -> Anchor:
    """The ControllerRevision that owns what belongs to the Rollout."""
    meta = map_of(raw, "metadata")
    annotations = texts_of(meta, "annotations")
    return Anchor(
        ref=ref(raw),
        deployment_uid=str(annotations.get(keys.DEPLOYMENT_UID, "")),
        labels=texts_of(meta, "labels"),
        adopted=keys.ADOPTED in annotations,
        given_back=keys.GIVEN_BACK in annotations,
    )


def pod(raw: JsonMap) -> Pod:
    """The pod; init containers come first among its containers."""
    meta, status = map_of(raw, "metadata"), map_of(raw, "status")
    conditions = {text_of(c, "type"): c for c in maps_of(status, "conditions")}
    scheduled = conditions.get("PodScheduled", {})
    unschedulable = scheduled.get("status") == "False" and scheduled.get("reason") == (
        "Unschedulable"
    )
    return Pod(
        name=text_of(meta, "name"),
        pod_hash=texts_of(meta, "labels").get(keys.HASH_LABEL, ""),
        phase=text_of(status, "phase", "Pending"),
        ready=conditions.get("Ready", {}).get("status") == "True",
        deleting=bool(meta.get("deletionTimestamp")),
        unschedulable=text_of(scheduled, "message") if unschedulable else "",
        containers=tuple(
            _container(raw_state)
            for part in ("initContainerStatuses", "containerStatuses")
            for raw_state in maps_of(status, part)
        ),
    )


def max_unavailable_of(spec: JsonMap) -> int:
    """How many pods of a Deployment may be missing during an update.

    As ResolveFenceposts in k8s.io/kubernetes/pkg/controller/deployment/util: a percentage of
    maxUnavailable is rounded down, one of maxSurge up; both 0 makes 1; never above replicas.
    """
    strategy, replicas = map_of(spec, "strategy"), int_of(spec, "replicas", 1)
    if strategy.get("type", "RollingUpdate") != "RollingUpdate" or replicas == 0:
        return 0
    rolling = map_of(strategy, "rollingUpdate")
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
    state, last = map_of(raw, "state"), map_of(raw, "lastState")
    waiting = map_of(state, "waiting")
    ended = map_of(last, "terminated") or map_of(state, "terminated")
    return Container(
        name=text_of(raw, "name"),
        restarts=int_of(raw, "restartCount"),
        waiting_reason=text_of(waiting, "reason"),
        waiting_message=text_of(waiting, "message"),
        last_exit_code=ended.get("exitCode"),
        last_exit_reason=text_of(ended, "reason"),
    )


def _controller(meta: JsonMap) -> str | None:
    owners = (owner for owner in maps_of(meta, "ownerReferences") if owner.get("controller"))
    return next((text_of(owner, "uid") for owner in owners), None)


def _annotations(meta: JsonMap) -> Mapping[str, str]:
    """Without kubectl's copy of the manifest, which may be larger than all the rest."""
    annotations = texts_of(meta, "annotations")
    return {k: v for k, v in annotations.items() if k != LAST_APPLIED}


def _time(text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return _EPOCH
    return found if found.tzinfo else found.replace(tzinfo=UTC)
