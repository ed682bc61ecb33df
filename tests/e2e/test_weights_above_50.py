"""Weights above 50: the new version takes the stable one's place, and the way back is as safe."""

from __future__ import annotations

from collections.abc import Callable

from e2e.invariants import fewest_serving, made, most_owned, stable_versions
from e2e.local_operator import LocalOperator
from stage.manifests import error_analysis, step
from stage.story import Story, version_of
from stage.traffic import answered_by, failed, lost

N = 4


def sizes(story: Story) -> dict[str, int]:
    """Wanted pods of each version."""
    return {version_of(item): item["spec"]["replicas"] for item in story.replicasets()}


def until_sized(story: Story, **wanted: int) -> None:
    """Wait until the versions want so many pods, and have them."""

    def reached() -> bool:
        available = {
            version_of(item): item["status"].get("availableReplicas", 0)
            for item in story.replicasets()
        }
        return sizes(story) == wanted == available

    story.eventually(reached, 60, f"pods of each version: {wanted}")


def begin(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator], name: str
) -> Story:
    """v1 under traffic and an operator of our own."""
    story = new_story(f"solo-{name}", replicas=N, rate=60)
    new_operator(story).start()
    return story


def test_a_good_release_goes_through_weight_80_without_a_lost_request(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a Rollout with a step above 50
    story = begin(new_story, new_operator, "heavy")
    story.adopt(
        steps=[step(25, "2s"), step(80, "4s", approval="Required")],
        analysis=error_analysis(interval="1s"),
    )
    before = story.traffic()

    # When v2 has come to that step
    typed_at = story.set_env(VERSION="v2")
    paused = story.until("Paused", since=typed_at, timeout_seconds=120)

    # Then the Deployment owns v2, with all its pods, and one of v1 is left: 80 percent
    assert sizes(story) == {"v1": 1, "v2": N}
    release = paused.status["release"]
    assert (release["step"], release["canaryReplicas"]) == (2, N)
    weight = story.eventually(
        lambda: story.now().status["release"]["weight"] == 80, 20, "the status shows weight 80"
    )
    assert weight
    assert story.stable_version() == "v2"
    assert story.now().status["stable"]["replicas"] == 1

    # And a scale in that step is followed by both sides
    story.scale(2 * N)
    until_sized(story, v1=2, v2=2 * N)
    story.scale(N)
    until_sized(story, v1=1, v2=N)

    # When it is approved
    story.command("promote")
    story.until("Healthy", since=typed_at, timeout_seconds=60)
    story.until_gone("v1")

    # Then v2 is stable; no pod of it was made twice, none of v1 again but for the scale
    assert story.stable_version() == "v2"
    assert len(made(story, "v1", typed_at)) == 1
    assert len(made(story, "v2", typed_at)) == 2 * N
    end = story.traffic()
    counts = end.since(before)
    assert (lost(counts), failed(counts)) == (0, 0)
    assert answered_by(counts, "v2") > 0
    assert fewest_serving(story, typed_at, end.now) >= N
    assert most_owned(story) == 1


def test_a_rollback_from_weight_80_never_leaves_less_than_n_serving(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a version that fails one answer of twenty, released with weight 80 at once
    story = begin(new_story, new_operator, "heavy-bad")
    analysis = error_analysis(interval="1s")
    story.adopt(steps=[step(80, "10m")], analysis={**analysis, "initialDelay": "20s"})

    # When it serves in the stable one's place and is found out
    before = story.traffic()
    typed_at = story.set_env(VERSION="v2", ERROR_RATIO="0.05")
    story.until("RollingBack", since=typed_at, timeout_seconds=120)
    story.until("RolledBack", since=typed_at, timeout_seconds=60)
    story.until_gone("v2")
    end = story.traffic()

    # Then v1 is back, by the same ReplicaSet, and N pods served at every instant
    assert stable_versions(story) == ["v1", "v2", "v1"]
    assert 'metric "errors"' in story.now().message
    assert "step 1 of 1 (80%)" in story.now().message
    assert fewest_serving(story, typed_at, end.now) >= N
    assert lost(end.since(before)) == 0
    assert most_owned(story) == 1
    assert story.now().status["rejected"]


def test_a_rollout_deleted_at_weight_80_gives_the_stable_version_back(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given v2 in the stable one's place
    story = begin(new_story, new_operator, "heavy-gone")
    story.adopt(steps=[step(80, "10m")])
    typed_at = story.set_env(VERSION="v2")
    until_sized(story, v1=1, v2=N)
    before = story.traffic()

    # When the Rollout is deleted
    story.kubectl("delete", "slr/web", "--timeout=60s")

    # Then the Deployment is a plain one on v1 with all its pods, and v2 is gone
    story.until_gone("v2")
    story.until_serving("v1", N)
    deployment = story.deployment()
    assert not deployment["spec"].get("paused", False)
    assert version_of(deployment) == "v1"
    end = story.traffic()
    assert lost(end.since(before)) == 0
    assert fewest_serving(story, typed_at, end.now) >= N
