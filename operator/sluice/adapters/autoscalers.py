"""Who else sets the replicas of a Deployment: HorizontalPodAutoscalers, and KEDA's ScaledObjects.

Two writers would undo each other's work for ever, so Sluice steps back where there is another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sluice.adapters import wire
from sluice.adapters.errors import NotFound
from sluice.adapters.kube import Kube
from sluice.adapters.lenient import map_of, maps_of, text_of
from sluice.adapters.wire import Json, Resource
from sluice.ports import ClusterError, Unreachable

# How old a list may be where nothing is going to be written.
LIST_SECONDS: Final = 15.0
# A list that cannot be read now will do for so long, and is asked for again no sooner than this.
_UNREAD_SECONDS: Final = 120.0
_AGAIN_SECONDS: Final = 5.0
# Without KEDA its kind is not there; it may be installed later.
_ABSENT_SECONDS: Final = 60.0

Target = tuple[str, str]


@dataclass(slots=True)
class _Listed:
    """One kind's targets, when (in the loop's time) they were read, and when to do so again; why
    that has failed since.
    """

    read_at: float = float("-inf")
    until: float = float("-inf")
    found: dict[Target, str] = field(default_factory=dict)
    failure: ClusterError | None = None


class Autoscalers:
    """Answers from lists that all Rollouts share; they are read only while somebody asks.

    `scope` is the one namespace that is served, None for all.
    """

    def __init__(self, kube: Kube, scope: str | None = None) -> None:
        self._kube = kube
        self._scope = scope
        self._listed = {wire.AUTOSCALERS: _Listed(), wire.SCALED_OBJECTS: _Listed()}
        self._lock = asyncio.Lock()

    async def of(self, namespace: str, deployment: str, *, fresh: bool = False) -> str | None:
        """What else scales the Deployment, as `<kind> <name>`; None when nothing does.

        `fresh` reads the namespace anew: for the moment before replicas are written. Raises
        ClusterError where it cannot be known.
        """
        for resource, listed in self._listed.items():
            if fresh:
                found = await self._read(resource, namespace) or {}
            else:
                found = await self._shared(resource, listed)
            if name := found.get((namespace, deployment)):
                return name
        return None

    async def _shared(self, resource: Resource, listed: _Listed) -> dict[Target, str]:
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now >= listed.until:
                await self._read_again(resource, listed, now)
            old = now - listed.read_at > _UNREAD_SECONDS
            if listed.failure and (old or not isinstance(listed.failure, Unreachable)):
                raise listed.failure.with_traceback(None)
            return listed.found

    async def _read_again(self, resource: Resource, listed: _Listed, now: float) -> None:
        try:
            found = await self._read(resource, self._scope)
        except ClusterError as failure:
            listed.failure, listed.until = failure, now + _AGAIN_SECONDS
            return
        listed.failure, listed.read_at, listed.found = None, now, found or {}
        listed.until = now + (_ABSENT_SECONDS if found is None else LIST_SECONDS)

    async def _read(self, resource: Resource, namespace: str | None) -> dict[Target, str] | None:
        """The targets of one kind; None when there is no such kind, and nothing scales by it."""
        try:
            listing = await self._kube.list(resource, namespace)
        except NotFound:
            return None
        return dict(_targets(resource, listing.items))


def _targets(resource: Resource, items: Iterable[Json]) -> Iterator[tuple[Target, str]]:
    for raw in items:
        meta, target = map_of(raw, "metadata"), map_of(map_of(raw, "spec"), "scaleTargetRef")
        if text_of(target, "kind", "Deployment") != "Deployment":
            continue
        if text_of(target, "apiVersion", "apps/v1").partition("/")[0] != "apps":
            continue
        place = (text_of(meta, "namespace"), text_of(target, "name"))
        yield place, _named(resource, meta)


def _named(resource: Resource, meta: Json) -> str:
    """KEDA has an HPA made for each ScaledObject; people know the latter."""
    for owner in maps_of(meta, "ownerReferences"):
        if text_of(owner, "kind") == wire.SCALED_OBJECTS.kind:
            return f"{wire.SCALED_OBJECTS.kind} {text_of(owner, 'name')}"
    return f"{resource.kind} {text_of(meta, 'name')}"
