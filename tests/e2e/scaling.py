"""What the tests of scaling have in common: a metric that they set, and replicas over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from stage import manifests
from stage.cluster import Json, path_of
from stage.story import Story

# Requests per second of all pods, in the last ten seconds.
RPS: Final = 'sum(rate(http_requests_total{namespace="{{namespace}}",pod=~"{{pods}}"}[10s]))'
# The same for a test that asks by itself.
RPS_OF: Final = 'sum(rate(http_requests_total{{namespace="{namespace}",pod=~"web-.*"}}[10s]))'


def wanted(number: float) -> list[Json]:
    """A metric that proposes so many replicas, whatever there are."""
    return [{"name": "wanted", "query": f"vector({number:g})", "target": {"averageValue": 1}}]


def rollout(story: Story, canary: Json | None = None, **scaling: object) -> Json:
    """The story's Rollout with that `spec.scaling`: 1 to 10 replicas, looked at every second."""
    found = manifests.rollout(
        story.namespace, name=story.name, **(canary or {"steps": [{"weight": 50}]})
    )
    found["spec"]["scaling"] = {
        "minReplicas": 1,
        "maxReplicas": 10,
        "interval": "1s",
        **scaling,
    }
    return found


def adopt(story: Story, canary: Json | None = None, **scaling: object) -> None:
    """Apply it, and wait until it is Healthy."""
    story.apply(rollout(story, canary, **scaling))
    story.until("Healthy")


def fast(window_seconds: int = 0) -> Json:
    """A behavior that does everything at once, downwards after a window."""
    return {
        "scaleUp": {"policies": [{"type": "Percent", "value": 1000, "periodSeconds": 1}]},
        "scaleDown": {
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 1}],
            "stabilizationWindowSeconds": window_seconds,
        },
    }


def set_metrics(story: Story, metrics: list[Json]) -> None:
    """Change the metrics of `spec.scaling`."""
    path = path_of("rollouts", story.namespace, story.name)
    story.cluster.patch(path, {"spec": {"scaling": {"metrics": metrics}}})


def replicas(story: Story) -> int:
    """`spec.replicas` now."""
    return int(story.deployment()["spec"]["replicas"])


def until_replicas(story: Story, number: int, timeout_seconds: float = 60) -> None:
    """Wait until the Deployment wants so many."""
    story.eventually(lambda: replicas(story) == number, timeout_seconds, f"{number} replicas")


def condition(story: Story, kind: str) -> Json:
    """A condition of the Rollout; empty when it has none of that type."""
    conditions = story.now().status.get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


@dataclass(frozen=True)
class Turn:
    """A change of direction: when, and how long after the change before."""

    at: float
    seconds: float


def turns(course: Sequence[tuple[float, int]]) -> Iterator[Turn]:
    """Where replicas went up after they had gone down, or the other way."""
    steps = [(b[0], b[1] - a[1]) for a, b in pairwise(course)]
    for (before, first), (at, second) in pairwise(steps):
        if (first > 0) != (second > 0):
            yield Turn(at, at - before)
