"""The Deployment controller, rule by rule after pkg/controller/deployment of Kubernetes 1.37.

Left out: the strategy Recreate, conditions, the deprecated rollback, terminating pods, and
selectors with matchExpressions.
"""

from __future__ import annotations

from dataclasses import replace
from math import floor
from typing import Any, Final

from sluice.core import keys
from sluice.core.objects import Deployment, ReplicaSet
from sluice.core.templates import template_hash
from sluice.model.api import Refused, create_replica_set
from sluice.model.cluster import Cluster

_DESIRED: Final = "deployment.kubernetes.io/desired-replicas"
_MAXIMUM: Final = "deployment.kubernetes.io/max-replicas"
_HISTORY: Final = "deployment.kubernetes.io/revision-history"
# Annotations of a Deployment that are not copied onto its ReplicaSet.
_NOT_COPIED: Final = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        keys.REVISION,
        _HISTORY,
        _DESIRED,
        _MAXIMUM,
    }
)


def sync_deployment(cluster: Cluster) -> None:
    """One sync of the Deployment, where there is one."""
    if cluster.deployment is not None:
        _Sync(cluster).run()


class _Sync:
    """One sync: it claims its ReplicaSets, and then scales or rolls them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        # The status that was stored before: a roll is judged complete by it.
        self._before = cluster.d
        self._claim()

    @property
    def _d(self) -> Deployment:
        return self._cluster.d

    @property
    def _owned(self) -> list[ReplicaSet]:
        """What it owns, oldest first."""
        mine = [rs for rs in self._cluster.replica_sets.values() if rs.owner_uid == self._d.ref.uid]
        return sorted(mine, key=lambda rs: (rs.created, rs.ref.name))

    @property
    def _new(self) -> ReplicaSet | None:
        """The one of the Deployment's template; of several, the oldest."""
        present = self._d.template_hash
        return next((rs for rs in self._owned if rs.template_hash == present), None)

    @property
    def _old(self) -> list[ReplicaSet]:
        new = self._new
        return [rs for rs in self._owned if new is None or rs.ref.uid != new.ref.uid]

    @property
    def _surge(self) -> int:
        return self._cluster.strategy.surge(self._d.replicas)

    def run(self) -> None:
        """Syncs."""
        if not self._d.deleting:
            self._mark_new()
            if self._d.paused:
                self._scale()
                self._clean_up()
            elif self._was_scaled():
                self._scale()
            elif self._d.strategy == "RollingUpdate":
                self._roll()
        self._write_status()

    # --- which ones

    def _claim(self) -> None:
        """Adopts what matches the selector and has no owner; lets go of what does not match."""
        if self._d.deleting:
            return
        wanted = (self._d.selector.get("matchLabels") or {}).items()
        for name, rs in list(self._cluster.replica_sets.items()):
            matches = wanted <= dict(rs.labels).items()
            if rs.owner_uid == self._d.ref.uid and not matches:
                self._cluster.write_replica_set(name, owner_uid=None)
            elif rs.owner_uid is None and matches and not rs.deleting:
                self._cluster.write_replica_set(name, owner_uid=self._d.ref.uid)

    def _next_revision(self) -> int:
        return max((rs.revision for rs in self._old), default=0) + 1

    def _mark_new(self) -> None:
        """The new one gets the Deployment's annotations and the highest revision."""
        new = self._new
        if new is None:
            return
        notes = self._notes(dict(new.annotations), new.revision)
        changed: dict[str, Any] = {"min_ready_seconds": self._d.min_ready_seconds}
        if notes != dict(new.annotations):
            changed["annotations"] = notes
        written = self._cluster.write_replica_set(new.ref.name, **changed)
        if written is new:
            self._set_revision(new.annotations.get(keys.REVISION, ""))

    def _notes(self, notes: dict[str, str], revision: int) -> dict[str, str]:
        copied = {k: v for k, v in self._d.annotations.items() if k not in _NOT_COPIED}
        notes = {**notes, **copied}
        following = self._next_revision()
        if revision < following:
            if keys.REVISION in notes:
                history = (notes.get(_HISTORY, ""), notes[keys.REVISION])
                notes[_HISTORY] = ",".join(part for part in history if part)
            notes[keys.REVISION] = str(following)
        return notes

    def _set_revision(self, revision: str) -> None:
        if self._d.annotations.get(keys.REVISION) != revision:
            # Written through the status, so that the generation stays.
            annotations = {**self._d.annotations, keys.REVISION: revision}
            ref = self._cluster.bumped(self._d.ref)
            self._cluster.deployment = replace(self._d, ref=ref, annotations=annotations)

    # --- scaling

    def _was_scaled(self) -> bool:
        """Whether `replicas` has changed since an active one was last scaled."""
        noted = (rs.annotations.get(_DESIRED, "") for rs in self._owned if rs.replicas)
        return any(text.isdecimal() and int(text) != self._d.replicas for text in noted)

    def _scale(self) -> None:
        """The one active ReplicaSet gets all replicas; several get their shares."""
        active = [rs for rs in self._owned if rs.replicas]
        if len(active) <= 1:
            # None is active: the new one, or else the newest by creation, whatever it may be.
            latest = [rs for rs in (self._new, *reversed(self._old)) if rs is not None]
            for rs in (active or latest)[:1]:
                self._resize(rs, self._d.replicas)
        elif self._saturated():
            for rs in self._old:
                self._resize(rs, 0)
        elif self._d.strategy == "RollingUpdate":
            self._scale_in_proportion(active)

    def _saturated(self) -> bool:
        new, n = self._new, self._d.replicas
        return (
            new is not None
            and new.annotations.get(_DESIRED) == str(n)
            and new.replicas == new.status_available == n
        )

    def _scale_in_proportion(self, active: list[ReplicaSet]) -> None:
        """The larger ones first; of equal ones the newer grows first, and the older shrinks."""
        allowed = self._d.replicas + self._surge if self._d.replicas else 0
        missing = allowed - sum(rs.replicas for rs in active)
        by_age = active[::-1] if missing > 0 else active
        active = sorted(by_age, key=lambda rs: -rs.replicas)
        sizes, added = {}, 0
        for rs in active:
            share = self._share(rs, missing, added)
            sizes[rs.ref.name] = rs.replicas + share
            added += share
        largest = active[0].ref.name
        sizes[largest] = max(0, sizes[largest] + missing - added)
        for rs in active:
            self._resize(rs, sizes[rs.ref.name], forced=True)

    def _share(self, rs: ReplicaSet, missing: int, added: int) -> int:
        if missing in (0, added):
            return 0
        allowed = missing - added
        fraction = self._fraction(rs)
        return min(fraction, allowed) if missing > 0 else max(fraction, allowed)

    def _fraction(self, rs: ReplicaSet) -> int:
        if self._d.replicas == 0:
            return -rs.replicas
        noted = rs.annotations.get(_MAXIMUM, "")
        before = int(noted) if noted.isdecimal() else 0
        before = before or self._d.status_replicas
        if before == 0:
            return 0
        return floor(rs.replicas * (self._d.replicas + self._surge) / before + 0.5) - rs.replicas

    def _resize(self, rs: ReplicaSet, size: int, *, forced: bool = False) -> bool:
        """Sets its size; `forced` also notes what the Deployment wants where nothing changes."""
        if rs.replicas == size and not forced:
            return False
        noted = {_DESIRED: str(self._d.replicas), _MAXIMUM: str(self._d.replicas + self._surge)}
        annotations = {**rs.annotations, **noted}
        self._cluster.write_replica_set(rs.ref.name, replicas=size, annotations=annotations)
        return rs.replicas != size

    # --- rolling

    def _roll(self) -> None:
        if self._new is None:
            self._create()
            return
        if self._raise_new() or self._lower_old():
            return
        before, n = self._before, self._d.replicas
        counts = (before.updated_replicas, before.status_replicas, before.available_replicas)
        if counts == (n, n, n) and before.observed:
            self._clean_up()

    def _create(self) -> None:
        d = self._d
        pod_hash = controller_hash(d.template, self._cluster.collisions)
        total = sum(rs.replicas for rs in self._owned)
        size = min(max(0, d.replicas + self._surge - total), d.replicas)
        notes = self._notes({}, 0)
        notes |= {_DESIRED: str(d.replicas), _MAXIMUM: str(d.replicas + self._surge)}
        try:
            create_replica_set(
                self._cluster,
                f"{d.ref.name}-{pod_hash}",
                template=d.template,
                pod_hash=pod_hash,
                labels=d.template["metadata"]["labels"],
                owner_uid=d.ref.uid,
                replicas=size,
                min_ready_seconds=d.min_ready_seconds,
                annotations=notes,
            )
        except Refused:
            # Another's: the next sync tries another name.
            self._cluster.collisions += 1
            return
        self._set_revision(notes[keys.REVISION])

    def _raise_new(self) -> bool:
        new, n = self._new, self._d.replicas
        assert new is not None, "made before"
        if new.replicas >= n:
            return self._resize(new, n)
        room = n + self._surge - sum(rs.replicas for rs in self._owned)
        return self._resize(new, min(n, new.replicas + max(0, room)))

    def _lower_old(self) -> bool:
        """First what is not available anyway, then as many as maxUnavailable allows."""
        new = self._new
        assert new is not None, "made before"
        least = self._d.replicas - self._d.max_unavailable
        spare = sum(rs.replicas for rs in self._owned) - least
        spare -= new.replicas - new.status_available
        if spare <= 0:
            return False
        lowered = False
        for rs in self._old:
            broken = min(spare, rs.replicas - rs.status_available)
            if broken > 0:
                lowered |= self._resize(rs, rs.replicas - broken)
                spare -= broken
        surplus = sum(rs.status_available for rs in self._owned) - least
        for rs in self._old:
            size = max(0, rs.replicas - max(0, surplus))
            surplus -= rs.replicas - size
            lowered |= self._resize(rs, size)
        return lowered

    # --- the rest

    def _clean_up(self) -> None:
        """Deletes old ones beyond revisionHistoryLimit that neither want nor have a pod."""
        alive = [rs for rs in self._old if not rs.deleting]
        surplus = len(alive) - self._d.revision_history_limit
        for rs in sorted(alive, key=lambda rs: rs.revision)[: max(0, surplus)]:
            if rs.idle and rs.observed_generation >= rs.generation:
                del self._cluster.replica_sets[rs.ref.name]

    def _write_status(self) -> None:
        new, owned = self._new, self._owned
        self._cluster.write_deployment(
            observed_generation=self._d.generation,
            updated_replicas=new.status_replicas if new else 0,
            status_replicas=sum(rs.status_replicas for rs in owned),
            available_replicas=sum(rs.status_available for rs in owned),
        )


def controller_hash(template: Any, collisions: int) -> str:
    """The pod-template-hash that the controller gives: another one than Sluice's."""
    text = template_hash({**template, "collisions": collisions or None})
    return text[::-1][:9]
