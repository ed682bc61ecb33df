"""A good release goes through under real traffic, and nobody notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from e2e.invariants import fewest_serving, most_owned
from stage import acts
from stage.manifests import error_analysis, step
from stage.story import Story

REPLICAS = 8


def test_good_release_is_promoted_without_a_lost_request(new_story: Callable[..., Story]) -> None:
    # Given eight replicas of v1 under 80 requests per second, and a Rollout of three steps
    story = new_story("e2e-good", replicas=REPLICAS, rate=80)
    steps = [step(10, "6s"), step(25, "6s"), step(50, "6s")]
    story.adopt(steps=steps, analysis=error_analysis(interval="2s"))
    before = story.deployment()["spec"]

    # When v2 comes, which is as good as v1
    result = acts.play(story, replace(acts.GOOD_RELEASE, timeout_seconds=240))

    # Then it is promoted, and no request was lost or failed
    assert not result.problems, f"{result.problems}\n{story.tell()}"
    assert (result.lost, result.failed) == (0, 0)
    assert result.served > 0

    # And it went through every step: the weight that the status shows is what the pods gave
    releases = [moment.status.get("release", {}) for moment in result.moments]
    steps_seen = [release["step"] for release in releases if "step" in release]
    assert steps_seen == sorted(steps_seen)
    assert set(steps_seen) == {1, 2, 3}

    # And every new pod was made once: eight, all of the new version
    assert result.pods_created == REPLICAS, [pod.name for pod in result.pods]

    # And the Service was never without ready pods; eight of both versions served all the time
    assert result.fewest_ready >= 1
    assert fewest_serving(story, result.typed_at, result.done_at) >= REPLICAS

    # And the Deployment, which owned one ReplicaSet at every instant, stays the user's
    assert most_owned(story) == 1
    assert [rs["metadata"]["name"] for rs in story.owned_by_deployment()] == [
        f"web-{story.hash_of('v2')}"
    ]
    after = story.deployment()["spec"]
    after["template"] = before["template"]
    assert after == before
