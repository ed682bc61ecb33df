"""What a pass wants done: small frozen actions, the status to show, and when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sluice.core.objects import JsonMap, Ref
from sluice.core.scaling.kept import Memory, Scaled

# None as a value removes the key.
Changes = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Owner:
    """The controller ownerReference that an object shall carry (blockOwnerDeletion false)."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class PatchRollout:
    """Changes annotations or finalizers of the Rollout."""

    ref: Ref
    annotations: Changes = field(default_factory=dict)
    finalizers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PatchDeployment:
    """Changes our fields of the Deployment; `template` replaces the whole pod template,
    `template_annotations` only these leaves of it.
    """

    ref: Ref
    paused: bool | None = None
    progress_deadline_seconds: int | None = None
    template: JsonMap | None = None
    labels: Changes = field(default_factory=dict)
    annotations: Changes = field(default_factory=dict)
    template_annotations: Changes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScaleDeployment:
    """Sets the Deployment's replicas, by its scale subresource alone."""

    ref: Ref
    replicas: int


@dataclass(frozen=True, slots=True)
class DisownDeployment:
    """Takes these entries out of the Deployment's managedFields: its fields stay as they are, and
    whoever applies them next meets no conflict.
    """

    ref: Ref
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CreateReplicaSet:
    """A new ReplicaSet. `selector` is the Deployment's; the pod hash is added to it."""

    name: str
    owner: Owner
    replicas: int
    pod_hash: str
    template: JsonMap
    selector: JsonMap
    min_ready_seconds: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PatchReplicaSet:
    """One patch of a ReplicaSet; what is None stays."""

    ref: Ref
    replicas: int | None = None
    owner: Owner | None = None
    labels: Changes = field(default_factory=dict)
    annotations: Changes = field(default_factory=dict)
    min_ready_seconds: int | None = None
    # Lowering replicas, or changing the owner, can take serving pods away.
    dangerous: bool = False


@dataclass(frozen=True, slots=True)
class DeleteReplicaSet:
    """Deletes a ReplicaSet (background propagation)."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class CreateRecord:
    """A ControllerRevision: the anchor (no owner, no template) or a template's record."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owner: Owner | None = None
    data: JsonMap = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PatchRecord:
    """Changes annotations, labels or the owner of a ControllerRevision of ours."""

    ref: Ref
    annotations: Changes = field(default_factory=dict)
    labels: Changes = field(default_factory=dict)
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class DeleteRecord:
    """Deletes a ControllerRevision of ours."""

    ref: Ref


Action = (
    PatchRollout
    | PatchDeployment
    | ScaleDeployment
    | DisownDeployment
    | CreateReplicaSet
    | PatchReplicaSet
    | DeleteReplicaSet
    | CreateRecord
    | PatchRecord
    | DeleteRecord
)


@dataclass(frozen=True, slots=True)
class Span:
    """The instants start, start + step, ... up to the end, at which counters are read."""

    start: datetime
    end: datetime
    step_seconds: float


@dataclass(frozen=True, slots=True)
class Query:
    """A question to a source of metrics.

    Without a span `text` is PromQL whose single value is wanted. With one it is a vector selector
    as the user wrote it; the source adds `namespace` and `pods` (an anchored regular expression)
    under the names that these labels have there, and gives every series a pod.
    """

    name: str
    text: str
    span: Span | None = None
    namespace: str = ""
    pods: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A round of questions to one source that is due.

    `release` is the release's key: an id alone may come again.
    """

    release: str
    tick: int
    source: str
    queries: tuple[Query, ...]
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What was done and why, for people.

    `event` is the reason of the Kubernetes Event that tells it, in CamelCase; empty: none does.
    """

    what: str
    why: str
    event: str = ""
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition without its transition time, which follows from the stored status."""

    type: str
    status: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Status:
    """What the Rollout's status shall show; the api layer turns it into wire form.

    The parts are plain mappings in wire form (camelCase keys, RFC 3339 times), because
    nothing decides on them.
    """

    phase: str
    message: str
    conditions: tuple[Condition, ...]
    stable: Mapping[str, Any] | None = None
    release: Mapping[str, Any] | None = None
    rejected: tuple[Mapping[str, Any], ...] = ()
    last_command: Mapping[str, Any] | None = None
    # N; None before the Deployment is adopted.
    desired: int | None = None
    scaling: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered list of actions and what follows.

    Actions run in order and stop at the first that is refused. `status` None leaves the status
    alone: the next pass, which follows at once, will write it. `again_at` is when to look again
    without any event; None: only at an event. `pods_of` names the pod hashes whose pods the
    next pass wants to see, `pods_every_seconds` how fresh. `ask_scaling` is the round of
    `spec.scaling`, `scaled` what was decided on one, `scaling_memory` what is to be remembered of
    it once the actions have succeeded.
    """

    actions: tuple[Action, ...] = ()
    status: Status | None = None
    decision: Decision | None = None
    again_at: datetime | None = None
    ask: Ask | None = None
    ask_scaling: Ask | None = None
    scaled: Scaled | None = None
    scaling_memory: Memory | None = None
    pods_of: tuple[str, ...] = ()
    pods_every_seconds: float = 0.0
    # Nothing can be said from a snapshot that the watch brought: decide again from a fresh one.
    needs_fresh: bool = False

    @property
    def scales(self) -> bool:
        """Whether it sets the Deployment's replicas."""
        return any(isinstance(action, ScaleDeployment) for action in self.actions)

    @property
    def dangerous(self) -> bool:
        """Whether it holds a write that must rest on a fresh snapshot."""
        return any(_dangerous(action) for action in self.actions)


def _dangerous(action: Action) -> bool:
    match action:
        case PatchReplicaSet(dangerous=dangerous):
            return dangerous
        case DeleteReplicaSet() | CreateReplicaSet() | PatchDeployment() | DeleteRecord():
            return True
        case ScaleDeployment():
            return True
        case _:
            return False
