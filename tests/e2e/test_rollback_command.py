"""One command takes a promoted version back; others steer a release under way."""

from __future__ import annotations

from collections.abc import Callable

from e2e.invariants import fewest_serving, made, most_owned, stable_versions
from stage import acts
from stage.manifests import step
from stage.story import Story

REPLICAS = 4


def test_rollback_after_promotion_brings_all_traffic_back(new_story: Callable[..., Story]) -> None:
    # Given v2, promoted, under traffic
    story = new_story("e2e-rollback", replicas=REPLICAS, rate=60)
    story.adopt(steps=[step(50)])
    first = acts.play(story, acts.GOOD_RELEASE)
    assert not first.problems, f"{first.problems}\n{story.tell()}"

    # When somebody types: kubectl annotate slr/web sluice.dev/command=rollback
    result = acts.play(story, acts.ROLLBACK)

    # Then v1 is stable again, and no request was lost or failed
    assert not result.problems, f"{result.problems}\n{story.tell()}"

    # And all traffic is on it in the time its pods needed to start, plus 5 s
    assert len(result.pods) == REPLICAS
    ready_at = [pod.ready_at for pod in result.pods if pod.ready_at]
    start_seconds = max(ready_at) - min(pod.seen_at for pod in result.pods)
    last_second = result.traffic.last_second_with("v2", result.typed_at)
    assert last_second is not None
    all_on_v1_at = last_second + 1
    assert all_on_v1_at - result.typed_at <= start_seconds + 5, story.tell()

    # And four pods of both versions served all the time
    assert fewest_serving(story, result.typed_at, result.done_at) >= REPLICAS

    # And v2 is still in the Deployment, and is not released again
    story.until_reconciled()
    assert made(story, "v2", since=result.done_at) == []
    assert story.now().phase == "RolledBack"
    assert most_owned(story) == 1


def test_rollback_during_a_release_takes_the_canary_back(new_story: Callable[..., Story]) -> None:
    # Given a release that waits in its first step
    story = new_story("e2e-midway")
    story.adopt(steps=[step(25, "10m")])
    stable_pods = story.uids("v1")
    story.set_env(VERSION="v2")
    story.until_serving("v2", 1)

    # When it is rolled back by command
    typed_at = story.command("rollback")

    # Then the canary is gone, v1 was not touched, and v2 is rejected
    story.until("RolledBack", since=typed_at)
    story.until_gone("v2")
    assert story.uids("v1") == stable_pods
    assert stable_versions(story) == ["v1"]
    command = story.now().status["lastCommand"]
    assert command["verb"] == "rollback"
    assert command["result"]


def test_promote_goes_past_an_approval_and_abort_takes_back(
    new_story: Callable[..., Story],
) -> None:
    # Given a release whose first step wants an approval
    story = new_story("e2e-approval")
    story.adopt(steps=[step(25, "1s", approval="Required"), step(50, "10m")])
    typed_at = story.set_env(VERSION="v2")
    paused = story.until("Paused", since=typed_at)
    assert "approv" in paused.message.lower(), paused.message
    assert paused.status["release"]["step"] == 1

    # When it is given by command
    story.command("promote")

    # Then the release goes on to its second step
    story.eventually(
        lambda: story.now().status.get("release", {}).get("step") == 2, 30, "step 2 is reached"
    )
    story.until_serving("v2", 3)

    # When the release is aborted
    stable_pods = story.uids("v1")
    aborted_at = story.command("abort")

    # Then the canary is taken back
    story.until("RolledBack", since=aborted_at)
    story.until_gone("v2")
    assert story.uids("v1") == stable_pods
    assert most_owned(story) == 1


def test_impossible_commands_change_nothing_and_say_why(new_story: Callable[..., Story]) -> None:
    # Given a Rollout at rest, with no earlier version
    story = new_story("e2e-nothing", replicas=1)
    story.adopt(steps=[step(50)])
    pods = story.uids("v1")

    for command in ("promote", "abort", "rollback", "explode"):
        # When a command comes that makes no sense now
        story.command(command)

        # Then it is answered in the status, and nothing happens
        def answer(verb: str = command) -> str:
            last = story.now().status.get("lastCommand", {})
            return str(last.get("result", "")) if last.get("verb") == verb else ""

        assert "nothing done" in story.eventually(answer, 20, f"an answer to {command}")
    assert story.uids("v1") == pods
    assert story.now().phase == "Healthy"
