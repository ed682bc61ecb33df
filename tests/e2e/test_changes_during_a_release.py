"""What a user changes while a release is under way."""

from __future__ import annotations

from collections.abc import Callable

from e2e.invariants import most_owned
from stage.manifests import step
from stage.story import Story


def test_newer_template_replaces_the_canary_and_the_stable_one_cancels_it(
    new_story: Callable[..., Story],
) -> None:
    # Given a release of v2 that waits in its first step
    story = new_story("e2e-newer")
    story.adopt(steps=[step(25, "10m")])
    stable_pods = story.uids("v1")
    story.set_env(VERSION="v2")
    story.until_serving("v2", 1)

    # When v3 comes meanwhile
    story.set_env(VERSION="v3")

    # Then v3 is the canary, and v2 goes
    story.until_serving("v3", 1)
    story.until_gone("v2")

    # When the Deployment has the stable template again
    typed_at = story.set_env(VERSION="v1")

    # Then the release is cancelled, and the stable pods were never touched
    story.until("Healthy", since=typed_at)
    story.until_gone("v3")
    assert story.uids("v1") == stable_pods
    assert most_owned(story) == 1


def test_replicas_changed_during_a_release_are_followed_at_once(
    new_story: Callable[..., Story],
) -> None:
    # Given a release that waits for an approval in its step of 50 %
    story = new_story("e2e-resized", replicas=2)
    story.adopt(steps=[step(50, approval="Required")])
    story.set_env(VERSION="v2")
    story.until_serving("v2", 2)

    # When the Deployment is scaled up and the release promoted
    story.scale(4)
    story.until_serving("v1", 4)
    story.until_serving("v2", 4)
    story.command("promote")

    # Then v2 is stable with as many pods
    story.until_now("Healthy", "v2")
    story.until_serving("v2", 4)
    story.until_gone("v1")
    assert most_owned(story) == 1
