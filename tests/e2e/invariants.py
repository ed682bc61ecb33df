"""What holds at every instant of every story, read from the record of its watches."""

from __future__ import annotations

from stage.story import Story, version_of
from stage.watching import HASH_LABEL, PodSeen


def most_owned(story: Story, since: float = 0.0) -> int:
    """The largest number of ReplicaSets that the Deployment owned at one instant.

    The rule of one (a Deployment that owns several scales whichever it likes) says 1 at most.
    """
    owned: set[str] = set()
    most = 0
    for change in story.replicaset_changes():
        owners = change.object["metadata"].get("ownerReferences", [])
        if change.kind != "DELETED" and any(owner["kind"] == "Deployment" for owner in owners):
            owned.add(change.uid)
        else:
            owned.discard(change.uid)
        if change.at >= since:
            most = max(most, len(owned))
    return most


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
    """The stable pod hashes that the status showed one after another."""
    course: list[str] = []
    for moment in story.moments(since):
        if moment.stable_hash and course[-1:] != [moment.stable_hash]:
            course.append(moment.stable_hash)
    return course
