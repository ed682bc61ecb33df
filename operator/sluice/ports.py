"""What a pass needs from the outside world, as `reconcile` sees it.

The adapters satisfy these protocols; the tests of a pass satisfy them with plain objects.
A pass is `async (Key) -> sluice.runtime.queue.Outcome`: `Done()`, `AgainIn(seconds)`, or an
exception, which the work queue logs with the key and answers with a growing delay.

    ClusterError
    ├── Stale        the object is no longer what the write was planned from: look again at once
    ├── Denied       refused, and will be again until somebody changes something (RBAC, a quota,
    │                an admission webhook, validation); the message is fit to be shown
    ├── Unreachable  no answer, or the server is in trouble: try again later
    └── NotLeading   another process may be leading: nothing is written, and this one waits
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sluice.core.objects import Anchor, Deployment, JsonMap, Pod, Record, ReplicaSet, Rollout
from sluice.core.plan import Action, Ask, Decision
from sluice.core.readings import Round
from sluice.core.scaling.kept import Scaled


class ClusterError(Exception):
    """The API server did not do what it was asked for. The message names verb and object."""


class Stale(ClusterError):
    """Not found, already there, or changed since it was read: the next pass must read afresh."""


class Denied(ClusterError):
    """Understood and refused; trying again changes nothing."""


class Unreachable(ClusterError):
    """Timed out, refused by the network, throttled, or a server error."""


class NotLeading(ClusterError):
    """The term is over, so the write was not sent, or was given up while it was under way."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which Rollout. The work queue carries keys, never events: a pass looks at what is now."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Parts:
    """The objects around one Rollout.

    `replica_sets` are all that the Deployment's selector matches, and all that carry the Rollout's
    label. `fresh` says that all of it was read from the API server for this very call, not from
    what the watch has brought; it may be true without having been asked for.
    """

    deployment: Deployment | None
    replica_sets: tuple[ReplicaSet, ...] = ()
    anchor: Anchor | None = None
    records: tuple[Record, ...] = ()
    fresh: bool = False


class Cluster(Protocol):
    """The API server. Every method raises ClusterError; own writes are seen by the next read."""

    async def rollout(self, key: Key) -> Rollout | None:
        """The Rollout, None when there is none. What the watch brought, or own writes if newer."""
        ...

    async def rival(self, rollout: Rollout) -> str | None:
        """The name of an older Rollout with the same target (then by name), if there is one."""
        ...

    async def autoscaler(self, rollout: Rollout, *, fresh: bool) -> str | None:
        """What else sets the replicas of its Deployment, as `<kind> <name>`; None: nothing does.

        Without `fresh` it may have been so some seconds ago.
        """
        ...

    async def around(self, rollout: Rollout, *, fresh: bool) -> Parts:
        """The Deployment that `spec.targetRef` names and what belongs to it or to the Rollout.

        It also works where the rest of the spec is invalid. `deployment` is None only after a GET
        by name was answered with 404.
        """
        ...

    async def pods(
        self,
        rollout: Rollout,
        deployment: Deployment,
        pod_hashes: tuple[str, ...],
        *,
        max_age_seconds: float,
    ) -> tuple[Pod, ...]:
        """The pods with these pod-template-hash labels; an answer of that age at most will do."""
        ...

    async def apply(self, rollout: Rollout, action: Action) -> None:
        """Carry out one action, guarded by the uid and resourceVersion that it names."""
        ...

    async def apply_status(self, rollout: Rollout, status: JsonMap) -> None:
        """Write the status in wire form; no request when the stored one already is the same.

        Guarded by the newest resourceVersion that own writes in this pass have led to.
        """
        ...

    def forget(self, key: Key) -> None:
        """The Rollout is gone: drop what was kept for it."""
        ...


class Rounds(Protocol):
    """Metric queries run beside the passes, never inside one."""

    def submit(self, key: Key, ask: Ask) -> None:
        """Start the round unless it is in flight or answered; at its end the key is queued."""
        ...

    def latest(self, key: Key) -> Round | None:
        """The newest finished round of the Rollout."""
        ...

    def forget(self, key: Key) -> None:
        """Drop what was kept, and any answer still under way."""
        ...


class Clock(Protocol):
    """The time of day."""

    def now(self) -> datetime:
        """Now, in UTC."""
        ...


class Journal(Protocol):
    """Hears what was decided; logs it, counts it and tells it as an Event."""

    def decided(self, rollout: Rollout, decision: Decision) -> None:
        """Called once for each decision, after its actions succeeded; neither waits nor raises."""
        ...

    def scaled(self, rollout: Rollout, scaled: Scaled) -> None:
        """Called for each decision on replicas, also where it changes none."""
        ...

    def forget(self, key: Key) -> None:
        """The Rollout is gone, or does not scale: what was shown of it is shown no more."""
        ...
