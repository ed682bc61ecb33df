"""What is known of the cluster: one shelf for each kind, and how objects get on and off it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sluice.adapters import views, wire
from sluice.adapters.wire import Json
from sluice.core.keys import ROLLOUT_LABEL
from sluice.core.objects import Deployment, ReplicaSet, Rollout
from sluice.ports import Key
from sluice.runtime.store import Store

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Held(Generic[V]):
    """An object on a shelf; `index` is the Rollout that its label names, "" without one."""

    namespace: str
    name: str
    uid: str
    version: int
    index: str
    value: V


class Shelf(Generic[V]):
    """The newest known state of every object of a kind, read once.

    Of kinds that are watched by label only what is labelled is kept: nothing would ever tell that
    the rest has changed.
    """

    def __init__(self, read: Callable[[Json], V], *, by_label: bool = True) -> None:
        self._read = read
        self._by_label = by_label
        self._store: Store[Held[V]] = Store()

    def put(self, raw: Json) -> bool:
        """Keep the object if it is news; returns whether it was."""
        if self._by_label and not label_of(raw):
            return self.drop(raw)
        return self._store.put(_held(raw, self._read(raw)))

    def take(self, raw: Json) -> V:
        """Keep the object if it is news; returns the newest state of it."""
        item = _held(raw, self._read(raw))
        if self._by_label and not item.index:
            self._store.drop(item)
        else:
            self._store.put(item)
        newest = self._store.get(item.namespace, item.name)
        return newest.value if newest is not None and newest.uid == item.uid else item.value

    def drop(self, raw: Json) -> bool:
        """The object is gone, or has left the watch's selector; returns whether that was news."""
        return self._store.drop(_held(raw, self._read(raw)))

    def lose(self, namespace: str, name: str) -> None:
        """The object is known to be gone as it was last seen."""
        found = self._store.get(namespace, name)
        if found is not None:
            self._store.drop(found)

    def replace(self, key: Key, listed: Iterable[Json], at: str) -> None:
        """Take over a LIST made at that resourceVersion: what it lacks of the Rollout's is gone."""
        names = set()
        for raw in listed:
            self.put(raw)
            names.add(raw["metadata"]["name"])
        for item in self._store.find(key.namespace, key.name):
            if item.name not in names and item.version <= _number(at):
                self._store.drop(item)

    def get(self, namespace: str, name: str) -> V | None:
        """The object of that name."""
        found = self._store.get(namespace, name)
        return found.value if found else None

    def of(self, key: Key) -> dict[str, V]:
        """The objects that carry the Rollout's label, by name."""
        return {item.name: item.value for item in self._store.find(key.namespace, key.name)}

    def label_of(self, namespace: str, name: str) -> str:
        """The Rollout that the object's label names; "" without one."""
        found = self._store.get(namespace, name)
        return found.index if found else ""

    def all(self) -> list[V]:
        """All objects."""
        return [item.value for item in self._store]

    def all_in(self, namespace: str) -> list[V]:
        """All objects of a namespace."""
        return [item.value for item in self._store if item.namespace == namespace]

    def clear(self) -> None:
        """Forget them all."""
        self._store.clear()


class Known:
    """The shelves. ControllerRevisions stay as they came: anchors and records are one kind."""

    def __init__(self) -> None:
        hashes = views.TemplateHashes()
        self.rollouts: Shelf[Rollout] = Shelf(views.rollout, by_label=False)
        self.deployments: Shelf[Deployment] = Shelf(lambda raw: views.deployment(raw, hashes))
        self.replica_sets: Shelf[ReplicaSet] = Shelf(lambda raw: views.replica_set(raw, hashes))
        self.revisions: Shelf[Json] = Shelf(_slim)
        self.shelves: dict[wire.Resource, Shelf[Any]] = {
            wire.ROLLOUTS: self.rollouts,
            wire.DEPLOYMENTS: self.deployments,
            wire.REPLICA_SETS: self.replica_sets,
            wire.REVISIONS: self.revisions,
        }


def label_of(raw: Json) -> str:
    """The Rollout that the object's label names; "" without one."""
    return str(((raw.get("metadata") or {}).get("labels") or {}).get(ROLLOUT_LABEL, ""))


def _held(raw: Json, value: V) -> Held[V]:
    meta = raw.get("metadata") or {}
    return Held(
        namespace=str(meta.get("namespace", "")),
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        version=_number(meta.get("resourceVersion")),
        index=label_of(raw),
        value=value,
    )


def _slim(raw: Json) -> Json:
    meta = {k: v for k, v in (raw.get("metadata") or {}).items() if k != "managedFields"}
    return {**raw, "metadata": meta}


def _number(version: object) -> int:
    text = str(version)
    return int(text) if text.isdecimal() else 0
