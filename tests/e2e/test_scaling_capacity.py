"""Pods that fit on no node: it is said with numbers, no more are piled up, and room is used."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from e2e.scaling import adopt, condition, fast, replicas, set_metrics, until_replicas, wanted
from stage.cluster import NODE, Cluster, path_of
from stage.story import Story


@pytest.fixture
def set_room(cluster: Cluster) -> Iterator[Callable[[str, int | None], None]]:
    """Says how many pods that want a resource fit on the node; it is taken away at the end."""
    known: set[str] = set()

    def set_to(resource: str, number: int | None) -> None:
        known.add(resource)
        amount = None if number is None else str(number)
        capacity = {"status": {"capacity": {resource: amount}, "allocatable": {resource: amount}}}
        cluster.patch(f"/api/v1/nodes/{NODE}/status", capacity)

    yield set_to
    for resource in known:
        set_to(resource, None)


def test_pods_that_do_not_fit_are_not_piled_up_and_room_is_used_when_it_comes(
    new_story: Callable[..., Story], set_room: Callable[[str, int | None], None]
) -> None:
    # Given a node that has a resource for three pods, and each pod wants one
    story = new_story("capacity", replicas=1)
    resource = "sluice.test/" + story.namespace.rpartition("-")[2]
    set_room(resource, 3)
    wants = {"requests": {resource: "1"}, "limits": {resource: "1"}}
    version = [{"name": "VERSION", "value": "v2"}]
    container = {"name": "web", "env": version, "resources": wants}
    path = path_of("deployments", story.namespace, "web")
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    story.cluster.patch(path, change, kind="strategic-merge")
    story.eventually(
        lambda: (
            story.deployment()["status"].get("updatedReplicas") == 1
            and story.deployment()["status"].get("replicas") == 1
        ),
        60,
        "the pod wants the resource",
    )
    adopt(story, metrics=wanted(3), behavior=fast())
    story.until_serving("v2", 3)

    # When the metric asks for five
    set_metrics(story, wanted(5))
    limited = story.eventually(lambda: condition(story, "CapacityLimited"), 30, "it is said")

    # Then it says how many do not fit, and why
    assert "not fit on any node" in limited["message"], limited
    assert resource in limited["message"], limited
    story.eventually(
        lambda: condition(story, "CapacityLimited")["message"].startswith("2 pods"), 30, "two"
    )

    # And goes one further, when the metric asks for ten, and no more
    set_metrics(story, wanted(10))
    until_replicas(story, 6)
    story.until_time(time.time() + 10)
    assert replicas(story) == 6, story.tell()
    assert "not above 6" in condition(story, "ScalingLimited")["message"], story.tell()

    # When room comes
    set_room(resource, 10)

    # Then it goes on
    story.until_serving("v2", 10)
    story.eventually(lambda: not condition(story, "CapacityLimited"), 30, "it is over")
