"""A version that cannot run is taken back within seconds of the proof, long before its deadline."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from e2e.invariants import made, most_owned
from stage.cluster import Json
from stage.manifests import step
from stage.story import Story

REPLICAS = 3


def test_crash_loop_is_rolled_back_at_the_third_restart(new_story: Callable[..., Story]) -> None:
    # Given three replicas of v1, and a Rollout with a deadline of ten minutes
    story = new_story("e2e-crash", replicas=REPLICAS)
    story.adopt(steps=[step(25, "10s")], progressDeadline="10m")
    stable_pods = story.uids("v1")

    # When v4 comes, which ends with an error at its start
    typed_at = story.set_env(VERSION="v4", CRASH="start")
    decided = story.until("RollingBack", "RolledBack", timeout_seconds=150, since=typed_at)

    # Then the release is rolled back within 15 s of the third restart
    canaries = made(story, "v4")
    third_restart_at = min(pod.restarts[2] for pod in canaries if len(pod.restarts) >= 3)
    assert decided.at - third_restart_at <= 15, story.tell()

    # And the reason names the container and its last state
    rolled_back = story.until("RolledBack", timeout_seconds=60, since=typed_at)
    assert '"web"' in rolled_back.message, rolled_back.message
    assert "exit code 1" in rolled_back.message, rolled_back.message

    # And the stable pods are the same
    story.until_gone("v4")
    assert story.uids("v1") == stable_pods
    assert most_owned(story) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image": "Not:A:Name"}, "InvalidImageName"),
        ({"envFrom": [{"configMapRef": {"name": "missing"}}]}, "CreateContainerConfigError"),
    ],
    ids=["invalid image name", "missing config map"],
)
def test_certain_failure_is_rolled_back_at_once(
    new_story: Callable[..., Story], change: Json, reason: str
) -> None:
    # Given a Rollout with a deadline of ten minutes
    story = new_story("e2e-certain", replicas=1)
    story.adopt(steps=[step(50, "10s")], progressDeadline="10m")

    # When a version comes whose container can never start
    typed_at = time.time()
    containers = [{"name": "web", **change}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    story.kubectl("patch", "deployment/web", "-p", json.dumps(patch))
    decided = story.until("RollingBack", "RolledBack", timeout_seconds=60, since=typed_at)

    # Then it is rolled back within seconds, and the reason is the kubelet's
    assert decided.at - typed_at <= 30, story.tell()
    rolled_back = story.until("RolledBack", since=typed_at)
    assert reason in rolled_back.message, rolled_back.message


def test_progress_deadline_is_the_end_of_waiting(new_story: Callable[..., Story]) -> None:
    # Given a Rollout with a deadline of eight seconds
    story = new_story("e2e-deadline", replicas=1)
    story.adopt(steps=[step(50, "10s")], progressDeadline="8s")

    # When a version comes that is never ready
    typed_at = story.set_env(VERSION="v4", READY_DELAY_SECONDS="3600")
    decided = story.until("RollingBack", "RolledBack", timeout_seconds=60, since=typed_at)

    # Then it is rolled back after the deadline, not before, and the reason says so
    created_at = min(pod.seen_at for pod in made(story, "v4"))
    assert 7 <= decided.at - created_at <= 20, story.tell()
    rolled_back = story.until("RolledBack", since=typed_at)
    assert "8s (progressDeadline)" in rolled_back.message, rolled_back.message
