"""A PodDisruptionBudget over the app's pods: what it says in a release, and that it is kept.

The disruption controller asks each pod's controller for its scale: a ReplicaSet of a Deployment
counts as the Deployment's `spec.replicas`, any other by its own. A canary belongs to the Rollout's
anchor, a ControllerRevision, and so counts beside the Deployment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from e2e.invariants import fewest_serving, made, most_owned, stable_versions
from e2e.load_counts import LONG_DRAIN, assert_all_answered
from e2e.local_operator import LocalOperator
from e2e.swap import stop_in_the_gap
from stage.cluster import Json, path_of
from stage.manifests import step
from stage.story import Story
from stage.watching import is_ready

REPLICAS = 3
CREATED, REFUSED = 201, 429
SYNC_SECONDS = 20


class Budget(NamedTuple):
    """What a budget's status says."""

    expected: int
    desired: int
    healthy: int
    allowed: int


FORMS: Final[Mapping[str, Json]] = {
    "minAvailable 2": {"minAvailable": 2},
    "minAvailable 60%": {"minAvailable": "60%"},
    "maxUnavailable 1": {"maxUnavailable": 1},
    "maxUnavailable 30%": {"maxUnavailable": "30%"},
}
# Three pods of a Deployment: this is what it says without a Rollout, too.
AT_REST: Final = dict.fromkeys(FORMS, Budget(3, 2, 3, 1))
# One canary beside them. As a number of healthy pods the budget counts the canary in; the other
# forms grow with the pods that are expected.
ONE_CANARY: Final = {
    "minAvailable 2": Budget(4, 2, 4, 2),
    "minAvailable 60%": Budget(4, 3, 4, 1),
    "maxUnavailable 1": Budget(4, 3, 4, 1),
    "maxUnavailable 30%": Budget(4, 2, 4, 2),
}
THREE_CANARIES: Final = {
    "minAvailable 2": Budget(6, 2, 6, 4),
    "minAvailable 60%": Budget(6, 4, 6, 2),
    "maxUnavailable 1": Budget(6, 5, 6, 1),
    "maxUnavailable 30%": Budget(6, 4, 6, 2),
}
# A canary that is expected and not ready is a disruption that is there already: unlike a pod that
# a Deployment surges by, it uses the budget up for as long as it does not come up.
ONE_UNREADY: Final = {
    "minAvailable 2": Budget(4, 2, 3, 1),
    "minAvailable 60%": Budget(4, 3, 3, 0),
    "maxUnavailable 1": Budget(4, 3, 3, 0),
    "maxUnavailable 30%": Budget(4, 2, 3, 1),
}


def budgets_path(story: Story, name: str = "") -> str:
    return f"/apis/policy/v1/namespaces/{story.namespace}/poddisruptionbudgets/{name}".rstrip("/")


def make_budget(story: Story, form: Json) -> None:
    """Make the budget `web` anew, of this form, over the pods of both sides."""
    story.cluster.delete(budgets_path(story, "web"))
    spec = {"selector": {"matchLabels": {"app": "web"}}, **form}
    body = {"metadata": {"name": "web"}, "spec": spec}
    story.cluster.request("POST", budgets_path(story), json=body).raise_for_status()


def budget(story: Story) -> Budget | None:
    """What it says; None before the controller has seen it. Fails when it cannot be computed."""
    found = story.cluster.get(budgets_path(story, "web"))
    status: Json = found.get("status", {})
    for condition in status.get("conditions", []):
        assert condition["reason"] != "SyncFailed", condition
    if status.get("observedGeneration") != found["metadata"]["generation"]:
        return None
    counts = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
    return Budget(*(int(status.get(count, 0)) for count in counts))


def until_budget(story: Story, wanted: Budget) -> None:
    try:
        story.eventually(lambda: budget(story) == wanted, SYNC_SECONDS, f"the budget is {wanted}")
    except AssertionError as error:
        raise AssertionError(f"The budget is {budget(story)}, not {wanted}.\n{error}") from error


def assert_budgets(story: Story, wanted: Mapping[str, Budget]) -> None:
    """Try each form in turn, and compare."""
    for name, form in FORMS.items():
        make_budget(story, form)
        until_budget(story, wanted[name])


def evict(story: Story, version: str) -> int:
    """Evict a ready pod of the version, as a drain does; the status code of the answer.

    One that does not run yet may always be evicted.
    """
    name = next(
        pod["metadata"]["name"]
        for pod in story.pods(version)
        if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
    )
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = f"{path_of('pods', story.namespace, name)}/eviction"
    return story.cluster.request("POST", path, json=body).status_code


def complaints(story: Story) -> list[str]:
    """What the disruption controller told about the budget: it does so only in trouble."""
    return [
        f"{event['reason']}: {event['message']}"
        for event in story.cluster.items("events", story.namespace)
        if event["involvedObject"]["kind"] == "PodDisruptionBudget"
    ]


def test_each_form_of_budget_is_computed_in_each_part_of_a_release(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given three replicas, and what each form of budget says of them
    story = new_story("solo-budgets", replicas=REPLICAS)
    operator = new_operator(story)
    operator.start()
    assert_budgets(story, AT_REST)

    # When they are adopted, then it says the same
    story.adopt(steps=[step(25, approval="Required"), step(50, approval="Required")])
    assert_budgets(story, AT_REST)

    # When a canary runs, which a ControllerRevision owns, then it is counted by its own size
    typed_at = story.set_env(VERSION="v2")
    story.until_serving("v2", 1)
    assert_budgets(story, ONE_CANARY)
    story.command("promote")
    story.until_serving("v2", 3)
    assert_budgets(story, THREE_CANARIES)

    # When the Deployment owns nothing, between the two patches of the swap, then nothing changes
    wait_for_approval(story, 2)
    operator.kill()
    story.command("promote")
    stop_in_the_gap(story, operator)
    assert_budgets(story, THREE_CANARIES)

    # When the release is over, then it says what it said at first
    operator.restart()
    story.until_now("Healthy", "v2")
    story.until_gone("v1")
    assert_budgets(story, AT_REST)

    # When a canary does not come up, then it uses the budget up
    story.set_env(VERSION="v3", READY_DELAY_SECONDS="3600")
    story.eventually(lambda: story.pods("v3"), 60, "a canary of v3 is there")
    assert_budgets(story, ONE_UNREADY)

    # When it is taken back, then the budget is as before
    story.command("abort")
    story.until_now("RolledBack", "v2")
    story.until_gone("v3")
    assert_budgets(story, AT_REST)
    assert complaints(story) == []
    assert stable_versions(story, typed_at) == ["v1", "v2"]


def test_evictions_in_a_release_are_refused_as_at_rest_and_the_release_goes_through(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a budget of one disruption, under traffic
    story = new_story("solo-evictions", replicas=REPLICAS, rate=40, environment=LONG_DRAIN)
    new_operator(story).start()
    make_budget(story, {"maxUnavailable": 1})
    story.adopt(steps=[step(25, approval="Required"), step(50, approval="Required")])
    before = story.traffic()
    typed_at = story.set_env(VERSION="v2")

    for number, canaries in ((1, 1), (2, 3)):
        # When a stable pod is evicted beside the canaries
        whole = Budget(3 + canaries, 2 + canaries, 3 + canaries, 1)
        until_budget(story, whole)
        assert evict(story, "v1") == CREATED

        # Then no second one may go, of either side, until another is there for it
        assert [evict(story, "v2"), evict(story, "v1")] == [REFUSED, REFUSED]
        until_budget(story, whole)

        # And the same holds when a canary is evicted
        assert evict(story, "v2") == CREATED
        assert evict(story, "v1") == REFUSED
        until_budget(story, whole)
        wait_for_approval(story, number)
        story.command("promote")

    # Then the release goes through: what was evicted was made again once, nothing else
    story.until_now("Healthy", "v2")
    story.until_gone("v1")
    done_at = time.time()
    assert len(made(story, "v2")) == REPLICAS + 2, story.tell()
    assert len(made(story, "v1", since=typed_at)) == 2, story.tell()

    # And three served all the time, and no request was lost
    assert fewest_serving(story, typed_at, done_at) >= REPLICAS
    assert_all_answered(story, before)

    # And the budget is as before
    until_budget(story, Budget(3, 2, 3, 1))
    assert complaints(story) == []
    assert most_owned(story) == 1


def wait_for_approval(story: Story, number: int) -> None:
    def waits() -> bool:
        status = story.now().status
        return bool(status["phase"] == "Paused" and status["release"]["step"] == number)

    story.eventually(waits, 60, f"step {number} waits for its approval")
