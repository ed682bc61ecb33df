"""Every state of the Deployment, and who has set which of its fields."""

from __future__ import annotations

from collections.abc import Iterator

from stage.cluster import Json
from stage.story import Story
from stage.watching import Change, Watch

SLUICE = "sluice"


class DeploymentWatch:
    """The states of a story's Deployment from the making of this object on. `stop` it."""

    def __init__(self, story: Story) -> None:
        self._watch = Watch(story.cluster, "deployments", story.namespace)

    def stop(self) -> None:
        """End the watch."""
        self._watch.stop()

    def states(self, since: float = 0.0) -> list[Json]:
        """Every state that was seen from `since` on, oldest first."""
        return [change.object for change in self._changes() if change.at >= since]

    def _changes(self) -> list[Change]:
        changes = self._watch.changes()
        return [change for change in changes if change.object["metadata"]["name"] == "web"]

    def replicas(self, since: float = 0.0) -> list[tuple[float, int]]:
        """`spec.replicas` over time, as (from when, how many); the first is that at `since`."""
        return [(at, int(str(value))) for at, value in self._series("replicas", since)]

    def course(self, field: str, since: float = 0.0) -> list[object]:
        """The values of one field of the spec, one after another, from the one at `since` on.

        None where it was absent.
        """
        return [value for _, value in self._series(field, since)]

    def _series(self, field: str, since: float) -> list[tuple[float, object]]:
        series: list[tuple[float, object]] = []
        for change in self._changes():
            value = change.object["spec"].get(field)
            if not series or series[-1][1] != value:
                series.append((change.at, value))
        first = max((index for index, (at, _) in enumerate(series) if at <= since), default=0)
        return series[first:]


def fields_of(item: Json, manager: str, operation: str | None = None) -> set[str]:
    """The fields that `managedFields` gives to one manager, as "spec/paused"."""
    return {
        "/".join(path)
        for entry in item["metadata"].get("managedFields", [])
        if entry["manager"] == manager and operation in (None, entry["operation"])
        for path in _leaves(entry["fieldsV1"])
    }


def _leaves(tree: Json) -> Iterator[tuple[str, ...]]:
    for key, below in tree.items():
        if key == ".":
            continue
        paths = list(_leaves(below)) or [()]
        yield from ((key.removeprefix("f:"), *path) for path in paths)
