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
        series: list[tuple[float, int]] = []
        for change in self._changes():
            count = change.object["spec"]["replicas"]
            if not series or series[-1][1] != count:
                series.append((change.at, count))
        earlier = [entry for entry in series if entry[0] < since][-1:]
        return earlier + [entry for entry in series if entry[0] >= since]

    def course(self, field: str, since: float = 0.0) -> list[object]:
        """The values of one field of the spec, one after another, None where it was absent."""
        values: list[object] = []
        for state in self.states(since):
            value = state["spec"].get(field)
            if values[-1:] != [value]:
                values.append(value)
        return values


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
