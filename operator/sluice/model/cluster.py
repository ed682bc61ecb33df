"""The state: objects with uid, resourceVersion and generation, as the API server keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any, Final, TypeVar

from sluice.core import keys
from sluice.core.objects import Anchor, Deployment, Record, Ref, ReplicaSet, Rollout
from sluice.core.templates import template_hash
from sluice.model.pods import Kubelet

MIDNIGHT: Final = datetime(2026, 1, 1, tzinfo=UTC)

_Object = TypeVar("_Object", Deployment, ReplicaSet, Rollout, Record, Anchor)
_SPEC: Final[Mapping[type, frozenset[str]]] = {
    Deployment: frozenset(
        {
            "replicas",
            "paused",
            "template",
            "selector",
            "progress_deadline_seconds",
            "min_ready_seconds",
            "max_unavailable",
            "revision_history_limit",
            "strategy",
            # The API server's own rule: of a Deployment, annotations count as well.
            "annotations",
        }
    ),
    ReplicaSet: frozenset({"replicas", "template", "min_ready_seconds"}),
}


@dataclass(frozen=True, slots=True)
class Strategy:
    """maxSurge and maxUnavailable of a rolling update: numbers of pods, or shares of replicas."""

    max_surge: int | float = 0.25
    max_unavailable: int | float = 0.25

    def surge(self, replicas: int) -> int:
        """Pods beyond `replicas`; a share is rounded up."""
        value = self.max_surge
        return value if isinstance(value, int) else ceil(value * replicas)

    def unavailable(self, replicas: int) -> int:
        """Pods that may be missing of `replicas`; a share is rounded down. Where both come to 0,
        one may be missing: nothing could move otherwise.
        """
        value = self.max_unavailable
        missing = value if isinstance(value, int) else floor(value * replicas)
        if not missing and not self.surge(replicas):
            missing = 1
        return min(missing, replicas)


@dataclass
class Cluster:
    """One Rollout, its Deployment, and what belongs to both."""

    now: datetime = MIDNIGHT
    rollout: Rollout | None = None
    deployment: Deployment | None = None
    replica_sets: dict[str, ReplicaSet] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    anchor: Anchor | None = None
    kubelet: Kubelet = field(default_factory=Kubelet)
    strategy: Strategy = field(default_factory=Strategy)
    # status.collisionCount: names of ReplicaSets that were taken by another template.
    collisions: int = 0
    counter: int = 100

    # --- identities

    def number(self) -> str:
        """The next number, for a uid or a resourceVersion."""
        self.counter += 1
        return str(self.counter)

    def ref(self, name: str) -> Ref:
        """The identity of a new object."""
        return Ref(name, f"uid-{self.number()}", self.number())

    def bumped(self, ref: Ref) -> Ref:
        """The identity of a later state of the object."""
        return replace(ref, resource_version=self.number())

    # --- writes

    def written(self, found: _Object, **changes: Any) -> _Object:
        """The object after a write. One that changes nothing leaves the resourceVersion; one that
        changes the spec raises the generation.
        """
        different = {k: v for k, v in changes.items() if getattr(found, k) != v}
        if not different:
            return found
        if different.keys() & _SPEC.get(type(found), frozenset()):
            different.setdefault("generation", getattr(found, "generation", 0) + 1)
        return replace(found, ref=self.bumped(found.ref), **different)

    @property
    def d(self) -> Deployment:
        """The Deployment, which there must be."""
        assert self.deployment is not None
        return self.deployment

    def write_deployment(self, **changes: Any) -> None:
        """A write of the Deployment; what follows from the spec is filled in."""
        if "template" in changes:
            changes["template_hash"] = template_hash(changes["template"])
        if "replicas" in changes:
            changes.setdefault("max_unavailable", self.strategy.unavailable(changes["replicas"]))
        self.deployment = self.written(self.d, **changes)

    def write_replica_set(self, name: str, **changes: Any) -> ReplicaSet:
        """A write of a ReplicaSet."""
        found = self.written(self.replica_sets[name], **changes)
        self.replica_sets[name] = found
        return found

    # --- what serves

    def ready_of(self, replica_set: ReplicaSet | None) -> int:
        """Ready pods of a ReplicaSet."""
        return self.kubelet.ready(replica_set.ref.uid) if replica_set else 0

    def ready(self) -> int:
        """Ready pods behind the Service, which selects those of all versions."""
        return sum(pod.ready_since is not None for pod in self.kubelet.pods)

    def copy(self) -> Cluster:
        """The same state, to be played on apart from this one."""
        values = {item.name: getattr(self, item.name) for item in fields(Cluster)}
        for name in ("replica_sets", "records"):
            values[name] = dict(values[name])
        return Cluster(**{**values, "kubelet": self.kubelet.copy()})


def with_hash(template: Mapping[str, Any], pod_hash: str) -> dict[str, Any]:
    """The template as a ReplicaSet has it: with the label that tells its pods apart."""
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), keys.HASH_LABEL: pod_hash}
    return {**template, "metadata": {**metadata, "labels": labels}}


def merged(have: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """A merge patch: None takes a key away."""
    both = {**have, **changes}
    return {key: value for key, value in both.items() if value is not None}
