"""The objects of the cluster as Sluice sees them: only the fields that decisions need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sluice.core import keys
from sluice.core.policy import Policy
from sluice.core.readings import Round
from sluice.core.scaling.kept import Memory

JsonMap = Mapping[str, Any]


class Role(StrEnum):
    """What a ReplicaSet is to its Rollout."""

    STABLE = "stable"
    CANARY = "canary"
    RETURNING = "returning"
    REJECTED = "rejected"
    RETIRED = "retired"
    # A second ReplicaSet of a template that one of ours has: it goes, and is deleted.
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class Ref:
    """Which object, and which state of it: every write names both, so a stale one is refused."""

    name: str
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """The Rollout. `policy` is None when the stored spec is invalid; `problems` says why.

    `target` is the name of its Deployment, which an otherwise invalid spec gives, too.
    """

    ref: Ref
    namespace: str
    generation: int
    created: datetime
    policy: Policy | None
    target: str
    problems: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    status: JsonMap = field(default_factory=dict)

    @property
    def stored_scaling(self) -> JsonMap | None:
        """What the status says of scaling; None where it says nothing."""
        stored = self.status.get("scaling")
        return stored if isinstance(stored, Mapping) else None


@dataclass(frozen=True, slots=True)
class Deployment:
    """The user's Deployment. `max_unavailable` is resolved to a number of pods for its replicas."""

    ref: Ref
    generation: int
    observed_generation: int
    replicas: int
    paused: bool
    template: JsonMap
    template_hash: str
    selector: JsonMap
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    progress_deadline_seconds: int | None = None
    # True when managedFields shows that somebody else has set progressDeadlineSeconds.
    deadline_has_owner: bool = False
    # Which entries of managedFields say that fields are ours.
    our_entries: tuple[int, ...] = ()
    min_ready_seconds: int = 0
    max_unavailable: int = 0
    revision_history_limit: int = 10
    strategy: str = "RollingUpdate"
    updated_replicas: int = 0
    status_replicas: int = 0
    available_replicas: int = 0
    deleting: bool = False

    @property
    def observed(self) -> bool:
        """Whether the Deployment controller has seen the latest spec."""
        return self.observed_generation >= self.generation


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """A ReplicaSet of the Deployment or of ours; `template_hash` is semantic and versioned."""

    ref: Ref
    created: datetime
    owner_uid: str | None
    replicas: int
    template: JsonMap
    template_hash: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    min_ready_seconds: int = 0
    generation: int = 1
    observed_generation: int = 1
    status_replicas: int = 0
    ready_replicas: int = 0
    status_available: int = 0
    deleting: bool = False
    # Being deleted with `--cascade=orphan`: its pods stay.
    orphaning: bool = False

    @property
    def available(self) -> int:
        """Available pods; 0 until the controller has seen the latest spec (the count is stale)."""
        return self.status_available if self.observed_generation >= self.generation else 0

    @property
    def shown_available(self) -> int:
        """Available pods for people to read: the last count, though it may be a moment old."""
        return min(self.status_available, self.replicas)

    @property
    def role(self) -> Role | None:
        """The role written on it; None for a ReplicaSet that Sluice has not met yet."""
        value = self.annotations.get(keys.ROLE)
        return Role(value) if value in set(Role) else None

    @property
    def pod_hash(self) -> str:
        """The value of pod-template-hash that its pods carry (not always our template hash)."""
        return self.labels.get(keys.HASH_LABEL, "")

    @property
    def revision(self) -> int:
        """Its number in the Deployment's history; 0 when it has none."""
        text = self.annotations.get(keys.REVISION, "")
        return int(text) if text.isdecimal() else 0

    @property
    def idle(self) -> bool:
        """Whether it neither wants nor has a pod."""
        return self.replicas == 0 and self.status_replicas == 0


@dataclass(frozen=True, slots=True)
class Record:
    """A ControllerRevision that keeps one template, whether it is rejected, and how often tried.

    `pod_hash` is the pod-template-hash of its ReplicaSet, so that a lost one is made again under
    the same name and takes its surviving pods back.
    """

    ref: Ref
    template_hash: str
    pod_hash: str
    template: JsonMap
    owner_uid: str | None
    stable_at: str | None = None
    rejected_at: str | None = None
    reason: str = ""
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Anchor:
    """The ControllerRevision that owns what belongs to the Rollout, and for which Deployment."""

    ref: Ref
    deployment_uid: str
    labels: Mapping[str, str] = field(default_factory=dict)
    adopted: bool = False
    given_back: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """A container's state as the kubelet reports it; empty strings where it says nothing."""

    name: str
    restarts: int = 0
    waiting_reason: str = ""
    waiting_message: str = ""
    last_exit_code: int | None = None
    last_exit_reason: str = ""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of either side, without its spec."""

    name: str
    pod_hash: str
    phase: str = "Pending"
    ready: bool = False
    deleting: bool = False
    unschedulable: str = ""
    containers: tuple[Container, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that one decision is made from: a frozen snapshot.

    `fresh` says that Deployment, ReplicaSets, records and anchor were read for this very pass;
    a dangerous write is only planned from such a snapshot. `pods` is None where nobody looked;
    `pods_of` are the pod hashes that were looked for. `rival` names an older Rollout with the same
    target, `autoscaler` what else sets its replicas; `autoscaler_problem` says why that cannot be
    known. `scaling_memory` is what this process remembers; None: only the status tells.
    `release_refused` and `scaling_refused` say which write was refused a moment ago, in this pass.
    """

    now: datetime
    rollout: Rollout
    deployment: Deployment | None
    replica_sets: tuple[ReplicaSet, ...] = ()
    anchor: Anchor | None = None
    records: tuple[Record, ...] = ()
    pods: tuple[Pod, ...] | None = None
    latest_round: Round | None = None
    rival: str | None = None
    fresh: bool = False
    pods_of: tuple[str, ...] = ()
    scaling_round: Round | None = None
    scaling_memory: Memory | None = None
    autoscaler: str | None = None
    autoscaler_problem: str = ""
    release_refused: str = ""
    scaling_refused: str = ""
