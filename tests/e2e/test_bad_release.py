"""A version with 5 % errors is rolled back by itself, and stays rolled back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from e2e.invariants import made, most_owned
from e2e.local_operator import LocalOperator
from e2e.prometheus import first_above
from stage import acts, manifests
from stage.acts import Result
from stage.manifests import ERROR_QUERY, error_analysis, step
from stage.story import Story, environment_of

REPLICAS = 4
BAD_ENVIRONMENT = {"VERSION": "v3", "ERROR_RATIO": "0.05"}


def test_bad_release_is_rolled_back_and_not_released_again(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given four replicas of v1 under traffic, and a Rollout that accepts 1 % of errors
    story = new_story("solo-bad", replicas=REPLICAS, rate=60)
    operator = new_operator(story)
    operator.start()
    story.adopt(
        steps=[step(20, "30s"), step(50, "30s")],
        analysis=error_analysis(interval="5s", maximum="0.01"),
    )
    stable_pods = story.uids("v1")

    # When v3 comes, which answers 5 % of its requests with an error
    result = acts.play(story, replace(acts.BAD_RELEASE, stable_after="v1"))

    # Then it is rolled back in time, with the reason, and nothing else has changed
    assert not result.problems, f"{result.problems}\n{story.tell()}"
    assert_rolled_back_in_time(story, result)
    assert_reason_is_told(story)
    assert story.uids("v1") == stable_pods
    assert environment_of(story.deployment()) == BAD_ENVIRONMENT

    # When the operator starts anew, the same manifest is applied again,
    # and the Deployment goes to no replicas and back
    operator.restart()
    story.until_reconciled()
    apply_with(story, BAD_ENVIRONMENT)
    story.until_reconciled()
    assert story.uids("v1") == stable_pods
    go_to_zero_and_back(story)

    # Then the rejected version is not released again
    assert story.now().phase == "RolledBack", story.tell()
    assert made(story, "v3", since=result.done_at) == []

    # When the template is reverted in the manifest
    pods = story.uids("v1")
    apply_with(story, {"VERSION": "v1"})

    # Then the Rollout is Healthy without a release
    story.until_now("Healthy", "v1", timeout_seconds=20)
    assert story.uids("v1") == pods
    assert made(story, "v3", since=result.done_at) == []
    assert most_owned(story) == 1


def assert_rolled_back_in_time(story: Story, result: Result) -> None:
    """No canary pod is left 30 s after the first instant at which a reading would have failed."""
    pods = f"web-{story.hash_of('v3')}-.*"
    query = ERROR_QUERY.replace("{{namespace}}", story.namespace).replace("{{canary}}", pods)
    failing_at = first_above(query, 0.01, result.typed_at)
    assert failing_at is not None, story.tell()
    gone_at = [pod.gone_at for pod in result.pods]
    assert all(gone_at), story.tell()
    seconds = max(at for at in gone_at if at) - failing_at
    assert seconds <= 30, f"{seconds:.1f} s\n{story.tell()}"


def assert_reason_is_told(story: Story) -> None:
    """The sentence names the metric, its value and the limit."""
    moment = story.now()
    assert moment.phase == "RolledBack"
    assert "errors" in moment.message, moment.message
    assert "0.01" in moment.message, moment.message
    without_limit = moment.message.replace("0.01", "", 1)
    assert any(character.isdigit() for character in without_limit), moment.message


def apply_with(story: Story, environment: dict[str, str]) -> None:
    """Apply the app's manifest with this environment."""
    story.apply(*manifests.app(story.namespace, replicas=REPLICAS, environment=environment))


def go_to_zero_and_back(story: Story) -> None:
    """Scale to nothing and up again, each time until the operator has seen it."""
    story.scale(0)
    story.until_gone("v1")
    story.until_reconciled()
    story.scale(REPLICAS)
    story.until_serving("v1", REPLICAS)
    story.until_reconciled()
