"""The cluster as a pass sees it: what the watch has brought, fresh reads, and guarded writes.

Every answer goes into the stores at once, so a pass sees its own writes before the watch does.

What is cached may be used where the watch covers it: the Deployment and all its ReplicaSets carry
the Rollout's label, and everything was read afresh once since the present streams were opened
(what was deleted while there was none is never told). Else the read is fresh, asked for or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sluice.adapters import views, wire
from sluice.adapters.autoscalers import Autoscalers
from sluice.adapters.errors import NotFound
from sluice.adapters.held import Known, Shelf, label_of
from sluice.adapters.kube import Kube
from sluice.adapters.wire import Json, Resource
from sluice.adapters.writes import request_of, status_request
from sluice.core import keys
from sluice.core.label_selectors import text_of
from sluice.core.objects import Anchor, Deployment, JsonMap, Pod, Record, ReplicaSet, Rollout
from sluice.core.plan import (
    Action,
    CreateRecord,
    DeleteRecord,
    DeleteReplicaSet,
    PatchRecord,
    PatchRollout,
    ScaleDeployment,
)
from sluice.ports import Key, Parts, Stale

# What a watch says of an object that is gone; any other type brings its present state.
_DELETED: Final = "DELETED"


@dataclass(frozen=True, slots=True)
class _Pods:
    hashes: frozenset[str]
    at: float
    pods: tuple[Pod, ...]


class KubeCluster:
    """Satisfies `sluice.ports.Cluster`. `changed` is called with every Rollout that has news.

    `scope` is the one namespace that is served, None for all.
    """

    def __init__(
        self, kube: Kube, *, changed: Callable[[Key], None], scope: str | None = None
    ) -> None:
        self._kube = kube
        self._autoscalers = Autoscalers(kube, scope)
        self._changed = changed
        self._known = Known()
        # Which streams are open; 0 while none are. A new number makes all that was cached doubtful.
        self._streams = 0
        self._covered: dict[Key, int] = {}
        self._doubtful: set[Key] = set()
        self._pods: dict[Key, _Pods] = {}

    # --- what the watch tells

    def streams_opened(self, number: int) -> None:
        """All watches are open, for the n-th time."""
        self._streams = number

    def streams_closed(self) -> None:
        """The watches are gone: what happens now will not be told."""
        self._streams = 0
        self._known.rollouts.clear()

    def new_term(self) -> None:
        """Another process may have written since: read everything afresh once, and look at all.

        What the watch has brought stays; it may lag behind what the other one wrote last.
        """
        self._covered.clear()
        self._pods.clear()
        for rollout in self._known.rollouts.all():
            self._doubtful.add(_key(rollout))
            self._changed(_key(rollout))

    def event(self, resource: Resource, kind: str | None, raw: Json) -> None:
        """Take in what a watch has brought; the Rollouts that it concerns are told on."""
        meta = raw.get("metadata") or {}
        namespace, name = str(meta.get("namespace", "")), str(meta.get("name", ""))
        shelf = self._shelf(resource)
        before = shelf.label_of(namespace, name)
        news = shelf.drop(raw) if kind == _DELETED else shelf.put(raw)
        if not news:
            return
        if resource == wire.ROLLOUTS:
            self._changed(Key(namespace, name))
            if kind == _DELETED:
                # One that had to stand back may have its turn now.
                for other in self._known.rollouts.all_in(namespace):
                    self._changed(_key(other))
            return
        for rollout in {before, label_of(raw)} - {""}:
            self._changed(Key(namespace, rollout))

    # --- what a pass reads

    async def rollout(self, key: Key) -> Rollout | None:
        """The Rollout, None when there is none."""
        found = self._known.rollouts.get(key.namespace, key.name)
        if found is not None and key not in self._doubtful:
            return found
        raw = await self._get(wire.ROLLOUTS, key.namespace, key.name)
        self._doubtful.discard(key)
        if raw is None:
            self._known.rollouts.lose(key.namespace, key.name)
            return None
        return self._known.rollouts.take(raw)

    async def rival(self, rollout: Rollout) -> str | None:
        """The name of an older Rollout with the same target, then the first by name."""
        if not self._streams:
            for raw in (await self._kube.list(wire.ROLLOUTS, rollout.namespace)).items:
                self._known.rollouts.put(raw)
        older = [
            (other.created, other.ref.name)
            for other in self._known.rollouts.all_in(rollout.namespace)
            if other.target == rollout.target
            and (other.created, other.ref.name) < (rollout.created, rollout.ref.name)
        ]
        return min(older)[1] if older else None

    async def autoscaler(self, rollout: Rollout, *, fresh: bool) -> str | None:
        """What else sets the replicas of the Rollout's Deployment, if anything does."""
        return await self._autoscalers.of(rollout.namespace, rollout.target, fresh=fresh)

    async def around(self, rollout: Rollout, *, fresh: bool) -> Parts:
        """The Deployment that the Rollout names, and what belongs to either."""
        key = _key(rollout)
        if not fresh and self._covers(key, rollout.target):
            deployment = self._known.deployments.get(key.namespace, rollout.target)
            replica_sets = self._known.replica_sets.of(key).values()
            return self._parts(key, deployment, replica_sets, fresh=False)
        return await self._read_around(key, rollout.target)

    async def pods(
        self,
        rollout: Rollout,
        deployment: Deployment,
        pod_hashes: tuple[str, ...],
        *,
        max_age_seconds: float,
    ) -> tuple[Pod, ...]:
        """The pods of these hashes; an answer of that age at most will do."""
        if not pod_hashes:
            return ()
        key, wanted, now = _key(rollout), frozenset(pod_hashes), _loop_time()
        last = self._pods.get(key)
        if last is None or now - last.at > max_age_seconds or not wanted <= last.hashes:
            hashes = f"{keys.HASH_LABEL} in ({','.join(sorted(wanted))})"
            selector = ",".join(part for part in (text_of(deployment.selector), hashes) if part)
            listing = await self._kube.list(wire.PODS, key.namespace, selector)
            last = _Pods(wanted, now, tuple(views.pod(raw) for raw in listing.items))
            self._pods[key] = last
        return tuple(pod for pod in last.pods if pod.pod_hash in wanted)

    # --- what a pass writes

    async def apply(self, rollout: Rollout, action: Action) -> None:
        """Carry out one action, guarded by the uid and resourceVersion that it names."""
        key = _key(rollout)
        request = request_of(key.namespace, action)
        try:
            raw = await self._kube.send(request)
        except Stale:
            self._covered.pop(key, None)
            self._doubtful.add(key)
            if isinstance(action, CreateRecord):
                await self._relabel(key, action)
            raise
        match action:
            case DeleteReplicaSet(ref=ref) | DeleteRecord(ref=ref):
                self._shelf(request.resource).lose(key.namespace, ref.name)
            case ScaleDeployment():
                # The answer is a Scale: the Deployment is another one now, and has to be read.
                self._covered.pop(key, None)
            case _:
                self._shelf(request.resource).take(raw)
        if isinstance(action, PatchRollout) and action.finalizers == ():
            # With the last finalizer a Rollout that is being deleted is gone.
            self._doubtful.add(key)

    async def _relabel(self, key: Key, action: CreateRecord) -> None:
        """One of ours that lost its label is not listed, yet holds the name: mark it again."""
        raw = await self._get(wire.REVISIONS, key.namespace, action.name)
        if raw is None or raw["metadata"].get("deletionTimestamp"):
            return
        owner = views.record(raw).owner_uid
        if owner == (action.owner.uid if action.owner else None):
            patch = PatchRecord(views.ref(raw), labels=dict(action.labels))
            await self._kube.send(request_of(key.namespace, patch))

    async def apply_status(self, rollout: Rollout, status: JsonMap) -> None:
        """Write the status, unless it is the stored one."""
        key = _key(rollout)
        newest = self._known.rollouts.get(key.namespace, key.name)
        if newest is None or newest.ref.uid != rollout.ref.uid:
            raise Stale(f"rollout {key} is not the one that the status was made for")
        if newest.status == status:
            return
        try:
            raw = await self._kube.send(status_request(key.namespace, newest.ref, status))
        except Stale:
            self._doubtful.add(key)
            raise
        self._known.rollouts.put(raw)

    def forget(self, key: Key) -> None:
        """Drop what was kept for a Rollout that is gone."""
        self._covered.pop(key, None)
        self._pods.pop(key, None)
        self._doubtful.discard(key)
        for name in self._known.revisions.of(key):
            self._known.revisions.lose(key.namespace, name)

    # --- how it is read

    def _covers(self, key: Key, target: str) -> bool:
        labelled = self._known.deployments.label_of(key.namespace, target) == key.name
        return bool(self._streams) and labelled and self._covered.get(key) == self._streams

    async def _read_around(self, key: Key, target: str) -> Parts:
        streams = self._streams
        guess = self._known.deployments.get(key.namespace, target)
        deployment, selected, revisions = await asyncio.gather(
            self._read_deployment(key, target),
            self._list_selected(key, guess),
            self._kube.list(wire.REVISIONS, key.namespace, _label(key)),
        )
        if deployment and (guess is None or guess.selector != deployment.selector):
            selected = await self._list_selected(key, deployment)
        self._known.revisions.replace(key, revisions.items, revisions.version)
        replica_sets, all_labelled = await self._merge(key, selected)
        if streams and all_labelled:
            self._covered[key] = streams
        else:
            self._covered.pop(key, None)
        return self._parts(key, deployment, replica_sets, fresh=True)

    async def _read_deployment(self, key: Key, target: str) -> Deployment | None:
        raw = await self._get(wire.DEPLOYMENTS, key.namespace, target)
        if raw is None:
            self._known.deployments.lose(key.namespace, target)
            return None
        return self._known.deployments.take(raw)

    async def _list_selected(self, key: Key, deployment: Deployment | None) -> tuple[Json, ...]:
        if deployment is None:
            return ()
        selector = text_of(deployment.selector)
        return (await self._kube.list(wire.REPLICA_SETS, key.namespace, selector)).items

    async def _merge(
        self, key: Key, selected: tuple[Json, ...]
    ) -> tuple[tuple[ReplicaSet, ...], bool]:
        """The selected ReplicaSets and the labelled ones, and whether they are the same."""
        shelf = self._known.replica_sets
        found = {raw["metadata"]["name"]: shelf.take(raw) for raw in selected}
        if key not in self._covered or not found or shelf.of(key).keys() - found.keys():
            # Ours may be without the Deployment's labels: of one that is gone, or was made anew.
            labelled = await self._kube.list(wire.REPLICA_SETS, key.namespace, _label(key))
            shelf.replace(key, labelled.items, labelled.version)
        ours = shelf.of(key)
        return tuple({**found, **ours}.values()), found.keys() <= ours.keys()

    def _parts(
        self,
        key: Key,
        deployment: Deployment | None,
        replica_sets: Iterable[ReplicaSet],
        *,
        fresh: bool,
    ) -> Parts:
        anchor: Anchor | None = None
        records: list[Record] = []
        for name, raw in self._known.revisions.of(key).items():
            # One that is on its way out must not become the owner of anything.
            if raw["metadata"].get("deletionTimestamp"):
                continue
            if name == keys.anchor_name(key.name):
                anchor = views.anchor(raw)
            else:
                records.append(views.record(raw))
        return Parts(deployment, tuple(replica_sets), anchor, tuple(records), fresh)

    async def _get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        try:
            return await self._kube.send(wire.get(resource, namespace, name))
        except NotFound:
            return None

    def _shelf(self, resource: Resource) -> Shelf[Any]:
        return self._known.shelves[resource]


def _key(rollout: Rollout) -> Key:
    return Key(rollout.namespace, rollout.ref.name)


def _label(key: Key) -> str:
    return f"{keys.ROLLOUT_LABEL}={key.name}"


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
