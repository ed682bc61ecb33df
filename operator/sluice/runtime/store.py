"""The latest known state of objects of one kind, whoever brought it: a watch, a read, an own write.

The three arrive in any order. What decides is the resourceVersion: a number that grows with every
change of any object of the kind (Kubernetes 1.35 made that comparison part of the API; it has
always been true of etcd's revisions).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar


class Item(Protocol):
    """What the store must know of an object. `index` is the value that `find` looks for."""

    @property
    def namespace(self) -> str: ...  # noqa: D102 - named for what it is
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def uid(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def index(self) -> str: ...  # noqa: D102


T = TypeVar("T", bound=Item)
_Place = tuple[str, str]

# More deletions than this between a read and its answer are not to be expected.
GRAVES: Final = 4096


class Store(Generic[T]):
    """Objects of one kind by namespace and name, and by namespace and index value."""

    def __init__(self) -> None:
        self._items: dict[_Place, T] = {}
        self._index: defaultdict[_Place, dict[str, None]] = defaultdict(dict)
        self._gone_at: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._items.values()))

    def put(self, item: T) -> bool:
        """Keep it if it is news; returns whether it was."""
        place = (item.namespace, item.name)
        held = self._items.get(place)
        if held is not None and held.version >= item.version:
            return False
        # A reader that was slow may bring an object back from before its deletion.
        if item.version <= self._gone_at.get(item.uid, -1):
            return False
        self._forget(place)
        self._items[place] = item
        self._index[item.namespace, item.index][item.name] = None
        return True

    def drop(self, item: T) -> bool:
        """It is gone as of `item.version`; returns whether that was news.

        Gone may mean that it left a watch's selector, so a later version brings it back.
        """
        self._gone_at[item.uid] = max(item.version, self._gone_at.pop(item.uid, -1))
        while len(self._gone_at) > GRAVES:
            self._gone_at.popitem(last=False)
        held = self.get(item.namespace, item.name)
        if held is None or held.uid != item.uid or held.version > item.version:
            return False
        self._forget((item.namespace, item.name))
        return True

    def get(self, namespace: str, name: str) -> T | None:
        """The object of that name."""
        return self._items.get((namespace, name))

    def find(self, namespace: str, index: str) -> list[T]:
        """The objects with that index value, in the order in which they became known."""
        names = self._index.get((namespace, index), {})
        return [self._items[namespace, name] for name in names]

    def clear(self) -> None:
        """Forget all objects; what is known to be gone stays so."""
        self._items.clear()
        self._index.clear()

    def _forget(self, place: _Place) -> None:
        held = self._items.pop(place, None)
        if held is None:
            return
        shelf = (held.namespace, held.index)
        self._index[shelf].pop(held.name, None)
        if not self._index[shelf]:
            del self._index[shelf]
