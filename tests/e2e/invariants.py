"""What holds at every instant of every story, read from the record of its watches."""

from __future__ import annotations

import json

from stage.story import ACCEPTED, Story, version_of
from stage.watching import HASH_LABEL, PodSeen


def owned_over_time(story: Story) -> list[tuple[float, list[str]]]:
    """Which versions' ReplicaSets the Deployment owned, as (from when, versions)."""
    owned: dict[str, str] = {}
    series: list[tuple[float, list[str]]] = []
    for change in story.replicaset_changes():
        owners = change.object["metadata"].get("ownerReferences", [])
        owned.pop(change.uid, None)
        if change.kind != "DELETED" and any(owner["kind"] == "Deployment" for owner in owners):
            owned[change.uid] = version_of(change.object)
        series.append((change.at, list(owned.values())))
    return series


def most_owned(story: Story, since: float = 0.0) -> int:
    """The largest number of ReplicaSets that the Deployment owned at one instant.

    The rule of one (a Deployment that owns several scales whichever it likes) says 1 at most.
    """
    return max((len(owned) for at, owned in owned_over_time(story) if at >= since), default=0)


def fewest_serving(story: Story, start: float, end: float) -> int:
    """The smallest number of pods that were ready and not being deleted, of all versions."""
    pods = story.pods_seen()
    instants = [start, end]
    for pod in pods:
        instants += [at for at in (pod.ready_at, pod.unready_at, pod.terminating_at) if at]
    return min(
        sum(pod.serving_at(instant) for pod in pods)
        for instant in instants
        if start <= instant <= end
    )


def made(story: Story, version: str, since: float = 0.0) -> list[PodSeen]:
    """The pods of one version that were made from `since` on, each uid once."""
    hashes = {
        change.object["metadata"]["labels"][HASH_LABEL]
        for change in story.replicaset_changes()
        if version_of(change.object) == version
    }
    return [pod for pod in story.pods_seen(since) if pod.hash in hashes]


def stable_versions(story: Story, since: float = 0.0) -> list[str]:
    """The versions that the Deployment owned one after another, from the one at `since` on."""
    course: list[str] = []
    for at, owned in owned_over_time(story):
        if len(owned) != 1 or course[-1:] == owned:
            continue
        course = owned if at <= since else course + owned
    return course


def commands_accepted(story: Story, since: float = 0.0) -> set[str]:
    """The ids of the commands that the operator took up."""
    texts = (
        item["metadata"].get("annotations", {}).get(ACCEPTED) for item in story.rollouts_seen(since)
    )
    return {json.loads(text)["id"] for text in texts if text}
