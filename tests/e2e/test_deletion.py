"""A Rollout is deleted in mid-release, and what is left is a plain Deployment."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from e2e.invariants import fewest_serving, made, most_owned
from e2e.lifecycle import assert_plain
from stage.cluster import kubectl
from stage.manifests import step
from stage.story import Story, version_of

REPLICAS = 3


@pytest.mark.parametrize("mode", ["background", "foreground", "orphan"])
def test_rollout_deleted_in_mid_canary(new_story: Callable[..., Story], mode: str) -> None:
    # Given v2, promoted, and v3 on its way
    story = new_story(f"e2e-delete-{mode}", replicas=REPLICAS)
    story.adopt(steps=[step(50, approval="Required")])
    promote(story, "v2")
    story.set_env(VERSION="v3")
    story.until_serving("v3", REPLICAS)
    stable_pods = story.uids("v2")

    # When the Rollout is deleted
    deleted_at = time.time()
    story.kubectl("delete", "slr/web", f"--cascade={mode}", "--timeout=60s")

    # Then the Deployment is plain and on v2, with the same pods; nothing of v3 is left
    assert_plain(story, "v2")
    story.until_gone("v3")
    assert story.uids("v2") == stable_pods
    assert made(story, "v2", since=deleted_at) == []
    assert fewest_serving(story, deleted_at, time.time()) >= REPLICAS
    assert version_of(story.deployment()) == "v2"

    # And its history is its own: undo leads to v1
    story.kubectl("rollout", "undo", "deployment/web")
    story.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    story.until_gone("v2")
    assert {version_of(pod) for pod in story.pods()} == {"v1"}

    # And it rolls by itself at the next change
    story.set_env(VERSION="v4")
    story.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    story.until_serving("v4", REPLICAS)


def promote(story: Story, version: str) -> None:
    """Release a version, and approve its step."""
    typed_at = story.set_env(VERSION=version)
    story.until("Paused", since=typed_at)
    story.command("promote")
    story.until_now("Healthy", version)
    story.eventually(
        lambda: {version_of(pod) for pod in story.pods()} == {version}, 30, "the old pods are gone"
    )


@pytest.mark.parametrize("mode", ["background", "orphan"])
def test_stable_replicaset_deleted_during_a_release(
    new_story: Callable[..., Story], mode: str
) -> None:
    # Given a release that waits for an approval
    story = new_story(f"e2e-lost-{mode}", replicas=REPLICAS)
    story.adopt(steps=[step(50, approval="Required")])
    typed_at = story.set_env(VERSION="v2")
    story.until("Paused", since=typed_at)
    stable = story.hash_of("v1")
    pods = story.uids("v1")

    # When somebody deletes the stable ReplicaSet, with its pods or without
    deleted_at = time.time()
    story.kubectl("delete", f"rs/web-{stable}", f"--cascade={mode}")

    # Then it is back within seconds, with the same name and hash
    story.eventually(lambda: story.hash_of("v1") == stable, 8, "v1's ReplicaSet is made again")
    story.until_serving("v1", REPLICAS)
    if mode == "orphan":
        # And the pods that were left are its own again
        assert story.uids("v1") == pods
        assert made(story, "v1", since=deleted_at) == []

    # And the release can go on
    story.until("Paused", since=deleted_at)
    story.command("promote")
    story.until_now("Healthy", "v2")
    story.until_gone("v1")
    assert most_owned(story) == 1


def test_namespace_deleted_with_everything_in_it(new_story: Callable[..., Story]) -> None:
    # Given a release under way
    story = new_story("e2e-namespace", replicas=1)
    story.adopt(steps=[step(50, "10m")])
    story.set_env(VERSION="v2")
    story.until_serving("v2", 1)

    # When the namespace is deleted, then nothing of Sluice's keeps it
    kubectl("delete", "namespace", story.namespace, "--timeout=90s")


def test_deployment_deleted_under_its_rollout(new_story: Callable[..., Story]) -> None:
    # Given a release under way
    story = new_story("e2e-orphaned", replicas=1)
    story.adopt(steps=[step(50, "10m")])
    story.set_env(VERSION="v2")
    story.until_serving("v2", 1)

    # When the Deployment is deleted, then no pod of either version is left
    story.kubectl("delete", "deployment/web")
    story.until_gone("v1")
    story.until_gone("v2")

    # And the Rollout says so, and can be deleted
    story.until("Stalled", "Invalid", timeout_seconds=20)
    story.kubectl("delete", "slr/web", "--timeout=20s")
